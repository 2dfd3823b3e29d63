"""Log lines of a run become events of it: a handler for `logging`.

    import whence.instrument.logging as whence_logging
    whence_logging.install()                                 # on the root logger, from INFO

Only what is logged inside a run is recorded; format, levels and other handlers stay as they are. `extra={…}` and the
exception become attributes. An `extra` or message that holds a secret is masked as everything that is recorded.
"""

import logging
import threading
from collections.abc import Callable
from typing import Any

from whence.errors import BadInput
from whence.record.context import current_scope
from whence.record.failure import describe_error, stack_of

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
"""What every log record has; the rest was said with `extra`."""


class WhenceHandler(logging.Handler):
    """Records log lines as events of the run that the code is in: name of the logger, level, message, attributes."""

    def emit(self, record: logging.LogRecord) -> None:
        """Record a log line; outside any run nothing is recorded."""
        scope = current_scope()
        if scope is None or not scope.trace or record.name.partition(".")[0] == "whence":
            return
        try:
            attributes: dict[str, Any] = {
                "logger": record.name,
                "where": f"{record.pathname}:{record.lineno} in {record.funcName}",
                **{k: v for k, v in record.__dict__.items() if k not in _OWN},
            }
            if record.exc_info and isinstance(record.exc_info[1], BaseException):
                error = record.exc_info[1]
                attributes["error"] = {**describe_error(error), "stack": stack_of(error)}
            scope.trace.happened(scope.stage, record.name, _message(record), level_of(record.levelno), attributes)
        except Exception as exc:  # noqa: BLE001 - the host logs on
            scope.trace.refused("logging", exc)


def _message(record: logging.LogRecord) -> Any:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - the wrong arguments are the other handlers' to complain of; what was meant is kept
        return record.msg


def level_of(number: int) -> str:
    """Return the level's name as whence knows it, for any number a program made up."""
    for least, name in ((50, "critical"), (40, "error"), (30, "warning")):
        if number >= least:
            return name
    return "info"


_installed: list[tuple[logging.Logger, WhenceHandler]] = []


def install(logger: str | logging.Logger | None = None, *, level: int | str = logging.INFO) -> WhenceHandler:
    """Add a handler to a logger (the root logger, unless given) and return it; twice is once.

    Raises:
        BadInput: the level is none.
    """
    target = logger if isinstance(logger, logging.Logger) else logging.getLogger(logger)
    for known, handler in _installed:
        if known is target and handler in known.handlers:
            return handler
    try:
        handler = WhenceHandler(level)
    except (ValueError, TypeError):
        raise BadInput(f"level {level!r}; accepted: a number, or DEBUG, INFO, WARNING, ERROR, CRITICAL") from None
    target.addHandler(handler)
    _installed.append((target, handler))
    return handler


_Call = Callable[[logging.Logger, logging.LogRecord], None]
_listening: list[tuple[_Call, _Call]] = []  # ours, and what stood in its place
_deaf = threading.local()


def listen(*, level: int = logging.INFO) -> None:
    """Hear what every logger says without being one of its handlers, for a program that does not know of us.

    A handler on the root logger would make `logging.basicConfig` of the program do nothing.
    """
    if _listening:
        return
    handler, original = WhenceHandler(level), logging.Logger.callHandlers

    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        if record.levelno >= handler.level and not getattr(_deaf, "now", False) and _listening:
            _deaf.now = True  # a message that logs when it is made into text
            try:
                handler.emit(record)
            finally:
                _deaf.now = False
        original(self, record)

    # Handlers look for the caller by leaving out frames of logging's own file: ours, between those, must not stop them.
    call_handlers.__code__ = call_handlers.__code__.replace(co_filename=original.__code__.co_filename)
    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]
    _listening.append((call_handlers, original))


def unlisten() -> None:
    """Hear no more. What somebody has put in our place since then stays there."""
    while _listening:
        ours, original = _listening.pop()
        if logging.Logger.callHandlers is ours:
            logging.Logger.callHandlers = original  # type: ignore[method-assign,assignment]


def remove(logger: str | logging.Logger | None = None) -> None:
    """Take the handler off this logger; without one, off every logger, and listen no more."""
    if logger is None:
        unlisten()
    target = logging.getLogger(logger) if isinstance(logger, str) else logger
    for each in tuple(_installed):
        if target is None or each[0] is target:
            each[0].removeHandler(each[1])
            _installed.remove(each)
