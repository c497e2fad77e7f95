"""The method: words and an image in, one mask for each class out.

Shapes: K classes, C = K + 1 with the background last, R rows of text, E channels of the joint
space, h, w patches, H, W pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoder.image_encoder import ImageEncoder
from model.encoder.published.resclip import TextQuery
from model.feature_space import feature_space, method_digest
from model.features import DenseFeatures
from model.interactive.prompt_mask import BoxPrompt, PointPrompt, prompt_mask
from model.memory.lessons import Lesson, TaughtMask, make_lesson
from model.memory.memory import Memory
from model.methods import METHODS, MethodConfig
from model.refine.refiners import refine_to_labels
from model.scoring.class_probs import keep_top_classes
from model.scoring.decision import text_probs
from model.scoring.logits import text_probs_at_keys
from model.scoring.thresholds import apply_thresholds_
from model.segment_settings import SegmentSettings
from model.text.class_embeds import embed_vocabulary
from model.text.encoder import TextEncoder
from model.text.vocabulary import Vocabulary, class_index_by_name

MAX_REFINED_CLASSES = 64  # at full resolution, unless more of them win a patch


@dataclass(frozen=True, eq=False)
class Segmentation:
    """At most one class a pixel, at full resolution."""

    class_names: tuple[str, ...]  # K, the vocabulary's order
    label_map: NDArray[np.int16]  # (H, W) int16: class index, -1 for none
    scores: NDArray[np.float32]  # (K,) float32 in 0..1: mean prob inside the mask; 0 where empty

    def mask(self, index: int) -> NDArray[np.bool_]:
        """Where class `index` is, (H, W) bool."""
        return np.equal(self.label_map, index)

    def non_empty(self) -> Iterator[tuple[int, str, NDArray[np.bool_], float]]:
        """(index, name, mask (H, W), score) of each class that is in the image."""
        for index in np.flatnonzero(self.scores):
            score = float(self.scores[index])
            yield int(index), self.class_names[index], self.mask(int(index)), score


@dataclass(frozen=True, eq=False)
class Segmenter:
    encode_image: ImageEncoder
    encode_text: TextEncoder
    model_name: str
    fingerprint: str  # of the weights

    def __call__(
        self,
        images: Sequence[NDArray[np.uint8]],
        vocabulary: Vocabulary | Sequence[Vocabulary],
        settings: SegmentSettings = SegmentSettings(),
    ) -> list[Segmentation]:
        """Segment RGB uint8 images (H, W, 3), all with one vocabulary or each with its own."""
        method = settings.resolve()
        vocabularies = _one_each(vocabulary, len(images))
        features = self.encode(images, method, vocabularies)
        return [
            self.segment(*item, method) for item in zip(features, images, vocabularies, strict=True)
        ]

    def encode(
        self,
        images: Sequence[NDArray[np.uint8]],
        method: MethodConfig,
        vocabulary: Vocabulary | Sequence[Vocabulary] | None = None,
    ) -> list[DenseFeatures]:
        """Dense features of each image; only methods whose encoder reads text need a vocabulary."""
        queries: list[TextQuery] = []
        if method.encoder.reads_text and vocabulary is not None:
            queries = [
                TextQuery(
                    embed_vocabulary(one, self.encode_text, method.decision.prompts).embeds,
                    method.decision.logits.logit_scale,
                )
                for one in _one_each(vocabulary, len(images))
            ]
        return self.encode_image(images, method.windows, method.encoder, queries)

    @torch.inference_mode()
    def segment(
        self,
        features: DenseFeatures,
        image: NDArray[np.uint8],
        vocabulary: Vocabulary,
        method: MethodConfig,
        memory: Memory | None = None,
    ) -> Segmentation:
        """Which class of the vocabulary each pixel of the image (H, W, 3) is."""
        n_classes, thresholds = len(vocabulary.classes), method.decision.thresholds
        if not n_classes:
            return _empty(vocabulary, features.image_hw)
        probs = self.patch_probs(features, image, vocabulary, method, memory)  # (C, h, w)
        probs = keep_top_classes(probs, MAX_REFINED_CLASSES)
        label_map, best_prob = refine_to_labels(method.decision.refiner, probs, _planes(image))
        scores = apply_thresholds_(
            label_map,  # (H, W)
            best_prob,  # (H, W)
            n_classes,
            prob_threshold=thresholds.prob_of(probs),
            area_threshold=thresholds.area_of(probs),
        )
        return Segmentation(vocabulary.names, label_map.cpu().numpy(), scores.numpy())

    @torch.inference_mode()
    def patch_probs(
        self,
        features: DenseFeatures,
        image: NDArray[np.uint8],
        vocabulary: Vocabulary,
        method: MethodConfig,
        memory: Memory | None = None,
    ) -> Tensor:
        """Class probs (C, h, w) by text and lessons, at the patches or the propagation's grid."""
        n_classes, class_of_label = len(vocabulary.classes), class_index_by_name(vocabulary)
        memory = self._usable(memory, method)
        taught = memory.taught_classes(class_of_label, n_classes + 1)  # (C,)

        text = embed_vocabulary(vocabulary, self.encode_text, method.decision.prompts)
        probs = text_probs(features, text, taught, _planes(image), method.decision)  # (C, h, w)
        if not taught.any():
            return probs
        at_keys = text_probs_at_keys(memory.keys, text, n_classes, method.decision.logits)
        return memory.blend(probs, features.tokens_like(probs), class_of_label, at_keys)

    @torch.inference_mode()
    def learn(
        self,
        features: DenseFeatures,
        taught: Sequence[TaughtMask],
        vocabulary: Vocabulary,
        method: MethodConfig,
    ) -> Lesson:
        """The lesson of a person's masks of one image; a label's absence is evidence, too."""
        known = [one for one in taught if one.label in vocabulary.names]
        return make_lesson(self.space(method), features.patch_tokens, known, features.image_hw)

    @torch.inference_mode()
    def answer_prompts(
        self,
        features: DenseFeatures,
        image: NDArray[np.uint8],
        prompts: Sequence[PointPrompt | BoxPrompt],
        vocabulary: Vocabulary,
        label_index: int,
        method: MethodConfig,
        memory: Memory | None = None,
    ) -> tuple[NDArray[np.bool_], float]:
        """The mask (H, W) bool of what clicks and boxes point at, and its score 0..1."""
        probs = self.patch_probs(features, image, vocabulary, method, memory)
        tokens = features.tokens_like(probs)
        return prompt_mask(tokens, image, prompts, probs[label_index])

    @property
    def precision(self) -> str:
        """Arithmetic of the model: "float32", "bfloat16" or "float16"."""
        return str(self.encode_image.autocast_dtype or torch.float32).removeprefix("torch.")

    def space(self, method: MethodConfig) -> str:
        """Names the features: lessons of one space are of no use in another."""
        return f"{self.fingerprint[:16]}-{feature_space(method)}"

    def version(self, method: MethodConfig) -> str:
        """Checkpoint, method and refiner, e.g. "starter-1a2b3c4d/firstpass/crf"; with a digest of
        the settings where they are not the preset's."""
        refiner = method.decision.refiner
        version = f"{self.model_name}-{self.fingerprint[:8]}/{method.name}/{refiner}"
        preset = METHODS.get(method.name)
        if preset and method == replace(preset, decision=replace(preset.decision, refiner=refiner)):
            return version
        return f"{version}-{method_digest(method)}"

    def _usable(self, memory: Memory | None, method: MethodConfig) -> Memory:
        """The memory, if its lessons are of the features of this method; else an empty one."""
        return memory if memory is not None and memory.space == self.space(method) else Memory()


def _planes(image: NDArray[np.uint8]) -> Tensor:
    """RGB (3, H, W) of an image (H, W, 3)."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def _one_each(vocabulary: Vocabulary | Sequence[Vocabulary], count: int) -> Sequence[Vocabulary]:
    return [vocabulary] * count if isinstance(vocabulary, Vocabulary) else vocabulary


def _empty(vocabulary: Vocabulary, image_hw: tuple[int, int]) -> Segmentation:
    return Segmentation(
        vocabulary.names,
        np.full(image_hw, -1, dtype=np.int16),
        np.zeros(len(vocabulary.classes), dtype=np.float32),
    )
