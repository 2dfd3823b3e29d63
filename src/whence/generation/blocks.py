"""Blocks, observed: context managers, sync and async, from their entry to their exit."""

import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any

from whence.generation.logger import here
from whence.generation.site import Site
from whence.record.trace import Stage, Trace


class Block:
    """The stage of a block, from its entry to its exit."""

    __slots__ = ("_args", "_kwargs", "_site", "_stage", "_started", "_trace")

    def __init__(self, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._site, self._args, self._kwargs = site, args, kwargs
        self._stage: Stage | None = None
        self._trace: Trace | None = None
        self._started = 0

    def begin(self) -> None:
        """The block is entered."""
        trace = here()
        if not trace:
            return
        if self._site.limited and self._site.left_out(trace):
            self._trace, self._started = trace, trace.monotonic_ns()
        else:
            self._stage = self._site.begin(trace, self._args, self._kwargs)

    def end(self, error: BaseException | None) -> None:
        """The block is left, by an exception or not."""
        if self._stage is not None:
            if error is None:
                self._site.end(self._stage, None)
            else:
                self._site.fail(self._stage, error)
        elif error is not None and self._trace is not None:
            self._site.failed_unrecorded(self._trace, self._started, self._args, self._kwargs, error)
        self._stage = self._trace = None


class _ObservedContext(contextlib.ContextDecorator, contextlib.AbstractContextManager[Any]):
    """What a function made by `contextlib.contextmanager` returns, observed from entry to exit."""

    def __init__(self, function: Any, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._made = function, site, args, kwargs
        self._inner = function(*args, **kwargs)
        self._block = Block(site, args, kwargs)

    def _recreate_cm(self) -> "_ObservedContext":
        return _ObservedContext(*self._made)  # as contextlib does, so that one may decorate a function with it

    def __enter__(self) -> Any:
        self._block.begin()
        try:
            return self._inner.__enter__()
        except BaseException as exc:
            self._block.end(exc)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        try:
            handled: bool | None = self._inner.__exit__(kind, error, tb)
        except BaseException as exc:
            self._block.end(exc)
            raise
        self._block.end(None if handled else error)
        return handled


class _ObservedAsyncContext(contextlib.AsyncContextDecorator, contextlib.AbstractAsyncContextManager[Any]):
    """What a function made by `contextlib.asynccontextmanager` returns, observed from entry to exit."""

    def __init__(self, function: Any, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._made = function, site, args, kwargs
        self._inner = function(*args, **kwargs)
        self._block = Block(site, args, kwargs)

    def _recreate_cm(self) -> "_ObservedAsyncContext":
        return _ObservedAsyncContext(*self._made)

    async def __aenter__(self) -> Any:
        self._block.begin()
        try:
            return await self._inner.__aenter__()
        except BaseException as exc:
            self._block.end(exc)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        try:
            handled: bool | None = await self._inner.__aexit__(kind, error, tb)
        except BaseException as exc:
            self._block.end(exc)
            raise
        self._block.end(None if handled else error)
        return handled


def context_manager(function: Any, site: Site) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> _ObservedContext:
        return _ObservedContext(function, site, args, kwargs)

    return wrapper


def async_context_manager(function: Any, site: Site) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> _ObservedAsyncContext:
        return _ObservedAsyncContext(function, site, args, kwargs)

    return wrapper
