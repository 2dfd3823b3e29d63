"""Log lines of a run become events of it: a processor for structlog.

    import whence.instrument.structlog as whence_structlog
    whence_structlog.install()

It stands behind the processors that drop lines and merge what is bound to the context, before all others, so that what
is recorded is what was said; or by hand: `structlog.configure(processors=[merge_contextvars, whence_structlog.processor, …])`.
The event dict goes on unchanged; what was bound becomes attributes. Only what is logged inside a run is recorded.
"""

from collections.abc import MutableMapping
from typing import Any

from whence.errors import BadInput
from whence.record.context import current_scope
from whence.record.failure import describe_error, stack_of

_METHODS = {"warn": "warning", "exception": "error", "err": "error", "msg": "info", "fatal": "critical"}


def processor(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Record a log line as an event of the run that the code is in, and pass it on as it came."""
    scope = current_scope()
    if scope is None or not scope.trace:
        return event
    try:
        attributes = {str(key): value for key, value in event.items() if key not in ("event", "exc_info", "level")}
        error = event.get("exc_info")
        if type(error) in (bool, int) and error:  # as structlog reads it: the exception that is being handled
            import sys

            error = sys.exc_info()[1]
        elif type(error) is tuple and len(error) == 3:
            error = error[1]
        if isinstance(error, BaseException):
            attributes["error"] = {**describe_error(error), "stack": stack_of(error)}
        said = event.get("event")
        name = said if isinstance(said, str) and 0 < len(said) <= _NAME_CHARS else "log"
        level = str(event.get("level") or method).lower()
        scope.trace.happened(scope.stage, name, said, _METHODS.get(level, level), attributes)
    except Exception as exc:  # noqa: BLE001 - the host logs on
        scope.trace.refused("structlog", exc)
    return event


_NAME_CHARS = 80
"""structlog's events are short names by habit; a longer one is a sentence, and no name."""


_BEFORE = ("filter_by_level", "merge_contextvars", "merge_threadlocal")


def _structlog() -> Any:
    try:
        import structlog
    except ImportError:
        raise BadInput("structlog is not installed; install it: pip install structlog") from None
    return structlog


def install() -> None:
    """Put the processor into structlog's configured chain; twice is once. The host configures it before that."""
    structlog = _structlog()
    chain = list(structlog.get_config()["processors"])
    if not any(each is processor for each in chain):
        places = [place for place, each in enumerate(chain, 1) if getattr(each, "__name__", "") in _BEFORE]
        chain.insert(max(places, default=0), processor)
        structlog.configure(processors=chain)


def remove() -> None:
    """Take the processor out of the chain."""
    structlog = _structlog()
    chain = list(structlog.get_config()["processors"])
    if any(each is processor for each in chain):
        structlog.configure(processors=[each for each in chain if each is not processor])
