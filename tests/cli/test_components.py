"""`whence components`: the board, and one component version by version."""

import re
from collections.abc import Callable
from typing import Any

import pytest

Ask = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]


def test_the_board(call_many: Call, ask_many: Ask) -> None:
    """The component with the worst open problem first; shares, durations, what it cost."""
    ask_many("diagnose")
    rows = {each["component"]: each for each in ask_many("components")}
    out = call_many("components")[1]

    assert {"collector", "writer", "courier/north"} <= rows.keys()
    assert (rows["writer"]["runs"], rows["writer"]["good"], rows["writer"]["bad"]) == (25, 15, 10)
    assert rows["writer"]["cost_usd"] == pytest.approx(0.05)
    assert rows["courier/north"]["failed"] == 10
    assert rows["courier/north"]["worst"] == 4
    assert re.match(r"component .*\n.*courier/north ", out)
    assert re.search(r"courier/north +25  █+░+  60% +\d+  critical", out)


def test_a_component_version_by_version(call_many: Call, ask_many: Ask) -> None:
    """With the small model one run in eleven went well, beyond chance; what changed is named."""
    old, new = ask_many("components", "writer")["versions"]
    out = call_many("components", "writer")[1]

    assert (old["runs"], old["good"]) == (14, 14)
    assert (new["runs"], new["good"]) == (11, 1)
    assert new["success_change"] == pytest.approx(-10 / 11)
    assert new["success_p"] < 0.001
    assert "model: large → small" in new["changed"]
    assert re.search(rf"{new['version']} .* −91 pp\*", out)
    assert "What changed" in out
    assert "model: large → small" in out


def test_a_part_of_the_name_is_enough(ask_many: Ask, call_many: Call) -> None:
    assert ask_many("components", "north")["component"] == "courier/north"
    code, _, err = call_many("components", "coll")
    assert code == 3
    assert "could be any of " in err
    assert "no component 'nobody' took part" in call_many("components", "nobody")[2]


@pytest.mark.parametrize("columns", ["60", "80", "120"])
def test_it_fits_the_terminal(call_many: Call, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out = call_many("components")[1] + call_many("components", "writer")[1]

    assert not [line for line in out.splitlines() if len(line) > int(columns) and "$ " not in line]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)


def test_where_nothing_is_that_is_said(call_many: Call) -> None:
    assert call_many("components", "--since", "2001-01-01/2001-01-02") == (
        0,
        "",
        "no run began in that time; --since 90d looks further back\n",
    )
    assert call_many("components", "--limit", "0")[0] == 2


def test_where_nothing_is_recorded_that_is_said(call_empty: Call) -> None:
    assert call_empty("components")[2].startswith("nothing is recorded in ")
