"""Words to unit embeds in the joint space, averaged over prompt templates."""

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from open_clip import CLIP
from torch import Tensor, nn

from model.errors import unknown_name
from model.text.templates import TEMPLATES

BATCH_PROMPTS = 256  # prompts in the text tower at once
REMEMBERED_TEXTS = 4096  # embeds kept in memory, a few MB


class TextEncoder(Protocol):
    @property
    def embed_dim(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...  # of the weights

    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU."""
        ...


@dataclass(frozen=True, eq=False)
class OpenClipTextEncoder:
    clip: CLIP
    tokenizer: Callable[[list[str]], Tensor]
    embed_dim: int
    fingerprint: str
    device: torch.device
    autocast_dtype: torch.dtype | None = None
    _recent: OrderedDict[tuple[str, str], Tensor] = field(default_factory=OrderedDict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU; each template counts alike."""
        if templates not in TEMPLATES:
            raise unknown_name("template set", templates, TEMPLATES)
        with self._lock:
            known = {text: self._recent.get((text, templates)) for text in texts}
        missing = [text for text, embed in known.items() if embed is None]
        for text, embed in zip(missing, self._encode(missing, TEMPLATES[templates]), strict=True):
            known[text] = embed
        self._remember(known, templates)
        if not texts:
            return torch.zeros(0, self.embed_dim)
        return torch.stack([embed for text in texts if (embed := known[text]) is not None])

    def _encode(self, texts: Sequence[str], templates: Sequence[str]) -> Tensor:
        prompts = [template.format(text) for text in texts for template in templates]
        embeds = [
            self._embed_prompts(prompts[start : start + BATCH_PROMPTS])
            for start in range(0, len(prompts), BATCH_PROMPTS)
        ]
        if not embeds:
            return torch.zeros(0, self.embed_dim)
        by_text = torch.cat(embeds).unflatten(0, (len(texts), len(templates)))
        return F.normalize(by_text.mean(dim=1), dim=-1)

    def _embed_prompts(self, prompts: list[str]) -> Tensor:
        tokens = self.tokenizer(prompts).to(self.device)
        autocast: contextlib.AbstractContextManager = contextlib.nullcontext()
        if self.autocast_dtype is not None:
            autocast = torch.autocast(self.device.type, dtype=self.autocast_dtype)
        with autocast:
            embeds = encode_tokens(self.clip, tokens)
        return F.normalize(embeds.float(), dim=-1).cpu()

    def _remember(self, known: dict[str, Tensor | None], templates: str) -> None:
        with self._lock:
            for text, embed in known.items():
                if embed is not None:
                    self._recent[text, templates] = embed
                    self._recent.move_to_end((text, templates))
            while len(self._recent) > REMEMBERED_TEXTS:
                self._recent.popitem(last=False)


def encode_tokens(clip: CLIP, tokens: Tensor) -> Tensor:
    """What `clip.encode_text` gives for tokens (B, context_length), without the empty places.

    A causal tower never looks behind the end of a text, and prompts fill 10 of its 77 places.
    """
    is_causal = isinstance(clip, CLIP) and clip.attn_mask is not None
    if not is_causal or clip.text_pool_type != "argmax":
        return clip.encode_text(tokens)
    length = int(tokens.argmax(dim=1).max()) + 1
    tokens = tokens[:, :length]
    x = clip.token_embedding(tokens) + clip.positional_embedding[:length]
    x = clip.transformer(x, attn_mask=clip.attn_mask[:length, :length])
    x = clip.ln_final(x)[torch.arange(len(x)), tokens.argmax(dim=1)]
    projection = clip.text_projection
    return projection(x) if isinstance(projection, nn.Linear) else x @ projection
