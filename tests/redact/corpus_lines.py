"""Reads the corpus: plain text that anybody can extend."""

from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parent / "corpus"


class Positive(NamedTuple):
    """One line of positives.txt."""

    kind: str
    text: str
    spans: tuple[tuple[int, int], ...]  # of the marked parts in `text`


def _lines(name: str) -> list[str]:
    text = (_HERE / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("# ")]


def negatives() -> list[str]:
    """Return the texts that must stay as they are."""
    return _lines("negatives.txt")


def positives() -> list[Positive]:
    """Return the texts with marked parts that must be masked."""
    return [_positive(line) for line in _lines("positives.txt")]


def known_gaps() -> list[Positive]:
    """Return the texts whose marked parts are not found yet."""
    return [_positive(line) for line in _lines("known_gaps.txt")]


def _positive(line: str) -> Positive:
    kind, _, marked = line.partition("\t")
    text, spans, start = "", [], 0
    for char in marked.replace("¦", "").replace("\\n", "\n"):
        if char == "‹":
            start = len(text)
        elif char == "›":
            spans.append((start, len(text)))
        else:
            text += char
    return Positive(kind, text, tuple(spans))
