"""`whence diff`: what tells bad runs from good ones, in words, bars and JSON; which runs may be meant."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]


def test_the_model_that_was_behind_it(call_many: Call, ask_many: Ask) -> None:
    """Ten of the eleven runs with the small model failed, none of the others: that is said in plain words."""
    found = ask_many("diff")
    out = call_many("diff")[1]
    values = {(each["attribute"], each["value"]): each for each in found["contrasts"]}
    small = values["model:writer", "small"]

    assert (found["bad"], found["good"], found["runs"]) == (10, 15, 25)
    assert (small["bad_with"], small["good_with"]) == (10, 1)
    assert small["significant"]
    assert small["low"] > 0.5
    assert out.startswith("10 runs bad  beside  15 runs good   since 30d\n")
    assert "model:writer = small" in out
    assert "10 of 10 bad runs, 1 of 15 good" in out
    assert re.search(r"bad +█{28} 100% 10 of 10", out)


def test_the_answer_begins_with_what_bad_runs_have(ask_many: Ask) -> None:
    """What bad runs lack, because they did not come that far, stands after what they have."""
    effects = [each["effect"] for each in ask_many("diff")["contrasts"] if each["kind"] == "value"]

    assert effects[0] > 0
    assert effects == sorted(effects, key=lambda effect: effect < 0)


@pytest.mark.parametrize(
    ("good", "bad", "numbers"),
    [
        ("model:writer=large", "model:writer=small", (11, 14)),
        ("tokens>100", "tokens<=100", (11, 14)),
        ("good & 1d", "bad & model:writer=small", (10, 15)),
        ("finding!=A01-01", "code=A01-01", (10, 15)),
    ],
)
def test_cohorts_are_chosen_in_words(ask_many: Ask, good: str, bad: str, numbers: tuple[int, int]) -> None:
    ask_many("diagnose")
    found = ask_many("diff", good, bad)

    assert (found["bad"], found["good"]) == numbers
    assert (found["bad_label"], found["good_label"]) == (bad, good)


def test_runs_may_be_named(ask_many: Ask) -> None:
    rows = ask_many("traces", "--limit", "30")
    bad = [each["trace_id"] for each in rows if each["status"] == "failed"][:4]
    good = [each["trace_id"] for each in rows if each["status"] == "complete"][:4]
    found = ask_many("diff", ",".join(good), ", ".join(bad), "--all")

    assert (found["bad"], found["good"]) == (4, 4)
    assert found["contrasts"]


def test_two_single_runs_are_compared_otherwise(call_many: Call) -> None:
    code, _, err = call_many("diff", "last", "last-bad")

    assert code == 2
    assert "`whence compare last last-bad` puts them side by side" in err


def test_too_few_runs_are_said_to_be_too_few(call_many: Call) -> None:
    code, out, _ = call_many("diff", "good", "last-bad")

    assert code == 0
    assert "1 last-bad and 15 good runs; 3 of each are needed to compare them" in " ".join(out.split())


def test_what_nobody_has_is_named(call_many: Call) -> None:
    """A key that no run has is said on stderr, with those that may have been meant."""
    err = call_many("diff", "good", "model:writr=small")[2]

    assert err.startswith("whence: no run has 'model:writr'; there is model:writer")


def test_only_what_is_certain_unless_all_is_asked_for(ask_many: Ask) -> None:
    certain, every = ask_many("diff")["contrasts"], ask_many("diff", "--all", "--limit", "100")["contrasts"]

    assert all(each["significant"] for each in certain)
    assert not all(each["significant"] for each in every)
    assert len(ask_many("diff", "--limit", "1")["contrasts"]) == 1


@pytest.mark.parametrize("columns", ["50", "80", "120"])
def test_it_fits_the_terminal(call_many: Call, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """No line is wider than the terminal but a command, which must be copied whole; and hostile text is text."""
    monkeypatch.setenv("COLUMNS", columns)
    out = call_many("diff", "--all", "--limit", "50")[1]

    assert not [line for line in out.splitlines() if len(line) > int(columns) and "$ " not in line]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)


@pytest.mark.parametrize("word", ["score<high", "&", "model:writer="])
def test_bad_input_says_what_is_accepted(call_many: Call, word: str) -> None:
    code, _, err = call_many("diff", "good", word)

    assert code == 2
    assert err.startswith("whence: cohort ")


def test_where_nothing_is_recorded_that_is_said(call_empty: Call) -> None:
    code, out, err = call_empty("diff")

    assert (code, out) == (0, "")
    assert err.startswith("nothing is recorded in ")
    assert '"contrasts": []' in call_empty("diff", "--json")[1]
