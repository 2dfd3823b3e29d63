"""How this door finds its store, and how it asks it without stopping an event loop."""

import contextvars
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from whence.record.notice import notice
from whence.runtime.doors import use_directory

if TYPE_CHECKING:
    from whence.store.interface import Store

P = ParamSpec("P")
R = TypeVar("R")


def settle(db_session: object = None, redis_client: object = None) -> None:
    """Take what the original design was built with.

    Args:
        db_session: None is this process's own store; a path is a data directory, which becomes this process's; a session of
            any database is not needed: whence keeps its own store (C4.11), and says so once.
        redis_client: not needed either.
    """
    if isinstance(db_session, str | Path):
        use_directory(Path(db_session))
    elif db_session is not None or redis_client is not None:
        given = type(db_session if db_session is not None else redis_client).__name__
        notice(f"whence.debug keeps its own store and needs no {given}; give it None, or the path of a data directory")


def asked_store() -> "Store":
    """Return the store with everything drained that this process, and any other, has recorded into it.

    Raises:
        StoreUnreachable: it cannot be opened; the message says why and what to do.
    """
    from whence.runtime.runtime import runtime

    built = runtime()
    built.drain()
    return built.store()


def now_ns() -> int:
    """Return Unix time, UTC, by the clock that this process records with."""
    from whence.clock import SystemClock
    from whence.runtime.runtime import runtime_or_default

    built = runtime_or_default().built_recorder  # a process that only asks has none, and gets none for this
    return built.now_ns() if built is not None else SystemClock().now_ns()


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Return what the function returns, without blocking the event loop meanwhile."""
    import asyncio  # late: a program without an event loop need not load it

    def call() -> R:
        return function(*args, **kwargs)

    loop = asyncio.get_running_loop()
    try:
        running: Any = loop.run_in_executor(None, contextvars.copy_context().run, call)
    except RuntimeError:  # the loop's executor is shut down: the program is ending, nobody else waits
        return call()
    found: R = await asyncio.shield(running)
    return found
