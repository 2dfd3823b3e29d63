"""The store in one SQLite file: connections, schema, writing, reading; the SQL itself is in `queries.sql`."""

from whence.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
