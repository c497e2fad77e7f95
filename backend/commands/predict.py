"""`python -m backend predict`: segments one photo from the disk, without Label Studio."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.commands.output_files import save_picture
from backend.commands.overlay import Layer, color_of
from backend.errors import ImageError, ImageNotFound, SettingsError
from backend.images.decode import decode_image
from backend.service import Service
from model import ModelError, Vocabulary

MAX_PIXELS = 400_000_000  # only protects the memory, since the photo is the user's own


def segment_photo(
    service: Service, photo: Path, label_names: Sequence[str]
) -> tuple[NDArray[np.uint8], list[Layer]]:
    """The photo, RGB uint8 (H, W, 3), and a layer for each label found in it.

    Raises ImageError, SettingsError or StoreError.
    """
    image = read_photo(photo)
    if not label_names:
        raise SettingsError('--labels needs at least one name, such as --labels "cat, grass, sky".')
    try:
        vocabulary = Vocabulary.of(label_names)
        (found,) = service.segmenter([image], vocabulary, service.default_segment_settings)
    except ModelError as error:
        raise SettingsError(str(error)) from error
    finally:
        service.store.close()
    return image, [
        # By the label's place, so that it has the same color in every photo.
        Layer(name, mask, float(score), color_of(index))
        for index, name, mask, score in found.non_empty()
    ]


def read_photo(photo: Path) -> NDArray[np.uint8]:
    try:
        data = photo.read_bytes()
    except OSError as error:
        raise ImageNotFound(f"{photo} cannot be read: {error.strerror}.") from error
    try:
        return decode_image(data, max_pixels=MAX_PIXELS)
    except ImageError as error:
        raise type(error)(f"{photo}: {error}") from error


def save_masks(layers: Sequence[Layer], folder: Path, stems: Mapping[str, str]) -> None:
    """Write one black and white PNG for each layer. `stems`: file names by label."""
    for layer in layers:
        save_picture(Image.fromarray(layer.mask), folder / f"{stems[layer.name]}.png")
