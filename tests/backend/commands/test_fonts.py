"""Labels of every script are drawn in letters, or spelled in ASCII; never as boxes."""

import os
import re
from pathlib import Path

import pytest
from PIL import ImageFont

from backend.commands.fonts import MISSING, Fonts, drawn, font_folders, spell_in_ascii
from model.text.words import EVERYDAY_WORDS

TEXTS = ["cat", "Café", "жёлтый знак", "天空", "ñandú ß", "🐈", "e\u0301"]
NO_FONTS = Fonts([])


@pytest.mark.parametrize("fonts", [Fonts(), NO_FONTS], ids=["of the machine", "none"])
@pytest.mark.parametrize("text", TEXTS)
def test_no_sign_of_a_label_is_drawn_as_a_box(text, fonts):
    shown, font = fonts.fit(text, 20)
    box = drawn(font, MISSING)
    assert all(drawn(font, sign) != box for sign in shown if not sign.isspace())


@pytest.mark.parametrize(
    ("text", "spelled"),
    [("Café", "Cafe"), ("ж天", "\\u0436\\u5929"), ("🐈", "\\U0001f408"), ("ﬁn²", "fin2")],
)
def test_without_a_font_a_label_is_spelled_in_ascii(text, spelled):
    assert NO_FONTS.fit(text, 20)[0] == spell_in_ascii(text) == spelled
    assert NO_FONTS.unspelled(["cat", text]) == [text]


def test_a_font_of_the_machine_is_used_where_it_has_the_letters():
    fonts = Fonts()
    shown, font = fonts.fit("é", 20)
    if shown != "é":
        pytest.skip("no font of this machine has é")
    assert isinstance(font, ImageFont.FreeTypeFont)
    assert font.size == 20
    assert any(Path(str(font.path)).is_relative_to(folder) for folder in font_folders())


def test_files_that_are_no_fonts_are_passed_over(tmp_path):
    (tmp_path / "a.ttf").write_bytes(os.urandom(100))
    (tmp_path / "b.otf").mkdir()
    assert Fonts([tmp_path, tmp_path / "gone"]).fit("é", 20)[0] == "e"


def test_predict_says_once_which_labels_are_spelled(run, photo_file, tmp_path):
    letter = "\U000f1234"  # of a plane for private use, which no font has
    labels = [f"{word} {letter}" for word in EVERYDAY_WORDS]
    code, said, _ = run(
        "predict", str(photo_file), "--labels", ", ".join(labels), "--out", str(tmp_path / "o.png"),
        "--method", "clip", "--refiner", "none", "--min-score", "0",
    )  # fmt: skip
    assert code == 0
    found = [label for label in labels if re.search(rf"^ +{label} +score", said, re.MULTILINE)]
    assert found, said  # of a model that knows nothing, so whichever they are
    assert said.count(f"in its legend {', '.join(found)} is spelled in ASCII") == 1
