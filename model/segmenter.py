"""The method: words and an image in, one mask a class out.

Shapes: K classes, R rows of text, E channels of the joint space, h, w patches, H, W pixels.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.calibration import class_probs, drop_small_classes, unlabel_unsure
from model.errors import unknown_name
from model.image_encoder import DenseFeatures, ImageEncoder
from model.methods import MethodConfig, get_method
from model.refiners import REFINERS, refine_to_labels
from model.templates import EVERYDAY_WORDS, TEMPLATES
from model.text_encoder import TextEncoder
from model.vocabulary import (
    PromptRows,
    Vocabulary,
    clean_name,
    kin_free,
    prompt_rows,
)


@dataclass(frozen=True)
class SegmentSettings:
    """What a project may choose for a request; None leaves it to the method."""

    method: str = "firstpass"
    refiner: str | None = None
    templates: str | None = None
    logit_scale: float | None = None
    prob_threshold: float | None = None  # 0..1
    area_threshold: float | None = None  # 0..1
    description_weight: float | None = None  # 0..1
    synonym_reduction: str | None = None  # "max" or "mean"

    def resolve(self) -> MethodConfig:
        """The method with these settings in it; MethodError names what is unknown."""
        method = get_method(self.method)
        changes = {
            name: value
            for name, value in vars(self).items()
            if name != "method" and value is not None
        }
        method = replace(method, **changes)
        if method.refiner not in REFINERS:
            raise unknown_name("refiner", method.refiner, REFINERS)
        if method.templates not in TEMPLATES:
            raise unknown_name("template set", method.templates, TEMPLATES)
        if method.synonym_reduction not in ("max", "mean"):
            raise unknown_name("synonym reduction", method.synonym_reduction, ("max", "mean"))
        return method


@dataclass(frozen=True, eq=False)
class Segmentation:
    """At most one class a pixel, at full resolution."""

    class_names: tuple[str, ...]  # K, the vocabulary's order
    label_map: np.ndarray  # (H, W) int16: class index, -1 for none
    scores: np.ndarray  # (K,) float32 in 0..1: mean prob inside the mask; 0 where empty

    def mask(self, index: int) -> np.ndarray:
        """Where class `index` is, (H, W) bool."""
        return self.label_map == index

    @property
    def masks(self) -> np.ndarray:
        """All masks (K, H, W) bool; made on demand, since K * H * W bytes can be many."""
        return self.label_map == np.arange(len(self.class_names))[:, None, None]

    def non_empty(self) -> Iterator[tuple[int, str, np.ndarray, float]]:
        """(index, name, mask (H, W), score) of each class that is in the image."""
        for index in np.unique(self.label_map):
            if index >= 0:
                score = float(self.scores[index])
                yield int(index), self.class_names[index], self.mask(index), score


@dataclass(frozen=True, eq=False)
class Segmenter:
    encode_image: ImageEncoder
    encode_text: TextEncoder
    model_name: str
    fingerprint: str  # of the weights

    def __call__(
        self,
        images: Sequence[np.ndarray],
        vocabulary: Vocabulary | Sequence[Vocabulary],
        settings: SegmentSettings = SegmentSettings(),  # noqa: B008, frozen
    ) -> list[Segmentation]:
        """Segment RGB uint8 images (H, W, 3), all with one vocabulary or each with its own."""
        if isinstance(vocabulary, Vocabulary):
            vocabulary = [vocabulary] * len(images)
        features = self.encode(images, settings)
        return [
            self.segment(*item, settings) for item in zip(features, images, vocabulary, strict=True)
        ]

    def encode(
        self, images: Sequence[np.ndarray], settings: SegmentSettings
    ) -> list[DenseFeatures]:
        """The part that sees no words: dense features of each image."""
        return self.encode_image(images, settings.resolve())

    @torch.inference_mode()
    def segment(
        self,
        features: DenseFeatures,
        image: np.ndarray,
        vocabulary: Vocabulary,
        settings: SegmentSettings,
    ) -> Segmentation:
        """The part that sees words: which class each pixel of the image (H, W, 3) is."""
        method = settings.resolve()
        rows = self._rows(vocabulary, method)
        if not rows.texts:
            return _nothing(vocabulary, features.image_hw)
        text_embeds = self._text_embeds(rows, vocabulary, method)  # (R, E)

        logits = torch.einsum("re,ehw->rhw", text_embeds, features.patch_tokens)
        probs = class_probs(
            logits, torch.tensor(rows.owners), len(vocabulary.classes), method.logit_scale
        )  # (K + 1, h, w)
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
        label_map, best_prob = refine_to_labels(method.refiner, probs, pixels)  # (H, W)

        label_map = label_map.masked_fill(label_map == len(vocabulary.classes), -1)
        label_map = unlabel_unsure(label_map, best_prob, method.prob_threshold)
        label_map = drop_small_classes(label_map, len(vocabulary.classes), method.area_threshold)
        return Segmentation(
            vocabulary.names, label_map.numpy(), _scores(label_map, best_prob, vocabulary)
        )

    def version(self, settings: SegmentSettings) -> str:
        """Checkpoint, method and refiner, e.g. "starter-1a2b3c4d/firstpass/guided"."""
        method = settings.resolve()
        version = f"{self.model_name}-{self.fingerprint[:8]}/{method.name}/{method.refiner}"
        if replace(settings, refiner=None) == SegmentSettings(method.name):
            return version
        return f"{version}-{hashlib.blake2b(repr(astuple(method)).encode()).hexdigest()[:6]}"

    def _rows(self, vocabulary: Vocabulary, method: MethodConfig) -> PromptRows:
        rows = prompt_rows(vocabulary)
        if not vocabulary.auto_negatives or not rows.texts:
            return rows
        labels, bank = (
            self.encode_text(texts, method.templates) for texts in (rows.texts, EVERYDAY_WORDS)
        )
        return prompt_rows(vocabulary, kin_free(EVERYDAY_WORDS, bank, rows.texts, labels))

    def _text_embeds(
        self, rows: PromptRows, vocabulary: Vocabulary, method: MethodConfig
    ) -> Tensor:
        """Unit embeds (R, E) of the rows, a class's description mixed into each of its rows."""
        embeds = self.encode_text(rows.texts, method.templates)
        described = {
            index: clean_name(prompt.description)
            for index, prompt in enumerate(vocabulary.classes)
            if prompt.description.strip()
        }
        if described and method.description_weight:
            descriptions = dict(
                zip(described, self.encode_text([*described.values()], "plain"), strict=True)
            )
            share = method.description_weight
            embeds = torch.stack(
                [
                    (1 - share) * embed + share * descriptions.get(owner, embed)
                    for embed, owner in zip(embeds, rows.owners, strict=True)
                ]
            )
        return F.normalize(embeds, dim=-1)


def _nothing(vocabulary: Vocabulary, image_hw: tuple[int, int]) -> Segmentation:
    return Segmentation(
        vocabulary.names,
        np.full(image_hw, -1, dtype=np.int16),
        np.zeros(len(vocabulary.classes), dtype=np.float32),
    )


def _scores(label_map: Tensor, best_prob: Tensor, vocabulary: Vocabulary) -> np.ndarray:
    """Mean prob (K,) inside each class of the label map (H, W)."""
    labels, n_classes = label_map.flatten().int() + 1, len(vocabulary.classes)
    areas = torch.bincount(labels, minlength=n_classes + 1)[1:]
    totals = torch.bincount(labels, best_prob.flatten(), minlength=n_classes + 1)[1:]
    return (totals / areas.clamp_min(1)).float().numpy()
