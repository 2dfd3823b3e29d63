"""Whatever OpenTelemetry records in this process is in whence as well: runs, spans, calls of models, decisions, scores."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Status, StatusCode, Tracer

import whence
from tests.conftest import Run
from whence import query
from whence.errors import BadInput
from whence.instrument import opentelemetry as adapter
from whence.model.record import DECISION, EVENT, SPAN_START
from whence.model.trace import TraceView
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.testing import capture


@pytest.fixture
def provider() -> Iterator[TracerProvider]:
    """A provider of the SDK that whence listens to."""
    made = TracerProvider(resource=Resource({"service.name": "shop"}))
    adapter.install(made)
    yield made
    adapter.remove(made)


@pytest.fixture
def tracer(provider: TracerProvider) -> Tracer:
    """A tracer of it."""
    return provider.get_tracer("app")


CHAT: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Weather?"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"I look outside."},'
    '{"type":"tool_call","id":"c1","name":"weather","arguments":{"city":"Bern"}}],"finish_reason":"tool_calls"}]',
    "gen_ai.tool.definitions": '[{"type":"function","name":"weather"},{"type":"function","name":"search"}]',
    "my.own": "kept",
}


def the_run() -> TraceView:
    """The newest run, as it is stored."""
    return query.view("last")


def waited_for(runtime: Runtime) -> Runtime:
    """The runtime, once what follows from the last run has been done (it is done by a thread)."""
    for thread in threading.enumerate():
        if thread.name == "whence-announce":
            thread.join(10)
    return runtime


def test_a_trace_of_opentelemetry_is_a_run_with_its_spans(runtime: Runtime, tracer: Tracer) -> None:
    with tracer.start_as_current_span("POST /plans") as root:
        with tracer.start_as_current_span("lookup", attributes={"rows": 3}):
            pass
        with tracer.start_as_current_span("chat gpt-4o", attributes=CHAT):
            pass
    waited_for(runtime)

    row = query.find("last")
    assert (row.status, row.project, row.id) == ("complete", "shop", f"{root.get_span_context().trace_id:032x}")
    view = the_run()
    spans = {each.name: each for each in view.spans}
    assert set(spans) == {"POST /plans", "lookup"}
    assert spans["lookup"].parent == spans["POST /plans"].span
    assert spans["lookup"].attributes == {"rows": 3}
    assert all(each.duration_ns is not None and each.ended_ns is not None for each in view.spans)
    (call,) = view.llm_calls
    assert call.attributes["model"] == "gpt-4o-2024-08-06"
    assert (call.attributes["input_tokens"], call.attributes["output_tokens"]) == (120, 30)
    assert call.attributes["messages"] == [{"role": "user", "content": "Weather?"}]
    assert call.attributes["otel"] == {"my.own": "kept"}
    assert row.llm_calls == 1


def test_a_tool_chosen_among_those_offered_is_a_decision(runtime: Runtime, tracer: Tracer) -> None:
    with tracer.start_as_current_span("agent"), tracer.start_as_current_span("chat", attributes=CHAT):
        pass
    waited_for(runtime)

    (made,) = query.decisions().items
    decision = next(each for stage in the_run().stages.values() for each in stage.decisions)
    assert made.name == "tool"
    assert (decision.what, decision.alternatives_considered) == ("weather", ["search"])
    assert decision.why == "I look outside."
    assert decision.inputs == {"arguments": [{"city": "Bern"}]}
    assert made.parent == the_run().llm_calls[0].record_id


def test_a_score_is_a_check(runtime: Runtime, provider: TracerProvider) -> None:
    logs = LoggerProvider()
    tracer = provider.get_tracer("app")
    adapter.remove(provider)
    adapter.install(provider, logger_provider=logs)
    with tracer.start_as_current_span("answer") as span:
        context = span.get_span_context()
        logs.get_logger("evals").emit(
            LogRecord(
                event_name="gen_ai.evaluation.result",
                trace_id=context.trace_id,
                span_id=context.span_id,
                attributes={
                    "gen_ai.evaluation.name": "helpfulness",
                    "gen_ai.evaluation.score.value": 0.25,
                    "gen_ai.evaluation.score.label": "bad",
                    "gen_ai.evaluation.explanation": "it does not answer",
                },
            )
        )
        logs.get_logger("app").emit(
            LogRecord(
                trace_id=context.trace_id,
                span_id=context.span_id,
                severity_number=SeverityNumber.ERROR,
                body="out of paper",
            )
        )
    waited_for(runtime)

    view = the_run()
    (check,) = view.checks
    assert (check.name, check.said.score, check.said.label) == ("helpfulness", 0.25, "bad")
    assert check.said.explanation == "it does not answer"
    assert check.span == f"{context.span_id:016x}"
    (line,) = query.records(query_filter(EVENT)).items
    assert (line.level, b"out of paper" in bytes(line.payload)) == (3, True)


def query_filter(kind: str) -> Any:
    """Records of one kind."""
    from whence.model.filters import RecordFilter

    return RecordFilter(kinds=(kind,))


def test_an_error_ends_the_run_as_failed_with_its_stack(runtime: Runtime, tracer: Tracer) -> None:
    with pytest.raises(ValueError), tracer.start_as_current_span("job"), tracer.start_as_current_span("step"):
        raise ValueError("no room")
    waited_for(runtime)

    assert query.find("last").status == "failed"
    step = next(each for each in the_run().spans if each.name == "step")
    assert step.error["type"] == "ValueError"
    assert step.error["message"] == "no room"
    assert "test_opentelemetry.py" in step.error["stack"]


def test_spans_inside_a_run_of_whence_belong_to_it(runtime: Runtime, tracer: Tracer) -> None:
    with whence.trace(project="own", query="q") as trace, trace.stage("outer") as stage:
        span = tracer.start_span("inner")
        whence.decision("d", what="x", why="y")
        span.end()

    row = query.find("last")
    assert (row.trace_id, row.project_name, row.decisions) == (trace.trace_id, "own", 1)
    (span,) = the_run().spans
    assert (span.name, span.parent) == ("inner", stage.span)
    assert len(query.traces().items) == 1


def test_a_run_of_whence_inside_a_request_speaks_for_it(runtime: Runtime, tracer: Tracer) -> None:
    def handler() -> None:
        with whence.trace(project="own", query="Why?", intent="asking"):
            raise ValueError("caught by the framework")

    with tracer.start_as_current_span("POST /ask"), pytest.raises(ValueError):
        handler()
    waited_for(runtime)
    runtime.drain()

    (row,) = query.traces().items
    assert (row.project_name, row.query, row.intent) == ("own", "Why?", "asking")
    assert row.status == "failed"  # though the request around it ended well


def test_a_span_that_never_ends_is_seen(runtime: Runtime, tracer: Tracer) -> None:
    span = tracer.start_span("hangs")
    runtime.drain()

    assert query.find("last").status == "in_progress"
    (seen,) = the_run().spans
    assert (seen.name, seen.ended_ns) == ("hangs", None)
    span.end()


def test_a_trace_that_another_process_began_goes_on_here(runtime: Runtime, tracer: Tracer) -> None:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    header = f"00-{'ab' * 16}-{'cd' * 8}-01"
    context = TraceContextTextMapPropagator().extract({"traceparent": header})
    with tracer.start_as_current_span("served here", context=context):
        pass
    waited_for(runtime)

    row = query.find("last")
    assert (row.id, row.status) == ("ab" * 16, "complete")


def test_what_is_not_sampled_is_not_recorded(runtime: Runtime) -> None:
    provider = TracerProvider(sampler=ALWAYS_OFF)
    adapter.install(provider)
    with provider.get_tracer("app").start_as_current_span("unseen"):
        pass
    adapter.remove(provider)

    runtime.drain()
    assert not query.traces().items


def test_secrets_in_attributes_are_masked(runtime: Runtime, tracer: Tracer) -> None:
    with tracer.start_as_current_span("login", attributes={"password": "hunter2hunter2", "url": "postgres://a:b@db/x"}):
        pass
    waited_for(runtime)

    stored = b"".join(bytes(each.payload) for each in query.records(query_filter("span.end")).items)
    assert b"hunter2" not in stored
    assert b"a:b@" not in stored


def test_hostile_attributes_cost_no_more_than_themselves(runtime: Runtime, tracer: Tracer) -> None:
    hostile: dict[str, Any] = {f"k{n}": n for n in range(100)}
    hostile |= {"": "empty", "x" * 50_000: 1, "big": "y" * 2_000_000, "gen_ai.input.messages": '[{"role":' * 10_000}
    with tracer.start_as_current_span("chat", attributes={**CHAT, **hostile}):
        pass
    with tracer.start_as_current_span("n" * 100_000, attributes={"llm.input_messages.999999999.message.role": "user"}):
        pass
    waited_for(runtime)
    runtime.drain()

    assert len(query.traces().items) == 2
    stats = whence.stats()
    assert stats["emitted"] == stats["written"]


def test_a_project_that_is_switched_off_records_nothing(runtime: Runtime, provider: TracerProvider) -> None:
    from whence.runtime import runtime as runtime_module
    from whence.runtime.settings import ProjectConfig, Settings

    data = runtime.settings.data
    off = runtime_module.configure(Settings(data=data, documents=data, projects={"shop": ProjectConfig(enabled=False)}))
    with provider.get_tracer("app").start_as_current_span("unseen"):
        pass

    off.drain()
    assert not query.traces().items


def test_install_twice_is_once_and_remove_is_for_good(provider: TracerProvider) -> None:
    with capture() as captured:
        assert adapter.install(provider) is adapter.install(provider)
        tracer = provider.get_tracer("app")
        with tracer.start_as_current_span("once"):
            pass
        adapter.remove(provider)
        with tracer.start_as_current_span("never"):
            pass

    assert captured.names(SPAN_START) == ["once"]
    assert captured.names(DECISION) == []


def test_without_a_provider_of_the_sdk_it_says_how_to_make_one() -> None:
    with pytest.raises(BadInput, match="set_tracer_provider"):
        adapter.install(object())


def test_a_status_without_an_exception_is_an_error_as_well(runtime: Runtime, tracer: Tracer) -> None:
    with tracer.start_as_current_span("job") as span:
        span.set_status(Status(StatusCode.ERROR, "quota"))
    waited_for(runtime)

    row = query.find("last")
    assert row.status == "failed"
    assert "quota" in str(the_run().error)


def test_a_recorder_that_fails_does_not_reach_the_host(
    runtime: Runtime, tracer: Tracer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(runtime.recorder, "emit", broken)
    with tracer.start_as_current_span("goes on"):
        logging.getLogger("app").info("as ever")

    assert runtime.recorder.errors.count > 0


def test_a_run_inside_a_run_has_its_own_spans(runtime: Runtime, tracer: Tracer) -> None:
    with whence.trace(project="own") as outer:
        with tracer.start_as_current_span("of the outer"), whence.trace(project="own"):
            tracer.start_span("in a span of the host").end()
        with whence.trace(project="own") as inner, tracer.start_as_current_span("of the inner"):
            pass
        with tracer.start_as_current_span("of the outer again"):
            pass

    names = {row.trace_id: [each.name for each in query.view(row.id).spans] for row in query.traces().items}
    assert names[inner.trace_id] == ["of the inner"]
    assert names[outer.trace_id] == ["of the outer", "in a span of the host", "of the outer again"]


def test_an_embedding_is_a_call_of_a_model_whoever_tells_of_it(runtime: Runtime, tracer: Tracer) -> None:
    said = {
        "openinference.span.kind": "EMBEDDING",
        "embedding.model_name": "text-embedding-3-small",
        "llm.token_count.prompt": 8,
    }
    with tracer.start_as_current_span("CreateEmbeddings", attributes=said):
        pass
    waited_for(runtime)

    (call,) = the_run().llm_calls
    assert (call.attributes["model"], call.attributes["input_tokens"]) == ("text-embedding-3-small", 8)


def test_a_forked_child_goes_on_by_itself(run: Run, data: Path) -> None:
    run(
        """
        import os, threading, warnings
        from opentelemetry.sdk.trace import TracerProvider
        from whence.instrument import opentelemetry as adapter
        warnings.simplefilter("ignore")
        provider = TracerProvider()
        processor = adapter.install(provider)
        tracer = provider.get_tracer("app")
        tracer.start_span("parent").end()
        processor._announcing._lock.acquire()  # as another thread may have it when the process forks
        child = os.fork()
        if child == 0:
            tracer.start_span("child").end()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        processor._announcing._lock.release()
        assert status == 0
        """
    )
    built = Runtime(Settings(data=data, documents=data))
    names = {
        each.name
        for row in query.traces(store=built.ready_store()).items
        for each in query.view(row.id, store=built.store()).spans
    }
    assert names == {"parent", "child"}
    built.close()
