"""The file: who may read it, what happens when it is no store, what stays in it, how it is cared for."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.builders import Run, content, encoded, hex_id, whole_run
from whence.errors import StoreBusy, StoreTooNew, StoreUnreachable
from whence.model.filters import RecordFilter
from whence.store.interface import EVERY_TRACE
from whence.store.sqlite import SqliteStore, connections

SHA = "ab" * 32
NOBODY = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a user whom permissions stop: for root, who may do anything, the test becomes somebody else."""
    directory = Path(tempfile.mkdtemp(prefix="whence-test-"))
    root = os.geteuid() == 0
    if root:
        os.chown(directory, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield directory / "data"
    finally:
        if root:
            os.seteuid(0)
        (directory / "data").chmod(0o700)
        shutil.rmtree(directory)


def mode(path: Path) -> int:
    """Return the permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def connect(path: Path) -> apsw.Connection:
    """Return a connection of our own, beside the store's."""
    return apsw.Connection(str(path))


def test_the_file_is_for_its_owner_only(store: SqliteStore, path: Path) -> None:
    store.accept([encoded(1)])

    assert mode(path.parent) == 0o700
    assert {mode(each) for each in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize(
    "garbage", [b"this is no database, it is a text of some length", b"SQLite format 3\x00" + b"\xff" * 4096]
)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, garbage: bytes, read_only: bool) -> None:
    path.parent.mkdir()
    path.write_bytes(garbage)

    with pytest.raises(StoreUnreachable, match=str(path)) as told:
        SqliteStore.open(path, read_only=read_only)

    assert "\n" not in str(told.value)
    assert path.read_bytes() == garbage


def test_a_database_of_something_else_is_refused(path: Path) -> None:
    path.parent.mkdir()
    connect(path).execute("CREATE TABLE recipes (name)")

    with pytest.raises(StoreUnreachable, match="something else"):
        SqliteStore.open(path)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="folder"):
        SqliteStore.open(tmp_path)


def test_a_file_in_the_place_of_its_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(StoreUnreachable, match="cannot be"):
        SqliteStore.open(tmp_path / "file" / "store.db")


def test_reading_what_is_not_there_makes_nothing(path: Path) -> None:
    with pytest.raises(StoreUnreachable, match="does not exist"):
        SqliteStore.open(path, read_only=True)

    assert not path.parent.exists()


def test_a_folder_that_cannot_be_written_is_refused_for_writing(folder: Path) -> None:
    SqliteStore.open(folder / "store.db").close()
    folder.chmod(0o500)

    with pytest.raises(StoreUnreachable, match="yours to write"):
        SqliteStore.open(folder / "store.db")


def test_a_folder_that_cannot_be_written_can_be_read(folder: Path) -> None:
    store = SqliteStore.open(folder / "store.db")
    store.accept(whole_run(1).records)
    store.close()
    folder.chmod(0o500)

    reader = SqliteStore.open(folder / "store.db", read_only=True)

    assert reader.totals().total_runs == 1
    reader.close()


def test_what_cannot_change_is_read_without_locks(store: SqliteStore, path: Path) -> None:
    """The way of a read-only folder, for those whom no permission stops."""
    store.accept(whole_run(1).records)
    store.close()

    found = connections.Connections(path, read_only=True, immutable=True)
    with found.reader() as connection:
        assert connection.execute("SELECT count(*) FROM traces").get == 1
    found.close()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_read_only_store_reads_what_another_writes_and_refuses_to_write(store: SqliteStore, path: Path) -> None:
    reader = SqliteStore.open(path, read_only=True)
    store.accept([encoded(1)])

    assert reader.record(hex_id(1)) is not None
    with pytest.raises(StoreUnreachable, match="reading only"):
        reader.accept([encoded(2)])
    with pytest.raises(StoreUnreachable, match="reading only"):
        reader.rebuild_rollups()
    reader.close()


@pytest.mark.parametrize("table", ["records", "findings"])
def test_records_and_findings_refuse_to_be_changed(store: SqliteStore, path: Path, table: str) -> None:
    store.accept([encoded(1), encoded(2, "finding", {"code": "A-1", "title": "t"})])
    other = connect(path)

    for change in ("UPDATE records SET name = 'x'", "DELETE FROM records"):
        with pytest.raises(apsw.ConstraintError, match=f"{table} are append-only"):
            other.execute(change.replace("records", table).replace("name =", "project ="))


def test_another_writer_makes_it_busy_and_nothing_is_taken(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_S", 0.05)
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    patient = SqliteStore(connections.Connections(path, read_only=False), full_text=True, now_ns=lambda: 0)

    with pytest.raises(StoreBusy, match="another process"):
        patient.accept([encoded(1)])

    other.execute("ROLLBACK")
    assert patient.accept([encoded(1)]).stored == 1
    patient.close()


def bytes_of(path: Path) -> bytes:
    """Return everything in the store's files."""
    return b"".join(each.read_bytes() for each in path.parent.iterdir() if not each.name.endswith("-shm"))


@pytest.mark.parametrize("size", [1, 400])
def test_an_erased_text_leaves_no_bytes(store: SqliteStore, path: Path, size: int) -> None:
    """Not in the table, not in the full-text index, not in the log. Long texts lie in pages of their own."""
    secret = "xylophonist quartermaster " * size
    store.accept([content(1, SHA, secret), content(2, "cd" * 32, "something to keep"), encoded(3)])
    assert b"xylophonist" in bytes_of(path)

    store.erase_content(SHA)

    assert b"xylophonist" not in bytes_of(path)
    assert b"quartermaster" not in bytes_of(path)
    store.vacuum()
    assert b"xylophonist" not in bytes_of(path)
    assert store.content("cd" * 32) == "something to keep"
    assert store.integrity() == []


def test_a_backup_is_a_store(store: SqliteStore, tmp_path: Path) -> None:
    store.accept(whole_run(1).records)
    steps: list[tuple[int, int]] = []
    target = tmp_path / "backups" / "one.db"

    store.backup(target, progress=lambda done, of: steps.append((done, of)))

    copy = SqliteStore.open(target)
    assert copy.totals() == store.totals()
    assert copy.integrity() == []
    copy.close()
    assert steps
    assert steps[-1][0] == steps[-1][1]
    assert mode(target) == 0o600
    with pytest.raises(StoreUnreachable, match="exists already"):
        store.backup(target)


def test_a_damaged_file_is_told(store: SqliteStore, path: Path) -> None:
    store.accept([each for number in range(50) for each in whole_run(number).records])
    store.checkpoint()
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(len(data) // 8192, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xa5" * 64
    path.write_bytes(data)

    damaged = SqliteStore.open(path)
    assert damaged.integrity() != []
    with pytest.raises(StoreUnreachable, match="damaged"):
        list(damaged.records(RecordFilter(), limit=10_000).items)
    with pytest.raises(StoreUnreachable, match="damaged"):
        damaged.accept(whole_run(99).records)
    damaged.close()


KILLED = """
import os, sys
from pathlib import Path
from tests.builders import encoded
from whence.store.sqlite import SqliteStore
store = SqliteStore.open(Path(sys.argv[1]))
for number in range(1, 6):
    store.accept([encoded(number * 10 + each) for each in range(10)])
os.kill(os.getpid(), 9)
"""


def run(code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run Python code in another process."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_killed_process_loses_nothing_that_was_accepted(path: Path) -> None:
    assert run(KILLED, path).returncode == -9

    store = SqliteStore.open(path)
    assert store.stats()["records"] == 50
    assert store.integrity() == []
    store.close()


def test_a_store_without_full_text_catches_up(path: Path) -> None:
    bare = SqliteStore.open(path, full_text=False)
    bare.accept([encoded(1, data={"message": "zebra"}), content(2, SHA, "giraffe")])
    bare.accept([encoded(3, data={"message": {"content_sha256": SHA}})])
    assert bare.search("zebra").items == ()
    assert bare.erase_content(SHA)
    bare.close()

    store = SqliteStore.open(path)
    store.accept([encoded(4, data={"message": "zebra too"})])

    assert [int(hit.record.record_id, 16) for hit in store.search("zebra").items] == [4, 1]
    assert store.search("giraffe").items == ()
    store.close()


def test_the_quarantine_is_bounded(store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from whence.store.sqlite import writing

    monkeypatch.setattr(writing, "QUARANTINE_ROWS", 3)
    store.accept([b"x" * 100_000, *[f"bad {number}".encode() for number in range(5)]])
    store.accept([b"y" * 100_000])

    kept = list(connect(path).execute("SELECT reason, length(data), substr(data, 1, 5) FROM quarantine ORDER BY q"))
    assert [data for _, _, data in kept] == [b"bad 3", b"bad 4", b"yyyyy"]
    assert kept[-1][1] == writing.QUARANTINE_BYTES
    assert all(reason.startswith("not a record") for reason, _, _ in kept)


def test_the_seeds_views_are_there(store: SqliteStore, path: Path) -> None:
    store.accept([*whole_run(1).records, *whole_run(2).records, *Run(3, intent="other").start().end("failed").records])
    other = connect(path)

    gaps = list(other.execute("SELECT trace_id, project_name, gap_principles FROM trace_quality_gaps"))
    assert gaps == [(whole_run(number).trace_id, "Acme", '["META-12"]') for number in (2, 1)]
    assert list(other.execute("SELECT * FROM trace_intent_summary")) == [("exploring", 2, 2, 0, 2.25, 5.0, 0.0125)]


def test_a_newer_file_is_refused_and_left_as_it_is(store: SqliteStore, path: Path) -> None:
    store.close()
    other = connect(path)
    other.execute("INSERT INTO schema_version VALUES (99, 'from the future', 'then')")
    other.close()
    before = path.read_bytes()

    for read_only in (False, True):
        with pytest.raises(StoreTooNew, match=r"schema 99.*upgrade"):
            SqliteStore.open(path, read_only=read_only)
    assert path.read_bytes() == before


def test_traces_have_the_columns_of_the_seed_and_of_the_model(store: SqliteStore, path: Path) -> None:
    from whence.model.trace import TraceSummary

    found = [name for _, name, *_ in connect(path).execute("PRAGMA table_info(traces)")]

    assert sorted(found) == sorted(TraceSummary.__struct_fields__)
    assert found[:38] == list(TraceSummary.__struct_fields__)[:38]
    assert found[37] == "updated_at"
    assert store.traces(EVERY_TRACE).items == ()


def test_a_full_disk_takes_nothing_of_the_batch_and_is_told(store: SqliteStore) -> None:
    store.accept([encoded(1)])
    with store._connections.writer() as connection:
        pages = connection.pragma("page_count")
        connection.pragma("max_page_count", pages + 2)

    with pytest.raises(StoreUnreachable, match="full"):
        store.accept([*whole_run(1).records, encoded(5, data={"message": "x" * 100_000})])

    assert store.stats()["records"] == 1
    with store._connections.writer() as connection:
        connection.pragma("max_page_count", 1_000_000)
    assert store.accept(whole_run(1).records).ended == (whole_run(1).otel_trace_id,)
    assert store.integrity() == []
