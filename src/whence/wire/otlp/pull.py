"""A JSON document of any size, read item by item: the outer objects are walked, only the innermost are parsed whole."""

import codecs
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

from whence.errors import BadInput

MOST_CHARS: Final = 64 * 1024 * 1024
"""A single item is not followed further."""
_AT_ONCE: Final = 64 * 1024
"""So many characters are read on at least, however small the pieces: each time, what is left is copied and tried anew."""
_AT_THE_EDGE: Final = 64
_SPACE: Final = " \t\r\n"
_SPACE_OF_A_LINE: Final = " \t\r"
SPANS: Final = ("resourceSpans", "resource_spans")
LOGS: Final = ("resourceLogs", "resource_logs")
"""Keys of a request."""
SCOPES: Final = ("scopeSpans", "scope_spans", "scopeLogs", "scope_logs", "instrumentationLibrarySpans")
"""Keys of what a resource holds."""
ITEMS: Final = ("spans", "logRecords", "log_records")
"""Keys of what a scope holds."""
_SCOPE: Final = ("scope", "instrumentationLibrary")

Made = TypeVar("Made")
Make = Callable[[bool, Any, Any, Any], Made]


class _Bad(Exception):
    """What is wrong at the cursor."""


class _Broken(_Bad):
    """The bytes are no text from here on."""


class _Cursor:
    """A place in a text that comes in pieces. What lies before it is let go when more is read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._value = json.JSONDecoder().raw_decode
        self._line = 1
        self._ended = False
        self.broken = ""
        self.space = _SPACE
        self.text = ""
        self.at = 0

    @property
    def line(self) -> int:
        """The number of the line of the cursor."""
        return self._line + self.text.count("\n", 0, self.at)

    def _more(self) -> bool:
        """Read on, at least as much again as is left: an item that is tried anew each time stays linear in its size."""
        if self.broken:
            raise _Broken(self.broken)
        if self._ended:
            return False
        self._line += self.text.count("\n", 0, self.at)
        pieces = [self.text[self.at :]]
        self.text, self.at = "", 0
        missing = max(_AT_ONCE, len(pieces[0]))
        while missing > 0 and not self._ended:
            piece = self._piece()
            pieces.append(piece)
            missing -= len(piece)
        self.text = "".join(pieces)
        return True

    def _piece(self) -> str:
        chunk = next(self._chunks, None)
        self._ended = chunk is None
        try:
            return self._decoder.decode(chunk or b"", final=self._ended)
        except UnicodeDecodeError as exc:
            # What comes before the damage is still read.
            self._ended, self.broken = True, f"not UTF-8: {exc.reason}"
            return exc.object[: exc.start].decode()

    def peek(self) -> str:
        """Return the next character that is no space, or "" at the end."""
        while True:
            text, at, end, space = self.text, self.at, len(self.text), self.space
            while at < end and text[at] in space:
                at += 1
            self.at = at
            if at < end:
                return text[at]
            if not self._more():
                return ""

    def next_line(self) -> None:
        """Go to the end of this line."""
        while (at := self.text.find("\n", self.at)) < 0:
            self.at = len(self.text)
            if not self._more():
                return
        self.at = at

    def take(self, wanted: str) -> str:
        """Take the next character, which is one of those wanted."""
        found = self.peek()
        if not found or found not in wanted:
            accepted = " or ".join(repr(each) for each in wanted)
            raise _Bad(f"expected {accepted}, found {found!r}" if found else f"expected {accepted}, found the end")
        self.at += 1
        return found

    def value(self) -> Any:
        """Parse the next value whole."""
        self.peek()
        while True:
            try:
                made, end = self._value(self.text, self.at)
            except json.JSONDecodeError as exc:
                # At the edge of what has been read it may only be cut off; elsewhere more would not mend it.
                cut = exc.msg.startswith("Unterminated string") or len(self.text) - exc.pos < _AT_THE_EDGE
                if not cut or len(self.text) - self.at > MOST_CHARS or not self._more():
                    raise _Bad(exc.msg[0].lower() + exc.msg[1:]) from None
            except RecursionError:
                raise _Bad("nested too deep") from None
            else:
                # Only a number may go on: after 1 may come .5, after 1e+ the 5.
                if isinstance(made, int | float) and len(self.text) - end <= 2 and self._more():
                    continue
                self.at = end
                return made

    def walk(self) -> Iterator[str]:
        """Walk the next object: whoever asks takes the value after each key."""
        self.take("{")
        if self.peek() == "}":
            self.at += 1
            return
        while True:
            if self.peek() != '"':
                raise _Bad(f"expected a key, found {self.peek()!r}")
            key = self.value()
            self.take(":")
            yield key
            if self.take(",}") == "}":
                return

    def items(self) -> Iterator[None]:
        """Walk the next array, or null: whoever asks takes each value."""
        if self.peek() == "n":
            if self.value() is not None:
                raise _Bad("expected an array")
            return
        self.take("[")
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield
            if self.take(",]") == "]":
                return

    def skip(self) -> None:
        """Pass over the next value; of an array one item at a time."""
        if self.peek() == "[":
            for _ in self.items():
                self.value()
        else:
            self.value()


def bad(name: str, line: int, given: str, reason: str) -> BadInput:
    """Return the error for a line: what was given, what is accepted."""
    where = f"{name}, line {line}" if name else f"line {line}"
    return BadInput(
        f"{where}: {reason}; given: {given!r}; accepted: OTLP JSON, an object with resourceSpans or resourceLogs, "
        "one to a line or one document"
    )


def read(
    chunks: Iterable[bytes], name: str, make: Make[Made], on_bad: Callable[[BadInput], None] | None = None
) -> Iterator[Made]:
    """Read requests that follow one another, in any layout.

    Args:
        chunks: pieces of UTF-8, of any size.
        name: how to call the source in a message.
        make: makes what is yielded, of (whether it is a span, the item, its resource, its scope).
        on_bad: if the first request takes one line, told of each later line that is no request; of such a line, what
            comes before the damage has been yielded.

    Raises:
        BadInput: where the document is not what it should be.
    """
    cursor = _Cursor(chunks)
    by_line = skipping = False
    while True:
        try:
            if skipping:
                cursor.next_line()
                skipping = False
            cursor.space = _SPACE
            if not cursor.peek():
                return
            if by_line:
                cursor.space = _SPACE_OF_A_LINE  # a line that is cut off ends there, and does not go on in the next
                yield from _requests(cursor, make)
            else:
                began = cursor.line
                yield from _requests(cursor, make)
                by_line = on_bad is not None and cursor.line == began
        except (_Bad, BadInput) as exc:
            given = cursor.text[cursor.at : cursor.at + _AT_THE_EDGE]
            reason = cursor.broken if cursor.broken and len(given) < _AT_THE_EDGE else str(exc)
            wrong = bad(name, cursor.line, given, reason)
            if on_bad is None or not by_line or isinstance(exc, _Broken):
                raise wrong from None
            on_bad(wrong)
            skipping = True


def _requests(cursor: _Cursor, make: Make[Made]) -> Iterator[Made]:
    if cursor.peek() == "[":
        for _ in cursor.items():
            yield from _request(cursor, make)
    else:
        yield from _request(cursor, make)


def _request(cursor: _Cursor, make: Make[Made]) -> Iterator[Made]:
    known = passed = False
    for key in cursor.walk():
        if key in SPANS or key in LOGS:
            known = True
            for _ in cursor.items():
                yield from _group(cursor, key in SPANS, make)
        else:
            passed = passed or not key.startswith("resource")
            cursor.skip()
    if passed and not known:
        raise _Bad("no resourceSpans and no resourceLogs")


def _group(cursor: _Cursor, is_span: bool, make: Make[Made]) -> Iterator[Made]:
    resource: Any = None
    held: list[tuple[Any, Any]] = []  # items that came before their resource
    for key in cursor.walk():
        if key == "resource":
            resource = cursor.value() or {}
        elif key in SCOPES:
            for _ in cursor.items():
                for item, scope in _scope(cursor):
                    if resource is None:
                        held.append((item, scope))
                    else:
                        yield make(is_span, item, resource, scope)
        else:
            cursor.skip()
    for item, scope in held:
        yield make(is_span, item, resource, scope)


def _scope(cursor: _Cursor) -> Iterator[tuple[Any, Any]]:
    scope: Any = None
    held: list[Any] = []
    for key in cursor.walk():
        if key in _SCOPE:
            scope = cursor.value() or {}
        elif key in ITEMS:
            for _ in cursor.items():
                item = cursor.value()
                if scope is None:
                    held.append(item)
                else:
                    yield item, scope
        else:
            cursor.skip()
    for item in held:
        yield item, scope
