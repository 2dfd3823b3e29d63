"""What a verbose run prints, and the summary beside its document."""

from pathlib import Path

import pytest

from whence import tracing
from whence.runtime.runtime import Runtime
from whence.runtime.scorecard import scorecard, summary_markdown, write_summary


def _run(verbose: bool = False) -> tracing.Trace:
    with tracing.traced_research(query="a | <b>*?", project_name="shop", verbose=verbose) as trace:
        trace.start_stage("collection")
        trace.record("collection", "source", {"what": "x|y", "why": "<script>", "confidence": 0.5})
        trace.record_evidence("collection", {"collected_count": 40})
        trace.end_stage("collection", {"evidence_passed": 6})
        trace.start_stage("quality_gate")
        scores = [{"id": "META-1", "score": 1, "feedback": "thin"}]
        trace.end_stage("quality_gate", {"principle_scores": scores, "overall_score": 1.0, "passed": False})
        trace.record_iteration({"passed": False})
    return trace


def test_a_verbose_run_prints_its_scorecard(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    """Quality, time, cost, evidence, gaps, trace id."""
    trace = _run(verbose=True)
    shown = capsys.readouterr().out

    for expected in ("whence: complete", "1.00/3.0 FAIL", "40 collected → 6 passed", "META-1", trace.trace_id):
        assert expected in shown
    assert shown.strip() == scorecard(runtime.view(trace.otel_trace_id))


def test_the_summary_is_markdown_that_stored_text_cannot_write(runtime: Runtime, tmp_path: Path) -> None:
    """Every part of D1 is there; pipes, tags and stars are escaped."""
    view = runtime.view(_run().otel_trace_id)
    page = summary_markdown(view)

    for expected in (
        "## Quality gate",
        "## Evidence",
        "## Stages",
        "## Decisions",
        "## Rounds",
        r"x\|y",
        r"\<script\>",
    ):
        assert expected in page
    path = write_summary(view)
    assert path is not None
    assert path.parent == Path(view.document_path or "").parent
    assert path.name == f"{view.trace_id}_summary.md"
    assert write_summary(view, tmp_path / "nowhere") is None
