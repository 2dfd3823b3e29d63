"""What `show` draws inside a stage: everything in order of time, checks that tell nothing, calls, costs, errors."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli.conftest import environment
from whence.cli import calling

MADE = """
import whence

with whence.trace(project="made", query="in order?") as trace:
    with trace.stage("agent") as agent:
        agent.decision("first", what="begin", confidence=0.9)
        with trace.stage("second") as inner:
            inner.decision("third", what="within")
        agent.llm_call("fourth", model="no-such-model", prompt="p", response="r", input_tokens=5, output_tokens=6)
        agent.check("fifth", None, type="ast", subject="todo.py", error="the file is empty")
        with trace.timed("sixth", type="tool"):
            trace.event("trouble", "it broke", level="high")
        waiting = agent.llm("seventh", model="gpt-4o")
        agent.transform("eighth", "a", "b", action="fix")
        agent.wrote("/nowhere/ninth.py", "b", verify=False)
        agent.llm_call("tenth", model="gpt-4o", input_tokens=500, output_tokens=600, duration_s=0.0)
        with trace.stage("eleventh"):
            pass
        agent.decision("twelfth", what="end")
    trace.mark("complete")
"""

SESSION = """
from whence.generation import GenerationLogger

with GenerationLogger(project="session") as log:
    log.start_stage("generate", "todo")
    log.log_llm_interaction(component_name="todo", prompt="p", response="r", model="gpt-4", tokens_in=10, tokens_out=5)
    try:
        "a".index("b")
    except ValueError as error:
        log.log_error("generate", "todo", error)
    log.end_stage("generate", "todo")
"""

RAISES = """
import threading
import whence

def divide(n):
    return 1 / n

def fetch():
    raise LookupError("no plan")

thread = threading.Thread(target=fetch)
thread.start()
thread.join()
divide(0)
"""


def _record(data: Path, code: str, *command: str) -> None:
    script = data.parent / "program.py"
    script.write_text(code, encoding="utf-8")
    subprocess.run(
        [sys.executable, *command, str(script)],
        env=environment(data),
        check=not command,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture
def drawn(call: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return what a command draws of the run of a program."""

    def run(*words: str, code: str = "", command: tuple[str, ...] = ()) -> str:
        data = tmp_path / "data"
        if not data.exists():
            _record(data, code, *command)
        status, out, err = call("--data", str(data), *words)
        assert status == 0, err
        return str(out)

    yield run
    calling._chosen.clear()


@pytest.mark.parametrize("width", [80, 120])
def test_what_lies_in_a_stage_is_in_order_of_time(
    drawn: Callable[..., str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    """Decisions, nested stages, calls, checks, tools, steps, files: each where it began."""
    monkeypatch.setenv("COLUMNS", str(width))
    shown = drawn("show", "last", code=MADE)
    tree = shown[shown.index("\nstages\n") : shown.index("\nLLM calls")]

    words = ["first", "second", "third", "fourth", "fifth", "sixth"]
    words += ["seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth"]
    named = re.findall(r"\b(?:" + "|".join(words) + r")\b", tree)
    assert named == words
    assert re.search(r"^    ├── second .*\n    │   └── third ", tree, re.MULTILINE)
    assert re.search(r"·  high  trouble  it broke$", tree, re.MULTILINE)  # in the tool, so not outside any stage
    assert all(cell_len(line) <= width or "/" in line for line in shown.splitlines())


def test_more_than_fits_is_counted_at_the_end(drawn: Callable[..., str]) -> None:
    code = """
import whence
with whence.trace(project="many") as trace:
    with trace.stage("agent") as agent:
        for n in range(52):
            agent.decision("choice", what=n)
            agent.check("syntax", False, failures=["bad"])
            agent.event("disk", "full", level="high")
            with trace.timed("lookup", type="tool"):
                pass
        with trace.stage("last"):
            pass
"""
    shown = drawn("show", "last", code=code)

    assert (shown.count("choice  "), shown.count("✗  syntax"), shown.count("lookup  ")) == (50, 50, 50)
    end = shown[shown.index("── last") :]
    assert shown.count("disk  full") == 50
    for what in ("decisions", "steps", "spans", "bad events"):
        assert f"… 2 more {what}; --full shows them all" in end
    whole = drawn("show", "last", "--full")
    assert (whole.count("choice  "), whole.count("✗  syntax")) == (52, 52)


def test_a_check_that_tells_nothing_says_what_and_why(drawn: Callable[..., str]) -> None:
    shown = drawn("show", "last", code=MADE)

    assert re.search(r"\?  fifth  ast  not told\n.* todo\.py was not checked: the file is empty$", shown, re.MULTILINE)


def test_only_a_call_that_is_under_way_is_not_ended(drawn: Callable[..., str]) -> None:
    """A call that was recorded when it was over need not say how long it took."""
    shown = drawn("show", "last", code=MADE)

    assert shown.count("not ended") == 1
    assert re.search(r"◇  seventh  gpt-4o  not ended$", shown, re.MULTILINE)
    assert re.search(r"◇  fourth  no-such-model  5 → 6 tokens$", shown, re.MULTILINE)


def test_the_cost_says_what_it_leaves_out(drawn: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a command that is whole, however narrow it is, and works."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = drawn("show", "last", code=MADE)

    found = re.search(r"\$[\d.]+  1,111 tokens\n +\(1 of 2 LLM calls unknown: `whence (cost --trace \w+)`\)", shown)
    assert found is not None
    assert "cost unknown of 1 call" in drawn(*found[1].split())


def test_a_cost_that_is_known_says_no_more(drawn: Callable[..., str]) -> None:
    shown = drawn("show", "last", code=SESSION)

    assert re.search(r"^  cost +\$[\d.]+  15 tokens$", shown, re.MULTILINE)
    assert "not ended" not in shown


def test_an_error_that_was_logged_has_type_and_place(drawn: Callable[..., str]) -> None:
    shown = " ".join(drawn("show", "last", code=SESSION).split())

    assert re.search(
        r"high error ValueError: substring not found at \S+program\.py:8 in <module>", shown.replace("│ ", "")
    )


@pytest.mark.parametrize("width", ["80", "120"])
def test_what_ended_a_program_is_named_with_its_place(
    drawn: Callable[..., str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    """Type, message and place in a line; every frame of its stack on a line of its own with --full."""
    monkeypatch.setenv("COLUMNS", width)
    shown = drawn("show", "last", code=RAISES, command=("-m", "whence", "run", "--", sys.executable))
    flat = " ".join(shown.replace("│", "").split())

    assert re.search(r"error exit code 1 ended by ZeroDivisionError: division by zero at \S+:6 in divide", flat)
    assert re.search(r"critical uncaught_exception ZeroDivisionError: division by zero at \S+:6 in divide", flat)
    assert re.search(r"critical uncaught_exception_in_thread LookupError: no plan at \S+:9 in fetch", flat)

    monkeypatch.setenv("COLUMNS", "200")
    whole = drawn("show", "last", "--full")
    stack = whole[whole.index("stack", whole.index("uncaught_exception\n")) :].splitlines()
    stack = [line for line in stack if line.strip(" ~^")]  # from Python 3.13 on a line shows which part of it
    assert stack[1].strip() == "divide(0)"
    assert re.search(r'^ +File ".+program\.py", line 6, in divide$', stack[2])
    assert stack[3].strip() == "return 1 / n"

    record = re.findall(r"record  ([0-9a-f]{32})", whole)[-1]
    assert re.search(r'\n +File ".+program\.py", line 6, in divide\n', drawn("show", record))


def test_a_signal_is_named(drawn: Callable[..., str]) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    shown = drawn("show", "last", code=code, command=("-m", "whence", "run", "--", sys.executable))

    assert "killed by SIGKILL (exit code 137)" in shown
