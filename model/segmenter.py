"""The method: words and an image in, one mask a class out.

Shapes: K classes, R rows of text, E channels of the joint space, h, w patches, H, W pixels.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.encoder.image_encoder import DenseFeatures, ImageEncoder
from model.interactive.prompt_mask import BoxPrompt, PointPrompt, answer
from model.memory.lessons import Lesson, TaughtMask, make_lesson
from model.memory.memory import Memory
from model.methods import METHODS, MethodConfig
from model.refine.refiners import refine_to_labels
from model.scoring.class_probs import class_probs, contenders, otsu_threshold, purify, settle
from model.scoring.logits import class_logits, key_words
from model.segment_settings import SegmentSettings, feature_setting
from model.text.encoder import TextEncoder
from model.text.vocabulary import Vocabulary, class_of_label, embed_vocabulary

MAX_REFINED_CLASSES = 64  # at full resolution, unless more of them win a patch


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
        images: Sequence[np.ndarray],
        vocabulary: Vocabulary | Sequence[Vocabulary],
        settings: SegmentSettings = SegmentSettings(),  # noqa: B008, frozen
    ) -> list[Segmentation]:
        """Segment RGB uint8 images (H, W, 3), all with one vocabulary or each with its own."""
        vocabularies = _one_each(vocabulary, len(images))
        method = settings.resolve()
        features = self.encode(images, method, vocabularies)
        return [
            self.segment(*item, method) for item in zip(features, images, vocabularies, strict=True)
        ]

    def encode(
        self,
        images: Sequence[np.ndarray],
        method: MethodConfig,
        vocabulary: Vocabulary | Sequence[Vocabulary] | None = None,
    ) -> list[DenseFeatures]:
        """Dense features of each image; only methods with feedback look at the vocabulary."""
        if not method.feedback_share or vocabulary is None:
            return self.encode_image(images, method)
        texts = [
            embed_vocabulary(one, self.encode_text, method).embeds
            for one in _one_each(vocabulary, len(images))
        ]
        return self.encode_image(images, method, texts)

    @torch.inference_mode()
    def segment(
        self,
        features: DenseFeatures,
        image: np.ndarray,
        vocabulary: Vocabulary,
        method: MethodConfig,
        memory: Memory | None = None,
    ) -> Segmentation:
        """Which class of the vocabulary each pixel of the image (H, W, 3) is."""
        if not vocabulary.classes:
            return _nothing(vocabulary, features.image_hw)
        probs = self.patch_probs(features, image, vocabulary, method, memory)
        probs = contenders(probs, MAX_REFINED_CLASSES)
        label_map, best_prob = refine_to_labels(method.refiner, probs, _planes(image))  # (H, W)
        return decide(label_map, best_prob, probs, vocabulary, method)

    @torch.inference_mode()
    def patch_probs(
        self,
        features: DenseFeatures,
        image: np.ndarray,
        vocabulary: Vocabulary,
        method: MethodConfig,
        memory: Memory | None = None,
    ) -> Tensor:
        """Probs (K + 1, h, w) of each class and of "none of them": words, and what was learnt."""
        n_classes = len(vocabulary.classes)
        if memory is None or memory.space != self.space(method):
            memory = Memory()
        class_of = class_of_label(vocabulary)
        taught = memory.taught(class_of, n_classes + 1)  # (C,)
        text = embed_vocabulary(vocabulary, self.encode_text, method)  # embeds (R, E)
        if len(text.embeds):
            is_guess = text.is_label & ~taught[text.owners]  # (R,)
            logits = class_logits(features, text, is_guess, _planes(image), method)  # (R, h, w)
            probs = class_probs(logits, text.owners, n_classes)
            probs = purify(probs, features.patch_tokens, method.purifier, method.purify_below)
        else:  # no name that could be asked for
            probs = torch.zeros(n_classes + 1, *features.patch_tokens.shape[1:])
            probs[-1] = 1
        if not taught.any():
            return probs
        return memory.blend(
            probs, features.patch_tokens, class_of, key_words(memory, text, n_classes, method)
        )

    def space(self, method: MethodConfig) -> str:
        """Names the features: lessons of one space are of no use in another."""
        setting = repr(feature_setting(method))
        return f"{self.fingerprint[:16]}-{hashlib.blake2b(setting.encode()).hexdigest()[:8]}"

    @torch.inference_mode()
    def learn(
        self,
        features: DenseFeatures,
        taught: Sequence[TaughtMask],
        vocabulary: Vocabulary,
        method: MethodConfig,
    ) -> Lesson:
        """What a person's masks of this image say; a label's absence is evidence too."""
        named = [one for one in taught if one.label in vocabulary.names]
        return make_lesson(self.space(method), features.patch_tokens, named, features.image_hw)

    @torch.inference_mode()
    def answer_prompts(
        self,
        features: DenseFeatures,
        image: np.ndarray,
        prompts: Sequence[PointPrompt | BoxPrompt],
        vocabulary: Vocabulary,
        label_index: int,
        method: MethodConfig,
        memory: Memory | None = None,
    ) -> tuple[np.ndarray, float]:
        """The mask (H, W) bool of what clicks and boxes point at, and its score 0..1."""
        probs = self.patch_probs(features, image, vocabulary, method, memory)
        return answer(features.patch_tokens, image, prompts, probs[label_index])

    def version(self, method: MethodConfig) -> str:
        """Checkpoint, method and refiner, e.g. "starter-1a2b3c4d/firstpass/crf"."""
        version = f"{self.model_name}-{self.fingerprint[:8]}/{method.name}/{method.refiner}"
        if (
            method.name in METHODS
            and replace(METHODS[method.name], refiner=method.refiner) == method
        ):
            return version
        return f"{version}-{hashlib.blake2b(repr(astuple(method)).encode()).hexdigest()[:6]}"


def decide(
    label_map: Tensor,
    best_prob: Tensor,
    probs: Tensor,
    vocabulary: Vocabulary,
    method: MethodConfig,
) -> Segmentation:
    """The answer, from each pixel's best class (H, W), its prob, and the probs (K + 1, h, w)."""
    n_classes = len(vocabulary.classes)
    prob_threshold, area_threshold = method.prob_threshold, method.area_threshold
    if prob_threshold is None:
        prob_threshold = otsu_threshold(probs.amax(dim=0))
    if area_threshold is None:
        area_threshold = 1 / (probs.shape[1] * probs.shape[2])
    scores = settle(label_map, best_prob, n_classes, prob_threshold, area_threshold)
    return Segmentation(vocabulary.names, label_map.cpu().numpy(), scores.numpy())


def _planes(image: np.ndarray) -> Tensor:
    """RGB (3, H, W) of an image (H, W, 3)."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def _one_each(vocabulary: Vocabulary | Sequence[Vocabulary], count: int) -> Sequence[Vocabulary]:
    return [vocabulary] * count if isinstance(vocabulary, Vocabulary) else vocabulary


def _nothing(vocabulary: Vocabulary, image_hw: tuple[int, int]) -> Segmentation:
    return Segmentation(
        vocabulary.names,
        np.full(image_hw, -1, dtype=np.int16),
        np.zeros(len(vocabulary.classes), dtype=np.float32),
    )
