"""Questions: with `await` and without, over an empty store, a foreign session, a directory, and no store at all."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.debug.conftest import Rows
from whence.debug import DebugCollector, DebugQuery
from whence.debug.models import DebugEvent
from whence.errors import BadInput, NotFound, StoreUnreachable
from whence.record import notice
from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime


@pytest.fixture
def query(runtime: Runtime) -> DebugQuery:
    """Questions to this test's store."""
    return DebugQuery()


async def test_an_empty_store_answers_everything(query: DebugQuery) -> None:
    assert (await query.get_component_health("agent", "agent-123", time_range="1h"))["status"] == "unknown"
    assert (await query.get_operation_progress("op-456"))["status"] == "not_found"
    assert (await query.explain_error("err-789"))["found"] is False
    compared = await query.compare_components(
        [{"type": "agent", "id": "agent-123"}, {"type": "agent", "id": "agent-456"}]
    )
    assert [each["status"] for each in compared["components"]] == ["unknown", "unknown"]
    assert await query.get_insights() == []
    assert await query.get_insight("nobody") is None


async def test_errors_of_another_process_count_at_once(query: DebugQuery, run: Any) -> None:
    """C4.22: in the original health was kept for five minutes, and new errors were invisible."""
    code = """
        from whence.debug import get_debug_collector
        get_debug_collector().record_event("log", "agent", "a", "c", "{level}", "m")
    """
    run(code.replace("{level}", "INFO"))
    assert (await query.get_component_health("agent", "a"))["score"] == 100.0
    run(code.replace("{level}", "ERROR"))

    assert (await query.get_component_health("agent", "a"))["score"] == 50.0


async def test_insights_are_filtered(collector: DebugCollector, query: DebugQuery) -> None:
    for name, level in (("a", "ERROR"), ("b", "CRITICAL")):
        await collector.collect_event("log", "agent", name, f"corr-{name}", level, "DB timeout")
        await query.get_component_health("agent", name)

    assert {each.affected_components[0]["id"] for each in await query.get_insights()} == {"a", "b"}
    (only,) = {each.affected_components[0]["id"] for each in await query.get_insights(correlation_id="corr-a")}
    assert only == "a"
    assert await query.get_insights("agent", "b")
    assert await query.get_insights(component_type="browser") == []
    assert await query.get_insights(insight_type="flow", component_id="a") == []
    assert await query.get_insights(correlation_id="nobody") == []
    assert len(await query.get_insights(limit=1)) == 1
    listed = await query.get_insights()
    assert {each.severity for each in listed} <= {"warning", "critical"}
    assert await query.get_insight(listed[0].id) == listed[0]


async def test_a_resolved_insight_is_listed_as_such(collector: DebugCollector, query: DebugQuery) -> None:
    await collector.collect_event("log", "agent", "a", "c", "ERROR", "DB timeout")
    insight_id = (await query.get_component_health("agent", "a"))["insights"][0]["id"]

    done = await query.resolve_insight(insight_id, "larger pool", "kim")

    assert (done.id, done.resolved, done.resolution_notes) == (insight_id, True, "larger pool")
    assert [each.id for each in await query.get_insights(resolved=True)] == [insight_id]
    assert insight_id not in [each.id for each in await query.get_insights(resolved=False)]
    health = await query.get_component_health("agent", "a")
    assert health["insights"][-1]["id"] == insight_id  # it is still what the errors in this hour are
    with pytest.raises(NotFound):
        await query.resolve_insight("nobody")


async def test_an_event_is_explained_by_the_id_its_caller_chose(collector: DebugCollector, query: DebugQuery) -> None:
    await collector.collect_event("log", "db", "db-1", "c", "WARNING", "pool exhausted", event_id="evt-0")
    await collector.collect_event(
        "log", "agent", "a", "c", "ERROR", "DB timeout", event_id="err-789", parent_event_id="evt-0"
    )

    said = await query.explain_error("err-789")

    assert (said["found"], said["error_id"], said["root_cause"]) == (True, "err-789", "db/db-1: pool exhausted")


@pytest.mark.parametrize(
    "asked",
    [
        lambda query: query.get_component_health("agent", "a", "24"),
        lambda query: query.get_component_health("agent", ""),
        lambda query: query.get_insights(severity="bad"),
        lambda query: query.get_insights(limit=0),
        lambda query: query.get_insights(time_range="soon"),
        lambda query: query.compare_components([]),
    ],
)
async def test_what_cannot_be_answered_is_refused(query: DebugQuery, asked: Any) -> None:
    with pytest.raises(BadInput, match=r"accepted|give"):
        await asked(query)


def test_code_without_an_event_loop_asks_the_same(collector: DebugCollector, query: DebugQuery) -> None:
    collector.record_event("log", "agent", "a", "c", "ERROR", "boom")

    assert query.sync.get_component_health("agent", "a")["score"] == 0.0


async def test_a_project_may_be_asked_alone(runtime: Runtime) -> None:
    DebugCollector("one").record_event("log", "agent", "a", "c", "ERROR", "boom")
    DebugCollector("two").record_event("log", "agent", "a", "c", "INFO", "fine")

    assert (await DebugQuery(project="one").get_component_health("agent", "a"))["score"] == 0.0
    assert (await DebugQuery(project="two").get_component_health("agent", "a"))["score"] == 100.0
    assert (await DebugQuery().get_component_health("agent", "a"))["score"] == 50.0


async def test_a_store_that_cannot_be_reached_says_so(runtime: Runtime) -> None:
    runtime.settings.database.mkdir(parents=True)

    with pytest.raises(StoreUnreachable, match="folder"):
        await DebugQuery().get_component_health("agent", "a")


async def test_a_session_of_a_database_is_taken_and_not_needed(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    notice._last = -notice.EVERY_S
    with caplog.at_level(logging.WARNING, "whence"):
        query = DebugQuery(object())

    assert "keeps its own store" in caplog.text
    assert (await query.get_component_health("agent", "a"))["status"] == "unknown"


async def test_a_path_is_a_data_directory(runtime: Runtime, tmp_path: Path) -> None:
    query = DebugQuery(tmp_path / "elsewhere")
    try:
        DebugCollector().record_event("log", "agent", "a", "c", "ERROR", "boom")
        assert (await query.get_component_health("agent", "a"))["score"] == 0.0
        assert (tmp_path / "elsewhere" / "whence.db").exists()
        assert not runtime.settings.database.exists()
    finally:
        built = runtime_module.peek()
        assert built is not None
        built.close()


async def test_generation_on_the_spot_can_be_switched_off(
    collector: DebugCollector, query: DebugQuery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG_INSIGHT_AUTO_GENERATE", "false")
    await collector.collect_event("log", "agent", "a", "c", "ERROR", "boom")

    assert (await query.get_component_health("agent", "a"))["insights"] == []


async def test_plain_language_can_be_switched_off(query: DebugQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG_AI_QUERY_ENABLED", "false")

    said = await query.ask("Why is workflow-789 failing?")

    assert (said["enabled"], said["evidence"]) == (False, [])
    assert "switched off" in said["answer"]


async def test_views_have_the_columns_and_values_of_the_models(collector: DebugCollector, sql: Rows) -> None:
    """C4.28: model and projection are one, for events, states and numbers."""
    from whence.debug.models import DebugMetric, DebugStateSnapshot

    event_id = await collector.collect_event(
        "log", "agent", "a/b", "c", "WARNING", "m", data={"x": 1}, metadata={"y": 2}, parent_event_id="ab" * 16
    )
    await collector.collect_state_snapshot("agent", "a", "op", {"x": 1}, "checkpoint")
    await collector.collect_metric("m", "agent", "a", 1.5, "ms", {"k": "v"}, "c")

    (row,) = sql("SELECT * FROM debug_events")
    event = await collector.get_event(str(event_id))
    assert isinstance(event, DebugEvent)
    assert set(row) == set(DebugEvent.__struct_fields__)
    for field in (
        "id",
        "event_type",
        "component_type",
        "component_id",
        "correlation_id",
        "parent_event_id",
        "level",
        "message",
        "timestamp",
    ):
        assert row[field] == getattr(event, field), field
    assert (event.data, event.event_metadata) == ({"x": 1}, {"y": 2})
    (row,) = sql("SELECT * FROM debug_state_snapshots")
    assert set(row) == set(DebugStateSnapshot.__struct_fields__)
    assert (row["operation_id"], row["checkpoint_name"], row["snapshot_type"]) == ("op", "checkpoint", "full")
    (row,) = sql("SELECT * FROM debug_metrics")
    assert set(row) == set(DebugMetric.__struct_fields__)
