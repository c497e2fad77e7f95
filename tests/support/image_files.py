"""Image files, and a loader that reads them from test servers."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.images.decode import DecodeLimits, decode_image
from backend.images.loader import ImageConfig, ImageLoader
from backend.label_studio.client import LabelStudio
from tests.support.fake_label_studio import LEGACY, Reply, WebServer

MAX_PIXELS = 1_000_000
PIXELS = np.random.default_rng(7).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def decode(data: bytes, content_type: str = "", **limits: Any) -> NDArray[np.uint8]:
    return decode_image(
        data, DecodeLimits(**{"max_pixels": MAX_PIXELS, **limits}), content_type=content_type
    )


def coded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The image as a file of this format."""
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def gradient(height_px: int = 20, width_px: int = 40) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:height_px, :width_px]
    return np.stack([rows * 9, columns * 6, rows + columns], axis=2).astype(np.uint8)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png_without_pixels(width_px: int, height_px: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    chunks = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + chunks


PNG = coded(Image.fromarray(PIXELS), "PNG")
PNG_REPLY = Reply(PNG, headers={"Content-Type": "image/png"})


def loader(
    server: WebServer | None = None, api_key: str | None = LEGACY, **config: Any
) -> ImageLoader:
    """A loader whose Label Studio is this server."""
    image_config = ImageConfig(**{"timeout_s": 10, **config})
    return ImageLoader(image_config, LabelStudio(server.url if server else None, api_key))


def is_the_image(image: NDArray[np.uint8]) -> bool:
    """Whether it has the pixels of `PNG`."""
    return image.dtype == np.uint8 and np.array_equal(image, PIXELS)
