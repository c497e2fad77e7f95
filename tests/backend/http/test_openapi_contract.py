"""Whatever a client sends, the answer is one that /openapi.json describes."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from backend.http.app import create_app
from backend.http.operations import OPERATIONS
from tests.support.image_files import coded
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.open_api import api_of
from tests.support.stores import open_patient_store

VALID, WRONG = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
TAKE_JSON = [name for name, one in OPERATIONS.items() if one.body and one.body.of is not bytes]
CASES = [*((name, VALID) for name in OPERATIONS), *((name, WRONG) for name in TAKE_JSON)]
# Texts whose form no schema can say, such that they are understood.
FREE_TEXT = {
    "schema": CAT_DOG_CONFIG,
    "labels": "cat, dog",
    "extra_params": '{"min_score": 0.5, "own": 1}',
}
BOUNDED = hypothesis_settings(
    max_examples=20,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def api(make_service, tmp_path_factory) -> Iterator[OpenApiSchema]:
    """Of a service with a store of its own, in which these requests leave what they will."""
    service = make_service(data_dir=tmp_path_factory.mktemp("contract"))
    service.store = open_patient_store(service.settings.data_dir)
    yield api_of(create_app(service))
    service.store.close()


@pytest.fixture(scope="module")
def photo_file(photo) -> bytes:
    return coded(Image.fromarray(photo), "PNG")


def operation_of(api: OpenApiSchema, name: str) -> Any:
    method, _, rule = name.partition(" ")
    return api[re.sub(r"<(\w+)>", r"{\1}", rule)][method]


@pytest.fixture(scope="module")
def photo_name(api, photo_file) -> str:
    answer = api.app.test_client().post("/page/photo", data=photo_file)
    return str(answer.json["photo"])


@pytest.mark.parametrize(("name", "mode"), CASES, ids=lambda one: getattr(one, "value", one))
def test_every_answer_is_one_that_is_described(api, photo_file, photo_name, name, mode):
    # No schema says that a click is on one of the labels.
    others = [positive_data_acceptance] if name == "POST /page/click" else []

    def send(case: Any) -> None:
        if mode == VALID:
            if name == "POST /page/photo":
                case.body = photo_file
            elif name in ("POST /page/segment", "POST /page/click"):
                case.body["photo"] = photo_name
            for field in FREE_TEXT.keys() & (case.body if isinstance(case.body, dict) else {}):
                if isinstance(case.body[field], str):
                    case.body[field] = FREE_TEXT[field]
        case.call_and_validate(excluded_checks=others)

    strategy = operation_of(api, name).as_strategy(generation_mode=mode)
    BOUNDED(given(case=strategy)(send))()
