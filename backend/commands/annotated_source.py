"""The annotated tasks that a command is about, with what their predictions depend on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.commands.output_files import read_text
from backend.errors import SettingsError, StoreError
from backend.evaluation.annotated_tasks import (
    AnnotatedTask,
    get_project,
    list_annotated,
    read_annotated,
    read_export,
)
from backend.evaluation.folds import N_FOLDS, ONE_BY_ONE
from backend.label_studio.project_settings import ProjectSettings
from backend.label_studio.webhook_events import project_key
from backend.service import Service


@dataclass(frozen=True)
class SourceOptions:
    """One of `project` and `export` is given."""

    project: int | None
    export: Path | None
    label_config: Path | None
    extra_params: str | None


@dataclass(frozen=True)
class Source:
    """Annotated tasks, and what of their project predictions depend on."""

    name: str  # "project 12"
    project: Mapping[str, Any]  # as Label Studio describes it; of an export nothing is known
    label_config: str
    tasks: Sequence[AnnotatedTask]
    unreadable: Mapping[str, str]  # task -> why

    @property
    def key(self) -> str:
        return project_key(self.project) if self.project else ""

    @property
    def auth(self) -> tuple[str, str] | None:
        login = self.project.get("task_data_login")
        return (str(login), str(self.project.get("task_data_password") or "")) if login else None


def read_source(service: Service, options: SourceOptions) -> Source:
    config = read_text(options.label_config, "--label-config") if options.label_config else None
    if options.project is not None:
        project = get_project(service.label_studio, options.project)
        tasks, unreadable = read_annotated(list_annotated(service.label_studio, options.project))
        name = f"project {options.project}"
    else:
        if config is None or options.export is None:
            raise SettingsError(
                "--export needs --label-config FILE, since an export does not hold the labeling "
                "config: save it from the project's Settings > Labeling Interface > Code."
            )
        project, name = {}, options.export.name
        tasks, unreadable = read_annotated(read_export(options.export))
    config = str(project.get("label_config") or "") if config is None else config
    return Source(name, project, config, tasks, unreadable)


def choose_settings(
    service: Service, source: Source, extra_params: str | None
) -> tuple[ProjectSettings, str]:
    """The settings that predictions are made with, and where they are from."""
    if extra_params is not None:
        settings, ignored = ProjectSettings.from_extra_params(extra_params)
        if ignored:
            raise SettingsError(" ".join(ignored))
        return settings, "settings of --extra-params"
    try:
        is_known = bool(source.key) and source.key in service.projects.names()
    except StoreError:
        is_known = False
    if is_known:
        return service.projects.settings_of(source.key), "settings of the project"
    return ProjectSettings(), "default settings, since none of the project are known here"


def describe_leaving_out(n_tasks: int) -> str:
    if n_tasks <= ONE_BY_ONE:
        return "each task with the lessons of all others"
    return f"each task with the lessons of the {N_FOLDS - 1} of {N_FOLDS} folds that it is not in"


def cited(reasons: Sequence[str]) -> str:
    """The first of the reasons, for the end of a sentence."""
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return f": {reasons[0]}{more}" if reasons else ""
