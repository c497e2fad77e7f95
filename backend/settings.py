"""Settings of the service, read from environment variables. Nothing else reads os.environ.

`Settings` lists the variables with defaults, accepted values and descriptions; a test compares it
with docs/settings.md. An invalid value stops the start with a message that names the variable.
"""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_dir
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from backend.errors import SettingsError
from backend.setting_types import Device, Folder, Hosts, HttpUrl, LowerCase, RedisUrl, split_url
from backend.validation import invalid_field_of


def variable(
    names: str, default: Any, meaning: str, *, is_secret: bool = False, default_text: str = ""
) -> Any:
    """A field of `Settings`. `names`: the variable, then its aliases, divided by "|".

    `default_text`: the default in words, for docs/settings.md.
    """
    extra: dict[str, Any] = {"names": names, "default_text": default_text}
    default_args = {"default_factory" if callable(default) else "default": default}
    return Field(**default_args, description=meaning, repr=not is_secret, json_schema_extra=extra)


def default_data_dir() -> Path:
    return Path(user_data_dir("firstpass", appauthor=False))


class Settings(BaseModel):
    """All settings; empty text and None stand for "not set"."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # where it listens
    host: str = variable("HOST", "127.0.0.1", "address to listen on; 0.0.0.0 for all")
    port: Annotated[int, Field(ge=1, le=65535)] = variable("PORT", 9090, "port to listen on")
    hosts_allowed: Hosts = variable(
        "HOSTS_ALLOWED",
        (),
        "names by which Firstpass is asked, and hosts whose web pages may ask it. Addresses, names "
        "without a dot and *.internal are allowed anyway; any name, where a password is set",
    )
    workers: Annotated[int, Field(ge=1, le=64)] = variable(
        "WORKERS", 1, "processes that answer requests, each with a model of its own"
    )
    threads: Annotated[int, Field(ge=4, le=512)] = variable(
        "THREADS", 24, "requests answered at the same time, by each of WORKERS"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], LowerCase] = variable(
        "LOG_LEVEL", "info", "what is logged"
    )
    max_body_mb: Annotated[int, Field(ge=1, le=4096)] = variable(
        "MAX_BODY_MB", 256, "largest request body, in megabytes"
    )
    basic_auth_user: str = variable(
        "BASIC_AUTH_USER", "", "name that Label Studio must give; with BASIC_AUTH_PASS"
    )
    basic_auth_pass: str = variable(
        "BASIC_AUTH_PASS", "", "password that Label Studio must give", is_secret=True
    )
    webhook_auth: Annotated[Literal["optional", "required"], LowerCase] = variable(
        "WEBHOOK_AUTH",
        "required",
        "with a password: whether /webhook needs it, too, or the secret that `python -m backend "
        "connect` gives to Label Studio's webhooks",
    )

    playground: Annotated[Literal["on", "off"], LowerCase] = variable(
        "PLAYGROUND",
        "on",
        "the page at / for browsers, with a playground for photos; off: / answers JSON alone",
    )

    # the model
    clip_model: str = variable(
        "CLIP_MODEL", "starter", "open_clip model name, hf-hub: id or JSON config file"
    )
    clip_pretrained: str = variable(
        "CLIP_PRETRAINED", "", "open_clip tag or weights file for CLIP_MODEL"
    )
    device: Device = variable(
        "DEVICE",
        "auto",
        "where it runs; auto: cuda, xpu, mps or cpu, the first there is (ROCm counts as cuda)",
    )
    precision: Annotated[Literal["auto", "float32", "bfloat16", "float16"], LowerCase] = variable(
        "PRECISION",
        "auto",
        "arithmetic of the model; auto takes bfloat16 where the device has it natively",
    )
    method: str = variable("METHOD", "firstpass", "segmentation method of every project")
    refiner: str = variable("REFINER", "", "edge refiner", default_text="the method's own")
    batch_images: Annotated[int, Field(ge=0, le=256)] = variable(
        "BATCH_IMAGES", 0, "most images in one batch; 0: 8 on a GPU, else 1"
    )
    batch_wait_ms: Annotated[int, Field(ge=0, le=1000)] = variable(
        "BATCH_WAIT_MS", 4, "how long a batch waits for more images (GPU)"
    )
    predict_budget_s: Annotated[float, Field(ge=1, le=3600)] = variable(
        "PREDICT_BUDGET_S",
        90.0,
        "time for one /predict; tasks not begun by then are left for Label Studio to ask again. "
        "Keep it below Label Studio's ML_TIMEOUT_PREDICT (100 s)",
    )

    # what it keeps
    data_dir: Folder = variable(
        "DATA_DIR", default_data_dir, "what Firstpass keeps", default_text="user's data folder"
    )
    redis_url: RedisUrl = variable(
        "REDIS_URL", "", "Redis to use", is_secret=True, default_text="an embedded Valkey"
    )

    # what it learns
    learn: Annotated[Literal["on", "off"], LowerCase] = variable(
        "LEARN", "on", "whether corrections teach, and what they taught counts"
    )
    learn_every: Annotated[int, Field(ge=1, le=10_000)] = variable(
        "LEARN_EVERY",
        5,
        "changed annotations after which predictions use them; Start Training does so at once",
    )
    training_wait_s: Annotated[float, Field(ge=0, le=60)] = variable(
        "TRAINING_WAIT_S",
        3.0,
        "how long Start Training waits for an annotation that is on its way, in seconds",
    )
    feature_cache_mb: Annotated[int, Field(ge=0, le=1_000_000)] = variable(
        "FEATURE_CACHE_MB",
        256,
        "images and their features kept in memory for clicks, in megabytes",
    )
    feature_store_s: Annotated[int, Field(ge=0, le=10_000_000)] = variable(
        "FEATURE_STORE_S",
        0,
        "how long features also stay in Redis, for other workers, in seconds; 0: not at all",
    )

    # Label Studio and its images
    label_studio_url: HttpUrl = variable(
        "LABEL_STUDIO_URL|LABEL_STUDIO_HOST",
        "http://localhost:8080",
        "where Firstpass reaches Label Studio, for uploaded images",
    )
    label_studio_api_key: str = variable(
        "LABEL_STUDIO_API_KEY|LABEL_STUDIO_ACCESS_TOKEN",
        "",
        "personal access token or legacy token, for uploaded images",
        is_secret=True,
    )
    local_files_root: Folder | None = variable(
        "LOCAL_FILES_DOCUMENT_ROOT|LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT",
        None,
        "folder of Label Studio's local files, if this machine sees it",
        default_text="asked from Label Studio",
    )
    image_hosts_allowed: Hosts = variable(
        "IMAGE_HOSTS_ALLOWED",
        (),
        "private hosts that tasks may name; public ones and Label Studio's are allowed anyway",
    )
    image_max_mb: Annotated[int, Field(ge=1, le=10_000)] = variable(
        "IMAGE_MAX_MB", 200, "largest image file, in megabytes"
    )
    image_max_mpx: Annotated[int, Field(ge=1, le=10_000)] = variable(
        "IMAGE_MAX_MPX", 200, "largest image, in millions of pixels"
    )
    image_memory_mb: Annotated[int, Field(ge=64, le=500_000)] = variable(
        "IMAGE_MEMORY_MB",
        4096,
        "memory for the images being decoded and painted, all together, in megabytes",
    )
    image_timeout_s: Annotated[float, Field(ge=0.1, le=3600)] = variable(
        "IMAGE_TIMEOUT_S", 30.0, "time to download one image, in seconds"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """The settings of these variables; an empty one counts as not set. Raises SettingsError."""
        # Not pydantic-settings, with which every Settings(...) of a test would read os.environ.
        texts: dict[str, str] = {}
        variable_of: dict[str, str] = {}
        for field in cls.model_fields:
            for name in names_of(field):
                if text := environ.get(name, "").strip():
                    texts[field], variable_of[field] = text, name
                    break
        try:
            settings = cls.model_validate(texts)
        except ValidationError as error:
            invalid = invalid_field_of(error.errors()[0], cls)
            is_secret = not cls.model_fields[invalid.field].repr or "@" in texts[invalid.field]
            given = "its value" if is_secret else repr(texts[invalid.field])
            raise SettingsError(
                f"{variable_of[invalid.field]}: {given} cannot be used. It takes {invalid.accepts}."
            ) from None  # since pydantic's error quotes the value
        if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
            raise SettingsError(
                "BASIC_AUTH_USER and BASIC_AUTH_PASS go together: set both, or neither."
            )
        check_proxies(environ)
        return settings


def set_for_libraries(variables: Mapping[str, str], *, but_for_given: bool = False) -> None:
    """Set variables that libraries read when they are imported, in processes forked from here."""
    for name, value in variables.items():
        if not (but_for_given and name in os.environ):
            os.environ[name] = value


def check_proxies(environ: Mapping[str, str]) -> None:
    """Raise SettingsError for a proxy that HTTP libraries would misread, and then quote."""
    for name in environ:
        if name.upper() in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            text = environ[name].strip()
            try:
                split_url(text if "://" in text else f"//{text}")
            except ValueError:
                raise SettingsError(
                    f"{name}: its value cannot be used. It takes a URL such as "
                    "http://user:password@proxy:3128, the special characters of its password "
                    "percent-encoded (%23 for #, %40 for @, %2F for /)."
                ) from None


def names_of(field: str) -> tuple[str, ...]:
    """The variables that a field of `Settings` is read from; the first one that is set counts."""
    extra = Settings.model_fields[field].json_schema_extra
    names = extra["names"] if isinstance(extra, dict) else ""
    return tuple(str(names).split("|"))


def likely_typos(environ: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence for each variable that looks like a misspelled setting, as CLIP_PRETRAIND does."""
    known = [name for field in Settings.model_fields for name in names_of(field)]
    found = []
    for name in environ:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if close and name not in known:
            found.append(f"{name} is not a setting and does nothing: did you mean {close[0]}?")
    return found
