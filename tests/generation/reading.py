"""Read what was recorded."""

from typing import Any

import msgspec

from whence.model.record import Record
from whence.testing.capture import Captured


def said(record: Record) -> dict[str, Any]:
    """Return the payload of a record."""
    payload: dict[str, Any] = msgspec.json.decode(record.payload)
    return payload


def of(captured: Captured, kind: str, name: str | None = None) -> list[Record]:
    """Return the records of a kind, and of a name, in order."""
    return [each for each in captured.records if each.kind == kind and name in (None, each.name)]


def calls(captured: Captured, stage: str) -> list[tuple[Record, dict[str, Any], Record | None, dict[str, Any]]]:
    """Return (start, what it says, end, what it says) of every run of a stage, in order of their starts."""
    ends = {each.span: each for each in of(captured, "span.end", stage)}
    found = []
    for start in of(captured, "span.start", stage):
        end = ends.get(start.span)
        found.append((start, said(start), end, said(end) if end is not None else {}))
    return found
