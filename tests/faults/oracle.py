"""What must hold after every fault, whatever the fault was (the four parts of docs/reliability):

    conservation   every record that was acknowledged is stored, and none is stored twice
    accounting     emitted = written + counted drops, and what is written is what lies in the spool or in the store
    liveness       once the fault has ended, a new record arrives
    host           the program's result is the one it has without whence

A record is acknowledged when the call that recorded it has returned its id.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import whence
from whence.collect.drainer import Drained, Drainer, DrainSettings
from whence.collect.segments import segments
from whence.model.filters import RecordFilter
from whence.model.record import Record
from whence.runtime.runtime import runtime
from whence.store.interface import Store
from whence.store.sqlite import SqliteStore
from whence.wire import frames, records

PAGE = 10_000


class Kept(NamedTuple):
    """What was found of the acknowledged records."""

    acknowledged: int
    lost: int
    duplicated: int
    stored: int

    def __str__(self) -> str:
        return f"{self.acknowledged} acknowledged, {self.lost} lost, {self.duplicated} duplicated"


def drain(data: Path, store: Store | None = None, *, wait_s: float = 10.0) -> tuple[Store, Drained]:
    """Drain a data directory's spool into a store: the given one, or a new SQLite file somewhere else."""
    if store is None:
        place = Path(tempfile.mkdtemp(prefix="whence-faults-"))
        store = SqliteStore.open(place / "check.db", full_text=False)
        weakref.finalize(store, shutil.rmtree, place, ignore_errors=True)
    return store, Drainer(DrainSettings(spool=data / "spool", wait_s=wait_s), store).drain()


def stored(store: Store) -> list[Record]:
    """Return every record of a store, in order of arrival."""
    found: list[Record] = []
    cursor = None
    while True:
        page = store.records(RecordFilter(), limit=PAGE, cursor=cursor)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


def conserved(acknowledged: Iterable[str], store: Store) -> Kept:
    """Assert that what was acknowledged is stored, and nothing is there twice; returns the figures."""
    wanted = list(acknowledged)
    assert len(set(wanted)) == len(wanted), "two records were given one id"
    there = Counter(record.record_id for record in stored(store))
    lost = [each for each in wanted if each not in there]
    twice = sum(1 for times in there.values() if times > 1)
    assert not lost, f"{len(lost)} of {len(wanted)} acknowledged records are lost, the first: {lost[0]}"
    assert not twice, f"{twice} records are stored more than once"
    return Kept(len(wanted), 0, 0, sum(there.values()))


def spooled_ids(data: Path) -> list[str]:
    """Return the ids of the records that lie in the spool (contents too), in order per writer."""
    found = []
    for segment in segments(data / "spool"):
        for frame in frames.read(segment.path.read_bytes()):
            if isinstance(frame, frames.Frame) and frame.payload.startswith(b"["):
                found.append(records.decode(frame.payload).record_id)
    return found


def accounted(stats: dict[str, Any], there: int) -> int:
    """Assert that a recorder's accounts are exact and agree with what is there; returns how many were dropped."""
    dropped = sum(sum(classes.values()) for classes in stats["dropped"].values())
    assert stats["emitted"] == stats["written"] + dropped, stats
    assert stats["written"] == there, f"{stats['written']} are said to be written, {there} are there: {stats}"
    return dropped


def alive() -> None:
    """Assert that a record made now arrives where questions are answered."""
    with whence.trace("liveness") as trace:
        made = trace.event("still here")
    assert made is not None, whence.stats()
    assert runtime().ready_store().record(made) is not None


def acknowledged_in(pipe: int) -> list[str]:
    """Return the ids that a process wrote into a pipe, 32 hex digits each, until it ended. Half an id is none."""
    parts = []
    while part := os.read(pipe, 1 << 20):
        parts.append(part)
    text = b"".join(parts).decode()
    return [text[at : at + 32] for at in range(0, len(text) - 31, 32)]
