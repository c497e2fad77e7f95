"""Masks as polygons: time, points and IoU, beside OpenCV's contours and GDAL's shapes.

    python -m benchmarks.polygons

Two tables, over masks of 1024 x 768 pixels. The first traces exact outlines without specks: ours,
cv2.findContours of the mask enlarged twofold, and rasterio.features.shapes if it is installed. The
second simplifies: ours, and as a baseline the corners of pixels simplified by 1 pixel, less in thin
parts. Times are CPU milliseconds for all masks of a kind, the best of several runs.
"""

import argparse
import importlib
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from backend.masks.outlines import mask_outlines
from backend.masks.polygons import DEFAULT, mask_to_polygons, polygon_to_mask
from benchmarks.label_maps import LABEL_MAPS, N_LABELS

HEIGHT_PX, WIDTH_PX = 768, 1024
SPECK_PX = max(DEFAULT.speck_px, DEFAULT.speck_area * HEIGHT_PX * WIDTH_PX)
LINE_DEGREES = (0, 3, 10, 22.5, 30, 45, 60, 75, 88, 90)

Tracer = Callable[[NDArray[np.bool_]], list[NDArray[np.float64]]]


def of_labels(edges: str) -> list[NDArray[np.bool_]]:
    labels = LABEL_MAPS[edges](HEIGHT_PX, WIDTH_PX, np.random.default_rng(0))
    return [labels == label for label in range(N_LABELS)]


def small_ellipses() -> list[NDArray[np.bool_]]:
    rng, masks = np.random.default_rng(0), []
    for _ in range(10):
        canvas = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        for _ in range(12):
            center, axes = rng.integers(40, 700, 2), rng.integers(3, 25, 2)
            cv2.ellipse(
                canvas, center.tolist(), axes.tolist(), int(rng.integers(180)), 0, 360, 1, -1
            )
        masks.append(canvas > 0)
    return masks


def lines(width_px: int) -> list[NDArray[np.bool_]]:
    masks, center = [], np.array([WIDTH_PX, HEIGHT_PX]) / 2
    for degrees in LINE_DEGREES:
        canvas = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
        half = 330 * np.array([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))])
        first, last = ((center + sign * half).astype(int) for sign in (-1, 1))
        cv2.line(canvas, first.tolist(), last.tolist(), 1, width_px)
        masks.append(canvas > 0)
    return masks


MASKS: dict[str, Callable[[], list[NDArray[np.bool_]]]] = {
    **{edges: lambda edges=edges: of_labels(edges) for edges in LABEL_MAPS},  # type: ignore[misc]
    "small ellipses": small_ellipses,
    **{f"lines of {n} px": lambda n=n: lines(n) for n in (1, 2, 3)},  # type: ignore[misc]
}


def trace_ours(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    outlines = mask_outlines(mask, SPECK_PX)
    return [ring.half_px / 2 for part in outlines for ring in (part, *part.holes)]


def trace_opencv(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Corners of pixels, from contours through the centers of pixels of half the size."""
    doubled = np.repeat(np.repeat(mask.view(np.uint8), 2, axis=0), 2, axis=1)
    contours, _ = cv2.findContours(doubled, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = [((contour[:, 0] + 1) // 2).astype(np.float64) for contour in contours]
    return [ring for ring in rings if cv2.contourArea(ring.astype(np.int32)) >= SPECK_PX]


def trace_rasterio(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    shapes = importlib.import_module("rasterio.features").shapes
    rings = [
        np.array(ring)
        for shape, _ in shapes(mask.view(np.uint8), mask=mask, connectivity=8)
        for ring in shape["coordinates"]
    ]
    return [ring for ring in rings if cv2.contourArea(ring.astype(np.int32)) >= SPECK_PX]


TRACERS: dict[str, Tracer] = {"ours": trace_ours, "OpenCV, doubled": trace_opencv}
if importlib.util.find_spec("rasterio"):
    TRACERS["rasterio"] = trace_rasterio


def baseline_polygons(mask: NDArray[np.bool_]) -> list[NDArray[np.float64]]:
    """Corners simplified by 1 pixel, or 0.12 of area over perimeter where that is less."""
    polygons = []
    for ring in trace_opencv(mask):
        corners = ring.astype(np.int32)
        perimeter_px = cv2.arcLength(corners, closed=True)
        tolerance_px = min(1.0, 0.12 * cv2.contourArea(corners) / perimeter_px)
        simplified = cv2.approxPolyDP(corners, tolerance_px, closed=True)[:, 0]
        polygons.append(simplified.astype(np.float64))
    return polygons


def best_ms(trace: Tracer, masks: list[NDArray[np.bool_]], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        started = time.process_time()
        for mask in masks:
            trace(mask)
        times.append(time.process_time() - started)
    return min(times) * 1000


def iou(polygons: list[NDArray[np.float64]], mask: NDArray[np.bool_]) -> float:
    filled = np.zeros_like(mask)
    for polygon in polygons:
        filled ^= polygon_to_mask(polygon, height_px=HEIGHT_PX, width_px=WIDTH_PX)
    return float((filled & mask).sum() / (filled | mask).sum())


def print_table(title: str, tracers: dict[str, Tracer], repeats: int) -> None:
    print(f"| {title} | " + " | ".join(f"{name}: ms | points | IoU" for name in tracers) + " |")
    print("|---" * (1 + 3 * len(tracers)) + "|")
    for name, draw in MASKS.items():
        masks, row = draw(), f"| {name} |"
        for trace in tracers.values():
            polygons: list[Any] = [trace(mask) for mask in masks]
            n_points = sum(len(points) for traced in polygons for points in traced)
            mean = np.mean([iou(*pair) for pair in zip(polygons, masks, strict=True)])
            row += f" {best_ms(trace, masks, repeats):.1f} | {n_points} | {mean:.4f} |"
        print(row, flush=True)
    print()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--repeats", type=int, default=9)
    repeats = options.parse_args().repeats
    print_table("exact outlines", TRACERS, repeats)
    simplifiers: dict[str, Tracer] = {"ours": mask_to_polygons, "corners": baseline_polygons}
    print_table("polygons", simplifiers, repeats)


if __name__ == "__main__":
    main()
