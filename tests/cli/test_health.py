"""`whence health` and `whence progress`: one component, all of them, an operation."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from whence.cli.render_health import buckets, sparkline
from whence.store.interface import Activity

Ask = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]
MINUTE_NS = 60_000_000_000


def test_a_component_with_errors(call_many: Call, ask_many: Ask) -> None:
    """Status, score, error rate, what it did minute by minute, what is wrong; its type may be a word of its own."""
    found = ask_many("health", "courier", "north")
    out = call_many("health", "courier", "north")[1]

    assert (found["component"], found["status"]) == ("courier/north", "unhealthy")
    assert found["total_events"] == 25
    assert found["error_events"] >= 10
    assert found["score"] == pytest.approx(100 * (1 - found["error_rate"]))
    assert sum(each["failed"] for each in found["minutes"]) == 10
    assert re.match(r"✗ courier/north   unhealthy\n", out)
    assert f"{found['error_rate']:.1%}  {found['error_events']} errors in 25 events" in out
    assert re.search(r"activity +[▁▂▃▄▅▆▇█·]{30,40}$", out, re.MULTILINE)
    assert "What is wrong" in out
    assert ask_many("health", "courier/north")["score"] == found["score"]


def test_a_component_that_is_well(call_many: Call) -> None:
    assert re.match(r"✓ writer   healthy\n", call_many("health", "writer")[1])


def test_all_components_the_least_healthy_first(call_many: Call, ask_many: Ask) -> None:
    rows = ask_many("health")
    out = call_many("health")[1]

    assert rows[0]["component"] == "courier/north"
    assert [each["score"] for each in rows] == sorted(each["score"] for each in rows)
    assert {"collector", "writer"} <= {each["component"] for each in rows}
    assert re.search(rf"^✗  courier/north +{rows[0]['score']:.1f} +{rows[0]['error_events']} +25", out, re.MULTILINE)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)


def test_a_component_that_nobody_knows(call_many: Call, ask_many: Ask) -> None:
    """It is said to be unknown, and neither well nor ill."""
    code, out, _ = call_many("health", "nobody")

    assert code == 0
    assert out.startswith("? nobody   unknown\n")
    assert ask_many("health", "nobody")["status"] == "unknown"


@pytest.mark.parametrize("words", [("health", "x", "--range", "soon"), ("health", " "), ("progress", " ")])
def test_bad_input_is_refused(call_many: Call, words: tuple[str, ...]) -> None:
    assert call_many(*words)[0] == 2


def test_progress_of_runs(call_many: Call, ask_many: Ask) -> None:
    """A run is an operation; `last-bad` means one too, and one that failed has a command to go on with."""
    found = ask_many("progress", "last-bad")
    out = call_many("progress", "last-bad")[1]

    assert found["status"] == "failed"
    assert 0 < found["progress"] < 1
    assert re.search(r"progress +█+░+ \d+%", out)
    assert re.search(r"^  \$ \S*whence why [0-9a-f]{8}$", out, re.MULTILINE)
    assert call_many("progress", "no-such-operation")[0] == 3


def test_where_nothing_is_recorded_that_is_said(call_empty: Call) -> None:
    assert call_empty("health")[2].startswith("nothing is recorded in ")
    assert call_empty("health", "writer")[2].startswith("nothing is recorded in ")
    assert call_empty("progress", "x-1")[0] == 3


def test_minutes_are_put_together_where_there_are_more_than_cells() -> None:
    """A window of two hours in forty cells: three minutes each, none lost, none outside."""
    minutes = [Activity(component="c", minute_ns=n * MINUTE_NS, records=2, failed=n % 2) for n in range(-1, 121)]
    found = buckets(minutes, 0, 120 * MINUTE_NS, 40)

    assert len(found) == 40
    assert sum(records for records, _ in found) == 240
    assert sum(errors for _, errors in found) == 60
    assert buckets([], 0, 0, 40) == [(0, 0)]


def test_a_sparkline() -> None:
    assert sparkline([0, 1, 4, 8]).plain == "·▂▅█"
    assert sparkline([0, 0]).plain == "··"
    assert sparkline([]).plain == ""
