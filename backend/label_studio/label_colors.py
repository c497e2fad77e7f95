"""Colors of labels that are easily told apart: for pictures and for labeling configs."""

import colorsys

GOLDEN_RATIO = 0.618034  # step in hue, so that neighbors differ most

# Found by taking the color that is farthest, in CIELAB, from those taken before, among colors of
# medium lightness (35 to 88) and a chroma above 40: any two of the first ten are 53 apart,
# of all twenty 35.
PALETTE = (
    (0, 204, 238), (238, 51, 51), (238, 221, 119), (34, 34, 255), (0, 255, 0),
    (255, 0, 255), (136, 85, 34), (255, 153, 255), (0, 102, 34), (0, 85, 170),
    (0, 238, 153), (153, 34, 85), (255, 153, 0), (119, 187, 0), (255, 153, 153),
    (136, 34, 170), (255, 0, 170), (34, 102, 255), (68, 187, 153), (153, 170, 255),
)  # fmt: skip


def color_of(index: int) -> tuple[int, int, int]:
    """RGB of the n-th label: of the palette, then by hue, with alternating brightness."""
    if index < len(PALETTE):
        return PALETTE[index]
    red, green, blue = colorsys.hsv_to_rgb(
        (0.02 + index * GOLDEN_RATIO) % 1.0, 0.85 if index % 2 else 0.7, 0.8 if index % 2 else 0.97
    )
    return round(red * 255), round(green * 255), round(blue * 255)


def hex_color_of(index: int) -> str:
    """`color_of` as labeling configs write it: "#00ccee"."""
    return "#" + "".join(f"{level:02x}" for level in color_of(index))
