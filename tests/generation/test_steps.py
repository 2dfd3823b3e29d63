"""Generators, in every way they can end: no stage is held across a `yield` (peers' pain 10: openinference#1769)."""

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

import whence
from tests.generation.reading import calls, of
from whence.generation import GenerationLogger, observable
from whence.record import context
from whence.testing.capture import Captured


@observable("s")
def stepping(n: int) -> Iterator[int]:
    for each in range(n):
        whence.decision("inside", what=each)
        yield each
    whence.decision("inside", what="end")


@observable("s")
async def stepping_async(n: int) -> AsyncIterator[int]:
    for each in range(n):
        whence.decision("inside", what=each)
        await asyncio.sleep(0)
        yield each
    whence.decision("inside", what="end")


def where() -> str | None:
    """The stage that the running code is in."""
    scope = context.current_scope()
    return scope.stage.name if scope is not None and scope.stage is not None else None


def only(captured: Captured) -> dict[str, Any]:
    ((_, _, end, ended),) = calls(captured, "s")
    assert end is not None
    return ended


def test_it_is_in_its_stage_while_it_runs_and_only_then(captured: Captured) -> None:
    with whence.trace("p"):
        for each in stepping(3):
            assert where() is None
            whence.decision("outside", what=each)

    assert {each.stage for each in of(captured, "decision", "inside")} == {"s"}
    assert {each.stage for each in of(captured, "decision", "outside")} == {""}
    assert only(captured)["outputs"] == {"items": 3, "yielded": [0, 1, 2], "result": None}


async def test_an_async_one_too(captured: Captured) -> None:
    with whence.trace("p"):
        async for each in stepping_async(3):
            assert where() is None
            whence.decision("outside", what=each)

    assert {each.stage for each in of(captured, "decision", "inside")} == {"s"}
    assert {each.stage for each in of(captured, "decision", "outside")} == {""}
    assert only(captured)["outputs"] == {"items": 3, "yielded": [0, 1, 2], "result": None}


def test_two_that_take_turns_keep_apart(captured: Captured) -> None:
    with whence.trace("p"):
        for _ in zip(stepping(3), stepping(3), strict=True):
            assert where() is None

    spans = [start.span for start, *_ in calls(captured, "s")]
    inside = [each.span for each in of(captured, "decision")]
    assert {span: inside.count(span) for span in spans} == dict.fromkeys(spans, 4)


# -- how it can end --------------------------------------------------------------------------------------------------


def test_an_early_break_is_an_end_and_no_error(captured: Captured) -> None:
    with whence.trace("p"):
        for each in stepping(10):
            if each == 2:
                break
        gc.collect()

    ended = only(captured)
    assert ended["outputs"] == {"items": 3, "yielded": [0, 1, 2], "result": None, "closed": True}
    assert "error" not in ended


async def test_an_early_break_of_an_async_one(captured: Captured) -> None:
    with whence.trace("p"):
        steps = stepping_async(10)
        async for each in steps:
            if each == 2:
                break
        await steps.aclose()  # type: ignore[attr-defined]
        assert where() is None

    assert only(captured)["outputs"]["closed"] is True


def test_close_runs_its_finally_inside_the_stage(captured: Captured) -> None:
    @observable("s")
    def careful() -> Iterator[int]:
        try:
            yield 1
        finally:
            whence.decision("cleaned up")

    with whence.trace("p"):
        steps: Any = careful()
        next(steps)
        steps.close()
        steps.close()
        assert where() is None

    assert of(captured, "decision")[0].stage == "s"
    assert only(captured)["outputs"]["closed"] is True


def test_a_generator_that_raises_when_it_is_closed(captured: Captured) -> None:
    @observable("s")
    def bad() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("boom")

    with whence.trace("p"):
        steps: Any = bad()
        next(steps)
        with pytest.raises(ValueError, match="boom"):
            steps.close()

    assert only(captured)["error"]["message"] == "boom"


def test_send_throw_and_return_go_through(captured: Captured) -> None:
    mine, caught = KeyError("k"), []

    @observable("s")
    def talking() -> Generator[Any, Any, str]:
        got = yield "ready"
        try:
            yield got
        except KeyError as exc:
            caught.append(exc)
            yield "caught"
        return "done"

    with whence.trace("p"):
        steps = talking()
        assert next(steps) == "ready"
        assert steps.send("hello") == "hello"
        assert steps.throw(mine) == "caught"
        with pytest.raises(StopIteration) as stopped:
            next(steps)

    assert caught == [mine]
    assert stopped.value.value == "done"
    assert only(captured)["outputs"] == {"items": 3, "yielded": ["ready", "hello", "caught"], "result": "done"}


async def test_asend_and_athrow_go_through(captured: Captured) -> None:
    @observable("s")
    async def talking() -> Any:
        got = yield "ready"
        try:
            yield got
        except KeyError:
            yield "caught"

    with whence.trace("p"):
        steps: Any = talking()
        assert await anext(steps) == "ready"
        assert await steps.asend("hello") == "hello"
        assert await steps.athrow(KeyError("k")) == "caught"
        with pytest.raises(StopAsyncIteration):
            await anext(steps)

    assert only(captured)["outputs"]["yielded"] == ["ready", "hello", "caught"]


def test_an_exception_inside_goes_on_unchanged(captured: Captured) -> None:
    mine = ValueError("boom")

    @observable("s")
    def failing() -> Iterator[int]:
        yield 1
        raise mine

    with whence.trace("p"), pytest.raises(ValueError) as caught:
        list(failing())

    assert caught.value is mine
    assert mine.__context__ is None
    ended = only(captured)
    assert (ended["error"]["message"], ended["outputs"]["items"]) == ("boom", 1)
    assert "in failing" in ended["error"]["traceback"]


def test_an_exception_thrown_in_and_not_caught_comes_out_unchanged(captured: Captured) -> None:
    mine = ValueError("boom")
    with whence.trace("p"):
        steps: Any = stepping(3)
        next(steps)
        with pytest.raises(ValueError) as caught:
            steps.throw(mine)

    assert caught.value is mine
    assert only(captured)["error"]["message"] == "boom"


async def test_a_task_that_is_cancelled_in_a_step(captured: Captured) -> None:
    @observable("s")
    async def waiting() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def use() -> None:
        async for _ in waiting():
            pass

    with whence.trace("p"):
        task = asyncio.create_task(use())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert where() is None

    ended = only(captured)
    assert "error" not in ended
    assert (ended["outputs"]["cancelled"], ended["outputs"]["items"]) == (True, 1)


async def test_one_that_is_finished_in_another_task(captured: Captured) -> None:
    """Where OpenTelemetry's instrumentation says "Failed to detach context"."""

    async def begin() -> AsyncIterator[int]:
        steps = stepping_async(3)
        await anext(steps)
        return steps

    async def finish(steps: AsyncIterator[int]) -> list[int]:
        return [each async for each in steps]

    with whence.trace("p"):
        steps = await asyncio.create_task(begin())
        assert await asyncio.create_task(finish(steps)) == [1, 2]
        assert where() is None
        whence.decision("outside")

    assert of(captured, "decision", "outside")[0].stage == ""
    assert {each.stage for each in of(captured, "decision", "inside")} == {"s"}
    assert only(captured)["outputs"]["items"] == 3


async def test_one_that_is_closed_in_another_task(captured: Captured) -> None:
    with whence.trace("p"):
        steps: Any = stepping_async(3)
        await anext(steps)
        await asyncio.create_task(steps.aclose())
        assert where() is None

    assert only(captured)["outputs"]["closed"] is True


def test_one_that_is_finished_in_another_thread(captured: Captured) -> None:
    with whence.trace("p"):
        steps = stepping(3)
        next(steps)
        thread = threading.Thread(target=list, args=(steps,))
        thread.start()
        thread.join()
        assert where() is None

    assert {each.stage for each in of(captured, "decision", "inside")} == {"s"}
    assert only(captured)["outputs"]["items"] == 3


def test_one_that_is_finished_in_another_context_outside_the_trace(captured: Captured) -> None:
    with whence.trace("p") as trace:
        steps = stepping(3)
        next(steps)
    assert contextvars.Context().run(list, steps) == [1, 2]

    assert only(captured)["outputs"]["items"] == 3
    assert {each.trace for each in of(captured, "decision")} == {trace.otel_trace_id}
    assert context.current_scope() is None


@pytest.mark.parametrize("function", [stepping, stepping_async])
def test_one_that_is_never_started_is_not_recorded(captured: Captured, function: Callable[..., Any]) -> None:
    with whence.trace("p"):
        function(3)
        gc.collect()

    assert calls(captured, "s") == []


def test_one_that_is_forgotten_ends_when_it_is_collected(captured: Captured) -> None:
    with whence.trace("p"):
        steps = stepping(3)
        next(steps)
        del steps
        gc.collect()
        assert where() is None

    assert only(captured)["outputs"]["closed"] is True


async def test_an_async_one_that_is_forgotten_ends_when_the_loop_closes_it(captured: Captured) -> None:
    with whence.trace("p"):
        steps = stepping_async(3)
        await anext(steps)
        del steps
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)
        assert where() is None

    assert only(captured)["outputs"]["closed"] is True


def test_an_async_one_that_the_end_of_the_loop_closes(captured: Captured) -> None:
    kept = []

    async def begin() -> None:
        steps = stepping_async(3)
        kept.append(steps)
        await anext(steps)

    with whence.trace("p"):
        asyncio.run(begin())

    assert only(captured)["outputs"]["closed"] is True


async def test_fifty_at_once(captured: Captured) -> None:
    async def use(number: int) -> None:
        count = 0
        async for _ in stepping_async(number % 5):
            await asyncio.sleep(0)
            count += 1
        assert count == number % 5

    with whence.trace("p"):
        await asyncio.gather(*(use(number) for number in range(50)))

    made = calls(captured, "s")
    assert len(made) == 50
    assert all(began["attributes"]["arguments"]["n"] == ended["outputs"]["items"] for _, began, _, ended in made)
    for start, began, _, _ in made:
        inside = [each for each in of(captured, "decision", "inside") if each.span == start.span]
        assert len(inside) == began["attributes"]["arguments"]["n"] + 1


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_the_first_items_are_kept_and_all_are_counted(captured: Captured) -> None:
    with whence.trace("p"):
        for _ in stepping(1000):
            pass

    outputs = only(captured)["outputs"]
    assert outputs["items"] == 1000
    assert outputs["yielded"] == list(range(100))


def test_items_are_as_they_were_when_they_were_yielded(captured: Captured) -> None:
    @observable("s")
    def lists() -> Iterator[list[int]]:
        item: list[int] = []
        yield item
        yield item

    with GenerationLogger():
        for each in lists():
            each.append(1)

    assert only(captured)["outputs"]["yielded"] == [[], [1]]


def test_long_items_are_not_hoarded(captured: Captured) -> None:
    @observable("s")
    def long() -> Iterator[str]:
        for _ in range(50):
            yield "x" * 10_000

    with whence.trace("p"):
        assert len(list(long())) == 50

    assert len(only(captured)["outputs"]["yielded"]) == 7


def test_results_are_not_kept_where_they_are_not_wanted(captured: Captured) -> None:
    @observable("s", capture_result=False)
    def function() -> Iterator[int]:
        yield 1

    with whence.trace("p"):
        assert list(function()) == [1]

    assert only(captured)["outputs"] == {"items": 1}


def test_delegation_and_recursion(captured: Captured) -> None:
    @observable("s")
    def tree(depth: int) -> Iterator[int]:
        yield depth
        if depth:
            yield from tree(depth - 1)

    with whence.trace("p"):
        assert list(tree(2)) == [2, 1, 0]

    made = calls(captured, "s")
    assert [ended["outputs"]["items"] for _, _, _, ended in made] == [3, 2, 1]
    assert [start.parent for start, *_ in made[1:]] == [start.span for start, *_ in made[:-1]]
