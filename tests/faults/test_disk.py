"""The disk is full, broken, or not what it seems: what could not be written is counted, exactly, and nothing else changes."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest

from tests.faults import programs
from tests.faults.conftest import MS_BIND, MS_RDONLY, MS_REMOUNT, Child, Say, mount, unmount
from tests.faults.oracle import accounted, alive, conserved, drain, spooled_ids
from whence.collect.drainer import read_ledger
from whence.errors import StoreUnreachable
from whence.runtime.runtime import Runtime

FULL = """
import json, os, sys, time
from pathlib import Path
import whence
from tests.faults import programs

data, threads = Path(sys.argv[1]), int(sys.argv[2])
programs.impatient(programs.quiet_runtime(data))
before = programs.record_in_threads(24_000 // threads, threads, size=150)
full = whence.stats()
(data.parent / "filler").unlink()
time.sleep(0.1)
after = programs.record_in_threads(800 // threads, threads)
print(json.dumps({"before": before, "after": after, "full": full, "stats": whence.stats()}))
os._exit(0)
"""


@pytest.mark.parametrize("threads", [1, 8])
def test_a_full_disk_drops_and_counts_and_recovers(small_disk: Path, child: Child, say: Say, threads: int) -> None:
    """4 MB, 2 of them taken by a file that is removed later. The books stay exact, also those of the dead writer."""
    (small_disk / "filler").write_bytes(b"x" * 2_000_000)

    told = json.loads(child(FULL, small_disk / "data", threads).stdout)

    dropped = accounted(told["full"], len(told["before"]) + 1)  # and the start of the trace
    assert dropped > 1000
    assert set(told["full"]["dropped"]) == {"disk_full"}
    data = small_disk / "data"
    assert accounted(told["stats"], len(spooled_ids(data))) >= dropped
    assert len(told["after"]) == 800, "not recording again, though there is room"
    store, drained = drain(data)
    kept = conserved(told["before"] + told["after"], store)
    ledger = read_ledger(data / "spool")
    assert (ledger.emitted, ledger.dropped) == (told["stats"]["emitted"], told["stats"]["dropped"])
    assert (ledger.drained, ledger.unexplained) == (told["stats"]["written"], 0)
    say(f"{threads} threads: {kept}, {dropped} dropped and counted, {drained.skipped_bytes} torn bytes skipped")


def test_a_disk_that_fills_while_it_is_drained_loses_nothing(
    small_disk: Path, child: Child, monkeypatch: pytest.MonkeyPatch, say: Say
) -> None:
    """The store, its log and the cursor share the disk with the spool: the drain says so, and goes on later."""
    from whence.runtime.runtime import configure
    from whence.runtime.settings import Settings

    (small_disk / "filler").write_bytes(b"x" * 1_500_000)
    data = small_disk / "data"
    told = json.loads(child(FULL.replace('(data.parent / "filler").unlink()', "pass"), data, 1).stdout)
    built = configure(Settings(data=data, documents=data))
    failures = 0
    try:
        with pytest.raises(StoreUnreachable):
            built.ready_store()
        failures += 1
    finally:
        (small_disk / "filler").unlink(missing_ok=True)
        # 2.5 MB of records need more room in a store than there is left: the database moves to a larger disk.
        built.close()
    moved = small_disk.parent / "roomy"
    shutil.copytree(data, moved)

    store, _ = drain(moved)

    kept = conserved(told["before"] + told["after"], store)
    say(f"{failures} drain refused, {kept}")


SHIMMED = """
import json, os, sys, time
from pathlib import Path
import whence
from tests.faults import programs
from tests.faults.oracle import accounted, spooled_ids

root, call, kind, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
shim = programs.shim()
figures = {"cases": 0, "emitted": 0, "dropped": 0, "failed": 0, "longest_ms": 0}

def host(values):  # what the host computes must not depend on us
    total = 0
    for number in values:
        began = time.perf_counter()
        whence.decision("sum", what=number, why="because " * 5, inputs={"total": total})
        figures["longest_ms"] = max(figures["longest_ms"], round((time.perf_counter() - began) * 1000))
        total += number
    return total

for times in (1, 3, -1):
    for at in range(1, last + 1):
        data = root / f"{times}-{at}"
        shim.fault_arm(0, 0, 0, 0)
        built = None
        shim.fault_arm(call, kind, at, times)
        built = programs.impatient(programs.quiet_runtime(data), 0.0)
        built.recorder.spool._full_at = 1500
        with whence.trace("shim"):
            assert host(range(25)) == sum(range(25))
        built.recorder.spool.sync(); built.recorder.spool.write_live()
        figures["failed"] += shim.fault_done()
        shim.fault_arm(0, 0, 0, 0)
        with whence.trace("liveness") as trace:  # the fault is over
            assert trace.event("again") is not None, (at, times, whence.stats())
        stats = whence.stats()
        figures["dropped"] += accounted(stats, len(spooled_ids(data)))
        figures["emitted"] += stats["emitted"]
        assert stats["internal_errors"] == 0, stats
        figures["cases"] += 1
        built.close()
print(json.dumps(figures))
"""

WRITE, SYNC, PWRITE = 1, 2, 4


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (WRITE, errno.EIO),
        (WRITE, errno.ENOSPC),
        (WRITE, errno.EDQUOT),
        (WRITE, -1),
        (SYNC, errno.EIO),
        (PWRITE, errno.EIO),
        (WRITE | SYNC | PWRITE, errno.EIO),
    ],
    ids=["write-EIO", "write-ENOSPC", "write-EDQUOT", "write-short", "sync-EIO", "pwrite-EIO", "all-EIO"],
)
def test_the_nth_system_call_fails(tmp_path: Path, shim: Path, child: Child, say: Say, call: int, kind: int) -> None:
    """Once, three times, or for good, beginning with the N-th, for every N: exact accounts, and the host's sum is right."""
    told = json.loads(child(SHIMMED, tmp_path / "cases", call, kind, 24, LD_PRELOAD=str(shim)).stdout)

    assert told["cases"] == 72
    assert told["failed"] > (20 if call & WRITE else 5)
    if call == WRITE:
        assert told["dropped"] > 100
    say(told)


def test_a_slow_disk_delays_and_drops_nothing(tmp_path: Path, shim: Path, child: Child, say: Say) -> None:
    """A write that takes 50 ms holds the call that made it, and only that one."""
    told = json.loads(child(SHIMMED, tmp_path / "cases", WRITE, -2, 2, LD_PRELOAD=str(shim)).stdout)

    assert told["dropped"] == 0
    assert told["longest_ms"] < 500
    say(told)


LIMITED = """
import json, os, resource, sys
from pathlib import Path
import whence
from tests.faults import programs

data = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))  # as `ulimit -f`
programs.impatient(programs.quiet_runtime(data), 0.0)
made = programs.record_in_threads(3000, 2)
print(json.dumps({"made": made, "stats": whence.stats()}))
os._exit(0)
"""


def test_a_limit_on_the_size_of_files_is_a_full_disk(data: Path, child: Child, say: Say) -> None:
    """EFBIG (`ulimit -f`): the record at the limit is counted, the next ones go into a new segment."""
    told = json.loads(child(LIMITED, data).stdout)

    dropped = accounted(told["stats"], len(spooled_ids(data)))
    assert set(told["stats"]["dropped"]) == {"disk_full"}
    assert 3 < dropped < 100
    store, _ = drain(data)
    say(conserved(told["made"], store), f"{dropped} dropped and counted")


DESCRIPTORS = """
import json, os, resource, sys, time
from pathlib import Path
import whence
from tests.faults import programs

data, when = Path(sys.argv[1]), sys.argv[2]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))  # as `ulimit -n`
taken = []

def take_all():
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass

assert whence.trace  # loaded; what Python itself cannot load for want of descriptors is not ours to mend
if when == "start":
    take_all()
built = programs.impatient(programs.quiet_runtime(data), 0.0)
if when == "rotation":
    built.recorder.spool._full_at = 20_000
    programs.record_in_threads(10, 1)
    take_all()
made = programs.record_in_threads(1000, 1)
without = whence.stats()
for fd in taken:
    os.close(fd)
time.sleep(0.01)
after = programs.record_in_threads(1000, 1)
print(json.dumps({"made": made, "after": after, "without": without, "stats": whence.stats()}))
os._exit(0)
"""


@pytest.mark.parametrize("when", ["start", "rotation"])
def test_no_descriptors_left(data: Path, child: Child, say: Say, when: str) -> None:
    """EMFILE (`ulimit -n`): without a segment there is nothing to write to; a segment that is open goes on being used."""
    told = json.loads(child(DESCRIPTORS, data, when).stdout)

    dropped = accounted(told["stats"], len(spooled_ids(data)))
    assert dropped == (1001 if when == "start" else 0)
    assert len(told["after"]) == 1000
    store, _ = drain(data)
    say(conserved(told["made"] + told["after"], store), f"{dropped} dropped and counted, {len(told['made'])} without")


REPLACED = """
import json, os, sys, time
from pathlib import Path
import whence
from tests.faults import programs

data, what = Path(sys.argv[1]), sys.argv[2]
programs.impatient(programs.quiet_runtime(data), 0.0)
made = programs.record_in_threads(200, 2)
before = whence.stats()
print(json.dumps({"made": made, "before": before, "entries": os.listdir(data)}))
sys.stdout.flush()
sys.stdin.readline()
time.sleep(0.02)
again = programs.record_in_threads(200, 2)
print(json.dumps({"made": again, "stats": whence.stats()}))
"""


@pytest.mark.parametrize("what", ["file", "symlink", "dangling", "read-only", "parent-file"])
def test_something_else_in_the_place_of_the_spool(
    data: Path, tmp_path: Path, run_twice: Twice, say: Say, what: str
) -> None:
    """Nothing is recorded, everything is counted, nothing is written elsewhere; once it is mended, recording begins."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    spool = data / "spool"
    if what == "parent-file":
        data.write_text("not a directory")
    else:
        data.mkdir()
    if what == "file":
        spool.write_text("mine")
    elif what == "symlink":
        spool.symlink_to(elsewhere)
    elif what == "dangling":
        spool.symlink_to(tmp_path / "nowhere")
    elif what == "read-only":
        spool.mkdir()
        mount(spool, "", flags=MS_BIND, source=str(spool))
        mount(spool, "", flags=MS_BIND | MS_REMOUNT | MS_RDONLY)

    def mend() -> None:
        assert os.listdir(elsewhere) == []
        assert not (tmp_path / "nowhere").exists()
        if what == "read-only":
            unmount(spool)
        elif what == "parent-file":
            assert data.read_text() == "not a directory"
            data.unlink()
        else:
            assert what != "file" or spool.read_text() == "mine"
            spool.unlink()

    program = REPLACED.replace("os.listdir(data)", "None")
    before, after = run_twice(program, data, what, between=mend)

    assert before["made"] == []
    assert accounted(before["before"], 0) == before["before"]["emitted"] == 401
    assert len(after["made"]) == 400
    accounted(after["stats"], len(spooled_ids(data)))
    store, _ = drain(data)
    assert os.listdir(elsewhere) == []
    say(
        conserved(after["made"], store),
        f"{before['before']['emitted']} dropped and counted: {before['before']['spool']}",
    )


REMOVED = """
import json, os, shutil, sys, threading, time
from pathlib import Path
import whence
from tests.faults import programs

data, what = Path(sys.argv[1]), sys.argv[2]
built = programs.impatient(programs.quiet_runtime(data), 0.0)
if what == "rotating":
    built.recorder.spool._full_at = 100_000
made = programs.record_in_threads(300, 2)
busy, more = threading.Event(), []

def work():
    trace = whence.trace("meanwhile")
    busy.set()
    until = time.monotonic() + 0.4
    while time.monotonic() < until:  # also while its records are being copied
        made = trace.event("meanwhile", "the spool is gone")
        if made is not None:
            more.append(made)

worker = threading.Thread(target=work)
worker.start()
busy.wait()
if what == "segment":
    for path in (data / "spool").glob("*.seg"):
        path.unlink()
else:
    shutil.rmtree(data / "spool")
worker.join()
time.sleep(0.4)
print(json.dumps({"made": made + more, "stats": whence.stats()}))
os._exit(0)
"""


@pytest.mark.parametrize("what", ["directory", "segment"])
def test_a_spool_that_is_deleted_while_it_is_used_is_saved(data: Path, child: Child, say: Say, what: str) -> None:
    """Somebody clears up below a running process: what it recorded is copied into a new segment, within a second."""
    told = json.loads(child(REMOVED, data, what).stdout)

    assert accounted(told["stats"], len(set(spooled_ids(data)))) == 0
    store, _ = drain(data)
    say(conserved(told["made"], store))


def test_a_full_spool_drops_by_class_and_begins_again_when_it_is_drained(
    data: Path, runtime: Runtime, say: Say
) -> None:
    """At 80 % text, at 95 % structure, at the limit all; and after a drain nothing, without a restart."""
    import msgspec

    import whence

    spool = programs.impatient(runtime).recorder.spool
    spool.settings = msgspec.structs.replace(spool.settings, segment_bytes=20_000, max_bytes=400_000)
    spool._full_at = 20_000
    runtime.recorder.on_trace_end.clear()
    made: list[str | None] = []
    with whence.trace("full") as trace:
        trace._stages.clear()
        for number in range(3000):
            made.append(trace.decision("vital", what=number, why="w" * 50))
            made.append(trace.event("structure", "m" * 50))
            made.append(trace.keep("evidence", "s", {"text": "t" * 50}))
    stats = whence.stats()
    dropped = stats["dropped"]["spool_full"]
    assert dropped["text"] > dropped["structure"] > dropped["vital"] > 0
    accounted(stats, len(spooled_ids(data)))
    used = sum(path.stat().st_size for path in (data / "spool").glob("*.seg"))
    assert used <= 400_000

    store, _ = drain(data)
    kept = conserved([each for each in made if each is not None], store)
    until = time.monotonic() + 5
    while trace.event("again") is None:
        assert time.monotonic() < until, "still nothing is recorded, though the spool is empty"
        time.sleep(0.02)

    alive()
    say(kept, f"{dropped} dropped, {used} bytes at most")


DROPPING = """
import json, os, sys
from pathlib import Path
import msgspec, whence
from tests.faults import programs

data = Path(sys.argv[1])
built = programs.quiet_runtime(data)
spool = built.recorder.spool
spool.settings = msgspec.structs.replace(spool.settings, segment_bytes=10_000, max_bytes=60_000)
spool._full_at = 10_000
programs.record_in_threads(3000, 1)
print(json.dumps(whence.stats()))
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


def test_drops_up_to_a_kill_are_counted(data: Path, child: Child, say: Say) -> None:
    """A process that is killed while it drops has told of each drop: its books can be closed by others."""
    told = json.loads(child(DROPPING, data, expect=-9).stdout)

    drain(data)

    ledger = read_ledger(data / "spool")
    assert ledger.dropped == told["dropped"]
    assert (ledger.emitted, ledger.drained, ledger.unexplained) == (told["emitted"], told["written"], 0)
    say(f"{told['emitted']} emitted, {ledger.dropped}")


class Twice:
    """Runs a program that waits in the middle for the test to change something."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def __call__(self, program: str, *arguments: object, between: object) -> tuple[dict, dict]:
        import subprocess
        import sys

        from tests.faults.conftest import ROOT

        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first:
            raise AssertionError(process.communicate()[1])
        between()  # type: ignore[operator]
        rest, errors = process.communicate("\n", timeout=60)
        assert process.returncode == 0, errors
        assert errors == "", f"the host's output has something of ours in it: {errors}"
        return json.loads(first), json.loads(rest)


@pytest.fixture
def run_twice() -> Twice:
    """A program in two acts."""
    return Twice({})


def test_random_faults_one_after_the_other(
    tmp_path: Path, shim: Path, child: Child, chance: random.Random, say: Say
) -> None:
    """Any call, any error, any moment, with threads, rotations and no rest between them: the books stay exact."""
    told = json.loads(child(STORM, tmp_path / "data", chance.random(), LD_PRELOAD=str(shim)).stdout)
    data = tmp_path / "data"

    dropped = accounted(told["stats"], len(spooled_ids(data)))
    store, _ = drain(data)
    kept = conserved(told["made"], store)
    ledger = read_ledger(data / "spool")
    assert (ledger.emitted, ledger.drained) == (told["stats"]["emitted"], told["stats"]["written"])
    assert ledger.dropped == told["stats"]["dropped"]
    assert ledger.unexplained == 0
    say(f"{told['faults']} faults, {kept}, {dropped} dropped and counted")


STORM = """
import errno, json, os, random, sys, threading, time
from pathlib import Path
import whence
from tests.faults import programs

data, chance = Path(sys.argv[1]), random.Random(sys.argv[2])
shim = programs.shim()
built = programs.impatient(programs.quiet_runtime(data), 0.001)
built.recorder.spool._full_at = 30_000
made, faults, done = [], 0, threading.Event()
worker = threading.Thread(target=lambda: (made.extend(programs.record_in_threads(4_000, 4)), done.set()))
worker.start()
while not done.is_set():
    kind = chance.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT, -1])
    shim.fault_arm(chance.choice([1, 1, 2, 3]), kind, chance.randint(1, 300), chance.choice([1, 2, 5]))
    time.sleep(chance.uniform(0, 0.004))
    faults += shim.fault_done()
shim.fault_arm(0, 0, 0, 0)
worker.join()
made += programs.record_in_threads(100, 1)
built.recorder.spool.write_live()
print(json.dumps({"made": made, "faults": faults, "stats": whence.stats()}))
os._exit(0)
"""
