"""How `why` draws causes: what is confirmed and what may be are told apart by sign and word, with their records."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from tests.cli.conftest import HOSTILE
from whence.cli.render_why import why
from whence.diagnose.causes import LEAD, Cause, Why
from whence.model.finding import Finding
from whence.query.claims import Claim

RECORD = "01a1fafc095f7002a434f7312240eb96"
LATER = "01a1fafc095f7005a434f7312240eb96"


def cause(kind: Any, statement: str, confidence: float | None, **more: Any) -> Cause:
    given = {
        "component": "parser",
        "stage": "parse",
        "code": "I01-03",
        "rule": "hand_over",
        "basis": "37 of 37",
        **more,
    }
    return Cause(kind=kind, statement=statement, confidence=confidence, evidence=(RECORD,), ts_ns=1, **given)


def step(kind: Any, statement: str) -> Claim:
    return Claim(statement=statement, stage="write", record_id=LATER, kind=kind, rule="r")


def answer(*causes: Cause, steps: tuple[Claim, ...] = (), chain: tuple[Claim, ...] = (), **more: Any) -> Why:
    given: dict[str, Any] = {
        "hypotheses": (),
        "good_run": None,
        "changes": (),
        "next_steps": (),
        "findings": (),
        **more,
    }
    said = (
        f"t went wrong in write. {LEAD[causes[0].kind]}: {causes[0].statement}" if causes else "t went wrong in write"
    )
    given |= {"steps": steps, "chain": chain, "beside": 20}
    return Why(
        trace_id="t",
        outcome="bad",
        headline=said,
        first_bad_stage="write",
        causes=causes,
        **given,
    )


def drawn(of: Why, width: int = 80) -> str:
    out = Console(file=io.StringIO(), width=width, color_system=None, markup=False, highlight=False, emoji=False)
    out.print(why(of))
    return out.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_a_confirmed_cause_and_what_it_led_to() -> None:
    """✓ and the word; below it each link with its record; the headline does not say the cause a second time."""
    shown = drawn(
        answer(
            cause("confirmed", "parser: topics is missing", 1.0), steps=(step("confirmed", "writer failed over it"),)
        )
    )

    assert "✓ confirmed  parser: topics is missing" in shown
    assert shown.count("topics is missing") == 1
    assert re.search(r"where +parser · parse · I01-03 INTERFACE_MISMATCH|where +parser · parse · I01-03", shown)
    assert re.search(r"confidence +1\.00  37 of 37", shown)
    assert "What it led to  each link is in the records" in shown
    assert re.search(rf"↓ writer failed over it\n +write · record {LATER}", shown)
    assert "maybe" not in shown
    assert "?" not in shown


def test_a_hypothesis_is_never_drawn_as_a_fact() -> None:
    """Without colours too: ? and "maybe", what only came after it, and how sure that is."""
    shown = drawn(
        answer(cause("hypothesis", "parser: characters is 30", 0.91), steps=(step("hypothesis", "writer is odd"),))
    )

    assert "? maybe  parser: characters is 30" in shown
    assert "beside 20 earlier good runs" in shown
    assert "no record says that one led to the other" in " ".join(shown.split())
    assert "? writer is odd" in shown
    assert "✓" not in shown


def test_unlikely_causes_are_counted_and_likely_ones_named() -> None:
    first = cause("hypothesis", "a", 0.9)
    shown = drawn(answer(first, cause("hypothesis", "b", 0.4), cause("hypothesis", "c", 0.01)))

    assert re.search(r"Also possible\n  \? maybe  b\n", shown)
    assert "1 other is less likely; --json has it" in shown
    assert "maybe  c" not in shown


def test_what_the_records_only_state_is_no_cause() -> None:
    """That the gate failed is how the run ended: it stands among what happened, and nowhere else."""
    failed = step("confirmed", "the quality gate failed")
    shown = drawn(answer(cause("hypothesis", "the quality gate failed", None), chain=(failed,)))

    assert "Most likely cause" not in shown
    assert shown.count("the quality gate failed") == 1


def test_codes_are_listed_once_each_the_worst_first() -> None:
    found = (
        Finding(code="D01-03", title="low one", severity=1),
        Finding(code="A01-01", title="bad one", severity=4),
        Finding(code="A01-01", title="bad two", severity=3),
    )
    _, _, shown = drawn(answer(findings=found)).partition("Findings  3 findings\n")

    assert shown.startswith("  A01-01  AGENT_EXCEPTION_UNHANDLED  critical  2 times\n    bad one\n  D01-03 ")


@pytest.mark.parametrize("width", [40, 80, 120])
def test_hostile_text_is_text_and_fits(width: int) -> None:
    evil = cause(
        "hypothesis",
        HOSTILE * 4,
        0.5,
        component=HOSTILE,
        stage=HOSTILE,
        code=HOSTILE,
        basis=HOSTILE,
        because=(HOSTILE,),
    )
    shown = drawn(answer(evil, steps=(step("hypothesis", HOSTILE + "x"),)), width)

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    commands = [line for line in shown.splitlines() if "$ " in line]
    assert not [line for line in shown.splitlines() if len(line) > width and line not in commands]
