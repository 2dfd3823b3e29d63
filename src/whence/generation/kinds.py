"""Every kind of thing that can be called, observed, and still of its kind (R3.25, C3.1)."""

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Coroutine
from typing import Any, Final

from whence.errors import BadInput
from whence.generation.blocks import async_context_manager, context_manager
from whence.generation.default import here, outside
from whence.generation.proxy import observed_callable
from whence.generation.site import OFF, Site
from whence.generation.steps import async_generator, awaitable_generator, generator
from whence.record import context

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
        return observed_callable(target, wrapper, site)
    with contextlib.suppress(Exception):  # a callable of the host's may have anything for a name
        functools.update_wrapper(wrapper, target)
        if not inspect.isfunction(target):
            _lend_methods(target, wrapper)
    return wrapper


def _lend_methods(target: Any, wrapper: Any) -> None:
    """Let a function that stands for an object have the object's methods: of an `lru_cache` its `cache_info`."""
    for name in dir(type(target)):
        if not name.startswith("_") and not hasattr(wrapper, name):
            found = getattr(target, name, None)
            if callable(found):
                setattr(wrapper, name, found)


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


def _plain(function: Callable[..., Any], site: Site) -> Callable[..., Any]:
    begin, end, fail, captures = site.begin, site.end, site.fail, site.capture_result

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        trace: Any = outside() if scope is None else here() if scope.left else scope.trace
        if trace is None or type(trace) in OFF:
            return function(*args, **kwargs)
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


def _coroutine(function: Callable[..., Coroutine[Any, Any, Any]], site: Site) -> Callable[..., Any]:
    begin, end, fail, captures = site.begin, site.end, site.fail, site.capture_result

    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        scope = current()
        trace: Any = outside() if scope is None else here() if scope.left else scope.trace
        if trace is None or type(trace) in OFF:
            return await function(*args, **kwargs)
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
