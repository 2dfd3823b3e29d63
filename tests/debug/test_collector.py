"""Collecting: what the original design calls, whatever is passed, into the run that is meant."""

import asyncio
import logging
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

import whence
from tests.conftest import Run
from tests.debug.conftest import Rows, Stored, data
from whence.debug import DebugCollector, get_debug_cache, get_debug_collector
from whence.instrument import logging as whence_logging
from whence.measure.states import apply_patch
from whence.record.operation import operation_trace
from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings


async def test_the_example_of_the_design_is_one_record_of_one_run(collector: DebugCollector, stored: Stored) -> None:
    event_id = await collector.collect_event(
        event_type="log",
        component_type="agent",
        component_id="agent-123",
        correlation_id="corr-456",
        level="INFO",
        message="Agent started",
    )

    (event,) = stored(kinds=("event",))
    assert (event.record_id, event.name, event.component, event.level) == (event_id, "log", "agent/agent-123", 0)
    assert event.trace == operation_trace(event.project, "corr-456")
    assert data(event)["message"] == "Agent started"
    assert data(event)["attributes"]["log_level"] == "INFO"


def test_the_collector_is_there_before_anybody_made_one(runtime: Runtime) -> None:
    """C4.1: in the original it was None."""
    assert get_debug_collector() is get_debug_collector()


@pytest.mark.parametrize(
    ("level", "severity"),
    [("DEBUG", 0), ("info", 0), ("Warning", 2), ("ERROR", 3), ("CRITICAL", 4), (3, 3), ("loud", 0), (None, 0)],
)
def test_levels_are_severities(collector: DebugCollector, stored: Stored, level: Any, severity: int) -> None:
    """A level that is none is kept as it was given, and taken for info."""
    collector.record_event(level=level, message="m", correlation_id="c")

    (event,) = stored(kinds=("event",))
    assert event.level == severity
    if level == "loud":
        assert data(event)["attributes"]["given"] == {"level": level}


def test_a_parent_is_named_by_what_collect_event_returned(collector: DebugCollector, stored: Stored) -> None:
    first = collector.record_event(message="pool exhausted", correlation_id="c")
    collector.record_event(level="ERROR", message="DB timeout", correlation_id="c", parent_event_id=first)

    assert [each.parent for each in stored(kinds=("event",))] == ["", first]


def test_a_parent_is_named_by_the_id_its_caller_chose(collector: DebugCollector, stored: Stored, sql: Rows) -> None:
    first = collector.record_event(message="pool exhausted", correlation_id="c", event_id="evt-1")
    collector.record_event(level="ERROR", message="DB timeout", correlation_id="c", parent_event_id="evt-1")

    assert [each.parent for each in stored(kinds=("event",))] == ["", first]
    assert [row["parent_event_id"] for row in sql("SELECT * FROM debug_events ORDER BY timestamp")] == [None, "evt-1"]


async def test_an_event_of_a_chosen_id_is_stored_once(collector: DebugCollector, stored: Stored) -> None:
    """So that whoever sends it again, because the answer was lost, does not count twice."""
    first = await collector.collect_event(message="once", event_id="evt-1", correlation_id="c")
    again = await collector.collect_event(message="twice", event_id="evt-1", correlation_id="c")

    assert first == again
    assert [data(each)["message"] for each in stored(kinds=("event",))] == ["once"]
    assert (await collector.get_event("evt-1")).message == "once"  # type: ignore[union-attr]


def test_a_uuid_is_an_id_as_it_is(collector: DebugCollector) -> None:
    wanted = "0190A2B4-0000-7000-8000-0123456789AB"

    assert collector.record_event(event_id=wanted, correlation_id="c") == wanted.replace("-", "").lower()
    assert collector.read_event(wanted) is not None


async def test_an_event_is_found_at_once(collector: DebugCollector) -> None:
    """C4.9: POST, then GET by id, was a 404 for 100 ms."""
    event_id = await collector.collect_event(
        component_type="agent", component_id="a", correlation_id="c", level="ERROR", message="m", data={"n": 1}
    )

    event = await collector.get_event(str(event_id))

    assert event is not None
    assert (event.id, event.component_type, event.component_id) == (event_id, "agent", "a")
    assert (event.correlation_id, event.level, event.message, event.data) == ("c", "ERROR", "m", {"n": 1})
    assert event.timestamp.endswith("Z")


def test_where_the_store_cannot_be_reached_an_event_is_read_from_the_spool(runtime: Runtime) -> None:
    collector = DebugCollector()
    runtime.settings.database.mkdir(parents=True)  # a folder is no store

    event_id = collector.record_event(message="m", correlation_id="c", component_type="t", component_id="i")

    event = collector.read_event(str(event_id))
    assert event is not None
    assert (event.message, event.correlation_id) == ("m", "c")
    assert collector.close() == 0  # says so in the log, and everything stays in the spool


async def test_what_is_unknown_is_none(collector: DebugCollector) -> None:
    assert await collector.get_event("nobody") is None
    assert await collector.get_event("") is None


# -- which run is meant -


async def test_a_correlation_holds_for_what_is_collected_inside(collector: DebugCollector, stored: Stored) -> None:
    with collector.correlation("outer"):
        collector.record_event(event_type="first")
        async with collector.correlation("inner"):
            await collector.collect_event(event_type="second")
        collector.record_event(event_type="third", correlation_id="named")
        collector.record_event(event_type="fourth")
    collector.record_event(event_type="fifth")

    of = {operation_trace("unknown", name): name for name in ("outer", "inner", "named")}
    found = {each.name: of.get(each.trace, each.trace) for each in stored(kinds=("event",))}
    assert found == {"first": "outer", "second": "inner", "third": "named", "fourth": "outer", "fifth": ""}


async def test_tasks_have_correlations_of_their_own(collector: DebugCollector, stored: Stored) -> None:
    async def work(name: str) -> None:
        with collector.correlation(name):
            await asyncio.sleep(0)
            await collector.collect_event(event_type=name)

    await asyncio.gather(*(work(f"task-{n}") for n in range(5)))

    for each in stored(kinds=("event",)):
        assert each.trace == operation_trace("unknown", each.name)


def test_inside_a_trace_it_is_that_trace(collector: DebugCollector, stored: Stored) -> None:
    with whence.trace(project="shop") as trace, trace.stage("fetch"):
        collector.record_event(event_type="in", message="m")
        collector.record_event(event_type="same", correlation_id=trace.trace_id)
        collector.record_event(event_type="other", correlation_id="corr")

    found = {each.name: (each.trace, each.stage) for each in stored(kinds=("event",))}
    assert found["in"] == found["same"] == (trace.otel_trace_id, "fetch")
    assert found["other"][0] != trace.otel_trace_id


def test_five_processes_that_name_one_operation_share_one_run(run: Run, runtime: Runtime, stored: Stored) -> None:
    code = """
        from whence.debug import get_debug_collector
        get_debug_collector().record_event(component_type="agent", component_id="{n}", correlation_id="op-1", message="hello")
    """
    for n in range(5):
        run(code.replace("{n}", f"node-{n}"))

    events = stored(kinds=("event",))
    assert sorted(each.component for each in events) == [f"agent/node-{n}" for n in range(5)]
    assert len({each.trace for each in events}) == 1
    row = runtime.store().trace("op-1")
    assert row is not None
    assert row.status == "in_progress"  # nobody owns it: no process that ended has lost it


# -- states -------------


async def test_a_snapshot_says_what_has_changed(collector: DebugCollector, stored: Stored) -> None:
    states: list[Any] = [
        {"status": "running", "progress": 0.5, "items": [1, 2]},
        {"status": "running", "progress": 0.75, "items": [1, 2, 3]},
        {"status": "done", "items": [3]},
    ]
    for state in states:
        await collector.collect_state_snapshot("agent", "agent-123", "op-456", state, "checkpoint")

    found = [data(each) for each in stored(kinds=("snapshot",))]
    assert [each["state"] for each in found] == states
    assert [each.get("progress") for each in found] == [0.5, 0.75, None]
    assert "patch" not in found[0]
    for before, after in pairwise(found):
        assert apply_patch(before["state"], after["patch"]) == after["state"]


def test_changes_are_those_of_one_component_in_one_operation(collector: DebugCollector, stored: Stored) -> None:
    for component, operation in (("a", "op-1"), ("b", "op-1"), ("a", "op-2")):
        collector.record_state_snapshot("agent", component, operation, {"x": component})

    assert all("patch" not in data(each) for each in stored(kinds=("snapshot",)))


def test_the_host_may_change_its_state_afterwards(collector: DebugCollector, stored: Stored) -> None:
    state = {"n": 1}
    collector.record_state_snapshot("agent", "a", "op", state)
    state["n"] = 2
    collector.record_state_snapshot("agent", "a", "op", state)

    assert data(stored(kinds=("snapshot",))[1])["patch"] == [{"op": "replace", "path": "/n", "value": 2}]


def test_what_a_key_announces_as_secret_is_masked_in_the_difference_too(
    collector: DebugCollector, stored: Stored
) -> None:
    """There the key is the path, and stands apart from the value."""
    first = {"password": "before-1", "user": {"api_key": "before-2", "name": "kim"}, "a/token": "before-3"}
    then = {"password": "hunter-one", "user": {"api_key": "hunter-two", "name": "lee"}, "a/token": "hunter-3"}
    for state in (first, then):
        collector.record_state_snapshot("agent", "a", "op", state)

    record = stored(kinds=("snapshot",))[1]
    assert b"hunter" not in bytes(record.payload)
    changed = {each["path"]: each["value"] for each in data(record)["patch"]}
    assert changed == {
        "/password": "[REDACTED:key]",
        "/user/api_key": "[REDACTED:key]",
        "/user/name": "lee",
        "/a~1token": "[REDACTED:key]",
    }


def test_an_incremental_snapshot_changes_the_keys_that_it_has(collector: DebugCollector, stored: Stored) -> None:
    collector.record_state_snapshot("agent", "a", "op", {"x": 1, "y": 1})
    collector.record_state_snapshot("agent", "a", "op", {"y": 2}, snapshot_type="incremental")
    collector.record_state_snapshot("agent", "a", "op", {"x": 1, "y": 2, "z": 3})

    assert [data(each).get("patch") for each in stored(kinds=("snapshot",))] == [
        None,
        [{"op": "replace", "path": "/y", "value": 2}],
        [{"op": "add", "path": "/z", "value": 3}],
    ]


@pytest.mark.parametrize(
    ("state", "progress"),
    [
        ({"progress": 65}, 0.65),
        ({"progress": 0.65}, 0.65),
        ({"progress": 1}, 1.0),
        ({"progress": 100}, 1.0),
        ({"percent_complete": 1}, 0.01),
        ({"progress": 400}, 1.0),
        ({"progress": -1}, None),
        ({"progress": True}, None),
        ({"progress": "half"}, None),
        ({"progress": math.nan}, None),
        ([1, 2], None),
        (None, None),
    ],
)
def test_progress_is_a_fraction(collector: DebugCollector, stored: Stored, state: Any, progress: float | None) -> None:
    collector.record_state_snapshot("agent", "a", "op", state)

    assert data(stored(kinds=("snapshot",))[0]).get("progress") == progress


def test_the_memory_of_states_is_bounded() -> None:
    from whence.debug.states import STATE_BYTES, States

    states = States(most=10, most_bytes=2000)
    for n in range(100):
        states.changes((str(n),), {"n": n, "text": "x" * 300})
    assert 0 < len(states) <= 6

    assert states.changes(("huge",), {"text": "x" * STATE_BYTES}) == []
    assert states.changes(("huge",), {"text": "y"}) == []  # the huge one was not kept


# -- numbers and batches


async def test_a_metric_is_a_number_with_its_unit(collector: DebugCollector, sql: Rows) -> None:
    await collector.collect_metric("latency", "agent", "a", 12.5, "ms", {"region": "eu"}, "c")

    (row,) = sql("SELECT * FROM debug_metrics")
    assert (row["metric_name"], row["component_type"], row["component_id"]) == ("latency", "agent", "a")
    assert (row["value"], row["unit"], msgspec.json.decode(row["dimensions"])) == (12.5, "ms", {"region": "eu"})


@pytest.mark.parametrize("value", ["many", math.inf, True, [1]])
def test_what_is_no_number_is_kept_beside_it(collector: DebugCollector, stored: Stored, value: Any) -> None:
    collector.record_metric("m", value=value)

    payload = data(stored(kinds=("metric",))[0])
    assert payload.get("value") is None
    assert "given" in payload["dimensions"]


async def test_a_batch_takes_all_three_and_keeps_their_order(collector: DebugCollector, stored: Stored) -> None:
    ids = await collector.collect_batch(
        [
            {"event_type": "log", "message": "one", "correlation_id": "c", "shard": 7},
            {"component_type": "agent", "component_id": "a", "operation_id": "c", "state_data": {"x": 1}},
            {"metric_name": "m", "value": 1, "correlation_id": "c"},
            "nonsense",  # type: ignore[list-item]
            {"message": "last", "correlation_id": "c"},
        ]
    )

    by_id = {each.record_id: each for each in stored()}
    assert [by_id[each].kind if each else None for each in ids] == ["event", "snapshot", "metric", None, "event"]
    assert data(by_id[str(ids[0])])["attributes"]["metadata"] == {"shard": 7}


# -- nothing raises, nothing leaks


class Hostile:
    """An object that answers nothing."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        raise RuntimeError("no")

    __repr__ = __str__
    __hash__ = None  # type: ignore[assignment]


def _circle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def _deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


HOSTILE: list[Any] = [
    Hostile(),
    _circle(),
    _deep(),
    b"\xff\x00",
    "\ud800 half",
    10**400,
    math.nan,
    {1: 2, None: 3, (1,): 4},
    {"a": {1, 2}},
    object,
    "x" * 5_000_000,
    [Hostile()],
    "\x00\u202e",
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
async def test_nothing_that_is_passed_raises(collector: DebugCollector, value: Any, stored: Stored) -> None:
    for argument in collector.record_event.__code__.co_varnames[1:12]:
        await collector.collect_event(**{argument: value})
    for argument in collector.record_state_snapshot.__code__.co_varnames[1:8]:
        await collector.collect_state_snapshot(**{argument: value})
    for argument in collector.record_metric.__code__.co_varnames[1:9]:
        await collector.collect_metric(**{argument: value})
    await collector.collect_batch(value)
    await collector.collect_batch([value])
    with collector.correlation(value):
        await collector.collect_event(message="inside")
    collector.end_operation(value, value, value)
    collector.end_operation("op", value, value)

    assert stored(kinds=("event",))


def test_numpy_is_taken_as_everything_else(collector: DebugCollector, stored: Stored) -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(3)

    collector.record_event(correlation_id=array, message=array, data={"a": array}, component_id=array)
    collector.record_metric("m", value=numpy.float32(1.5))

    assert data(stored(kinds=("metric",))[0])["value"] == 1.5
    assert len(stored(kinds=("event",))) == 1


def test_secrets_are_masked_in_all_that_is_collected(collector: DebugCollector, runtime: Runtime) -> None:
    secret = "sk-proj-" + "A1b2C3d4" * 6
    collector.record_event(message=f"key {secret}", data={"api_key": secret}, metadata={"note": secret})
    collector.record_state_snapshot("agent", "a", "op", {"token": secret})
    collector.record_state_snapshot("agent", "a", "op", {"token": secret, "again": f"Bearer {secret}"})
    collector.record_metric("m", value=1, dimensions={"header": f"Authorization: Bearer {secret}"})

    assert b"A1b2C3d4" not in b"".join(
        path.read_bytes() for path in runtime.settings.spool.rglob("*") if path.is_file()
    )


def test_a_switched_off_system_collects_nothing(
    collector: DebugCollector, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG_SYSTEM_ENABLED", "false")

    assert collector.record_event(message="m", correlation_id="c") is None
    assert collector.record_state_snapshot("a", "b", "op", {}) is None
    assert collector.record_metric("m", value=1) is None
    assert stored() == []


def test_a_switched_off_project_collects_nothing(data: Path) -> None:
    runtime_module.configure(Settings(data=data, documents=data, enabled=False))

    assert DebugCollector().record_event(message="m") is None
    assert not (data / "spool").exists()


def test_a_fork_says_its_beginnings_again(run: Run, stored: Stored) -> None:
    run(
        """
        import os
        from whence.debug import get_debug_collector
        collector = get_debug_collector()
        collector.record_event(correlation_id="c", message="parent")
        child = os.fork()
        if child == 0:
            collector.record_event(correlation_id="c", message="child")
            os._exit(0)
        os.waitpid(child, 0)
        """
    )

    assert sorted(data(each)["message"] for each in stored(kinds=("event",))) == ["child", "parent"]
    assert len(stored(kinds=("trace.start",))) == 2


# -- the end ------------


async def test_closing_stores_what_was_collected(collector: DebugCollector, runtime: Runtime) -> None:
    async with collector:
        await collector.collect_event(message="m", correlation_id="c")

    assert runtime.store().trace("c") is not None  # without a drain of the reader's


def test_an_operation_may_be_ended(collector: DebugCollector, runtime: Runtime) -> None:
    collector.record_event(correlation_id="op", level="ERROR", message="broken")
    collector.end_operation("op", "failed", "broken")

    row = runtime.store().trace("op")
    assert row is not None
    assert row.status == "failed"


def test_logs_are_captured(collector: DebugCollector, stored: Stored) -> None:
    """C4.8: in the original the method was empty."""
    logger = logging.getLogger("tests.debug.captured")
    try:
        collector.capture_logs(logger, "WARNING")
        with whence.trace(project="shop"):
            logger.warning("disk at %d %%", 91)
    finally:
        whence_logging.remove(logger)

    (event,) = stored(kinds=("event",))
    assert (data(event)["message"], event.level) == ("disk at 91 %", 2)


def test_collecting_drops_what_is_kept_of_the_component(collector: DebugCollector) -> None:
    """C4.22."""
    cache = get_debug_cache()
    cache.set_component_state("agent", "a", {"x": 1})
    cache.set_component_state("agent", "b", {"x": 1})

    collector.record_event(component_type="agent", component_id="a", message="m")

    assert cache.get_component_state("agent", "a") is None
    assert cache.get_component_state("agent", "b") == {"x": 1}


def test_importing_the_door_loads_the_standard_library_and_msgspec_alone() -> None:
    code = """
import sys
before = set(sys.modules)
import whence.debug
foreign = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names) - {"whence"}
heavy = {"asyncio", "whence.store.sqlite", "whence.diagnose.running", "whence.query"} & set(sys.modules)
print(*sorted(name for name in foreign if not name.startswith("_sysconfigdata")), *heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) <= {"msgspec", "typing_extensions"}


def test_every_name_of_the_door_is_documented() -> None:
    import whence.debug

    for name in whence.debug.__all__:
        assert getattr(whence.debug, name).__doc__
