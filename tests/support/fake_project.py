"""A project of the fake Label Studio: lists its tasks by filters, and takes predictions of them."""

import functools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.fake_label_studio import Asked, FakeLabelStudio, Reply, as_json
from tests.support.label_configs import CAT_DOG_CONFIG

NUMBER = 12
KEY = "12.200"  # as its requests name it, by the second of its creation


class FakeProject:
    """Project 12 of a server, without a model connected; state and answers as 1.23.2 has them."""

    def __init__(self, server: FakeLabelStudio, images: Iterable[str]) -> None:
        self.server = server
        self.described: dict[str, Any] = {
            "id": NUMBER,
            "created_at": "1970-01-01T00:03:20Z",
            "label_config": CAT_DOG_CONFIG,
            "show_collab_predictions": True,
        }
        self.tasks: dict[int, dict[str, Any]] = {
            number: {"id": number, "data": {"image": image}, "total_annotations": 0}
            for number, image in enumerate(images, 1)
        }
        self.predictions: list[dict[str, Any]] = []
        self.backends: list[dict[str, Any]] = []
        self.outages = 0  # requests that are answered 503
        self.broken_answers = 0  # predictions that are stored, but answered 502
        self._lock = threading.Lock()
        answers: dict[str, Callable[[Asked], Reply]] = {
            f"/api/projects/{NUMBER}/": lambda _: as_json(self.described),
            "/api/ml/": lambda _: as_json(self.backends),
            "/api/tasks": self._list,
            "/api/predictions/": self._predictions,
        }
        for path, answer in answers.items():
            server.pages[path] = functools.partial(self._answer, answer)

    def versions(self, task_id: int) -> list[str]:
        """Of the predictions of a task, in the order in which they came."""
        return [one["model_version"] for one in self.predictions if one["task"] == task_id]

    def all_versions(self) -> dict[int, list[str]]:
        return {task_id: self.versions(task_id) for task_id in self.tasks}

    def _answer(self, answer: Callable[[Asked], Reply], asked: Asked) -> Reply:
        with self._lock:
            if self.outages:
                self.outages -= 1
                return as_json({"detail": "starting"}, 503)
            return answer(asked)

    def _list(self, asked: Asked) -> Reply:
        query = {key: found[0] for key, found in parse_qs(urlsplit(asked.path).query).items()}
        chosen = json.loads(query["query"])
        found = [task for task in self.tasks.values() if self._is_chosen(task, chosen)]
        found.sort(key=lambda task: task["id"], reverse=chosen["ordering"] == ["-tasks:id"])
        page = found[: int(query["page_size"])]
        if query["fields"] == "all":
            page = [task | {"predictions": self._of(task["id"])} for task in page]
        return as_json({"tasks": page, "total": len(found)})

    def _of(self, task_id: int) -> list[dict[str, Any]]:
        return [one for one in self.predictions if one["task"] == task_id]

    def _is_chosen(self, task: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
        selected = chosen.get("selectedItems")
        if selected and task["id"] not in selected["included"]:
            return False
        return all(self._passes(task, one) for one in chosen["filters"]["items"])

    def _passes(self, task: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
        column, operator = one["filter"].removeprefix("filter:tasks:"), one["operator"]
        if column == "predictions_model_versions":
            (part,) = one["value"]
            return any(part in name for name in self.versions(task["id"])) == (
                operator == "contains"
            )
        value, limit = task[column], one["value"]
        return {"less": value < limit, "greater": value > limit, "equal": value == limit}[operator]

    def _predictions(self, asked: Asked) -> Reply:
        if asked.method == "GET":
            task_id = int(parse_qs(urlsplit(asked.path).query)["task"][0])
            return as_json(self._of(task_id))
        prediction = json.loads(asked.body)
        if prediction["task"] not in self.tasks:
            return as_json({"validation_errors": {"task": ["object does not exist."]}}, 400)
        self.predictions.append(prediction)
        if self.broken_answers:
            self.broken_answers -= 1
            return as_json({}, 502)
        return as_json(prediction | {"id": len(self.predictions)}, 201)
