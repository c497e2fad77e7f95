"""docs/export.md says what Label Studio's exports hold, and its program writes every mask."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from label_studio_sdk.converter.converter import Converter
from PIL import Image

from backend.label_studio.controls import read_controls
from backend.masks.regions import encode_regions
from tests.docs.fenced_blocks import blocks_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "export.md"
LABELS = '<Label value="left/right"/><Label value="Dog"/>'
CONTROLS = {
    "BrushLabels": f'<BrushLabels name="tag" toName="image">{LABELS}</BrushLabels>',
    "Labels with Brush": f'<Labels name="tag" toName="image">{LABELS}</Labels>'
    '<Brush name="tool" toName="image"/>',
    "Labels with MagicWand": f'<Labels name="tag" toName="image">{LABELS}</Labels>'
    '<MagicWand name="tool" toName="image"/>',
    "BitmaskLabels": f'<BitmaskLabels name="tag" toName="image">{LABELS}</BitmaskLabels>',
    "PolygonLabels": f'<PolygonLabels name="tag" toName="image">{LABELS}</PolygonLabels>',
}
MASK = np.zeros((60, 80), dtype=bool)
MASK[10:40, 20:50] = True


def config_of(control: str) -> str:
    return f'<View><Image name="image" value="$image"/>{CONTROLS[control]}</View>'


def exported(control: str) -> list[dict[str, Any]]:
    """Label Studio's JSON export of one task whose annotation holds our regions."""
    (read,) = read_controls(config_of(control))
    regions = encode_regions(read, read.labels[0], MASK, 0.5, region_id="r1")
    result = orjson.loads(orjson.dumps(regions, option=orjson.OPT_SERIALIZE_NUMPY))
    annotation = {"id": 5, "completed_by": {"id": 1, "email": "a@example.com"}, "result": result}
    return [{"id": 7, "data": {"image": "a.png"}, "annotations": [annotation]}]


def content(file: Path) -> object:
    """What an exported file says of regions; nothing for a list of labels."""
    if file.suffix == ".json":
        return json.loads(file.read_text()).get("annotations")
    return file.stat().st_size if file.name != "classes.txt" else 0


@pytest.mark.filterwarnings("ignore")  # the SDK's own
@pytest.mark.parametrize(
    ("column", "formats"),
    [(1, ["COCO", "YOLO"]), (2, ["BRUSH_TO_NUMPY", "BRUSH_TO_PNG"]), (3, ["BRUSH_TO_COCO"])],
)
@pytest.mark.parametrize("control", CONTROLS)
def test_the_table_says_what_an_export_holds(control, column, formats, tmp_path):
    row = re.findall(rf"(?m)^\| {control} \|.*$", PAGE.read_text(encoding="utf-8"))
    says_nothing = row[0].split("|")[column + 1].strip() == "nothing"
    source = tmp_path / "export.json"
    source.write_text(json.dumps(exported(control)))
    for name in formats:
        folder = tmp_path / name
        folder.mkdir()
        converter = Converter(config_of(control), str(tmp_path), download_resources=False)
        converter.convert(str(source), str(folder), name, is_dir=False)
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert any(map(content, files)) != says_nothing, name


@pytest.mark.parametrize("control", CONTROLS)
def test_the_program_of_the_page_writes_the_mask_of_each_region(control, tmp_path):
    (program,) = [block for block in blocks_of(PAGE) if block.language == "python"]
    (tmp_path / "export.json").write_text(json.dumps(exported(control)))
    subprocess.run(
        [sys.executable, "-c", program.text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=120,
    )
    (file,) = tmp_path.glob("*.png")
    assert file.name == "task-7-r1-left%2Fright.png"
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image), MASK)
