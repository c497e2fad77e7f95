"""Where commands write: checked before the work is done, and named without a clash."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from backend.errors import SettingsError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")
MAX_STEM_CHARS = 60  # of 255 bytes that file systems allow


def check_picture(path: Path) -> None:
    """Make the picture's folder. Raises SettingsError if it could not be written as this file."""
    if path.suffix.lower() not in PICTURE_SUFFIXES:
        raise SettingsError(
            f"--out {path}: its name must end in one of {', '.join(PICTURE_SUFFIXES)}, by which "
            f"the kind of picture is chosen, such as --out {path.with_suffix('')}.png."
        )
    check_file(path, "--out", example="a.png")


def check_file(path: Path, option: str, *, example: str) -> None:
    """Make the file's folder. Raises SettingsError if the file could not be written."""
    if path.is_dir():
        raise SettingsError(
            f"{option} {path} is a folder: name a file in it, such as {path}/{example}."
        )
    check_folder(path.parent, f"{option} {path}")
    if path.exists() and not os.access(path, os.W_OK):
        raise SettingsError(f"{option} {path} is there and cannot be written: name another file.")


def check_folder(folder: Path, option: str) -> None:
    """Make a folder. Raises SettingsError if no file could be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{option}: the folder {folder} cannot be made ({error.strerror}): name another one."
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(
            f"{option}: the folder {folder} cannot be written: name another one, or change its "
            "permissions."
        )


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture. Raises SettingsError, such as for a full disk."""
    try:
        picture.save(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be written: {error}.") from error


def save_text(text: str, path: Path) -> None:
    """Write a text in UTF-8. Raises SettingsError, such as for a full disk."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}.") from error


def read_text(path: Path, option: str) -> str:
    """A text in UTF-8. Raises SettingsError."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{option} {path} cannot be read: {error}.") from error


def file_stems(names: Sequence[str]) -> dict[str, str]:
    """A file name, without its suffix, for each label, by the label.

    Distinct where only the case differs, too, as some file systems ignore it. The n-th label that
    would come to the same has "-n" behind it.
    """
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        kept = unicodedata.normalize("NFC", name)
        base = "".join(sign if sign.isalnum() or sign in "-_ " else "_" for sign in kept)
        stem, n = base[:MAX_STEM_CHARS], 1
        while stem.casefold() in taken:
            n += 1
            stem = f"{base[:MAX_STEM_CHARS]}-{n}"
        taken.add(stem.casefold())
        stems[name] = stem
    return stems
