"""`whence diagnose`: what it says of a run and of a time, that it may be asked again, and its exit code for CI."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]


def test_a_window_is_summed_up(call_many: Call) -> None:
    """How runs went, what is open by severity, the worst with how to go on."""
    code, out, _ = call_many("diagnose")

    assert code == 0
    assert re.match(r"diagnosed 25 runs   [\d,]+ records in ", out)
    assert "15 went well  10 went wrong" in out
    assert re.search(r"critical  █+ \d", out)
    assert "courier/north failed: ConnectionError: the depot did not answer" in " ".join(out.split())
    assert re.search(r"^  \$ \S*whence findings show [0-9a-f]{8}$", out, re.MULTILINE)
    assert re.search(r"^  \$ \S*whence diff good bad --since 7d$", out, re.MULTILINE)


def test_asking_again_finds_nothing_new(ask_many: Ask) -> None:
    ask_many("diagnose")
    again = ask_many("diagnose")

    assert (again["runs"], again["findings_new"], again["findings_withdrawn"]) == (25, 0, 0)
    assert again["findings_known"] > 0
    assert again["open"] == sum(again["open_by_severity"].values())
    assert again["outcomes"] == {"good": 15, "bad": 10}


def test_one_run(call_many: Call, ask_many: Ask) -> None:
    """Of a run its own problems, and the command that explains it."""
    code, out, _ = call_many("diagnose", "last-bad")
    found = ask_many("diagnose", "last-bad")

    assert code == 0
    assert re.match(r"diagnosed trc_\S+ +[\d,]+ records", out)
    assert re.search(r"^  \$ \S*whence why [0-9a-f]{8}$", out, re.MULTILINE)
    assert found["runs"] == 1
    assert {each["code"] for each in found["worst"]} >= {"A01-01"}


@pytest.mark.parametrize(("level", "code"), [("critical", 1), ("high", 1), ("LOW", 1)])
def test_a_check_in_ci_fails_where_something_is_open(call_many: Call, level: str, code: int) -> None:
    status, _, err = call_many("diagnose", "--fail-on", level)

    assert status == code
    assert re.search(rf"^whence: \d+ open problems? of severity {level.lower()} or worse$", err, re.MULTILINE)


def test_a_check_in_ci_passes_on_a_good_run(call_many: Call, ask_many: Ask) -> None:
    good = ask_many("traces", "--limit", "30")[-1]["trace_id"]
    status, out, _ = call_many("diagnose", good, "--fail-on", "medium")

    assert status == 0
    assert "nothing is known to be wrong" in out


def test_what_is_resolved_fails_no_check(call_many: Call, ask_many: Ask) -> None:
    """Exit code 1 is for what is open; a problem that was resolved is not."""
    ask_many("diagnose")
    problems = ask_many("findings", "--min-severity", "critical")
    for each in problems:
        ask_many("findings", "resolve", each["id"], "--by", "kim")
    try:
        assert call_many("diagnose", "--fail-on", "critical")[0] == 0
    finally:
        for each in problems:
            ask_many("findings", "reopen", each["id"])


def test_hostile_text_is_shown_as_text(call_many: Call) -> None:
    out = call_many("diagnose")[1] + call_many("findings", "--all")[1]

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)
    assert "[bold]markup[/bold]" in out


def test_bad_input_says_what_is_accepted(call_many: Call) -> None:
    assert call_many("diagnose", "--fail-on", "awful") == (
        2,
        "",
        "whence: --fail-on 'awful'; accepted: info, low, medium, high, critical\n",
    )
    assert call_many("diagnose", "last", "--since", "1h")[0] == 2
    assert call_many("diagnose", "no-such-run")[0] == 3
    assert call_many("diagnose", "--since", "2001-01-01/2001-01-02")[2].startswith("whence: ") is False


def test_nothing_is_diagnosed_where_nothing_is(call_empty: Call, tmp_path: Any) -> None:
    """A question makes no files; with --json there is a document all the same."""
    code, out, err = call_empty("diagnose", "--fail-on", "low")

    assert (code, out) == (0, "")
    assert err.startswith("nothing is recorded in ")
    assert '"runs": 0' in call_empty("diagnose", "--json")[1]
    assert not (tmp_path / "nothing").exists()
