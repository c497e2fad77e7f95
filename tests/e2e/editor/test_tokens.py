"""Each kind of token: what Label Studio's pages, our page, /ready and the doctor say of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from backend.label_studio.config_writer import write_config
from backend.sample_photos.photos import SAMPLE_PHOTOS
from tests.e2e.editor.conftest import masks_of
from tests.support.label_configs import CAT_DOG_CONFIG
from tests.support.label_studio_editor import iou, painted
from tests.support.label_studio_models import ModelsPage
from tests.support.label_studio_server import TOKEN

pytestmark = pytest.mark.e2e

COLORS = {"Sky": (0, 204, 238), "Tower": (238, 51, 51)}
NO_KEY = "No LABEL_STUDIO_API_KEY is given"
CURE = "set LABEL_STUDIO_API_KEY to it"


@dataclass(frozen=True)
class State:
    key_of: Callable[[str], str]  # from the personal access token
    is_legacy_allowed: bool
    in_item: str  # words of the test request's error; "" if the task gets masks
    ready: str  # words of /ready's "degraded" and of the page; "" for none
    doctor: tuple[bool | None, str]  # of its line "token"
    doctor_cure: str = ""


STATES = {
    "personal": State(
        lambda personal: personal,
        is_legacy_allowed=False,
        in_item="",
        ready="",
        doctor=(True, "personal access token of admin@example.com"),
    ),
    "legacy": State(
        lambda _: TOKEN,
        is_legacy_allowed=True,
        in_item="",
        ready="",
        doctor=(True, "legacy token of admin@example.com"),
    ),
    "legacy, which the organization does not allow": State(
        lambda _: TOKEN,
        is_legacy_allowed=False,
        in_item="legacy tokens are off by default",
        ready="refuses the legacy token",
        doctor=(False, "legacy token, refused"),
        doctor_cure="legacy tokens are off by default",
    ),
    "none, and Label Studio sends its own": State(
        lambda _: "",
        is_legacy_allowed=True,
        in_item="",
        ready="",
        doctor=(None, "none given"),
        doctor_cure=CURE,
    ),
    "none": State(
        lambda _: "",
        is_legacy_allowed=False,
        in_item="no LABEL_STUDIO_API_KEY is given",
        ready=NO_KEY,
        doctor=(None, "none given"),
        doctor_cure=CURE,
    ),
    "wrong legacy": State(
        lambda _: TOKEN[::-1],
        is_legacy_allowed=True,
        in_item=CURE,
        ready="refuses the legacy token",
        doctor=(False, "legacy token, refused"),
        doctor_cure=CURE,
    ),
    "wrong personal": State(
        lambda personal: personal[:-4] + "AAAA",
        is_legacy_allowed=False,
        in_item="was revoked or belongs to another Label Studio",
        ready="refuses the personal access token",
        doctor=(False, "personal access token, refused"),
        doctor_cure=CURE,
    ),
    "personal without its end": State(
        lambda personal: personal.rpartition(".")[0],
        is_legacy_allowed=False,
        in_item="copied without its last part",
        ready="copied without its last part",
        doctor=(False, "personal access token without its end, refused"),
        doctor_cure="copied without its last part",
    ),
    "of no known kind": State(
        lambda _: "hunter2",
        is_legacy_allowed=False,
        in_item="neither 40 hex digits nor a personal access token",
        ready="neither 40 hex digits",
        doctor=(False, "token of no known kind, refused"),
        doctor_cure="neither 40 hex digits",
    ),
}


@pytest.fixture
def allow_legacy_tokens(label_studio, personal_token) -> Iterator[Callable[[bool], None]]:
    """Switch them on or off for the organization; they are on again at the end."""

    def allow(is_allowed: bool) -> None:
        exchange = f"{label_studio.url}/api/token/refresh/"
        access = requests.post(exchange, json={"refresh": personal_token}, timeout=60).json()
        answer = requests.post(
            f"{label_studio.url}/api/jwt/settings",
            json={"api_tokens_enabled": True, "legacy_api_tokens_enabled": is_allowed},
            headers={"Authorization": f"Bearer {access['access']}"},
            timeout=60,
        )
        assert answer.ok, answer.text

    yield allow
    allow(True)


@pytest.mark.parametrize("name", STATES)
def test_each_token_is_tried_and_named_wherever_a_person_looks(
    label_studio, personal_token, allow_legacy_tokens, start, doctor, page, shoot, name
):
    state = STATES[name]
    key = {"LABEL_STUDIO_API_KEY": state.key_of(personal_token)}
    project = label_studio.new_project("tokens", CAT_DOG_CONFIG)
    label_studio.upload(project, SAMPLE_PHOTOS[0].path)
    allow_legacy_tokens(state.is_legacy_allowed)
    service = start(LABEL_STUDIO_URL=label_studio.url, **key)
    service.wait_until_ready()

    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(service.url, '{"min_score": 0}') == ""  # it connects in any case
    item = models.test_item()
    shoot("test-request")
    assert ("result" in item) is not bool(state.in_item), item
    if state.in_item:
        assert state.in_item in item["error"]["message"]
    models.retrieve_predictions()
    models.wait_for_predictions(0 if state.in_item else 1)
    shoot("data-manager")

    if state.ready:
        service.wait_until_said(state.ready)
        said = " ".join(service.ask("GET", "/ready").json()["degraded"])
        assert CURE in said
    else:
        said = " ".join(service.ask("GET", "/ready").json()["degraded"])
        assert "API_KEY" not in said
        assert "token" not in said
    open_our_page(page, service.url, state.ready or "CPU")
    shoot("our-page", is_whole=True)

    found = doctor(service, **key)
    assert (found["token"].ok, found["token"].found) == state.doctor
    assert state.doctor_cure in found["token"].cure
    assert found.code == (1 if state.doctor[0] is False else 0)


@pytest.mark.parametrize("kind", ["personal", "legacy"])
def test_a_right_token_has_an_upload_painted_at_its_place(
    label_studio, personal_token, start, page, open_editor, kind
):
    key = STATES[kind].key_of(personal_token)
    service = start(
        CLIP_MODEL="starter", CLIP_PRETRAINED="", LABEL_STUDIO_URL=label_studio.url,
        LABEL_STUDIO_API_KEY=key,
    )  # fmt: skip
    service.wait_until_ready()
    project = label_studio.new_project("right token", write_config(tuple(COLORS)))
    (photo,) = [one.path for one in SAMPLE_PHOTOS if one.name == "rocket"]
    (task,) = label_studio.upload(project, photo)
    models = ModelsPage(page, label_studio.url, project)
    assert models.connect(service.url) == ""
    models.retrieve_predictions()
    (prediction,) = label_studio.predictions(project)
    masks = masks_of(prediction["result"])
    assert set(masks) == set(COLORS)
    editor = open_editor(project, task)
    editor.wait_for_regions(len(prediction["result"]))
    shown, hidden = editor.look_with_and_without()
    seen = painted(shown, hidden, COLORS)
    for label, mask in masks.items():
        assert iou(seen[label], editor.to_screen(mask)) >= 0.95, label


def open_our_page(page: Any, url: str, words: str) -> None:
    page.goto(url)
    page.get_by_text(words).first.wait_for()
