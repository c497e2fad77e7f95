"""Brush RLE: our `backend.masks.brush_rle`, Label Studio's SDK, label-studio-brush-rle-rs (Rust).

    python -m benchmarks.rle [--quick]

A second table has what a task of ten labels costs from its masks to the bytes of the response, for
each kind of control.

Times in milliseconds, the best of several runs, and how many times as fast as the SDK. Encoding
starts at a bool mask and ends at the list of ints that goes into JSON; decoding starts at that list
and ends at a bool mask. The Rust package is timed if installed. Fails if the bytes or masks differ.
"""

import argparse
import functools
import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import orjson
from label_studio_sdk.converter import brush
from numpy.typing import NDArray

from backend.label_studio.controls import Control, LabelSpec
from backend.masks.brush_rle import decode_mask, encode_mask
from backend.masks.regions import ENCODERS, encode_regions


def best_ms(call: Callable[[], object], budget_s: float = 2.0, most: int = 7) -> float:
    """The shortest of up to `most` calls, stopped when the budget is spent."""
    times: list[float] = []
    while len(times) < most and sum(times) < budget_s:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def ellipse(height_px: int, width_px: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height_px, :width_px]
    distance = ((x / width_px - 0.5) / 0.35) ** 2 + ((y / height_px - 0.5) / 0.35) ** 2
    inside: NDArray[np.bool_] = distance < 1
    return inside


def blobs(height_px: int, width_px: int) -> NDArray[np.bool_]:
    y, x = np.mgrid[:height_px, :width_px]
    inside: NDArray[np.bool_] = np.sin(x / width_px * 25) * np.sin(y / height_px * 25) > 0.4
    return inside


def with_noise(mask: NDArray[np.bool_], share: float) -> NDArray[np.bool_]:
    return mask ^ (np.random.default_rng(0).random(mask.shape) < share)


def cases(quick: bool) -> dict[str, NDArray[np.bool_]]:
    sizes = [(768, 1024)] if quick else [(768, 1024), (3000, 4000)]
    masks = {}
    for height_px, width_px in sizes:
        size = f"{width_px}x{height_px}"
        masks[f"{size} ellipse"] = ellipse(height_px, width_px)
        masks[f"{size} blobs"] = blobs(height_px, width_px)
        masks[f"{size} 2% noise"] = with_noise(ellipse(height_px, width_px), 0.02)
    return masks


def sdk_encode(mask: NDArray[np.bool_]) -> list[int]:
    rle: list[int] = brush.mask2rle(mask.astype(np.uint8) * 255)
    return rle


def alpha_mask(values: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return values.reshape(*shape, 4)[:, :, 3] > 127


@dataclass(frozen=True)
class Timing:
    encode_ms: float
    decode_ms: float


def time_sdk(mask: NDArray[np.bool_], rle: list[int]) -> Timing:
    if sdk_encode(mask) != rle:
        raise AssertionError("encode_mask and the SDK differ")
    return Timing(
        best_ms(lambda: sdk_encode(mask)),
        best_ms(lambda: alpha_mask(brush.decode_rle(rle), mask.shape)),
    )


def time_rust(rust: ModuleType, mask: NDArray[np.bool_], rle: list[int]) -> Timing:
    def encode() -> list[int]:
        rgba = np.repeat(mask.ravel().astype(np.uint8) * np.uint8(255), 4)
        return list(rust.encode_rle(rgba.tobytes(), 8, [3, 4, 8, 16]))

    def decode() -> NDArray[np.bool_]:
        values = np.asarray(rust.decode_rle(bytes(rle), False), np.uint8)
        return alpha_mask(values, mask.shape)

    if encode() != rle or not np.array_equal(decode(), mask):
        raise AssertionError("label-studio-brush-rle-rs differs")
    return Timing(best_ms(encode), best_ms(decode))


def time_ours(mask: NDArray[np.bool_], rle: list[int]) -> Timing:
    height_px, width_px = mask.shape

    def decode() -> NDArray[np.bool_]:
        return decode_mask(rle, height_px=height_px, width_px=width_px)

    if not np.array_equal(decode(), mask):
        raise AssertionError("decode_mask does not give the mask back")
    return Timing(best_ms(lambda: encode_mask(mask)), best_ms(decode))


def ten_classes(height_px: int, width_px: int) -> NDArray[np.bool_]:
    """Masks (10, H, W) that share out the image, with edges as smooth as a refiner leaves them."""
    noise = np.random.default_rng(0).standard_normal((10, height_px, width_px), dtype=np.float32)
    fields = [cv2.GaussianBlur(field, (0, 0), height_px / 30) for field in noise]
    masks: NDArray[np.bool_] = np.argmax(fields, axis=0) == np.arange(10)[:, None, None]
    return masks


def print_regions(masks: NDArray[np.bool_]) -> None:
    print(f"\n{'ten labels, 1024x768':22}{'regions, ms':>12}{'JSON, ms':>10}{'items':>7}{'kB':>7}")
    for kind in ENCODERS:
        control = Control(kind, "tag", "image", (), "image", brush_name="b", brush_type="brush")
        label = LabelSpec("Cat", "Cat")

        def regions(control: Control = control, label: LabelSpec = label) -> list[dict[str, Any]]:
            encoded = (encode_regions(control, label, mask, 0.5, region_id="r") for mask in masks)
            return [item for items in encoded for item in items]

        items = regions()
        regions_ms = best_ms(regions)
        to_json = functools.partial(orjson.dumps, items, option=orjson.OPT_SERIALIZE_NUMPY)
        json_ms = best_ms(to_json)
        kilobytes = len(to_json()) / 1000
        print(f"{kind:22}{regions_ms:12.1f}{json_ms:10.1f}{len(items):7}{kilobytes:7.0f}")


def installed_rust() -> ModuleType | None:
    try:
        return importlib.import_module("label_studio_brush_rle_rs")
    except ImportError:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="1024x768 only")
    arguments = parser.parse_args()
    rust = installed_rust()
    print(
        f"{'':20}|{'encode, ms':^35}|{'decode, ms':^35}|{'RLE':>8}{'JSON':>8}\n"
        f"{'mask':20}|"
        + f"{'SDK':>9}{'Rust':>9}{'ours':>8}{'x SDK':>8} |" * 2
        + f"{'bytes':>8}{'ms':>8}"
    )
    for name, mask in cases(arguments.quick).items():
        rle = encode_mask(mask)
        sdk, ours = time_sdk(mask, rle), time_ours(mask, rle)
        other = time_rust(rust, mask, rle) if rust else Timing(float("nan"), float("nan"))
        row = f"{name:20}|"
        for step in ("encode_ms", "decode_ms"):
            sdk_ms, ours_ms = getattr(sdk, step), getattr(ours, step)
            row += f"{sdk_ms:9.1f}{getattr(other, step):9.1f}{ours_ms:8.1f}"
            row += f"{sdk_ms / ours_ms:7.1f}x |"
        json_ms = best_ms(lambda rle=rle: orjson.dumps(rle))  # type: ignore[misc]
        print(row + f"{len(rle):8}{json_ms:8.1f}")
    print_regions(ten_classes(768, 1024))


if __name__ == "__main__":
    main()
