"""Log lines of a run become events of it: a processor for structlog.

    import whence.instrument.structlog as whence_structlog
    whence_structlog.install()                               # first in structlog's chain

or by hand: `structlog.configure(processors=[whence_structlog.processor, …])`. The event dict goes on unchanged; what was
bound becomes attributes. Only what is logged inside a run is recorded.
"""

from collections.abc import MutableMapping
from typing import Any

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
        if error is True:
            import sys

            error = sys.exc_info()[1]
        elif isinstance(error, tuple) and len(error) == 3:
            error = error[1]
        if isinstance(error, BaseException):
            attributes["error"] = {**describe_error(error), "stack": stack_of(error)}
        said = event.get("event")
        name = said if isinstance(said, str) and len(said) <= _NAME_CHARS else "log"
        level = str(event.get("level") or method).lower()
        scope.trace.happened(scope.stage, name, said, _METHODS.get(level, level), attributes)
    except Exception as exc:  # noqa: BLE001 - the host logs on
        scope.trace.refused("structlog", exc)
    return event


_NAME_CHARS = 80
"""structlog's events are short names by habit; a longer one is a sentence, and no name."""


def install() -> None:
    """Put the processor first in structlog's configured chain; twice is once."""
    import structlog

    chain = list(structlog.get_config()["processors"])
    if processor not in chain:
        structlog.configure(processors=[processor, *chain])


def remove() -> None:
    """Take the processor out of the chain."""
    import structlog

    chain = list(structlog.get_config()["processors"])
    if processor in chain:
        structlog.configure(processors=[each for each in chain if each is not processor])
