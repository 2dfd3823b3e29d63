"""Out to OpenTelemetry: traces of the store as spans and log records for any exporter of the SDK, OTLP over HTTP at hand.

    from whence.instrument import exporting
    exporting.send("last", "http://localhost:4318")               # Jaeger, a collector, any backend
    exporting.export("last", spans=InMemorySpanExporter())        # any SpanExporter

Trace and span ids are those of whence, so what was exported twice is one trace there. Needs the extra `whence[otel]`.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from whence.errors import BadInput, StoreUnreachable
from whence.query import exporting, find
from whence.wire.otlp.outgoing import Outgoing
from whence.wire.otlp.spans import OtelLog, OtelSpan

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from whence.store.interface import Store

SPANS_AT_ONCE = 512
TIMEOUT_S = 5.0
"""For one portion, with what the exporter tries again."""
REMEDY = "pip install 'whence[otel]'"


def export(
    trace: str | Sequence[str], *, spans: Any = None, logs: Any = None, store: "Store | None" = None
) -> tuple[int, int]:
    """Hand traces to exporters of the OpenTelemetry SDK; returns how many (spans, log records) they took.

    Args:
        trace: a trace's name, a part of it, `last`; or several.
        spans: a SpanExporter.
        logs: a LogRecordExporter.

    Raises:
        NotFound: no such trace.
        StoreUnreachable: an exporter did not take what it was given.
    """
    from whence.store.current import current

    store = store or current()
    ids = [find(each, store=store).id for each in ([trace] if isinstance(trace, str) else trace)]
    return hand_over(exporting.opentelemetry(store, ids), spans, logs)


def send(
    trace: str | Sequence[str], endpoint: str, *, headers: dict[str, str] | None = None, store: "Store | None" = None
) -> tuple[int, int]:
    """Send traces by OTLP over HTTP (protobuf) to `<endpoint>/v1/traces` and `/v1/logs`; as `export`."""
    spans, logs = http_exporters(endpoint, headers)
    try:
        return export(trace, spans=spans, logs=logs, store=store)
    finally:
        spans.shutdown()
        logs.shutdown()


def http_exporters(endpoint: str, headers: dict[str, str] | None = None) -> tuple[Any, Any]:
    """Return exporters of spans and of log records to an OTLP/HTTP endpoint.

    Raises:
        BadInput: no http address, or the extra is not installed.
    """
    if not endpoint.startswith(("http://", "https://")):
        raise BadInput(f"{endpoint!r} is no address to export to; give one like http://localhost:4318")
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise BadInput(f"OTLP needs OpenTelemetry's exporter; {REMEDY}") from None
    base = endpoint.rstrip("/").removesuffix("/v1/traces")
    return (
        OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=headers, timeout=TIMEOUT_S),
        OTLPLogExporter(endpoint=f"{base}/v1/logs", headers=headers, timeout=TIMEOUT_S),
    )


def hand_over(traces: Iterable[Outgoing], spans: Any, logs: Any) -> tuple[int, int]:
    """Hand spans and log records to exporters, in portions; returns how many of each."""
    done_spans = done_logs = 0
    for trace in traces:
        if spans is not None:
            for start in range(0, len(trace.spans), SPANS_AT_ONCE):
                _deliver(spans, [readable_span(each) for each in trace.spans[start : start + SPANS_AT_ONCE]])
            done_spans += len(trace.spans)
        if logs is not None:
            for start in range(0, len(trace.logs), SPANS_AT_ONCE):
                _deliver(logs, [readable_log(each) for each in trace.logs[start : start + SPANS_AT_ONCE]])
            done_logs += len(trace.logs)
    return done_spans, done_logs


def _deliver(exporter: Any, batch: list[Any]) -> None:
    answer = exporter.export(batch)
    if getattr(answer, "name", "") != "SUCCESS":
        where = getattr(exporter, "_endpoint", type(exporter).__name__)
        raise StoreUnreachable(f"{where} did not take the export; is a backend listening there? then run it again")


def readable_span(span: OtelSpan) -> "ReadableSpan":
    """Return a span as exporters of the SDK take it."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(span_id: str) -> SpanContext:
        return SpanContext(int(span.trace, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(1))

    code = (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)[span.status]
    return ReadableSpan(
        name=span.name,
        context=context(span.span),
        parent=context(span.parent) if span.parent else None,
        resource=Resource(span.resource),
        attributes=span.attributes,
        events=[Event(each.name, attributes=each.attributes, timestamp=each.ts_ns) for each in span.events],
        kind=SpanKind(max(0, span.kind - 1)),
        status=Status(code, span.status_message if code is StatusCode.ERROR else None),
        start_time=span.start_ns,
        end_time=span.end_ns,
        instrumentation_scope=InstrumentationScope(span.scope),
    )


def readable_log(log: OtelLog) -> "ReadableLogRecord":
    """Return a log record as exporters of the SDK take it."""
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    context = SpanContext(int(log.trace, 16), int(log.span, 16), is_remote=False, trace_flags=TraceFlags(1))
    return ReadableLogRecord(
        LogRecord(
            timestamp=log.ts_ns,
            observed_timestamp=log.ts_ns,
            context=set_span_in_context(NonRecordingSpan(context)),
            severity_number=SeverityNumber(log.severity),
            body=log.body,
            attributes=log.attributes,
            event_name=log.event_name,
        ),
        resource=Resource(log.resource),
        instrumentation_scope=InstrumentationScope(log.scope),
    )
