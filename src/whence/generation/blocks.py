"""Blocks, observed: context managers, sync and async, from their entry to their exit."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Literal

from whence.generation.default import here
from whence.generation.site import Muted, Site
from whence.record.trace import Stage


class Block:
    """The stage of a block, from its entry to its exit. It may be left in another thread or task than it was entered in."""

    __slots__ = ("_args", "_kwargs", "_site", "_stage")

    def __init__(self, site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._site, self._args, self._kwargs = site, args, kwargs
        self._stage: Stage | Muted | None = None

    def __enter__(self) -> "Block":
        trace = here()
        if trace:
            self._stage = self._site.begin(trace, self._args, self._kwargs)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        stage, self._stage = self._stage, None
        if stage is not None and error is None:
            self._site.end(stage, None)
        elif stage is not None and error is not None:
            self._site.fail(stage, error, block=True)
        return False


def context_manager(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """Wrap what `contextlib.contextmanager` made. A wrong call raises where it is made, as before."""

    @contextlib.contextmanager
    def observed(made: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[Any]:
        with Block(site, args, kwargs), made.pop() if made else function(*args, **kwargs) as value:
            yield value

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        # Used to decorate a function it is entered many times, and made anew for each.
        return observed([function(*args, **kwargs)], args, kwargs)

    return wrapper


def async_context_manager(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    """Wrap what `contextlib.asynccontextmanager` made, as above."""

    @contextlib.asynccontextmanager
    async def observed(made: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> AsyncIterator[Any]:
        with Block(site, args, kwargs):
            async with made.pop() if made else function(*args, **kwargs) as value:
                yield value

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return observed([function(*args, **kwargs)], args, kwargs)

    return wrapper
