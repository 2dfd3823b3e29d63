"""OTLP as JSON: requests to export spans and logs, one to a line as the collector's file exporter writes them, or one document.

Read tolerantly: names in camelCase and snake_case, ids in hex (OTLP) or base64 (protobuf's own JSON), numbers as numbers
or texts, enums by number or name, missing fields. Metrics and profiles are passed over; of spans `traceState` and `flags`,
of scopes everything but the name is not read. The counts of what an SDK dropped are added up.

**Memory.** A file of lines needs as much as its longest line (parsed, some ten times its bytes). A single document, of any
size and however it is laid out, and lines of which the first is longer than `WHOLE_LINE`, are read span by span (`pull`),
which takes about a third longer and needs as much as the largest span. Feed blocks, not lines: a document may be one line.
What is not possible without holding everything: a document that names a resource or a scope only after its spans; these
are held back until it is named. Writers in order of the fields (all that are known) do not do that.
"""

import binascii
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Final

import msgspec

from whence.errors import BadInput
from whence.wire.otlp import pull
from whence.wire.otlp.any_value import decode_attributes, decode_value, encode_attributes, encode_value
from whence.wire.otlp.spans import OtelEvent, OtelLink, OtelLog, OtelSpan

WHOLE_LINE: Final = 8 * 1024 * 1024
"""A first line that has not ended after so many bytes is not read whole."""

_BEFORE: Final = b"\xef\xbb\xbf \t\r\n"
_PASSED_OVER: Final = ("resourceMetrics", "resource_metrics", "resourceProfiles", "resource_profiles")
_KNOWN: Final = frozenset((*pull.SPANS, *pull.LOGS, *_PASSED_OVER))
_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES: Final = ("UNSET", "OK", "ERROR")
_DROPPED: Final = frozenset(
    (
        *("droppedAttributesCount", "droppedEventsCount", "droppedLinksCount"),
        *("dropped_attributes_count", "dropped_events_count", "dropped_links_count"),
    )
)
_NO_STATUS: Final[dict[str, Any]] = {}
_SHOWN: Final = 60


def read(
    chunks: Iterable[bytes], name: str = "", on_bad: Callable[[BadInput], None] | None = None
) -> Iterator[OtelSpan | OtelLog]:
    """Read spans and log records from the bytes of a file, as they come.

    Args:
        chunks: the file in pieces of any size.
        name: how to call it in a message.
        on_bad: told of each line that is no request, which is then left out (of a line that is not read whole, from the
            damage on); a document that is damaged ends there, and so do lines that are not read whole where they are
            not UTF-8.

    Raises:
        BadInput: at the line that is no request. What came before has been yielded.
    """
    source = iter(chunks)
    held: list[bytes] = []
    size = 0
    begun = False
    for chunk in source:
        held.append(chunk)
        size += len(chunk)
        text = chunk if begun else chunk.lstrip(_BEFORE)
        begun = begun or bool(text)
        if size > WHOLE_LINE or b"\n" in text:
            break
    head = b"".join(held).removeprefix(b"\xef\xbb\xbf")
    first, ended, _ = head.lstrip().partition(b"\n")
    everything = chain((head,), source)
    if (ended or size <= WHOLE_LINE) and _is_document(first):
        return _lines(everything, name, on_bad)
    return pull.read(everything, name, _Found(), on_bad)


def _is_document(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return bool(line)


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    for chunk in chunks:
        if b"\n" not in chunk:
            held.append(chunk)
            continue
        first, *more = chunk.split(b"\n")
        yield b"".join((*held, first))
        held = [more.pop()]
        yield from more
    yield b"".join(held)


def _lines(
    chunks: Iterable[bytes], name: str, on_bad: Callable[[BadInput], None] | None
) -> Iterator[OtelSpan | OtelLog]:
    for at, line in enumerate(_split(chunks), 1):
        if not line or line.isspace():
            continue
        try:
            yield from decode(msgspec.json.decode(line))
        except (msgspec.DecodeError, RecursionError, UnicodeError, BadInput) as exc:
            reason = str(exc) or "nested too deep"
            wrong = pull.bad(name, at, line[:_SHOWN].decode("utf-8", "replace"), reason)
            if on_bad is None:
                raise wrong from None
            on_bad(wrong)


def decode(request: Any) -> Iterator[OtelSpan | OtelLog]:
    """Yield the spans and log records of a request (or of a list of requests) that is parsed already.

    Raises:
        BadInput: it is none; the message says what is accepted instead, not where.
    """
    if isinstance(request, list):
        for each in request:
            yield from decode(each)
        return
    if not isinstance(request, dict):
        raise BadInput(f"a request is an object, not {_kind(request)}")
    if request and _KNOWN.isdisjoint(request):
        raise BadInput(f"no resourceSpans and no resourceLogs, but {', '.join(sorted(request)[:5])}")
    for key in (*pull.SPANS, *pull.LOGS):
        is_span = key in pull.SPANS
        for group in _objects(request.get(key), key):
            resource = resource_of(group.get("resource"))
            for scopes in pull.SCOPES:
                for scope in _objects(group.get(scopes), scopes):
                    named = scope_of(scope.get("scope", scope.get("instrumentationLibrary")))
                    for items in pull.ITEMS:
                        for item in _objects(scope.get(items), items):
                            yield (span if is_span else log)(item, resource, named)


class _Found:
    """Makes the items that `pull` has found. A resource and a scope are read once for all items that share them."""

    def __init__(self) -> None:
        self._given: tuple[Any, Any] = (None, None)
        self._resource: dict[str, Any] = {}
        self._scope = ""

    def __call__(self, is_span: bool, item: Any, resource: Any, scope: Any) -> OtelSpan | OtelLog:
        if not isinstance(item, dict):
            raise BadInput(f"an item is an object, not {_kind(item)}")
        if self._given[0] is not resource or self._given[1] is not scope:
            self._given = (resource, scope)
            self._resource, self._scope = resource_of(resource), scope_of(scope)
        return (span if is_span else log)(item, self._resource, self._scope)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "an array", str: "a text", type(None): "null"}.get(type(value), "a number or bool")


def _objects(value: Any, key: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise BadInput(f"{key} is an array of objects, not {_kind(value)}")
    return value


def resource_of(given: Any) -> dict[str, Any]:
    """Return the attributes of a resource."""
    return decode_attributes(given.get("attributes")) if isinstance(given, dict) else {}


def scope_of(given: Any) -> str:
    """Return the name of a scope."""
    name = given.get("name") if isinstance(given, dict) else None
    return name if isinstance(name, str) else ""


def span(item: dict[str, Any], resource: dict[str, Any], scope: str) -> OtelSpan:
    """Make a span. Raises BadInput where an id or a time cannot be read, or an id is missing."""
    get = item.get
    status = get("status")
    if not isinstance(status, dict):
        status = _NO_STATUS
    end = _time(get("endTimeUnixNano", get("end_time_unix_nano")), "endTimeUnixNano")
    dropped = 0 if _DROPPED.isdisjoint(item) else sum(_number(get(key)) for key in _DROPPED)
    return OtelSpan(
        trace=_required(get("traceId", get("trace_id")), 16, "traceId"),
        span=_required(get("spanId", get("span_id")), 8, "spanId"),
        parent=_id(get("parentSpanId", get("parent_span_id")), 8, "parentSpanId"),
        name=_text(get("name")),
        kind=_enum(get("kind"), "SPAN_KIND_", _KINDS),
        start_ns=_time(get("startTimeUnixNano", get("start_time_unix_nano")), "startTimeUnixNano"),
        end_ns=end or None,
        attributes=decode_attributes(get("attributes")),
        events=[_event(each) for each in _objects(get("events"), "events")] if get("events") else [],
        links=[_link(each) for each in _objects(get("links"), "links")] if get("links") else [],
        status=_enum(status.get("code"), "STATUS_CODE_", _STATUSES),
        status_message=_text(status.get("message")),
        resource=resource,
        scope=scope,
        dropped=dropped,
    )


def _event(item: dict[str, Any]) -> OtelEvent:
    time = item.get("timeUnixNano", item.get("time_unix_nano"))
    return OtelEvent(
        name=_text(item.get("name")),
        ts_ns=_time(time, "timeUnixNano"),
        attributes=decode_attributes(item.get("attributes")),
    )


def _link(item: dict[str, Any]) -> OtelLink:
    return OtelLink(
        trace=_id(item.get("traceId", item.get("trace_id")), 16, "traceId"),
        span=_id(item.get("spanId", item.get("span_id")), 8, "spanId"),
        attributes=decode_attributes(item.get("attributes")),
    )


def log(item: dict[str, Any], resource: dict[str, Any], scope: str) -> OtelLog:
    """Make a log record. Raises BadInput where an id or a time cannot be read."""
    get = item.get
    time = _time(get("timeUnixNano", get("time_unix_nano")), "timeUnixNano")
    return OtelLog(
        trace=_id(get("traceId", get("trace_id")), 16, "traceId"),
        span=_id(get("spanId", get("span_id")), 8, "spanId"),
        ts_ns=time or _time(get("observedTimeUnixNano", get("observed_time_unix_nano")), "observedTimeUnixNano"),
        severity=_number(get("severityNumber", get("severity_number"))),
        severity_text=_text(get("severityText", get("severity_text"))),
        body=decode_value(get("body")),
        event_name=_text(get("eventName", get("event_name"))),
        attributes=decode_attributes(get("attributes")),
        resource=resource,
        scope=scope,
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _required(value: Any, size: int, what: str) -> str:
    made = _id(value, size, what)
    if not made:
        raise BadInput(f"a span without {what}")
    return made


def _id(value: Any, size: int, what: str) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        try:
            if len(value) == 2 * size:
                raw = binascii.a2b_hex(value)
            else:
                raw = binascii.a2b_base64(value + "=" * (-len(value) % 4), strict_mode=True)
        except ValueError:
            raw = b""
        if len(raw) == size:
            return raw.hex() if any(raw) else ""
    shown = value[:_SHOWN] if isinstance(value, str) else value if isinstance(value, int) else _kind(value)
    raise BadInput(f"{what} is {2 * size} hex digits or the base64 of {size} bytes, not {shown!r}")


def _time(value: Any, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e20:
        return int(value)
    if value is None or value == "":
        return 0
    shown = value[:_SHOWN] if isinstance(value, str) else value if isinstance(value, int | float) else _kind(value)
    raise BadInput(f"{what} is nanoseconds since 1970, not {shown!r}")


def _number(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


def _enum(value: Any, prefix: str, names: tuple[str, ...]) -> int:
    if isinstance(value, str) and (name := value.removeprefix(prefix)) in names:
        return names.index(name)
    return _number(value)


def encode(items: Iterable[OtelSpan | OtelLog]) -> bytes:
    """Return one request as OTLP JSON: hex ids, nanoseconds as texts, enums as numbers. One line, without its end."""
    return msgspec.json.encode(request(items))


def request(items: Iterable[OtelSpan | OtelLog]) -> dict[str, Any]:
    """Return one request as plain objects. Neighbours with one resource and one scope share a group, in their order."""
    made: dict[str, list[dict[str, Any]]] = {}
    last: dict[str, OtelSpan | OtelLog] = {}
    for item in items:
        is_span = isinstance(item, OtelSpan)
        key, scopes, inner = (
            ("resourceSpans", "scopeSpans", "spans") if is_span else ("resourceLogs", "scopeLogs", "logRecords")
        )
        groups = made.setdefault(key, [])
        before = last.get(key)
        if before is None or before.resource != item.resource:
            groups.append({"resource": {"attributes": encode_attributes(item.resource)}, scopes: []})
            before = None
        if before is None or before.scope != item.scope:
            groups[-1][scopes].append({"scope": {"name": item.scope}, inner: []})
        groups[-1][scopes][-1][inner].append(_span_out(item) if isinstance(item, OtelSpan) else _log_out(item))
        last[key] = item
    return made or {"resourceSpans": []}


def _span_out(span: OtelSpan) -> dict[str, Any]:
    made: dict[str, Any] = {"traceId": span.trace, "spanId": span.span}
    if span.parent:
        made["parentSpanId"] = span.parent
    made["name"] = span.name
    made["kind"] = span.kind
    made["startTimeUnixNano"] = str(span.start_ns)
    if span.end_ns is not None:
        made["endTimeUnixNano"] = str(span.end_ns)
    made["attributes"] = encode_attributes(span.attributes)
    if span.dropped:
        made["droppedAttributesCount"] = span.dropped
    if span.events:
        made["events"] = [
            {"timeUnixNano": str(e.ts_ns), "name": e.name, "attributes": encode_attributes(e.attributes)}
            for e in span.events
        ]
    if span.links:
        made["links"] = [
            {"traceId": e.trace, "spanId": e.span, "attributes": encode_attributes(e.attributes)} for e in span.links
        ]
    if span.status or span.status_message:
        made["status"] = {"code": span.status}
        if span.status_message:
            made["status"]["message"] = span.status_message
    return made


def _log_out(log: OtelLog) -> dict[str, Any]:
    made: dict[str, Any] = {"timeUnixNano": str(log.ts_ns)}
    if log.severity:
        made["severityNumber"] = log.severity
    if log.severity_text:
        made["severityText"] = log.severity_text
    if log.body is not None:
        made["body"] = encode_value(log.body)
    made["attributes"] = encode_attributes(log.attributes)
    if log.trace:
        made["traceId"] = log.trace
    if log.span:
        made["spanId"] = log.span
    if log.event_name:
        made["eventName"] = log.event_name
    return made
