"""The tracing door keeps the seed's names and forms, on the real trace and on the disabled one alike."""

import inspect
from typing import Any

import pytest

from whence.errors import BadInput
from whence.query import find
from whence.runtime.runtime import Runtime
from whence.runtime.settings import ProjectConfig, write_project
from whence.tracing import (
    Trace,
    TraceContext,
    TracingComponent,
    _NoOpTrace,
    get_registered_components,
    register_component,
    traced_research,
    validate_trace_schema,
)

CALLS: dict[str, dict[str, Any]] = {
    "start_stage": {"stage_name": "s"},
    "record": {"stage_name": "s", "decision_type": "d", "data": {"what": 1}},
    "record_evidence": {"stage_name": "s", "data": {"collected_count": 1}},
    "record_prompts": {"stage_name": "s", "prompts": {"system_prompt": "x"}},
    "record_iteration": {"data": {"passed": True}},
    "end_stage": {"stage_name": "s", "outputs": {"a": 1}, "error": None},
    "set_outputs": {"outputs": {"report_path": None}},
    "add_child_trace": {"trace_id": "trc_x", "output_type": "report", "path": None},
    "mark_complete": {},
    "mark_failed": {"error": "e"},
    "mark_incomplete": {},
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("enabled", [True, False])
def test_every_method_takes_every_form(runtime: Runtime, name: str, enabled: bool) -> None:
    with TraceContext.start(project_name="p", enabled=enabled) as trace:
        trace.start_stage("s")
        getattr(trace, name)(*CALLS[name].values())
        getattr(trace, name)(**CALLS[name])
        trace.mark_complete()

    assert bool(trace) is enabled


@pytest.mark.parametrize("name", CALLS)
def test_the_disabled_trace_has_the_same_signatures(name: str) -> None:
    real, nothing = inspect.signature(getattr(Trace, name)), inspect.signature(getattr(_NoOpTrace, name))

    assert list(real.parameters) == list(nothing.parameters)


async def test_traced_research_completes_fails_and_always_finishes(runtime: Runtime) -> None:
    async with traced_research("good", project_name="p") as trace:
        trace.record("intake", "d", {"what": 1})
    block = traced_research("bad", project_name="p")
    with pytest.raises(ValueError, match="broken"), block:
        raise ValueError("broken")

    assert find(trace.trace_id).status == "complete"
    assert block.result["status"] == "failed"
    assert block.result["supabase"] == "saved"
    row = find(str(block.result["trace_id"]))
    assert row.status == "failed"
    assert "ValueError" in (row.error or "")
    assert TraceContext.current() is None


def test_what_was_recorded_can_be_read_back_while_it_runs(runtime: Runtime) -> None:
    with TraceContext.start(project_name="p") as trace:
        trace.start_stage("collection")
        trace.record("collection", "d", {"what": 1})
        trace.set_outputs({"report_path": "r.md"})
        trace.set_outputs({"evidence_paths": ["e"]})

        assert trace.stages["collection"].decisions[0].what == 1
        assert trace.outputs == {"report_path": "r.md", "evidence_paths": ["e"]}
        assert trace.to_dict()["run"]["status"] == "in_progress"


def test_what_the_seed_lost_is_kept(runtime: Runtime) -> None:
    """C1.7 and C1.8: re-entering a stage, and setting outputs after an error, overwrote what was there."""
    with TraceContext.start(project_name="p") as trace:
        trace.record("synthesis", "before_start", {"what": 0})
        for n in (1, 2):
            trace.start_stage("synthesis")
            trace.record("synthesis", "prompt", {"what": n})
            trace.end_stage("synthesis", {"n": n})
        trace.mark_failed("no")
        trace.set_outputs({"report_path": "r.md"})

    stage = runtime.view(trace.otel_trace_id).stages["synthesis"]
    assert [d.what for d in stage.decisions] == [0, 1, 2]
    assert [a.outputs for a in stage.attempts] == [{"n": 1}, {"n": 2}]
    assert runtime.view(trace.otel_trace_id).outputs == {"error": "no", "report_path": "r.md"}


def test_parent_and_child_name_each_other(runtime: Runtime) -> None:
    with TraceContext.start(project_name="p") as parent:
        with TraceContext.start(project_name="p") as child:
            child.mark_complete()
        parent.add_child_trace(child.trace_id, "report", "r.md")
        parent.mark_complete()

    assert find(child.trace_id).parent_trace_id == parent.trace_id
    assert runtime.view(parent.otel_trace_id).child_traces == [
        {"trace_id": child.trace_id, "output_type": "report", "path": "r.md"}
    ]


def test_a_project_can_be_switched_off_while_the_program_runs(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whence.runtime.runtime.POLICY_RECHECK_S", 0.0)

    def recorded(project: str) -> bool:
        with TraceContext.start(project_name=project) as trace:
            return bool(trace)

    assert recorded("quiet")

    write_project(runtime.settings.data, "quiet", ProjectConfig(enabled=False))

    assert not recorded("quiet")
    assert recorded("other")


class Loader(TracingComponent):
    """A component that keeps its contract."""

    component_name = "rubric_loader"

    def get_trace_schema(self) -> dict[str, Any]:
        return {"decisions": ["rubric_loaded"], "outputs": ["total_principles"]}


class Broken(Loader):
    """One that does not."""

    component_name = ""

    def get_trace_schema(self) -> dict[str, Any]:
        return {"decisions": "rubric_loaded"}


def test_a_component_states_what_it_can_emit() -> None:
    register_component(Loader())
    registered = get_registered_components()
    registered.clear()

    assert list(get_registered_components()) == ["rubric_loader"]
    assert validate_trace_schema(Loader()) == {"valid": True, "errors": []}
    checked = validate_trace_schema(Broken())
    assert not checked["valid"]
    assert len(checked["errors"]) == 3
    with pytest.raises(BadInput, match="component_name"):
        register_component(Broken())
