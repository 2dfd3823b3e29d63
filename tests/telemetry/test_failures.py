"""Nothing that a caller passes, and nothing that fails beneath, becomes the caller's exception."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import whence
from tests.measure.pairs import unit_pair
from tests.telemetry.reading import Array, rows
from whence.model.filters import RecordFilter
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.telemetry import (
    TelemetryService,
    export_diagnostic_report_markdown,
    generate_phase_diagnostic,
    hook_coder_agent_telemetry,
    hook_judge_evaluation_telemetry,
    hook_llm_call_telemetry,
    hook_orchestrator_state_change_telemetry,
    hook_structural_gap_telemetry,
    hook_transformer_output_telemetry,
    init_telemetry,
    observe_handoff,
    raise_code,
)

CYCLE: dict[str, Any] = {}
CYCLE["itself"] = CYCLE
UNIT = unit_pair(0.0)[0]
ODD = {
    "array": Array(UNIT),
    "767 dimensions": UNIT[:767],
    "zero": [0.0] * 768,
    "nan": [math.nan] * 768,
    "none": None,
    "text": "no vector",
    "texts": ["a", "b"],
    "cycle": CYCLE,
    "number": 3,
    "object": object(),
    "endless": iter(int, 1),
}


@pytest.fixture
def telemetry(runtime: Runtime) -> TelemetryService:
    return init_telemetry()


@pytest.mark.parametrize("name", ODD)
def test_no_value_in_any_place_raises(runtime: Runtime, telemetry: TelemetryService, name: str) -> None:
    odd = ODD[name]

    assert telemetry.log_event(odd, odd, odd, odd, odd, odd, odd, odd, odd, odd)
    telemetry.detect_structural_gap(odd, odd, odd, odd, odd, odd, odd, odd)
    assert telemetry.track_transformer_diff(odd, odd, odd, odd, odd, odd, odd, odd).status in ("ALIGNED", "UNKNOWN")
    hook_coder_agent_telemetry(telemetry, odd, odd, odd, odd, odd, odd)
    hook_judge_evaluation_telemetry(telemetry, odd, odd, odd, odd, odd)
    hook_orchestrator_state_change_telemetry(telemetry, odd, odd, odd, odd)
    hook_transformer_output_telemetry(telemetry, odd, odd, odd, odd)
    hook_llm_call_telemetry(telemetry, odd, odd, odd, odd, odd, odd, odd, odd, odd)
    hook_structural_gap_telemetry(telemetry, odd, odd, odd, odd, odd, odd)
    observe_handoff(odd, odd, odd, odd)
    raise_code(odd, odd, odd, value=odd)
    telemetry.begin_phase(odd)
    export_diagnostic_report_markdown(generate_phase_diagnostic(telemetry, odd, odd, odd))


def test_arrays_are_vectors(runtime: Runtime, telemetry: TelemetryService) -> None:
    """C0.19: the original asked an array whether it is true."""
    numpy = pytest.importorskip("numpy")
    near, far = (numpy.array(each, dtype="float32") for each in unit_pair(0.3))

    telemetry.log_event(component="A", event_type="made", input_embedding=near, output_embedding=far)

    assert telemetry.events()[0].embedding_distance == pytest.approx(0.3, abs=1e-6)
    assert telemetry.track_transformer_diff(near, near, far).status == "DRIFTED"


def test_a_vector_that_cannot_be_compared_is_noted_and_not_stored(
    runtime: Runtime, telemetry: TelemetryService
) -> None:
    telemetry.log_event(component="A", event_type="made", output_embedding=[0.0] * 768)

    (row,) = rows(runtime, "SELECT payload FROM records WHERE kind = 'event'")
    assert "zero" in row["payload"]
    assert rows(runtime, "SELECT * FROM vectors") == []
    assert telemetry.events()[0].output_embedding is None


@pytest.mark.parametrize("schema", ["text", 3, {"type": "object", "properties": 3}, {"$ref": "#/nowhere"}, CYCLE])
def test_a_schema_that_is_none_is_no_gap_and_is_recorded_as_such(
    runtime: Runtime, telemetry: TelemetryService, schema: Any
) -> None:
    assert telemetry.detect_structural_gap("A", "B", "c", schema, {"a": 1}) is None

    (row,) = rows(runtime, "SELECT payload FROM records WHERE kind = 'check'")
    assert '"error"' in row["payload"]
    assert rows(runtime, "SELECT * FROM structural_gaps") == []


def test_a_report_on_an_empty_run_says_that_nothing_was_recorded(runtime: Runtime, telemetry: TelemetryService) -> None:
    report = generate_phase_diagnostic(telemetry, "coding", "done")

    assert (report.detected_dtcs, report.max_severity) == ([], "none")
    assert "nothing was recorded" in report.summary
    assert "None." in export_diagnostic_report_markdown(report)


def neutral(telemetry: TelemetryService) -> None:
    """Look whether every call gives what stands for nothing."""
    assert not telemetry.log_event(component="A", event_type="made")
    assert telemetry.detect_structural_gap("A", "B", "c", {"a": "..."}, {}) is None
    assert telemetry.track_transformer_diff(UNIT, UNIT, UNIT).status == "UNKNOWN"
    assert not telemetry.raise_code("T01-01", "no answer")
    assert not telemetry.begin_phase("coding")
    assert telemetry.events() == []
    report = telemetry.generate_diagnostic_report("coding", "done")
    assert (report.report_id, report.detected_dtcs) == ("", [])
    assert "switched off" in report.summary
    telemetry.clear_buffer()
    telemetry.end_run()


def test_a_project_that_is_switched_off_records_nothing(runtime: Runtime) -> None:
    data = runtime.settings.data
    off = process.configure(Settings(data=data, documents=data, enabled=False))

    neutral(init_telemetry())

    assert off.built_recorder is None


def test_inside_a_trace_that_is_switched_off_nothing_is_recorded_elsewhere(
    runtime: Runtime, telemetry: TelemetryService
) -> None:
    with whence.trace(project="shop", enabled=False):
        neutral(telemetry)

    assert rows(runtime, "SELECT * FROM records") == []


def test_a_store_that_cannot_be_opened_leaves_the_spool(runtime: Runtime, telemetry: TelemetryService) -> None:
    runtime.settings.database.mkdir(parents=True)  # a directory in its place

    telemetry.log_event(component="CoderAgent", event_type="made", success=False, error_message="inference timeout")
    report = telemetry.generate_diagnostic_report("coding", "done")

    assert report.detected_dtcs == ["T01-01"]
    assert "spool" in report.summary
    telemetry.end_run()


def test_a_disk_that_takes_nothing_is_said_in_the_report(tmp_path: Path, data: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the data directory should be")
    built = process.configure(Settings(data=blocked, documents=blocked))
    telemetry = init_telemetry()

    assert telemetry.log_event(component="A", event_type="made") is None
    gap = telemetry.detect_structural_gap("A", "B", "c", {"a": "..."}, {})
    diff = telemetry.track_transformer_diff(UNIT, UNIT, UNIT)
    report = telemetry.generate_diagnostic_report("coding", "done")

    assert gap is not None
    assert gap.record_id == ""
    assert diff.status == "ALIGNED"
    assert "could not be" in report.summary
    telemetry.end_run()
    built.close()
    process.use(None)


@pytest.mark.parametrize("broken", ["whence.diagnose.examining.diagnose_run", "whence.telemetry.reading.read"])
def test_a_report_that_cannot_be_made_says_so(
    runtime: Runtime, telemetry: TelemetryService, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    import whence.telemetry.reporting

    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(broken, fail)
    monkeypatch.setattr(whence.telemetry.reporting, "diagnose_run", fail)
    telemetry.log_event(component="A", event_type="made")

    assert "No report could be made: RuntimeError" in telemetry.generate_diagnostic_report("coding", "done").summary
    assert runtime.recorder.errors.count == 1


def test_a_forked_child_goes_on_recording(run: Callable[..., Any], data: Path) -> None:
    done = run(
        """
        import os
        from whence.telemetry import init_telemetry
        telemetry = init_telemetry()
        telemetry.log_event(component="parent", event_type="made")
        pid = os.fork()
        telemetry.log_event(component="child" if pid == 0 else "parent", event_type="made")
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        telemetry.end_run()
        print(sorted(event.component for event in telemetry.events()) or "a new run")
        """
    )

    assert done.stdout.strip() == "a new run"
    fresh = process.configure(Settings(data=data, documents=data))
    found = rows(fresh, "SELECT component, count(*) AS n FROM telemetry_events GROUP BY 1")
    assert {row["component"]: row["n"] for row in found} == {"parent": 2, "child": 1}
    assert [row["status"] for row in rows(fresh, "SELECT status FROM traces")] == ["complete"]
    fresh.close()
    process.use(None)


def test_a_hostile_class_does_not_reach_the_decorated_function(runtime: Runtime, telemetry: TelemetryService) -> None:
    """`isinstance` asks a value for its class, which may be code of the host's."""

    class Hostile:
        @property
        def __class__(self) -> Any:
            raise RuntimeError("no class")

    @observe_handoff("A", "B", argument="task", telemetry=telemetry)
    def work(**given: Any) -> str:
        return "done"

    assert work(first=Hostile(), task=Hostile()) == "done"
    assert observe_handoff("A", "B", {"x": 1}, Hostile(), telemetry=telemetry) is None


def test_a_child_ends_the_runs_that_it_began_and_not_its_parents(
    runtime: Runtime, telemetry: TelemetryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.log_event("A", "in the parent")
    monkeypatch.setattr("os.getpid", lambda: -1)
    telemetry.end_run()
    telemetry.log_event("A", "in the child")
    own = telemetry.run_id
    telemetry.end_run()

    ended = list(runtime.ready_store().records(RecordFilter(kinds=("trace.end",))).items)
    assert [runtime.ready_store().trace(each.trace).trace_id for each in ended] == [own]  # type: ignore[union-attr]
