"""The embedded form of the hybrid storage: memory, then the store; queries over both are one."""

import asyncio
from typing import Any

import pytest

from tests.debug.conftest import Stored
from whence.debug import DebugCollector, DebugEvent, HybridDebugStorage
from whence.errors import BadInput
from whence.runtime.runtime import Runtime

SECRET = "sk-proj-" + "A1b2C3d4" * 6


@pytest.fixture
def storage(runtime: Runtime) -> HybridDebugStorage:
    """A storage over this test's store."""
    return HybridDebugStorage(None, None)


async def test_the_example_of_the_design(storage: HybridDebugStorage) -> None:
    event = DebugEvent(
        id="evt-1", component_type="agent", component_id="agent-123", correlation_id="c", level="ERROR", message="m"
    )

    event_id = await storage.store_event(event)
    found = await storage.get_event("evt-1")
    events = await storage.query_events(component_type="agent", component_id="agent-123", time_range="last_1h")

    assert found is not None
    assert (found.id, found.message, found.level, found.correlation_id) == (event_id, "m", "ERROR", "c")
    assert events == [found]


async def test_what_was_read_once_is_hot(storage: HybridDebugStorage, runtime: Runtime) -> None:
    """It is answered without the store, which may be gone."""
    event_id = str(await storage.store_event({"message": "m", "component_id": "a", "correlation_id": "c"}))
    first = await storage.get_event(event_id)
    runtime.close()
    runtime.settings.database.rename(runtime.settings.database.with_suffix(".gone"))

    assert await storage.get_event(event_id) is first


async def test_hot_events_are_as_masked_as_stored_ones(storage: HybridDebugStorage) -> None:
    event_id = str(await storage.store_event({"message": f"key {SECRET}", "correlation_id": "c"}))

    for _ in range(2):
        event = await storage.get_event(event_id)
        assert event is not None
        assert "A1b2" not in event.message


async def test_hot_is_bounded_in_number_and_time(runtime: Runtime) -> None:
    now = [0.0]
    storage = HybridDebugStorage(hot_events=3, hot_ttl_s=60, monotonic=lambda: now[0])
    ids = [str(await storage.store_event({"message": str(n), "correlation_id": "c"})) for n in range(6)]
    for each in ids:
        await storage.get_event(each)

    assert len(storage._hot) == 3
    now[0] = 61.0
    assert storage._look(ids[-1]) is None
    assert (await storage.get_event(ids[-1])).message == "5"  # type: ignore[union-attr]


async def test_events_are_found_by_what_they_are(collector: DebugCollector, storage: HybridDebugStorage) -> None:
    for who, level, kind in (
        ("a", "INFO", "log"),
        ("a", "ERROR", "log"),
        ("b", "CRITICAL", "error"),
        ("b", "WARNING", "log"),
    ):
        await collector.collect_event(kind, "agent", who, f"corr-{who}", level, f"{who} {level}")
    await collector.collect_event("log", "browser", "a", None, "ERROR", "browser")

    async def messages(**where: Any) -> list[str]:
        return [each.message for each in await storage.query_events(**where)]

    assert await messages() == ["browser", "b WARNING", "b CRITICAL", "a ERROR", "a INFO"]  # newest first
    assert await messages(component_type="agent", component_id="a") == ["a ERROR", "a INFO"]
    assert await messages(component_type="agent") == ["b WARNING", "b CRITICAL", "a ERROR", "a INFO"]
    assert await messages(component_type="agent", limit=2) == ["b WARNING", "b CRITICAL"]
    assert await messages(level="ERROR") == ["browser", "b CRITICAL", "a ERROR"]
    assert await messages(correlation_id="corr-b", level="error") == ["b CRITICAL"]
    assert await messages(event_type="error") == ["b CRITICAL"]
    assert await messages(correlation_id="nobody") == []
    assert await messages(time_range="2020-01-01/2020-01-02") == []


@pytest.mark.parametrize("where", [{"time_range": "1 hour"}, {"level": "loud"}, {"limit": 0}, {"limit": 5000}])
async def test_what_is_not_accepted_is_named_with_what_is(storage: HybridDebugStorage, where: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="accepted"):
        await storage.query_events(**where)


class Unreadable(dict[str, Any]):
    """An object that cannot be gone through."""

    def keys(self) -> Any:
        raise RuntimeError("no keys")

    def __iter__(self) -> Any:
        raise RuntimeError("nothing to go through")


@pytest.mark.parametrize("event", [None, 7, "text", object(), Unreadable(message="m")])
async def test_what_is_no_event_is_not_stored(storage: HybridDebugStorage, event: Any, stored: Stored) -> None:
    assert await storage.store_event(event) is None
    assert stored(kinds=("event",)) == []


@pytest.mark.parametrize("event", [{"component_id": {1: 2}}, {1: 2}])
async def test_an_event_of_odd_fields_is_stored(storage: HybridDebugStorage, event: Any, stored: Stored) -> None:
    assert await storage.store_event(event) is not None
    assert len(stored(kinds=("event",))) == 1


async def test_the_newest_state_of_a_component_is_that_of_the_operation(
    collector: DebugCollector, storage: HybridDebugStorage
) -> None:
    """The original took the operation and did not look at it (C4.15)."""
    for operation, saved in (("op-1", 1), ("op-1", 2), ("op-2", 3)):
        collector.record_state_snapshot("agent", "a", operation, {"saved": saved})

    found = await storage.get_state_snapshot("agent", "a", "op-1")
    newest = await storage.get_state_snapshot("agent", "a")

    assert found is not None
    assert newest is not None
    assert (found.state_data, found.operation_id, found.component_type) == ({"saved": 2}, "op-1", "agent")
    assert found.diff_from_previous == [{"op": "replace", "path": "/saved", "value": 2}]
    assert newest.state_data == {"saved": 3}
    assert await storage.get_state_snapshot("agent", "a", "op-9") is None
    assert await storage.get_state_snapshot("agent", "b") is None


async def test_many_at_once(storage: HybridDebugStorage) -> None:
    ids = await asyncio.gather(*(storage.store_event({"message": str(n), "correlation_id": "c"}) for n in range(50)))
    found = await asyncio.gather(*(storage.get_event(str(each)) for each in ids))

    assert [each.message for each in found if each is not None] == [str(n) for n in range(50)]
