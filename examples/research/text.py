"""Words, stems and sentences: the little linguistics the pipeline needs, for English."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"[a-z][a-z0-9]+")
_URL = re.compile(r"https?://\S+")
_SENTENCE_END = re.compile(r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<=[.!?])\s+(?=[A-Z0-9`*\"'(])")
_DETAIL = re.compile(
    r"""`[^`]+`
    | \b\w+[_.]\w+\b         # snake_case, module.name
    | \b\w+\(\)              # call()
    | \b[A-Z][a-z]+[A-Z]\w*  # CamelCase
    | \b[A-Z]{2,}\w*\b       # ACRONYM
    | \b\d[\d.x,-]*%?        # 3.11, 10-80x, 29%""",
    re.VERBOSE,
)

_STOPWORDS = """
    a about above after again all also am an and any are as at be because been before being between both but by can
    could did do does doing done down during each every few for from further get gets had has have having he her here
    him his how i if in into is it its itself just like many may me more most much must my need no nor not of off on
    once one only or other our out over own please really same she should show so some such than that the their them
    then there these they this those through to too under until up us use used uses using very want was we well were
    what when where whether which while who whom whose why will with without would yes yet you your
    always better best ever never true work works make makes way ways good python package packages library
    rather instead find handle py"""
STOPWORDS = frozenset(_STOPWORDS.split())

# Longest first: "validations", "validates" and "validating" all have to meet at "valid".
_SUFFIXES = ("ations", "ation", "ating", "ators", "ator", "ates", "ated", "ings", "ing", "ate", "ies", "es", "ed", "s")


def stem(word: str) -> str:
    """Return a crude root of one lower-case word; only equality between roots means anything."""
    word = word.rstrip("0123456789")  # sqlite3 is about SQLite
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3 and not word.endswith("ss"):
            word = word[: -len(suffix)] + ("y" if suffix == "ies" else "")
            break
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl" else word


def stems(text: str) -> list[str]:
    """Return the roots of the content words of `text`, in order, repeats included."""
    return [stem(word) for word in _words(text)]


def content_words(text: str) -> dict[str, str]:
    """Return root -> the word as it was first written, for every content word of `text`."""
    found: dict[str, str] = {}
    for word in _words(text):
        found.setdefault(stem(word), word)
    return found


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(_URL.sub(" ", text).lower()) if word not in STOPWORDS]


def sentences(text: str) -> list[str]:
    """Return the sentences of `text`; a line break always ends one."""
    parts = (part.strip() for line in text.splitlines() for part in _SENTENCE_END.split(line))
    return [part for part in parts if part]


def details(text: str) -> list[str]:
    """Return what is concrete in `text`: numbers, code, identifiers, acronyms."""
    return _DETAIL.findall(text)


def count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural where it belongs."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def overlap(left: Iterable[str], right: Iterable[str]) -> float:
    """Return the Jaccard similarity of two bags of words, 0 when both are empty."""
    one, two = set(left), set(right)
    return len(one & two) / len(one | two) if one | two else 0.0
