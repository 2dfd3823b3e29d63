"""Whoever puts the bad line into a generated file is the one that `whence blame` names, whichever step it is.

The pipeline of `examples/generate` is run with one step at fault after the other. The file is the same each time, byte for
byte, so nothing but what was recorded can tell.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BAD_LINE = "from observability import ComposedComponent"
CULPRITS = {
    "healer": ("heal", 1),
    "import_fixer": ("import_fix", None),
    "template": ("template_render", None),
}

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(data: Path) -> Program:
    """Run a module of this checkout as a program, recording into this test's data directory."""

    def start(module: str, *arguments: str, code: int) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return start


def generate(program: Program, target: Path, fault: str) -> int:
    """Run the pipeline, and return the number of the bad line in csv_sink.py; 0 where there is none."""
    program("examples.generate", "--target", str(target), "--fault", fault, code=0 if fault == "none" else 1)
    lines = (target / "csv_sink.py").read_text(encoding="utf-8").splitlines()
    return lines.index(BAD_LINE) + 1 if BAD_LINE in lines else 0


def blamed(program: Program, file: Path, line: int) -> dict[str, Any]:
    """Return what `whence blame` says of one line."""
    answer = json.loads(program("whence", "blame", f"{file}:{line}", "--json", code=0).stdout)
    (found,) = [each for each in answer["lines"] if each["line"] == line]
    return {**found, "trace_id": answer["trace_id"]}


@pytest.mark.parametrize("fault", CULPRITS)
def test_blame_names_the_step_that_is_at_fault(program: Program, tmp_path: Path, fault: str) -> None:
    """Not the one that the line was in the hands of since, nor the one that the file looks like the work of."""
    line = generate(program, tmp_path, fault)

    found = blamed(program, tmp_path / "csv_sink.py", line)

    assert found["text"] == BAD_LINE
    assert (found["step"]["name"], found["step"]["attempt"]) == CULPRITS[fault]
    assert found["step"]["component"] == "csv_sink"
    assert found["sure"] == "confirmed"
    if fault == "template":
        assert (found["origin"]["role"], found["origin"]["name"]) == ("template", "sink.py.j2")
        assert found["origin"]["line"] == 6


def test_the_same_file_three_times_has_three_culprits(program: Program, tmp_path: Path) -> None:
    """All in one store: the texts are stored once, and still each run's own steps are named."""
    line = {fault: generate(program, tmp_path / fault, fault) for fault in CULPRITS}
    files = {fault: tmp_path / fault / "csv_sink.py" for fault in CULPRITS}
    assert len({path.read_bytes() for path in files.values()}) == 1

    found = {fault: blamed(program, files[fault], line[fault]) for fault in CULPRITS}

    assert {fault: each["step"]["name"] for fault, each in found.items()} == {f: c[0] for f, c in CULPRITS.items()}
    assert len({each["trace_id"] for each in found.values()}) == 3


def test_a_run_that_writes_the_file_anew_answers_for_it(program: Program, tmp_path: Path) -> None:
    """The last one that wrote it, though an earlier run wrote the same bytes."""
    for fault, (step, attempt) in CULPRITS.items():
        line = generate(program, tmp_path, fault)
        found = blamed(program, tmp_path / "csv_sink.py", line)
        assert (found["step"]["name"], found["step"]["attempt"]) == (step, attempt)


def test_the_lines_around_are_others_work(program: Program, tmp_path: Path) -> None:
    """The healer's second attempt, the import fixer and the template are not accused of each other's lines."""
    generate(program, tmp_path, "healer")
    file = tmp_path / "csv_sink.py"
    lines = file.read_text(encoding="utf-8").splitlines()

    def step(text: str) -> tuple[str, int | None]:
        found = blamed(program, file, lines.index(text) + 1)["step"]
        return found["name"], found["attempt"]

    assert step("sys.path.insert(0, str(Path(__file__).parent))") == ("heal", 2)
    assert step("import sys") == ("heal", 2)
    assert step("import csv") == ("import_fix", None)
    assert step("class CsvSink(ComposedComponent):") == ("template_render", None)
    assert step('        self.counted("written")') == ("format", None)  # it was in single quotes


def test_a_line_that_is_right_has_an_author_as_well(program: Program, tmp_path: Path) -> None:
    """With the better index, the healer is the one who mended the template's mistake."""
    assert generate(program, tmp_path, "none") == 0
    lines = (tmp_path / "csv_sink.py").read_text(encoding="utf-8").splitlines()
    line = lines.index("from components.composed_base import ComposedComponent") + 1

    found = blamed(program, tmp_path / "csv_sink.py", line)

    assert (found["step"]["name"], found["step"]["attempt"]) == ("heal", 1)
