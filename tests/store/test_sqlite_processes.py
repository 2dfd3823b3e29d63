"""Threads that read while another writes, and forks."""

import gc
import os
import threading
from pathlib import Path

import msgspec
import pytest

from tests.builders import encoded, hex_id, whole_run
from whence.errors import StoreUnreachable
from whence.model.filters import RecordFilter
from whence.store.interface import EVERY_TRACE
from whence.store.sqlite import SqliteStore


def test_readers_see_whole_batches_while_a_writer_writes(store: SqliteStore) -> None:
    """Each batch is one run: whoever sees its start sees its end, and its row agrees with its records."""
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                for row in store.traces(EVERY_TRACE, limit=3).items:
                    if row.status != "complete" or row.records != len(list(store.trace_records(row.id))):
                        wrong.append(row)
                totals = store.totals()
                if totals.total_runs != totals.complete:
                    wrong.append(totals)
        except Exception as exc:
            wrong.append(exc)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for each in readers:
        each.start()
    for number in range(40):
        store.accept(whole_run(number).records)
    done.set()
    for each in readers:
        each.join()

    assert wrong == []
    assert store.totals().complete == 40


def test_several_threads_may_write(store: SqliteStore) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 20):
            store.accept([encoded(number), encoded(10_000)])

    writers = [threading.Thread(target=write, args=(number * 100,)) for number in range(1, 5)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()

    assert store.stats()["records"] == 81


def test_a_reader_that_stops_half_way_keeps_nothing(store: SqliteStore) -> None:
    run = whole_run(1)
    store.accept(run.records)
    reading = store.trace_records(run.otel_trace_id)
    next(reading)

    del reading
    gc.collect()
    store.accept([encoded(1)])

    assert store.checkpoint()


def test_closing_while_someone_reads_lets_them_finish(store: SqliteStore) -> None:
    run = whole_run(1)
    store.accept(run.records)
    reading = store.trace_records(run.otel_trace_id)
    next(reading)

    store.close()

    assert len(list(reading)) == len(run.records) - 1
    with pytest.raises(StoreUnreachable, match="closed"):
        store.totals()


def in_child(act: object) -> bytes:
    """Fork, act in the child, and return what it says; the child ends without cleaning up."""
    here, there = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = msgspec.json.encode(act())  # type: ignore[operator]
        except BaseException as exc:
            said = msgspec.json.encode(repr(exc))
        os.write(there, said)
        os._exit(0)
    os.close(there)
    said = os.read(here, 65536)
    os.close(here)
    os.waitpid(child, 0)
    return said


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_forked_child_reads_and_writes_by_itself(store: SqliteStore) -> None:
    store.accept([encoded(1)])
    store.totals()

    def act() -> object:
        taken = store.accept([encoded(2)])
        return [taken.stored, len(store.records(RecordFilter()).items)]

    assert in_child(act) == b"[1,2]"
    assert store.accept([encoded(3)]).stored == 1
    assert len(store.records(RecordFilter()).items) == 3
    assert store.integrity() == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_a_child_forked_while_someone_reads_leaves_that_reading_alone(store: SqliteStore) -> None:
    run = whole_run(1)
    store.accept(run.records)
    reading = store.trace_records(run.otel_trace_id)
    next(reading)

    def act() -> object:
        return store.record(hex_id(5)) is None and store.totals().total_runs

    assert in_child(act) == b"1"
    assert len(list(reading)) == len(run.records) - 1
    assert store.accept([encoded(3)]).stored == 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_what_a_child_wrote_outlives_the_parents_close(path: Path) -> None:
    """The parent must not take itself for the last user of the log, and remove it under the child."""
    parent = SqliteStore.open(path)
    parent.accept([encoded(1)])
    go, gone = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            parent.accept([encoded(2)])
            os.write(gone[1], b"x")
            os.read(go[0], 1)
            parent.accept([encoded(3)])
        finally:
            os._exit(0)
    os.read(gone[0], 1)
    parent.close()
    os.write(go[1], b"x")
    os.waitpid(child, 0)
    for each in (*go, *gone):
        os.close(each)

    store = SqliteStore.open(path)
    assert [int(each.record_id, 16) for each in store.records(RecordFilter()).items] == [1, 2, 3]
    store.close()
