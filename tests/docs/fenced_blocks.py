"""The fenced code blocks of a Markdown file, in their order."""

import re
from dataclasses import dataclass
from pathlib import Path

FENCED = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    path: Path
    line: int  # of its opening fence, from 1
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.path.name}:{self.line}"

    def commands(self) -> list[str]:
        """What a person would type, one by one: without comments, continued lines joined."""
        lines = re.sub(r"\\\n\s*", "", self.text).splitlines()
        stripped = (re.sub(r"(^|\s{2,})#.*", "", line).strip() for line in lines)
        return [line for line in stripped if line]


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(path, text.count("\n", 0, match.start()) + 1, match[2], match[3])
        for match in FENCED.finditer(text)
    ]
