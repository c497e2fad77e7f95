"""What the model is asked for: the words of a labeling config with the project's additions."""

from collections.abc import Sequence

from backend.label_studio.controls import LabelSpec
from backend.label_studio.project_settings import ProjectSettings
from model import ClassPrompt, Vocabulary


def vocabulary_of(labels: Sequence[LabelSpec], project: ProjectSettings) -> Vocabulary:
    """One class a label, in their order: the human word, never the alias that results carry."""
    prompts = []
    for label in labels:
        synonyms = project.synonyms.get(label.name) or project.synonyms.get(label.value) or ()
        description = project.descriptions.get(label.name) or project.descriptions.get(label.value)
        prompts.append(
            ClassPrompt(label.value, (*label.synonyms, *synonyms), description or label.hint)
        )
    return Vocabulary(tuple(prompts), project.background, project.auto_negatives)
