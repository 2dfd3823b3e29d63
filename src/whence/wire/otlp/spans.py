"""What OpenTelemetry says, freed from how it came: one struct for a span, one for a log record.

OTLP JSON (`otlp_json`), protobuf and the SDK's own objects (`from_sdk`) all become these; `dialects` reads them.
Ids are lower-case hex, times Unix nanoseconds, attribute values plain Python (str, bool, int, float, list, dict, None).
`start_ns` and `ts_ns` are 0 where they are not known.
"""

from typing import Any, Final

import msgspec

UNSET: Final = 0
OK: Final = 1
ERROR: Final = 2
"""Status codes of a span."""

INTERNAL: Final = 1
SERVER: Final = 2
CLIENT: Final = 3
PRODUCER: Final = 4
CONSUMER: Final = 5
"""Kinds of a span, as OTLP numbers them; 0 is unspecified."""


class OtelEvent(msgspec.Struct, kw_only=True):
    """Something that happened during a span."""

    name: str
    ts_ns: int = 0
    attributes: dict[str, Any] = {}


class OtelLink(msgspec.Struct, kw_only=True):
    """A span of this or another trace that this one has to do with."""

    trace: str
    span: str
    attributes: dict[str, Any] = {}


class OtelSpan(msgspec.Struct, kw_only=True):
    """A span. `end_ns` is None while it runs; `parent` is "" for a root."""

    trace: str  # 32 hex digits
    span: str  # 16 hex digits
    parent: str = ""  # 16 hex digits or ""
    name: str = ""
    kind: int = 0
    start_ns: int = 0
    end_ns: int | None = None
    attributes: dict[str, Any] = {}
    events: list[OtelEvent] = []
    links: list[OtelLink] = []
    status: int = UNSET
    status_message: str = ""
    resource: dict[str, Any] = {}
    scope: str = ""  # the instrumentation library's name
    dropped: int = 0  # attributes, events and links that the SDK's limits left out


class OtelLog(msgspec.Struct, kw_only=True):
    """A log record. `trace` and `span` are "" where it belongs to none."""

    trace: str = ""
    span: str = ""
    ts_ns: int = 0
    severity: int = 0  # OpenTelemetry's 1..24; 0 is unspecified
    severity_text: str = ""
    body: Any = None
    event_name: str = ""
    attributes: dict[str, Any] = {}
    resource: dict[str, Any] = {}
    scope: str = ""
