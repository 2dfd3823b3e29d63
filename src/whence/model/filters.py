"""What to look for: filters over traces and records, and pages of what was found. Values only; `whence.query` parses
what people type into these."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class TraceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field must hold. Times are Unix ns; `since` is inclusive, `until` exclusive."""

    project: str | None = None  # matches project_name or project_id (C1.17)
    intent: str | None = None
    domain: str | None = None
    report_type: str | None = None
    research_type: str | None = None
    statuses: tuple[str, ...] = ()
    gate_passed: bool | None = None
    flagged: bool | None = None
    principle: str | None = None  # with `below`: the principle was scored, and lower than this
    below: float | None = None
    parent_trace_id: str | None = None
    writer: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class Condition(msgspec.Struct, frozen=True):
    """One comparison on a payload: `path` is a tuple of object keys, e.g. ("inputs", "intent")."""

    path: tuple[str, ...]
    op: str  # one of = != < <= > >= ~ (contains)
    value: str | float | bool | None


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field must hold."""

    trace: str | None = None  # OpenTelemetry id, 32 hex digits
    kinds: tuple[str, ...] = ()
    name: str | None = None
    stage: str | None = None
    component: str | None = None
    project: str | None = None
    min_level: int = 0
    since_ns: int | None = None
    until_ns: int | None = None
    where: tuple[Condition, ...] = ()


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of what was found, and where to go on: `cursor` is None on the last page."""

    items: tuple[T, ...]
    cursor: str | None = None
