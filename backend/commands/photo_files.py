"""The photos that a person names on the command line: files, folders and patterns."""

import glob
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from backend.commands.output_files import file_stems
from backend.errors import ImageError, ImageNotFound
from backend.images.decode import DecodeLimits, decode_image

MAX_PIXELS = 400_000_000  # only protects the memory, since the photo is the user's own
# Of what decode_image reads; in a folder other files are passed over.
PHOTO_SUFFIXES = (
    ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm",
    ".tif", ".tiff", ".webp",
)  # fmt: skip


@dataclass(frozen=True)
class Photo:
    path: Path
    relative: PurePosixPath  # to the folder that was named; no two photos have the same
    stem: str  # for files about it: no two photos have the same


def find_photos(named: Sequence[str]) -> list[Photo]:
    """The photos of files, folders (with those below) and patterns such as `*.jpg`, each once.

    Raises ImageNotFound for what is not there and what has no photo in it.
    """
    found: dict[Path, PurePosixPath] = {}
    for one in named:
        paths = dict(_photos_of(one))
        if not paths:
            raise ImageNotFound(
                f"{one} has no photo in it: looked for are {', '.join(PHOTO_SUFFIXES)}."
            )
        for path, relative in paths.items():
            found.setdefault(path, relative)
    n_named = Counter(found.values())
    places = {
        path: relative if n_named[relative] == 1 else PurePosixPath(path.as_posix())
        for path, relative in found.items()
    }
    # a.jpg and a.png have files of their own.
    n_stems = Counter(place.with_suffix("") for place in places.values())
    names = {
        path: str(place.with_suffix("") if n_stems[place.with_suffix("")] == 1 else place)
        for path, place in places.items()
    }
    stems = file_stems(list(names.values()))
    return [Photo(path, place, stems[names[path]]) for path, place in places.items()]


def _photos_of(named: str) -> Iterator[tuple[Path, PurePosixPath]]:
    path = Path(named)
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if is_photo(file):
                yield file, PurePosixPath(file.relative_to(path).as_posix())
    elif path.exists() or not glob.has_magic(named):
        yield path, PurePosixPath(path.name)
    else:
        root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
        for file in sorted(root.glob(str(path.relative_to(root)))):
            if is_photo(file):
                yield file, PurePosixPath(file.relative_to(root).as_posix())


def is_photo(file: Path) -> bool:
    return file.suffix.lower() in PHOTO_SUFFIXES and file.is_file()


def read_photo(photo: Path) -> NDArray[np.uint8]:
    """RGB uint8 (H, W, 3), upright. Raises ImageError."""
    try:
        data = photo.read_bytes()
    except OSError as error:
        raise ImageNotFound(f"{photo} cannot be read: {error.strerror}.") from error
    try:
        return decode_image(data, DecodeLimits(MAX_PIXELS))
    except ImageError as error:
        raise type(error)(f"{photo}: {error}") from error
