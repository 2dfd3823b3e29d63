"""Cancelled tasks, several drainers, clocks that jump: order, ids and contexts stay what they were."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import whence
from tests.faults import programs
from tests.faults.conftest import Child, Say
from tests.faults.oracle import accounted, acknowledged_in, alive, conserved, drain, spooled_ids, stored
from whence.clock import SystemClock
from whence.model import record as kinds
from whence.model.filters import TraceFilter
from whence.runtime.runtime import Runtime, configure
from whence.runtime.settings import Settings
from whence.store.sqlite import SqliteStore
from whence.tracing import TraceContext

TASKS = 2000


async def test_a_storm_of_cancellations(runtime: Runtime, data: Path, chance: random.Random, say: Say) -> None:
    """Two thousand tasks, cancelled at random awaits. Each trace is closed, by its own task and with its own records;
    the cancellation goes on to whoever asked for it; nobody sees another one's trace."""
    runtime.recorder.on_trace_end.clear()
    mixed: list[int] = []
    made: dict[int, list[str]] = {number: [] for number in range(TASKS)}
    names: dict[int, str] = {}

    async def work(number: int) -> int:
        async with TraceContext.start(project_name="storm", query=str(number)) as trace:
            names[number] = trace.otel_trace_id

            async def part(name: str) -> None:
                async with whence.stage(name):
                    for _ in range(4):
                        await asyncio.sleep(chance.random() * 0.008)
                        if whence.current_trace() is not trace:
                            mixed.append(number)
                        got = whence.decision("d", what=number)
                        if got is not None:
                            made[number].append(got)

            await asyncio.gather(part("a"), part("b"))
            await part("c")
            trace.mark_complete()
            return number

    done = cancelled = 0
    for start in range(0, TASKS, 250):
        tasks = {number: asyncio.create_task(work(number)) for number in range(start, min(start + 250, TASKS))}
        numbers = list(tasks)
        chance.shuffle(numbers)
        for number in numbers[: len(numbers) * 4 // 5]:
            if chance.random() < 0.1:
                await asyncio.sleep(0)
            tasks[number].cancel()
        for number, result in zip(tasks, await asyncio.gather(*tasks.values(), return_exceptions=True), strict=True):
            if isinstance(result, asyncio.CancelledError):
                cancelled += 1
            else:
                assert result == number
                done += 1
        assert whence.current_trace() is None

    assert mixed == []
    assert accounted(whence.stats(), len(spooled_ids(data))) == 0
    store, _ = drain(data)
    kept = conserved([each for mine in made.values() for each in mine], store)
    by_trace: dict[str, list[str]] = {}
    for record in stored(store):
        if record.kind == kinds.DECISION:
            by_trace.setdefault(record.trace, []).append(record.record_id)
    for number, name in names.items():
        assert by_trace.get(name, []) == made[number], f"task {number} has another one's decisions"
    rows = store.traces(TraceFilter(), limit=10_000).items
    told = {status: sum(1 for row in rows if row.status == status) for status in {row.status for row in rows}}
    assert set(told) <= {"complete", "incomplete"}, told
    assert told.get("complete", 0) >= done
    assert all(row.reason == "cancelled" for row in rows if row.status == "incomplete")
    assert len(rows) == len(names)  # the others were cancelled before they began
    assert cancelled > TASKS // 3
    say(f"{TASKS} tasks, {cancelled} cancelled, {len(rows)} traces {told}, {kept}")


DRAIN = """
import sys, time
from pathlib import Path
from whence.collect.drainer import Drainer, DrainSettings
from whence.store.sqlite import SqliteStore

data, until = Path(sys.argv[1]), float(sys.argv[2])
store = SqliteStore.open(data / "whence.db", full_text=False)
drains = busy = stored = 0
while time.time() < until:
    done = Drainer(DrainSettings(spool=data / "spool", batch_records=50, wait_s=0.02), store).drain()
    drains, busy, stored = drains + 1, busy + done.busy, stored + done.stored + done.derived
print(drains, busy, stored)
"""


def test_several_drainers_at_once(data: Path, say: Say) -> None:
    """Three processes drain one spool while two others record: one works at a time, and nothing is stored twice."""
    stop, stopping = os.pipe()
    recorders = [programs.forked(lambda say: programs.record_runs(data, say, stop, 0.004)) for _ in range(2)]
    while not (data / "spool").is_dir():
        time.sleep(0.005)
    until = time.time() + 3
    others = [
        subprocess.Popen([sys.executable, "-c", DRAIN, str(data), str(until)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    acknowledged: list[str] = []
    time.sleep(2)  # as much as their pipes take
    os.write(stopping, b"x")
    for pid, pipe in recorders:
        acknowledged += acknowledged_in(pipe)
        os.close(pipe)
        assert os.waitpid(pid, 0)[1] == 0
    figures = [[int(word) for word in other.communicate(timeout=60)[0].split()] for other in others]
    assert [other.returncode for other in others] == [0, 0, 0]
    os.close(stop)
    os.close(stopping)

    store = SqliteStore.open(data / "whence.db", full_text=False)
    _, last = drain(data, store)

    kept = conserved(acknowledged, store)
    assert last.complete
    assert sum(stored for _, _, stored in figures) + last.stored + last.derived == kept.stored
    assert sum(1 for _, _, stored in figures if stored) > 1, "only one of them ever had a turn"
    store.close()
    say(f"(drains, busy, stored) {figures}, {kept}")


class Jumping(SystemClock):
    """A wall clock that is set back and forth at random, and a monotonic one that is not."""

    __slots__ = ("chance", "offset")

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.offset = 0

        def now_ns() -> int:
            if chance.random() < 0.02:
                self.offset += chance.randint(-3600, 3600) * 1_000_000_000
            return time.time_ns() + self.offset

        self.now_ns = now_ns  # type: ignore[method-assign]


def test_a_clock_that_jumps(data: Path, chance: random.Random, say: Say) -> None:
    """Hours back, hours forward: ids stay unique and keep growing, the order is the order of recording, and no
    duration is negative."""
    built = configure(Settings(data=data, documents=data, drain=False), Jumping(chance))
    built.recorder.on_trace_end.clear()
    made: list[str] = []
    names = []
    for number in range(40):
        with whence.trace("clock", query=str(number)) as trace:
            names.append(trace.otel_trace_id)
            for name in ("a", "b"):
                with trace.stage(name) as stage:
                    made += [str(stage.decision("d", what=each)) for each in range(40)]
    store, _ = drain(data)

    kept = conserved(made, store)
    assert made == sorted(made), "ids do not sort in the order in which they were made"
    backwards = 0
    for name in names:
        records = list(store.trace_records(name))
        assert [r.record_id for r in records] == sorted(r.record_id for r in records)
        backwards += sum(1 for one, next_ in itertools.pairwise(records) if next_.ts_ns < one.ts_ns)
        row = store.trace(name)
        assert row is not None
        assert row.status == "complete"
        assert row.duration_seconds is not None
        assert 0 <= row.duration_seconds < 60
        assert all(seconds >= 0 for seconds in row.stage_durations.values()), row.stage_durations
    assert backwards > 5, "the clock never went back"
    built.close()
    configure(Settings(data=data, documents=data))
    alive()
    say(f"{backwards} steps back, {kept}")


DEAD = """
import os, sys, whence
from tests.faults.test_tasks_and_clocks import Jumping
import random
from pathlib import Path
from whence.runtime.runtime import configure
from whence.runtime.settings import Settings
data = Path(sys.argv[1])
configure(Settings(data=data, documents=data, drain=False), Jumping(random.Random(3)))
trace = whence.trace("dead")
made = [trace.event("e", str(n)) for n in range(2000)]
print("".join(made), flush=True)
os._exit(1)
"""


def test_a_dead_process_with_a_jumping_clock_is_ended(data: Path, child: Child, say: Say) -> None:
    """What the drainer says of a lost trace comes after all that the trace said itself."""
    made = child(DEAD, data, expect=1).stdout.strip()

    store, drained = drain(data)

    kept = conserved([made[at : at + 32] for at in range(0, len(made), 32)], store)
    *_, end = list(store.trace_records(store.traces(TraceFilter()).items[0].id))
    assert (end.kind, drained.lost_owners) == (kinds.TRACE_END, 1)
    assert json.loads(bytes(end.payload))["last_record"] == made[-32:]
    say(kept)


@pytest.mark.parametrize("level", ["hash", "preview"])
def test_a_hash_key_that_cannot_be_made_keeps_no_text(data: Path, say: Say, level: str) -> None:
    """Capture levels need a key; without one the value is dropped and flagged, never stored as it is."""
    data.mkdir()
    (data / "keys").write_text("a file in the place of the folder")
    whence.init(data=data, capture=level)
    with whence.trace("p", query="my secret question") as trace:
        made = trace.decision("d", what="my secret answer")

    assert made is not None
    everything = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert b"my secret" not in everything
    say(whence.stats()["last_internal_error"])
