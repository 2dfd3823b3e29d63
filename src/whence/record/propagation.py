"""Trace context across programs: W3C `traceparent` in and out."""

import re

from whence.record.context import current_scope
from whence.record.otel import Remote

# https://www.w3.org/TR/trace-context/#traceparent-header-field-values
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)


def parse_traceparent(header: object) -> Remote | None:
    """Return the span a W3C `traceparent` header names, or None if it is not valid (the standard: then ignore it)."""
    if not isinstance(header, str) or len(header) > 512:
        return None
    found = _TRACEPARENT.fullmatch(header.strip().lower())
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    if found[2] == "0" * 32 or found[3] == "0" * 16:
        return None
    return Remote(found[2], found[3])


def traceparent() -> str | None:
    """Return the W3C `traceparent` header of the current scope, or None outside any trace."""
    scope = current_scope()
    if scope is None or not scope.trace:
        return None
    span = scope.stage.span if scope.stage is not None else scope.trace.span
    return f"00-{scope.trace.otel_trace_id}-{span}-01"
