"""Joins the pictures that `make e2e` keeps: docs/first_five_minutes.gif and docs/label_studio.jpg.

    .venv/bin/python scripts/first_five_minutes.py

They are of tests/e2e/editor/test_corrections.py, whose photo ships with Firstpass.
"""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parents[1]
SHOTS = ROOT / ".venv-ls/shots"
FRAMES = (  # picture, caption, milliseconds
    ("connected", "1  Connect the model to the project", 2000),
    ("first-pass", "2  Retrieve predictions: the first pass", 3000),
    ("corrected", "3  Correct it with eraser and brush, and submit", 3000),
    ("after-learning", "4  Retrieve again: the photo, mirrored, by the version that learned", 4000),
)
WIDTH_PX, CAPTION_PX, FONT_PX = 960, 36, 20
BACKGROUND = (35, 35, 45)


def frame(name: str, caption: str) -> Image.Image:
    with Image.open(SHOTS / f"{name}.png") as shot:
        height_px = round(shot.height * WIDTH_PX / shot.width)
        page = shot.convert("RGB").resize((WIDTH_PX, height_px), Image.Resampling.LANCZOS)
    whole = Image.new("RGB", (WIDTH_PX, height_px + CAPTION_PX), BACKGROUND)
    whole.paste(page, (0, CAPTION_PX))
    font = ImageFont.load_default(FONT_PX)
    ImageDraw.Draw(whole).text((14, 6), caption, fill="white", font=font)
    return whole.quantize(255, dither=Image.Dither.NONE)


def main() -> None:
    first, *others = [frame(name, caption) for name, caption, _ in FRAMES]
    first.save(
        ROOT / "docs/first_five_minutes.gif",
        save_all=True,
        append_images=others,
        duration=[duration_ms for _, _, duration_ms in FRAMES],
        loop=0,
        optimize=True,
    )
    with Image.open(SHOTS / "first-pass.png") as shot:
        size = 1280, round(shot.height * 1280 / shot.width)
        shot.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(
            ROOT / "docs/label_studio.jpg", quality=85
        )


if __name__ == "__main__":
    main()
