"""What fails for want of memory or of a place to keep it is refused: why, and when to ask again."""

from dataclasses import replace

import torch

from backend.http.app import create_app
from tests.support.annotations import deletion
from tests.support.request_bodies import predict_body


def test_a_task_without_memory_fails_alone_and_says_so(make_service, photo_uri):
    """The model asks for far too much, as it does of a large image."""
    service = make_service()
    starved = replace(service.segmenter, encode_image=StarvedEncoder(service.segmenter))
    service = make_service(is_loaded=False)
    service.segmenter = starved
    service.load_model()
    answer = create_app(service).test_client().post("/predict", json=predict_body(photo_uri))
    (item,) = answer.get_json()["results"]
    assert answer.status_code == 200
    assert "result" not in item
    assert item["error"]["code"] == "out_of_memory"
    assert "IMAGE_MEMORY_MB" in item["error"]["message"]


class StarvedEncoder:
    def __init__(self, segmenter) -> None:
        self._real = segmenter.encode_image

    def __getattr__(self, name):
        return getattr(self._real, name)

    def __call__(self, *_, **__):
        return torch.empty(2**50)


def test_a_request_without_memory_is_503(service):
    class Starved:
        def projects(self):
            return bytearray(2**50)

    service.lessons = Starved()
    answer = create_app(service).test_client().get("/versions")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.get_json()["error"] == "out_of_memory"


def test_an_event_that_nothing_can_keep_is_503_and_says_what_to_do(make_service, tmp_path):
    """The store refuses it, and there is no place for the spool."""
    (tmp_path / "corrections").write_text("no folder")
    service = make_service(is_loaded=False, redis_url="redis://127.0.0.1:1", data_dir=tmp_path)
    del service.store
    answer = create_app(service).test_client().post("/webhook", json=deletion(1))
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.get_json()["error"] == "store"
    assert "Make room on the disk of DATA_DIR" in answer.get_json()["message"]
