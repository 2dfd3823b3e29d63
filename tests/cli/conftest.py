"""Real runs, recorded once by real processes, and the real command line asked about them."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from whence.runtime import runtime as runtime_module

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\ \x1b]0;title\x07 "
    "\u202egnp.exe\u202c \x9b31mC1 \x07bell [bold]markup[/bold] [link=http://evil.example]x[/link]"
)

PIPELINE = (
    r"""
import os, signal, sys
from whence.tracing import TraceContext

HOSTILE = %r

def run(query, *, scores=(), passed=True, rounds=1, model="m-1", source="catalogue", kill=False, error=None, intent="validating"):
    trace = TraceContext.start(project_name="shop", query=query, intent=intent, domain="plans", report_type="report")
    with trace:
        trace.start_stage("intake")
        trace.record("intake", "classified_intent", {"what": intent, "why": "the wording", "confidence": 0.85,
                     "alternatives_considered": ["exploring", "learning"], "inputs": {"words": 4}})
        trace.end_stage("intake", {"intent": intent})
        for n in range(1, rounds + 1):
            trace.start_stage("collection")
            trace.record("collection", "source", {"what": source, "why": "the question names a plan", "confidence": 0.45,
                         "alternatives_considered": ["forum"]})
            trace.record_evidence("collection", {"collected_count": 40})
            if kill:
                os.kill(os.getpid(), signal.SIGKILL)
            if error:
                raise RuntimeError(error)
            trace.end_stage("collection", {"evidence_passed": 6, "evidence_filtered": 34})
            trace.start_stage("synthesis")
            trace.llm_call("write", stage="synthesis", model=model, prompt="Write it " * 200, response="done",
                           input_tokens=1200, output_tokens=300, cost_usd=0.0125)
            trace.end_stage("synthesis", {"model": model})
            good = passed and n == rounds
            trace.start_stage("quality_gate")
            trace.record("quality_gate", "verdict", {"what": "PASS" if good else "FAIL", "why": "scores", "confidence": 1.0})
            found = [{"id": pid, "name": f"Principle {pid}", "score": s, "feedback": "see the sources"} for pid, s in scores]
            trace.end_stage("quality_gate", {"principle_scores": found, "overall_score": 2.75 if good else 1.25,
                                             "passed": good, "threshold": 2.0})
            trace.record_iteration({"passed": good, "overall_score": 2.75 if good else 1.25})
        trace.set_outputs({"evidence_paths": ["evidence.json"]})
        trace.mark_complete()

WHAT = sys.argv[1]
if WHAT == "good":
    run("Which plan fits a family?", scores=[("META-1", 3), ("META-2", 3)])
elif WHAT == "bad":
    run("Is the gold plan always best?", scores=[("META-1", 1), ("META-2", 3)], passed=False, rounds=2, source="forum")
elif WHAT == "failed":
    try:
        run("What does it cost?", error="catalogue unreachable")
    except RuntimeError:
        pass
elif WHAT == "killed":
    run("What is in the box?", kill=True)
elif WHAT == "hostile":
    run(HOSTILE, scores=[("META-1" + HOSTILE, 1)], source=HOSTILE, model=HOSTILE, intent=HOSTILE)
"""
    % HOSTILE
)

MANY = """
import whence

whence.init(project="shop", drain=False, code_version="v1")

def run(n, model, good, hostile=""):
    try:
        with whence.trace(query=f"question {n}{hostile}", intent="exploring", domain="plans" + hostile) as trace:
            with trace.stage("collect", component="collector" + hostile) as stage:
                stage.decision("source", what="catalogue" + hostile, why="named" + hostile, confidence=0.9)
            with trace.stage("write", component="writer") as stage:
                stage.llm_call("draft", model=model, prompt="Write it", response="done" + hostile,
                               input_tokens=100 if model == "large" else 40, output_tokens=20, cost_usd=0.002)
            with trace.stage("deliver", component="courier/north"):
                if not good:
                    raise ConnectionError("the depot did not answer" + hostile)
    except ConnectionError:
        pass

for n in range(14):
    run(n, "large", True)
for n in range(14, 24):
    run(n, "small", n == 20)
run(24, "small", False, HOSTILE)
whence.shutdown()
"""
"""Runs of three components: with the small model they fail at the courier, but for one."""


def environment(data: Path, **extra: str) -> dict[str, str]:
    """Return an environment in which nothing but the data directory is chosen."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WHENCE_")}
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "LINES"):
        kept.pop(name, None)
    return {**kept, "WHENCE_DATA": str(data), "COLUMNS": "80", "TERM": "xterm-256color", **extra}


def record(data: Path, *names: str) -> None:
    """Record runs of the pipeline above, each in a process of its own."""
    script = data.parent / "pipeline.py"
    script.write_text(textwrap.dedent(PIPELINE), encoding="utf-8")
    for name in names:
        done = subprocess.run(
            [sys.executable, str(script), name],
            env=environment(data),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == (-9 if name == "killed" else 0), done.stderr


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with five runs: good, failed by an exception, killed, hostile text, and bad (the newest)."""
    data = tmp_path_factory.mktemp("cli") / "data"
    record(data, "good", "failed", "killed", "hostile", "bad")
    return data


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with 25 runs: 14 good ones with a large model, and 11 with a small one, of which one is good."""
    data = tmp_path_factory.mktemp("many") / "data"
    code = f"HOSTILE = {HOSTILE!r}\n{MANY}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(data), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return data


Done = subprocess.CompletedProcess[str]
Whence = Callable[..., Done]


@pytest.fixture
def whence(recorded: Path) -> Whence:
    """Run the real command line in a process, on the recorded runs (or on `data=`)."""

    def run(
        *words: str, data: Path | None = None, stdin: str | None = None, timeout_s: float = 60, **extra: str
    ) -> Done:
        return subprocess.run(
            [sys.executable, "-m", "whence", *words],
            env=environment(data or recorded, **extra),
            capture_output=True,
            encoding="utf-8",
            input=stdin,
            timeout=timeout_s,
            check=False,
        )

    return run


@pytest.fixture
def ask(call: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command line in this process and return the JSON document that it printed."""

    def run(*words: str) -> Any:
        code, out, err = call(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


def _calls(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    from whence.cli import main

    for name, value in environment(data).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(runtime_module, "_made", {})

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    yield run
    if (built := runtime_module.peek()) is not None:
        built.close()


@pytest.fixture
def call(
    recorded: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """Run the command line in this process, on the recorded runs: (exit code, stdout, stderr)."""
    yield from _calls(recorded, monkeypatch, capsys)


@pytest.fixture
def call_many(
    many: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """The same on the 25 runs."""
    yield from _calls(many, monkeypatch, capsys)


@pytest.fixture
def ask_many(call_many: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command line on the 25 runs and return the JSON document that it printed."""

    def run(*words: str) -> Any:
        code, out, err = call_many(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return run


@pytest.fixture
def call_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Any]]:
    """The same where nothing was ever recorded."""
    yield from _calls(tmp_path / "nothing", monkeypatch, capsys)


def parsed(done: Done) -> Any:
    """Return the one JSON document that a command printed."""
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    return json.loads(done.stdout)
