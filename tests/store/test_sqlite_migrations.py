"""Files of earlier versions are upgraded, whole or not at all."""

import re
from pathlib import Path

import apsw
import pytest

from tests.builders import Run, encoded, hex_id, whole_run
from tests.store.test_sqlite_file import run
from whence.errors import StoreUnreachable
from whence.model.filters import ActivityFilter
from whence.store.interface import Store
from whence.store.sqlite import SqliteStore, schema
from whence.store.sqlite.queries import _statements, sql

CARRIED = ("records", "contents", "content_uses", "quarantine", "traces", "trace_principles")
ROLLED_UP = ("rollup_hours", "rollup_traces", "rollup_principles")
ID = hex_id(7)
OLD_FINDINGS = "n, record_id, ts_ns, trace, project, code, severity, fingerprint, finding"


def file_of_version(version: int, path: Path, batches: list[list[bytes]]) -> None:
    """Make the file that whence with this schema would have left: tables and full text, from schema 2 on roll-ups."""
    model = path.with_name("model.db")
    store = SqliteStore.open(model)
    for batch in batches:
        store.accept(batch)
    store.close()
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", "WAL")
    schema.migrate(connection, path, now="2026-01-01T00:00:00Z", to=version)
    connection.execute("ATTACH ? AS model", (str(model),))
    for table in CARRIED + (ROLLED_UP if version == 2 else ()):
        connection.execute(f"INSERT INTO main.{table} SELECT * FROM model.{table}")  # noqa: S608
    connection.execute(f"INSERT INTO main.findings SELECT {OLD_FINDINGS} FROM model.findings")  # noqa: S608
    connection.execute(sql("index_records"), {"after": 0, "until": 10**9})
    connection.execute("UPDATE main.full_text SET indexed_n = (SELECT coalesce(max(n), 0) FROM main.records)")
    connection.close()


FINDINGS = [
    encoded(
        901, "finding", {"code": "CAL-01", "title": "one", "fingerprint": "f", "attributes": {"runs": 3}}, trace=ID
    ),
    encoded(902, "finding", {"code": "CAL-01", "title": "two", "fingerprint": "f"}),
    encoded(903, "finding", {"code": "CAL-04", "title": "three"}),
    encoded(904, "finding", {"title": "no code"}),
    encoded(905, "finding", {"code": "CAL-02", "title": "of a stranger", "fingerprint": "g", "first_ns": "yesterday"}),
]
BATCHES = [[each for number in range(5) for each in whole_run(number).records], Run(9).start().records, FINDINGS]


def answers(store: Store) -> tuple[object, ...]:
    """Return what is derived from records."""
    return (
        store.totals(),
        store.totals_by("hour"),
        store.principle_patterns(),
        store.findings(),
        store.problems(),
        store.activity(),
        store.activity_by_minute(ActivityFilter()),
    )


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_earlier_version_is_upgraded_with_its_data(path: Path, version: int) -> None:
    path.parent.mkdir()
    file_of_version(version, path, BATCHES)
    fresh = SqliteStore.open(path.with_name("fresh.db"))
    for batch in BATCHES:
        fresh.accept(batch)

    upgraded = SqliteStore.open(path)

    assert answers(upgraded) == answers(fresh)
    assert [each.title for each in upgraded.problems().items] == ["two"]
    assert upgraded.search("reason").items != ()
    late = Run(9).start().end().records[1:]
    assert upgraded.accept(late) == fresh.accept(late)
    assert answers(upgraded) == answers(fresh)
    assert upgraded.stats()["schema_version"] == schema.newest()
    versions = list(apsw.Connection(str(path)).execute("SELECT version, what FROM schema_version"))
    assert versions == [(1, "tables"), (2, "rollups"), (3, "diagnosis"), (4, "views")]
    upgraded.close()
    fresh.close()


def test_an_old_file_is_not_read_without_its_upgrade(path: Path) -> None:
    path.parent.mkdir()
    file_of_version(1, path, [])

    with pytest.raises(StoreUnreachable, match=r"schema 1.*for writing once"):
        SqliteStore.open(path, read_only=True)


def test_opening_twice_upgrades_once(store: SqliteStore, path: Path) -> None:
    again = SqliteStore.open(path)

    again.accept(whole_run(1).records)

    assert store.totals().total_runs == 1
    again.close()


KILLED_WITHIN = """
import os, sys
from pathlib import Path
from whence.store.sqlite import SqliteStore, connections, schema
steps = schema.migrations()
last = steps[-1]
schema.migrations = lambda: (*steps[:-1], last._replace(sql=last.sql + "; SELECT die();"))
connect = connections.Connections.connect
def connecting(self, *, writing):
    connection = connect(self, writing=writing)
    connection.create_scalar_function("die", lambda: os.kill(os.getpid(), 9))
    return connection
connections.Connections.connect = connecting
SqliteStore.open(Path(sys.argv[1]))
"""


def test_a_kill_within_an_upgrade_leaves_the_version_before(path: Path) -> None:
    path.parent.mkdir()
    file_of_version(1, path, BATCHES)

    assert run(KILLED_WITHIN, path).returncode == -9

    connection = apsw.Connection(str(path))
    assert schema.version_of(connection, path) == 1
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    assert "rollup_traces" not in tables
    connection.close()
    store = SqliteStore.open(path)
    assert store.totals().total_runs == 7
    assert len(store.findings()) == 3
    store.close()


def test_every_statement_is_one_that_sqlite_understands(store: SqliteStore, path: Path) -> None:
    """Those that stand by themselves; fragments are tried by the contract suite."""
    connection = apsw.Connection(str(path))
    whole = [text for text in _statements().values() if text.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")]

    assert len(whole) > 40
    for text in whole:
        for statement in text.replace("/*filters*/", "true").replace("/*key*/", "''").split(";\n"):
            names = re.findall(r":(\w+)", statement)
            connection.execute("EXPLAIN " + statement, dict.fromkeys(names) if names else [None] * statement.count("?"))
