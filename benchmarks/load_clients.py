"""The clients of benchmarks.load: what each asks, and how fast."""

import base64
import io
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from PIL import Image

ROOT = Path(__file__).parents[1]
LABELS = ("cat", "coffee cup", "table", "person", "sky", "rocket")
CONFIG = (
    '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image">'
    + "".join(f'<Label value="{label}"/>' for label in LABELS)
    + '</BrushLabels><KeyPointLabels name="point" toName="image" smart="true">'
    + "".join(f'<Label value="{label}"/>' for label in LABELS)
    + "</KeyPointLabels></View>"
)
ASKED, TAUGHT = 1, 2  # numbers of projects; only the other one learns
CREATED = "1970-01-01T00:00:01.000000Z"
SHARES = {"person": 20, "batch": 4, "health": 4, "setup": 4}  # of 32 clients
TASKS_OF_A_BATCH = 8
CLICKS = ((40, 45), (55, 60), (30, 70), (65, 35))  # percent of the image

Body = dict[str, Any]


def photo_uris(size_wh: tuple[int, int], n_cuts: int) -> list[str]:
    """So many cuts of each photo that ships, as data: URIs of JPEGs of this size."""
    found = []
    for path in sorted((ROOT / "backend/sample_photos").glob("*.jpg")):
        photo = Image.open(path).convert("RGB")
        for number in range(n_cuts):
            left, top = (edge * number // (4 * n_cuts) for edge in photo.size)
            data = io.BytesIO()
            cut = photo.crop((left, top, left + photo.width * 3 // 4, top + photo.height * 3 // 4))
            cut.resize(size_wh).save(data, "JPEG", quality=90)
            found.append("data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode())
    return found


@dataclass
class Seen:
    """What came back. Safe between threads that add."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: Counter[str] = field(default_factory=Counter)
    failed_tasks: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """One of those that ask; `quiet`: answers by question, filled where it lacks one."""

    def __init__(self, url: str, uris: list[str], seen: Seen, quiet: dict[str, Any]) -> None:
        self.url, self.uris, self.seen, self.quiet = url, uris, seen, quiet

    def ask(self, kind: str, path: str, body: Body | None = None) -> Any:
        """The answer's JSON if it is one of success, else None; timed and counted."""
        started_s = time.perf_counter()
        try:
            method = "GET" if body is None else "POST"
            answer = requests.request(method, self.url + path, json=body, timeout=120)
            status = str(answer.status_code)
        except requests.RequestException as error:
            answer, status = None, type(error).__name__
        took_s = time.perf_counter() - started_s
        with self.seen.lock:
            self.seen.statuses[kind][status] += 1
            if answer is not None and answer.ok:
                self.seen.seconds[kind].append(took_s)
        return answer.json() if answer is not None and answer.ok else None

    def predict(self, kind: str, name: str, numbers: list[int], context: Body | None = None) -> Any:
        tasks = [{"id": n, "data": {"image": self.uris[n]}} for n in numbers]
        params = {"login": None, "password": None, "context": context}
        body = {"tasks": tasks, "label_config": CONFIG, "project": f"{ASKED}.1", "params": params}
        answer = self.ask(kind, "/predict", body)
        if answer is None:
            return
        for number, item in zip(numbers, answer["results"], strict=True):
            expected = self.quiet.setdefault(f"{name} {number}", item)
            with self.seen.lock:
                if "error" in item:
                    self.seen.failed_tasks[item["error"]["code"]] += 1
                elif item != expected:
                    self.seen.wrong[kind] += 1

    def click(self, number: int, clicked: int) -> None:
        """The first click of so many on this image, and those up to it."""
        points = [
            {"type": "keypointlabels", "id": f"k{n}", "from_name": "point", "to_name": "image",
             "value": {"x": x, "y": y, "width": 0.3, "keypointlabels": [LABELS[0]]}}
            for n, (x, y) in enumerate(CLICKS[:clicked])
        ]  # fmt: skip
        self.predict("click", f"click {clicked}", [number], {"result": points})

    def setup(self) -> None:
        self.ask("setup", "/setup", {"project": f"{ASKED}.1", "schema": CONFIG})

    def submit(self, annotation: int, number: int) -> None:
        """What was predicted for the task, as a person's annotation."""
        project = {"id": TAUGHT, "created_at": CREATED, "label_config": CONFIG}
        result = self.quiet[f"task {number}"]["result"]
        one = {"id": annotation, "result": result, "updated_at": CREATED, "was_cancelled": False}
        task = {"id": number, "data": {"image": self.uris[number]}}
        event = {"action": "ANNOTATION_CREATED", "annotation": one, "task": task}
        self.ask("webhook", "/webhook", event | {"project": project})

    def ask_everything_once(self) -> None:
        self.setup()
        for number in range(len(self.uris)):
            self.predict("task", "task", [number])
            for clicked in range(1, len(CLICKS) + 1):
                self.click(number, clicked)


def person(client: Client, rng: random.Random, numbers: Iterator[int]) -> None:
    number = rng.randrange(len(client.uris))
    client.setup()
    client.predict("task", "task", [number])
    for clicked in range(1, len(CLICKS) + 1):
        time.sleep(rng.uniform(2, 4))
        client.click(number, clicked)
    time.sleep(rng.uniform(2, 4))
    client.submit(next(numbers), number)


def batch(client: Client, rng: random.Random, _numbers: Iterator[int]) -> None:
    client.predict("batch", "task", rng.choices(range(len(client.uris)), k=TASKS_OF_A_BATCH))


def health(client: Client, _rng: random.Random, _numbers: Iterator[int]) -> None:
    client.ask("health", "/health")
    time.sleep(1)


def setup(client: Client, _rng: random.Random, _numbers: Iterator[int]) -> None:
    client.setup()
    time.sleep(1)


ROLES: dict[str, Callable[[Client, random.Random, Iterator[int]], None]] = {
    "person": person, "batch": batch, "health": health, "setup": setup,
}  # fmt: skip
