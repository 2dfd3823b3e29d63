"""Generators, observed. What steps is in its stage only while it runs: the stage is entered before each step and left after
it, never held across a `yield`. So it may be left half-way, closed, cancelled, finished in another task or thread, or
forgotten (the matrix of openinference#1769)."""

import types
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final

from whence.generation.default import here
from whence.generation.events import Cleaner
from whence.generation.site import Site
from whence.record import context
from whence.record.trace import Stage, Trace

_SCALARS = (str, int, float, bool, type(None))
MOST_ITEMS: Final = 100
"""So many of the things that a generator yields are kept; all are counted."""
MOST_CHARS: Final = 64 * 1024
"""So long the texts among them may be together."""


class _Steps:
    """The stage of something that steps, if it has one, and what it has yielded so far."""

    __slots__ = ("_begun", "_captures", "_chars", "_items", "_kept", "_site", "_stage")

    def __init__(self, site: Site, trace: Trace | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._site = site
        self._begun = site.begin(trace, args, kwargs) if trace else None
        self._stage = self._begun if isinstance(self._begun, Stage) else None
        self._captures = site.capture_result and self._stage is not None
        self._items = 0
        self._chars = 0
        self._kept: list[Any] = []
        if self._stage is not None and self._stage._scope is not None:
            context.leave(self._stage._scope)  # each step enters it for itself

    def enter(self) -> context.Scope | None:
        """Be in the stage, for one step."""
        stage = self._stage
        return context.enter(stage.trace, stage) if stage is not None else None

    def yielded(self, item: Any) -> None:
        """Count what was yielded, and keep it if it is among the first."""
        self._items += 1
        if not self._captures or len(self._kept) >= MOST_ITEMS or self._chars > MOST_CHARS or self._stage is None:
            return
        if type(item) is str:
            self._chars += len(item)
        elif type(item) not in _SCALARS:  # whoever gets it may change it before the end is recorded
            item, size = _cleaned(self._stage, item)
            self._chars += size
        self._kept.append(item)

    def ended(self, result: Any = None, *, closed: bool = False) -> None:
        """Record the end: it returned, or was closed before."""
        if self._begun is not None:
            self._site.end(self._begun, self._outputs(result, closed))

    def failed(self, error: BaseException) -> None:
        """Record the end: it raised."""
        if self._begun is not None:
            self._site.fail(self._begun, error, self._outputs(None, False))

    def _outputs(self, result: Any, closed: bool) -> dict[str, Any]:
        outputs: dict[str, Any] = {"items": self._items}
        if self._captures:
            outputs["yielded"] = self._kept
            outputs["result"] = result
        if closed:
            outputs["closed"] = True
        return outputs


def _cleaned(stage: Stage, item: Any) -> tuple[Any, int]:
    try:
        return Cleaner(stage.trace.recorder, stage.trace.policy.capture)(item)
    except Exception as exc:  # noqa: BLE001 - the host goes on stepping
        stage.trace.refused("observable", exc)
        return None, 0


def generator(function: Callable[..., Generator[Any, Any, Any]], site: Site) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        trace = here()
        if not trace:
            return (yield from function(*args, **kwargs))
        return (yield from _stepped(function, site, trace, args, kwargs))

    return wrapper


def _stepped(
    function: Callable[..., Generator[Any, Any, Any]],
    site: Site,
    trace: Trace,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Generator[Any, Any, Any]:
    inner = function(*args, **kwargs)
    steps = _Steps(site, trace, args, kwargs)
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        scope = steps.enter()
        try:
            item = inner.send(sent) if thrown is None else inner.throw(thrown)
        except StopIteration as stop:
            _left(scope)
            steps.ended(stop.value)
            return stop.value
        except BaseException as exc:
            _left(scope)
            steps.failed(exc)
            raise
        finally:
            thrown = sent = None  # or an exception and this frame would hold each other
            _left(scope)
        steps.yielded(item)
        try:
            sent = yield item
        except GeneratorExit:
            _close(inner, steps)
            raise
        except BaseException as exc:  # noqa: BLE001 - it is thrown into the generator, whose it is
            thrown = exc
        item = None


def _left(scope: context.Scope | None) -> None:
    if scope is not None and not scope.left:
        context.leave(scope)


def _close(inner: Generator[Any, Any, Any], steps: _Steps) -> None:
    """Close a generator that nobody wants more of; what its `finally` records is in the stage."""
    scope = steps.enter()
    try:
        inner.close()
    except BaseException as exc:
        _left(scope)
        steps.failed(exc)
        raise
    _left(scope)
    steps.ended(closed=True)


def awaitable_generator(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """Wrap what `types.coroutine` made: a generator that can be awaited."""
    return types.coroutine(generator(function, site))


def async_generator(function: Callable[..., AsyncGenerator[Any, Any]], site: Site) -> Callable[..., Any]:
    async def wrapper(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner = function(*args, **kwargs)
        steps = _Steps(site, here(), args, kwargs)
        sent: Any = None
        thrown: BaseException | None = None
        while True:
            scope = steps.enter()
            try:
                item = await inner.asend(sent) if thrown is None else await inner.athrow(thrown)
            except StopAsyncIteration:
                _left(scope)
                steps.ended()
                return
            except BaseException as exc:
                _left(scope)
                steps.failed(exc)
                raise
            finally:
                thrown = sent = None  # as above
                _left(scope)
            steps.yielded(item)
            try:
                sent = yield item
            except GeneratorExit:
                await _aclose(inner, steps)
                raise
            except BaseException as exc:  # noqa: BLE001 - as above
                thrown = exc
            item = None

    return wrapper


async def _aclose(inner: AsyncGenerator[Any, Any], steps: _Steps) -> None:
    scope = steps.enter()
    try:
        await inner.aclose()
    except BaseException as exc:
        _left(scope)
        steps.failed(exc)
        raise
    _left(scope)
    steps.ended(closed=True)
