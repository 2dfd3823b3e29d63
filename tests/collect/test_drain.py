"""Spool → store: at least once, never out of order, nothing unlinked before it is stored."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import whence
from tests import builders
from tests.conftest import Run
from whence.collect import segments
from whence.collect.drainer import Drainer, DrainSettings, read_ledger
from whence.collect.ended import Ended, Room
from whence.errors import StoreUnreachable
from whence.model.record import Record
from whence.runtime.runtime import Runtime
from whence.sink import Accepted
from whence.store.memory import MemoryStore


def drainer(runtime: Runtime, store: object) -> Drainer:
    return Drainer(DrainSettings(spool=runtime.settings.spool, wait_s=0.0), store)  # type: ignore[arg-type]


def record_some(n: int = 5) -> str:
    with whence.trace("p", enabled=True) as trace, trace.stage("s") as stage:
        for i in range(n):
            stage.decision("d", what=i)
    return trace.otel_trace_id


@pytest.fixture
def quiet(runtime: Runtime) -> Runtime:
    """A runtime that leaves everything in the spool."""
    runtime.recorder.on_trace_end.clear()
    return runtime


def test_everything_recorded_is_stored_once_in_order(quiet: Runtime) -> None:
    trace = record_some(50)
    store = MemoryStore()

    first = drainer(quiet, store).drain()
    again = drainer(quiet, store).drain()

    assert first.stored == whence.stats()["emitted"] == 54
    assert (again.frames, again.stored) == (0, 0)
    found = [r.payload for r in store.trace_records(trace) if r.kind == "decision"]
    assert [b'"what":%d' % i in bytes(p) for i, p in enumerate(found)] == [True] * 50


def test_a_lost_cursor_makes_duplicates_and_no_second_record(quiet: Runtime) -> None:
    record_some()
    store = MemoryStore()
    drainer(quiet, store).drain()
    next(quiet.settings.spool.glob("*.cursor")).write_bytes(b"damaged")

    again = drainer(quiet, store).drain()

    assert again.stored == 0
    assert again.duplicates == whence.stats()["emitted"]


def test_a_store_that_fails_loses_nothing(quiet: Runtime) -> None:
    record_some()

    class Failing(MemoryStore):
        def accept(self, batch: object) -> Accepted:
            raise StoreUnreachable("down")

    with pytest.raises(StoreUnreachable):
        drainer(quiet, Failing()).drain()
    store = MemoryStore()

    assert drainer(quiet, store).drain().stored == whence.stats()["emitted"]


def test_the_living_owners_segment_stays_and_a_dead_ones_goes(quiet: Runtime, run: Run) -> None:
    record_some()
    run("import whence; whence.init(drain=False)\nwith whence.trace('other'): pass")
    before = {each.writer for each in segments.segments(quiet.settings.spool)}
    assert len(before) == 2

    drained = drainer(quiet, MemoryStore()).drain()

    assert drained.segments_removed == 1
    assert {each.writer for each in segments.segments(quiet.settings.spool)} == {quiet.recorder.writer}
    assert read_ledger(quiet.settings.spool).writers == 1


def test_a_dead_owners_open_trace_is_marked_incomplete_with_its_last_record(quiet: Runtime, run: Run) -> None:
    run(
        """
        import os, whence
        with whence.trace("p") as trace:
            stage = trace.stage("collection").__enter__()
            stage.decision("score", what=1)
            os._exit(9)
        """,
        check=False,
    )
    store = MemoryStore()

    drained = drainer(quiet, store).drain()

    assert drained.lost_owners == 1
    row = store.traces(whence_filter(), limit=1).items[0]
    assert (row.status, row.reason, row.decisions) == ("incomplete", "process_lost", 1)


def whence_filter() -> object:
    from whence.model.filters import TraceFilter

    return TraceFilter()


def test_only_one_drainer_works_at_a_time(quiet: Runtime) -> None:
    record_some()
    first = drainer(quiet, MemoryStore())
    with first._turn(None) as ours:
        assert ours
        busy = drainer(quiet, MemoryStore()).drain()

    assert busy.busy
    assert not busy.complete
    assert busy.frames == 0


def test_damage_costs_its_frames_and_the_segment_is_kept_aside(quiet: Runtime, run: Run) -> None:
    run("import whence; whence.init(drain=False)\nwith whence.trace('p') as t:\n  [t.event('e') for _ in range(10)]")
    path = next(p for p in quiet.settings.spool.glob("*.seg") if quiet.recorder.writer not in p.name)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    store = MemoryStore()

    drained = drainer(quiet, store).drain()

    assert drained.skipped_bytes > 0
    assert drained.stored + drained.derived >= 11
    assert [p.name for p in (quiet.settings.spool / "quarantine").iterdir()] == [path.name]


def test_rotation_keeps_every_record(data: Path, run: Run) -> None:
    out = run(
        """
        import whence, threading
        from whence.runtime import runtime
        built = runtime.runtime()
        built.recorder.spool._full_at = 20_000
        built.recorder.on_trace_end.clear()
        with whence.trace("p") as trace:
            def work():
                for i in range(500):
                    trace.event("e", str(i))
            threads = [threading.Thread(target=work) for _ in range(4)]
            [t.start() for t in threads]; [t.join() for t in threads]
        print(whence.stats()["emitted"], whence.stats()["dropped"])
        """
    )
    assert out.stdout.split() == ["2002", "{}"]
    store = MemoryStore()

    drained = Drainer(DrainSettings(spool=data / "spool"), store).drain()

    assert drained.stored == 2002
    assert drained.segments_removed >= 3
    assert segments.segments(data / "spool") == []


def test_a_spool_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert Drainer(DrainSettings(spool=tmp_path / "none"), MemoryStore()).drain().frames == 0


def test_a_fork_writes_its_own_segment(data: Path, run: Run) -> None:
    run(
        """
        import os, whence, warnings
        whence.init(drain=False)
        with whence.trace("parent") as trace:
            for i in range(20):
                pid = os.fork()
                if pid == 0:
                    for n in range(10):
                        trace.event("child", str(i))
                    os._exit(0)
                trace.event("parent", str(i))
                os.waitpid(pid, 0)
        """
    )
    store = MemoryStore()

    drained = Drainer(DrainSettings(spool=data / "spool"), store).drain()

    assert drained.stored == 2 + 20 + 200
    assert read_ledger(data / "spool").writers == 21
    assert os.listdir(data / "spool") == sorted(["drain.lock", "ledger.json"]) or {
        "drain.lock",
        "ledger.json",
    } >= set(os.listdir(data / "spool"))


def test_a_processor_that_fails_on_one_trace_does_not_stop_the_others(quiet: Runtime) -> None:
    bad, good = record_some(), record_some()
    seen: list[str] = []

    def after(ended: Sequence[Ended]) -> Sequence[bytes]:
        if bad in [each.id for each in ended]:
            raise KeyError("odd trace")
        seen.extend(each.id for each in ended)
        return []

    store = MemoryStore()
    done = Drainer(DrainSettings(spool=quiet.settings.spool), store, [after]).drain()

    assert done.failed == 1
    assert bad in done.last_failure
    assert seen == [good]
    assert store.trace(bad) is not None


# -- what processors of ended traces are given ---------------------------------------------------------------------------


class Counted(MemoryStore):
    """A store that counts how often a trace was read."""

    reads = 0

    def trace_records(self, trace: str) -> Iterator[Record]:
        self.reads += 1
        return super().trace_records(trace)


def counted(run: builders.Run) -> Counted:
    store = Counted()
    store.accept(run.records)
    store.reads = 0
    return store


def test_a_trace_that_ended_is_read_once_for_all_who_look_at_it() -> None:
    run = builders.whole_run(1)
    store = counted(run)
    ended = Ended(run.otel_trace_id, store)

    assert len(list(ended.records)) == len(list(ended.records)) == len(run.records)
    assert ended.view is ended.view
    assert ended.view.trace_id == run.trace_id
    assert store.reads == 1


def test_a_trace_without_room_is_read_anew_by_each_and_leaves_the_room_to_others() -> None:
    run = builders.whole_run(1)
    store = counted(run)
    room = Room(len(run.records) - 1)
    ended = Ended(run.otel_trace_id, store, room)

    assert [len(list(ended.records)) for _ in range(2)] == [len(run.records)] * 2
    assert store.reads > 2
    assert room.left == len(run.records) - 1
