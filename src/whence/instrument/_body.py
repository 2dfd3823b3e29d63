"""The bytes of an answer, seen as they go by: a stand-in for a response's body that hands every chunk on unchanged.

The bodies of httpx, httpx2 and what is built on them are alike: an object that is iterated once and closed once, either
way or both. What stands in for one is of the same base classes, so the checks that responses make on theirs still hold.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any, Final, Protocol

from whence.record.failure import is_cancellation

EVENT_BYTES: Final = 16 * 1024 * 1024
"""An event of a stream, or a body that is kept whole, is followed up to this size."""
_BASES: Final = ("SyncByteStream", "AsyncByteStream")


class Reader(Protocol):
    """Whoever wants to know what became of a body. No method raises."""

    def chunk(self, data: bytes) -> None:
        """Some bytes went by."""

    def read(self, error: BaseException | None) -> None:
        """The body was read to its end, or broke."""

    def closed(self, how: str) -> None:
        """Nobody will read on: it was closed, or dropped."""


class _Watched:
    def __init__(self, body: Any, reader: Reader) -> None:
        self._body = body
        self._reader = reader

    def __getattr__(self, name: str) -> Any:
        # `elapsed` is read from here by the response, and libraries put names of their own on bodies.
        return getattr(object.__getattribute__(self, "_body"), name)

    def __del__(self) -> None:
        try:
            self._reader.closed("dropped before its end")
        except Exception:  # noqa: BLE001 - the interpreter may be half gone
            return


class _Sync(_Watched):
    def __iter__(self) -> Iterator[bytes]:
        reader = self._reader
        try:
            for data in self._body:
                reader.chunk(data)
                yield data
        except GeneratorExit:
            raise  # whoever read it stopped; `close` follows, or the end of this object
        except BaseException as error:
            reader.read(error)
            raise
        reader.read(None)

    def close(self) -> None:
        self._reader.closed("closed before its end")
        self._body.close()


class _Async(_Watched):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        reader = self._reader
        chunks = self._body.__aiter__()
        try:
            async for data in chunks:
                reader.chunk(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            reader.read(error)
            raise
        else:
            reader.read(None)
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()  # in the task that read it, as the bodies of httpx2 do

    async def aclose(self) -> None:
        self._reader.closed("closed before its end")
        await self._body.aclose()


_kinds: dict[tuple[type, ...], type] = {}


def watch(response: Any, reader: Reader) -> bool:
    """Put a stand-in in place of a response's body; False where the body is of no kind that is known."""
    body = response.stream
    bases = tuple(base for base in type(body).__mro__ if base.__name__ in _BASES)
    if not bases:
        return False
    kind = _kinds.get(bases)
    if kind is None:
        ours = {"SyncByteStream": _Sync, "AsyncByteStream": _Async}
        parts = tuple(ours[base.__name__] for base in bases)
        kind = _kinds[bases] = type("WatchedBody", (*parts, *bases), {})
    response.stream = kind(body, reader)
    return True


class Events:
    """The data of server-sent events, however their bytes were cut on the way."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._parts: list[bytes] = []  # the line that has not ended yet
        self._held = 0
        self._data: list[bytes] = []  # of the event that has not ended yet

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes, and hand on the data of each event that is complete.

        Raises:
            ValueError: an event is larger than what is followed.
        """
        self._held += len(chunk)
        if self._held > EVENT_BYTES:
            raise ValueError(f"an event of more than {EVENT_BYTES} bytes")
        if b"\n" not in chunk and b"\r" not in chunk:
            self._parts.append(chunk)
            return
        lines = b"".join((*self._parts, chunk)).splitlines(keepends=True)
        # A line feed may still follow a carriage return that comes last.
        self._parts = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        for line in lines:
            self._line(line.rstrip(b"\r\n"))
        self._held = sum(map(len, self._parts)) + sum(map(len, self._data))

    def end(self) -> None:
        """Take what is left: a last event need not be followed by a blank line."""
        for line in (*b"".join(self._parts).splitlines(), b""):
            self._line(line)

    def _line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        elif not line and self._data:
            data, self._data = b"\n".join(self._data), []
            self._take(data)


def decoded(response_class: Any, encoding: str, raw: bytes) -> bytes:
    """Return the bytes of a body without their content encoding, by the means of the response's own library."""
    content: bytes = response_class(200, headers={"content-encoding": encoding}, content=raw).content
    return content


def was_cancelled(error: BaseException) -> bool:
    """Return whether whoever waited was told to stop: that is no failure of the call."""
    return isinstance(error, KeyboardInterrupt | GeneratorExit) or is_cancellation(error)
