"""Objects that can be called, and functions with a cache, are in all else what they were before they were observed."""

import copy
import functools
import pickle
from typing import Any

import pytest

import whence
from tests.generation.reading import calls
from whence.generation import observable
from whence.testing.capture import Captured


class Callable:
    """An object that can be called."""

    answer = 42

    def __call__(self, n: int) -> int:
        return n + self.answer


def doubled(n: int) -> int:
    return 2 * n


class Sized(dict[str, int]):
    """One that is much besides."""

    def __init__(self) -> None:
        super().__init__(a=1, b=2)
        self.mode = "first"

    def __call__(self) -> str:
        return self.mode

    def __enter__(self) -> str:
        return "entered"

    def __exit__(self, *args: object) -> None: ...


def test_an_object_that_can_be_called_is_in_all_else_as_before(captured: Captured) -> None:
    target = Sized()
    it = observable("s")(target)
    it.mode = "second"
    it["c"] = 3
    with whence.trace("p"):
        assert it() == "second"

    assert (target.mode, target["c"]) == ("second", 3)
    assert (len(it), list(it), "c" in it, it == target, it == {"a": 1}) == (3, ["a", "b", "c"], True, True, False)
    assert isinstance(it, Sized)
    assert isinstance(it, dict)
    assert (callable(it), bool(it), it.__wrapped__) == (True, True, target)
    with it as entered:
        assert entered == "entered"
    with pytest.raises(TypeError, match="unhashable"):
        hash(it)
    del it.mode
    assert not hasattr(target, "mode")
    assert not hasattr(it, "__fspath__")
    assert len(calls(captured, "s")) == 1


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_an_object_that_can_be_called_can_be_copied(captured: Captured, again: Any) -> None:
    it = observable("s", component="c")(Callable())
    other = again(it)
    other.answer = 1
    with whence.trace("p"):
        assert (it(1), other(1)) == (43, 2)

    assert [start.component for start, *_ in calls(captured, "s")] == ["c", "c"]


def test_a_function_with_a_cache_keeps_its_methods(captured: Captured) -> None:
    class Holder:
        @observable("method")
        @functools.lru_cache(10)  # noqa: B019 - the objects live as long as the test
        def method(self, n: int) -> int:
            return n

    cached = observable("s")(functools.lru_cache(doubled))
    with whence.trace("p"):
        assert [cached(1), cached(1), Holder().method(3)] == [2, 2, 3]

    assert cached.cache_info().hits == 1
    cached.cache_clear()
    assert cached.cache_info().currsize == 0
    assert Holder.method.cache_info().misses == 1  # type: ignore[attr-defined]
    assert len(calls(captured, "s")) == 2
