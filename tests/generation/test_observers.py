"""Observers see what happens and can neither break nor slow it (R3.14)."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import whence
from tests.conftest import Run
from whence.errors import BadInput, NotFound
from whence.generation import (
    GenerationEvent,
    GenerationLogger,
    add_observer,
    flush,
    observable,
    observer_stats,
    remove_observer,
    replay,
)
from whence.testing.capture import Captured


class Collecting:
    """An observer that keeps what it sees."""

    def __init__(self) -> None:
        self.seen: list[GenerationEvent] = []

    def handle(self, event: GenerationEvent) -> None:
        self.seen.append(event)


class CollectingAsync:
    """One that is asynchronous, and remembers which loop it ran on."""

    def __init__(self) -> None:
        self.seen: list[GenerationEvent] = []
        self.loops: set[int] = set()

    async def handle(self, event: GenerationEvent) -> None:
        await asyncio.sleep(0)
        self.loops.add(id(asyncio.get_running_loop()))
        self.seen.append(event)


def log(logger: GenerationLogger, number: int = 3) -> None:
    for each in range(number):
        logger.log_llm_interaction("c", f"p{each}", "r")


def test_an_observer_sees_every_event_in_order(captured: Captured) -> None:
    observer = Collecting()
    add_observer(observer)
    add_observer(observer)  # once is enough
    with GenerationLogger() as logger:
        log(logger)

    assert flush()
    assert observer.seen == logger.events
    assert remove_observer(observer)
    assert not remove_observer(observer)
    with GenerationLogger() as logger:
        log(logger)
    assert len(observer.seen) == 3


def test_a_function_is_an_observer_too(captured: Captured) -> None:
    seen: list[GenerationEvent] = []
    add_observer(seen.append)
    with GenerationLogger() as logger:
        log(logger)

    assert flush()
    assert len(seen) == 3


def test_an_observer_sees_observed_functions_of_any_trace(captured: Captured) -> None:
    observer = Collecting()
    add_observer(observer)

    @observable("double", component="c")
    def double(n: int) -> int:
        if n < 0:
            raise ValueError("negative")
        return 2 * n

    with whence.trace("shop") as trace:
        double(2)
        with pytest.raises(ValueError, match="negative"):
            double(-1)

    assert flush()
    assert [(each.event_type, each.stage, each.component, each.session_id) for each in observer.seen] == [
        (kind, "double", "c", trace.trace_id) for kind in ("start", "end", "start", "error")
    ]
    assert observer.seen[0].data == {"arguments": {"n": 2}}
    assert observer.seen[1].data == {"result": 4}
    assert "in double" in (observer.seen[3].traceback or "")


async def test_an_async_observer_runs_on_one_loop_which_is_none_of_the_programs(captured: Captured) -> None:
    """So `flush` may be called on the program's loop, and a slow observer does not hold that up."""
    observer = CollectingAsync()
    add_observer(observer)
    with GenerationLogger() as logger:
        log(logger)

    assert flush()
    assert observer.seen == logger.events
    assert len(observer.loops) == 1
    assert observer.loops != {id(asyncio.get_running_loop())}


def test_one_that_raises_is_counted_and_goes_on(captured: Captured) -> None:
    other = Collecting()

    class Raising:
        def handle(self, event: GenerationEvent) -> None:
            raise SystemExit("boom")

    async def cancelled(event: GenerationEvent) -> None:
        raise asyncio.CancelledError

    add_observer(Raising())
    add_observer(cancelled)
    add_observer(other)
    with GenerationLogger() as logger:
        log(logger)

    assert flush()
    stats = observer_stats()["test_one_that_raises_is_counted_and_goes_on.<locals>.Raising"]
    assert (stats["handled"], stats["failed"], stats["last_error"]) == (3, 3, "SystemExit")
    stats = observer_stats()[cancelled.__qualname__]
    assert (stats["handled"], stats["failed"], stats["last_error"]) == (3, 3, "CancelledError")
    assert len(other.seen) == 3


def test_one_that_hangs_loses_what_its_queue_cannot_hold_and_nobody_waits(captured: Captured) -> None:
    free, entered = threading.Event(), threading.Event()
    other = Collecting()

    def hanging(event: GenerationEvent) -> None:
        entered.set()
        free.wait()

    add_observer(hanging, queue=5)
    add_observer(other)
    with GenerationLogger() as logger:
        log(logger, 1)
        entered.wait()
        log(logger, 20)
    stats = observer_stats()[hanging.__qualname__]
    assert not flush(0.05)
    assert (stats["offered"], stats["waiting"], stats["lost"]) == (21, 6, 15)
    free.set()

    assert flush()
    assert observer_stats()[hanging.__qualname__]["handled"] == 6
    assert len(other.seen) == 21
    assert captured.trace.status == "complete"


def test_what_many_threads_offer_is_counted_to_the_event(captured: Captured) -> None:
    observer = Collecting()
    add_observer(observer)
    with GenerationLogger() as logger, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: log(logger, 50), range(8)))

    assert flush()
    stats = next(iter(observer_stats().values()))
    assert (stats["offered"], stats["handled"] + stats["lost"]) == (400, 400)
    assert len(observer.seen) == stats["handled"]


def test_what_an_observer_logs_is_not_delivered_to_it(captured: Captured) -> None:
    """Nor round about: two that log on everything they see do not go on for ever."""
    seen: dict[str, list[str]] = {"a": [], "b": []}
    watching = Collecting()

    def named(name: str) -> Any:
        def handle(event: GenerationEvent) -> None:
            seen[name].append(event.component)
            logger.log_llm_interaction(f"{event.component}{name}", "p", "r")

        return handle

    first, second = named("a"), named("b")
    add_observer(first)
    add_observer(second)
    add_observer(watching)
    with GenerationLogger() as logger:
        logger.log_llm_interaction("x", "p", "r")
        for _ in range(3):
            assert flush()

    assert sorted(seen["a"]) == ["x", "xb"]
    assert sorted(seen["b"]) == ["x", "xa"]
    assert sorted(each.component for each in watching.seen) == ["x", "xa", "xab", "xb", "xba"]


async def test_what_an_async_observer_logs_is_not_delivered_to_it(captured: Captured) -> None:
    seen: list[str] = []

    async def handle(event: GenerationEvent) -> None:
        seen.append(event.component)
        await asyncio.create_task(asyncio.to_thread(logger.log_llm_interaction, "again", "p", "r"))

    add_observer(handle)
    with GenerationLogger() as logger:
        logger.log_llm_interaction("x", "p", "r")
        assert await asyncio.get_running_loop().run_in_executor(None, flush)

    assert seen == ["x"]
    assert next(iter(observer_stats().values()))["own"] == 1


@pytest.mark.parametrize("waiting", ["flush()", "pass"], ids=["idle", "busy"])
def test_a_forked_child_has_its_own_and_delivers_nothing_twice(data: Path, run: Run, waiting: str) -> None:
    """Whether the threads were at work or idle."""
    done = run(
        f"""
        import os, sys
        from whence.generation import GenerationLogger, add_observer, flush
        seen = []
        add_observer(lambda event: seen.append(event.component))
        logger = GenerationLogger()
        logger.log_llm_interaction("before", "p", "r")
        {waiting}
        child = os.fork()
        logger.log_llm_interaction("child" if child == 0 else "parent", "p", "r")
        flush()
        if child == 0:
            os.write(1, (" ".join(seen[seen.count("before"):]) + "\\n").encode())
            os._exit(0)
        os.waitpid(child, 0)
        print(*seen)
        """
    )

    assert done.stdout.splitlines() == ["child", "before parent"]
    assert done.stderr == ""


def test_a_program_that_ends_at_once_still_tells_its_observers(data: Path, run: Run) -> None:
    done = run(
        """
        from whence.generation import GenerationLogger, add_observer
        async def show(event): print(event.component, flush=True)
        add_observer(show)
        logger = GenerationLogger()
        for name in "abc":
            logger.log_llm_interaction(name, "p", "r")
        """
    )

    assert done.stdout.split() == ["a", "b", "c"]
    assert done.stderr == ""


def test_a_program_whose_observer_hangs_ends_all_the_same(data: Path, run: Run) -> None:
    done = run(
        """
        import threading
        from whence.generation import GenerationLogger, add_observer
        add_observer(lambda event: threading.Event().wait())
        GenerationLogger().log_llm_interaction("c", "p", "r")
        print("done")
        """,
        timeout_s=30,
    )

    assert done.stdout == "done\n"


@pytest.mark.parametrize("observer", [5, None, "x"])
def test_what_cannot_be_called_is_no_observer(observer: Any) -> None:
    with pytest.raises(BadInput, match="accepted"):
        add_observer(observer)
    with pytest.raises(BadInput, match="accepted"):
        replay([], observer)


@pytest.mark.parametrize("queue", [0, -1, True, 1.5])
def test_a_queue_has_a_size(queue: Any) -> None:
    with pytest.raises(BadInput, match="queue"):
        add_observer(print, queue=queue)


# -- replay (R3.14) --------------------------------------------------------------------------------------------------


def session(tmp_path: Path) -> tuple[Path, list[GenerationEvent]]:
    with GenerationLogger(tmp_path) as logger:
        logger.start_stage("s", "c", a=1)
        log(logger)
        logger.log_validation_error("c", "SyntaxError", "m", 3, "x")
        logger.log_error("s", "c", ValueError("boom"))
        logger.end_stage("s", "c")
    return tmp_path / f"session_{logger.session_id}.jsonl", logger.events


def in_microseconds(events: list[GenerationEvent]) -> list[dict[str, Any]]:
    return [each.as_dict() for each in events]


def test_a_recorded_session_can_be_replayed(captured: Captured, tmp_path: Path) -> None:
    path, events = session(tmp_path)
    now, later = Collecting(), CollectingAsync()

    assert replay(path, now) == replay(str(path), later) == len(events)
    assert in_microseconds(now.seen) == in_microseconds(later.seen) == in_microseconds(events)
    assert replay(events, now.seen.append) == len(events)
    assert now.seen[len(events) :] == events


async def test_a_replay_where_a_loop_runs_is_a_replay_too(captured: Captured, tmp_path: Path) -> None:
    path, events = session(tmp_path)
    observer = CollectingAsync()

    assert replay(path, observer) == len(events)


def test_a_damaged_line_costs_that_line(captured: Captured, tmp_path: Path) -> None:
    path, events = session(tmp_path)
    path.write_bytes(path.read_bytes() + b'5\n{"event":"llm_inter\n\xff\xfe\n')
    seen: list[GenerationEvent] = []

    assert replay(path, seen.append) == len(events)


def test_a_replay_of_nothing_is_an_error_and_so_is_an_observer_that_raises(captured: Captured, tmp_path: Path) -> None:
    """A replay is asked for, so its caller hears of it."""
    with pytest.raises(NotFound, match="no file"):
        replay(tmp_path / "none.jsonl", print)
    with pytest.raises(ZeroDivisionError):
        replay([GenerationEvent()], lambda event: 1 / 0)
