"""What a user who opens the database file reads there."""

import sqlite3
from typing import Any

from whence.runtime.runtime import Runtime


def rows(runtime: Runtime, sql: str) -> list[dict[str, Any]]:
    """Return what a question in SQL gives, of a connection that can only read."""
    runtime.drain()
    connection = sqlite3.connect(f"file:{runtime.settings.database}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        return [dict(each) for each in connection.execute(sql)]
    finally:
        connection.close()


class Array:
    """An array as numpy's: it has no truth, compares item by item, and says what it holds."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def __bool__(self) -> bool:
        raise ValueError("The truth value of an array with more than one element is ambiguous")

    def __eq__(self, other: object) -> "Array":  # type: ignore[override]
        return self

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.values)

    def tolist(self) -> list[float]:
        return list(self.values)
