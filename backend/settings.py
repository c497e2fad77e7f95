"""What the environment may set: the only reader of os.environ.

`Settings` is the one table of variables: names, defaults, what is accepted and what it is for. The
README's table is checked against it. A value that cannot be used stops the start, named.
"""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_data_dir

from backend.errors import SettingsError


@dataclass(frozen=True)
class Kind:
    """How a variable's text is read; `parse` raises ValueError when it is not `accepts`."""

    accepts: str
    parse: Callable[[str], Any]


def one_of(*names: str) -> Kind:
    def parse(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(text)
        return text.lower()

    return Kind("one of " + ", ".join(names), parse)


def number(cast: Callable[[str], float], low: float, high: float) -> Kind:
    def parse(text: str) -> float:
        value = cast(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return Kind(f"a {'whole ' if cast is int else ''}number from {low:g} to {high:g}", parse)


def matching(pattern: str, accepts: str) -> Kind:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(text)
        return text

    return Kind(accepts, parse)


def parse_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(text)
    return text.rstrip("/")


TEXT = Kind("any text", str)
FOLDER = Kind("a folder", lambda text: Path(text).expanduser())
HTTP_URL = Kind("a URL with its scheme, such as http://localhost:8080", parse_url)
REDIS_URL = matching(r"(redis|rediss|unix)://.+", "a URL such as redis://localhost:6379/0")
HOSTS = Kind(
    "hosts divided by commas, such as images.lan, *.corp.example:8443",
    lambda text: tuple(host.strip().lower() for host in text.split(",") if host.strip()),
)
DEVICE = matching(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", "auto, cpu, cuda, cuda:N, xpu, xpu:N or mps")


def variable(
    names: str, kind: Kind, default: Any, meaning: str, *, is_secret: bool = False, shown: str = ""
) -> Any:
    """One row of the table. `names`: the variable, then other names that it may have."""
    about = {"names": tuple(names.split("|")), "kind": kind, "meaning": meaning}
    about |= {"is_secret": is_secret, "shown": shown}
    if callable(default):
        return field(default_factory=default, repr=not is_secret, metadata=about)
    return field(default=default, repr=not is_secret, metadata=about)


def default_data_dir() -> Path:
    return Path(user_data_dir("firstpass", appauthor=False))


@dataclass(frozen=True)
class Settings:
    # where it listens
    host: str = variable("HOST", TEXT, "127.0.0.1", "address to listen on; 0.0.0.0 for all")
    port: int = variable("PORT", number(int, 1, 65535), 9090, "port to listen on")
    threads: int = variable(
        "THREADS", number(int, 4, 512), 24, "requests answered at the same time"
    )
    log_level: str = variable(
        "LOG_LEVEL", one_of("debug", "info", "warning", "error"), "info", "what is logged"
    )
    max_body_mb: int = variable(
        "MAX_BODY_MB", number(int, 1, 4096), 256, "largest request body, in megabytes"
    )
    basic_auth_user: str = variable(
        "BASIC_AUTH_USER", TEXT, "", "name that Label Studio must give; with BASIC_AUTH_PASS"
    )
    basic_auth_pass: str = variable(
        "BASIC_AUTH_PASS", TEXT, "", "password that Label Studio must give", is_secret=True
    )
    webhook_auth: str = variable(
        "WEBHOOK_AUTH",
        one_of("optional", "required"),
        "optional",
        "whether /webhook needs the password too: Label Studio sends it there only if you add "
        "the header to the webhook by hand",
    )

    # the model
    clip_model: str = variable(
        "CLIP_MODEL", TEXT, "starter", "open_clip model name, hf-hub: id or JSON config file"
    )
    clip_pretrained: str = variable(
        "CLIP_PRETRAINED", TEXT, "", "open_clip tag or weights file for CLIP_MODEL"
    )
    device: str = variable("DEVICE", DEVICE, "auto", "where it runs; auto: cuda, xpu, mps or cpu")
    precision: str = variable(
        "PRECISION",
        one_of("auto", "float32", "bfloat16", "float16"),
        "auto",
        "arithmetic of the model; auto takes bfloat16 where the device has it natively",
    )
    method: str = variable("METHOD", TEXT, "firstpass", "segmentation method of every project")
    refiner: str = variable("REFINER", TEXT, "", "edge refiner", shown="the method's own")
    batch_images: int = variable(
        "BATCH_IMAGES", number(int, 0, 256), 0, "most images in one batch; 0: 8 on a GPU, else 1"
    )
    batch_wait_ms: int = variable(
        "BATCH_WAIT_MS", number(int, 0, 1000), 4, "how long a batch waits for more images (GPU)"
    )
    predict_budget_s: float = variable(
        "PREDICT_BUDGET_S",
        number(float, 1, 3600),
        90.0,
        "time for one /predict; tasks not begun by then are left for Label Studio to ask again. "
        "Keep it below Label Studio's ML_TIMEOUT_PREDICT (100 s)",
    )

    # what it keeps
    data_dir: Path = variable(
        "DATA_DIR", FOLDER, default_data_dir, "what Firstpass keeps", shown="user's data folder"
    )
    redis_url: str = variable(
        "REDIS_URL", REDIS_URL, "", "Redis to use", is_secret=True, shown="an embedded Valkey"
    )

    # what it learns
    learn: str = variable(
        "LEARN", one_of("on", "off"), "on", "whether corrections teach, and what they taught counts"
    )
    learn_every: int = variable(
        "LEARN_EVERY", number(int, 1, 10_000), 5,
        "changed annotations after which predictions use them; Start Training does so at once",
    )  # fmt: skip
    feature_cache_mb: int = variable(
        "FEATURE_CACHE_MB",
        number(int, 0, 1_000_000),
        256,
        "images and their features kept in memory for clicks, in megabytes",
    )
    feature_store_s: int = variable(
        "FEATURE_STORE_S",
        number(int, 0, 10_000_000),
        0,
        "how long features also stay in Redis, for other workers, in seconds; 0: not at all",
    )

    # Label Studio and its images
    label_studio_url: str = variable(
        "LABEL_STUDIO_URL|LABEL_STUDIO_HOST",
        HTTP_URL,
        "http://localhost:8080",
        "where Firstpass reaches Label Studio, for uploaded images",
    )
    label_studio_api_key: str = variable(
        "LABEL_STUDIO_API_KEY|LABEL_STUDIO_ACCESS_TOKEN",
        TEXT,
        "",
        "personal access token or legacy token, for uploaded images",
        is_secret=True,
    )
    local_files_root: Path | None = variable(
        "LOCAL_FILES_DOCUMENT_ROOT|LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT",
        FOLDER,
        None,
        "folder of Label Studio's local files, if this machine sees it",
        shown="asked from Label Studio",
    )
    image_hosts_allowed: tuple[str, ...] = variable(
        "IMAGE_HOSTS_ALLOWED",
        HOSTS,
        (),
        "private hosts that tasks may name; public ones and Label Studio's are allowed anyway",
    )
    image_max_mb: int = variable(
        "IMAGE_MAX_MB", number(int, 1, 10_000), 200, "largest image file, in megabytes"
    )
    image_max_mpx: int = variable(
        "IMAGE_MAX_MPX", number(int, 1, 10_000), 200, "largest image, in millions of pixels"
    )
    image_timeout_s: float = variable(
        "IMAGE_TIMEOUT_S", number(float, 0.1, 3600), 30.0, "time to download one image, in seconds"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the variables; an empty one counts as not set. Raises SettingsError."""
        values: dict[str, Any] = {}
        for row in fields(cls):
            for name in row.metadata["names"]:
                text = environ.get(name, "").strip()
                if text:
                    values[row.name] = read(name, text, row.metadata)
                    break
        settings = cls(**values)
        if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
            raise SettingsError(
                "BASIC_AUTH_USER and BASIC_AUTH_PASS go together: set both, or neither."
            )
        return settings


def read(name: str, text: str, about: Mapping[str, Any]) -> Any:
    kind: Kind = about["kind"]
    try:
        return kind.parse(text)
    except (ValueError, KeyError) as error:
        given = "its value" if about["is_secret"] else repr(text)
        raise SettingsError(f"{name}: {given} cannot be used. It takes {kind.accepts}.") from error


def likely_typos(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Say which variables look like one of ours misspelt, such as CLIP_PRETRAIND."""
    known = [name for row in fields(Settings) for name in row.metadata["names"]]
    found = []
    for name in environ:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if close and name not in known:
            found.append(f"{name} is not a setting and does nothing: did you mean {close[0]}?")
    return found
