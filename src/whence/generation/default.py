"""The process's own session, which what runs in no trace is recorded into, and so: which trace a call belongs to."""

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from whence.generation.logger import GenerationLogger
from whence.generation.session import SessionTrace
from whence.record import context
from whence.record.guard import not_started
from whence.record.trace import Trace


class _Default(NamedTuple):
    """The session of what runs in none, and the runtime that it was made for."""

    logger: GenerationLogger | None
    trace: SessionTrace | None
    runtime: object
    current: Callable[[], object]  # what runtime there is now; it is loaded late


_default = _Default(None, None, None, object)
_making = threading.RLock()


def get_generation_logger() -> GenerationLogger:
    """Return the process's own session, begun on first use: what `observable` records into outside any trace.

    It ends with the program. After `whence.init` it is another one.
    """
    found = _default
    if found.current() is not found.runtime:
        found = _make_default()
    return found.logger if found.logger is not None else _alone()


def outside() -> Trace | None:
    """Return the trace of a call that is made in none: that of the whole process if there is one, else of the process's
    own session; None where that is switched off."""
    found = _default
    if found.current() is found.runtime and context._process is None:
        return found.trace
    scope = context.current_scope()
    return scope.trace if scope is not None else _make_default().trace


def here() -> Trace | None:
    """Return the trace that a call made now belongs to; None, or a falsy one, where nothing is recorded."""
    scope = context.current_scope()
    return scope.trace if scope is not None else outside()


def _alone() -> GenerationLogger:
    logger = GenerationLogger.__new__(GenerationLogger)
    logger._open(None, None, None, alone=True)
    return logger


def _make_default() -> _Default:
    """Begin the process's own session, if none was for the runtime there is; never raises."""
    global _default
    try:
        from whence.runtime import runtime as process

        runtime: object = process.runtime_or_default()
        with _making:
            if _default.runtime is not runtime:  # else another thread was first
                logger = _alone()
                trace = logger.trace if isinstance(logger.trace, SessionTrace) else None
                _default = _Default(logger, trace, runtime, process.peek)
    except Exception as exc:  # noqa: BLE001 - as in `_begin`
        not_started(exc)
    return _default


def _after_fork_in_child() -> None:
    global _making
    _making = threading.RLock()  # a thread of the parent's may have held it


os.register_at_fork(after_in_child=_after_fork_in_child)
