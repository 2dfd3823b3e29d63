"""whence: whence did this result come, and what should happen next?

    import whence

    with whence.trace(project="shop", query="Which plan fits?") as trace:
        with trace.stage("retrieval") as stage:
            stage.decision("source", what="catalogue", why="the question names a plan", confidence=0.9,
                           alternatives=["forum"], inputs={"words": 4})

Then, in a terminal: `whence traces`, `whence why last`. This page is the public surface; what it does not list may change.
"""

from typing import TYPE_CHECKING, Any

from whence.version import __version__

if TYPE_CHECKING:
    from whence.api import (
        carry,
        check,
        current_trace,
        decision,
        event,
        flush,
        init,
        llm,
        llm_call,
        shutdown,
        stage,
        stats,
        trace,
        traceparent,
        transform,
        wrote,
    )
    from whence.errors import BadInput, NotFound, StoreBusy, StoreTooNew, StoreUnreachable, WhenceError

__all__ = [
    "BadInput",
    "NotFound",
    "StoreBusy",
    "StoreTooNew",
    "StoreUnreachable",
    "WhenceError",
    "__version__",
    "carry",
    "check",
    "current_trace",
    "decision",
    "event",
    "flush",
    "init",
    "llm",
    "llm_call",
    "shutdown",
    "stage",
    "stats",
    "trace",
    "traceparent",
    "transform",
    "wrote",
]

_ERRORS = frozenset(("BadInput", "NotFound", "StoreBusy", "StoreTooNew", "StoreUnreachable", "WhenceError"))


def __getattr__(name: str) -> Any:
    # Late, so that `import whence` costs next to nothing and `python -m whence …` does not load what it does not use.
    if name not in __all__:
        raise AttributeError(f"module 'whence' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module("whence.errors" if name in _ERRORS else "whence.api"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def _provide_store() -> None:
    from whence.store import current

    def ready() -> Any:
        from whence.runtime.runtime import runtime

        return runtime().ready_store()

    current.provide(ready)


_provide_store()
