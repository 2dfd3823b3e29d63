"""Every test has a data directory of its own and a runtime of its own."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, or by nohup: the programs that tests start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory that this test, and every process it starts, records into."""
    directory = tmp_path / "data"
    monkeypatch.setenv("WHENCE_DATA", str(directory))
    for name in (
        "WHENCE_DOCUMENTS",
        "WHENCE_ENABLED",
        "WHENCE_PROJECT",
        "WHENCE_CAPTURE",
        "WHENCE_DRAIN",
        "WHENCE_DIAGNOSE",
    ):
        monkeypatch.delenv(name, raising=False)
    return directory


@pytest.fixture
def runtime(data: Path) -> Iterator[Runtime]:
    """A fresh runtime for this process."""
    built = runtime_module.configure(Settings(data=data, documents=data))
    yield built
    built.close()
    runtime_module.use(None)  # no later test asks the store of this one


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(data: Path) -> Run:
    """Run a Python program in a process of its own, recording into this test's data directory."""

    def start(code: str, *, check: bool = True, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    return start
