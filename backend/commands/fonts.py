"""Finds a font of this machine that has the letters of a text; else spells it in ASCII.

Pillow's own font has the letters of English alone, and draws a box for each other one.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

MISSING = "\U0010fffd"  # of a private plane: what a font draws for a sign that it lacks
PREFERRED = ("DejaVuSans", "NotoSans-Regular", "LiberationSans-Regular", "Arial", "NotoSansCJK")
STYLED = ("bold", "italic", "oblique", "mono", "serif", "narrow", "condensed", "light", "black")


def font_folders() -> list[Path]:
    """The usual folders of fonts on Linux, macOS and Windows."""
    home = Path.home()
    found = [home / ".fonts", home / ".local/share/fonts", Path("/usr/share/fonts")]
    found += [Path("/usr/local/share/fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    return [*found, Path("/System/Library/Fonts"), Path("C:/Windows/Fonts")]


class Fonts:
    """Pillow's font, and those of some folders."""

    def __init__(self, folders: Sequence[Path] | None = None) -> None:
        self._folders = font_folders() if folders is None else folders
        self._files: list[Path] | None = None
        self._chosen: dict[frozenset[str], Path | None] = {}

    def fit(self, text: str, size_px: float) -> tuple[str, Font]:
        """The text and a font that has its signs; spelled in ASCII where no font has them."""
        signs = frozenset(sign for sign in text if not sign.isspace())
        if has_signs(ImageFont.load_default(size_px), signs):
            return text, ImageFont.load_default(size_px)
        if signs not in self._chosen:
            self._chosen[signs] = next(self._files_with(signs), None)
        file = self._chosen[signs]
        if file is not None:
            return text, ImageFont.truetype(file, size_px)
        return spell_in_ascii(text), ImageFont.load_default(size_px)

    def unspelled(self, texts: Iterable[str]) -> list[str]:
        """Those of the texts that are spelled in ASCII, for want of a font."""
        return [text for text in texts if self.fit(text, 16)[0] != text]

    def _files_with(self, signs: frozenset[str]) -> Iterator[Path]:
        if self._files is None:
            found = (file for folder in self._folders for file in folder.rglob("*.[to]t[fc]"))
            self._files = sorted(found, key=preference)
        for file in self._files:
            try:
                if has_signs(ImageFont.truetype(file, 16), signs):
                    yield file
            except (OSError, ValueError):  # no font that FreeType reads
                continue


def preference(file: Path) -> tuple[bool, bool, str]:
    """Sorts plain fonts of many letters first."""
    name = file.name.lower()
    is_known = file.name.startswith(PREFERRED)
    return any(style in name for style in STYLED), not is_known, name


def has_signs(font: Font, signs: Iterable[str]) -> bool:
    lacking = drawn(font, MISSING)
    return all(drawn(font, sign) != lacking for sign in signs)


def drawn(font: Font, sign: str) -> tuple[tuple[int, int], bytes]:
    mask = font.getmask(sign)
    return mask.size, bytes(mask)


def spell_in_ascii(text: str) -> str:
    """Letters without accents, other signs by their code: "é" -> "e", "ж" -> "\\u0436"."""
    plain = "".join(
        sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
    )
    return plain.encode("ascii", "backslashreplace").decode()
