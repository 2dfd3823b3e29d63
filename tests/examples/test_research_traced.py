"""The research example through the real `whence`, each run in a process of its own, as a user would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.research.pipeline import STAGES
from examples.research.questions import DEMO_QUESTIONS

ROOT = Path(__file__).parents[2]
DECISIONS = {
    "intake": {"classified_intent", "bias_classification", "guessed_domain"},
    "rubric": {"rubric_loaded", "intent_activation"},
    "collection": {"source_selection", "query_formulation", "evidence_filter"},
    "synthesis": {"prompt_construction", "statement_selection", "model_selection"},
    "quality_gate": {"quality_assessment"},
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the example's command line with everything it writes kept below `tmp_path`."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WHENCE_")}
    inherited = [os.path.abspath(entry) for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    path = os.pathsep.join([str(ROOT), *inherited])
    data = tmp_path / "data"
    data.mkdir()
    (data / "whence.toml").write_text("drain_budget_s = 20.0\n", encoding="utf-8")  # a busy machine is no failure
    home = {"HOME": str(tmp_path), "WHENCE_DATA": str(data), "PYTHONPATH": path}

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "examples.research", *arguments, "--out", str(tmp_path / "reports")],
            cwd=tmp_path,
            env=environment | home,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return start


def document(below: Path) -> dict[str, Any]:
    """Return the one trace document that was written."""
    (path,) = below.glob("**/_traces/*.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_a_run_leaves_a_document_of_every_decision(run: Run, tmp_path: Path) -> None:
    """Every stage is there with its decisions, and each decision says what, why, how sure and from what."""
    finished = run(DEMO_QUESTIONS["passes"].question)
    trace = document(tmp_path)

    assert finished.returncode == 0, finished.stderr
    assert trace["run"]["status"] == "complete"
    assert trace["run"]["intent"] == "executing"
    assert set(STAGES) <= set(trace["stages"])
    for stage, names in DECISIONS.items():
        decisions = trace["stages"][stage]["decisions"]
        assert names <= {decision["decision"] for decision in decisions}
        for decision in decisions:
            assert decision["what"]
            assert decision["why"]
            assert 0.0 <= decision["confidence"] <= 1.0
            assert decision["inputs"]
    evidence = trace["stages"]["collection"]["evidence"]
    assert evidence["collected_count"] == len(evidence["kept"]) + len(evidence["filtered_out"])
    report = Path(trace["outputs"]["report_path"]).read_text(encoding="utf-8")
    assert f"trace_id: {trace['trace_id']}" in report.partition("\n---\n")[0]


def test_a_loaded_question_is_sent_back_once(run: Run, tmp_path: Path) -> None:
    """Both attempts are kept: the gap, the change that was made for it, and what came of it."""
    run(DEMO_QUESTIONS["retries"].question)
    trace = document(tmp_path)
    first, second = trace["iterations"]

    assert trace["quality_gate_failures"] == 1
    assert (first["quality_gate_result"], second["quality_gate_result"]) == ("FAIL", "PASS")
    assert "META-5" in first["gaps"]
    assert "META-5" not in second["gaps"]
    assert "counter-evidence for META-5" in second["changes_from_previous"]
    gate = trace["stages"]["quality_gate"]["decisions"]
    assert [d["decision"] for d in gate] == ["quality_assessment", "retry_strategy", "quality_assessment"]


def test_an_exception_is_the_traces_failure_and_still_the_callers(run: Run, tmp_path: Path) -> None:
    finished = run(DEMO_QUESTIONS["passes"].question, "--fail-in", "synthesis")
    trace = document(tmp_path)

    assert finished.returncode == 1
    assert "InjectedFailure: synthesis was asked to fail" in finished.stderr
    assert trace["run"]["status"] == "failed"
    assert trace["stages"]["synthesis"]["error"]


def test_a_killed_run_has_left_what_it_decided_until_then(run: Run, tmp_path: Path) -> None:
    finished = run(DEMO_QUESTIONS["killed"].question, "--kill-in", "collection")
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert finished.returncode == -9
    assert b"evidence_filter" in written
    assert b"prompt_construction" not in written


def test_without_tracing_the_result_is_the_same(run: Run, tmp_path: Path) -> None:
    traced = run(DEMO_QUESTIONS["passes"].question)
    untraced = run(DEMO_QUESTIONS["passes"].question, "--no-trace")

    with_trace, without = (
        [line for line in process.stdout.splitlines() if "attempt" in line or "gap" in line]
        for process in (traced, untraced)
    )
    assert with_trace == without
    assert len(list(tmp_path.glob("**/_traces/*.json"))) == 1
