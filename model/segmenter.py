"""The method: words and an image in, one mask for each class out.

Shapes: K classes, C = K + 1 with the background last, R rows of text, E channels of the joint
space, h, w patches, H, W pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.encoder.config import EncoderConfig
from model.encoder.image_encoder import ImageEncoder
from model.encoder.published.resclip import TextQuery
from model.encoder.tower_fit import READINGS, choose_reading
from model.feature_space import feature_space, method_digest
from model.features import DenseFeatures
from model.interactive.prompt_mask import BoxPrompt, PointPrompt, prompt_mask
from model.memory.blend import Blend, taught_classes
from model.memory.lesson import Lesson, TaughtMask
from model.memory.lessons import make_lesson
from model.memory.memory import Memory
from model.methods import METHODS, MethodConfig
from model.pixel_labels import MAX_REFINED_CLASSES, image_planes, label_pixels
from model.refine.crf import AFFORDABLE
from model.scoring.class_probs import renormalized, top_classes
from model.scoring.decision import text_probs
from model.scoring.expected_iou import RegionEvidence
from model.scoring.logits import text_probs_at
from model.scoring.specks import absorb_specks_
from model.scoring.thresholds import apply_thresholds_
from model.segment_settings import SegmentSettings
from model.segmentation import Segmentation, empty_segmentation, label_scores
from model.text.class_embeds import embed_vocabulary
from model.text.encoder import TextEncoder
from model.text.vocabulary import Vocabulary, class_index_by_name

CLICK_PIXELS = 160 * 160  # that the lessons' pixels are asked of at a click


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
        return self.encode_image(images, method.windows, self.encoder_for(method), queries)

    def encoder_for(self, method: MethodConfig) -> EncoderConfig:
        """The method's encoder for this checkpoint's tower, block numbers as published."""
        if not method.suits_tower:
            return method.encoder
        return READINGS[choose_reading(self.encode_image.traits)](method.encoder)

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
            return empty_segmentation(vocabulary, features.image_hw)
        blend = self.blend(vocabulary, method, memory)
        probs = self.patch_probs(features, image, vocabulary, method, blend)  # (C, h, w)
        label_map, best_prob = label_pixels(
            probs, image, method.decision, blend, self.refining_device
        )  # (H, W)
        is_left = apply_thresholds_(
            label_map,
            best_prob,
            n_classes,
            prob_threshold=thresholds.prob_of(probs),
            area_threshold=thresholds.area_of(probs),
        )
        labels = label_map.cpu().numpy()
        del best_prob
        if part_px := thresholds.part_px_of(features.image_hw):
            absorb_specks_(labels, part_px)
        is_taught = taught_classes(blend, n_classes + 1)
        evidence = RegionEvidence(probs, features.tokens_like(probs), is_taught)
        return Segmentation(
            vocabulary.names, labels, label_scores(labels, is_left, evidence), evidence
        )

    @torch.inference_mode()
    def patch_probs(
        self,
        features: DenseFeatures,
        image: NDArray[np.uint8],
        vocabulary: Vocabulary,
        method: MethodConfig,
        blend: Blend | None = None,
    ) -> Tensor:
        """Class probs (C, h, w) by words and patches, at the patches or the propagation's grid."""
        is_taught = taught_classes(blend, len(vocabulary.classes) + 1)
        text = embed_vocabulary(vocabulary, self.encode_text, method.decision.prompts)
        planes = image_planes(image)
        probs = text_probs(features, text, is_taught, planes, method.decision)  # (C, h, w)
        return (
            probs if blend is None else blend.at_patches(probs, features.lesson_tokens_like(probs))
        )

    @torch.inference_mode()
    def blend(
        self, vocabulary: Vocabulary, method: MethodConfig, memory: Memory | None
    ) -> Blend | None:
        """What the lessons know of this vocabulary; None if nothing, or of other features."""
        if memory is None or memory.space != self.space(method):
            return None
        text = embed_vocabulary(vocabulary, self.encode_text, method.decision.prompts)
        n_classes = len(vocabulary.classes)
        at_points = text_probs_at(memory.joint_tokens, text, n_classes, method.decision.logits)
        blend = memory.blend(class_index_by_name(vocabulary), n_classes + 1, at_points)
        return blend if blend.is_taught.any() else None

    @torch.inference_mode()
    def learn(
        self,
        features: DenseFeatures,
        image: NDArray[np.uint8],
        taught: Sequence[TaughtMask],
        vocabulary: Vocabulary,
        method: MethodConfig,
    ) -> Lesson:
        """The lesson of a person's masks of one image; a label's absence is evidence, too."""
        known = [one for one in taught if one.label in vocabulary.names]
        return make_lesson(
            self.space(method),
            features.lesson_tokens_like(features.patch_tokens),
            image,
            known,
            middle_channels=features.middle_tokens.shape[0],
        )

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
        blend = self.blend(vocabulary, method, memory)
        probs = self.patch_probs(features, image, vocabulary, method, blend)  # (C, h, w)
        tokens = features.tokens_like(probs)
        label_prob = probs[label_index]
        if blend is not None and blend.sees_pixels:
            # With a thousand labels not each of them at each pixel.
            classes = torch.cat(
                [top_classes(probs, MAX_REFINED_CLASSES), torch.tensor([label_index])]
            ).unique()  # (k,)
            kept = renormalized(probs[classes])
            at_pixels = blend.at_pixels(kept, classes, image, CLICK_PIXELS)  # (k, y, x)
            label_prob = at_pixels[classes == label_index][0]
        return prompt_mask(tokens, image, prompts, label_prob)

    @property
    def refining_device(self) -> torch.device:
        """Where edges are refined: beside the image encoder, if it is known what that affords."""
        device = self.encode_image.device
        return device if device.type in AFFORDABLE else torch.device("cpu")

    @property
    def precision(self) -> str:
        """Arithmetic of the model: "float32", "bfloat16" or "float16"."""
        return str(self.encode_image.autocast_dtype or torch.float32).removeprefix("torch.")

    def space(self, method: MethodConfig) -> str:
        """Names the features: lessons of one space are of no use in another."""
        as_encoded = replace(method, encoder=self.encoder_for(method))
        return f"{self.fingerprint[:16]}-{feature_space(as_encoded)}"

    def version(self, method: MethodConfig) -> str:
        """Checkpoint, method and refiner, e.g. "starter-1a2b3c4d/firstpass/crf"; with a digest of
        the settings where they are not the preset's."""
        refiner = method.decision.refiner
        version = f"{self.model_name}-{self.fingerprint[:8]}/{method.name}/{refiner}"
        preset = METHODS.get(method.name)
        if preset and method == replace(preset, decision=replace(preset.decision, refiner=refiner)):
            return version
        return f"{version}-{method_digest(method)}"


def _one_each(vocabulary: Vocabulary | Sequence[Vocabulary], count: int) -> Sequence[Vocabulary]:
    return [vocabulary] * count if isinstance(vocabulary, Vocabulary) else vocabulary
