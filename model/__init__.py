"""The method: photographs and words in, masks out. All that backend/ may import is here."""

from model.build import CheckpointConfig, build_segmenter
from model.errors import CheckpointError, MethodError, ModelError, VocabularyError
from model.image_encoder import DenseFeatures, ImageEncoder
from model.interactive import BoxPrompt, PointPrompt
from model.lessons import Lesson, TaughtMask
from model.memory import Memory, MemoryConfig
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
    "BoxPrompt",
    "CheckpointConfig",
    "CheckpointError",
    "ClassPrompt",
    "DenseFeatures",
    "ImageEncoder",
    "Lesson",
    "Memory",
    "MemoryConfig",
    "MethodConfig",
    "MethodError",
    "ModelError",
    "PointPrompt",
    "SegmentSettings",
    "Segmentation",
    "Segmenter",
    "TaughtMask",
    "TextEncoder",
    "Vocabulary",
    "VocabularyError",
    "build_segmenter",
]
