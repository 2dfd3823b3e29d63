"""Spans and log records of the real SDK."""

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from whence.wire.otlp.dialects import read
from whence.wire.otlp.from_sdk import from_log, from_span, plain
from whence.wire.otlp.otlp_json import decode, request
from whence.wire.otlp.spans import CLIENT, ERROR, INTERNAL, OtelLog


@pytest.fixture
def spans() -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(
        resource=Resource({"service.name": "shop", "tags": ["a"]}), span_limits=SpanLimits(max_span_attributes=3)
    )
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("lib", "1.0")
    with tracer.start_as_current_span("outer") as outer:
        attributes = {"a": 1, "b": True, "c": ("x", "y"), "d": 0.5}
        links = [Link(outer.get_span_context(), {"why": "because"})]
        inside = tracer.start_as_current_span("inner", kind=SpanKind.CLIENT, attributes=attributes, links=links)
        with pytest.raises(ValueError, match="no"), inside as inner:
            inner.add_event("noted", {"n": 1}, timestamp=5)
            raise ValueError("no")
        outer.set_status(Status(StatusCode.OK))
    return list(exporter.get_finished_spans())


def test_a_span_of_the_sdk(spans: list[ReadableSpan]) -> None:
    inner, outer = (from_span(each) for each in spans)

    assert (inner.trace, inner.parent) == (outer.trace, outer.span)
    assert (len(inner.trace), len(inner.span), outer.parent) == (32, 16, "")
    assert (inner.name, inner.kind, outer.kind) == ("inner", CLIENT, INTERNAL)
    assert inner.attributes == {"b": True, "c": ["x", "y"], "d": 0.5}
    assert inner.dropped == 1
    assert inner.events[0].name == "noted"
    assert (inner.events[0].ts_ns, inner.events[0].attributes) == (5, {"n": 1})
    assert (inner.links[0].span, inner.links[0].attributes) == (outer.span, {"why": "because"})
    assert (inner.status, inner.status_message) == (ERROR, "ValueError: no")
    assert inner.end_ns is not None
    assert 0 < inner.start_ns <= inner.end_ns
    assert (inner.scope, inner.resource["service.name"], inner.resource["tags"]) == ("lib", "shop", ["a"])


def test_its_exception_says_where(spans: list[ReadableSpan]) -> None:
    reading = read(from_span(spans[0]))

    assert reading.error is not None
    assert (reading.error["type"], reading.error["message"]) == ("ValueError", "no")
    assert reading.error["where"].endswith(" in spans")
    assert reading.error["where"].rpartition(":")[0].endswith("test_from_sdk.py")


def test_it_goes_out_and_comes_in_again(spans: list[ReadableSpan]) -> None:
    made = [from_span(each) for each in spans]

    assert list(decode(request(made))) == made


def test_a_span_that_has_not_ended() -> None:
    with TracerProvider().get_tracer("lib").start_as_current_span("open") as span:
        made = from_span(span)

    assert (made.name, made.end_ns) == ("open", None)


def test_a_log_record_of_the_sdk() -> None:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    provider.get_logger("lib").emit(
        LogRecord(
            timestamp=7,
            severity_number=SeverityNumber.WARN,
            severity_text="WARN",
            body={"content": ["hi"]},
            event_name="gen_ai.user.message",
            attributes={"nested": {"a": (1, 2)}},
        )
    )

    made = from_log(exporter.get_finished_logs()[0])

    assert made.resource.pop("service.name") == "shop"
    assert made == OtelLog(
        ts_ns=7,
        severity=13,
        severity_text="WARN",
        body={"content": ["hi"]},
        event_name="gen_ai.user.message",
        attributes={"nested": {"a": [1, 2]}},
        resource=made.resource,
        scope="lib",
    )


def test_values_of_any_kind_become_plain() -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError

    deep: list[object] = []
    for _ in range(10_000):
        deep = [deep]

    assert plain({"raw": b"\x00\xff", "one": {1}, 2: None}) == {"raw": "AP8=", "one": [1], "2": None}
    assert plain(Silent()) == "<Silent>"
    assert plain(deep) != []
