"""Quality is read in one place, from any of the forms in which pipelines state it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence
from whence.model.assembly import summarise
from whence.model.quality import derive_quality, number, passed_of
from whence.testing import capture


def test_a_number_past_all_floats_is_none() -> None:
    """JSON may hold it: an integer of four hundred digits."""
    assert [number(each) for each in (10**400, -(10**400), float("nan"), True, "1", 2)] == [None] * 5 + [2.0]


def test_gaps_and_strengths_follow_from_scores() -> None:
    quality = derive_quality({"principle_scores": {"a": 1.9, "b": 2.0, "c": 2.5, "d": 3.0}})

    assert (quality.gaps, quality.strengths) == (("a",), ("d",))
    assert (quality.overall, quality.passed) == (None, None)


def test_the_overall_score_needs_no_principles() -> None:
    assert derive_quality({"overall_score": 2.4, "passed": True}).overall == 2.4


def test_explicit_gaps_count_only_where_nothing_is_scored() -> None:
    assert derive_quality({"gaps": ["a", {"id": "b"}]}).gaps == ("a", "b")
    assert derive_quality({"gaps": ["a"], "principle_scores": [{"id": "b", "score": 3}]}).gaps == ()


def test_the_first_source_that_states_a_thing_wins() -> None:
    quality = derive_quality({"passed": False}, {"passed": True, "overall_score": 1.0})

    assert (quality.passed, quality.overall) == (False, 1.0)


@pytest.mark.parametrize(
    ("data", "passed"),
    [
        ({"passed": True}, True),
        ({"passing": False}, False),
        ({"quality_gate_result": "PASS"}, True),
        ({"quality_gate_result": " failed "}, False),
        ({"quality_gate_result": "maybe"}, None),
        ({"passed": "yes"}, None),
        ({}, None),
    ],
)
def test_every_spelling_of_passed(data: dict[str, object], passed: bool | None) -> None:
    assert passed_of(data) is passed


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
KEYS = ("principle_scores", "gaps", "strengths", "overall_score", "passed", "threshold", "gap_principles")


@given(st.dictionaries(st.sampled_from(KEYS), anything))
def test_no_form_raises(source: dict[str, object]) -> None:
    quality = derive_quality(source)

    assert all(score < 2 for pid, score in quality.scores.items() if pid in quality.gaps)


def test_the_last_attempt_of_the_gate_speaks_alone_and_every_attempt_costs() -> None:
    with capture() as captured, whence.trace("p") as trace:
        with trace.stage("collection") as stage:
            stage.llm_call(cost_usd=0.1, input_tokens=10, output_tokens=5)
        for score in (3, 1):
            with trace.stage("synthesis") as stage:
                stage.outputs.update(cost_usd=0.5, input_tokens=100, output_tokens=50)
            with trace.stage("quality_gate") as stage:
                stage.decision("gate", score, passed=score == 3, overall_score=score)
                stage.outputs.update({"passed": True, "overall_score": 3} if score == 3 else {})

    row = summarise(captured.trace)
    assert (row.quality_gate_passed, row.overall_quality_score) == (False, 1)
    assert row.total_cost_usd == pytest.approx(1.1)
    assert row.total_tokens == 315
