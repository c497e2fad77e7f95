"""A project's lessons as one safetensors file, for a backup or another project.

Each lesson is a uint8 tensor of its bytes, named by its digest. The file's metadata holds the
annotations that refer to them. It contains no images, no masks and no names of people.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from backend.errors import SettingsError
from backend.memory.annotation_lessons import LESSONS_BY_ANNOTATION, AnnotationLessons
from backend.memory.lesson_snapshot import LessonSnapshot
from backend.memory.lesson_store import LessonStore, NewLesson
from model import Lesson, ModelError

FORMAT = "firstpass memory 1"


@dataclass(frozen=True)
class LessonExport:
    project: str
    annotations: Mapping[str, AnnotationLessons]
    lessons: Mapping[str, Lesson]  # by digest


def export_lessons(
    store: LessonStore, project: str, path: Path, version_name: str | None = None
) -> int:
    """Write the present lessons of a project, or one version of them; the number of annotations.

    Raises SettingsError if there are none or the file cannot be written, StoreError while the
    store is down.
    """
    annotations = select_annotations(store.index(project), project, version_name)
    refs = [ref for taught in annotations.values() for ref in taught.lessons]
    lessons = store.lessons(project, refs)
    tensors = {
        digest: np.frombuffer(lesson.to_bytes(), np.uint8) for digest, lesson in lessons.items()
    }
    header = {"format": FORMAT, "project": project}
    try:
        save_file(tensors, path, {**header, "annotations": orjson.dumps(annotations).decode()})
    except (OSError, SafetensorError) as error:
        raise SettingsError(f"{path} cannot be written: {error}.") from error
    return len(annotations)


def select_annotations(
    index: LessonSnapshot, project: str, version_name: str | None
) -> dict[str, AnnotationLessons]:
    """Annotations with lessons: the present ones, or those of one version."""
    if version_name is None:
        found = {key: taught for key, taught in index.annotations.items() if taught.lessons}
    else:
        version = index.version(version_name)
        if version is None:
            kept = ", ".join(version.name for version in index.versions) or "none"
            raise SettingsError(
                f"Project {project} keeps no version {version_name}. Kept are: {kept}."
            )
        found = dict(version.annotations)
    if not found:
        raise SettingsError(f"Project {project} has learned nothing yet.")
    return found


def import_lessons(store: LessonStore, project: str, path: Path) -> int:
    """Add the lessons of a file to a project and make a version; the number of new annotations.

    In the project that the file was exported from, its annotations replace older updates of the
    same ones. In another project they get ids of their own, beside the project's annotations.
    Raises SettingsError if the file cannot be read, StoreError while the store is down.
    """
    export = read_export(path)
    prefix = "" if export.project == project else f"{export.project}/"
    n_added = 0
    for annotation, taught in export.annotations.items():
        lessons = [
            NewLesson(ref.control, ref.page, export.lessons[ref.digest]) for ref in taught.lessons
        ]
        n_added += store.teach(
            project, prefix + annotation, prefix + taught.task, taught.updated_us, lessons
        )
    store.train(project)
    return n_added


def read_export(path: Path) -> LessonExport:
    """The whole content of an export file, validated. Raises SettingsError."""
    try:
        with safe_open(path, "numpy") as file:
            header: dict[str, str] = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(f"its format is {header.get('format')!r}, not {FORMAT!r}")
            annotations = LESSONS_BY_ANNOTATION.validate_json(header["annotations"])
            lessons = _parse_lessons((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
        for taught in annotations.values():
            for ref in taught.lessons:
                if lessons[ref.digest].space != ref.space:
                    raise ValueError("a lesson is not what the header says")
        return LessonExport(header["project"], annotations, lessons)
    except (
        OSError,
        SafetensorError,
        ModelError,
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        raise SettingsError(f"{path} cannot be read as a memory: {error!s:.300}") from error


def _parse_lessons(tensors: Iterable[tuple[str, NDArray[np.uint8]]]) -> dict[str, Lesson]:
    return {name: Lesson.from_bytes(tensor.tobytes()) for name, tensor in tensors}
