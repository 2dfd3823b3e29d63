"""Damage on the disk costs what it touches and nothing else: no wrong record, no exception, no spool that will not drain."""

from __future__ import annotations

import contextvars
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw
import msgspec
import pytest

import whence
from tests.builders import whole_run
from tests.faults import programs
from tests.faults.conftest import Say
from tests.faults.oracle import alive, conserved, spooled_ids, stored
from whence.collect.drainer import Cursor, Drainer, DrainSettings, read_ledger
from whence.errors import StoreUnreachable
from whence.runtime.runtime import Runtime, configure
from whence.runtime.settings import Settings
from whence.store.memory import MemoryStore
from whence.wire import frames

CASES = 3000
SPOOL_CASES = 400


def flip(data: bytearray, chance: random.Random) -> tuple[int, int]:
    at = chance.randrange(len(data))
    data[at] ^= 1 << chance.randrange(8)
    return at, at + 1


def cut(data: bytearray, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    end = min(len(data), start + chance.randint(1, 2000))
    del data[start:end]
    return start, end


def shorten(data: bytearray, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data))
    end = len(data)
    del data[start:]
    return start, end


def insert(data: bytearray, chance: random.Random) -> tuple[int, int]:
    at = chance.randrange(len(data))
    data[at:at] = chance.randbytes(chance.randint(1, 600))
    return at, at + 1


def zeros(data: bytearray, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(data)) // 4096 * 4096
    end = min(len(data), start + 4096)
    data[start:end] = bytes(end - start)
    return start, end


def magic(data: bytearray, chance: random.Random) -> tuple[int, int]:
    """A stray magic with a length that may lead anywhere."""
    at = chance.randrange(len(data))
    data[at:at] = frames.HEAD.pack(
        frames.MAGIC, chance.randrange(1 << chance.randrange(1, 32)), chance.randrange(1 << 60)
    )
    return at, at + 1


DAMAGE: list[Callable[[bytearray, random.Random], tuple[int, int]]] = [
    flip,
    flip,
    flip,
    cut,
    shorten,
    insert,
    zeros,
    magic,
]


def a_segment(chance: random.Random, records: int = 60) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """Return a segment and its frames: (start, end, payload)."""
    head = frames.SegmentHeader(format=1, writer="ab" * 8, number=1, pid=1, host="h", started_ns=1)
    data, known = frames.pack(msgspec.json.encode(head), 0), []
    runs = [record for number in range(4) for record in whole_run(number).records]
    for sequence, payload in enumerate(chance.sample(runs, records)):
        frame = frames.pack(payload, sequence)
        known.append((len(data), len(data) + len(frame), payload))
        data += frame
    return data, known


def test_damaged_segments_lose_only_the_frames_that_were_touched(chance: random.Random, say: Say) -> None:
    """Thousands of segments with a bit flipped, a part cut out, bytes put in, a page of zeros: read to their end."""
    lost_by_flip, lost, whole = 0, 0, 0
    for number in range(CASES):
        data, known = a_segment(chance)
        damaged = bytearray(data)
        how = DAMAGE[number % len(DAMAGE)]
        start, end = how(damaged, chance)

        found = [each.payload for each in frames.read(bytes(damaged)) if isinstance(each, frames.Frame)]

        records = [payload for payload in found if not payload.startswith(b"{")]
        payloads = {payload for _, _, payload in known}
        assert all(payload in payloads for payload in records), (number, how.__name__, "a record that nobody wrote")
        untouched = [payload for begin, stop, payload in known if stop <= start or begin >= end]
        assert [payload for payload in records if payload in set(untouched)] == untouched, (number, how.__name__)
        missing = len(known) - len(records)
        lost += missing
        if how is flip:
            lost_by_flip = max(lost_by_flip, missing)
        whole += len(records)
    assert lost_by_flip <= 1
    say(
        f"{CASES} damaged segments, 0 wrong records, {whole} read, {lost} lost, at most {lost_by_flip} by a flipped bit"
    )


def test_damaged_spools_drain(data: Path, tmp_path: Path, chance: random.Random, say: Say) -> None:
    """The same with real spools, several hits each, drained into a store: it never raises, and never twice the same."""
    built = programs.quiet_runtime(data)
    built.recorder.spool._full_at = 4000
    made = contextvars.copy_context().run(programs.record_in_threads, 40, 2)  # it leaves its trace open
    built.close()
    every = set(spooled_ids(data))
    lost = skipped = 0
    for number in range(SPOOL_CASES):
        case = tmp_path / "case"
        shutil.copytree(data / "spool", case / "spool")
        paths = sorted((case / "spool").glob("*.seg"))
        for path in chance.sample(paths, min(3, len(paths))):
            damaged = bytearray(path.read_bytes())
            chance.choice(DAMAGE)(damaged, chance)
            path.write_bytes(damaged)
        store = MemoryStore()

        drained = Drainer(DrainSettings(spool=case / "spool"), store).drain()

        there = [record.record_id for record in stored(store) if record.kind != "trace.end"]
        assert len(there) == len(set(there)), number
        assert set(there) <= every, (number, "a record that nobody wrote")
        assert not store.quarantine, (number, store.quarantine)
        assert not list((case / "spool").glob("*.seg"))
        kept_aside = case / "spool" / "quarantine"
        assert (drained.skipped_bytes > 0) == (kept_aside.is_dir() and bool(list(kept_aside.iterdir()))), number
        assert len(list(kept_aside.iterdir()) if kept_aside.is_dir() else []) <= 3, (
            "sound segments were put aside as well"
        )
        lost += len(every) - len(there)
        skipped += drained.skipped_bytes
        shutil.rmtree(case)
    say(f"{SPOOL_CASES} damaged spools of {len(made)} records, none raised, {lost} lost in {skipped} damaged bytes")


NAMES = {"cursor": "*.cursor", "live": "*.live", "ledger": "ledger.json"}


@pytest.mark.parametrize("what", NAMES)
def test_damaged_side_files_lose_no_record(
    data: Path, runtime: Runtime, chance: random.Random, say: Say, what: str
) -> None:
    """Cursor, counters, ledger: any byte of them may be wrong, or all of them. A cursor that is wrong and still a
    cursor must not lead past records that were never stored."""
    runtime.recorder.on_trace_end.clear()
    store = MemoryStore()
    ids: list[str] = []
    cases = 150
    with whence.trace("side") as trace:
        for number in range(cases):
            ids += [made for made in (trace.event("e", str(n)) for n in range(5)) if made]
            Drainer(DrainSettings(spool=data / "spool"), store).drain()
            conserved(ids, store)  # at once: the next damage may have it drained again from the start
            ids += [made for made in (trace.event("e", str(n)) for n in range(5)) if made]
            if what == "ledger":
                (data / "spool" / "ledger.json").write_bytes(b'{"writers":3,"emitted":10,"drained":10,"dropped":{}}')
            for path in (data / "spool").glob(NAMES[what]):
                damaged = bytearray(path.read_bytes().rstrip())
                choice = number % 4
                if choice == 0:
                    digits = [at for at, byte in enumerate(damaged) if chr(byte).isdigit()]
                    at = chance.choice(digits)
                    damaged[at] = ord(str((int(chr(damaged[at])) + 1) % 10))
                elif choice == 1:
                    damaged = bytearray(chance.randbytes(chance.randint(0, 50)))
                elif choice == 2:
                    damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
                else:
                    damaged = bytearray(msgspec.json.encode(Cursor(offsets={"1": -5, "2": 10**30 % 2**62})))
                path.write_bytes(damaged)
    drained = Drainer(DrainSettings(spool=data / "spool"), store).drain()

    assert read_ledger(data / "spool").writers >= 0
    say(what, f"{cases} cases,", conserved(ids, store), f"{drained.duplicates} repeated")


def damage_database(path: Path, number: int, chance: random.Random) -> str:
    """Break a closed database in one of many ways; returns which."""
    data = bytearray(path.read_bytes())
    kinds = ("header", "page", "schema", "cut", "empty-head", "text", "flips", "pages", "half-page")
    kind = kinds[number % len(kinds)]
    if kind == "header":
        data[:16] = chance.randbytes(16)
    elif kind == "page":
        at = chance.randrange(1, len(data) // 4096) * 4096
        data[at : at + 4096] = chance.randbytes(4096)
    elif kind == "schema":
        data[100:4096] = chance.randbytes(3996)
    elif kind == "cut":
        del data[chance.randrange(1, len(data)) :]
    elif kind == "empty-head":
        data[:4096] = bytes(4096)
    elif kind == "text":
        data = bytearray(b"this is no database\n" * 400)
    elif kind == "flips":
        for _ in range(200):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "pages":
        for _ in range(len(data) // 4096 // 2):
            at = chance.randrange(1, len(data) // 4096) * 4096
            data[at : at + 4096] = bytes(4096)
    else:
        at = chance.randrange(1, len(data) // 4096) * 4096 + 2048
        data[at : at + 2048] = chance.randbytes(2048)
    path.write_bytes(data)
    for beside in ("-wal", "-shm"):
        Path(f"{path}{beside}").unlink(missing_ok=True)
    return kind


def readable(path: Path) -> set[str]:
    """Return the ids of the records that can still be read from a damaged file, by the index that holds them."""
    found: set[str] = set()
    with suppress(apsw.Error):
        connection = apsw.Connection(str(path))
        for (record_id,) in connection.execute("SELECT lower(hex(record_id)) FROM records ORDER BY record_id, project"):
            found.add(record_id)
    return found


@pytest.mark.parametrize("number", range(36))
def test_a_damaged_database(data: Path, chance: random.Random, say: Say, number: int) -> None:
    """It is told as StoreUnreachable or not noticed (a page that nobody needed); the host's run is as ever; what is
    still in the spool is stored once the bad file has been moved away, and what was stored before anybody noticed is in it."""
    built = configure(Settings(data=data, documents=data, drain_budget_s=10))
    for _ in range(30):
        with whence.trace("before") as trace:
            trace.event("e", "stored before the damage")
    built.store().checkpoint()  # type: ignore[attr-defined]
    built.close()
    kind = damage_database(data / "whence.db", number, chance)
    built = configure(Settings(data=data, documents=data, drain_budget_s=10))
    made, results = [], []
    for _ in range(3):
        with whence.trace("after") as trace:
            made += [trace.event("e", str(n)) for n in range(20)]
    from whence.tracing import TraceContext

    trace = TraceContext.start(project_name="after")
    made.append(trace.event("last"))
    results.append(TraceContext.finish_sync(trace))
    assert None not in made
    assert built.recorder.errors.count == 0, built.recorder.errors.last
    told = ""
    try:
        built.ready_store()
    except StoreUnreachable as exc:
        told = str(exc)
    if told:
        assert str(data / "whence.db") in told
        assert results[0]["supabase_error"]
        assert Path(results[0]["file_path"]).is_file()  # R1.62: the file is still saved
    built.close()
    if told:
        for path in data.glob("whence.db*"):
            path.rename(path.with_name(f"bad-{path.name}"))
        built = configure(Settings(data=data, documents=data))
        there = readable(data / "bad-whence.db")

        kept = conserved([each for each in made if each and each not in there], built.ready_store())

        alive()
        built.close()
        say(kind, "noticed,", kept)
    else:
        say(kind, "not noticed")
