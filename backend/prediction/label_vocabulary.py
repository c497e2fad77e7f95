"""Builds the model's vocabulary from the labels of a config and the project's settings."""

from collections.abc import Sequence

from backend.errors import LabelConfigError
from backend.label_studio.controls import LabelSpec, read_controls
from backend.label_studio.project_settings import ProjectSettings
from model import ClassPrompt, Vocabulary, asked_texts, is_read_well

MAX_NAMED = 10  # labels in one warning


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


def foreign_labels_warning(label_config: object, project: ProjectSettings) -> str | None:
    """Which labels CLIP hardly understands, and the remedy; None if there are none.

    None for a config that cannot be read, too: whoever reads it says why.
    """
    try:
        controls = read_controls(str(label_config or ""))
    except LabelConfigError:
        return None
    classes = [
        one for control in controls for one in vocabulary_of(control.labels, project).classes
    ]
    names = list(
        dict.fromkeys(one.name for one in classes if not all(map(is_read_well, asked_texts(one))))
    )
    if not names:
        return None
    named = ", ".join(names[:MAX_NAMED])
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return (
        f"CLIP learned its words from English, and hardly understands {named}{more}. Give each "
        "such label an English hint, which is asked for instead, such as "
        f'<Label value="{names[0]}" hint="cat"/>; people still see the value.'
    )
