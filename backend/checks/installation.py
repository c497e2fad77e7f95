"""What the checks look at, and what each of them reports."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from backend.label_studio.client import LabelStudio


@dataclass(frozen=True)
class Check:
    """One finding."""

    name: str
    ok: bool | None  # None: not visible from here, or a problem for some installations only
    found: str
    remedy: str = ""  # one sentence; "" if nothing must be done


@dataclass(frozen=True)
class Installation:
    """The parts to check. The two callables build the real part and describe it, or raise."""

    describe_model: Callable[[], str]
    describe_store: Callable[[], str]
    host: str
    port: int
    data_dir: Path
    local_root: Path | None
    label_studio: LabelStudio
    is_container: bool = False
    webhook_secret: str | None = None  # that webhooks need; None: they need none
    project: str | None = None  # number of the one to look at; None: of all, in one line
