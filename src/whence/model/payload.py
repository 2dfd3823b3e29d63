"""The shape of each kind's payload. Written by `record`, read by `model.assembly` and SQL.

Readers tolerate missing and unknown fields (every field has a default), so that a newer writer and an older reader
can meet. A field is never renamed: a new name is added and both are read.
"""

from typing import Any

import msgspec

STAGE = "stage"
LLM = "llm"


class TraceStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a trace when it begins; stored at once, so that a killed run is visible (DESIGN §4.7)."""

    trace_id: str = ""
    project_id: str | None = None
    project_name: str | None = None
    query: Any = None
    intent: str | None = None
    domain: str | None = None
    report_type: str | None = None
    research_type: str | None = None
    parent_trace_id: str | None = None
    writer: str = ""  # the spool writer: its death without a trace.end means the process was lost
    pid: int = 0
    host: str = ""
    generator: str = ""
    attributes: dict[str, Any] = {}


class TraceEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a trace ended: complete, incomplete or failed."""

    status: str = "incomplete"
    error: Any = None
    reason: str | None = None  # cancelled, process_lost, not_marked
    duration_ns: int | None = None
    overhead_ns: int | None = None  # time spent inside recording calls
    dropped: int = 0  # records of this trace that were counted and not written
    last_record: str | None = None  # for process_lost: the last record seen


class SpanStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """The beginning of a timed part. `attempt` counts the tries of the same stage from 1."""

    type: str = STAGE
    attempt: int = 1
    attributes: dict[str, Any] = {}


class SpanEnd(msgspec.Struct, frozen=True, omit_defaults=True):
    """The end of a timed part. Duration is monotonic; the timestamps around it are wall clock."""

    type: str = STAGE
    attempt: int = 1
    duration_ns: int | None = None
    outputs: Any = None
    error: Any = None
    attributes: dict[str, Any] = {}


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided, why, how sure, what else was considered, from what (R1.11)."""

    what: Any = None
    why: Any = ""
    confidence: float | None = None  # 0..1; None when what was given is no number (kept in `given`)
    alternatives: list[Any] = []
    inputs: dict[str, Any] = {}
    given: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET  # fields as given when they had to be changed
    attributes: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET  # whatever else the caller passed


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """Anything that happened."""

    message: Any = ""
    attributes: dict[str, Any] = {}


class Data(msgspec.Struct, frozen=True):
    """Evidence, prompts, an attempt, outputs, a child: one object, as the caller gave it."""

    data: Any = None


class Document(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a trace's JSON document was written, or why it was not (R1.61: the path is then NULL)."""

    path: str | None = None
    error: str | None = None


class TraceFlag(msgspec.Struct, frozen=True, omit_defaults=True):
    """A trace was flagged for review, or the flag was taken back."""

    flagged: bool = True
    notes: str | None = None
