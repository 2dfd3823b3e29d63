"""SIGKILL takes nothing that was acknowledged: neither from the process that records nor from the one that drains."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.conftest import Child, Say
from tests.faults.oracle import alive, conserved, drain, stored
from whence.collect.drainer import read_ledger
from whence.model import record as kinds
from whence.model.filters import TraceFilter
from whence.runtime.runtime import Runtime
from whence.store.sqlite import SqliteStore

RECORDER_KILLS = 250
DRAINER_KILLS = 60

KILLS = """
import os, random, sys, time
from pathlib import Path
from tests.faults import programs
from tests.faults.oracle import acknowledged_in

data, seed, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
for _ in range(kills):
    pid, pipe = programs.forked(lambda say: programs.record_forever(data, say))
    first = os.read(pipe, 32).decode()  # it is recording
    time.sleep(chance.uniform(0, 0.015))
    assert programs.kill(pid), "it ended before it was killed"
    print(first + "".join(acknowledged_in(pipe)) if len(first) == 32 else "")
    os.close(pipe)
"""


def test_a_killed_recorder_loses_nothing_that_it_acknowledged(
    data: Path, child: Child, chance: random.Random, say: Say, runtime: Runtime
) -> None:
    """Killed at a random moment, hundreds of times; every trace is then `incomplete`, with its last record."""
    out = child(KILLS, data, chance.random(), RECORDER_KILLS, timeout_s=300).stdout
    acknowledged = [line[at : at + 32] for line in out.split() for at in range(0, len(line), 32)]
    store = SqliteStore.open(data / "check.db", full_text=False)

    _, drained = drain(data, store)

    kept = conserved(acknowledged, store)
    rows = store.traces(TraceFilter(project="killed"), limit=10_000).items
    assert len(rows) == drained.lost_owners == RECORDER_KILLS
    assert {(row.status, row.reason) for row in rows} == {("incomplete", "process_lost")}
    for row in rows[:20]:
        *_, last, end = list(store.trace_records(row.id))
        assert end.kind == kinds.TRACE_END
        assert f'"last_record":"{last.record_id}"'.encode() in bytes(end.payload)
    alive()
    say(f"{RECORDER_KILLS} kills, {kept}")
    store.close()


DRAINER = """
import os, random, signal, sys, time
from pathlib import Path
from tests.faults import programs
from tests.faults.oracle import acknowledged_in

data, seed, kills = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(seed)
stop, stopping = os.pipe()
recorders = [programs.forked(lambda say: programs.record_runs(data, say, stop, 0.002)) for _ in range(2)]
acknowledged = []
for number in range(kills):
    pid, pipe = programs.forked(lambda say: programs.drain_forever(data))
    time.sleep(chance.uniform(0.01, 0.12))
    assert programs.kill(pid), "the drainer ended by itself"
    os.close(pipe)
    if number % 6 == 5:  # and a recorder dies meanwhile, and another one begins
        pid, pipe = recorders.pop(0)
        programs.kill(pid)
        acknowledged += acknowledged_in(pipe)
        os.close(pipe)
        recorders.append(programs.forked(lambda say: programs.record_runs(data, say, stop, 0.002)))
os.write(stopping, b"x")
for pid, pipe in recorders:
    acknowledged += acknowledged_in(pipe)
    assert os.waitpid(pid, 0)[1] == 0
print("".join(acknowledged))
"""


def test_a_killed_drainer_loses_nothing_and_repeats_nothing(
    data: Path, child: Child, chance: random.Random, say: Say, runtime: Runtime
) -> None:
    """Killed in the middle of draining while others record, and now and then die too; then a last drain, which finds
    everything in place: each record once, each ended trace with its document, the books of the dead closed once."""
    out = child(DRAINER, data, chance.random(), DRAINER_KILLS, timeout_s=300).stdout.strip()
    acknowledged = [out[at : at + 32] for at in range(0, len(out), 32)]

    began = time.monotonic()
    runtime.drain()

    store = runtime.store()
    kept = conserved(acknowledged, store)
    rows = store.traces(TraceFilter(project="runs"), limit=10_000).items
    assert all(row.status != "in_progress" for row in rows)
    without = [row.trace_id for row in rows if not (row.trace_file_path and Path(row.trace_file_path).is_file())]
    assert not without, f"{len(without)} of {len(rows)} ended traces have no document"
    said = [record for record in stored(store) if record.kind == kinds.TRACE_DOCUMENT]
    assert {record.trace for record in said} == {row.id for row in rows}
    ledger = read_ledger(data / "spool")
    assert (ledger.writers, ledger.unexplained) == (2 + DRAINER_KILLS // 6, 0), ledger
    assert ledger.emitted == ledger.drained
    assert not list((data / "spool").glob("*.tmp"))
    alive()
    say(
        f"{DRAINER_KILLS} kills of the drainer, {kept}, {len(rows)} documents, last drain {time.monotonic() - began:.1f} s"
    )
