"""Project 12 of the fake Label Studio, annotated by people before Firstpass was connected."""

import re
from typing import Any

from tests.support.annotated_export import Export, cat_on_dog, disk, photo_of
from tests.support.annotations import CONFIG
from tests.support.fake_label_studio import Asked, FakeLabelStudio, Reply, as_json

KEY = "12.200"  # as Label Studio's requests name it


class AnnotatedProject:
    """Its annotated tasks are listed in pages of ten."""

    def __init__(self, studio: FakeLabelStudio, export: Export) -> None:
        self.studio, self.export = studio, export
        self.described = {
            "id": 12, "title": "Fields", "created_at": "1970-01-01T00:03:20.5Z",
            "label_config": CONFIG, "task_data_login": None, "task_data_password": None,
        }  # fmt: skip
        self.models: list[dict[str, Any]] = [{"state": "CO", "model_version": "starter"}]
        studio.pages["/api/tasks"] = self._list
        studio.pages["/api/projects/12/"] = lambda _: as_json(self.described)
        studio.pages["/api/ml/"] = lambda _: as_json(self.models)

    def annotate(self, center_x: int, **more: Any) -> None:
        """A task whose disk people call a dog, and all around it a cat."""
        number = len(self.export.tasks) + 1
        one = cat_on_dog(~disk(center_x), number) | {"lead_time": 3.0} | more
        self.export.add(photo_of(disk(center_x)), one)

    def _list(self, asked: Asked) -> Reply:
        page = int(re.findall(r"[?&]page=(\d+)", asked.path)[0])
        tasks = self.export.tasks
        return as_json({"tasks": tasks[page * 10 - 10 : page * 10], "total": len(tasks)})
