"""Filters as predicates over values: what `MemoryStore` asks of every row, and what other stores must equal."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any, Final

import msgspec

from whence.model.content import references
from whence.model.filters import Condition, RecordFilter, TraceFilter
from whence.model.record import Record
from whence.model.trace import TraceSummary
from whence.store.derive import payload_of
from whence.store.interface import PREFIX_FROM

TEXT_CHARS: Final = 2048
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
_WORD = re.compile(r"[^\W_]+")


def record_matches(record: Record, where: RecordFilter) -> bool:
    """Return whether every given field of the filter holds."""
    if where.trace is not None and record.trace != where.trace:
        return False
    if where.kinds and record.kind not in where.kinds:
        return False
    for name in ("name", "stage", "component", "parent", "project"):
        wanted = getattr(where, name)
        if wanted is not None and getattr(record, name) != wanted:
            return False
    if where.components and record.component not in where.components:
        return False
    if where.min_level > 0 and record.level < where.min_level:
        return False
    if not within(record.ts_ns, where.since_ns, where.until_ns):
        return False
    return not where.where or all(condition_holds(payload_of(record), each) for each in where.where)


def within(ts_ns: int, since_ns: int | None, until_ns: int | None) -> bool:
    """Return whether a time lies in a half-open window."""
    return (since_ns is None or ts_ns >= since_ns) and (until_ns is None or ts_ns < until_ns)


def condition_holds(payload: Any, condition: Condition) -> bool:
    """Return whether one comparison on a payload holds (see `Store.records`)."""
    found = payload
    for key in condition.path:
        found = found.get(key) if isinstance(found, dict) else None
    op, value = condition.op, condition.value
    if op == "=":
        return _same(found, value)
    if op == "!=":
        return not _same(found, value)
    if op == "~":
        inside = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
        return any(isinstance(each, str) and str(value) in each for each in inside)
    return _alike(found, value) and _ORDER[op](found, value)


def _alike(a: object, b: object) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return isinstance(a, bool) and isinstance(b, bool)
    if isinstance(a, int | float):
        return isinstance(b, int | float)
    return isinstance(a, str) and isinstance(b, str)


def _same(a: object, b: object) -> bool:
    return (a is None and b is None) or (_alike(a, b) and a == b)


def project_of(row: TraceSummary) -> str:
    """Return the project of a trace as totals show it."""
    return row.project_name or row.project_id or row.project


def in_project(row: TraceSummary, project: str) -> bool:
    """Return whether a trace belongs to a project, by name or by id (C1.17)."""
    names = [name for name in (row.project_name, row.project_id) if name]
    return project in (names or [row.project])


def trace_matches(row: TraceSummary, where: TraceFilter) -> bool:
    """Return whether every given field of the filter holds."""
    if where.project is not None and not in_project(row, where.project):
        return False
    for name in ("intent", "domain", "report_type"):
        wanted = getattr(where, name)
        if wanted is not None and (getattr(row, name) or "") != wanted:  # "" is what totals call "not given"
            return False
    for name in ("research_type", "parent_trace_id", "writer"):
        wanted = getattr(where, name)
        if wanted is not None and getattr(row, name) != wanted:
            return False
    if where.statuses and row.status not in where.statuses:
        return False
    if where.gate_passed is not None and row.quality_gate_passed is not where.gate_passed:
        return False
    if where.flagged is not None and row.flagged_for_review is not where.flagged:
        return False
    if where.principle is not None:
        score = row.principle_scores.get(where.principle)
        if score is None or (where.below is not None and score >= where.below):
            return False
    return within(row.started_ns, where.since_ns, where.until_ns)


def words(text: str) -> list[str]:
    """Return the words of a text as full-text search sees them: lower case, without accents, split at anything that is
    neither letter nor digit."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return _WORD.findall(plain)


def searched_text(record: Record) -> str:
    """Return what full-text search reads of a record: its name, its words for people, its kept text; 2 kB at most."""
    payload = payload_of(record)
    error, attributes = payload.get("error"), payload.get("attributes")
    message = error.get("message") if isinstance(error, dict) else None
    kept = attributes if isinstance(attributes, dict) else {}
    parts = [
        record.name,
        *(payload.get(key) for key in ("message", "why", "what")),
        error if message is None else message,
        *(payload.get(key) for key in ("query", "title")),
        *(kept.get(key) for key in ("prompt", "response")),
        payload.get("data"),
    ]
    return " ".join(_as_text(part) for part in parts if part is not None)[:TEXT_CHARS]


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()


def contents_of(record: Record) -> set[str]:
    """Return the hashes of the texts that a record refers to."""
    return {each.lower() for each in references(payload_of(record))}


def holds_words(text: str, wanted: list[str]) -> bool:
    """Return whether a text holds all the words, of which the last may be the beginning of one."""
    there = words(text)
    return bool(wanted) and all(any(_meets(word, each, wanted) for word in there) for each in wanted)


def marked(text: str, wanted: list[str]) -> str:
    """Return the text around the first word that was looked for, with such words between ‹ and ›."""
    pieces = text.split()
    hits = [i for i, piece in enumerate(pieces) if _is_wanted(piece, wanted)]
    start = max(0, hits[0] - 5) if hits else 0
    shown = [f"‹{p}›" if _is_wanted(p, wanted) else p for p in pieces[start : start + 24]]
    return ("…" if start else "") + " ".join(shown) + ("…" if start + 24 < len(pieces) else "")


def _is_wanted(piece: str, wanted: list[str]) -> bool:
    return any(_meets(word, each, wanted) for word in words(piece) for each in wanted)


def _meets(word: str, wanted: str, of: list[str]) -> bool:
    """Return whether a word is the one that was looked for, or begins with it where that is enough."""
    return word == wanted or (wanted is of[-1] and len(wanted) >= PREFIX_FROM and word.startswith(wanted))
