"""Every variable of the environment: read, refused by name, and documented."""

import re
from pathlib import Path
from typing import Any

import pytest

from backend.errors import SettingsError
from backend.settings import Settings, likely_typos, names_of
from backend.validation import describe_field

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.from_env({})
    assert (settings.host, settings.port) == ("127.0.0.1", 9090)
    assert settings.clip_model == "starter"
    assert settings.redis_url == ""
    assert settings.data_dir.name == "firstpass"


def test_values_are_read_in_their_own_type():
    settings = Settings.from_env(
        {
            "PORT": "9191",
            "DATA_DIR": "~/kept",
            "PREDICT_BUDGET_S": "12.5",
            "IMAGE_HOSTS_ALLOWED": "images.lan, *.Corp.example:8443,",
            "LABEL_STUDIO_URL": "https://labels.example/sub/",
            "DEVICE": "cuda:1",
        }
    )
    assert settings.port == 9191
    assert settings.data_dir == Path("~/kept").expanduser()
    assert settings.predict_budget_s == 12.5
    assert settings.image_hosts_allowed == ("images.lan", "*.corp.example:8443")
    assert settings.label_studio_url == "https://labels.example/sub"
    assert settings.device == "cuda:1"


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:3", "xpu", "xpu:0", "mps"])
def test_every_kind_of_device_is_accepted(device):
    assert Settings.from_env({"DEVICE": device}).device == device


def test_an_empty_variable_counts_as_not_set():
    assert Settings.from_env({"PORT": "", "REDIS_URL": "  "}) == Settings.from_env({})


def test_label_studios_own_names_are_read_too():
    settings = Settings.from_env(
        {"LABEL_STUDIO_HOST": "http://ls:8080", "LABEL_STUDIO_ACCESS_TOKEN": "t0ken"}
    )
    assert settings.label_studio_url == "http://ls:8080"
    assert settings.label_studio_api_key == "t0ken"


@pytest.mark.parametrize(
    ("name", "value", "accepts"),
    [
        ("PORT", "http", "a whole number from 1 to 65535"),
        ("PORT", "70000", "a whole number from 1 to 65535"),
        ("THREADS", "8.5", "a whole number from 4 to 512"),
        ("PREDICT_BUDGET_S", "nan", "a number from 1 to 3600"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("DEVICE", "gpu", "auto, cpu, cuda, cuda:N, xpu, xpu:N or mps"),
        ("REDIS_URL", "localhost:6379", "redis://localhost:6379/0"),
        ("LABEL_STUDIO_URL", "localhost:8080", "a URL with its scheme"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_is_accepted(name, value, accepts):
    with pytest.raises(SettingsError, match=re.escape(accepts)) as caught:
        Settings.from_env({name: value})
    assert str(caught.value).startswith(name)


REDIS_SECRETS = [
    "redis:hunter2",
    "redis://:p@hunter2#s@localhost:6379/0",
    "redis://:1#hunter2@localhost:6379/0",
    "redis://:1/hunter2@localhost:6379/0",
    "redis://:hunter2/p@localhost:6379/0",
    "redis://:1?hunter2@localhost:6379/0",
    "redis://user:p[hunter2@localhost:6379/0",
    "redis://localhost:6379/0?passwort=hunter2",
    "redis://localhost:6379/0?socket_timeout=hunter2",
    "redis://localhost:6379/hunter2",
    "unix://:1/hunter2@/run/redis.sock",
    "unix:///run/redis.sock?password=p#hunter2",
]


@pytest.mark.parametrize("url", REDIS_SECRETS)
def test_a_redis_url_with_a_password_as_it_is_stops_the_start_unseen(url):
    with pytest.raises(SettingsError, match=r"^REDIS_URL: .*percent-encoded.*%23") as caught:
        Settings.from_env({"REDIS_URL": url})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:p%40hunter2%23s%2F@localhost:6379/0",
        "rediss://user:p@hunter2@redis.example:6380/15?ssl_cert_reqs=none",
        "redis://[::1]:6379/",
        "unix:///run/redis.sock?db=2&password=hunter2",
    ],
)
def test_every_form_of_a_redis_url_is_accepted(url):
    assert Settings.from_env({"REDIS_URL": url}).redis_url == url


@pytest.mark.parametrize(
    "url", ["ftp://u:hunter2@host", "http://u:p#hunter2@host", "http://u:1/hunter2@host/"]
)
def test_a_password_in_the_address_of_label_studio_is_in_no_message(url):
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"LABEL_STUDIO_URL": url})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("login", ["u:hunter2/x", "u:p@hunter2#s", "u:1?hunter2", "u:hunter2[x"])
def test_a_proxy_with_a_password_as_it_is_stops_the_start_unseen(name, login):
    with pytest.raises(SettingsError, match=rf"^{name}: .*percent-encoded") as caught:
        Settings.from_env({name: f"http://{login}@proxy:3128"})
    assert "hunter2" not in str(caught.value)
    assert Settings.from_env({name: "proxy:3128"}) == Settings.from_env({})
    assert Settings.from_env({name: "http://u:p%40ss@proxy"}) == Settings.from_env({})


def test_a_secret_is_in_no_message_and_no_repr():
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({"REDIS_URL": "redis:hunter2"})
    assert "hunter2" not in str(caught.value)
    settings = Settings.from_env(
        {"LABEL_STUDIO_API_KEY": "hunter2", "BASIC_AUTH_USER": "u", "BASIC_AUTH_PASS": "hunter3"}
    )
    assert "hunter" not in repr(settings)


@pytest.mark.parametrize("alone", ["BASIC_AUTH_USER", "BASIC_AUTH_PASS"])
def test_half_a_password_is_refused(alone):
    with pytest.raises(SettingsError, match="go together"):
        Settings.from_env({alone: "x"})


def test_a_misspelled_name_is_pointed_out_and_others_are_left_alone():
    found = likely_typos(
        {"CLIP_PRETRAIND": "openai", "HOME": "/root", "PORT": "1", "TRANSPORT": ""}
    )
    assert found == [
        "CLIP_PRETRAIND is not a setting and does nothing: did you mean CLIP_PRETRAINED?"
    ]


def test_the_page_of_settings_lists_exactly_these():
    table = PAGE.read_text(encoding="utf-8").partition("## Of the server")[2].partition("\n## ")[0]
    listed = {name for row in re.findall(r"(?m)^\|([^|]+)\|", table) for name in named_in(row)}
    assert listed == {name for field in Settings.model_fields for name in names_of(field)}


def test_the_page_of_settings_states_default_purpose_and_values_of_each():
    page = PAGE.read_text(encoding="utf-8")
    missing = [row for row in map(row_of, Settings.model_fields) if row not in page]
    assert missing == []


def named_in(cell: str) -> list[str]:
    return re.findall(r"`([A-Z0-9_]+)`", cell)


def row_of(name: str) -> str:
    """The row of a setting in docs/settings.md, as its field says it."""
    field = Settings.model_fields[name]
    extra: Any = field.json_schema_extra
    default = "" if field.default in ("", None, ()) else f"`{field.default}`"
    cells = (
        " or ".join(f"`{variable}`" for variable in names_of(name)),
        extra["default_text"] or default.replace(".0`", "`"),
        field.description,
        describe_field(field),
    )
    return f"| {' | '.join(map(str, cells))} |"
