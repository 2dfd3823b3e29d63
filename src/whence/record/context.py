"""Where in which trace the running code is: one ContextVar holding a stack of scopes.

asyncio tasks inherit it; threads do not, unless the work is wrapped in `carry`. A scope that is left restores the one
around it, also when scopes are left in another order or another task than they were entered in.
"""

import contextvars
import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from whence.record import otel

if TYPE_CHECKING:
    from whence.record.trace import Stage, Trace

P = ParamSpec("P")
R = TypeVar("R")


class Scope:
    """One level of the stack: a trace, and within it the stage that is being worked on, if any."""

    __slots__ = ("left", "otel_before", "outer", "span", "stage", "trace")

    def __init__(self, trace: "Trace", stage: "Stage | None", outer: "Scope | None") -> None:
        self.trace = trace
        self.stage = stage
        self.outer = outer
        self.span: str = stage.span if stage is not None else trace.span
        self.otel_before: Any = None
        self.left = False


_scope: contextvars.ContextVar[Scope | None] = contextvars.ContextVar("whence_scope", default=None)
_process: Scope | None = None  # where code belongs that is in no scope of its own


def current_scope() -> Scope | None:
    """Return the innermost scope that has not been left, else that of the whole process, or None."""
    scope = _scope.get()
    while scope is not None and scope.left:
        scope = scope.outer
    if scope is None:
        whole = _process
        return whole if whole is not None and not whole.left else None
    return scope


def of_process(trace: "Trace | None") -> None:
    """Let a trace be where all code of this process belongs that is in no other, threads included; None: none.

    For a program that is recorded as a whole and does not know of it (`whence run`).
    """
    global _process
    if _process is not None:
        _process.left = True  # what was entered in it has it for its outer one
    _process = None if trace is None else Scope(trace, None, None)


def current_trace() -> "Trace | None":
    """Return the trace that the running code belongs to, or None."""
    scope = _scope.get()
    if scope is None or scope.left:
        scope = current_scope()  # it may be left, or be that of the process
    return scope.trace if scope is not None else None


def enter(trace: "Trace", stage: "Stage | None" = None) -> Scope:
    """Make this the innermost scope of the running context and return it, for `leave`."""
    outer = _scope.get()
    if outer is None or outer.left:
        outer = current_scope()
    scope = Scope(trace, stage, outer)
    _scope.set(scope)
    if "opentelemetry.trace" in sys.modules and trace and trace.joins_otel:
        try:
            scope.otel_before = otel.attach(trace.otel_trace_id, scope.span)
        except Exception as exc:  # noqa: BLE001 - a sampler or provider of the host's; we record without it
            trace.recorder.errors.add("otel", exc)
    return scope


def leave(scope: Scope) -> None:
    """Leave a scope: what was current before it is current again.

    The scope is marked as left as well, because the context it was entered in may be a copy that this call cannot
    reach: a child task, a thread, an async generator that is closed elsewhere. So no token is needed, nor kept.
    """
    scope.left = True
    before, outer = scope.otel_before, scope.outer
    while outer is not None and outer.left:
        before = before if outer.otel_before is None else outer.otel_before
        outer = outer.outer
    if _scope.get() is scope:
        _scope.set(outer)
    if before is None:
        return
    try:
        otel.restore(scope.span, before)
    except Exception as exc:  # noqa: BLE001 - as above
        scope.trace.recorder.errors.add("otel", exc)


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function, plain or `async def`, bound to the current trace, to be handed to a thread or an executor.

    Example: `executor.map(whence.carry(score), passages)`.
    """
    scope = current_scope()

    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # Not copy_context().run: one context cannot be entered twice at once, and an executor calls us in parallel.
        token = _scope.set(scope)
        try:
            return function(*args, **kwargs)
        finally:
            _scope.reset(token)

    async def carried_async(*args: P.args, **kwargs: P.kwargs) -> Any:
        entered = enter(scope.trace, scope.stage) if scope is not None and not scope.left else None
        try:
            return await function(*args, **kwargs)  # type: ignore[misc]
        finally:
            if entered is not None:
                leave(entered)

    wrapper: Any = carried_async if inspect.iscoroutinefunction(function) else carried
    with suppress(Exception):  # a callable of the host's may have anything for a name
        functools.update_wrapper(wrapper, function)
    return wrapper  # type: ignore[no-any-return]
