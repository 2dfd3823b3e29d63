"""`whence demo --generation`: five components, one of them spoiled, and who put the bad line there."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Whence, environment, parsed

Ask = Callable[..., Any]


def test_the_demo_ends_with_the_step_that_is_to_blame(whence: Whence, tmp_path: Path) -> None:
    """Its file lies where it says, and the commands that it ends with work as they are printed."""
    done = whence("demo", "--generation", data=tmp_path / "demo", timeout_s=120)

    assert done.returncode == 0, done.stderr
    signs = [line.split()[:3] for line in done.stdout.splitlines() if line[:1] in ("✓", "✗")][:5]
    assert signs[0] == ["✗", "csv_sink", "failed"]
    assert {line[0] for line in signs[1:]} == {"✓"}
    assert "from observability import ComposedComponent" in done.stdout
    assert "heal" in done.stdout
    assert (tmp_path / "demo" / "demo" / "generated" / "csv_sink.py").is_file()
    steps = [shlex.split(line[3:]) for line in done.stdout.splitlines() if line.startswith("  $ ")]
    assert len(steps) >= 3
    for step in steps:
        said = subprocess.run(step, capture_output=True, text=True, timeout=60, check=False)
        assert said.returncode == 0, (step, said.stderr)


def test_as_json_it_names_the_line_and_the_step(whence: Whence, tmp_path: Path) -> None:
    """A second run into the same data says the same of its own trace."""
    first = parsed(whence("demo", "--generation", "--json", data=tmp_path))
    second = parsed(whence("demo", "--generation", "--json", data=tmp_path))

    assert first["components"] == second["components"]
    assert first["trace"]["trace_id"] != second["trace"]["trace_id"]
    failure = second["components"]["csv_sink"]["failures"][0]
    (line,) = [each for each in second["blame"]["lines"] if each["line"] == failure["line"]]
    assert (line["step"]["name"], line["step"]["attempt"]) == ("heal", 1)
    assert second["blame"]["trace_id"] == second["trace"]["trace_id"]
    assert second["target"] == str(tmp_path / "demo" / "generated")


def test_without_data_it_goes_into_a_folder_of_its_own_that_begins_empty(tmp_path: Path) -> None:
    """As the other demo does."""
    surroundings = environment(tmp_path)
    del surroundings["WHENCE_DATA"]

    def demo(*words: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "whence", "demo", "--generation", "--json", *words]
        return parsed(
            subprocess.run(command, cwd=tmp_path, env=surroundings, capture_output=True, text=True, check=False)
        )

    assert demo()["data"] == str(tmp_path / ".whence-demo")
    left = tmp_path / ".whence-demo" / "demo" / "left"
    left.touch()
    demo("--keep")
    assert left.exists()
    demo()
    assert not left.exists()


def test_where_it_cannot_write_it_says_so(whence: Whence, tmp_path: Path) -> None:
    """In one line, with what the generator said last."""
    (tmp_path / "demo" / "generated").mkdir(parents=True)
    (tmp_path / "demo" / "generated" / "components").touch()

    done = whence("demo", "--generation", data=tmp_path)

    assert done.returncode == 1
    assert "the code generator made nothing: FileExistsError" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_jinja_it_says_how_to_get_it_and_leaves_everything_as_it_was(
    call: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 2, one line."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.setenv("WHENCE_DATA", str(tmp_path / "new"))

    code, out, err = call("demo", "--generation")

    assert (code, out) == (2, "")
    assert "pip install 'whence[demo]'" in err
    assert err.count("\n") == 1
    assert not (tmp_path / "new").exists()
