"""What one request brings is bounded, and what is kept of many is bounded by its bytes."""

import logging
import tracemalloc

import pytest

from backend.label_studio import controls
from backend.label_studio.config_cache import ConfigCache
from backend.label_studio.project_settings import ProjectSettings
from backend.log_once import WarnOnce
from backend.prediction import project_registry
from backend.prediction.page_loader import source_key
from backend.prediction.project_registry import ProjectRegistry
from backend.recent_failures import RecentFailures
from tests.support.label_configs import brush_labels, config, labels
from tests.support.request_bodies import predict_body

MB = 2**20
LONG = "x" * MB


def test_too_many_tasks_are_refused_with_the_number_that_is_taken(client):
    body = predict_body() | {"tasks": [1] * 20_001}
    answer = client.post("/predict", json=body)
    assert answer.status_code == 413
    assert "20001 tasks; 20000 are taken" in answer.json["message"]
    assert len(answer.data) < 1000


@pytest.mark.parametrize("path", ["/setup", "/predict", "/versions"])
def test_a_project_is_no_long_text(client, path):
    answer = client.post(path, json=predict_body() | {"project": "7" * 201})
    assert answer.status_code == 400
    assert "200 characters" in answer.json["message"]


def test_a_config_of_megabytes_is_refused_before_it_is_read(client):
    schema = config('<Image name="image" value="$image"/>', brush_labels(labels(LONG)))
    answer = client.post("/setup", json={"project": "7.1", "schema": schema})
    assert answer.status_code == 400
    assert "at most 1000000 are read" in answer.json["message"]


@pytest.mark.parametrize("params", [{"background": [LONG]}, {"background": LONG}, {"k": LONG}])
def test_extra_params_of_megabytes_are_refused(client, params):
    answer = client.post("/setup", json={"project": "7.1", "extra_params": params})
    assert answer.status_code == 400
    assert "1000000 are taken" in answer.json["message"]


def kept_bytes(action) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def test_a_config_of_labels_alone_takes_what_the_cache_counts_for_it():
    text = config(
        '<Image name="image" value="$image"/>', brush_labels(labels(*map(str, range(3000))))
    )
    found = []
    n_bytes = kept_bytes(lambda: found.append(controls._parse_config(text)))
    assert n_bytes < controls.BYTES_PER_CHAR * len(text)


def test_what_was_read_of_configs_stays_within_its_bytes():
    cache = ConfigCache(str.upper, max_bytes=100_000, bytes_per_char=10)
    for n in range(100):
        cache(f"{n:01000d}")
    assert 50_000 < cache.size_bytes <= 100_000
    cache("x" * 20_000)  # too long to be kept at all
    assert cache.size_bytes > 50_000


def test_a_config_is_read_once_and_one_that_fails_each_time():
    asked = []

    def read(text: str) -> str:
        asked.append(text)
        if text == "bad":
            raise ValueError("of a test")
        return text.upper()

    cache = ConfigCache(read, max_bytes=10_000)
    assert [cache("a"), cache("a"), cache("b")] == ["A", "A", "B"]
    for _ in range(2):
        with pytest.raises(ValueError, match="of a test"):
            cache("bad")
    assert asked == ["a", "b", "bad", "bad"]


def test_settings_are_kept_within_their_bytes(store, monkeypatch):
    monkeypatch.setattr(project_registry, "MAX_LOCAL_BYTES", 4 * MB)
    registry = ProjectRegistry(store)
    words = ProjectSettings(background=("x" * 900_000,))
    for n in range(20):
        registry.save(f"{n}.900", words)
    assert len(registry.set_up_here()) == 4


def test_a_warning_and_a_failure_keep_no_long_text(caplog):
    warn, failures = WarnOnce(logging.getLogger("test")), RecentFailures()
    failures.add("1.1", "predict", "image", LONG, task=LONG)
    failures.add("1.2", "predict", "image", "gone", task={"id": LONG})
    assert len(str(failures.as_json())) < 2000
    warn(LONG)
    warn(LONG)
    assert len(caplog.records) == 1
    assert len(warn._logged) == 1
    assert all(isinstance(key, int) for key in warn._logged)


def test_a_long_address_is_no_key_of_the_cache():
    assert len(source_key("1.1", 5, LONG, None)) < 100
    assert source_key("1.1", 5, "a", None) != source_key("1.1", 5, "a", ("user", "x"))
