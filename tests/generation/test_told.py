"""An exception that goes through many stages is told once, with its stack, by the innermost of them (R3.25, C3.7)."""

import asyncio
import contextlib
import gc
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import whence
from tests.generation.reading import calls, of, said
from whence.generation import GenerationLogger, observable, told
from whence.testing.capture import Captured


@contextlib.contextmanager
def block(n: int) -> Iterator[int]:
    yield n


@contextlib.asynccontextmanager
async def block_async(n: int) -> AsyncIterator[int]:
    yield n


def test_an_exception_that_goes_through_many_stages_is_told_and_counted_once(captured: Captured) -> None:
    """Or a recursion would tell its whole stack at every level, and hold up the program for seconds."""

    @observable("s")
    def deep(n: int) -> None:
        with block(n):
            if n == 0:
                raise ValueError("boom")
            deep(n - 1)

    @observable("whole")
    def whole() -> list[int]:
        deep(3)
        return []

    with GenerationLogger() as logger, pytest.raises(ValueError, match="boom"):
        whole()

    *outer, inner = calls(captured, "s")
    assert inner[2] is not None
    assert inner[3]["error"]["traceback"].count("in deep") == 1
    for _, _, _, ended in (*outer, *calls(captured, "whole")):
        assert ended["error"] == {"type": "ValueError", "message": "boom", "same_as": inner[2].record_id}
    summary = logger.generate_summary()
    assert (summary["total_errors"], len(summary["errors"])) == (1, 1)
    assert {name: each["errors"] for name, each in summary["stages"].items()} == {"s": 1, "whole": 0}
    told = [each for each in logger.events if each.event_type == "error"]
    assert [each.traceback is None for each in told] == [False, True, True, True, True]
    assert {each.data.get("same_as") for each in told} == {None, inner[2].record_id}


async def test_an_exception_goes_through_stages_of_every_kind_and_is_told_once(captured: Captured) -> None:
    @observable("plain")
    def plain() -> None:
        with observable("block"), observable("manager")(block)(1):
            raise ValueError("boom")

    @observable("steps")
    def steps() -> Iterator[int]:
        yield 1
        plain()

    @observable("left out", sample=0)
    async def coroutine() -> list[int]:
        return [*steps()]

    @observable("steps later")
    async def later() -> AsyncIterator[int]:
        async with observable("block later"), observable("manager later")(block_async)(1):
            yield len(await asyncio.create_task(coroutine()))

    with whence.trace("p"), pytest.raises(ValueError, match="boom"):
        async for _ in later():
            pass

    errors = {each.name: (each.record_id, said(each)["error"]) for each in of(captured, "span.end")}
    innermost, told = errors.pop("manager")
    assert "traceback" in told
    assert set(errors) == {
        *("block", "plain", "steps", "left out", "manager later", "block later", "steps later"),
    }
    assert {error.get("same_as") for _, error in errors.values()} == {innermost}


def test_each_failure_is_told_though_addresses_and_exceptions_are_used_again(captured: Captured) -> None:
    """What is told is forgotten with its exception; and one that is kept and raised again is another failure."""
    kept = ValueError("boom")

    @observable("inner")
    def inner(error: BaseException | None = None) -> None:
        raise error if error is not None else ValueError("boom")

    @observable("outer")
    def outer(n: int) -> None:
        for error in (None, None, kept, kept):
            with contextlib.suppress(ValueError):
                inner(error)
        if n:
            with contextlib.suppress(ValueError):
                outer(n - 1)
        raise ValueError("boom")

    with GenerationLogger() as logger, pytest.raises(ValueError, match="boom"):
        outer(20)

    ends = [*calls(captured, "inner"), *calls(captured, "outer")]
    assert len(ends) == 21 * 5
    assert all("same_as" not in ended["error"] for _, _, _, ended in ends)
    assert logger.generate_summary()["total_errors"] == 21 * 5


def test_an_exception_is_held_by_nobody(captured: Captured) -> None:
    class Large:
        pass

    gone: list[weakref.ref[Large]] = []

    @observable("s")
    def function() -> None:
        large = Large()
        gone.append(weakref.ref(large))
        raise ValueError("boom")

    with whence.trace("p") as trace, trace.stage("outer"):
        with contextlib.suppress(ValueError):
            function()
        gc.collect()
        assert gone[0]() is None


def test_more_exceptions_than_are_remembered_are_told_again(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whence.generation.told.MOST", 1)

    @observable("inner")
    def inner() -> None:
        raise ValueError("boom")

    @observable("outer")
    def outer() -> None:
        try:
            inner()
        finally:
            with contextlib.suppress(ValueError):
                inner()

    with whence.trace("p"), pytest.raises(ValueError, match="boom"):
        outer()

    assert "traceback" in calls(captured, "outer")[0][3]["error"]


def test_a_recursion_without_end_is_told_once(captured: Captured) -> None:
    @observable("s")
    def endless(n: int) -> int:
        return endless(n + 1)

    with GenerationLogger() as logger, pytest.raises(RecursionError):
        endless(0)

    assert 1 <= logger.generate_summary()["total_errors"] <= 3
    assert len(calls(captured, "s")) > 50


def test_all_stages_together_go_through_the_stack_once(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, marked = [0], told._mark

    def counting(entry: Any) -> tuple[int, ...]:
        looked[0] += 1
        return marked(entry)

    @observable("s")
    def deep(n: int) -> None:
        if n == 0:
            raise ValueError("boom")
        deep(n - 1)

    monkeypatch.setattr(told, "_mark", counting)
    with whence.trace("p"), pytest.raises(ValueError, match="boom"):
        deep(100)

    assert looked[0] < 100 * 5
