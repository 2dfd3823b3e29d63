"""`whence findings`: the list and its filters, one problem with all that is known of it, and what people say of it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def worst(ask_many: Ask) -> dict[str, Any]:
    """The problem that was seen most often among the critical ones."""
    ask_many("diagnose")
    found: list[dict[str, Any]] = ask_many("findings", "--min-severity", "critical", "--all")
    return max(found, key=lambda each: int(each["count"]))


def test_the_list_and_its_filters(call_many: Call, ask_many: Ask, worst: dict[str, Any]) -> None:
    """Every row keeps what was asked for; a code may be given by its name."""
    every = ask_many("findings", "--limit", "100", "--all")

    assert worst["id"] in {each["id"] for each in every}
    assert all(each["severity"] >= 3 for each in ask_many("findings", "--min-severity", "high"))
    assert all(each["state"] == "pending" for each in ask_many("findings", "--state", "pending"))
    assert {each["code"] for each in ask_many("findings", "--code", "AGENT_EXCEPTION_UNHANDLED")} == {"A01-01"}
    assert all("courier/north" in each["components"] for each in ask_many("findings", "--component", "courier/north"))
    assert ask_many("findings", "--project", "nobody") == []
    code, out, err = call_many("findings", "--limit", "2")
    assert code == 0
    assert re.search(r"^[0-9a-f]{8}  (critical|high|medium|low|info) ", out, re.MULTILINE)
    assert re.match(r"next: --cursor \S+", err)
    assert call_many("findings", "--limit", "2", "--cursor", err.split()[-1])[0] == 0


def test_a_problem_with_all_that_is_known_of_it(call_many: Call, worst: dict[str, Any]) -> None:
    """Code and name, evidence with its command, confidence in words, what to do, occurrences, how to go on."""
    code, out, _ = call_many("findings", "show", worst["id"][:6])

    assert code == 0
    assert out.startswith("A01-01  AGENT_EXCEPTION_UNHANDLED\ncritical · ")
    assert re.search(r"^Evidence  \d+ records?\n  \$ \S*whence show [0-9a-f]{32}$", out, re.MULTILINE)
    assert re.search(r"^confidence +\d\.\d\d  \S+", out, re.MULTILINE)
    assert re.search(r"^What to do\n  1\. \S", out, re.MULTILINE)
    assert f"History  {worst['count']} occurrences" in out
    assert len(re.findall(r"seen in [0-9a-f]{8}", out)) == worst["count"]
    assert re.search(r"^  \$ \S*whence why [0-9a-f]{8}$", out, re.MULTILINE)


def test_the_evidence_can_be_shown(call_many: Call, worst: dict[str, Any]) -> None:
    out = call_many("findings", "show", worst["id"])[1]
    record = re.search(r"whence show ([0-9a-f]{32})", out)

    assert record is not None
    assert call_many("show", record[1])[0] == 0


def test_its_life(call_many: Call, ask_many: Ask, worst: dict[str, Any]) -> None:
    """Confirmed, resolved with a note, and reopened, which is how either is taken back; nothing of it is lost."""
    some = worst["id"]
    assert ask_many("findings", "confirm", some, "--by", "kim")["state"] == "confirmed"
    done = ask_many("findings", "resolve", some, "--note", "restarted the pool", "--by", "kim")
    assert (done["state"], done["note"], done["by"]) == ("resolved", "restarted the pool", "kim")
    assert some not in {each["id"] for each in ask_many("findings")}
    assert some in {each["id"] for each in ask_many("findings", "--state", "resolved")}
    assert "reopen" in call_many("findings", "show", some)[1]
    code, out, _ = call_many("findings", "reopen", some, "--by", "lee", "--note", "not quite")

    assert code == 0
    assert re.match(rf"{some[:8]}  pending  by lee ", out)
    steps = [each for each in ask_many("findings", "history", some) if each["what"] != "occurrence"]
    assert [(each["what"], each["by"], each["note"]) for each in steps][-3:] == [
        ("confirmed", "kim", ""),
        ("resolved", "kim", "restarted the pool"),
        ("pending", "lee", "not quite"),
    ]
    told = " ".join(call_many("findings", "history", some)[1].split())
    assert "resolved by kim: restarted the pool" in told
    assert "reopened by lee: not quite" in told


def test_a_secret_in_a_note_is_masked(ask_many: Ask, worst: dict[str, Any]) -> None:
    done = ask_many("findings", "confirm", worst["id"], "--by", "kim", "--note", "mail ann@example.com")

    assert "ann@example.com" not in json.dumps(done)
    ask_many("findings", "reopen", worst["id"])


def test_bad_input_says_what_is_accepted(call_many: Call) -> None:
    assert call_many("findings", "--state", "lost")[2] == (
        "whence: --state 'lost'; accepted: pending, confirmed, resolved, recurred\n"
    )
    assert call_many("findings", "--min-severity", "7")[0] == 2
    assert call_many("findings", "show", "ffffffffffff")[0] == 3
    assert call_many("findings", "resolve", "ffffffffffff")[0] == 3
    assert call_many("findings", "--limit", "0")[0] == 2


def test_where_nothing_is_that_is_said(call_many: Call) -> None:
    code, out, err = call_many("findings", "--code", "Z99-99")

    assert (code, out) == (0, "")
    assert err.startswith("nothing is known to be wrong there; `whence diagnose`")


def test_where_nothing_is_recorded_that_is_said(call_empty: Call) -> None:
    assert call_empty("findings")[2].startswith("nothing is recorded in ")


def test_a_run_shows_its_findings(call_many: Call, ask_many: Ask) -> None:
    """`whence show RUN`: each with its code, name, severity and how sure it is, the worst first."""
    ask_many("diagnose")
    out = call_many("show", "last-bad")[1]
    _, _, findings = out.partition("\nfindings\n")

    assert re.match(r"  A01-01  AGENT_EXCEPTION_UNHANDLED  critical  confidence \d\.\d\d\n", findings)
