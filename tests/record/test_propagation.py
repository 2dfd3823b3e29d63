"""Traces go on across programs, and beside OpenTelemetry in the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider

import whence
from tests.conftest import Run
from whence.record.propagation import parse_traceparent
from whence.runtime.runtime import Runtime

otel.set_tracer_provider(TracerProvider())  # as a host does, once

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_w3c_header_is_continued_and_handed_on(runtime: Runtime) -> None:
    with whence.trace("a", traceparent=HEADER) as trace:
        handed_on = whence.traceparent()

    assert trace.otel_trace_id == "0af7651916cd43dd8448eb211c80319c"
    assert handed_on == f"00-{trace.otel_trace_id}-{trace.span}-01"


def test_inside_a_stage_the_stage_is_the_parent(runtime: Runtime) -> None:
    with whence.trace("a") as trace, trace.stage("s") as stage:
        assert whence.traceparent() == f"00-{trace.otel_trace_id}-{stage.span}-01"
    assert whence.traceparent() is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        HEADER + "-more",
        None,
        7,
    ],
)
def test_an_invalid_header_begins_a_trace_of_its_own(header: object) -> None:
    assert parse_traceparent(header) is None


@given(st.text())
def test_no_header_raises(header: str) -> None:
    parse_traceparent(header)


def test_an_active_opentelemetry_span_is_the_parent(runtime: Runtime) -> None:
    tracer = otel.get_tracer("test")
    with tracer.start_as_current_span("host") as span, whence.trace("a") as trace:
        pass

    assert trace.otel_trace_id == f"{span.get_span_context().trace_id:032x}"


def test_opentelemetry_spans_inside_a_stage_are_its_children(runtime: Runtime) -> None:
    tracer = otel.get_tracer("test")
    with whence.trace("a") as trace, trace.stage("s") as stage, tracer.start_as_current_span("host") as span:
        pass

    assert f"{span.get_span_context().trace_id:032x}" == trace.otel_trace_id
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == stage.span
    assert not otel.get_current_span().get_span_context().is_valid


def test_opentelemetrys_context_is_given_back_whatever_the_order(runtime: Runtime) -> None:
    first = whence.trace("a")
    second = whence.trace("b")
    first.end()
    second.end()

    assert not otel.get_current_span().get_span_context().is_valid


def test_two_runs_inside_one_foreign_span_stay_two_and_do_not_split_its_trace(runtime: Runtime) -> None:
    tracer = otel.get_tracer("test")
    with tracer.start_as_current_span("request") as request:
        with whence.trace("a") as first:
            pass
        with whence.trace("a") as second, second.stage("s"), tracer.start_as_current_span("inside") as inside:
            pass

    assert first.otel_trace_id != second.otel_trace_id
    assert inside.get_span_context().trace_id == request.get_span_context().trace_id
    assert runtime.view(first.otel_trace_id).records == runtime.view(second.otel_trace_id).records - 2


def test_sampling_stays_the_hosts_decision(runtime: Runtime, run: Run) -> None:
    """A host that samples nothing samples nothing inside our traces either."""
    done = run(
        """
        from opentelemetry import trace as otel
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        import whence
        otel.set_tracer_provider(TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.0))))
        tracer = otel.get_tracer("host")
        with whence.trace("p") as trace, trace.stage("s"), tracer.start_as_current_span("inside") as span:
            print(span.is_recording())
        with tracer.start_as_current_span("root"), whence.trace("p"), tracer.start_as_current_span("inside") as span:
            print(span.is_recording())
        """
    )

    assert done.stdout.split() == ["False", "False"]
