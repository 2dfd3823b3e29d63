"""How long a detector may take and how much memory it may use, and what happens to one that takes more.

At the end of a run the detectors are whence's own, whose work is bounded, and the thread may be the host's: finalizers and
garbage collection run in it too, and nothing may be raised into those. So nothing is cut there; detectors that come when the
time is up are not begun, which is reported, and `whence diagnose` makes up for it.

Elsewhere (`Budget.cut`) one thread more watches, for as long as something is diagnosed, and raises an exception in the other
when a limit is passed: `_Cut`, which is no `Exception`, so that the detector's own handlers let it through, and which is
raised again while the detector goes on nevertheless.

What this cannot do: interrupt a single call into C (a regular expression that backtracks, a sort of a billion numbers); that
is cut when it returns. Stop a loop that catches BaseException every time. Tell the detector's memory from that of other
threads: it is the growth of the whole process that counts, so the limit is far above what a detector needs. Where no
thread can be started any more (the interpreter is shutting down), nothing is watched.
"""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

T = TypeVar("T")
Why = Literal["raised", "time", "memory"]

_LOOK_EVERY_S: Final = 0.005
_AGAIN_AFTER_S: Final = 0.05
_MESSAGE_CHARS: Final = 300
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_MB: Final = 1024 * 1024


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What diagnosing one run may take; the defaults are those within a host."""

    total_s: float = 2.0  # of all detectors over one run; those that come after are not begun
    cut: bool = False  # whether one that passes a limit is cut; the two below count only then
    detector_s: float = 10.0
    memory_bytes: int = 256 * _MB  # growth of the process during one detector; looked at every 5 ms


OFFLINE: Final = Budget(detector_s=10.0, total_s=60.0, cut=True)
"""When somebody waits for the answer."""
SURVEY: Final = Budget(detector_s=60.0, total_s=600.0, cut=True)
"""For one detector over all runs of a window."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A detector that was cut, or that raised."""

    detector: str
    why: Why
    message: str  # in words, without anything that differs from one time to the next
    trace: str = ""  # OpenTelemetry id of the run; "" for a survey


class Outcome(msgspec.Struct, Generic[T], frozen=True):
    """What came of a piece of work: a value, or the reason why there is none."""

    value: T | None = None
    why: Why | None = None
    message: str = ""


class _Cut(BaseException):
    """Raised in a thread from outside, by the watch alone."""


class _Watched:
    """A thread at work, between `begin` and `end`."""

    def __init__(self, budget: Budget, seconds: float) -> None:
        self.thread = threading.get_ident()
        self.budget = budget
        self.seconds = seconds
        self.lock = threading.Lock()
        self.running = False
        self.why: Why | None = None
        self._deadline = 0.0
        self._memory = 0
        self._sent_at = 0.0

    def begin(self) -> None:
        self._memory = resident_bytes()
        self._deadline = time.monotonic() + self.seconds
        self.running = True

    def end(self) -> None:
        """From the moment this returns nothing is raised any more, and nothing that was is still to arrive."""
        with self.lock:
            self.running = False
        # What was raised and has not arrived does so at the next jump back. It is not taken back by raising NULL: CPython
        # 3.11 then looks for an exception at every instruction from there on, and under a profiler for ever.
        if self._sent_at:
            for _ in range(1000):
                pass

    def look(self) -> None:
        """Raise in the thread if it is over a limit. Called by the watching thread."""
        with self.lock:
            if not self.running:
                return
            now = time.monotonic()
            if self.why is None:
                if now > self._deadline:
                    self.why = "time"
                elif resident_bytes() - self._memory > self.budget.memory_bytes:
                    self.why = "memory"
            if self.why is not None and now - self._sent_at > _AGAIN_AFTER_S:
                self._sent_at = now
                _raise_in(self.thread, _Cut)

    @property
    def message(self) -> str:
        if self.why == "memory":
            return f"took more than {self.budget.memory_bytes // _MB:,} MB of memory"
        return f"took longer than {self.seconds:g} s"


class _Watch:
    """The thread that watches; it lives as long as there is something to watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watching: set[Watching] = set()
        self._alive = False

    def add(self, watching: "Watching") -> None:
        with self._lock:
            self._watching.add(watching)
            if not self._alive:
                with suppress(RuntimeError):  # shutting down: unwatched
                    threading.Thread(target=self._run, name="whence-diagnosis", daemon=True).start()
                    self._alive = True

    def remove(self, watching: "Watching") -> None:
        with self._lock:
            self._watching.discard(watching)

    def _run(self) -> None:
        # Asleep between two looks, never waiting for a signal: to wake a thread for each detector takes longer than most
        # of them run, since the two then contend for the interpreter.
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self._lock:
                if not self._watching:
                    self._alive = False
                    return
                now = tuple(self._watching)
            for each in now:
                if (watched := each.at_work) is not None:
                    watched.look()


_watch = _Watch()


def _forked() -> None:
    global _watch
    _watch = _Watch()  # the thread is not in the child, and its lock may be held there for ever


os.register_at_fork(after_in_child=_forked)


class Watching:
    """While this context lasts, `run` may be used; what it is given in all is bounded by the budget's `total_s`."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.at_work: _Watched | None = None
        self._until = 0.0

    def __enter__(self) -> "Watching":
        self._until = time.monotonic() + self.budget.total_s
        if self.budget.cut:
            _watch.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _watch.remove(self)

    def run(self, work: Callable[[], T]) -> Outcome[T]:
        """Return what came of the work, which is cut off at the budget. Raises nothing but what is no `Exception`."""
        left = self._until - time.monotonic()
        if left <= 0:
            return Outcome(
                why="time", message=f"was not begun: all together took longer than {self.budget.total_s:g} s"
            )
        if not self.budget.cut:
            try:
                return Outcome(work())
            except Exception as exc:  # noqa: BLE001 - whatever a detector raises is what is to be reported
                return _raised(exc)
        watched = self.at_work = _Watched(self.budget, min(self.budget.detector_s, left))
        try:
            return _guarded(watched, work)
        finally:
            self.at_work = None


def _guarded(watched: _Watched, work: Callable[[], T]) -> Outcome[T]:
    # `_Cut` may arrive between any two instructions until `end` has returned, in a handler too: hence two loops, of which
    # the outer one has nothing in its handler, and the pause between two of them, far longer than a handler takes.
    found: list[Outcome[T]] = []
    begun = False
    while True:
        try:
            while True:
                try:
                    if not begun:
                        begun = True
                        watched.begin()
                        found.append(Outcome(work()))
                    watched.end()
                    break
                except Exception as exc:  # noqa: BLE001 - whatever a detector raises is what is to be reported
                    found.append(_raised(exc))
            break
        except _Cut:
            continue
    if watched.why is not None:
        return Outcome(why=watched.why, message=watched.message)  # partial, or late: neither counts
    return found[0]


def _raised(exc: BaseException) -> Outcome[Any]:
    return Outcome(why="raised", message=f"raised {type(exc).__name__}: {_text(exc)}")


def _text(exc: BaseException) -> str:
    try:
        return " ".join(str(exc).split())[:_MESSAGE_CHARS]
    except Exception:  # noqa: BLE001 - an exception whose text raises is still an exception
        return "(without a text)"


def _raise_in(thread: int, exc: type[BaseException]) -> None:
    """Have an exception raised in a thread at its next instruction."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(exc))


def resident_bytes() -> int:
    """Return how much memory this process holds; where /proc is missing, the most that it ever held."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:
        import resource
        import sys

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024  # bytes there, kB elsewhere
