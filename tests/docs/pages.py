"""The Markdown files of the project, and what stands in code style in them."""

import re
from pathlib import Path

from tests.docs.fenced_blocks import FENCED, blocks_of

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "docker/*.md",
        "examples/*.md",
        "benchmarks/*.md",
        "model/starter/*.md",
    )
    for path in ROOT.glob(pattern)
)
# What is said of releases of the past may name what is no more.
LIVING_PAGES = [path for path in PAGES if path.name != "CHANGELOG.md"]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def code_in(page: Path) -> list[str]:
    """Each piece of inline code, then each command of the `sh` blocks, on one line each."""
    text = page.read_text(encoding="utf-8")
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", FENCED.sub("", text))]
    blocks = [block for block in blocks_of(page) if block.language == "sh"]
    return inline + [command for block in blocks for command in block.commands()]


def anchors_of(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    found: set[str] = set()
    for heading in re.findall(r"(?m)^#+ (.+)$", text):
        anchor = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        n = 0
        while (numbered := f"{anchor}-{n}" if n else anchor) in found:
            n += 1
        found.add(numbered)
    return found
