"""A question as it was typed, made into words: one form of each character, no controls, a bounded length. Pure."""

import re
import unicodedata
from typing import Final

import msgspec

MOST_CHARS: Final = 2_000
"""Of a question; the rest is not looked at, and the answer says so."""

_APOSTROPHES: Final = str.maketrans(
    {"’": "'", "‘": "'", "ʼ": "'", "`": " ", "“": '"', "”": '"', "–": "-", "—": "-", "‑": "-"}
)
_CHUNK: Final = re.compile(r"\S+")
_EDGES: Final = " \t\"'()[]{}<>,;:!?.*_~|\\"
_APART: Final = re.compile(r"[\W_]+")


class Word(msgspec.Struct, frozen=True):
    """One word of a question."""

    text: str  # as typed, without the punctuation around it
    lower: str  # case folded
    key: str  # what ids are compared by: case folded, each run of punctuation one "-"


def key_of(name: str) -> str:
    """Return what a name is compared by: `Workflow-789?`, `workflow_789` and `WORKFLOW 789` are one (C4.7)."""
    return _APART.sub("-", unicodedata.normalize("NFKC", name).casefold()).strip("-")


def clean(question: object) -> str:
    """Return a question on one line, in one form of Unicode, without controls, at most MOST_CHARS characters."""
    said = question if isinstance(question, str) else str(question)
    said = unicodedata.normalize("NFKC", said[: 4 * MOST_CHARS]).translate(_APOSTROPHES)
    kept = "".join(each if unicodedata.category(each)[0] != "C" else " " for each in said)
    return " ".join(kept.split())[:MOST_CHARS]


def words_of(cleaned: str) -> tuple[Word, ...]:
    """Return the words of a cleaned question, in order; what is only punctuation is none."""
    found = []
    for chunk in _CHUNK.findall(cleaned):
        text = chunk.strip(_EDGES)
        text = text[:-2] if text.lower().endswith("'s") and len(text) > 3 else text
        if text and key_of(text):
            found.append(Word(text, text.casefold(), key_of(text)))
    return tuple(found)
