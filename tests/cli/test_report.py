"""`whence report`: Markdown on stdout, HTML in a file, the same as JSON. What is in them: tests/diagnose/test_reporting.py."""

import json
import re
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Ask = Callable[..., Any]
Call = Callable[..., tuple[int, str, str]]


def test_markdown_goes_to_stdout(call_many: Call) -> None:
    code, out, err = call_many("report")

    assert (code, err) == (0, "")
    assert out.startswith("# Report: ")
    assert "25 runs: 15 went well, 10 went wrong. 60% of those that ended went well" in out
    assert "## What tells bad runs from good ones" in out
    assert "<script" not in out
    assert "\x1b" not in out


def test_html_goes_to_a_file(call_many: Call, tmp_path: Path) -> None:
    """The name says which form; the file is the owner's alone, and nothing goes to stdout."""
    path = tmp_path / "report.html"
    code, out, err = call_many("report", "--since", "1d", "-o", str(path))
    page = path.read_text(encoding="utf-8")

    assert (code, out) == (0, "")
    assert re.match(r"whence: 25 runs, [\d.]+ kB in ", err)
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") > 3
    assert "Content-Security-Policy" in page
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_form_can_be_said(call_many: Call, tmp_path: Path) -> None:
    assert call_many("report", "--format", "html")[1].startswith("<!doctype html>")
    path = tmp_path / "report.txt"
    assert call_many("report", "--output", str(path), "--format", "md")[0] == 0
    assert path.read_text(encoding="utf-8").startswith("# Report")


def test_the_same_as_json(ask_many: Ask, tmp_path: Path) -> None:
    found = ask_many("report")
    assert (found["runs"], found["good"], found["bad"]) == (25, 15, 10)
    assert found["days"]
    assert found["components"][0]["component"] == "courier/north"
    written = ask_many("report", "--output", str(tmp_path / "r.md"))
    assert written == {
        "file": str(tmp_path / "r.md"),
        "format": "md",
        "bytes": (tmp_path / "r.md").stat().st_size,
        "runs": 25,
    }


def test_a_browser_is_started_where_that_is_asked_for(
    call_many: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not opened.append(url))  # type: ignore[func-returns-value]
    path = tmp_path / "report.html"

    assert call_many("report", "--output", str(path), "--open")[0] == 0
    assert opened == [path.as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert "no browser could be started" in call_many("report", "--output", str(path), "--open")[2]


@pytest.mark.parametrize(
    "words", [("--output", "report.pdf"), ("--open",), ("--open", "--output", "r.md"), ("--since", "soon")]
)
def test_bad_input_is_refused(call_many: Call, words: tuple[str, ...]) -> None:
    assert call_many("report", *words)[0] == 2


def test_a_place_that_cannot_be_written(call_many: Call, tmp_path: Path) -> None:
    assert call_many("report", "--output", str(tmp_path / "no" / "such" / "r.md"))[0] == 4
    (tmp_path / "d.md").mkdir()
    assert call_many("report", "--output", str(tmp_path / "d.md"))[0] == 2


def test_where_nothing_is_recorded_that_is_said(call_empty: Call) -> None:
    code, out, err = call_empty("report")

    assert code == 0
    assert "No run began in that time." in out
    assert err.startswith("nothing is recorded in ")
    assert json.loads(call_empty("report", "--json")[1])["runs"] == 0
