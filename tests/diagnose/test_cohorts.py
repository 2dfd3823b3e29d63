"""Bad runs beside good ones: what is found, in whatever order they come, and what is not found where there is nothing."""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from whence.diagnose.cohorts import MINIMUM, Contrast, differences
from whence.diagnose.selecting import Selection, parse, unknown_keys
from whence.errors import BadInput, NotFound
from whence.model.digest import ErrorDigest, PartDigest, RunDigest

DAY_NS = 86_400_000_000_000
MODELS = ("large", "small")


def run(n: int, *, outcome: str = "good", seconds: float = 1.0, day: int = 0, **attributes: Any) -> RunDigest:
    """Return a run that says these attributes (`model_writer` is `model:writer`)."""
    return RunDigest(
        trace=f"{n:032x}",
        trace_id=f"trc_20260101_000000_{n:08x}",
        project="shop",
        started_ns=1_767_225_600_000_000_000 + day * DAY_NS + n,
        duration_ns=int(seconds * 1e9),
        outcome=outcome,
        attributes={name.replace("_", ":", 1): value for name, value in attributes.items()},
    )


def drawn(seed: int, count: int = 60) -> list[RunDigest]:
    """Return runs whose attributes and durations have nothing to do with anything."""
    at = random.Random(seed)
    runs = []
    for n in range(count):
        said: dict[str, Any] = {f"model_{part}": at.choice(MODELS) for part in ("writer", "reader", "judge", "planner")}
        said[f"source_{at.randrange(6)}"] = "used"
        runs.append(run(n, seconds=at.lognormvariate(0, 0.5), **said))
    return runs


def told(found: Sequence[Contrast]) -> dict[tuple[str, str], float]:
    return {(each.attribute, each.value): each.effect for each in found}


# -- what is found ------------------------------------------------------------------------------------------------------


def test_what_was_planted_comes_first() -> None:
    """9 of 10 bad runs had the small model, 1 of 40 good ones; all else is noise."""
    good = [run(n, model_writer="small" if n == 0 else "large", tool_x=str(n % 2)) for n in range(40)]
    bad = [run(n, model_writer="large" if n == 100 else "small", tool_x=str(n % 2)) for n in range(100, 110)]
    found = differences(good, bad)
    first = found.contrasts[0]

    assert (first.attribute, first.value) == ("model:writer", "small")
    assert (first.bad_with, first.bad, first.good_with, first.good) == (9, 10, 1, 40)
    assert first.lift == pytest.approx(0.9 / 0.2)
    assert first.significant
    assert first.p <= first.p_adjusted < 0.001
    assert 0.59 < first.low < 0.9 < first.high < 0.99  # Wilson's interval of 9 in 10
    assert all(name.startswith("trc_") for name in first.examples)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), part=st.sampled_from(["writer", "reader", "judge"]))
def test_a_planted_value_comes_first_whatever_else_there_is(seed: int, part: str) -> None:
    """Among dozens of values that mean nothing, the one that was planted is the first that is named."""
    at = random.Random(seed)
    runs = drawn(seed, 80)
    good, bad = runs[:50], runs[50:]
    name = f"prompt:{part}"
    for side, often in ((good, 0.04), (bad, 0.96)):
        for n, each in enumerate(side):
            new = "v2" if at.random() < often else "v1"
            side[n] = RunDigest(
                **{
                    **{f: getattr(each, f) for f in each.__struct_fields__},
                    "attributes": {**each.attributes, name: new},
                }
            )
    found = differences(good, bad)

    assert (found.contrasts[0].attribute, found.contrasts[0].value) == (name, "v2")
    assert found.contrasts[0].effect > 0.5


def test_a_quantity_is_compared_by_rank() -> None:
    """One run that hangs for an hour does not make a difference; all of them being twice as slow does."""
    good = [run(n, seconds=1 + n / 100) for n in range(20)]
    slow = [run(100 + n, seconds=2 + n / 100) for n in range(20)]
    once = [run(200 + n, seconds=3600.0 if n == 3 else 1 + n / 100) for n in range(20)]

    (contrast,) = differences(good, slow).contrasts
    assert (contrast.kind, contrast.attribute, contrast.effect) == ("quantity", "duration", 1.0)
    assert contrast.bad_median == pytest.approx(2.095)
    assert contrast.good_median == pytest.approx(1.095)
    assert not differences(good, once).contrasts


def test_values_of_the_same_runs_are_named_once() -> None:
    """A model and its tokenizer always change together: one stands for both, and says so."""
    good = [run(n, model_writer="large", run_tokenizer="t1") for n in range(8)]
    bad = [run(10 + n, model_writer="small", run_tokenizer="t2") for n in range(8)]
    found = {(each.attribute, each.value): each for each in differences(good, bad).contrasts}

    assert found["model:writer", "small"].also == ("run:tokenizer = t2",)
    assert ("run:tokenizer", "t2") not in found


def test_errors_failures_and_findings_count() -> None:
    """Whatever came up in a run can be put beside other runs, and names the record that says so."""
    bad = [
        RunDigest(
            trace=f"{n:032x}",
            trace_id=f"t{n}",
            codes={"T01-01": 3},
            errors=(ErrorDigest(template="timeout after <n> s", component="writer", record_id=f"r{n}"),),
            parts={"writer": PartDigest(spans=1, failed=1)},
        )
        for n in range(6)
    ]
    good = [RunDigest(trace=f"{n:032x}", parts={"writer": PartDigest(spans=1)}) for n in range(10, 16)]
    first = differences(good, bad).contrasts[0]
    named = {f"{first.attribute} = {first.value}", *first.also}

    assert named == {"failed:writer = yes", "error:writer = timeout after <n> s", "finding = T01-01"}
    assert differences(good, bad, only_significant=False).looked_at == 1


# -- laws ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_runs_is_irrelevant(seed: int) -> None:
    """However runs come, and however often, the answer is the same."""
    runs = drawn(seed, 40)
    good, bad = runs[:25], runs[25:]
    first = differences(good, bad, only_significant=False)
    at = random.Random(seed)
    at.shuffle(good)
    at.shuffle(bad)

    assert differences([*good, good[0]], [bad[-1], *bad], only_significant=False) == first


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_swapping_the_groups_turns_every_effect_round(seed: int) -> None:
    """What is over-represented among the bad is under-represented among the good, with the same certainty."""
    runs = drawn(seed, 50)
    good, bad = runs[:30], runs[30:]
    one, other = (differences(*pair, only_significant=False, most=1000) for pair in ((good, bad), (bad, good)))
    mine, theirs = told(one.contrasts), told(other.contrasts)

    assert mine.keys() == theirs.keys()
    assert all(mine[key] == pytest.approx(-theirs[key]) for key in mine)
    assert sorted(each.p for each in one.contrasts) == pytest.approx(sorted(each.p for each in other.contrasts))


def test_where_there_is_nothing_next_to_nothing_is_found() -> None:
    """Of 200 draws in which the groups are alike, at most 5 % name anything: that is what the correction promises."""
    wrong = 0
    for seed in range(200):
        runs = drawn(seed)
        random.Random(seed).shuffle(runs)
        wrong += bool(differences(runs[:40], runs[40:]).contrasts)

    assert wrong <= 10


def test_identical_groups_have_no_difference() -> None:
    """The same runs under other names differ in nothing."""
    good = drawn(1)
    bad = [replace(each, trace=f"f{each.trace[1:]}") for each in good]

    assert differences(good, bad).contrasts == ()
    assert all(each.effect == 0 for each in differences(good, bad, only_significant=False).contrasts)


# -- bad input ----------------------------------------------------------------------------------------------------------


def test_too_few_runs_are_not_compared() -> None:
    found = differences([run(1), run(2)], [run(3)])

    assert found.contrasts == ()
    assert found.note == f"1 bad and 2 good runs; {MINIMUM} of each are needed to compare them"
    assert differences([], []).looked_at == 0


def test_a_run_in_both_groups_counts_in_neither() -> None:
    shared = run(0)
    found = differences([shared, *(run(n) for n in range(1, 5))], [shared, *(run(n) for n in range(5, 9))])

    assert (found.good, found.bad) == (4, 4)
    assert "in both groups" in found.note


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 5.0])
def test_a_share_of_false_discoveries_is_a_share(share: float) -> None:
    with pytest.raises(BadInput, match="share between 0 and 1"):
        differences([], [], false_discoveries=share)


# -- selectors ----------------------------------------------------------------------------------------------------------

NOW_NS = 1_767_225_600_000_000_000 + 10 * DAY_NS
RUNS = [
    run(1, outcome="good", seconds=1.0, day=0, model_writer="large"),
    run(2, outcome="bad", seconds=20.0, day=5, model_writer="small"),
    run(3, outcome="bad", seconds=2.0, day=9, model_writer="Small"),
    RunDigest(trace=f"{4:032x}", trace_id="trc_4", started_ns=NOW_NS, score=1.5, codes={"J01-04": 2}, cost_usd=0.25),
]


def chosen(text: str) -> list[int]:
    """Return which of RUNS a selector means, by their numbers."""
    return [int(each.trace, 16) for each in understood(text).of(RUNS)]


def understood(text: str) -> Selection:
    def resolve(name: str) -> str:
        found = [each.trace for each in RUNS if each.trace_id.endswith(name)]
        if not found:
            raise NotFound(f"no trace {name!r}")
        return found[0]

    return parse(text, now_ns=NOW_NS, resolve=resolve)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("good", [1]),
        ("bad", [2, 3]),
        ("BAD & duration>10s", [2]),
        ("model:writer=small", [2, 3]),  # case does not count
        ("model:writer != small", [1, 4]),
        ("model:writer~ARG", [1]),
        ("code=J01-04", [4]),
        ("score<2", [4]),
        ("duration>=2000ms & duration<1m", [2, 3]),
        ("cost>=$0.25", [4]),
        ("2d", [3, 4]),
        ("2026-01-01/2026-01-08", [1, 2]),
        ("2026-01-06&bad", [2, 3]),
        ("00000001, 00000003", [1, 3]),
        ("outcome=bad", [2, 3]),
        ("project='shop'", [1, 2, 3]),
    ],
)
def test_selectors(text: str, numbers: list[int]) -> None:
    """What people type, and which runs it means."""
    assert chosen(text) == numbers


@pytest.mark.parametrize("text", ["", "good &", "=x", "score<high", "model:writer=", " , "])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        understood(text)


def test_an_unknown_run_is_not_found() -> None:
    with pytest.raises(NotFound, match="a cohort is good, bad, KEY=VALUE"):
        understood("nobody")


def test_a_key_that_no_run_has_is_named_with_what_was_meant() -> None:
    (said,) = unknown_keys(understood("model:writr=small & bad"), RUNS)

    assert said.startswith("no run has 'model:writr'; there is model:writer")
    assert unknown_keys(understood("score<2"), RUNS) == []


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(text: str) -> None:
    """Nothing that is typed raises anything but what says what is accepted."""
    with suppress(BadInput, NotFound):
        understood(text).of(RUNS)
