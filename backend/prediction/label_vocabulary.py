"""Builds the model's vocabulary from the labels of a config and the project's settings."""

from collections.abc import Sequence

from backend.label_studio.controls import LabelSpec
from backend.label_studio.project_settings import ProjectSettings
from model import ClassPrompt, Vocabulary


def vocabulary_of(labels: Sequence[LabelSpec], project: ProjectSettings) -> Vocabulary:
    """One class for each label, in order, named by the label's value and not by its alias."""
    prompts = []
    for label in labels:
        synonyms = project.synonyms.get(label.name) or project.synonyms.get(label.value) or ()
        description = project.descriptions.get(label.name) or project.descriptions.get(label.value)
        prompts.append(
            ClassPrompt(label.value, (*label.synonyms, *synonyms), description or label.hint)
        )
    return Vocabulary(tuple(prompts), project.background, project.auto_negatives)
