"""Every way to begin, share and end a process: what was recorded is there, under one id each, and nothing hangs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import Child, Say
from tests.faults.oracle import accounted, conserved, drain, spooled_ids, stored
from whence.collect.drainer import read_ledger
from whence.model.filters import TraceFilter

FORKS = """
import json, os, sys, threading, time
from pathlib import Path
import whence
from tests.faults import programs

data, forks = Path(sys.argv[1]), int(sys.argv[2])
built = programs.quiet_runtime(data)
built.recorder.spool._full_at = 40_000  # so that forks meet rotations
trace = whence.trace("forks")
made, stop = [], threading.Event()

def work(mine):
    while not stop.is_set():
        got = trace.event("thread", "busy")
        if got is not None:
            mine.append(got)
        time.sleep(0)

threads = [threading.Thread(target=work, args=(made,)) for _ in range(4)]
for thread in threads:
    thread.start()
slowest = 0.0
for number in range(forks):
    reading, writing = os.pipe()
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        child = [trace.event("child", str(number)) for _ in range(5)]
        with trace.stage("in the child") as stage:
            child.append(stage.decision("d", what=number))
        os.write(writing, json.dumps([child, whence.stats()]).encode())
        os._exit(0)
    slowest = max(slowest, time.perf_counter() - began)
    os.close(writing)
    child, stats = json.loads(os.read(reading, 65536))
    os.close(reading)
    assert os.waitpid(pid, 0)[1] == 0
    assert stats["emitted"] == stats["written"] == 8, stats  # a stage's start and end as well
    made += child
stop.set()
for thread in threads:
    thread.join()
print(json.dumps({"made": made, "stats": whence.stats(), "slowest_ms": round(slowest * 1000, 1)}))
os._exit(0)
"""


def test_two_hundred_forks_of_a_busy_parent(data: Path, child: Child, say: Say) -> None:
    """Four threads record while the main thread forks; each child is a writer of its own, with ids of its own."""
    told = json.loads(child(FORKS, data, 200).stdout)

    store, _ = drain(data)
    kept = conserved(told["made"], store)
    accounted(told["stats"], len([r for r in stored(store) if r.kind != "trace.end"]) - 200 * 8)
    ledger = read_ledger(data / "spool")
    assert (ledger.writers, ledger.unexplained) == (201, 0)
    say(f"200 forks, {kept}, slowest fork {told['slowest_ms']} ms")


MULTIPROCESSING = """
import multiprocessing, os, sys, threading
from pathlib import Path
import whence

def work(number):
    import whence
    with whence.trace("worker") as trace, trace.stage("s") as stage:
        return [stage.decision("d", what=number) for _ in range(50)]

if __name__ == "__main__":
    with whence.trace("parent") as trace:
        context = multiprocessing.get_context(sys.argv[1])
        with context.Pool(2, maxtasksperchild=3) as pool:  # as celery's max_tasks_per_child: they end without a word
            made = [each for some in pool.map(work, range(12), chunksize=1) for each in some]
    print("".join(made))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, say: Say, method: str) -> None:
    """The workers of a pool end without atexit, and lose nothing."""
    monkeypatch.setenv("WHENCE_DRAIN", "0")
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING)
    done = subprocess.run(
        [sys.executable, str(program), method], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    made = [done.stdout[at : at + 32] for at in range(0, len(done.stdout.strip()), 32)]

    store, _ = drain(data)

    assert len(made) == 600
    kept = conserved(made, store)
    rows = store.traces(TraceFilter(), limit=100).items
    assert sorted(row.status for row in rows) == ["complete"] * 13
    say(method, kept)


SIGNALS = """
import json, os, signal, sys, time
from pathlib import Path
import whence
from tests.faults import programs

data = Path(sys.argv[1])
built = programs.quiet_runtime(data)
built.recorder.spool._full_at = 50_000  # handlers meet rotations
trace = whence.trace("signals")
made, handled = [], []

def handler(number, frame):
    handled.append(trace.event("signal", "in the handler"))

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)  # 2 kHz
end = time.monotonic() + 2
while time.monotonic() < end:
    made.append(trace.event("main", "in the main thread"))
signal.setitimer(signal.ITIMER_REAL, 0)
print(json.dumps({"made": made + handled, "handled": len(handled), "stats": whence.stats()}))
os._exit(0)
"""


def test_a_signal_handler_that_records_at_two_kilohertz(data: Path, child: Child, say: Say) -> None:
    """It interrupts the main thread anywhere in its own recording, rotations included: no deadlock, nothing lost."""
    told = json.loads(child(SIGNALS, data).stdout)

    assert told["handled"] > 1000
    assert None not in told["made"]
    assert accounted(told["stats"], len(spooled_ids(data))) == 0
    store, _ = drain(data)
    say(f"{told['handled']} signals,", conserved(told["made"], store))


GC = """
import gc, json, os, sys
from pathlib import Path
import whence
from tests.faults import programs

data = Path(sys.argv[1])
programs.quiet_runtime(data)
trace = whence.trace("gc")
made, dying = [], []

class Node:
    def __init__(self):
        self.me = self  # a cycle: only the collector ends it, in the middle of whatever runs

    def __del__(self):
        dying.append(trace.event("del", "collected"))

gc.set_threshold(50)
for number in range(20_000):
    Node()
    made.append(trace.decision("main", what=number, inputs={"list": [number] * 3}))
gc.collect()
print(json.dumps({"made": made + dying, "died": len(dying), "stats": whence.stats()}))
os._exit(0)
"""


def test_finalisers_that_record(data: Path, child: Child, say: Say) -> None:
    """`__del__` runs in the middle of anything, and in the middle of recording."""
    told = json.loads(child(GC, data).stdout)

    assert told["died"] == 20_000
    assert accounted(told["stats"], len(spooled_ids(data))) == 0
    store, _ = drain(data)
    say(f"{told['died']} finalisers,", conserved(told["made"], store))


START = """
import ctypes, os, signal, sys, threading
import whence
whence.init(drain=False)
trace = whence.trace("ends")
stage = trace.stage("s").__enter__()
made = [stage.decision("d", what=n) for n in range(100)]
print("".join(made), flush=True)
"""

ENDS = {
    "os._exit": ("os._exit(3)", 3),
    "SIGTERM": ("os.kill(os.getpid(), signal.SIGTERM)", -15),
    "SIGKILL": ("os.kill(os.getpid(), signal.SIGKILL)", -9),
    "SIGSEGV": ("ctypes.string_at(0)", -11),
    "abort": ("os.abort()", -6),
    "execv": ("os.execv('/bin/true', ['true'])", 0),
    "exception": ("raise ValueError('unhandled')", 1),
    "sys.exit": ("sys.exit(4)", 4),
    "ctrl-c": ("os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(5)", -2),
    "thread-exit": ("threading.Thread(target=lambda: os._exit(5)).start(); import time; time.sleep(5)", 5),
    "end": ("pass", 0),
    "recursion": ("f = lambda: f(); f()", 1),
}


@pytest.mark.parametrize("how", ENDS)
def test_every_end_of_a_process(data: Path, child: Child, say: Say, how: str) -> None:
    """Twelve ways to end, most of them without atexit: a hundred of a hundred records, and an end that is recorded."""
    code, expected = ENDS[how]
    made = child(START + code, expect=expected).stdout.split()[0]

    store, drained = drain(data)

    kept = conserved([made[at : at + 32] for at in range(0, len(made), 32)], store)
    assert kept.acknowledged == 100
    row = store.traces(TraceFilter()).items[0]
    assert (row.status, row.reason, drained.lost_owners) == ("incomplete", "process_lost", 1)
    say(kept)


BLOCKS = {
    "exception": ("raise ValueError('unhandled')", 1, "failed"),
    "sys.exit": ("sys.exit(4)", 4, "failed"),
    "sys.exit-0": ("sys.exit(0)", 0, "complete"),
    "ctrl-c": ("os.kill(os.getpid(), signal.SIGINT); import time; time.sleep(5)", -2, "incomplete"),
}


@pytest.mark.parametrize("how", BLOCKS)
def test_ends_that_leave_the_block(data: Path, child: Child, how: str) -> None:
    """Where Python still runs, the block itself records how it was left; the exit code is what it is without us."""
    code, expected, status = BLOCKS[how]
    child(
        f"""
import os, signal, sys, whence
with whence.trace("blocks") as trace, trace.stage("s") as stage:
    stage.decision("d", what=1)
    {code}
""",
        expect=expected,
        WHENCE_DRAIN="0",
    )

    store, _ = drain(data)

    row = store.traces(TraceFilter()).items[0]
    assert row.status == status


INTERRUPTED = """
import _thread, json, os, random, sys, threading, time
from pathlib import Path
import whence
from tests.faults import programs

data, chance = Path(sys.argv[1]), random.Random(1)
built = programs.quiet_runtime(data)
built.recorder.spool._full_at = 20_000
trace = whence.trace("ctrl-c")
made, interrupts, done = [], 0, False

def interrupt():
    time.sleep(0.1)  # until the thread that starts us knows that it has
    while not done:
        time.sleep(chance.uniform(0, 0.002))
        _thread.interrupt_main()

worker = threading.Thread(target=interrupt, daemon=True)
started = False
while interrupts < 500:
    try:
        if not started:
            worker.start()
            started = True
        while True:
            made.append(trace.event("main", "until the key"))
    except KeyboardInterrupt:
        interrupts += 1
done = True
try:
    time.sleep(0.05)
except KeyboardInterrupt:
    pass
made.append(trace.event("after", "still recording"))
print(json.dumps({"made": [m for m in made if m], "interrupts": interrupts, "stats": whence.stats()}))
sys.stdout.flush()
os._exit(0)
"""


def test_ctrl_c_in_the_middle_of_recording(data: Path, child: Child, say: Say) -> None:
    """KeyboardInterrupt goes through us at any point, and leaves nothing locked; no acknowledged record is lost."""
    told = json.loads(child(INTERRUPTED, data).stdout)

    store, _ = drain(data)
    kept = conserved(told["made"], store)
    there = len([record for record in stored(store) if record.kind != "trace.end"])
    # An interrupt between the taking of a number and the write leaves a number without a record. The process cannot know,
    # but the drainer sees the gap and counts it, so the books close exactly.
    gaps = told["stats"]["written"] - there
    ledger = read_ledger(data / "spool")
    assert 0 <= gaps <= told["interrupts"]
    assert (ledger.emitted, ledger.unexplained) == (told["stats"]["emitted"], gaps)
    assert ledger.emitted == ledger.drained + ledger.unexplained
    say(f"{told['interrupts']} interrupts, {kept}")
