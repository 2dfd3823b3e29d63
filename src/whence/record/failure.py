"""What is recorded of an exception of the host's: the error exactly as it says itself, and where it came from."""

import sys
import traceback
from itertools import islice
from typing import Any, Final

from whence.redact.capture import LONGEST_SECRET
from whence.redact.objects import derives, mro_of, stored
from whence.redact.text import redact_text
from whence.redact.value import Limits, clean

STACK_FRAMES = 200
"""Of a longer stack the innermost frames are kept."""
MESSAGE_CHARS: Final = 4096
"""A longer message, line or note is cut, and ends in "…"."""
CODE_CHARS: Final = 100
MOST_NOTES: Final = 16
MOST_ARGUMENTS: Final = 100
MOST_ERRORS: Final = 10
"""So many exceptions of one group are told; all are counted."""
MOST_TOLD: Final = 32
"""So many exceptions are told of one: causes, exceptions of groups, and theirs."""
DEEPEST: Final = 8
"""So long is a chain of causes, and so deep are groups in groups."""
THE_HOSTS: Final = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What ends the host's program or generator is not caught where its code runs inside a call of ours: it is the host's,
and nobody can tell who raised it. Anything else that such code raises is."""

_QUALNAME: Final = type.__dict__["__qualname__"]
_OF: Final = BaseException.__dict__
_SPACE: Final = type.__dict__["__dict__"]
_EXCEPTIONS: Final = BaseExceptionGroup.__dict__["exceptions"]
_SEEN_CHARS: Final = MESSAGE_CHARS + LONGEST_SECRET
_LITTLE: Final = Limits(depth=4, items=100, string_chars=MESSAGE_CHARS)


def is_cancellation(error: BaseException) -> bool:
    """Return whether asyncio cancelled the task; without asyncio loaded nothing can have been cancelled."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return what an exception says of itself, as plain values: always `type`, `message`, `where`, and what else there is.

        code                            where it carries one (a text), of its own or of its class
        line, column, filename, text    of a text that was read: SyntaxError, JSONDecodeError, jinja2's, …
        notes                           what was added with `add_note`
        errors, errors_total            those of a group, described likewise; how many, where not all are told
        cause                           what it was raised from or while handling, described likewise

    The message is what `str(error)` returns. That runs code of the exception's class, which recording never does with
    *values*: a value was handed to us to be kept, and its author never meant it to be shown. An exception's `__str__` was
    written to be called by whoever reports it, every traceback and log handler calls it, and for many classes (OSError,
    CalledProcessError, pydantic's) it is the only place where the error is. What it raises is caught, except THE_HOSTS;
    the message is then put together from its arguments. Those are values again, so a class that has no `__str__` of its
    own is not asked either: BaseException's would call that of each argument, whatever it is.
    """
    return _Telling().of(error, 0)


def as_error(said: Any) -> Any:
    """Return what was given as an error as it is recorded: an exception described, anything else as it is."""
    return describe_error(said) if said is not None and derives(mro_of(type(said)), BaseException) else said


def stack_of(error: BaseException) -> str:
    """Return the stack of an exception as Python prints it, innermost frame last, with the source lines it knows.

    Without the message and the causes: they are redacted on their own (`describe_error`).
    """
    frames = traceback.extract_tb(error.__traceback__, limit=-STACK_FRAMES)
    return "".join(traceback.format_list(frames)).rstrip()


class _Telling:
    """One exception and those behind it; chains may be rings, and groups hold the same one twice."""

    def __init__(self) -> None:
        self._told: set[int] = set()

    def _may(self, error: Any, depth: int) -> bool:
        if id(error) in self._told or len(self._told) >= MOST_TOLD or depth > DEEPEST:
            return False
        return derives(mro_of(type(error)), BaseException)

    def of(self, error: BaseException, depth: int) -> dict[str, Any]:
        self._told.add(id(error))
        kind = type(error)
        told = {"type": _QUALNAME.__get__(kind), "message": _cut(_message(error)), "where": _where(error)}
        told |= _place(error)
        code = _code(error)
        if code:
            told["code"] = code
        notes = _stored(error, "__notes__")
        if type(notes) is list:
            kept = [_cut(each) for each in notes[:MOST_NOTES] if type(each) is str]
            told |= {"notes": kept} if kept else {}
        if derives(mro_of(kind), BaseExceptionGroup):
            inside = _EXCEPTIONS.__get__(error)
            errors = [self.of(each, depth + 1) for each in inside[:MOST_ERRORS] if self._may(each, depth + 1)]
            told["errors"] = errors
            if len(errors) < len(inside):
                told["errors_total"] = len(inside)
        cause = _OF["__cause__"].__get__(error)
        if cause is None and not _OF["__suppress_context__"].__get__(error):
            cause = _OF["__context__"].__get__(error)
        if cause is not None and self._may(cause, depth + 1):
            told["cause"] = self.of(cause, depth + 1)
        return told


def _where(error: BaseException) -> str:
    tb = _OF["__traceback__"].__get__(error)
    if tb is None:
        return ""
    while tb.tb_next is not None:
        tb = tb.tb_next
    return f"{tb.tb_frame.f_code.co_filename}:{tb.tb_lineno} in {tb.tb_frame.f_code.co_name}"


def _place(error: BaseException) -> dict[str, Any]:
    """Return the place in a text that an exception is about; the names are those of SyntaxError, jinja2's and json's."""
    line = _stored(error, "lineno")
    if type(line) is not int or line < 0:
        return {}
    place: dict[str, Any] = {"line": line}
    for name in ("offset", "colno"):
        column = _stored(error, name)
        if type(column) is int and column > 0:
            place["column"] = column
    for name in ("filename", "text"):
        said = _stored(error, name)
        if type(said) is str and said.strip():
            place[name] = _cut(said.rstrip())
    return place


def _code(error: BaseException) -> str:
    """Return the code that an exception carries, of its own or of its class: whence's, a provider's, …"""
    for code in (_stored(error, "code"), *(_SPACE.__get__(base).get("code") for base in mro_of(type(error)))):
        if type(code) is str and 0 < len(code) <= CODE_CHARS:
            return code
    return ""


def _stored(error: BaseException, name: str) -> Any:
    """Return a stored attribute; what would have to be computed is none."""
    try:
        return stored(error, mro_of(type(error)), name)
    except KeyError:
        return None


def _cut(text: str) -> str:
    if len(text) <= MESSAGE_CHARS:
        return text
    # Masked before it is cut: of half a secret nobody could tell that it is one.
    return redact_text(text[:_SEEN_CHARS])[:MESSAGE_CHARS] + "…"


def _message(error: BaseException, depth: int = 0) -> str:
    says = next(base for base in mro_of(type(error)) if "__str__" in _SPACE.__get__(base))
    # Through the slot of the base class: a subclass may have made `args` anything.
    args = _OF["args"].__get__(error)
    if says is not BaseException and says is not KeyError:
        try:
            # Sliced as str: what came back may be of a subclass.
            return str.__getitem__(str(error), slice(_SEEN_CHARS))
        except THE_HOSTS:
            raise
        except BaseException:  # noqa: BLE001 - somebody's __str__; the arguments say what they can
            says = BaseException
    if not args:
        return ""
    if len(args) > 1:
        return f"({', '.join(_shown(each, depth, quoted=True) for each in args[:MOST_ARGUMENTS])})"
    return _shown(args[0], depth, quoted=says is KeyError)


def _shown(argument: Any, depth: int, *, quoted: bool) -> str:
    """Return an argument as `str` or `repr` show it where it is of a plain type, and described where it is not."""
    mro = mro_of(type(argument))
    if derives(mro, str):
        text = str.__getitem__(argument, slice(_SEEN_CHARS))
        return repr(text) if quoted else text
    if derives(mro, BaseException) and depth < DEEPEST:
        text = _message(argument, depth + 1)
        return f"{_QUALNAME.__get__(mro[0])}({text!r})" if quoted else text
    if _is_plain(argument):
        return repr(argument)
    described, _ = clean(argument, limits=_LITTLE)
    return str(described)


def _is_plain(value: Any) -> bool:
    """Return whether `repr` runs nobody's code and is short. Dicts are not: what their keys announce is to be masked."""
    todo = [value]
    for seen in range(_LITTLE.items):
        if not todo:
            return True
        each = todo.pop()
        kind = type(each)
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            todo.extend(islice(each, _LITTLE.items - seen))
        elif kind is str or kind is bytes:
            if len(each) > MESSAGE_CHARS:
                return False
        elif kind is int:
            if each.bit_length() > 64:
                return False
        elif each is not None and kind is not bool and kind is not float:
            return False
    return False
