"""The last line before the host: what fails inside a recording call is counted there, and does not become the host's."""

import functools
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

from whence.record.notice import notice

F = TypeVar("F", bound=Callable[..., Any])


def guarded(method: F) -> F:
    """Return a method of a trace or a stage that never raises: it counts what failed and returns None."""

    @functools.wraps(method)
    def door(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
            getattr(self, "trace", self).refused(method.__name__, exc)
            return None

    return cast(F, door)


def not_started(exc: Exception) -> None:
    """Count a trace that could not be begun, where there is a recorder to count it."""
    runtime: Any = sys.modules.get("whence.runtime.runtime")  # it is above us, and may be what could not be loaded
    built = runtime.peek() if runtime is not None else None
    recorder = built.built_recorder if built is not None else None
    if recorder is not None:
        recorder.refuse("start", exc, 0)
    notice(f"whence records nothing: {type(exc).__name__}: {exc} (run `whence doctor`)")
