"""The house stands as ARCHITECTURE.md draws it: contracts hold, and break when somebody breaks them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def contracts(tree: Path) -> "subprocess.CompletedProcess[str]":
    lint = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [str(lint), "--no-cache", "--config", str(tree / ".importlinter")],
        cwd=tree,
        env={"PYTHONPATH": str(tree / "src"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the sources to break."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_contracts_hold(copy: Path) -> None:
    done = contracts(copy)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("room", "violation", "contract"),
    [
        ("model/record.py", "from whence.query import find", "house"),
        ("record/recorder.py", "import whence.store.interface", "house"),
        ("query/find.py", "import whence.collect.drainer", "house"),
        ("wire/records.py", "import rich", "msgspec"),
        ("query/find.py", "import apsw", "apsw"),
    ],
)
def test_a_planted_violation_breaks_them(copy: Path, room: str, violation: str, contract: str) -> None:
    path = copy / "src" / "whence" / room
    path.write_text(f"{path.read_text()}\n{violation}\n")

    done = contracts(copy)

    assert done.returncode != 0
    assert "1 broken" in done.stdout or "2 broken" in done.stdout
    broken = next(line for line in done.stdout.splitlines() if line.endswith("BROKEN"))
    assert contract in broken
