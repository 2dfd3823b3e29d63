"""E7: a principle that keeps failing is flagged, once it has failed three times in seven days."""

from pathlib import Path

from whence import query
from whence.runtime.runtime import Runtime
from whence.tracing import TraceContext, TraceQuery, check_calibration_flags

FLAG = "Principle META-12 has scored below threshold {n} times in the last 7 days. Consider reviewing calibration."


def scored_run(score: float = 1, *, passed: bool | None = None, intent: str = "validating") -> dict[str, object]:
    """A complete run that records nothing about its quality but principle scores."""
    trace = TraceContext.start(project_name="cobot", query="q", intent=intent, domain="robotics")
    trace.start_stage("quality_gate")
    outputs: dict[str, object] = {"principle_scores": [{"id": "META-12", "score": score}, {"id": "META-1", "score": 3}]}
    trace.end_stage(
        "quality_gate", outputs if passed is None else {**outputs, "passed": passed, "overall_score": score}
    )
    trace.mark_complete()
    return TraceContext.finish_sync(trace)


def test_the_third_failure_raises_the_flag(runtime: Runtime) -> None:
    results = [scored_run() for _ in range(4)]

    assert [r["calibration_flags"] for r in results] == [[], [], [FLAG.format(n=3)], [FLAG.format(n=4)]]
    assert [r["flagged_for_review"] for r in results] == [False, False, True, True]
    flagged = query.flagged_for_review()
    assert {row.trace_id for row in flagged} == {results[2]["trace_id"], results[3]["trace_id"]}
    assert query.find(str(results[2]["trace_id"])).review_notes == FLAG.format(n=3)
    alerts = Path(str(results[2]["file_path"])).parent.parent / "_calibration_alerts.md"
    assert FLAG.format(n=3) in alerts.read_text()


async def test_the_queries_return_what_was_recorded(runtime: Runtime) -> None:
    results = [scored_run() for _ in range(4)]
    ids = [str(r["trace_id"]) for r in reversed(results)]

    assert await TraceQuery.principle_patterns() == [
        {"principle_id": "META-12", "fail_count": 4, "avg_score": 1.0, "total_runs": 4}
    ]
    for found in (
        await TraceQuery.by_intent("validating"),
        await TraceQuery.by_domain("robotics"),
        await TraceQuery.by_project("cobot"),
        await TraceQuery.low_scoring_principle("META-12"),
    ):
        assert [row.trace_id for row in found] == ids
        assert found[0].gap_principles == ["META-12"]
        assert found[0].strength_principles == ["META-1"]
        assert found[0].project_name == "cobot"
    summary = await TraceQuery.summary()
    assert (summary["total_runs"], summary["complete"]) == (4, 4)
    assert await TraceQuery.compare("nope", ids[0]) == {"error": "One or both trace IDs not found"}
    comparison = await TraceQuery.compare(ids[0], ids[1])
    assert comparison["diff"]["gaps_both"] == ["META-12"]
    assert comparison["diff"]["cost_delta"] is None


async def test_scores_exactly_at_the_threshold_are_no_gap(runtime: Runtime) -> None:
    for _ in range(4):
        scored_run(2.0)

    assert await TraceQuery.flagged_for_review() == []
    assert await TraceQuery.low_scoring_principle("META-12") == []


def test_a_run_that_fails_after_one_that_passed_is_a_regression(runtime: Runtime) -> None:
    first = scored_run(2.5, passed=True)
    second = scored_run(2.2, passed=False)
    third = scored_run(2.1, passed=False)

    (flag,) = second["calibration_flags"]  # type: ignore[misc]
    assert f"the previous complete run {first['trace_id']} passed" in flag
    assert third["calibration_flags"] == []


def test_an_intent_far_below_the_average_is_flagged_with_enough_runs_not_counting_itself(runtime: Runtime) -> None:
    for _ in range(4):
        scored_run(3, passed=True, intent="exploring")
    low = [scored_run(2.0, passed=True, intent="validating") for _ in range(5)]

    flags = [r["calibration_flags"] for r in low]
    assert flags[:3] == [[], [], []]
    assert "intent validating average 2.00" in str(flags[3])


async def test_flags_can_be_asked_for_again(runtime: Runtime) -> None:
    for _ in range(3):
        trace = TraceContext.start(project_name="cobot")
        trace.start_stage("quality_gate")
        trace.end_stage("quality_gate", {"principle_scores": {"META-12": 0.5}})
        trace.mark_complete()
        await TraceContext.finish(trace)

    assert await check_calibration_flags(trace) == [FLAG.format(n=3)]
