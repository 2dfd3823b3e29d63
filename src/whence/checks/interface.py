"""What a check says, and who checks what: the shapes, the protocol of a checker, the register by file suffix."""

import os
from collections.abc import Callable
from importlib import import_module
from threading import Lock
from typing import Any, Protocol

import msgspec

from whence.checks.lines import Lines, printable
from whence.clock import SystemClock
from whence.errors import BadInput

MOST_CHARS = 512 * 1024
"""A longer text is not checked (`passed` is None): as much as is kept of a text, and a syntax tree of it stays below
half a gigabyte."""
MOST_FAILURES = 100
"""So many failures are listed; all are counted."""
MOST_MESSAGE_CHARS = 500

clock = SystemClock()


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, and where."""

    type: str  # syntax, indentation, encoding, ast, import, …
    message: str
    line: int | None = None  # from 1, as an editor counts: \n, \r\n and \r end a line
    column: int | None = None  # characters, from 1
    end_line: int | None = None
    context: str = ""  # the lines around, numbered, the line itself marked with ">"
    code: str = ""  # a name for machines, E_…

    def as_dict(self) -> dict[str, Any]:
        """Return what is known of it, as plain values."""
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value not in (None, "")}


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one check says of a text."""

    type: str
    passed: bool | None = None  # None: it could not be told, `error` says why
    failures: tuple[Failure, ...] = ()  # the first MOST_FAILURES, in the order of the text
    failures_total: int = 0
    error: str | None = None
    duration_ns: int | None = None
    attributes: dict[str, Any] = {}  # what else was seen; `notes` are sentences for people

    def as_dict(self) -> dict[str, Any]:
        """Return the result as plain values; failures as dicts."""
        return msgspec.structs.asdict(self) | {"failures": [failure.as_dict() for failure in self.failures]}


class Checker(Protocol):
    """One check of one language."""

    @property
    def name(self) -> str:
        """The type of the results it gives: syntax, import, …"""
        ...

    def check(self, text: str | bytes, path: str | None = None) -> CheckResult:
        """Check a text without running any of it. May be called from any thread.

        Args:
            text: what was generated; bytes where its encoding is not known.
            path: the file it is meant for, for messages and for what lies beside it; it need not exist.
        """
        ...


CheckAll = Callable[..., tuple[CheckResult, ...]]
"""All checks of a language at once, `(text, *, path=None)`, where they share work such as parsing."""


class Collected:
    """Failures as they are found: all are counted, MOST_FAILURES are kept, so that hostile text stays cheap."""

    def __init__(self, type: str, lines: Lines) -> None:
        self.type = type
        self.lines = lines
        self.failures: list[Failure] = []
        self.total = 0

    @property
    def full(self) -> bool:
        return len(self.failures) >= MOST_FAILURES

    def add(
        self,
        code: str,
        message: str,
        line: int | None = None,
        column: int | None = None,
        *,
        end_line: int | None = None,
        type: str = "",
    ) -> None:
        """Add a failure; its context is taken from the lines."""
        self.total += 1
        if self.full:
            return
        context = self.lines.context(line, column) if line is not None else ""
        self.failures.append(
            Failure(
                type=type or self.type,
                message=printable(message, MOST_MESSAGE_CHARS),
                line=line,
                column=column,
                end_line=end_line,
                context=context,
                code=code,
            )
        )

    def result(self, start_ns: int, attributes: dict[str, Any] | None = None) -> CheckResult:
        """Return what was found: passed when there is no failure. `start_ns` is monotonic."""
        return CheckResult(
            type=self.type,
            passed=self.total == 0,
            failures=tuple(self.failures),
            failures_total=self.total,
            duration_ns=clock.monotonic_ns() - start_ns,
            attributes=attributes or {},
        )


def untold(type: str, reason: str) -> CheckResult:
    """Return the result of a check that could not be made."""
    return CheckResult(type=type, error=printable(reason, MOST_MESSAGE_CHARS))


def too_long(text: str | bytes) -> str | None:
    """Return why this text is not checked, None where it is short enough."""
    # UTF-8 takes at most four bytes a character; the exact count follows once bytes are decoded.
    limit = MOST_CHARS if isinstance(text, str) else MOST_CHARS * 4
    if len(text) <= limit:
        return None
    unit = "characters" if isinstance(text, str) else "bytes"
    return f"not checked: {len(text)} {unit}, more than the {limit} that are looked at"


# -- who checks what --------------------------------------------------------------------------------------------------

_BUILT_IN = {
    ".py": "whence.checks.python",
    ".pyi": "whence.checks.python",
    ".json": "whence.checks.data",
    ".toml": "whence.checks.data",
}
_lock = Lock()
_checkers: dict[str, tuple[Checker, ...]] = {}
_together: dict[str, CheckAll] = {}


def register(suffix: str, *checkers: Checker, together: CheckAll | None = None) -> None:
    """Say who checks files of this suffix, in this order; replaces who did before.

    Args:
        suffix: with its dot, as in ".sql"; letters of either case are one.
        checkers: at least one.
        together: runs all of them at once, where they share work; used by `check_text` in their stead.

    Raises:
        BadInput: the suffix has no dot, or no checker is given.
    """
    if not suffix.startswith(".") or len(suffix) < 2:
        raise BadInput(f"{suffix!r} is no file suffix; give it with its dot, as in '.sql'")
    if not checkers:
        raise BadInput(f"no checker given for {suffix!r}; give at least one")
    with _lock:
        _checkers[suffix.lower()] = checkers
        if together is not None:
            _together[suffix.lower()] = together
        else:
            _together.pop(suffix.lower(), None)


def checkers_for(path: str | os.PathLike[str]) -> tuple[Checker, ...]:
    """Return who checks this file, by its suffix; nobody where the language is not known."""
    suffix = _suffix(path)
    if suffix not in _checkers and suffix in _BUILT_IN:
        module = import_module(_BUILT_IN[suffix])
        checkers, together = module.CHECKERS[suffix]
        with _lock:
            if suffix not in _checkers:
                _checkers[suffix] = checkers
                if together is not None:
                    _together[suffix] = together
    return _checkers.get(suffix, ())


def check_text(text: str | bytes, path: str | os.PathLike[str]) -> tuple[CheckResult, ...]:
    """Run every check of this path's language. Raises nothing: a checker that breaks is a result with `error`."""
    try:
        checkers = checkers_for(path)
    except Exception as exc:  # noqa: BLE001 - a text is checked inside pipelines that must go on
        return (untold("", f"the checks could not be loaded: {_said(exc)}"),)
    together = _together.get(_suffix(path))
    if together is not None:
        try:
            return together(text, path=os.fspath(path))
        except Exception as exc:  # noqa: BLE001 - as above
            return tuple(untold(each.name, f"the checker broke: {_said(exc)}") for each in checkers)
    return tuple(_checked(each, text, os.fspath(path)) for each in checkers)


def _checked(checker: Checker, text: str | bytes, path: str) -> CheckResult:
    try:
        return checker.check(text, path)
    except Exception as exc:  # noqa: BLE001 - somebody else's checker; what it was given is hostile
        return untold(checker.name, f"the checker broke: {_said(exc)}")


def _said(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


def _suffix(path: str | os.PathLike[str]) -> str:
    return os.path.splitext(os.fspath(path))[1].lower()
