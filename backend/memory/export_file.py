"""What a project was taught, as one safetensors file: to keep, to move, to teach another project.

Each lesson is a tensor of its bytes, named by its digest; which annotation taught it stands in the
header. There are no images, no masks and no names of people in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from backend.errors import SettingsError
from backend.memory.lesson_index import LESSONS_BY_ANNOTATION, AnnotationLessons, LessonIndex
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
    """Write what the project knows now, or one version; the number of annotations in it.

    Raises SettingsError when there is nothing to write, StoreError while the store is away.
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
    index: LessonIndex, project: str, version_name: str | None
) -> dict[str, AnnotationLessons]:
    """Those that teach something, now or in one version."""
    if version_name is None:
        found = {key: one for key, one in index.annotations.items() if one.lessons}
    else:
        version = index.version(version_name) if version_name.split("-")[0].isdigit() else None
        if version is None:
            kept = ", ".join(version.name for version in index.versions) or "none"
            raise SettingsError(
                f"Project {project} keeps no version {version_name}. Kept are: {kept}."
            )
        found = version.annotations
    if not found:
        raise SettingsError(f"Project {project} has learnt nothing yet.")
    return found


def import_lessons(store: LessonStore, project: str, path: Path) -> int:
    """Teach a project what a file holds, and make a version of it; the annotations taken in.

    Lessons of the same project count as its annotations', so a newer update stays; those of
    another are kept beside the project's own. Raises SettingsError when it is no such file.
    """
    found = read_export(path)
    is_own = found.project == project
    taken = 0
    for annotation, taught in found.annotations.items():
        name = annotation if is_own else f"{found.project}/{annotation}"
        task = taught.task if is_own else f"{found.project}/{taught.task}"
        lessons = [
            NewLesson(ref.control, ref.page, found.lessons[ref.digest]) for ref in taught.lessons
        ]
        taken += store.teach(project, name, task, taught.updated_us, lessons)
    store.train(project)
    return taken


def read_export(path: Path) -> LessonExport:
    """What a file holds, checked through and through before any of it is used."""
    try:
        with safe_open(path, "numpy") as file:
            header: dict[str, Any] = file.metadata() or {}
            if header.get("format") != FORMAT:
                raise ValueError(f"its format is {header.get('format')!r}, not {FORMAT!r}")
            annotations = LESSONS_BY_ANNOTATION.validate_json(header["annotations"])
            lessons = _parse_lessons((name, file.get_tensor(name)) for name in file.keys())  # noqa: SIM118
        for taught in annotations.values():
            for ref in taught.lessons:
                if lessons[ref.digest].space != ref.space:
                    raise ValueError("a lesson is not what the header says")
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
    return LessonExport(str(header["project"]), annotations, lessons)


def _parse_lessons(tensors: Iterable[tuple[str, np.ndarray]]) -> dict[str, Lesson]:
    return {name: Lesson.from_bytes(tensor.tobytes()) for name, tensor in tensors}
