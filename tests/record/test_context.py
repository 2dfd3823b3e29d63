"""Every running piece of code sees the trace it belongs to, and nothing else."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import whence
from whence.runtime.runtime import Runtime
from whence.tracing import TraceContext


def test_nesting_restores_the_outer_trace(runtime: Runtime) -> None:
    with whence.trace("outer") as outer:
        with whence.trace("inner") as inner:
            assert whence.current_trace() is inner

        assert whence.current_trace() is outer
    assert whence.current_trace() is None


def test_a_nested_trace_is_a_child_of_the_outer_one(runtime: Runtime) -> None:
    with whence.trace("outer") as outer, whence.trace("inner") as inner:
        pass

    assert inner.parent_trace_id == outer.trace_id
    assert inner.otel_trace_id != outer.otel_trace_id


def test_traces_left_out_of_order_leave_nothing_behind(runtime: Runtime) -> None:
    first = TraceContext.start(project_name="a")
    second = TraceContext.start(project_name="b")

    TraceContext.finish_sync(first)
    assert TraceContext.current() is second
    TraceContext.finish_sync(second)

    assert TraceContext.current() is None


def test_a_disabled_trace_hides_the_outer_one_and_gives_it_back(runtime: Runtime) -> None:
    with whence.trace("outer") as outer:
        with whence.trace("inner", enabled=False) as disabled:
            assert not disabled
            assert whence.decision("x") is None
        assert whence.current_trace() is outer


async def test_three_tasks_see_their_own_traces(runtime: Runtime) -> None:
    async def work(name: str) -> list[str | None]:
        async with TraceContext.start(project_name=name, query=name) as trace:
            seen = []
            for _ in range(5):
                await asyncio.sleep(0)
                current = TraceContext.current()
                assert current is trace
                seen.append(current.project_name)
            return seen

    results = await asyncio.gather(*(work(name) for name in "abc"))

    assert results == [[name] * 5 for name in "abc"]
    assert TraceContext.current() is None


async def test_a_child_task_inherits_the_trace(runtime: Runtime) -> None:
    async with TraceContext.start(project_name="a") as trace:

        async def child() -> object:
            return TraceContext.current()

        assert await asyncio.create_task(child()) is trace


def test_a_plain_thread_sees_nothing_and_a_carried_one_the_trace(runtime: Runtime) -> None:
    seen: list[object] = []
    with whence.trace("a") as trace:
        for target in (
            lambda: seen.append(whence.current_trace()),
            whence.carry(lambda: seen.append(whence.current_trace())),
        ):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()

    assert seen == [None, trace]


def test_an_executor_may_run_one_carried_function_many_times_at_once(runtime: Runtime) -> None:
    with whence.trace("a") as trace, ThreadPoolExecutor(4) as pool:
        current = whence.carry(lambda _: whence.current_trace())
        assert set(pool.map(current, range(50))) == {trace}


def test_the_stage_that_code_runs_in_takes_its_decisions(runtime: Runtime) -> None:
    with whence.trace("a") as trace:
        with whence.stage("outer"), whence.stage("inner"):
            whence.decision("deep", what=1)
        whence.decision("shallow", what=2)

    stages = runtime.view(trace.otel_trace_id).stages
    assert [d.decision for d in stages["inner"].decisions] == ["deep"]
    assert stages["outer"].decisions == []
