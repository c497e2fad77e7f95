"""Draws a segmentation: the photo, tinted masks, and a legend with scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from backend.commands.fonts import Fonts

MASK_OPACITY = 0.5
BACKGROUND_RGB, TEXT_RGB, MUTED_TEXT_RGB = (255, 255, 255), (32, 33, 36), (122, 126, 133)


@dataclass(frozen=True)
class Layer:
    name: str
    mask: NDArray[np.bool_]  # (H, W)
    score: float  # 0..1
    rgb: tuple[int, int, int]


def draw_overlay(
    image: NDArray[np.uint8], layers: Sequence[Layer], fonts: Fonts | None = None
) -> Image.Image:
    """The RGB uint8 image (H, W, 3) with tinted, outlined masks, and a legend to its right."""
    height, width = image.shape[:2]
    font_px = int(np.clip(height / 26, 13, 64))
    legend = draw_legend(layers, height, font_px=font_px, fonts=fonts or Fonts())
    canvas = Image.new("RGB", (width + legend.width, max(height, legend.height)), BACKGROUND_RGB)
    canvas.paste(draw_masks(image, layers), (0, 0))
    canvas.paste(legend, (width, 0))
    return canvas


def draw_masks(image: NDArray[np.uint8], layers: Sequence[Layer]) -> Image.Image:
    """The RGB uint8 image (H, W, 3) with tinted, outlined masks."""
    height, width = image.shape[:2]
    picture = image.astype(np.float32)
    line_px = max(round(max(height, width) / 400), 1)
    for layer in layers:
        picture[layer.mask] *= 1 - MASK_OPACITY
        picture[layer.mask] += MASK_OPACITY * np.array(layer.rgb, dtype=np.float32)
    for layer in layers:
        outlines, _ = cv2.findContours(
            layer.mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(picture, outlines, -1, layer.rgb, line_px, cv2.LINE_AA)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def draw_legend(
    layers: Sequence[Layer], height_px: int, *, font_px: int, fonts: Fonts
) -> Image.Image:
    """One row for each layer, by descending score: color, name, score, share of the image."""
    small = ImageFont.load_default(font_px * 0.72)
    by_score = sorted(layers, key=lambda layer: -layer.score)
    rows = [(layer.rgb, *caption(layer)) for layer in by_score]
    if not rows:
        rows = [(BACKGROUND_RGB, "nothing found", "no label is in this picture")]
    named = [(color, *fonts.fit(name, font_px), about) for color, name, about in rows]

    row_px, pad_px = round(font_px * 2.4), round(font_px * 0.8)
    text_px = max(
        max(font.getlength(name) for _, name, font, _ in named),
        max(small.getlength(about) for *_, about in named),
    )
    size = (round(text_px) + font_px + 3 * pad_px, max(height_px, row_px * len(rows) + 2 * pad_px))
    legend = Image.new("RGB", size, BACKGROUND_RGB)
    draw = ImageDraw.Draw(legend)
    for row, (color, name, font, about) in enumerate(named):
        top = pad_px + row * row_px
        draw.rounded_rectangle((pad_px, top, pad_px + font_px, top + font_px), font_px // 4, color)
        draw.text((2 * pad_px + font_px, top - font_px * 0.15), name, TEXT_RGB, font)
        draw.text((2 * pad_px + font_px, top + font_px * 1.05), about, MUTED_TEXT_RGB, small)
    return legend


def caption(layer: Layer) -> tuple[str, str]:
    """Name, and a line with score and share of the image."""
    return layer.name, f"score {layer.score:.2f}   {layer.mask.mean():.1%} of the image"
