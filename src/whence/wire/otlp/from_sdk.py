"""The objects of the OpenTelemetry SDK, as our structs: by what they look like, without importing it.

Cheap enough for the host's process: ids are formatted, attributes copied, nothing is serialised.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from whence.wire.otlp.spans import OtelEvent, OtelLink, OtelLog, OtelSpan

DEEPEST: Final = 32
"""Values nested deeper are kept as what their type is called."""


def from_span(span: Any) -> OtelSpan:
    """Return a span of the SDK (`ReadableSpan`, also one that has not ended).

    Raises:
        AttributeError: it is none.
    """
    context = span.context
    parent = span.parent
    status = span.status
    scope = span.instrumentation_scope
    resource = span.resource
    return OtelSpan(
        trace="%032x" % context.trace_id,
        span="%016x" % context.span_id,
        parent="%016x" % parent.span_id if parent is not None and parent.span_id else "",
        name=str(span.name),
        kind=span.kind.value + 1,  # OTLP counts from unspecified
        start_ns=span.start_time or 0,
        end_ns=span.end_time,
        attributes=_attributes(span.attributes),
        events=[
            OtelEvent(name=str(event.name), ts_ns=event.timestamp or 0, attributes=_attributes(event.attributes))
            for event in span.events
        ],
        links=[
            OtelLink(
                trace="%032x" % link.context.trace_id,
                span="%016x" % link.context.span_id,
                attributes=_attributes(link.attributes),
            )
            for link in span.links
        ],
        status=status.status_code.value,
        status_message=status.description or "",
        resource=_attributes(resource.attributes) if resource is not None else {},
        scope=scope.name if scope is not None else "",
        dropped=sum(getattr(span, f"dropped_{what}", 0) or 0 for what in ("attributes", "events", "links")),
    )


def from_log(log: Any) -> OtelLog:
    """Return a log record of the SDK, with or without the wrapper that has its resource.

    Raises:
        AttributeError: it is none.
    """
    record = getattr(log, "log_record", log)
    severity = record.severity_number
    resource = getattr(log, "resource", None)
    scope = getattr(log, "instrumentation_scope", None)
    return OtelLog(
        trace="%032x" % record.trace_id if record.trace_id else "",
        span="%016x" % record.span_id if record.span_id else "",
        ts_ns=record.timestamp or getattr(record, "observed_timestamp", None) or 0,
        severity=severity.value if severity is not None else 0,
        severity_text=record.severity_text or "",
        body=plain(record.body),
        event_name=getattr(record, "event_name", None) or "",
        attributes=_attributes(record.attributes),
        resource=_attributes(resource.attributes) if resource is not None else {},
        scope=scope.name if scope is not None else "",
    )


def _attributes(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if not given:
        return {}
    return {
        key: value if value.__class__ in _PLAIN else plain(value)  # most are; a call for each would double the time
        for key, value in given.items()
    }


_PLAIN: Final = frozenset((str, int, float, bool, type(None)))


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON knows it: sequences as lists, mappings as objects, bytes as base64, the rest as text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if depth >= DEEPEST:
        return f"<{type(value).__name__}>"
    if isinstance(value, Mapping):
        return {str(key): plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each, depth + 1) for each in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - an object of the host's may do anything when asked
        return f"<{type(value).__name__}>"
