"""The insight engine: runs are diagnosed, the same insights are never stored twice, and states are compared with types."""

from typing import Any

import pytest

from tests.debug.conftest import Rows, Stored
from whence.debug import DebugCollector, DebugInsightEngine, DebugQuery
from whence.errors import BadInput, NotFound
from whence.runtime.runtime import Runtime


@pytest.fixture
def engine(runtime: Runtime) -> DebugInsightEngine:
    """An engine over this test's store."""
    return DebugInsightEngine()


async def test_insights_of_a_correlation_are_the_same_however_often_they_are_generated(
    collector: DebugCollector, engine: DebugInsightEngine, stored: Stored
) -> None:
    """C4.19: two rows, then four, in the original."""
    cause = await collector.collect_event("log", "database", "db-1", "corr-456", "WARNING", "pool exhausted")
    for _ in range(3):
        await collector.collect_event("log", "agent", "a", "corr-456", "ERROR", "DB timeout", parent_event_id=cause)

    first = await engine.generate_insights_from_events(correlation_id="corr-456", component_type="agent")
    said = len(stored(kinds=("finding",)))
    again = await engine.generate_insights_from_events(correlation_id="corr-456", component_type="agent")

    assert first
    assert [each.id for each in first] == [each.id for each in again]
    assert len(stored(kinds=("finding",))) == said
    assert all(any(one["type"] == "agent" for one in each.affected_components) for each in first)
    assert all(each.source_event_id == each.evidence[0] for each in first if each.evidence)
    assert any(each.source_event_id for each in first)


async def test_one_error_without_a_message_hides_no_other(
    collector: DebugCollector, engine: DebugInsightEngine
) -> None:
    """C4.17: it removed all error insights."""
    await collector.collect_event("error", "agent", "a", "c", "ERROR", None)
    await collector.collect_event("error", "agent", "b", "c", "ERROR", "DB timeout")

    found = await engine.generate_insights_from_events("c")

    assert {one["id"] for each in found for one in each.affected_components} >= {"a", "b"}


async def test_without_a_correlation_the_newest_runs_are_diagnosed(
    collector: DebugCollector, engine: DebugInsightEngine
) -> None:
    for n in range(3):
        await collector.collect_event("log", "agent", f"a-{n}", f"c-{n}", "ERROR", "boom")

    found = await engine.generate_insights_from_events(component_type="agent", time_range="last_1h")
    one = await engine.generate_insights_from_events(component_id="a-1")

    assert {each["id"] for insight in found for each in insight.affected_components} == {"a-0", "a-1", "a-2"}
    assert one
    assert {each["id"] for insight in one for each in insight.affected_components} == {"a-1"}


async def test_nothing_wrong_gives_no_insight(collector: DebugCollector, engine: DebugInsightEngine) -> None:
    for n in range(5):
        await collector.collect_event("log", "agent", "a", "c", "INFO", f"step {n}")

    assert await engine.generate_insights_from_events("c") == []


async def test_unsure_insights_are_left_out(
    collector: DebugCollector, engine: DebugInsightEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DEBUG_INSIGHT_CONFIDENCE_THRESHOLD. What nobody has measured is not less sure."""
    from tests.builders import encoded
    from whence.model.finding import Finding
    from whence.runtime.runtime import runtime

    await collector.collect_event("log", "agent", "a", "c", "INFO", "m")
    row = runtime().ready_store().trace("c")
    assert row is not None
    told = Finding(
        code="P01-01", title="perhaps", fingerprint="f", components=("agent/a",), confidence=0.6, basis="statistical"
    )
    runtime().store().accept([encoded(1, "finding", told, trace=row.id, project="unknown", component="whence.tests")])

    assert await engine.generate_insights_from_events("c") == []
    monkeypatch.setenv("DEBUG_INSIGHT_CONFIDENCE_THRESHOLD", "0.5")
    assert [each.title for each in await engine.generate_insights_from_events("c")] == ["perhaps"]
    assert [each.title for each in await DebugQuery().get_insights("agent", "a")] == ["perhaps"]
    monkeypatch.setenv("DEBUG_INSIGHT_CONFIDENCE_THRESHOLD", "70 %")
    with pytest.raises(BadInput, match="DEBUG_INSIGHT_CONFIDENCE_THRESHOLD"):
        await engine.generate_insights_from_events("c")


async def test_an_unknown_correlation_or_time_is_an_error_that_says_what_to_do(engine: DebugInsightEngine) -> None:
    with pytest.raises(NotFound, match="whence traces"):
        await engine.generate_insights_from_events("nobody")
    with pytest.raises(BadInput, match="accepted"):
        await engine.generate_insights_from_events(time_range="forever")


async def test_the_view_has_the_columns_and_values_of_the_model(
    collector: DebugCollector, engine: DebugInsightEngine, sql: Rows
) -> None:
    """C4.28: model and projection are one."""
    await collector.collect_event("log", "agent", "a", "c", "CRITICAL", "DB timeout")
    (insight, *_) = await engine.generate_insights_from_events("c")

    rows = {row["id"]: row for row in sql("SELECT * FROM debug_insights")}

    row = rows[insight.id]
    assert set(row) == set(insight.__struct_fields__) - {"code", "problem_id"}
    for field in (
        "insight_type",
        "severity",
        "title",
        "summary",
        "scope",
        "source_event_id",
        "generated_at",
        "confidence_score",
    ):
        assert row[field] == getattr(insight, field), field


# -- states --------------------------------------------------------------------------------------------------------------------


async def _nodes(collector: DebugCollector, states: dict[str, Any]) -> None:
    for node, state in states.items():
        await collector.collect_state_snapshot("agent", node, "op-1", state)


async def test_equal_states_are_consistent(collector: DebugCollector, engine: DebugInsightEngine) -> None:
    await _nodes(collector, {f"node-{n}": {"x": 1, "deep": {"y": [1, 2]}} for n in range(3)})

    insight = await engine.analyze_state_consistency("op-1", ["node-0", "node-1", "node-2"], "agent")

    assert insight.title.startswith("State consistent")
    assert (insight.severity, insight.insight_type, insight.confidence_score) == ("info", "consistency", 1.0)
    assert len(insight.evidence) == 3


async def test_the_last_state_of_each_node_counts(collector: DebugCollector, engine: DebugInsightEngine) -> None:
    await _nodes(collector, {"a": {"x": 1}, "b": {"x": 2}})
    await _nodes(collector, {"a": {"x": 2}})

    assert (await engine.analyze_state_consistency("op-1")).title.startswith("State consistent")


async def test_what_is_inconsistent_is_stored_once_and_can_be_resolved(
    collector: DebugCollector, engine: DebugInsightEngine, stored: Stored
) -> None:
    await _nodes(collector, {"a": {"x": 1}, "b": {"x": 2}})

    first = await engine.analyze_state_consistency("op-1", ["a", "b"], "agent")
    again = await engine.analyze_state_consistency("op-1", ["a", "b"], "agent")

    assert first.id == again.id
    assert len(stored(kinds=("finding",))) == 1
    assert (await DebugQuery().resolve_insight(first.id, "restarted b")).resolved
    assert (await engine.analyze_state_consistency("op-1", ["a", "b"], "agent")).resolution_notes == "restarted b"


async def test_other_components_and_other_operations_do_not_count(
    collector: DebugCollector, engine: DebugInsightEngine
) -> None:
    await _nodes(collector, {"a": {"x": 1}, "b": {"x": 1}, "c": {"x": 9}})
    await collector.collect_state_snapshot("agent", "b", "op-2", {"x": 5})
    await collector.collect_state_snapshot("browser", "a", "op-1", {"x": 7})
    await collector.collect_state_snapshot("agent", "a", "op-1", {"part": 1}, snapshot_type="partial")

    assert (await engine.analyze_state_consistency("op-1", ["a", "b"], "agent")).title.startswith("State consistent")


async def test_of_no_snapshot_nothing_is_known(engine: DebugInsightEngine) -> None:
    insight = await engine.analyze_state_consistency("op-unseen", ["a", "b"], "agent")

    assert insight.title.startswith("State unknown")
    assert (insight.severity, insight.confidence_score) == ("warning", 0.0)
    assert "agent/a, agent/b" in insight.summary
    assert insight.suggestions


async def test_hostile_states_are_compared_all_the_same(collector: DebugCollector, engine: DebugInsightEngine) -> None:
    hostile: list[Any] = [{"self": 1, "\x00": [None]}, [], "text", None, {"a": {"b": {}}}, 10**300]
    await _nodes(collector, {f"n-{n}": state for n, state in enumerate(hostile)})

    insight = await engine.analyze_state_consistency("op-1", component_type="agent")

    assert not insight.title.startswith("State consistent")
    assert 0.0 <= (insight.confidence_score or 0.0) <= 1.0
    assert insight.suggestions


@pytest.mark.parametrize("operation", ["", None, 7])
async def test_no_operation_is_an_error(engine: DebugInsightEngine, operation: Any) -> None:
    with pytest.raises(BadInput, match="operation id"):
        await engine.analyze_state_consistency(operation, ["a"])
