"""The pages of the documentation, and the pieces of them that tests look at."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FRONT = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")

_FENCE = re.compile(
    r"^(?P<in> *)(?P<ticks>```+)(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=in)(?P=ticks)[ ]*$", re.M | re.S
)


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int  # of its first line of code, from 1
    language: str
    code: str


def pages() -> list[Path]:
    """Return every page, those of the repository's front first."""
    return [ROOT / name for name in FRONT] + sorted(DOCS.rglob("*.md"))


def name_of(page: Path) -> str:
    """Return a page's name, for test ids."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start()) + 2
        yield Block(page, line, found["language"], found["body"])


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def text(*names: str) -> str:
    """Return the text of these pages of docs/, or of all of them."""
    chosen = [DOCS / name for name in names] if names else pages()
    return "\n".join(page.read_text(encoding="utf-8") for page in chosen)
