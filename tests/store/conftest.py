"""A SQLite store in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from whence.store.sqlite import SqliteStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of this test is."""
    return tmp_path / "data" / "whence.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    """A new, empty store."""
    made = SqliteStore.open(path)
    yield made
    made.close()
