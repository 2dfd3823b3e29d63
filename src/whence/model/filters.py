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
    components: tuple[str, ...] = ()  # any of them
    parent: str | None = None  # what this record or span caused
    project: str | None = None
    min_level: int = 0
    since_ns: int | None = None
    until_ns: int | None = None
    where: tuple[Condition, ...] = ()


class FindingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field must hold. Times are those of the records that findings travelled in."""

    trace: str | None = None  # OpenTelemetry id
    project: str | None = None
    code: str | None = None
    codes: tuple[str, ...] = ()  # any of them
    fingerprint: str | None = None
    component: str | None = None  # among the affected
    min_severity: int = 0
    since_ns: int | None = None
    until_ns: int | None = None
    withdrawn: bool = False  # those too that were taken back (said again with a count of 0)


class ProblemFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field must hold. A problem lies in a window when it was last seen in it."""

    project: str | None = None
    code: str | None = None
    states: tuple[str, ...] = ()
    component: str | None = None  # among the affected
    min_severity: int = 0
    since_ns: int | None = None
    until_ns: int | None = None


class DigestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field must hold. Runs count by their start; those in progress have no digest."""

    project: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    ended_before_ns: int | None = None


class ActivityFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Every given field must hold. Windows are widened to whole minutes."""

    project: str | None = None
    component: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some of what was found, and where to go on: `cursor` is None on the last page."""

    items: tuple[T, ...]
    cursor: str | None = None
