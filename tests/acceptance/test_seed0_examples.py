"""The examples of the original design run as printed: nothing but the path of an import is another (seed 0).

Its components 2 and 4, its integrations 1, 2 and 4, its examples 1 to 3. What is printed as `...` stands for something of the
reader's own, and is filled in by the test that says so.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.measure.pairs import unit_pair
from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import get_telemetry, init_telemetry

TELEMETRY_SERVICE = """\
from orchestrator.telemetry_service import init_telemetry, get_telemetry

telemetry = init_telemetry(db_session)  # Initialize once

# Log events
telemetry.log_event(
    component="CoderAgent",
    event_type="code_generation_complete",
    input_embedding=prompt_vec,
    output_embedding=code_vec,
    success=True,
    duration_ms=1234
)

# Detect gaps
gap = telemetry.detect_structural_gap(
    source_component="CoderAgent",
    target_component="TesterAgent",
    artifact_type="code_solution",
    expected_schema=tester_expects,
    actual_schema=coder_provided,
    expected_embedding=expected_vec,
    actual_embedding=actual_vec
)

# Generate report
report = telemetry.generate_diagnostic_report(
    execution_phase="transformer_output",
    trigger_event="phase_complete"
)
"""

DIFF_TRACKING = """\
diff = telemetry.track_transformer_diff(
    prompt_embedding=prompt_vec,      # What was asked
    generated_embedding=output_vec,   # What was generated
    expected_embedding=spec_vec,      # What was expected
    generated_artifact_id=artifact_id
)
# Returns TransformerDiff with alignment status
"""

CODER_INTEGRATION = """\
from orchestrator.telemetry_integration import hook_coder_agent_telemetry
from pipeline.embed_worker import embed_text

generated_code = ... # from LLM
input_embedding = embed_text(prompt)
output_embedding = embed_text(generated_code)

hook_coder_agent_telemetry(
    telemetry=get_telemetry(),
    input_embedding=input_embedding,
    output_embedding=output_embedding,
    artifact_id=artifact.id,
    duration_ms=elapsed,
    success=True
)
"""

JUDGE_INTEGRATION = """\
from orchestrator.telemetry_integration import hook_judge_evaluation_telemetry

hook_judge_evaluation_telemetry(
    telemetry=get_telemetry(),
    action_type=action.type,
    judgment_vector=judgment_embedding,
    scores=mcda_scores,
    final_score=final_judge_score,
    approved=judgment_result.approved
)
"""

STATE_INTEGRATION = """\
from orchestrator.telemetry_integration import hook_orchestrator_state_change_telemetry

def transition(self, new_state):
    hook_orchestrator_state_change_telemetry(
        telemetry=get_telemetry(),
        state_from=self.current_state,
        state_to=new_state,
        phase=self.execution_phase
    )
    # ... perform transition
"""

EXAMPLE_1 = """\
from orchestrator.telemetry_service import get_telemetry
from pipeline.embed_worker import embed_text

telemetry = get_telemetry()

# Capture three embeddings at key points
prompt = "Generate a function to sort an array"
prompt_vec = embed_text(prompt)

generated = "def sort_array(arr):\\n  return sorted(arr)"
gen_vec = embed_text(generated)

spec = "Implement quicksort algorithm"
spec_vec = embed_text(spec)

# Track the drift
diff = telemetry.track_transformer_diff(
    prompt_embedding=prompt_vec,
    generated_embedding=gen_vec,
    expected_embedding=spec_vec,
    generated_artifact_id="artifact_xyz"
)

print(f"Status: {diff.status}")
# Output: Status: DRIFTED
# The generated code solves a general sorting problem
# but spec expected quicksort specifically
"""

EXAMPLE_2 = """\
from orchestrator.telemetry_service import get_telemetry

telemetry = get_telemetry()

coder_output = {
    "code": "def foo(): pass",
    "language": "python"
}

tester_expects = {
    "code": "...",
    "language": "...",
    "test_plan": "..."  # MISSING in coder output
}

gap = telemetry.detect_structural_gap(
    source_component="CoderAgent",
    target_component="TesterAgent",
    artifact_type="code_solution",
    expected_schema=tester_expects,
    actual_schema=coder_output
)

if gap:
    print(f"Gap detected: {gap.missing_fields}")
    # Output: Gap detected: ['test_plan']
    # This DTC should be I01-03 STRUCTURAL_GAP_DETECTED
"""

EXAMPLE_3 = """\
from orchestrator.telemetry_integration import (
    generate_phase_diagnostic,
    export_diagnostic_report_markdown
)

# After a pipeline phase completes
report = generate_phase_diagnostic(
    telemetry=get_telemetry(),
    phase_name="transformer_output",
    trigger_event="phase_complete"
)

# Export for human review
markdown = export_diagnostic_report_markdown(report)
with open("diagnostic_report.md", "w") as f:
    f.write(markdown)

# Output includes:
# - All detected DTCs with descriptions
# - Structural gaps between components
# - Embedding divergence points
# - Specific remediation steps
# - Critical actions requiring immediate attention
"""

MOVED = re.compile(
    r"^from (?:orchestrator\.telemetry_service|orchestrator\.telemetry_integration|pipeline\.embed_worker) import", re.M
)


def run(block: str, **names: Any) -> dict[str, Any]:
    """Run a block in a namespace of its own, its imports moved; returns what it defined."""
    code, moved = MOVED.subn("from whence.telemetry import", block)
    assert moved
    exec(compile(code, "seed", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def fresh(runtime: Runtime) -> None:
    init_telemetry()


def test_the_usage_of_the_telemetry_service(runtime: Runtime) -> None:
    near, far = unit_pair(0.1)
    expects = {"code": "...", "language": "...", "metadata": {}, "test_plan": "..."}
    provided = {"code": "def foo(): pass", "language": "python", "metadata": {}}

    found = run(
        TELEMETRY_SERVICE,
        db_session=None,
        prompt_vec=near,
        code_vec=far,
        expected_vec=near,
        actual_vec=far,
        tester_expects=expects,
        coder_provided=provided,
    )

    assert found["gap"].missing_fields == ["test_plan"]  # component 3's example (R0.20)
    assert found["gap"].severity == "high"
    assert found["gap"].semantic_distance == pytest.approx(0.1)
    assert found["report"].detected_dtcs == ["I01-03"]
    (event,) = rows(runtime, "SELECT * FROM telemetry_events")
    assert (event["component"], event["event_type"], event["duration_ms"], event["success"]) == (
        *("CoderAgent", "code_generation_complete", 1234, 1),
    )
    assert event["embedding_distance"] == pytest.approx(0.1)
    vectors = {row["id"] for row in rows(runtime, "SELECT lower(hex(sha256)) AS id FROM vectors")}
    assert vectors == {event["input_embedding"], event["output_embedding"]}  # each once, though three calls had them


def test_the_usage_of_diff_tracking(runtime: Runtime) -> None:
    prompt, spec = unit_pair(0.41)

    found = run(
        f"from orchestrator.telemetry_service import get_telemetry\n{DIFF_TRACKING}",
        telemetry=get_telemetry(),
        prompt_vec=prompt,
        output_vec=prompt,
        spec_vec=spec,
        artifact_id="artifact_1",
    )

    assert found["diff"].status == "CRITICAL_MISS"
    assert found["diff"].prompt_to_generated_distance == 0
    assert found["diff"].generated_to_expected_distance == pytest.approx(0.41)


def test_integration_1_after_code_was_generated(runtime: Runtime) -> None:
    filled = CODER_INTEGRATION.replace("... # from LLM", "'def sort(arr): return sorted(arr)'")
    assert filled != CODER_INTEGRATION

    run(
        filled,
        get_telemetry=get_telemetry,
        prompt="Sort an array",
        artifact=SimpleNamespace(id="artifact_1"),
        elapsed=12.5,
    )

    (event,) = rows(runtime, "SELECT * FROM telemetry_events")
    assert (event["component"], event["event_type"]) == ("CoderAgent", "code_generation_complete")
    assert (event["artifact_id"], event["duration_ms"], event["success"]) == ("artifact_1", 12.5, 1)
    assert event["input_embedding"] != event["output_embedding"]


@pytest.mark.parametrize("approved", [True, False])
def test_integration_2_after_a_judgement_which_is_no_error_when_it_denies(runtime: Runtime, approved: bool) -> None:
    run(
        JUDGE_INTEGRATION,
        get_telemetry=get_telemetry,
        action=SimpleNamespace(type="MOVE"),
        judgment_embedding=unit_pair(0)[0],
        mcda_scores={"SAFETY": 0.9, "SPEC_ALIGNMENT": 0.7},
        final_judge_score=0.8,
        judgment_result=SimpleNamespace(approved=approved),
    )

    (event,) = rows(runtime, "SELECT * FROM telemetry_events")
    assert (event["component"], event["event_type"], event["success"]) == ("Judge", "action_evaluation", int(approved))
    assert '"final_score":0.8' in event["metadata"]
    assert get_telemetry().generate_diagnostic_report("judge_evaluation", "mid_pipeline").detected_dtcs == []


def test_integration_4_before_a_transition(runtime: Runtime) -> None:
    transition = run(STATE_INTEGRATION, get_telemetry=get_telemetry)["transition"]

    transition(SimpleNamespace(current_state="DRAFT", execution_phase="coding"), "REVIEW")

    (event,) = rows(runtime, "SELECT * FROM telemetry_events")
    assert (event["component"], event["event_type"], event["phase"]) == ("StateFlow", "state_transition", "coding")
    assert '"state_from":"DRAFT"' in event["metadata"]
    assert '"state_to":"REVIEW"' in event["metadata"]


def test_example_1_prints_a_status(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    """Which one rests on the embedder (C0.24): the default one compares words."""
    run(EXAMPLE_1)

    printed = capsys.readouterr().out.strip()
    assert printed in [f"Status: {each}" for each in ("ALIGNED", "DRIFTED", "CRITICAL_MISS")]


def test_example_1_prints_drifted_with_vectors_that_are_drifted(
    runtime: Runtime, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    generated, spec = unit_pair(0.3)
    monkeypatch.setattr("whence.telemetry.embed_text", lambda text: spec if "quicksort" in text else generated)

    run(EXAMPLE_1)

    assert capsys.readouterr().out == "Status: DRIFTED\n"


def test_example_2_prints_what_is_missing(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(EXAMPLE_2)

    assert capsys.readouterr().out == "Gap detected: ['test_plan']\n"
    assert found["gap"].related_dtc == "I01-03"


def test_example_3_writes_a_report(runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run(EXAMPLE_2)

    run(EXAMPLE_3, get_telemetry=get_telemetry)

    written = (tmp_path / "diagnostic_report.md").read_text()
    assert "I01-03 STRUCTURAL_GAP_DETECTED" in written
    assert "- Phase: transformer_output" in written
