"""An event and its log line are two forms of one thing."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from whence.generation import GenerationEvent

plain: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from(["event", "data", "error", "component", "traceback", "duration_ms"]) | st.text(max_size=5)


@given(
    st.builds(
        GenerationEvent,
        stage=st.text(),
        component=st.text(min_size=1),
        data=st.dictionaries(keys, plain, max_size=4) | st.lists(plain, max_size=3),
        error=st.none() | st.text(),
        event_type=st.sampled_from(["start", "end", "error", "llm_interaction", "validation_error"]),
        session_id=st.text(),
        duration_ms=st.none() | st.floats(0, 1e9),
        traceback=st.none() | st.text(),
        ts_ns=st.integers(10**15, 2 * 10**15).map(lambda microseconds: microseconds * 1000),
    )
)
def test_an_event_survives_its_line(event: GenerationEvent) -> None:
    line = msgspec.json.decode(msgspec.json.encode(event.line()))

    assert GenerationEvent.of_line(line) == event


@given(st.dictionaries(keys, plain, max_size=5))
def test_any_object_is_an_event_of_some_kind(line: dict[str, Any]) -> None:
    event = GenerationEvent.of_line(line)

    assert isinstance(event.stage, str)
    assert isinstance(event.component, str)
    assert event.as_dict()


def test_a_line_is_flat_and_has_the_keys_of_the_design() -> None:
    """R3.26."""
    data = {"model": "gpt-4", "prompt_length": 2500, "response_length": 1800, "tokens_in": 450, "tokens_out": 320}
    line = GenerationEvent("llm_request", "todo_store", data, None, "llm_interaction", "17b7", 2340.5).line()

    assert list(line) == ["event", "timestamp", "session_id", "component", "stage", "duration_ms", *data]
