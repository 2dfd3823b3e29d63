"""The code of the debug system's page runs as printed; of `core.…` only the import path changes."""

import re
import textwrap
from typing import Any

import pytest

from whence.debug import DebugCache, DebugEvent, get_debug_cache
from whence.runtime.runtime import Runtime

COLLECTOR = """
from core.debug_collector import get_debug_collector

collector = get_debug_collector()

# Collect event
await collector.collect_event(
    event_type="log",
    component_type="agent",
    component_id="agent-123",
    correlation_id="corr-456",
    level="INFO",
    message="Agent started"
)

# Collect state snapshot
await collector.collect_state_snapshot(
    component_type="agent",
    component_id="agent-123",
    operation_id="op-456",
    state_data={"status": "running", "progress": 0.5}
)
"""
STORAGE = """
from core.debug_storage import HybridDebugStorage

storage = HybridDebugStorage(db_session, redis_client)

# Store event
await storage.store_event(event)

# Retrieve event (checks hot, then warm, then cold)
event = await storage.get_event(event_id)

# Query events
events = await storage.query_events(
    component_type="agent",
    component_id="agent-123",
    time_range="last_1h"
)
"""
ENGINE = """
from core.debug_insight_engine import DebugInsightEngine

engine = DebugInsightEngine(db_session)

# Generate insights from events
insights = await engine.generate_insights_from_events(
    correlation_id="corr-456",
    component_type="agent"
)

# Analyze state consistency
consistency_insight = await engine.analyze_state_consistency(
    operation_id="op-789",
    component_ids=["node-1", "node-2", "node-3"]
)
"""
CACHE = """
from core.debug_cache import get_debug_cache

cache = get_debug_cache()

# Cache insight
cache.set_insight(insight_id, insight_data)

# Retrieve insight
insight = cache.get_insight(insight_id)

# Cache component state
cache.set_component_state("agent", "agent-123", state_data)
"""
QUERY = """
from core.debug_query import DebugQuery

query = DebugQuery(db_session)

# Component health
health = await query.get_component_health("agent", "agent-123", time_range="1h")
# Returns: {status: "healthy", score: 85, insights: [...]}

# Operation progress
progress = await query.get_operation_progress("op-456")
# Returns: {progress: 0.65, status: "in_progress"}

# Error explanation
error = await query.explain_error("err-789")
# Returns: {root_cause: "...", suggestions: [...]}

# Compare components
comparison = await query.compare_components([
    {"type": "agent", "id": "agent-123"},
    {"type": "agent", "id": "agent-456"}
])
"""


async def printed(code: str, **names: Any) -> dict[str, Any]:
    """Run code of the page with these names, as the body of a coroutine; returns the names it leaves."""
    body = re.sub(r"from core\.\w+ import", "from whence.debug import", code) + "\nreturn dict(locals())"
    space: dict[str, Any] = {}
    exec(f"async def page({', '.join(names)}):\n" + textwrap.indent(body, "    "), space)
    left: dict[str, Any] = await space["page"](**names)
    return left


async def test_collector(runtime: Runtime) -> None:
    """R4.15, R4.16."""
    await printed(COLLECTOR)

    store = runtime.ready_store()
    assert {store.trace(name).records for name in ("corr-456", "op-456")} == {2}  # type: ignore[union-attr]


async def test_storage(runtime: Runtime) -> None:
    """R4.17."""
    event = DebugEvent(
        id="evt-1", component_type="agent", component_id="agent-123", correlation_id="corr-456", message="m"
    )

    left = await printed(STORAGE, db_session=None, redis_client=object(), event=event, event_id="evt-1")

    assert left["event"].message == "m"
    assert left["events"] == [left["event"]]


async def test_engine(runtime: Runtime) -> None:
    """R4.20, R4.21. Nothing is wrong, and of op-789 nothing is known."""
    await printed(COLLECTOR)

    left = await printed(ENGINE, db_session=object())

    assert left["insights"] == []
    assert left["consistency_insight"].title.startswith("State unknown")


async def test_cache() -> None:
    """R4.22."""
    data = {"title": "slow"}

    left = await printed(CACHE, insight_id="i-1", insight_data=data, state_data={"status": "running"})

    assert isinstance(left["cache"], DebugCache)
    assert left["insight"] is data
    assert get_debug_cache().get_component_state("agent", "agent-123") == {"status": "running"}
    get_debug_cache().clear()


async def test_query(runtime: Runtime) -> None:
    """R4.23 to R4.26, with the keys that the page names."""
    await printed(COLLECTOR)

    left = await printed(QUERY, db_session=None)

    assert (left["health"]["status"], left["health"]["score"], left["health"]["insights"]) == ("healthy", 100.0, [])
    assert (left["progress"]["progress"], left["progress"]["status"]) == (0.5, "in_progress")
    assert left["error"]["found"] is False
    assert {"root_cause", "suggestions"} <= set(left["error"])
    assert [each["component"] for each in left["comparison"]["components"]] == ["agent/agent-123", "agent/agent-456"]


async def test_asking(runtime: Runtime) -> None:
    """R4.27: filled in by `whence.assist`."""
    left = await printed('result = await query.ask("Why is workflow-789 failing?")', query=_query())

    assert {"answer", "confidence", "evidence"} <= set(left["result"])


def _query() -> Any:
    from whence.debug import DebugQuery

    return DebugQuery()


@pytest.fixture(autouse=True)
def own_collector() -> None:
    """Forget what the collector of another test said."""
    from whence.debug import collector

    collector._made.clear()
