"""Adapters: what a program already has (clients, logging, OpenTelemetry) recorded without rewriting it.

    import whence.instrument
    whence.instrument.install("openai", "logging")
    whence.instrument.remove("openai")

Each adapter is a module of this package with `install` and `remove`, which take more than this page's do; it imports its
library only when it is installed.
"""

from importlib import import_module
from typing import Any, Final

from whence.errors import BadInput
from whence.instrument._imports import when_imported

__all__ = ["install", "names", "remove", "when_imported"]

_NAMES: Final = ("openai", "anthropic", "logging", "structlog", "opentelemetry")


def names() -> tuple[str, ...]:
    """Return the names of the adapters there are."""
    return _NAMES


def install(*names: str) -> None:
    """Put adapters in place, by name; one that is in place already stays as it is.

    Raises:
        BadInput: no name was given, or one that is none of `names()`, and then nothing was changed; or a library is not
            installed, and the adapters named before it are in place.
    """
    for adapter in _adapters(names):
        adapter.install()


def remove(*names: str) -> None:
    """Take adapters out again, by name; one that is not in place is left so.

    Raises:
        BadInput: no name was given, or one that is none of `names()`; nothing was changed.
    """
    for adapter in _adapters(names):
        adapter.remove()


def _adapters(wanted: tuple[str, ...]) -> list[Any]:
    unknown = [name for name in wanted if name not in _NAMES]
    if unknown or not wanted:
        given = ", ".join(map(repr, unknown)) or "nothing"
        raise BadInput(f"no adapter: {given}; accepted: {', '.join(_NAMES)}")
    return [import_module(f"whence.instrument.{name}") for name in wanted]
