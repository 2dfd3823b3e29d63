"""`@observable`: whatever can be called can be observed, stays what it is, and behaves as it did (R3.25, C3.1)."""

import asyncio
import contextlib
import contextvars
import functools
import inspect
import random
import threading
import types
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

import whence
from tests.conftest import Run
from tests.generation.reading import calls, of, said
from whence.errors import BadInput
from whence.generation import GenerationLogger, get_generation_logger, observable
from whence.record import context
from whence.runtime.runtime import Runtime
from whence.testing.capture import Captured

# -- kinds -----------------------------------------------------------------------------------------------------------


def doubled(n: int, by: int = 2) -> int:
    """Twice as much."""
    return n * by


async def doubled_async(n: int, by: int = 2) -> int:
    """Twice as much, later."""
    await asyncio.sleep(0)
    return n * by


def counted(n: int) -> Iterator[int]:
    """Up to n."""
    yield from range(n)


async def counted_async(n: int) -> AsyncIterator[int]:
    """Up to n, later."""
    for each in range(n):
        await asyncio.sleep(0)
        yield each


@contextlib.contextmanager
def block(n: int) -> Iterator[int]:
    """A block."""
    yield n


@contextlib.asynccontextmanager
async def block_async(n: int) -> AsyncIterator[int]:
    """A block, later."""
    yield n


FUNCTIONS = [doubled, doubled_async, counted, counted_async, block, block_async]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.__name__)
def test_what_comes_out_is_of_the_kind_that_went_in(function: Any) -> None:
    observed = observable("s")(function)

    for asks in (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.isfunction,
    ):
        assert asks(observed) == asks(function), asks
    assert (observed.__name__, observed.__doc__, observed.__wrapped__) == (
        function.__name__,
        function.__doc__,
        function,
    )
    assert observed.__module__ == function.__module__
    assert inspect.signature(observed) == inspect.signature(function)


def test_a_function_is_recorded_from_start_to_end(captured: Captured) -> None:
    """R3.25: start with arguments, end with result and duration."""
    observed = observable("s")(doubled)
    with whence.trace("p"):
        assert observed(3, by=4) == 12

    ((start, began, end, ended),) = calls(captured, "s")
    assert began["attributes"] == {"arguments": {"n": 3, "by": 4}}
    assert ended["outputs"] == {"result": 12}
    assert ended["duration_ns"] > 0
    assert end is not None
    assert start.record_id < end.record_id


async def test_a_coroutine_function_is_recorded_from_start_to_end(captured: Captured) -> None:
    observed = observable("s")(doubled_async)
    with whence.trace("p"):
        assert await observed(3) == 6

    ((_, began, _, ended),) = calls(captured, "s")
    assert (began["attributes"], ended["outputs"]) == ({"arguments": {"n": 3}}, {"result": 6})


class Generator:
    """Methods of every kind, in either order of decorators."""

    component_name = "todo_store"

    @observable("method")
    def method(self, n: int) -> Any:
        return self, n

    @observable("coroutine")
    async def coroutine(self, n: int) -> Any:
        return self, n

    @staticmethod
    @observable("static")
    def static(n: int) -> Any:
        return n

    @observable("static outside")
    @staticmethod
    def static_outside(n: int) -> Any:
        return n

    @classmethod
    @observable("class")
    def of_class(cls, n: int) -> Any:
        return cls, n

    @observable("class outside")
    @classmethod
    def of_class_outside(cls, n: int) -> Any:
        return cls, n

    @property
    @observable("property")
    def size(self) -> int:
        return 3

    @observable("property outside")
    @property
    def size_outside(self) -> int:
        return 3


async def test_methods_of_every_kind(captured: Captured) -> None:
    """C3.1: and neither `self` nor `cls` is an argument."""
    it = Generator()
    with whence.trace("p"):
        assert it.method(1) == (it, 1)
        assert await it.coroutine(2) == (it, 2)
        assert (it.static(3), Generator.static(3)) == (3, 3)
        assert (it.static_outside(4), Generator.static_outside(4)) == (4, 4)
        assert it.of_class(5) == Generator.of_class(5) == (Generator, 5)
        assert it.of_class_outside(6) == Generator.of_class_outside(6) == (Generator, 6)
        assert (it.size, it.size_outside) == (3, 3)

    arguments = {each.name: said(each).get("attributes", {}).get("arguments") for each in of(captured, "span.start")}
    assert arguments == {
        "method": {"n": 1},
        "coroutine": {"n": 2},
        "static": {"n": 3},
        "static outside": {"n": 4},
        "class": {"n": 5},
        "class outside": {"n": 6},
        "property": None,
        "property outside": None,
    }
    components = {each.name: each.component for each in of(captured, "span.start")}
    assert (components["method"], components["class"], components["static"]) == ("todo_store", "todo_store", "")


class Callable:
    """An object that can be called."""

    answer = 42

    def __call__(self, n: int) -> int:
        return n + self.answer


class AsyncCallable:
    """One that has to be awaited."""

    async def __call__(self, n: int) -> int:
        return n


async def test_objects_that_can_be_called(captured: Captured) -> None:
    class Holder:
        held = observable("held")(Callable())

    function = observable("object")(Callable())
    later = observable("later")(AsyncCallable())
    partial = observable("partial")(functools.partial(doubled, 4))
    builtin = observable("builtin")(len)
    with whence.trace("p"):
        assert function(1) == 43
        assert Holder().held(1) == 43  # an object in a class is not bound to its instances
        assert await later(1) == 1
        assert partial(by=3) == 12
        assert builtin([1, 2]) == 2

    assert function.answer == 42
    results = {each.name: said(each)["outputs"]["result"] for each in of(captured, "span.end")}
    assert results == {"object": 43, "held": 43, "later": 1, "partial": 12, "builtin": 2}


async def test_a_bound_method_is_observed_where_it_is_bound(captured: Captured) -> None:
    class Plain:
        name = "mine"

        def method(self, n: int) -> tuple[Any, int]:
            return self, n

    it = Plain()
    observed = observable("s")(it.method)
    with whence.trace("p"):
        assert observed(1) == (it, 1)

    assert isinstance(observed, types.MethodType)
    assert calls(captured, "s")[0][0].component == "mine"


async def test_a_generator_that_can_be_awaited_still_can(captured: Captured) -> None:
    @types.coroutine
    def old() -> Any:
        yield from asyncio.sleep(0).__await__()
        return 5

    async def use() -> Any:
        return await observable("s")(old)()

    with whence.trace("p"):
        assert await use() == 5


@pytest.mark.parametrize("target", [5, None, "text", int, Generator])
def test_what_cannot_be_observed_is_refused_when_it_is_decorated(target: Any) -> None:
    with pytest.raises(BadInput, match="observable cannot decorate"):
        observable("s")(target)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"stage": ""}, "stage"),
        ({"stage": doubled, "sample": 0.5}, "stage"),
        ({"stage": "s", "component": 5}, "component"),
        ({"stage": "s", "max_per_s": 0}, "max_per_s"),
        ({"stage": "s", "sample": 1.5}, "sample"),
        ({"stage": "s", "sample": "all"}, "sample"),
    ],
)
def test_an_option_that_is_none_is_refused(options: Any, match: str) -> None:
    with pytest.raises(BadInput, match=match):
        observable(**options)


# -- arguments and results -------------------------------------------------------------------------------------------


def test_arguments_are_kept_by_name_however_they_are_given(captured: Captured) -> None:
    @observable("s")
    def function(a: int, /, b: int, *rest: int, c: int = 0, **more: int) -> None: ...

    with whence.trace("p"):
        function(1, 2)
        function(1, b=2, c=3)
        function(1, 2, 3, 4, c=5, d=6)

    assert [began["attributes"]["arguments"] for _, began, _, _ in calls(captured, "s")] == [
        {"a": 1, "b": 2},
        {"a": 1, "b": 2, "c": 3},
        {"a": 1, "b": 2, "rest": [3, 4], "c": 5, "d": 6},
    ]


@pytest.mark.parametrize("result", [None, False, 0, "", [], {}])
def test_a_falsy_result_is_a_result(captured: Captured, result: Any) -> None:
    """C3.12."""
    with whence.trace("p"):
        observable("s")(lambda: result)()

    assert calls(captured, "s")[0][3]["outputs"] == {"result": result}


def test_a_long_argument_is_kept_whole(runtime: Runtime) -> None:
    """C3.12: the original cut at 500 characters, though full texts were asked for."""
    text = "a word and another. " * 5000
    with whence.trace("p") as trace:
        observable("s")(lambda text: text)(text)

    store = runtime.ready_store()
    start = next(each for each in store.trace_records(trace.otel_trace_id) if each.kind == "span.start")
    assert runtime.content(said(start)["attributes"]["arguments"]["text"]["content_sha256"]) == text


def test_what_is_not_wanted_is_not_kept(captured: Captured) -> None:
    with whence.trace("p"):
        observable("s", capture_args=False, capture_result=False)(doubled)(3)

    ((_, began, _, ended),) = calls(captured, "s")
    assert "attributes" not in began
    assert "outputs" not in ended


def test_a_secret_argument_is_masked(captured: Captured) -> None:
    @observable("s")
    def function(api_key: str) -> str:
        return f"password={api_key}"

    with whence.trace("p"):
        function("hunter2-hunter2")

    assert all(b"hunter2" not in bytes(each.payload) for each in captured.records)


def test_arguments_are_those_at_the_time_of_the_call(captured: Captured) -> None:
    @observable("s")
    def function(items: list[int]) -> list[int]:
        items.append(2)
        return items

    with GenerationLogger() as logger:
        result = function([1])
        result.append(3)

        assert [each.data for each in logger.events] == [{"arguments": {"items": [1]}}, {"result": [1, 2]}]


class Hostile:
    """An object that raises at whatever is asked of it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __bool__(self) -> bool:
        raise RuntimeError("bool")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    __hash__ = None  # type: ignore[assignment]


def test_hostile_arguments_and_results_pass_through(captured: Captured) -> None:
    @observable("s")
    def function(self: Any, spec: Any, name: Any) -> Any:
        return spec

    it = Hostile()
    with GenerationLogger():
        assert function(it, it, name=it) is it

    ((_, _, end, ended),) = calls(captured, "s")
    assert end is not None
    assert "Hostile" in ended["outputs"]["result"]


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_exception_goes_on_unchanged_and_is_recorded_with_its_stack(captured: Captured) -> None:
    mine = ValueError("boom")

    def deep() -> None:
        raise mine

    @observable("s")
    def function() -> None:
        deep()

    with whence.trace("p"), pytest.raises(ValueError) as caught:
        function()

    assert caught.value is mine
    assert (mine.__cause__, mine.__context__, mine.args) == (None, None, ("boom",))
    error = calls(captured, "s")[0][3]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "boom")
    assert error["where"].endswith("in deep")
    assert "in deep" in error["traceback"]
    assert "in function" in error["traceback"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_what_ends_a_program_goes_on_too(captured: Captured, error: BaseException) -> None:
    @observable("s")
    def function() -> None:
        raise error

    with whence.trace("p"), pytest.raises(type(error)) as caught:
        function()

    assert caught.value is error
    assert calls(captured, "s")[0][3]["error"]["type"] == type(error).__name__


async def test_a_cancelled_call_is_recorded_as_such_and_is_no_error(captured: Captured) -> None:
    @observable("s", sample=0)
    async def left_out() -> None:
        await function()

    @observable("s")
    async def function() -> None:
        await asyncio.Event().wait()

    with GenerationLogger() as logger:
        task = asyncio.create_task(left_out())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert context.current_trace() is logger.trace

    ((_, _, _, ended),) = calls(captured, "s")
    assert "error" not in ended
    assert ended["outputs"] == {"cancelled": True}
    assert [(each.event_type, each.data) for each in logger.events] == [("start", {}), ("end", {"cancelled": True})]
    assert logger.generate_summary()["total_errors"] == 0


def test_a_wrong_call_is_the_callers_mistake_as_before(captured: Captured) -> None:
    with whence.trace("p"), pytest.raises(TypeError, match="missing 1 required positional argument"):
        observable("s")(doubled)()

    assert calls(captured, "s")[0][3]["error"]["type"] == "TypeError"


# -- nesting ---------------------------------------------------------------------------------------------------------


def test_calls_inside_a_call_are_its_children(captured: Captured) -> None:
    @observable("inner")
    def inner() -> None:
        whence.decision("d")
        whence.llm_call(model="m")

    @observable("outer", component="c")
    def outer() -> None:
        inner()
        inner()

    with whence.trace("p") as trace:
        outer()
        assert context.current_scope().stage is None  # type: ignore[union-attr]

    (start, *_) = calls(captured, "outer")[0]
    assert start.parent == trace.span
    assert {each[0].parent for each in calls(captured, "inner")} == {start.span}
    assert {each.component for each in captured.records if each.stage == "inner"} == {"c"}
    assert [each.span for each in of(captured, "decision")] == [each[0].span for each in calls(captured, "inner")]


async def test_fifty_parallel_calls_pair_up(captured: Captured) -> None:
    """C3.9, E15."""

    @observable("inner")
    async def inner(number: int) -> int:
        await asyncio.sleep(random.random() / 100)
        return number

    @observable("outer", component="c")
    async def outer(number: int) -> int:
        await asyncio.sleep(random.random() / 100)
        return await inner(number)

    with whence.trace("p"):
        assert await asyncio.gather(*(outer(number) for number in range(50))) == list(range(50))

    for stage in ("outer", "inner"):
        made = calls(captured, stage)
        assert len(made) == 50
        assert all(
            began["attributes"]["arguments"]["number"] == ended["outputs"]["result"] for _, began, _, ended in made
        )
    spans = {began["attributes"]["arguments"]["number"]: start.span for start, began, _, _ in calls(captured, "outer")}
    for start, began, _, _ in calls(captured, "inner"):
        assert start.parent == spans[began["attributes"]["arguments"]["number"]]


def test_threads_pair_up_in_the_process_session(captured: Captured) -> None:
    observed = observable("s")(doubled)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(observed, range(200)))

    made = calls(captured, "s")
    assert len(made) == 200
    assert all(began["attributes"]["arguments"]["n"] * 2 == ended["outputs"]["result"] for _, began, _, ended in made)
    summary = get_generation_logger().generate_summary()
    assert (summary["total_events"], summary["stages"]["s"]["count"]) == (400, 200)


# -- where it is recorded --------------------------------------------------------------------------------------------


def test_outside_any_trace_it_is_the_processs_session(captured: Captured) -> None:
    observable("s")(doubled)(3)

    assert calls(captured, "s")[0][0].trace == get_generation_logger().trace.otel_trace_id
    assert [each.event_type for each in get_generation_logger().events] == ["start", "end"]
    assert context.current_trace() is None


def test_in_a_session_it_lies_in_its_components_span_and_is_counted(captured: Captured) -> None:
    """R3.13."""

    @observable("render", component="todo")
    def render() -> None: ...

    with GenerationLogger() as logger:
        render()
        logger.log_llm_interaction("todo", "p", "r")
        summary = logger.generate_summary()

    ((span, _, _, _),) = calls(captured, "component_generation")
    assert calls(captured, "render")[0][0].parent == span.span
    assert summary["stages"]["render"]["count"] == 1
    assert summary["components_generated"] == ["todo"]


def test_a_function_that_generates_a_component_is_its_span(captured: Captured) -> None:
    """R3.13: not one component_generation inside another."""

    @observable("component_generation")
    def generate_component(spec: dict[str, str]) -> None:
        logger.log_llm_interaction(spec["name"], "p", "r")

    with GenerationLogger() as logger:
        generate_component({"name": "todo"})

    ((start, began, _, _),) = calls(captured, "component_generation")
    assert (start.parent, start.component, began.get("attempt", 1)) == (logger.trace.span, "todo", 1)
    assert of(captured, "span.end", "llm_request")[0].parent == start.span


def test_where_nothing_is_recorded_nothing_happens(captured: Captured) -> None:
    with whence.trace("p", enabled=False):
        assert observable("s")(doubled)(3) == 6
        assert list(observable("s")(counted)(3)) == [0, 1, 2]
        with observable("s"), observable("s")(block)(3) as n:
            assert n == 3

    assert captured.records == []


def test_where_recording_is_switched_off_nothing_happens(data: Any) -> None:
    whence.init(data=data, enabled=False)
    assert observable("s")(doubled)(3) == 6
    assert whence.stats()["emitted"] == 0
    whence.shutdown()


def test_after_init_the_session_is_another_one(data: Any, runtime: Runtime) -> None:
    observed = observable("s")(doubled)
    observed(1)
    first = get_generation_logger()
    whence.init(data=data)
    observed(2)

    assert get_generation_logger() is not first
    assert [each.data for each in get_generation_logger().events] == [{"arguments": {"n": 2}}, {"result": 4}]
    whence.shutdown()


def test_a_forked_child_goes_on(data: Any, run: Run) -> None:
    done = run(
        """
        import os
        from whence.generation import observable, get_generation_logger
        @observable("s")
        def f(n): return n
        f(1)
        child = os.fork()
        f(2)
        if child == 0:
            os._exit(0 if len(get_generation_logger().events) == 4 else 1)
        print(os.waitpid(child, 0)[1])
        from whence.runtime.runtime import runtime
        view = runtime().view(get_generation_logger().trace.otel_trace_id)
        print(len(view.stages["s"].attempts), all(a.ended_ns for a in view.stages["s"].attempts))
        """
    )

    assert done.stdout.split() == ["0", "3", "True"]


# -- whom it is about (C3.8) -----------------------------------------------------------------------------------------


@dataclass
class Spec:
    name: Any


class Named:
    name = "named"

    def plain(self, n: int) -> None: ...

    def with_spec(self, name: str, spec: Any) -> None: ...


class Component(Named):
    component_name = "component"


def by_argument(component_name: str) -> None: ...
def by_keyword(*, component: str = "default") -> None: ...
def by_spec(spec: Any) -> None: ...
def by_name(name: str) -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "options", "expected"),
    [
        (by_argument, ("a",), {}, {}, "a"),
        (by_argument, (), {"component_name": "a"}, {}, "a"),
        (by_keyword, (), {"component": "a"}, {}, "a"),
        (by_keyword, (), {}, {}, "default"),
        (by_spec, (Spec("a"),), {}, {}, "a"),
        (by_spec, ({"name": "a"},), {}, {}, "a"),
        (by_spec, (Spec(5),), {}, {}, ""),
        (by_spec, (None,), {}, {}, ""),
        (by_name, ("a",), {}, {}, "a"),
        (Named().plain, (1,), {}, {}, "named"),
        (Component().plain, (1,), {}, {}, "component"),
        (Named().with_spec, ("a", Spec("b")), {}, {}, "b"),
        (Named().with_spec, ("a", None), {}, {}, "a"),
        (by_argument, ("a",), {}, {"component": "told"}, "told"),
        (by_spec, (Spec("a"),), {}, {"component": lambda spec: f"{spec.name}!"}, "a!"),
        (by_spec, (None,), {}, {"component": lambda spec: spec.name}, ""),
        (doubled, (1,), {}, {}, ""),
    ],
)
def test_the_component_is_found_without_being_told(
    captured: Captured, function: Any, args: Any, kwargs: Any, options: Any, expected: str
) -> None:
    with whence.trace("p"):
        observable("s", **options)(function)(*args, **kwargs)

    assert calls(captured, "s")[0][0].component == expected


def test_a_mere_name_does_not_speak_against_the_stage_around_it(captured: Captured) -> None:
    """`render(name="store.j2")` inside the generation of `todo` is about `todo`; what says `component_name` is not."""
    with whence.trace("p") as trace, trace.stage("outer", component="todo"):
        observable("weak")(by_name)("store.j2")
        observable("strong")(by_argument)("other")

    assert calls(captured, "weak")[0][0].component == "todo"
    assert calls(captured, "strong")[0][0].component == "other"


# -- tight loops (C3.15) ---------------------------------------------------------------------------------------------


def exact(captured: Captured) -> bool:
    """Whether what was emitted is what lies in the spool and what was counted as dropped, to the record."""
    stats = whence.stats()
    dropped = sum(sum(each.values()) for each in stats["dropped"].values())
    return bool(stats["emitted"] == len(captured.records) + dropped)


def test_a_sample_is_even_and_what_is_left_out_is_counted(captured: Captured) -> None:
    observed = observable("s", sample=0.25)(doubled)
    with whence.trace("p"):
        assert [observed(n) for n in range(100)] == [2 * n for n in range(100)]
        stats = whence.stats()

    assert len(calls(captured, "s")) == 25
    assert sum(stats["dropped"]["sampled_out"].values()) == 75
    assert exact(captured)


def test_nobodys_random_numbers_change(captured: Captured) -> None:
    random.seed(1)
    expected = [random.random() for _ in range(5)]
    random.seed(1)
    observed = observable("s", sample=0.5)(doubled)
    with whence.trace("p"):
        for n in range(5):
            observed(n)

    assert [random.random() for _ in range(5)] == expected


def test_a_rate_is_kept_and_what_is_left_out_is_counted(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("whence.generation.site.time.monotonic", lambda: now[0])
    observed = observable("s", max_per_s=10)(doubled)
    with whence.trace("p"):
        for n in range(100):
            observed(n)
        now[0] += 1
        for n in range(5):
            observed(n)
        stats = whence.stats()

    assert len(calls(captured, "s")) == 15
    assert sum(stats["dropped"]["rate_limited"].values()) == 90
    assert exact(captured)


def test_a_rate_below_one_a_second_is_one_in_so_many_seconds(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("whence.generation.site.time.monotonic", lambda: now[0])
    observed = observable("s", max_per_s=0.1)(doubled)
    with whence.trace("p"):
        for _ in range(40):
            observed(1)
            now[0] += 1

    assert len(calls(captured, "s")) == 4


@pytest.mark.parametrize("options", [{"sample": 0}, {"max_per_s": 0.001}], ids=["sample", "rate"])
async def test_errors_are_always_recorded(captured: Captured, options: Any) -> None:
    def fails(n: int) -> int:
        raise ValueError("boom")

    async def fails_async(n: int) -> int:
        raise ValueError("boom")

    def fails_stepping(n: int) -> Iterator[int]:
        yield n
        raise ValueError("boom")

    async def fails_stepping_async(n: int) -> AsyncIterator[int]:
        yield n
        raise ValueError("boom")

    with whence.trace("p"):
        for each in (fails, fails_stepping):
            observed = observable("s", **options)(each)
            for _ in range(3):
                with pytest.raises(ValueError, match="boom"):
                    result = observed(1)
                    list(result)
        for later in (fails_async, fails_stepping_async):
            for _ in range(3):
                with pytest.raises(ValueError, match="boom"):
                    made: Any = observable("s", **options)(later)(1)
                    _ = [x async for x in made] if hasattr(made, "__aiter__") else await made
        once = observable("s", **options)
        for _ in range(3):
            with pytest.raises(ValueError, match="boom"), once:
                raise ValueError("boom")

    made = calls(captured, "s")
    assert len(made) == 15
    assert all(ended["error"]["message"] == "boom" for _, _, _, ended in made)
    assert exact(captured)


# -- blocks ----------------------------------------------------------------------------------------------------------


async def test_a_block_is_a_stage(captured: Captured) -> None:
    with whence.trace("p"):
        with observable("sync", component="c"):
            whence.decision("inside")
        async with observable("async"):
            whence.decision("inside")
        with pytest.raises(ValueError, match="boom"), observable("bad"):
            raise ValueError("boom")
        whence.decision("outside")

    first, second, third = of(captured, "decision")
    assert (first.stage, second.stage, third.stage) == ("sync", "async", "")
    assert first.component == "c"
    assert calls(captured, "bad")[0][3]["error"]["message"] == "boom"


async def test_one_observable_may_be_entered_many_times_at_once(captured: Captured) -> None:
    stage = observable("s")

    async def work() -> None:
        with stage:
            await asyncio.sleep(0)
            with stage:
                await asyncio.sleep(0)

    with whence.trace("p"):
        await asyncio.gather(*(work() for _ in range(10)))

    made = calls(captured, "s")
    assert len(made) == 20
    assert all(end is not None for _, _, end, _ in made)
    spans = {start.span for start, *_ in made}
    assert sum(start.parent in spans for start, *_ in made) == 10
    assert stage._open == []


async def test_of_two_that_are_in_a_block_each_leaves_its_own(captured: Captured) -> None:
    stage = observable("s")
    entered, go = asyncio.Event(), asyncio.Event()

    async def stays() -> None:
        await entered.wait()
        with stage:
            whence.decision("stays")
            go.set()
            await asyncio.sleep(0.01)
            whence.decision("stays")

    async def leaves() -> None:
        with stage:
            entered.set()
            await go.wait()
        whence.decision("left")

    with whence.trace("p"):
        await asyncio.gather(stays(), leaves())

    (first, _, first_end, _), (second, _, second_end, _) = calls(captured, "s")
    assert first_end is not None
    assert second_end is not None
    assert first_end.record_id < second_end.record_id
    spans = {(each.name, each.span) for each in of(captured, "decision")}
    assert spans == {("stays", second.span), ("left", first.parent)}


def test_a_block_that_is_left_in_another_thread_is_left(captured: Captured) -> None:
    stage = observable("s")

    def enter_here_leave_there() -> None:
        with whence.trace("p"):
            stage.__enter__()
            thread = threading.Thread(target=stage.__exit__, args=(None, None, None))
            thread.start()
            thread.join()
            whence.decision("outside")
            stage.__exit__(None, None, None)  # once more than it was entered: nothing happens

    # In a context of its own: another thread cannot give this one's OpenTelemetry context back.
    contextvars.copy_context().run(enter_here_leave_there)

    assert len(of(captured, "span.end", "s")) == 1
    assert of(captured, "decision")[0].stage == ""


async def test_context_managers_are_stages_from_entry_to_exit(captured: Captured) -> None:
    with whence.trace("p"):
        with observable("sync")(block)(3) as n:
            whence.decision("inside")
        async with observable("async")(block_async)(4) as m:
            whence.decision("inside")

    assert (n, m) == (3, 4)
    assert [each.stage for each in of(captured, "decision")] == ["sync", "async"]
    assert calls(captured, "sync")[0][1]["attributes"]["arguments"] == {"n": 3}
    assert [each.name for each in of(captured, "span.end")] == ["sync", "async"]


def test_a_context_manager_is_of_contextlibs_type_and_refuses_a_wrong_call_at_once(captured: Captured) -> None:
    with whence.trace("p"):
        assert type(observable("s")(block)(3)) is type(block(3))
        assert type(observable("s")(block_async)(3)) is type(block_async(3))
        with pytest.raises(TypeError, match="missing 1 required"):
            observable("s")(block)()
        with pytest.raises(StopIteration), observable("s")(block)(3):
            raise StopIteration

    ((_, _, _, ended),) = calls(captured, "s")  # what is never entered is not recorded
    assert ended["error"]["type"] == "StopIteration"


def test_a_context_manager_that_swallows_still_swallows(captured: Captured) -> None:
    @observable("s")
    @contextlib.contextmanager
    def swallowing() -> Iterator[None]:
        with contextlib.suppress(ValueError):
            yield

    with whence.trace("p"):
        with swallowing():
            raise ValueError("boom")
        with pytest.raises(KeyError), swallowing():
            raise KeyError("k")

    (_, _, _, first), (_, _, _, second) = calls(captured, "s")
    assert "error" not in first
    assert second["error"]["type"] == "KeyError"


async def test_a_context_manager_still_decorates_functions(captured: Captured) -> None:
    @observable("s")(block)(3)
    def inside() -> None:
        whence.decision("d")

    @observable("t")(block_async)(3)
    async def inside_async() -> None:
        whence.decision("d")

    with whence.trace("p"):
        inside()
        inside()
        await inside_async()
        await inside_async()

    assert [each.stage for each in of(captured, "decision")] == ["s", "s", "t", "t"]


def test_a_context_manager_that_cannot_be_entered_says_so(captured: Captured) -> None:
    @observable("s")
    @contextlib.contextmanager
    def failing() -> Iterator[None]:
        raise ValueError("boom")
        yield

    with whence.trace("p"), pytest.raises(ValueError, match="boom"), failing():
        pass

    assert calls(captured, "s")[0][3]["error"]["message"] == "boom"


def test_without_a_stage_it_is_called_like_the_function(captured: Captured) -> None:
    @observable
    def render(fields: int) -> int:
        return fields + 1

    with whence.trace(project="gen"):
        assert render(1) == 2

    assert list(captured.trace.stages) == ["render"]
