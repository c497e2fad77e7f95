"""Texts to unit embeds in the joint space, averaged over prompt templates.

Encoding is slow and deterministic: callers that embed the same texts again keep the embeds. The
encoder itself keeps nothing.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from open_clip import CLIP
from torch import Tensor, nn

from model.errors import unknown_name
from model.text.templates import TEMPLATES

BATCH_PROMPTS = 256  # prompts in the text tower at once


class TextEncoder(Protocol):
    @property
    def embed_dim(self) -> int: ...

    @property
    def fingerprint(self) -> str: ...  # of the weights, and the precision if not float32

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

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], templates: str = "imagenet80") -> Tensor:
        """Unit embeds (len(texts), embed_dim), float32 on the CPU: mean of a set of TEMPLATES."""
        if templates not in TEMPLATES:
            raise unknown_name("template set", templates, TEMPLATES)
        if not texts:
            return torch.zeros(0, self.embed_dim)
        prompts = [template.format(text) for text in texts for template in TEMPLATES[templates]]
        embeds = [
            self._embed_prompts(prompts[start : start + BATCH_PROMPTS])
            for start in range(0, len(prompts), BATCH_PROMPTS)
        ]
        by_text = torch.cat(embeds).unflatten(0, (len(texts), -1))
        return F.normalize(by_text.mean(dim=1), dim=-1)

    def _embed_prompts(self, prompts: list[str]) -> Tensor:
        tokens = self.tokenizer(prompts).to(self.device)
        autocast: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
        if self.autocast_dtype is not None:
            autocast = torch.autocast(self.device.type, dtype=self.autocast_dtype)
        with autocast:
            embeds = encode_tokens(self.clip, tokens)
        return F.normalize(embeds.float(), dim=-1).cpu()


def encode_tokens(clip: CLIP, tokens: Tensor) -> Tensor:
    """The output of `clip.encode_text` for tokens (B, context_length), without the padding.

    In a causal tower no token attends to what is behind it, and prompts fill 10 of its 77 places.
    """
    is_causal = isinstance(clip, CLIP) and clip.attn_mask is not None
    if not is_causal or clip.text_pool_type != "argmax":
        embeds: Tensor = clip.encode_text(tokens)
        return embeds
    length = int(tokens.argmax(dim=1).max()) + 1
    tokens = tokens[:, :length]
    x = clip.token_embedding(tokens) + clip.positional_embedding[:length]
    x = clip.transformer(x, attn_mask=clip.attn_mask[:length, :length])
    x = clip.ln_final(x)[torch.arange(len(x)), tokens.argmax(dim=1)]
    projection = clip.text_projection
    projected: Tensor = projection(x) if isinstance(projection, nn.Linear) else x @ projection
    return projected
