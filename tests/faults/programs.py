"""Programs that are killed: they record as fast as they can and say, through a pipe, what was acknowledged."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import whence
from whence.collect.drainer import Drainer, DrainSettings
from whence.runtime.runtime import Runtime, configure
from whence.runtime.settings import Settings
from whence.store.sqlite import SqliteStore

F_SETPIPE_SZ = 1031
PIPE_BYTES = 1 << 20  # 31,000 ids: the recorder never waits for the reader


def quiet_runtime(data: Path) -> Runtime:
    """A runtime that records and does not drain, with everything that is loaded late loaded now."""
    assert whence.trace
    built = configure(Settings(data=data, documents=data, drain=False))
    built.recorder.on_trace_end.clear()
    return built


def forked(work: Callable[[int], None]) -> tuple[int, int]:
    """Start `work` in a child of its own; returns its pid, and a pipe with what it writes to the number it is given."""
    import fcntl

    reading, writing = os.pipe()
    fcntl.fcntl(writing, F_SETPIPE_SZ, PIPE_BYTES)
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            os.close(reading)
            work(writing)
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    return pid, reading


def kill(pid: int) -> bool:
    """Kill a child; returns whether it was the kill that ended it."""
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def record_forever(data: Path, acknowledge: int) -> None:
    """One trace, decisions without end; each id goes into the pipe once the call that made it has returned."""
    quiet_runtime(data)
    trace = whence.trace("killed")
    stage = trace.stage("loop")
    write, decide, number = os.write, stage.decision, 0
    while True:
        made = decide("step", what=number, why="until the end", confidence=0.5, inputs={"n": number})
        if made is not None:
            write(acknowledge, made.encode())
        number += 1


def record_runs(data: Path, acknowledge: int, until: int, pause_s: float) -> None:
    """Short traces, one after the other, until there is something to read from `until`."""
    import select

    quiet_runtime(data)
    number = 0
    while not select.select([until], [], [], 0)[0]:
        with whence.trace("runs", query=str(number)) as trace, trace.stage("work") as stage:
            for each in range(40):
                made = stage.decision("step", what=each, why="one of many", confidence=0.5)
                if made is not None:
                    os.write(acknowledge, made.encode())
        number += 1
        time.sleep(pause_s)


def drain_forever(data: Path) -> None:
    """Drain with everything that follows from an ended trace, again and again, in small batches."""
    from whence.collect.documents import DocumentWriter
    from whence.diagnose.calibration import CalibrationFlags

    store = SqliteStore.open(data / "whence.db")
    after = (DocumentWriter(data, store, "tests"), CalibrationFlags(store, data))
    settings = DrainSettings(spool=data / "spool", batch_records=100, wait_s=5.0)
    while True:
        Drainer(settings, store, after).drain()
        time.sleep(0.001)


def impatient(built: Runtime, retry_s: float = 0.02) -> Runtime:
    """Let a broken spool try again at once, so that a test need not wait."""
    import msgspec

    spool = built.recorder.spool
    spool.settings = msgspec.structs.replace(spool.settings, retry_s=retry_s, sync_s=0.05)
    spool._retry_at = 0.0
    spool.wake()
    return built


def record_in_threads(each: int, threads: int, size: int = 40) -> list[str]:
    """Record that many decisions in as many threads, in one trace that is left open; returns the acknowledged ids."""
    import threading

    trace = whence.trace("threads")
    acknowledged: list[list[str]] = [[] for _ in range(threads)]

    def work(mine: list[str], name: str) -> None:
        for number in range(each):
            made = trace.decision(name, what=number, why="w" * size)
            if made is not None:
                mine.append(made)

    workers = [threading.Thread(target=work, args=(acknowledged[n], f"t{n}")) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return [made for mine in acknowledged for made in mine]


def shim() -> object:
    """The library that makes system calls fail; it is there when LD_PRELOAD brought it (tests/faults/shim.c)."""
    import ctypes

    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    library.fault_arm.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long]
    library.fault_done.restype = library.fault_seen.restype = ctypes.c_long
    return library
