"""Memory to decode an image of each format, beside what is reserved for it before.

    python -m benchmarks.decoding --mpx 36

Each file is noise, the hardest to compress, decoded in a process of its own. "reserved" is what
`backend.images.decode.bytes_to_decode` says, "peak" what the process grew by; "peak" must be lower.
"""

import argparse
import io
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from backend.images.decode import DecodeLimits, bytes_to_decode, decode_image

# name -> (format, mode, options to save it with)
FILES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JPEG": ("JPEG", "RGB", {"quality": 90}),
    "JPEG, progressive": ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    "JPEG, progressive, CMYK": ("JPEG", "CMYK", {"progressive": True}),
    "PNG": ("PNG", "RGB", {"compress_level": 1}),
    "PNG, transparent": ("PNG", "RGBA", {"compress_level": 1}),
    "PNG, palette": ("PNG", "P", {"compress_level": 1}),
    "PNG, 16-bit gray": ("PNG", "I;16", {"compress_level": 1}),
    "GIF": ("GIF", "P", {}),
    "WEBP, lossless": ("WEBP", "RGB", {"lossless": True, "method": 0}),
    "WEBP, transparent": ("WEBP", "RGBA", {"method": 0}),
    "AVIF": ("AVIF", "RGB", {"speed": 10}),
    "BMP": ("BMP", "RGB", {}),
    "TIFF": ("TIFF", "RGB", {}),
    "TIFF, deflate": ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
    "TIFF, float": ("TIFF", "F", {}),
    "JPEG2000": ("JPEG2000", "RGB", {}),
    "JPEG2000, transparent": ("JPEG2000", "RGBA", {"irreversible": True}),
    "PPM": ("PPM", "RGB", {}),
}


def noise(mode: str, side_px: int) -> Image.Image:
    rng = np.random.default_rng(0)
    if mode == "F":
        return Image.fromarray(rng.random((side_px, side_px), dtype=np.float32))
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 4096, (side_px, side_px), dtype=np.uint16))
    channels = len(Image.new(mode, (1, 1)).getbands())
    levels = rng.integers(0, 256, (side_px, side_px, channels), dtype=np.uint8)
    return Image.frombytes(mode, (side_px, side_px), levels.tobytes())


def peak_bytes() -> int:
    """Of this process; `getrusage` would include the process that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.findall(r"VmHWM:\s*(\d+)", status)[0])


def print_row(path: Path) -> None:
    """In a process of its own, whose peak is that of this file."""
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        n_px, reserved = image.width * image.height, bytes_to_decode(image)
    before = peak_bytes()
    decode_image(data, DecodeLimits(10**10))
    grown = peak_bytes() - before
    print(f"{reserved / n_px:8.1f} {grown / n_px:8.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--mpx", type=float, default=36, help="size of each image")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.file:
        print_row(given.file)
        return
    print(f"{'bytes a pixel':26} reserved     peak")
    with TemporaryDirectory() as folder:
        for name, (file_format, mode, options) in FILES.items():
            path = Path(folder) / "image"
            with path.open("wb") as file:
                noise(mode, int((given.mpx * 1e6) ** 0.5)).save(file, file_format, **options)
            print(f"{name:26}", end="", flush=True)
            subprocess.run(
                [sys.executable, "-m", "benchmarks.decoding", "--file", path], check=True
            )


if __name__ == "__main__":
    main()
