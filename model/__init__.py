"""The method: photographs and words in, masks out. All that backend/ may import is here."""

from model.build import CheckpointConfig, build_segmenter
from model.errors import CheckpointError, MethodError, ModelError, VocabularyError
from model.image_encoder import DenseFeatures, ImageEncoder
from model.methods import METHODS, MethodConfig
from model.refiners import REFINERS
from model.segmenter import Segmentation, Segmenter
from model.settings import SegmentSettings
from model.templates import TEMPLATES
from model.text_encoder import TextEncoder
from model.vocabulary import ClassPrompt, Vocabulary

__all__ = [
    "METHODS",
    "REFINERS",
    "TEMPLATES",
    "CheckpointConfig",
    "CheckpointError",
    "ClassPrompt",
    "DenseFeatures",
    "ImageEncoder",
    "MethodConfig",
    "MethodError",
    "ModelError",
    "SegmentSettings",
    "Segmentation",
    "Segmenter",
    "TextEncoder",
    "Vocabulary",
    "VocabularyError",
    "build_segmenter",
]
