"""The long lane. Every test prints its seed and its figures; run it with `make faults`, one test with `pytest -m faults -k …`.

A test that needs something of the machine (root, gcc, tmpfs) fails with the remedy where it is missing: a fault that
was not injected is not a fault that was survived.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("WHENCE_FAULT_SEED", "20261120"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is the long lane, marked or not."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Randomness that a printed seed repeats: WHENCE_FAULT_SEED=<seed> pytest …"""
    return random.Random(f"{SEED}:{request.node.name}")


Say = Callable[..., None]


@pytest.fixture
def say(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Say:
    """Print figures past pytest's capture: they are what this lane is for."""

    def line(*figures: object) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n    {request.node.name} [seed {SEED}]: {' '.join(map(str, figures))}")
            sys.stdout.flush()

    return line


Child = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def child(data: Path) -> Child:
    """Run a program in a process of its own, with the tests importable; it fails the test unless it ends well."""

    def start(
        code: str, *arguments: object, expect: int | None = 0, timeout_s: float = 120, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", **environment},
        )
        if expect is not None and done.returncode != expect:
            raise AssertionError(f"exit {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
        return done

    return start


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount(place, "tmpfs", "size=4m")
    yield place
    unmount(place)


MS_RDONLY, MS_REMOUNT, MS_BIND, MNT_DETACH = 1, 32, 4096, 2
_libc = ctypes.CDLL(None, use_errno=True)


def mount(place: Path, kind: str, options: str = "", flags: int = 0, source: str = "none") -> None:
    """Mount a file system, or fail with what is missing."""
    if _libc.mount(source.encode(), str(place).encode(), kind.encode(), flags, options.encode()) != 0:
        problem = os.strerror(ctypes.get_errno())
        pytest.fail(
            f"cannot mount {kind or 'a bind'} at {place}: {problem}. This test makes a disk full or read-only for real: "
            "run `make faults` as root, or in `unshare --user --map-root-user --mount make faults`"
        )


def unmount(place: Path) -> None:
    """Take a mount away, also where a file of it is still open."""
    _libc.umount2(str(place).encode(), MNT_DETACH)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared library that makes the N-th system call fail (tests/faults/shim.c)."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.fail("no C compiler: install gcc (apt-get install gcc); the shim of the I/O faults is built with it")
    built = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(built), str(source), "-ldl"], check=True)
    return built
