"""One call of a client between its request and the last byte of its answer.

Nothing here raises: what cannot be read of an answer is counted (`internal_errors`), and the call is ended without it.
"""

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import msgspec

from whence.instrument import _body
from whence.record.failure import describe_error

if TYPE_CHECKING:
    from whence.record.llm import Call

_AMAZON = "application/vnd.amazon.eventstream"


class Reply(ABC):
    """What an answer says, gathered from one document or from the events of a stream. One kind for each shape of answer.

    `complete`: its last part is there, nothing more can come. `failure`: the error that it tells of, if it does.
    """

    complete = False
    failure: Any = None

    def settled(self) -> bool:
        """Return whether a stream may end here: some servers leave out the last event."""
        return self.complete

    def read(self, content: bytes) -> Any:
        """Return an answer that is one document, decoded as far as it is looked into."""
        return msgspec.json.decode(content)

    @abstractmethod
    def whole(self, said: dict[str, Any]) -> None:
        """Take an answer that is one document."""

    @abstractmethod
    def event(self, said: dict[str, Any]) -> None:
        """Take the next event of a stream."""

    @abstractmethod
    def fields(self) -> dict[str, Any]:
        """Return what is known of the answer, as `LlmFields`."""


class Underway:
    """A call that is under way: what its client does is told to it, and it tells the record when the call has ended."""

    __slots__ = ("_answered", "_chunks", "_first_s", "_reading", "_reply", "_retries", "_started", "call")

    def __init__(self, call: "Call", reply: Reply) -> None:
        self.call = call
        self._reply = reply
        self._started = time.perf_counter()
        self._first_s: float | None = None
        self._chunks = 0
        self._retries = 0
        self._reading: Reading | None = None
        self._answered = False

    def retried(self) -> None:
        """The client waits, and will ask again."""
        self._retries += 1

    def answered(self, client: Any, response: Any) -> None:
        """An answer has come; its body may be there, or is still to be read by whoever asked."""
        try:
            if response.status_code >= 400:
                return
            self._answered = True
            reading = self._reading = Reading(self, client, response)
            if response.is_closed:
                reading.decoded(response.content)
                self._reading = None
            elif not _body.watch(response, reading):
                self._reading = None
        except Exception as exc:  # noqa: BLE001 - it is the client's answer, not ours to fail on
            self._reading = None
            self.refused(exc)

    def returned(self, result: Any) -> None:
        """The client gave the caller what it asked for; a body that is still to be read goes on."""
        if self._reading is not None:
            return
        try:
            dump = getattr(result, "model_dump", None)
            if not self._answered and callable(dump):  # something in the client answered, and asked no server
                self._reply.whole(dump(mode="json"))
                self.call.update(cache_hit=True)
        except Exception as exc:  # noqa: BLE001 - as above
            self.refused(exc)
        self.end()

    def failed(self, error: BaseException) -> None:
        """The client raised."""
        try:
            status = getattr(error, "status_code", None)
            if isinstance(status, int):
                self.call.update(status_code=status)
        except Exception as exc:  # noqa: BLE001 - any class may be raised by what a client is built upon
            self.refused(exc)
        self.end(error)

    def event(self, data: bytes) -> None:
        """Take the data of one event of a stream."""
        reply = self._reply
        if data.startswith(b"[DONE]"):
            reply.complete = True
        else:
            said = msgspec.json.decode(data)
            if not isinstance(said, dict) or said.get("type") == "ping":
                return
            if not self._chunks:
                self._first_s = time.perf_counter() - self._started
            self._chunks += 1
            if said.get("error"):
                reply.failure = said["error"]
            else:
                reply.event(said)
        if reply.complete or reply.failure is not None:
            self.end()

    def whole(self, content: bytes) -> None:
        """Take an answer that is one document."""
        said = self._reply.read(content)
        if isinstance(said, dict):
            self._reply.whole(said)

    def settled(self) -> bool:
        """Return whether a stream may end here."""
        return self._reply.settled()

    def refused(self, exc: Exception) -> None:
        """Count something of an answer that could not be read; the call itself is recorded."""
        self.call.trace.recorder.errors.add("instrument", exc)

    def end(self, error: BaseException | None = None, interrupted: str | None = None) -> None:
        """Record the end of the call with what is known of it; once."""
        try:
            if not self.call.open:
                return
            reply = self._reply
            try:
                fields = reply.fields()
            except Exception as exc:  # noqa: BLE001 - an answer of an unknown shape
                self.refused(exc)
                fields = {}
            failure = describe_error(error) if error is not None else reply.failure
            if interrupted is None and error is not None and _body.was_cancelled(error):
                interrupted = "cancelled"
            if interrupted is not None:
                fields["interrupted"] = interrupted
            if not fields.get("finish_reason"):
                fields["finish_reason"] = (
                    "incomplete" if interrupted is not None else "error" if failure is not None else None
                )
            if self._chunks:
                fields.update(chunks=self._chunks, time_to_first_chunk_s=self._first_s)
            self.call.end(**fields, retries=self._retries, error=failure)
        except Exception as exc:  # noqa: BLE001 - the host's call has long gone on
            self.refused(exc)


class Reading:
    """The body of an answer while somebody else reads it.

    It keeps nothing of the response, whose body keeps it: a response that is dropped must go at once, and its connection.
    """

    def __init__(self, underway: Underway, client: Any, response: Any) -> None:
        self._underway = underway
        headers = response.headers  # two of them say how the body is written; none is recorded
        self._type = str(headers.get("content-type", "")).partition(";")[0].strip().lower()
        self._encoding = headers.get("content-encoding")
        self._response_class = type(response)
        self._amazon_decoder = getattr(client, "_make_sse_decoder", None) if self._type == _AMAZON else None
        self._events = _body.Events(underway.event)
        self._kept: list[bytes] = []
        self._size = 0
        self._gave_up = False

    @property
    def _follows(self) -> bool:
        return self._type == "text/event-stream" and not self._encoding

    def chunk(self, data: bytes) -> None:
        """Take bytes as they go by: events are read at once, anything else is kept until it is whole."""
        if self._gave_up or self._underway._reading is not self:
            return
        try:
            if self._follows:
                self._events.feed(data)
                return
            self._size += len(data)
            if self._size > _body.EVENT_BYTES:
                raise ValueError(f"an answer of more than {_body.EVENT_BYTES} bytes")
            self._kept.append(data)
        except Exception as exc:  # noqa: BLE001 - whatever a server sends
            self._give_up(exc)

    def read(self, error: BaseException | None) -> None:
        """The body was read to its end, or broke."""
        if self._underway._reading is not self:
            return
        self._take_kept(whole=error is None)
        if error is None and self._chunked and not self._underway.settled():
            self._underway.end(interrupted="the stream ended without its last event")
        else:
            self._underway.end(error)

    def closed(self, how: str) -> None:
        """Nobody will read on."""
        if self._underway._reading is self:
            self._take_kept(whole=False)
            self._underway.end(interrupted=how)

    def _take_kept(self, whole: bool) -> None:
        if self._gave_up or not self._underway.call.open:
            return
        try:
            if self._follows:
                self._events.end()
            elif self._kept:
                raw, encoding = b"".join(self._kept), self._encoding
                self._kept = []
                self.decoded(_body.decoded(self._response_class, encoding, raw) if encoding else raw)
        except Exception as exc:  # noqa: BLE001 - of an unknown form, or cut off, as is to be expected of a part
            if whole:
                self._give_up(exc)

    def decoded(self, content: bytes) -> None:
        """Take a whole body."""
        if self._type == "text/event-stream":
            events = _body.Events(self._underway.event)
            events.feed(content)
            events.end()
        elif self._amazon_decoder is not None:
            for event in self._amazon_decoder().iter_bytes(iter([content])):
                self._underway.event(event.data.encode())
        else:
            self._underway.whole(content)

    @property
    def _chunked(self) -> bool:
        return self._type == "text/event-stream" or self._amazon_decoder is not None

    def _give_up(self, exc: Exception) -> None:
        self._gave_up = True
        self._kept.clear()
        self._underway.refused(exc)
