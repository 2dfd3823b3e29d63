"""Calls of language models: one shape, tokens that mean the same everywhere, a start that is recorded at once."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence
from whence.model.llm import tokens_of, tool_decision
from whence.model.trace import LlmUse, TraceView
from whence.record.llm import normalised
from whence.redact.value import Flag
from whence.runtime.runtime import Runtime

OPENAI = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
OPENAI_CACHED = {
    **OPENAI,
    "prompt_tokens_details": {"cached_tokens": 80},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
RESPONSES = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 80},
    "output_tokens": 20,
    "output_tokens_details": {"reasoning_tokens": 5},
}
ANTHROPIC = {"input_tokens": 15, "output_tokens": 20}
ANTHROPIC_CACHED = {**ANTHROPIC, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5}
BETWEEN = {**OPENAI, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5}  # Anthropic behind a gateway


def view_of(runtime: Runtime, trace: Any) -> TraceView:
    assert runtime.recorder.errors.count == 0, runtime.recorder.errors.last
    return runtime.view(trace.otel_trace_id)


def recorded(runtime: Runtime, **call: Any) -> LlmUse:
    with whence.trace("p") as trace:
        trace.llm_call("write", **call)
    (use,) = view_of(runtime, trace).llm_calls
    return use


# -- tokens --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "usage", "counts"),
    [
        ("openai", OPENAI, (100, 20, None, None, None)),
        ("openai", OPENAI_CACHED, (100, 20, 80, None, 5)),
        ("openai", RESPONSES, (100, 20, 80, None, 5)),
        ("anthropic", ANTHROPIC, (15, 20, None, None, None)),
        ("anthropic", ANTHROPIC_CACHED, (100, 20, 80, 5, None)),
        ("Anthropic", ANTHROPIC_CACHED, (100, 20, 80, 5, None)),
        ("aws.bedrock", ANTHROPIC_CACHED, (100, 20, 80, 5, None)),
        ("anthropic", BETWEEN, (100, 20, 80, 5, None)),
        ("anthropic", RESPONSES, (100, 20, 80, None, 5)),
        (None, {}, (None, None, None, None, None)),
        (None, {"input_tokens": -1, "output_tokens": "7", "prompt_tokens_details": "?"}, (None,) * 5),
    ],
)
def test_the_cache_is_in_the_input_and_never_counted_twice(
    runtime: Runtime, provider: str | None, usage: Any, counts: Any
) -> None:
    said = recorded(runtime, provider=provider, usage=usage).attributes

    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
    assert tuple(said.get(name) for name in names) == counts
    assert said["usage"] == usage
    assert said.get("total_tokens") == (None if counts[0] is None else counts[0] + counts[1])


def test_what_is_given_counts_before_what_the_usage_says(runtime: Runtime) -> None:
    said = recorded(runtime, provider="anthropic", usage=ANTHROPIC_CACHED, input_tokens=7, total_tokens=9).attributes

    assert (said["input_tokens"], said["output_tokens"], said["total_tokens"]) == (7, 20, 9)


@pytest.mark.parametrize("usage", [BETWEEN, {**RESPONSES, "cache_read_input_tokens": 80}])
@pytest.mark.parametrize("cache_apart", [True, False])
def test_an_input_that_includes_the_cache_is_not_completed_again(usage: dict[str, Any], cache_apart: bool) -> None:
    """As gateways pass Anthropic's counts on: `prompt_tokens` is the whole input, `cache_read_input_tokens` a part of it."""
    counts = tokens_of(usage, cache_apart=cache_apart)

    assert (counts["input_tokens"], counts["cache_read_tokens"]) == (100, 80)


@pytest.mark.parametrize("total", [None, 35, 120])
def test_a_count_that_was_taken_from_the_usage_as_it_is_means_what_the_usage_means(
    runtime: Runtime, total: int | None
) -> None:
    said = recorded(
        runtime, provider="anthropic", usage=ANTHROPIC_CACHED, input_tokens=15, output_tokens=20, total_tokens=total
    ).attributes

    assert (said["input_tokens"], said["output_tokens"], said["total_tokens"]) == (100, 20, 120)
    assert (said["cache_read_tokens"], said["cache_write_tokens"]) == (80, 5)
    assert said["usage"] == ANTHROPIC_CACHED


@pytest.mark.parametrize(
    ("usage", "given_", "kept"),
    [
        (ANTHROPIC_CACHED, 100, 100),  # completed by whoever gave it
        (ANTHROPIC_CACHED, 16, 16),
        (ANTHROPIC, 15, 15),
        (BETWEEN, 100, 100),
        (RESPONSES, 100, 100),
        ({**ANTHROPIC_CACHED, "input_tokens": "15"}, 15, 15),
    ],
)
def test_a_count_of_ones_own_is_kept(runtime: Runtime, usage: dict[str, Any], given_: int, kept: int) -> None:
    assert recorded(runtime, provider="anthropic", usage=usage, input_tokens=given_).attributes["input_tokens"] == kept


@given(
    st.dictionaries(st.sampled_from([*BETWEEN, *ANTHROPIC_CACHED, *RESPONSES]), st.integers() | st.none() | st.text())
)
def test_counts_are_whole_numbers_and_the_cache_is_part_of_the_input(usage: dict[str, Any]) -> None:
    counts = tokens_of(usage)

    assert all(isinstance(each, int) and each >= 0 for each in counts.values())
    if "prompt_tokens" not in usage and "input_tokens" in counts:
        assert counts["input_tokens"] >= counts.get("cache_read_tokens", 0) + counts.get(
            "cache_write_tokens", 0
        ) or any(name.endswith("details") for name in usage)


@pytest.mark.parametrize("odd", ["many", float("nan"), -3, True, 10**400, [1]])
def test_an_odd_number_is_left_out_and_kept_as_given(runtime: Runtime, odd: Any) -> None:
    use = recorded(runtime, model="m", input_tokens=odd, output_tokens=5, usage={"input_tokens": 3})

    assert "input_tokens" not in use.attributes
    assert "total_tokens" not in use.attributes
    assert set(use.attributes["given"]) == {"input_tokens"}
    assert use.attributes["output_tokens"] == 5


def test_numbers_of_any_kind_are_numbers() -> None:
    from decimal import Decimal

    kept, changed = normalised({"input_tokens": "12", "cost_usd": Decimal("0.5"), "duration_s": timedelta(seconds=2)})

    assert (kept, changed) == ({"input_tokens": 12, "cost_usd": 0.5, "duration_s": 2.0, "total_tokens": 12}, False)


# -- prompts ---------------------------------------------------------------------------------------------------------------


def test_the_version_of_a_prompt_is_the_hash_of_its_template_unless_given(runtime: Runtime) -> None:
    template = "Write {{ what }}"

    assert (
        recorded(runtime, template=template).attributes["prompt_version"]
        == hashlib.sha256(template.encode()).hexdigest()[:12]
    )


def test_a_version_that_is_given_is_kept(runtime: Runtime) -> None:
    assert recorded(runtime, template="x", prompt_version="v7").attributes["prompt_version"] == "v7"
    assert "prompt_version" not in normalised({"template": {"not": "text"}})[0]
    assert len(normalised({"template": "\ud800"})[0]["prompt_version"]) == 12


def test_secrets_in_messages_are_masked(runtime: Runtime) -> None:
    said = recorded(
        runtime, messages=[{"role": "user", "content": "password=hunter2hunter2"}], parameters={"api_key": "k" * 40}
    )

    assert "hunter2" not in str(said.attributes)
    assert "k" * 40 not in str(said.attributes)


# -- the tool that was chosen ----------------------------------------------------------------------------------------------

OFFERED = [{"name": "search"}, {"name": "answer"}]


def test_a_choice_among_tools_is_a_decision(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("act"):
        said = trace.llm_call(
            "write",
            tools=[*OFFERED, {"name": "ask"}],
            tool_calls=[{"id": "1", "name": "search", "arguments": {"q": "kettle"}}],
            reasoning="the price is not known",
        )
        trace.llm_call("write", tools=OFFERED, response="no tool needed")

    view = view_of(runtime, trace)
    (made,) = view.stages["act"].decisions
    assert (made.decision, made.what, made.why) == ("tool", "search", "the price is not known")
    assert (made.alternatives_considered, made.inputs) == (["answer", "ask"], {"arguments": [{"q": "kettle"}]})
    assert made.attributes == {"derived_from": "llm_call"}
    (record,) = [r for r in runtime.store().trace_records(trace.otel_trace_id) if r.record_id == made.record_id]
    assert record.parent == said


@pytest.mark.parametrize(
    ("tools", "calls", "what"),
    [
        (
            [{"type": "function", "function": {"name": "search"}}],
            [{"id": "1", "type": "function", "function": {"name": "search", "arguments": "{}"}}],
            "search",
        ),
        (OFFERED, [{"type": "tool_use", "name": "search", "input": {"q": 1}}], "search"),
        (OFFERED, [{"name": "search"}, {"name": "answer"}], ["search", "answer"]),
        (OFFERED, [{"name": "made_up"}], "made_up"),
        (OFFERED, [], None),
        ([], [{"name": "search"}], None),
        (7, "search", None),
        ([{"name": ["x"]}, None], [{"name": {}}], None),
    ],
)
def test_tools_of_every_shape(tools: Any, calls: Any, what: Any) -> None:
    made = tool_decision({"tools": tools, "tool_calls": calls})

    assert (made and made["what"]) == what


# -- a call that is under way ----------------------------------------------------------------------------------------------


def test_a_call_is_seen_from_its_start_and_whole_at_its_end(runtime: Runtime) -> None:
    messages = [{"role": "user", "content": "hello"}]
    with whence.trace("p") as trace, trace.stage("write", component="store") as stage:
        call = whence.llm("draft", model="m", messages=messages, max_retries=3)
        messages.append({"role": "assistant", "content": "later"})
        (begun,) = view_of(runtime, trace).llm_calls
        assert (begun.open, begun.duration_ns, begun.attributes["model"]) == (True, None, "m")
        call.update(response_id="r1", system="be short")
        said = call.end(response="hi", input_tokens=3, output_tokens=1)

    (use,) = view_of(runtime, trace).llm_calls
    assert (use.open, use.record_id, use.span, use.parent) == (False, said, call.span, stage.span)
    assert (use.component, use.stage, use.start_record != said) == ("store", "write", True)
    assert use.duration_ns is not None
    assert use.attributes["messages"] == [{"role": "user", "content": "hello"}]
    assert {
        key: use.attributes[key] for key in ("response", "response_id", "system", "max_retries", "total_tokens")
    } == {
        "response": "hi",
        "response_id": "r1",
        "system": "be short",
        "max_retries": 3,
        "total_tokens": 4,
    }


def test_ending_twice_is_ignored(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        call = trace.llm("draft")
        assert call.end(response="first")
        assert call.end(response="second") is None

    (use,) = view_of(runtime, trace).llm_calls
    assert use.attributes["response"] == "first"


def test_a_call_that_never_ended_is_open_also_when_the_run_is_over(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.llm("draft", model="m")

    view = view_of(runtime, trace)
    assert [each.open for each in view.llm_calls] == [True]
    row = runtime.store().trace(trace.otel_trace_id)
    assert row is not None
    assert (row.status, row.llm_calls, row.total_tokens) == ("complete", 0, None)


def test_a_call_that_failed(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.llm("draft", model="m").end(error={"type": "RateLimit"}, retries=2, duration_s=1.5)

    (use,) = view_of(runtime, trace).llm_calls
    assert (use.error, use.attributes["retries"], use.duration_ns) == ({"type": "RateLimit"}, 2, 1_500_000_000)


def test_an_odd_number_at_the_start_is_flagged_there(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.llm("draft", retries="often")

    start = [r for r in runtime.ready_store().trace_records(trace.otel_trace_id) if r.kind == "span.start"]
    assert [each.flags & Flag.CLAMPED for each in start] == [Flag.CLAMPED]
