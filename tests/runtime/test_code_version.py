"""The version of the program that records: what was set, else git's own files."""

import subprocess
from pathlib import Path

import pytest

import whence
from whence.runtime.code_version import code_version
from whence.runtime.runtime import runtime as own

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def main(tmp_path: Path) -> Path:
    main = tmp_path / "project" / "app" / "main.py"
    main.parent.mkdir(parents=True)
    main.write_text("")
    return main


def test_of_a_real_repository(main: Path) -> None:
    root = main.parent.parent
    git = ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    said = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert code_version(str(main)) == said[:12]
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert code_version(str(main)) == said[:12]
    subprocess.run([*git, "worktree", "add", "-q", str(root.parent / "tree")], check=True)
    assert code_version(str(root.parent / "tree" / "app" / "main.py")) == said[:12]


def test_a_detached_head(main: Path) -> None:
    git = main.parent.parent / ".git"
    git.mkdir()
    (git / "HEAD").write_text(COMMIT + "\n")
    assert code_version(str(main)) == COMMIT[:12]


@pytest.mark.parametrize("head", ["", "ref: refs/heads/none", "ref: ../../../etc/passwd", "no commit at all", "\x00"])
def test_what_is_no_commit_is_no_version(main: Path, head: str) -> None:
    git = main.parent.parent / ".git"
    git.mkdir()
    (git / "HEAD").write_text(head)
    assert code_version(str(main)) == ""


@pytest.mark.usefixtures("runtime")
def test_a_run_says_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whence.init(data=tmp_path / "data", code_version="release 7")
    with whence.trace("shop") as trace:
        pass
    assert own().view(trace.otel_trace_id).start.code == "release 7"
    monkeypatch.setenv("WHENCE_CODE_VERSION", "release 8")
    whence.init(data=tmp_path / "data")
    with whence.trace("shop") as trace:
        pass
    assert own().view(trace.otel_trace_id).start.code == "release 8"
