"""A subject in a process of its own, which does a round when it is told to.

Subjects that are compared live in different processes, so that neither pays for the other's modules, threads or
garbage; while one works, the other waits for its turn. `python -m benchmarks.worker <module>:<function> <json>`.
"""

import contextlib
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

Figures = dict[str, float]
Round = Callable[[int], Figures]
"""Do so many calls, and return the figures of this round."""

ROOT = Path(__file__).parent.parent


class Broken(Exception):
    """A benchmark could not be run: its process ended, with what it said last."""


class Worker:
    """One subject, in its process.

    Args:
        subject: `module:function` within `benchmarks`; the function takes the config and returns a Round.
        data: its data directory (WHENCE_DATA).
    """

    def __init__(self, subject: str, data: Path, config: Mapping[str, Any] | None = None) -> None:
        self.subject = subject
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("WHENCE_", "OTEL_"))}
        environment["WHENCE_DATA"] = str(data)
        data.mkdir(parents=True, exist_ok=True)
        self._said = data / "stderr.txt"
        with self._said.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", subject, msgspec.json.encode(config or {}).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=ROOT,
                env=environment,
            )
        self._answer()  # it is ready

    def round(self, calls: int) -> Figures:
        """Let it do one round."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: `_answer` says why
            self._process.stdin.write(b"%d\n" % calls)
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            said = self._said.read_text(encoding="utf-8", errors="replace").strip()
            raise Broken(f"{self.subject} ended with {self._process.returncode}:\n{said[-3000:]}")
        return msgspec.json.decode(line, type=Figures)

    def close(self) -> None:
        """End the process; it has nothing left to do."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def interleaved(workers: Mapping[str, Worker], *, rounds: int, calls: int) -> dict[str, list[Figures]]:
    """Return the figures of each worker, round by round, the workers taking turns; one round before is not counted."""
    found: dict[str, list[Figures]] = {name: [] for name in workers}
    for number in range(rounds + 1):
        for name, worker in workers.items():
            figures = worker.round(calls)
            if number:
                found[name].append(figures)
    return found


@contextlib.contextmanager
def at_work(
    subjects: Mapping[str, str], data: Path, config: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Worker]]:
    """Start a worker for each subject (name -> `module:function`), with data directories of their own, and end them."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(Worker(subject, data / name.replace(" ", "_"), config))
            for name, subject in subjects.items()
        }


def column(rounds: list[Figures], figure: str) -> list[float]:
    """Return one figure of every round."""
    return [each[figure] for each in rounds]


def main() -> None:
    """Set the subject up, say so, and do a round for every line."""
    module, _, function = sys.argv[1].partition(":")
    work: Round = getattr(importlib.import_module(f"benchmarks.{module}"), function)(msgspec.json.decode(sys.argv[2]))
    out = sys.stdout.buffer
    out.write(b"{}\n")
    out.flush()
    for line in sys.stdin.buffer:
        out.write(msgspec.json.encode(work(int(line))) + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
