"""The method: images and words in, masks out. All that backend/ may import is here."""

from model.build import CheckpointConfig, build_segmenter
from model.encoder.image_encoder import ImageEncoder
from model.encoder.tower_fit import describe_tower, tower_warning
from model.errors import CheckpointError, MethodError, ModelError
from model.features import DenseFeatures
from model.interactive.prompt_mask import BoxPrompt, PointPrompt
from model.memory.judge import ExpertWeights
from model.memory.lesson import Lesson, TaughtMask
from model.memory.memory import Memory, MemoryConfig
from model.memory.patch_expert import PatchConfig
from model.methods import METHODS, MethodConfig
from model.out_of_memory import is_out_of_memory
from model.refine.refiners import REFINERS
from model.segment_settings import (
    Automatic,
    LogitScale,
    MethodName,
    RefinerName,
    SegmentSettings,
    Share,
    SynonymReduction,
    TemplateSetName,
)
from model.segmentation import Segmentation
from model.segmenter import Segmenter
from model.text.asked_words import AskedWords, asked_words
from model.text.class_embeds import PromptConfig, texts_of
from model.text.encoder import TextEncoder
from model.text.synonyms import synonyms_from_word_lists
from model.text.templates import TEMPLATES
from model.text.vocabulary import ClassPrompt, Vocabulary, asked_texts, is_read_well

__all__ = [
    "METHODS",
    "REFINERS",
    "TEMPLATES",
    "AskedWords",
    "Automatic",
    "BoxPrompt",
    "CheckpointConfig",
    "CheckpointError",
    "ClassPrompt",
    "DenseFeatures",
    "ExpertWeights",
    "ImageEncoder",
    "Lesson",
    "LogitScale",
    "Memory",
    "MemoryConfig",
    "MethodConfig",
    "MethodError",
    "MethodName",
    "ModelError",
    "PatchConfig",
    "PointPrompt",
    "PromptConfig",
    "RefinerName",
    "SegmentSettings",
    "Segmentation",
    "Segmenter",
    "Share",
    "SynonymReduction",
    "TaughtMask",
    "TemplateSetName",
    "TextEncoder",
    "Vocabulary",
    "asked_texts",
    "asked_words",
    "build_segmenter",
    "describe_tower",
    "is_out_of_memory",
    "is_read_well",
    "synonyms_from_word_lists",
    "texts_of",
    "tower_warning",
]
