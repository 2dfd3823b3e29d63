"""E6: a retry loop keeps every attempt, counts its failures, and is judged by its last round."""

import json
from pathlib import Path

import pytest

from whence.query import find
from whence.runtime.runtime import Runtime
from whence.tracing import TraceContext


def run_with_retry() -> None:
    with TraceContext.start(project_name="cobot", query="q") as trace:
        for attempt, (result, score, low) in enumerate((("FAIL", 1.6, 1), ("PASS", 2.4, 3)), start=1):
            trace.start_stage("synthesis")
            trace.record("synthesis", "prompt_construction", {"what": f"prompt {attempt}", "why": "…"})
            trace.end_stage("synthesis", {"cost_usd": 0.3})
            trace.start_stage("quality_gate")
            trace.end_stage(
                "quality_gate",
                {
                    "passed": result == "PASS",
                    "overall_score": score,
                    "principle_scores": [{"id": "META-1", "score": low}, {"id": "META-12", "score": 1.5}],
                },
            )
            trace.record_iteration(
                {"iteration": attempt, "quality_gate_result": result, "overall_score": score, "gaps": ["META-12"]}
            )
        trace.mark_complete()


def test_both_attempts_are_kept_and_the_last_one_counts(runtime: Runtime) -> None:
    run_with_retry()

    row = find("last")
    assert (row.iteration_count, row.quality_gate_failures) == (2, 1)
    assert row.gap_principles == ("META-12",)
    assert (row.quality_gate_passed, row.overall_quality_score) == (True, 2.4)
    assert row.trace_file_path is not None
    document = json.loads(Path(row.trace_file_path).read_bytes())
    synthesis = document["stages"]["synthesis"]
    assert [d["what"] for d in synthesis["decisions"]] == ["prompt 1", "prompt 2"]
    assert [d["attempt"] for d in synthesis["decisions"]] == [1, 2]
    assert [a["attempt"] for a in synthesis["attempts"]] == [1, 2]
    assert synthesis["duration_seconds"] == pytest.approx(sum(a["duration_seconds"] for a in synthesis["attempts"]))
    assert [i["quality_gate_result"] for i in document["iterations"]] == ["FAIL", "PASS"]
    assert (document["iteration_count"], document["quality_gate_failures"]) == (2, 1)


def test_both_spellings_of_a_result_are_understood_and_none_is_no_failure(runtime: Runtime) -> None:
    with TraceContext.start(project_name="cobot") as trace:
        trace.record_iteration({"passed": False})
        trace.record_iteration({"quality_gate_result": "fail"})
        trace.record_iteration({"iteration": 3})
        assert (trace.iteration_count, trace.quality_gate_failures) == (3, 2)
        trace.mark_complete()

    assert (find("last").iteration_count, find("last").quality_gate_failures) == (3, 2)
