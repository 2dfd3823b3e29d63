"""E5: the seed's usage block, five stages as in its example, and everything that must be there afterwards."""

import json
from pathlib import Path
from typing import Any

import pytest

from whence.query import find
from whence.runtime.runtime import Runtime
from whence.tracing import TraceContext, TraceQuery

BODY = "# Competitive landscape\n\nCobots grew 20 % [1].\n\n---\n\nSources\r\n[1] IFR 2025\n"

COLUMNS = [
    "id",
    "trace_id",
    "project_id",
    "query",
    "intent",
    "domain",
    "report_type",
    "research_type",
    "status",
    "quality_gate_passed",
    "overall_quality_score",
    "started_at",
    "completed_at",
    "duration_seconds",
    "intake_duration",
    "rubric_duration",
    "collection_duration",
    "synthesis_duration",
    "quality_gate_duration",
    "evidence_collected",
    "evidence_passed",
    "evidence_filtered",
    "synthesis_model",
    "synthesis_input_tokens",
    "synthesis_output_tokens",
    "synthesis_cost_usd",
    "principle_scores",
    "gap_principles",
    "strength_principles",
    "iteration_count",
    "quality_gate_failures",
    "trace_file_path",
    "report_file_path",
    "output_file_paths",
    "flagged_for_review",
    "review_notes",
    "created_at",
    "updated_at",
]


async def research(report: Path) -> None:
    """The pipeline of the seed's example JSON; components take the trace from the context."""
    async with TraceContext.start(
        project_id="4f7c9e0a-0000-4000-8000-000000000001",
        project_name="cobot",
        query="What is the competitive landscape for collaborative robots?",
        intent="validating",
        domain="robotics",
        report_type="market_research",
        research_type="competitive",
    ):
        # Inside any component:
        trace = TraceContext.current()
        assert trace is not None
        trace.start_stage("intake")
        trace.record(
            "intake",
            "classified_intent",
            {
                "what": "validating",
                "why": "User has existing hypothesis...",
                "confidence": 0.85,
                "alternatives_considered": ["exploring (0.10)"],
                "inputs": {"query_text": "..."},
            },
        )
        trace.end_stage(
            "intake", outputs={"research_brief": "…", "intent": "validating", "bias_flags": ["confirmation_bias"]}
        )
        trace.start_stage("rubric")
        trace.record(
            "rubric",
            "rubric_loaded",
            {"what": "21 principles (13 META + 8 MR)", "why": "report_type=market_research", "confidence": 1.0},
        )
        trace.end_stage("rubric", outputs={"total_principles": 21, "activated_count": 19, "deactivated_count": 2})
        # Record stage timing:
        trace.start_stage("collection")
        trace.record(
            "collection", "query_formulation", {"what": ["market share 2026", "cobot competition"], "confidence": 0.8}
        )
        trace.record_evidence(
            "collection",
            {
                "collected_count": 28,
                "by_source": {"exa": 22, "reddit": 6},
                "query_terms_used": ["market share 2026"],
                "filtered_out": [
                    {"url": "https://example.com/old", "reason": "published 2019", "scores": {"recency": 0.1}}
                ],
                "kept": [
                    {"url": "https://ifr.example/r", "title": "IFR", "scores": {"relevance": 0.95, "composite": 0.93}}
                ],
            },
        )
        trace.end_stage(
            "collection", outputs={"evidence_passed": 18, "evidence_filtered": 10, "quality_threshold_used": 0.5}
        )
        trace.start_stage("synthesis")
        trace.record("synthesis", "prompt_construction", {"what": "module synthesis prompt + rubric injection"})
        trace.record_prompts("synthesis", {"system_prompt": "You write reports. " * 100, "user_message": "Evidence: …"})
        trace.end_stage(
            "synthesis",
            outputs={
                "report_length_chars": 15200,
                "model": "claude-opus-4-6",
                "token_usage": {"input_tokens": 45000, "output_tokens": 3800, "total_tokens": 48800},
                "cost_usd": 0.32,
            },
        )
        trace.start_stage("quality_gate")
        trace.record("quality_gate", "quality_assessment", {"what": "PASS (overall: 2.4/3.0)", "confidence": 0.88})
        trace.end_stage(
            "quality_gate",
            outputs={
                "passed": True,
                "iteration": 1,
                "overall_score": 2.4,
                "threshold": 2.0,
                "principle_scores": [
                    {"id": "META-1", "name": "No Generics", "score": 3, "feedback": "specific"},
                    {"id": "META-12", "name": "Source Attribution", "score": 1, "feedback": "claims lack citations"},
                ],
            },
        )
        trace.set_outputs({"report_path": str(report), "evidence_paths": ["brain/e1.json"], "knowledge_paths": []})
        trace.mark_complete()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.md"
    path.write_bytes(BODY.encode())
    return path


async def test_the_document_has_every_key_of_the_format(runtime: Runtime, report: Path) -> None:
    await research(report)

    assert TraceContext.current() is None
    row = find("last")
    path = runtime.settings.documents / "projects" / "cobot" / "_traces" / f"{row.trace_id}.json"
    assert row.trace_file_path == str(path)
    document: dict[str, Any] = json.loads(path.read_bytes())
    top = "schema_version trace_id project_id project_name run stages iterations outputs child_traces metadata"
    assert set(document) >= {*top.split(), "iteration_count", "quality_gate_failures"}
    assert document["schema_version"] == 1
    run = (
        "query intent domain report_type research_type started_at completed_at duration_seconds status tracing_enabled"
    )
    assert set(document["run"]) >= set(run.split())
    assert document["run"]["status"] == "complete"
    assert document["run"]["tracing_enabled"] is True
    assert list(document["stages"]) == ["intake", "rubric", "collection", "synthesis", "quality_gate"]
    for stage in document["stages"].values():
        assert set(stage) >= {
            "started_at",
            "completed_at",
            "duration_seconds",
            "decisions",
            "outputs",
            "evidence",
            "prompts",
        }
        assert stage["duration_seconds"] >= 0
    decision = document["stages"]["intake"]["decisions"][0]
    assert set(decision) >= {"decision", "what", "why", "confidence", "alternatives_considered", "inputs", "timestamp"}
    evidence = document["stages"]["collection"]["evidence"]
    assert set(evidence) == {"collected_count", "by_source", "query_terms_used", "filtered_out", "kept"}
    synthesis = document["stages"]["synthesis"]
    assert synthesis["prompts"] == {"system_prompt": "You write reports. " * 100, "user_message": "Evidence: …"}
    assert (synthesis["model"], synthesis["cost_usd"]) == ("claude-opus-4-6", 0.32)
    assert synthesis["token_usage"]["total_tokens"] == 48800
    gate = document["stages"]["quality_gate"]
    assert [each["id"] for each in gate["gaps"]] == ["META-12"]
    assert [each["id"] for each in gate["strengths"]] == ["META-1"]
    assert (gate["overall_score"], gate["passing"], gate["threshold"]) == (2.4, True, 2.0)
    assert len(gate["principle_scores"]) == 2
    assert set(document["outputs"]) >= {"report_path", "evidence_paths", "knowledge_paths"}
    assert set(document["metadata"]) >= {"trace_version", "generator", "tracing_overhead_ms"}
    assert document["metadata"]["tracing_overhead_ms"] > 0


async def test_the_row_has_the_38_columns_filled(runtime: Runtime, report: Path) -> None:
    await research(report)

    row = find("last")
    assert len(COLUMNS) == 38
    values = {name: getattr(row, name) for name in COLUMNS}
    assert {name for name, value in values.items() if value is None} == {"review_notes"}
    assert (row.quality_gate_passed, row.overall_quality_score) == (True, 2.4)
    assert (row.evidence_collected, row.evidence_passed, row.evidence_filtered) == (28, 18, 10)
    assert (row.synthesis_input_tokens, row.synthesis_output_tokens, row.synthesis_cost_usd) == (45000, 3800, 0.32)
    assert row.principle_scores == {"META-1": 3, "META-12": 1}
    assert row.gap_principles == ("META-12",)
    assert row.output_file_paths == (str(report), "brain/e1.json")


async def test_the_report_is_linked_and_its_body_unchanged(runtime: Runtime, report: Path) -> None:
    await research(report)

    row = find("last")
    written = report.read_bytes()
    head, _, body = written.partition(b"---\n")[2].partition(b"---\n")
    assert written.startswith(b"---\n")
    assert head.decode().splitlines() == [
        f"trace_id: {row.trace_id}",
        f"generated_at: {row.completed_at}",
        "quality_score: 2.4",
        "quality_gate: passed",
    ]
    assert body == BODY.encode()


async def test_the_usage_block_of_the_query_api_runs_as_printed(runtime: Runtime, report: Path) -> None:
    await research(report)
    await research(report)

    # All validating intent runs
    traces = await TraceQuery.by_intent("validating")
    assert len(traces) == 2
    # Runs where a specific principle scored low
    traces = await TraceQuery.low_scoring_principle("META-12", threshold=2)
    assert len(traces) == 2
    # Quality gate failures
    assert await TraceQuery.quality_gate_failures() == []
    # Runs for a specific domain
    assert await TraceQuery.by_domain("edtech") == []
    # Compare two traces side by side
    comparison = await TraceQuery.compare(traces[0].trace_id, traces[1].trace_id)
    assert comparison["diff"]["quality_delta"] == 0
    assert comparison["diff"]["gaps_both"] == ["META-12"]
    assert await TraceQuery.compare("trc_abc", "trc_def") == {"error": "One or both trace IDs not found"}
    # Principle patterns across all runs
    patterns = await TraceQuery.principle_patterns(min_runs=2)
    assert patterns == [{"principle_id": "META-12", "fail_count": 2, "avg_score": 1.0, "total_runs": 2}]
    full = await TraceQuery.full_trace(traces[0].trace_id)
    assert full is not None
    assert full["trace_id"] == traces[0].trace_id
    summary = await TraceQuery.summary()
    assert (summary["total_runs"], summary["complete"], summary["qg_passed"], summary["avg_quality"]) == (2, 2, 2, 2.4)


async def test_start_without_a_block_is_finished_by_hand(runtime: Runtime) -> None:
    trace = TraceContext.start(project_name="cobot", query="q")
    trace.record("intake", "d", {"what": 1})

    result = await TraceContext.finish(trace)

    assert (result["trace_id"], result["status"], result["supabase"]) == (trace.trace_id, "incomplete", "saved")
    assert Path(result["file_path"]).is_file()
    assert TraceContext.current() is None
    assert await TraceContext.finish(TraceContext.start(enabled=False)) == {
        "saved": False,
        "reason": "tracing_disabled",
    }
