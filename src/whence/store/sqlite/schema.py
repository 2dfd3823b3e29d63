"""The tables' versions: numbered files in `migrations/`, each applied once, all that are missing in one transaction."""

import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from whence.errors import StoreTooNew, StoreUnreachable
from whence.store.sqlite import projecting

APPLICATION_ID: Final = 0x77686E63
"""Marks the file as ours ("whnc"), for `file(1)` and for us."""

_PROJECTED_SINCE: Final = 3
"""From this version on findings are kept as they are now."""

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    what: str
    sql: str


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every step that this version of whence knows, in order."""
    found = []
    for file in resources.files(__package__).joinpath("migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match is not None:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return tuple(sorted(found))


def newest() -> int:
    """Return the version that this whence writes."""
    return migrations()[-1].version


def version_of(connection: apsw.Connection, path: Path) -> int:
    """Return the schema version of a file; 0 for an empty one.

    Raises:
        StoreUnreachable: it is a database of something else.
        StoreTooNew: a newer whence wrote it.
    """
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return 0
    if "schema_version" not in tables or "records" not in tables:
        raise StoreUnreachable(f"{path} is a SQLite database of something else; name another file")
    found = connection.execute("SELECT max(version) FROM schema_version").get
    if not isinstance(found, int):
        raise StoreUnreachable(f"{path} does not say its schema version; restore a backup")
    if found > newest():
        raise StoreTooNew(
            f"{path} has schema {found}, this whence knows up to {newest()}; upgrade whence (nothing was changed)"
        )
    return found


def migrate(connection: apsw.Connection, path: Path, *, now: str, to: int | None = None) -> None:
    """Bring the file to a version (the newest), all steps or none."""
    target = to or newest()
    if version_of(connection, path) == target:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        have = version_of(connection, path)  # again: another process may have been quicker
        if have == 0:
            connection.pragma("application_id", APPLICATION_ID)
            connection.execute(
                "CREATE TABLE schema_version"
                " (version INTEGER PRIMARY KEY, what TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT"
            )
        for step in migrations():
            if have < step.version <= target:
                connection.execute(step.sql)
                connection.execute("INSERT INTO schema_version VALUES (?, ?, ?)", (step.version, step.what, now))
        if have < _PROJECTED_SINCE <= target:  # after the last step, by the statements of this whence
            projecting.project_anew(connection)
        connection.execute("COMMIT")
    except BaseException:
        if not connection.get_autocommit():
            connection.execute("ROLLBACK")
        raise
