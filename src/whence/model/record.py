"""The envelope every record travels in (REQUIREMENTS B2), and the kinds of record there are."""

from typing import Final

import msgspec

TRACE_START: Final = "trace.start"
TRACE_END: Final = "trace.end"
TRACE_DOCUMENT: Final = "trace.document"
TRACE_FLAG: Final = "trace.flag"
SPAN_START: Final = "span.start"
SPAN_END: Final = "span.end"
DECISION: Final = "decision"
EVENT: Final = "event"
EVIDENCE: Final = "evidence"
PROMPTS: Final = "prompts"
ATTEMPT: Final = "attempt"
OUTPUTS: Final = "outputs"
CHILD: Final = "child"
FINDING: Final = "finding"
TRANSFORM: Final = "transform"
CHECK: Final = "check"
FILE: Final = "file"
COST: Final = "cost"
SNAPSHOT: Final = "snapshot"
METRIC: Final = "metric"
FINDING_STATE: Final = "finding.state"
REPORT: Final = "report"
CASE: Final = "case"
CONTENT: Final = "content"
"""Not a record of the stream but a text stored once by its hash; `name` is the hash, the payload holds the text."""
VECTOR: Final = "vector"
"""Not a record of the stream but a vector stored once by its hash, packed; `name` is the hash."""
DIGEST: Final = "digest"
"""Not a record of the stream but what a run was like (`model.digest`); `name` is the run's OpenTelemetry id, and a newer
one takes the place of the one before."""

KINDS: Final = (
    TRACE_START,
    TRACE_END,
    TRACE_DOCUMENT,
    TRACE_FLAG,
    SPAN_START,
    SPAN_END,
    DECISION,
    EVENT,
    EVIDENCE,
    PROMPTS,
    ATTEMPT,
    OUTPUTS,
    CHILD,
    FINDING,
    TRANSFORM,
    CHECK,
    FILE,
    COST,
    SNAPSHOT,
    METRIC,
    FINDING_STATE,
    REPORT,
    CASE,
    CONTENT,
    VECTOR,
    DIGEST,
)
UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)
"""What decoding bytes of any kind can raise; RecursionError where they nest too deep."""
OF_OURS: Final = (TRACE_DOCUMENT, TRACE_FLAG, FINDING, FINDING_STATE, REPORT, CASE, COST)
"""Kinds that whence itself says, or people say in it: nothing that the pipeline did, so no volume of it either."""

SPANS_OF_THE_TRACE: Final = (TRACE_START, TRACE_END, TRACE_DOCUMENT, TRACE_FLAG)


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One record: an envelope of thirteen fields, the last of which is its payload.

    On the wire it is a JSON array in this order (docs/formats/spool.md). Empty strings mean "none".
    """

    record_id: str  # UUIDv7, 32 hex digits
    kind: str  # one of KINDS; unknown kinds are stored and shown
    name: str  # decision type, stage name, event name
    ts_ns: int  # Unix time, UTC
    trace: str  # OpenTelemetry trace id, 32 hex digits
    span: str  # the span this record is (span.*) or lies in (everything else), 16 hex digits
    parent: str  # the parent span of a span; the record that caused any other record
    stage: str  # name of the enclosing stage
    project: str
    component: str  # who acts
    level: int  # whence.model.severity
    flags: int  # whence.redact.value.Flag: what was changed before it was stored
    payload: msgspec.Raw  # a JSON object; its shape is given by the kind (whence.model.payload)
