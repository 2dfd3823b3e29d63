"""What the drawings promise: nested stages nested, nothing cut where it matters, no two cells that look alike."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Whence, environment
from whence.cli import calling, plain, render
from whence.cli.render_why import differing_part

ODD = """
import whence
from whence.model.severity import Severity

ITEMS = [f"passage number {n} of the catalogue of plans" for n in range(30)]
with whence.trace(project="odd", query="nested?") as trace:
    with trace.stage("outer") as outer:
        outer.decision("", what=True, why="because")
        outer.event("started", "hello")
        outer.event("trouble", "it broke", level=Severity.HIGH)
        with trace.stage("inner") as inner:
            for n in range(53):
                inner.decision("choice", what=n, confidence=0.9)
            inner.event("tick", "tock", size=3)
    trace.event("outside", "no stage")
    with trace.stage("quality_gate") as gate:
        gate.end({"verdict": "fine"})
for good in (True, False):
    with whence.trace(project="ref", query="same?") as trace:
        with trace.stage("retrieval") as stage:
            stage.decision("passages", what=ITEMS if good else [*ITEMS[:12], "something else", *ITEMS[13:]], why="w")
            stage.decision("prompt", what="word " * 2000 + ("good" if good else "evil"), confidence=0.5)
        with trace.stage("quality_gate") as gate:
            scores = [{"id": "P-1", "score": 3 if good else 1, "feedback": "see the sources"}]
            gate.end({"passed": good, "overall_score": 3.0 if good else 1.0, "principle_scores": scores,
                      "gap_principles": ["P-1"]})
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with runs that are hard to draw."""
    data = tmp_path_factory.mktemp("odd") / "data"
    subprocess.run([sys.executable, "-c", ODD], env=environment(data), check=True, timeout=60)
    return data


@pytest.fixture
def drawn(call: Callable[..., Any], odd: Path) -> Iterator[Callable[..., str]]:
    """Return what a command draws of those runs."""

    def run(*words: str) -> str:
        code, out, err = call("--data", str(odd), *words)
        assert code == 0, err
        return str(out)

    yield run
    calling._chosen.clear()


def _run_of(drawn: Callable[..., str], query: str) -> str:
    rows = json.loads(drawn("traces", "--json"))
    return str(next(row["trace_id"] for row in rows if row["query"] == query))


def test_stages_inside_stages_and_events(drawn: Callable[..., str]) -> None:
    """A stage is drawn in the one it lies in; bad events are shown, the others counted, and all of them with --full."""
    name = _run_of(drawn, "nested?")
    shown = drawn("show", name)

    assert re.search(r"^│   ├── inner  ", shown, re.MULTILINE)
    assert "·  high  trouble  it broke" in shown
    assert "1 event; --full shows it" in shown
    assert "hello" not in shown
    assert "(no name)" in shown
    assert re.search(r"^│   │   true$", shown, re.MULTILINE)
    assert shown.count("choice  ") == 50
    assert "… 3 more decisions; --full shows them all" in shown
    assert "not understood: the quality gate's outputs" in shown

    whole = drawn("show", name, "--full")
    assert whole.count("choice  ") == 53
    for each in ("·  info  started", "hello", "·  info  outside", "size    3"):
        assert each in whole


def test_paths_are_never_broken(drawn: Callable[..., str], odd: Path) -> None:
    """Whatever the width, a path can be copied."""
    document = json.loads(drawn("traces", "--json"))[0]["trace_file_path"]

    assert document in drawn("show", "last")


def test_scores_are_a_table(drawn: Callable[..., str]) -> None:
    """And are not said again as gaps."""
    whole = drawn("show", "last", "--full")

    assert re.search(r"principle +score +feedback", whole)
    assert re.search(r"P-1 +1 +see the sources", whole)
    assert "gap_principles" not in whole
    assert "fell short" not in whole
    assert "fell short" in drawn("show", "last")


def test_what_differs_is_what_is_shown(drawn: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two long values only the difference; of two texts their beginning; the headline does not say item 1 again."""
    monkeypatch.setenv("COLUMNS", "200")
    shown = " ".join(drawn("why", "last").split())

    assert "something else (and 29 in both)" in shown
    assert "retrieval.passages" in shown
    assert "content_sha256" not in shown
    assert shown.count("the quality gate failed") == 1
    assert "went wrong in quality_gate first bad stage" in shown


def test_compare_says_which_attempt(call: Callable[..., Any], ask: Callable[..., Any]) -> None:
    rows = {row["query"]: row["trace_id"] for row in ask("traces")}
    shown = call("compare", rows["Which plan fits a family?"], rows["Is the gold plan always best?"])[1]

    assert re.search(r"B attempt 2  forum", shown)


@pytest.mark.parametrize("width", [60, 100])
@pytest.mark.parametrize("words", ["traces", "decisions", "principles --min-runs 1", "projects", "why", "doctor"])
def test_headers_are_whole_at_any_width(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, words: str, width: int
) -> None:
    """Where there is no room for a column it goes; what is left is whole."""
    monkeypatch.setenv("COLUMNS", str(width))
    shown = call(*words.split())[1]
    headers = {
        "traces": ("run", "quality", "query"),
        "decisions": ("decision", "confidence", "run, when (UTC)"),
        "principles": ("principle", "failed", "runs"),
        "projects": ("project", "recorded", "runs"),
    }.get(words.split()[0], ())

    assert all(each in shown.splitlines()[0] for each in headers)
    for line in shown.splitlines():
        assert cell_len(line) <= width or line.startswith("  $ ") or "/" in line, line


def test_values_are_cut_where_it_makes_sense() -> None:
    """Lists between their items, objects between their keys, references within their text."""
    assert plain.line([f"item {n}" for n in range(10)], 30) == "item 0, item 1, … 8 more"
    assert plain.line({"a": 1, "b": "x" * 100, "c": 3}, 60).endswith("…, c: 3")
    reference = {"content_sha256": "0" * 64, "chars": 5000, "preview": "Once upon a time there was a plan"}
    assert plain.line(reference, 30) == "Once upon… (5000 characters)"
    assert plain.line([reference, "b"]).startswith("Once upon a time")
    mine, other = differing_part("the same words " * 20 + "here", "the same words " * 20 + "there", 90)
    assert mine.endswith("here")
    assert mine != other
    mine, other = differing_part("a" * 200, "a" * 200 + "b", 90)
    assert mine != other


def test_times_and_numbers() -> None:
    """Nothing that no clock can have measured; the year where it is not this one; one thing, two things."""
    assert render.duration(-1) == "–"
    assert render.duration(1e12) == "–"
    assert "clock went back" in render.took(-0.5)
    assert render.when(0) == "1970-01-01 00:00:00"
    assert (render.many(1, "record"), render.many(1200, "record")) == ("1 record", "1,200 records")


def test_a_question_makes_no_directory(whence: Whence, tmp_path: Path) -> None:
    """And says where it looked."""
    nowhere = tmp_path / "nowhere"
    for words, code in (("traces", 0), ("decisions", 0), ("tail --once", 0), ("why", 3), ("show last", 3)):
        done = whence(*words.split(), data=nowhere)
        assert done.returncode == code
        assert f"nothing is recorded in {nowhere}, which does not exist" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not os.path.lexists(nowhere)


def test_the_doctor_is_not_in_the_tail(whence: Whence, tmp_path: Path) -> None:
    """Unless it is asked for."""
    assert whence("doctor", data=tmp_path).returncode == 0
    assert whence("tail", "--once", data=tmp_path).stdout == ""
    assert "probe" in whence("tail", "--once", "--project", "whence-doctor", data=tmp_path).stdout


def test_proposed_commands_work_from_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the name that finds this program, with the data directory that was chosen."""
    script = Path(sys.executable).with_name("whence")
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    monkeypatch.setenv("PATH", str(script.parent))
    assert calling.program() == "whence"

    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")  # `make demo`: the PATH is not that of who typed it
    monkeypatch.chdir(script.parent.parent)
    assert calling.program() == "bin/whence"

    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(calling, "_chosen", ["my data"])
    assert calling.command("whence show last") == "bin/whence --data 'my data' show last"
