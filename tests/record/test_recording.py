"""What is said is stored as it was said, or in a normalised, flagged form; and saying it never raises."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence
from whence.model.trace import Decision
from whence.record.normalise import as_confidence
from whence.redact.value import Flag
from whence.runtime.runtime import Runtime
from whence.tracing import TraceContext


def recorded(runtime: Runtime, **data: Any) -> Decision:
    with TraceContext.start(project_name="p") as trace:
        trace.record("s", "d", data)
    return runtime.view(trace.otel_trace_id).stages["s"].decisions[0]


def test_a_decision_keeps_what_was_considered_and_rejected(runtime: Runtime) -> None:
    made = recorded(
        runtime,
        what="validating",
        why="a hypothesis is stated",
        confidence=0.85,
        alternatives_considered=["exploring (0.10)", "executing (0.05)"],
        inputs={"query_text": "…"},
        module="market",
    )

    assert (made.what, made.why, made.confidence) == ("validating", "a hypothesis is stated", 0.85)
    assert made.alternatives_considered == ["exploring (0.10)", "executing (0.05)"]
    assert made.inputs == {"query_text": "…"}
    assert made.attributes == {"module": "market"}
    assert made.flags == 0


def test_defaults_are_the_seeds(runtime: Runtime) -> None:
    made = recorded(runtime, what=1)

    assert (made.why, made.confidence, made.alternatives_considered, made.inputs) == ("", 1.0, [], {})


@pytest.mark.parametrize(
    ("given_", "kept", "odd"),
    [
        ("high", None, "high"),
        (math.nan, None, "NaN"),
        (7, 1.0, 7),
        (-0.5, 0.0, -0.5),
        (True, None, True),
        ("0.4", 0.4, "0.4"),
        (1, 1.0, None),
        (None, None, None),
    ],
)
def test_an_odd_confidence_is_normalised_and_what_was_given_is_kept(
    runtime: Runtime, given_: object, kept: float | None, odd: object
) -> None:
    made = recorded(runtime, what="x", confidence=given_)

    assert made.confidence == kept
    assert made.given == (None if odd is None else {"confidence": odd})
    assert bool(made.flags & Flag.CLAMPED) == (odd is not None)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()))
def test_a_confidence_is_a_number_from_0_to_1_or_none(value: object) -> None:
    confidence, _ = as_confidence(value)

    assert confidence is None or 0.0 <= confidence <= 1.0


def test_alternatives_of_none_are_none(runtime: Runtime) -> None:
    assert recorded(runtime, what=1, alternatives_considered=None).alternatives_considered == []
    assert recorded(runtime, what=1, alternatives_considered="just one").alternatives_considered == ["just one"]
    assert recorded(runtime, what=1, alternatives_considered=("a", "b")).alternatives_considered == ["a", "b"]


def test_later_changes_of_the_callers_dict_do_not_change_history(runtime: Runtime) -> None:
    inputs = {"n": 1, "inner": {"x": [1, 2]}}
    with TraceContext.start(project_name="p") as trace:
        trace.record("s", "d", {"what": inputs, "inputs": inputs})
        inputs["n"] = 2
        inputs["inner"]["x"].append(3)  # type: ignore[index]

    made = runtime.view(trace.otel_trace_id).stages["s"].decisions[0]
    assert made.inputs == made.what == {"n": 1, "inner": {"x": [1, 2]}}


class Hostile:
    """An object whose every protocol fails."""

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("eq")

    def __hash__(self) -> int:
        raise RuntimeError("hash")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("getattr")


def cyclic() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        Hostile(),
        cyclic(),
        deep(),
        {"nan": math.nan, "inf": -math.inf},
        2**80,
        "\ud800 lone",
        "nul \x00 inside",
        {1: 2, None: 3, (1, 2): 4},
        object(),
        lambda: None,
        (x for x in "generator"),
        b"bytes",
        {"a", "b"},
        "x" * 1_000_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_can_be_recorded_and_is_flagged(runtime: Runtime, value: object) -> None:
    with TraceContext.start(project_name="p") as trace:
        trace.record("s", "d", {"what": value, "why": "w", "inputs": {"value": value}})
        trace.record("s", "next", {"what": "still fine"})

    made = runtime.view(trace.otel_trace_id).stages["s"].decisions
    assert [d.decision for d in made] == ["d", "next"]
    assert made[0].flags != 0 or isinstance(value, bytes | set | str)
    assert whence.stats()["internal_errors"] == 0


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=300), value=st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists))
def test_no_name_and_no_value_raises(name: str, value: object) -> None:
    trace = TraceContext.start(project_name="p")
    trace.record(name, name, {"what": value})
    trace.start_stage(name)
    trace.end_stage(name, {"out": value})
    trace.end()

    assert trace.telemetry_persisted


def test_large_texts_are_stored_once_and_given_back_whole(runtime: Runtime) -> None:
    prompt = "You are a careful analyst of markets. " * 100
    with TraceContext.start(project_name="p") as trace:
        for _ in range(3):
            trace.record_prompts("synthesis", {"system_prompt": prompt, "user_message": "short"})

    document = trace.to_dict()
    assert document["stages"]["synthesis"]["prompts"] == {"system_prompt": prompt, "user_message": "short"}
    assert runtime.store().stats()["contents"] == 1


def test_secrets_and_personal_data_never_reach_the_disk(runtime: Runtime) -> None:
    with TraceContext.start(project_name="p", query="mail jane.roe@example.com") as trace:
        trace.record(
            "s", "d", {"what": "x", "inputs": {"api_key": "abc-123-def", "note": "IBAN DE89370400440532013000"}}
        )
        trace.record_prompts("s", {"user_message": "password=hunter2secret " + "words " * 400})
    runtime.store()

    everything = b"".join(p.read_bytes() for p in runtime.settings.data.rglob("*") if p.is_file())
    for secret in (b"jane.roe@example.com", b"abc-123-def", b"DE89370400440532013000", b"hunter2secret"):
        assert secret not in everything


def test_a_run_of_a_hundred_thousand_records_keeps_nothing_in_memory(runtime: Runtime) -> None:
    import tracemalloc

    with whence.trace("p") as trace, trace.stage("s") as stage:
        for _ in range(1000):
            stage.decision("d", what=1, why="warm")
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(5000):
            stage.decision("d", what=1, why="because", inputs={"n": 1})
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()

    assert grown < 20_000


@pytest.mark.parametrize("error", [ValueError("no"), KeyError("k"), RuntimeError()])
def test_an_exception_goes_on_unchanged_and_the_trace_is_failed(runtime: Runtime, error: Exception) -> None:
    with pytest.raises(type(error)) as caught, whence.trace("p") as trace, trace.stage("s"):
        raise error

    assert caught.value is error
    view = runtime.view(trace.otel_trace_id)
    assert view.status == "failed"
    assert view.stages["s"].error["type"] == type(error).__name__
    assert "test_recording.py" in view.stages["s"].error["where"]


def test_disabled_traces_are_falsy_and_take_every_call(runtime: Runtime) -> None:
    with TraceContext.start(enabled=False) as trace:
        assert not trace
        trace.end_stage("s", {"positional": 1})
        trace.end_stage(stage_name="s", outputs={}, error="x")
        with trace.stage("s") as stage:
            stage.decision("d")
    assert whence.stats()["emitted"] == 0
