"""Events: what of them is kept, which run and phase they belong to, and the trajectory of outputs."""

import json
import time

import pytest

import whence
from tests.measure.pairs import unit_pair
from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import TelemetryService, analyze_embedding_trajectory, init_telemetry


@pytest.fixture
def telemetry(runtime: Runtime) -> TelemetryService:
    return init_telemetry()


def test_every_field_comes_back(runtime: Runtime, telemetry: TelemetryService) -> None:
    near, far = unit_pair(0.25)

    event_id = telemetry.log_event(
        component="CoderAgent",
        event_type="code_generation_complete",
        input_embedding=near,
        output_embedding=far,
        metadata={"model": "m-1", "tries": 2},
        duration_ms=1234,
        success=False,
        error_message="inference timeout",
        artifact_id="a-1",
        phase="coding",
    )

    (event,) = telemetry.events()
    assert event.event_id == event_id
    assert (event.component, event.event_type, event.phase) == ("CoderAgent", "code_generation_complete", "coding")
    assert event.embedding_distance == pytest.approx(0.25)
    assert (event.metadata, event.duration_ms) == ({"model": "m-1", "tries": 2}, 1234)
    assert (event.success, event.error_message, event.artifact_id) == (False, "inference timeout", "a-1")
    (row,) = rows(runtime, "SELECT * FROM telemetry_events")
    assert (row["event_id"], row["timestamp"], row["trace_id"]) == (event_id, event.timestamp, event.trace_id)
    assert (row["input_embedding"], row["output_embedding"]) == (event.input_embedding, event.output_embedding)
    assert json.loads(row["metadata"]) == event.metadata


def test_a_vector_is_stored_once_and_can_be_read_back(runtime: Runtime, telemetry: TelemetryService) -> None:
    from whence.measure.vectors import unpack

    vector = [0.5, -0.25, 2.0]
    for _ in range(3):
        telemetry.log_event(component="A", event_type="made", output_embedding=vector)

    (row,) = rows(runtime, "SELECT lower(hex(sha256)) AS id, data FROM vectors")
    assert list(unpack(row["data"])) == vector
    assert {event.output_embedding for event in telemetry.events()} == {row["id"]}


def test_the_output_is_followed_also_where_there_is_no_input(telemetry: TelemetryService) -> None:
    """C0.19: the original recorded a step only if both vectors were given."""
    near, far = unit_pair(0.7)
    telemetry.log_event(component="CoderAgent", event_type="made", output_embedding=near)
    telemetry.log_event(component="Logger", event_type="noted")
    telemetry.log_event(component="TesterAgent", event_type="made", output_embedding=far)

    last = telemetry.events()[-1]
    assert last.trajectory_from == "CoderAgent"
    assert last.trajectory_distance == pytest.approx(0.7)
    assert [who for who, _ in telemetry.embedding_trajectory] == ["CoderAgent", "TesterAgent"]


def test_the_trajectory_can_be_analysed(telemetry: TelemetryService) -> None:
    first, second = unit_pair(0.5)
    for component, vector in (("A", first), ("B", first), ("C", second)):
        telemetry.log_event(component=component, event_type="made", output_embedding=vector)

    found = analyze_embedding_trajectory(telemetry)

    assert (found["total_hops"], found["components_traversed"]) == (3, ["A", "B", "C"])
    (point,) = found["divergence_points"]
    assert point == {"from": "B", "to": "C", "distance": pytest.approx(0.5), "severity": "high"}
    assert found["distances"] == [0.0, pytest.approx(0.5)]
    assert analyze_embedding_trajectory(telemetry, min_divergence_threshold=0.6)["divergence_points"] == []


def test_calls_in_a_trace_belong_to_it_and_those_outside_to_a_run_of_the_service(
    runtime: Runtime, telemetry: TelemetryService
) -> None:
    telemetry.log_event(component="A", event_type="before")
    with whence.trace(project="shop") as trace, trace.stage("coding"):
        telemetry.log_event(component="A", event_type="inside")
    telemetry.log_event(component="A", event_type="after")

    found = {row["event_type"]: row for row in rows(runtime, "SELECT * FROM telemetry_events")}
    assert found["before"]["trace_id"] == found["after"]["trace_id"] == telemetry.run_id
    assert (found["inside"]["trace_id"], found["inside"]["phase"]) == (trace.trace_id, "coding")


def test_a_trajectory_does_not_lead_from_one_run_into_another(telemetry: TelemetryService) -> None:
    first, second = unit_pair(0.9)
    telemetry.log_event(component="A", event_type="made", output_embedding=first)
    with whence.trace(project="shop"):
        telemetry.log_event(component="B", event_type="made", output_embedding=second)
        (event,) = telemetry.events()

    assert event.trajectory_distance is None


def test_end_run_ends_the_services_own_run_and_the_next_call_begins_another(
    runtime: Runtime, telemetry: TelemetryService
) -> None:
    telemetry.log_event(component="A", event_type="first")
    first = telemetry.run_id
    telemetry.end_run()
    telemetry.log_event(component="A", event_type="second")
    second = telemetry.run_id
    telemetry.end_run("failed", error="gave up")
    telemetry.end_run()  # there is none

    found = {row["trace_id"]: row["status"] for row in rows(runtime, "SELECT trace_id, status FROM traces")}
    assert found == {first: "complete", second: "failed"}


def test_a_phase_is_begun_and_labels_what_follows(telemetry: TelemetryService) -> None:
    telemetry.begin_phase("coding")
    telemetry.log_event(component="A", event_type="made")
    telemetry.log_event(component="A", event_type="tested", phase="testing")
    telemetry.begin_phase("judging")
    telemetry.log_event(component="A", event_type="judged")

    assert [(event.event_type, event.phase) for event in telemetry.events()] == [
        *(("phase_start", "coding"), ("made", "coding"), ("tested", "testing")),
        *(("phase_start", "judging"), ("judged", "judging")),
    ]


def test_a_timer_says_milliseconds(telemetry: TelemetryService) -> None:
    with telemetry.start_timer() as timer:
        time.sleep(0.01)

    assert 10 <= timer.elapsed_ms < 5_000
    assert timer.stop() == timer.elapsed_ms  # it stands still


def test_secrets_are_masked_and_hashes_are_not(runtime: Runtime, telemetry: TelemetryService) -> None:
    secret = "sk-" + "proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1w"
    telemetry.log_event(
        component="A",
        event_type="made",
        metadata={"key": secret},
        error_message=f"refused {secret}",
        output_embedding=[1.0],
    )

    (row,) = rows(runtime, "SELECT * FROM telemetry_events")
    assert secret not in json.dumps(row)
    assert len(row["output_embedding"]) == 64


def test_at_level_hash_no_vector_is_stored(runtime: Runtime) -> None:
    """A vector gives much of its text away."""
    from whence.redact.capture import CaptureLevel
    from whence.runtime import runtime as process
    from whence.runtime.settings import Settings

    data = runtime.settings.data
    hashing = process.configure(Settings(data=data, documents=data, capture=CaptureLevel.HASH))
    telemetry = init_telemetry()
    near, far = unit_pair(0.5)
    telemetry.log_event(component="A", event_type="made", output_embedding=near, metadata={"text": "the plan"})
    telemetry.track_transformer_diff(near, near, far)

    report = telemetry.generate_diagnostic_report("coding", "done")

    assert rows(hashing, "SELECT * FROM vectors") == []
    assert "the plan" not in json.dumps(rows(hashing, "SELECT * FROM telemetry_events"))
    assert "T01-05" in report.detected_dtcs
    hashing.close()
