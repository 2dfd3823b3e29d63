"""Server-sent events are read the same however their bytes are cut, whatever ends their lines."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence
from whence.instrument import _body, anthropic
from whence.instrument._body import Events
from whence.instrument._underway import Reading, Underway
from whence.testing import capture

LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), max_size=20)


@given(
    events=st.lists(st.lists(LINES, min_size=1, max_size=3), max_size=5),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
    named=st.booleans(),
    complete=st.booleans(),
    cuts=st.lists(st.integers(0, 400), max_size=30),
)
def test_however_it_is_cut(events: list[list[str]], ending: str, named: bool, complete: bool, cuts: list[int]) -> None:
    lines: list[str] = [": a comment"]
    for event in events:
        lines += ["event: named"] if named else []
        lines += [f"data: {line}" for line in event]
        lines += [""]
    raw = ending.join(lines if complete or not events else lines[:-1]).encode() + ending.encode() * complete

    seen: list[bytes] = []
    reader = Events(seen.append)
    places = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    for start, end in pairwise(places):
        reader.feed(raw[start:end])
    reader.end()

    assert seen == ["\n".join(event).encode() for event in events]


def test_without_a_space_and_with_other_fields() -> None:
    seen: list[bytes] = []
    reader = Events(seen.append)
    reader.feed(b"id: 7\ndata:one\nretry: 3\n\n\n\ndata:  two\n\nnothing\n\n")
    assert seen == [b"one", b" two"]


def test_an_event_that_never_ends_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_body, "EVENT_BYTES", 100)
    reader = Events(lambda data: None)
    for _ in range(50):
        reader.feed(b"data: of twenty bytes\n\n")  # many small ones are no large one
    with pytest.raises(ValueError, match="more than 100 bytes"):
        for _ in range(50):
            reader.feed(b"data: and on, and on, ")


def test_a_stream_in_amazons_frames_is_read_by_the_clients_own_decoder() -> None:
    events = [
        '{"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3}}}',
        '{"type": "message_stop"}',
    ]

    class Decoder:
        def iter_bytes(self, chunks: Any) -> Any:
            assert b"".join(chunks) == b"frames"
            return (SimpleNamespace(data=each) for each in events)

    headers = {"content-type": "application/vnd.amazon.eventstream"}
    response = SimpleNamespace(headers=headers)
    with capture() as records, whence.trace("p") as trace:
        underway = Underway(trace.llm("chat"), anthropic._Message())
        underway._reading = Reading(underway, SimpleNamespace(_make_sse_decoder=Decoder), response)
        for chunk in (b"fra", b"mes"):
            underway._reading.chunk(chunk)
        underway._reading.read(None)
    (call,) = records.trace.llm_calls
    assert (call.attributes["response_id"], call.attributes["input_tokens"], call.attributes["chunks"]) == ("m", 3, 2)
    assert "interrupted" not in call.attributes
