"""Line charts as small PNG files, drawn with Pillow alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SIZE = (760, 400)
LEFT, TOP, RIGHT, BOTTOM = 60, 40, 500, 350  # of the axes, pixels
COLORS = ("#1f5fa8", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93", "#444444", "#00909e", "#c05c7e")


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]  # x rising


def draw(lines: Sequence[Line], file: Path, *, title: str, is_share: bool = False) -> None:
    """Draw lines over their x values, evenly spaced; shares run from 0 to 1 on both axes."""
    image = Image.new("RGB", SIZE, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    pen.text((LEFT, 10), title, "black", ImageFont.load_default(15))
    ticks = [i / 10 for i in range(0, 11, 2)] if is_share else _all_x(lines)
    top = 1.0 if is_share else max(y for line in lines for _, y in line.points) * 1.1

    def place(x: float, y: float) -> tuple[float, float]:
        across = x if is_share else ticks.index(x) / max(1, len(ticks) - 1)
        return LEFT + across * (RIGHT - LEFT), BOTTOM - y / top * (BOTTOM - TOP)

    for tick in ticks:
        pen.text((place(tick, 0)[0], BOTTOM + 6), f"{tick:g}", "black", font, anchor="ma")
    for step in range(6):
        y = top * step / 5
        pen.line([(LEFT, place(ticks[0], y)[1]), (RIGHT, place(ticks[0], y)[1])], "#dddddd")
        pen.text((LEFT - 8, place(ticks[0], y)[1]), f"{y:.2f}", "black", font, anchor="rm")
    if is_share:
        pen.line([place(0, 0), place(1, 1)], "#999999")
    for number, line in enumerate(lines):
        color = COLORS[number % len(COLORS)]
        places = [place(x, y) for x, y in line.points]
        pen.line(places, color, width=2)
        for x, y in places:
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), color)
        pen.text((RIGHT + 16, TOP + 20 * number), line.name, color, font)
    image.quantize(32).save(file, optimize=True)


def _all_x(lines: Sequence[Line]) -> list[float]:
    return sorted({x for line in lines for x, _ in line.points})
