"""Out to OpenTelemetry: what the backend's own parser reads is what was recorded."""

import json

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import whence
from tests.stubs.otlp_receiver import OtlpReceiver
from whence import query
from whence.errors import BadInput, NotFound, StoreUnreachable
from whence.instrument import exporting
from whence.runtime.runtime import Runtime


def a_run() -> str:
    with whence.trace(project="shop", query="Which plan?", team="blue") as trace:
        with trace.stage("component_generation", component="todo") as stage:
            chosen = stage.decision(
                "template", what="store", why="it keeps things", confidence=0.8, alternatives=["sink"]
            )
            call = stage.llm(
                "llm_request", provider="openai", operation="chat", request_model="gpt-4o", prompt="Write it"
            )
            call.end(
                response="class A: ...", model="gpt-4o-2024-08-06", usage={"prompt_tokens": 7, "completion_tokens": 5}
            )
            stage.transform(
                "template_render",
                "class A: ...",
                "class A:\n    pass\n",
                action="render",
                because=chosen,
                using={"template": "store.j2"},
                materials=[{"role": "template", "name": "store.j2", "content": "class {{ name }}"}],
            )
            stage.check("imports", False, type="import", failures=[{"message": "no module x", "line": 3}])
            stage.check("helpfulness", None, type="score", score=0.7, label="good", explanation="it answers")
            stage.event("note", "careful", level="medium", where="here")
        with pytest.raises(ValueError), trace.stage("write"):
            raise ValueError("no room")
        with trace.timed("lookup", "tool", attributes={"name": "lookup"}):
            pass
    return trace.trace_id


def test_a_backend_reads_parents_events_and_attributes_as_they_were_recorded(runtime: Runtime) -> None:
    name = a_run()
    with OtlpReceiver() as receiver:
        sent = exporting.send(name, receiver.endpoint)

    spans = receiver.spans
    assert sent == (len(receiver.all_spans), 1)
    assert set(spans) == {"shop", "component_generation", "llm_request", "template_render", "write", "lookup"}
    root, component = spans["shop"], spans["component_generation"]
    assert (root.parent, component.parent, spans["write"].parent) == ("", root.span, root.span)
    assert spans["llm_request"].parent == spans["template_render"].parent == component.span
    assert {each.trace for each in receiver.all_spans} == {query.find(name).id}
    assert {each.service for each in receiver.all_spans} == {"shop"}
    assert all(each.start_ns <= each.end_ns for each in receiver.all_spans)

    assert root.attributes["whence.trace_id"] == name
    assert (root.attributes["whence.query"], root.attributes["team"]) == ("Which plan?", "blue")
    assert component.attributes["component.name"] == spans["llm_request"].attributes["component.name"] == "todo"
    events = {each.name: each for each in component.events}
    decision = events["whence.decision"].attributes
    assert decision["whence.decision.what"] == "store"
    assert decision["whence.decision.confidence"] == 0.8
    assert json.loads(decision["whence.decision.alternatives"]) == ["sink"]
    checks = {
        each.attributes["whence.check.name"]: each.attributes for each in component.events if "check" in each.name
    }
    assert json.loads(checks["imports"]["whence.check.failures"]) == [{"message": "no module x", "line": 3}]
    assert checks["imports"]["whence.check.passed"] is False
    assert events["gen_ai.evaluation.result"].attributes["gen_ai.evaluation.score.value"] == 0.7

    llm = spans["llm_request"].attributes
    assert (llm["gen_ai.request.model"], llm["gen_ai.response.model"]) == ("gpt-4o", "gpt-4o-2024-08-06")
    assert (llm["gen_ai.usage.input_tokens"], llm["gen_ai.usage.output_tokens"]) == (7, 5)
    assert json.loads(llm["gen_ai.input.messages"])[0]["parts"] == [{"type": "text", "content": "Write it"}]
    assert json.loads(llm["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": "class A: ..."}]

    render = spans["template_render"].attributes
    assert render["whence.transform.output"] == "class A:\n    pass\n"
    assert len(render["whence.transform.source.sha256"]) == 64
    failed = spans["write"]
    assert failed.status == 2
    assert {each.name for each in failed.events} == {"exception"}
    assert failed.attributes["error.type"] == "ValueError"
    assert [(each.name, each.attributes["body"]) for each in receiver.logs] == [("note", "careful")]


def test_every_transformation_is_a_span_of_its_own(runtime: Runtime) -> None:
    with whence.trace(project="shop") as trace, trace.stage("many"):
        for number in range(300):
            trace.transform(f"step {number}", "a", "b")
    memory = InMemorySpanExporter()
    exporting.export("last", spans=memory)

    assert len({each.context.span_id for each in memory.get_finished_spans()}) == 302


def test_any_exporter_of_the_sdk_will_do(runtime: Runtime) -> None:
    a_run()
    memory = InMemorySpanExporter()

    spans, logs = exporting.export("last", spans=memory)

    assert (spans, logs) == (6, 0)
    assert {each.name for each in memory.get_finished_spans()} >= {"llm_request", "template_render"}


def test_what_was_exported_twice_is_one_trace_there(runtime: Runtime) -> None:
    a_run()
    with OtlpReceiver() as receiver:
        exporting.send("last", receiver.endpoint)
        first = {(each.trace, each.span) for each in receiver.all_spans}
        exporting.send("last", receiver.endpoint)

    assert {(each.trace, each.span) for each in receiver.all_spans} == first


def test_a_run_that_is_still_going_is_sent_as_far_as_it_is_known(runtime: Runtime) -> None:
    with whence.trace(project="shop") as trace, trace.stage("slow"):
        runtime.drain()
        with OtlpReceiver() as receiver:
            exporting.send(trace.trace_id, receiver.endpoint)

    assert receiver.spans["slow"].attributes["whence.unfinished"] is True


def test_texts_that_were_set_apart_arrive_whole(runtime: Runtime) -> None:
    long = "word " * 5_000
    with whence.trace(project="shop", query=long) as trace:
        trace.llm_call("chat", prompt=long, response=long)
    with OtlpReceiver() as receiver:
        exporting.send(trace.trace_id, receiver.endpoint)

    assert receiver.spans["shop"].attributes["whence.query"] == long
    assert json.loads(receiver.spans["chat"].attributes["gen_ai.output.messages"])[0]["parts"][0]["content"] == long


def test_what_goes_wrong_says_what_to_do(runtime: Runtime) -> None:
    a_run()
    with pytest.raises(NotFound):
        exporting.export("trc_nobody", spans=InMemorySpanExporter())
    with pytest.raises(BadInput, match="http://localhost:4318"):
        exporting.send("last", "localhost:4318")
    with OtlpReceiver() as receiver:
        receiver.status = 400
        with pytest.raises(StoreUnreachable, match="did not take the export"):
            exporting.send("last", receiver.endpoint)
