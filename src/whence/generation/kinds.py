"""Every kind of thing that can be called, observed, and still of its kind (R3.25, C3.1)."""

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Coroutine
from typing import Any, Final

from whence.errors import BadInput
from whence.generation.blocks import async_context_manager, context_manager
from whence.generation.logger import here, outside
from whence.generation.site import OFF, Site
from whence.generation.steps import async_generator, awaitable_generator, generator
from whence.record import context
from whence.record.trace import Trace

current = context._scope.get  # as `context.current_scope`, whose call the common case is spared
_HELPER: Final = contextlib.contextmanager(lambda: iter(())).__code__
_ASYNC_HELPER: Final = contextlib.asynccontextmanager(lambda: iter(())).__code__  # type: ignore[arg-type,return-value]


def observed(target: Any, site: Site) -> Any:
    """Return a function, method, callable or descriptor that is observed, of the same kind as the one given.

    Raises:
        BadInput: it is none of these.
    """
    if isinstance(target, staticmethod):
        return staticmethod(observed(target.__func__, site))
    if isinstance(target, classmethod):
        return classmethod(observed(target.__func__, site))
    if isinstance(target, property):
        if target.fget is None:
            return target
        return property(observed(target.fget, site), target.fset, target.fdel, target.__doc__)
    if isinstance(target, types.MethodType):
        return types.MethodType(observed(target.__func__, site), target.__self__)
    if isinstance(target, type):
        raise BadInput(
            f"observable cannot decorate the class {target.__name__}; use observe({target.__name__}, stages={{…}})"
        )
    if not callable(target):
        raise BadInput(f"observable cannot decorate {type(target).__name__}; accepted: functions, methods, callables")
    wrapper = _kind(target)(target, site.of(target))
    if not hasattr(type(target), "__get__"):
        return ObservedCallable(target, wrapper)
    with contextlib.suppress(Exception):  # a callable of the host's may have anything for a name
        functools.update_wrapper(wrapper, target)
    return wrapper


def _kind(target: Any) -> Callable[[Any, Site], Any]:
    """Return what wraps this kind of function."""
    code = getattr(target, "__code__", None)
    if code is _HELPER:
        return context_manager
    if code is _ASYNC_HELPER:
        return async_context_manager
    called = target if inspect.isroutine(target) or isinstance(target, functools.partial) else type(target).__call__
    if inspect.iscoroutinefunction(called):
        return _coroutine
    if inspect.isasyncgenfunction(called):
        return async_generator
    if inspect.isgeneratorfunction(called):
        flags = getattr(code, "co_flags", 0)
        return awaitable_generator if flags & inspect.CO_ITERABLE_COROUTINE else generator
    return _plain


class ObservedCallable:
    """An object that can be called, observed. Everything else is as it is on the object."""

    __slots__ = ("__wrapped__", "_call")

    def __init__(self, target: Any, call: Callable[..., Any]) -> None:
        self.__wrapped__ = target
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __repr__(self) -> str:
        return f"<observed {self.__wrapped__!r}>"


def _plain(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    begin, end, fail, limited, captures = site.begin, site.end, site.fail, site.limited, site.capture_result

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        trace: Any = outside() if scope is None else here() if scope.left else scope.trace
        if trace is None or type(trace) in OFF:
            return function(*args, **kwargs)
        if limited and site.left_out(trace):
            return _unrecorded(function, site, trace, args, kwargs)
        stage = begin(trace, args, kwargs)
        if stage is None:
            return function(*args, **kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as exc:
            fail(stage, exc)
            raise
        end(stage, {"result": result} if captures else None)
        return result

    return wrapper


def _unrecorded(
    function: Callable[..., Any], site: Site, trace: Trace, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    started = trace.monotonic_ns()
    try:
        return function(*args, **kwargs)
    except BaseException as exc:
        site.failed_unrecorded(trace, started, args, kwargs, exc)
        raise


def _coroutine(function: Callable[..., Coroutine[Any, Any, Any]], site: Site) -> Callable[..., Any]:
    begin, end, fail, limited, captures = site.begin, site.end, site.fail, site.limited, site.capture_result

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        trace: Any = outside() if scope is None else here() if scope.left else scope.trace
        if trace is None or type(trace) in OFF:
            return await function(*args, **kwargs)
        if limited and site.left_out(trace):
            started = trace.monotonic_ns()
            try:
                return await function(*args, **kwargs)
            except BaseException as exc:
                site.failed_unrecorded(trace, started, args, kwargs, exc)
                raise
        stage = begin(trace, args, kwargs)
        if stage is None:
            return await function(*args, **kwargs)
        try:
            result = await function(*args, **kwargs)
        except BaseException as exc:
            fail(stage, exc)
            raise
        end(stage, {"result": result} if captures else None)
        return result

    return wrapper
