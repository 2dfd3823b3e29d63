"""SIGKILL takes nothing that was acknowledged: neither from the process that records nor from the one that drains."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import Child, Say
from tests.faults.oracle import alive, conserved, drain, stored
from whence.collect.documents import DocumentWriter
from whence.collect.drainer import Drainer, DrainSettings, read_ledger
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


class Stopped(BaseException):
    """Stands in for SIGKILL at a chosen step; nothing in the drainer may handle it."""


class Steps:
    """Counts the beginnings and the ends of every step that changes something, and stops at the N-th."""

    def __init__(self, stop_at: int) -> None:
        self.stop_at = stop_at
        self.seen = 0

    def _tick(self) -> None:
        self.seen += 1
        if self.seen == self.stop_at:
            raise Stopped

    def around(self, patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def step(*args: Any, **kwargs: Any) -> Any:
            self._tick()
            result = real(*args, **kwargs)
            self._tick()
            return result

        patch.setattr(owner, name, step)


DEAD = """
import os, whence
from tests.faults import programs
from pathlib import Path
import sys
data = Path(sys.argv[1])
built = programs.quiet_runtime(data)
built.recorder.spool._full_at = 2000
made = []
with whence.trace("ended") as trace:
    made += [trace.event("e", str(n)) for n in range(30)]
lost = whence.trace("lost")
made += [lost.event("e", str(n)) for n in range(30)]
print("".join(made), flush=True)
os._exit(1)
"""


def test_a_drainer_that_stops_at_any_step(data: Path, child: Child, tmp_path: Path, say: Say) -> None:
    """Before and after each commit, cursor, document, ledger and unlink, one after the other; the drain after that
    finds a dead writer half buried, finishes it, and counts it once."""
    out = child(DEAD, data, expect=1).stdout.strip()
    acknowledged = [out[at : at + 32] for at in range(0, len(out), 32)]
    number = 0
    while True:
        number += 1
        case = tmp_path / f"case-{number}"
        shutil.copytree(data, case)
        store = SqliteStore.open(case / "whence.db", full_text=False)
        steps = Steps(number)
        with pytest.MonkeyPatch.context() as patch:
            steps.around(patch, store, "accept")
            for name in ("_write_cursor", "_remove", "_add_to_ledger"):
                steps.around(patch, Drainer, name)
            steps.around(patch, Path, "unlink")
            steps.around(patch, DocumentWriter, "write_document")
            with contextlib.suppress(Stopped):
                _drain_with_documents(case, store)
        stopped = steps.seen == number
        _drain_with_documents(case, store)

        conserved(acknowledged, store)
        rows = store.traces(TraceFilter(), limit=10).items
        assert {(row.project_name, row.status) for row in rows} == {("ended", "complete"), ("lost", "incomplete")}
        for row in rows:
            assert row.trace_file_path, (number, row)
            assert Path(row.trace_file_path).is_file(), (number, row)
        ledger = read_ledger(case / "spool")
        assert (ledger.writers, ledger.emitted, ledger.unexplained) == (1, 63, 0), (number, ledger)
        left = {path.name for path in (case / "spool").iterdir()}
        assert left == {"drain.lock", "ledger.json"}, (number, left)
        store.close()
        shutil.rmtree(case)
        if not stopped:
            break
    assert number > 40
    say(
        f"stopped at each of {number - 1} steps, {len(acknowledged)} acknowledged each, 0 lost, 0 duplicated, counted once"
    )


def _drain_with_documents(data: Path, store: SqliteStore) -> None:
    Drainer(DrainSettings(spool=data / "spool", wait_s=1.0), store, (DocumentWriter(data, store, "tests"),)).drain()
