"""Every store there is, one after the other."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from whence.store.interface import Store
from whence.store.memory import MemoryStore
from whence.store.sqlite import SqliteStore

MakeStore = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeStore]:
    """Return a function that makes a new, empty store; it is closed at the end."""
    made: list[Any] = []

    def make() -> Store:
        path = tmp_path / f"store-{len(made)}.db"
        store: Store = MemoryStore() if request.param == "memory" else SqliteStore.open(path)
        made.append(store)
        return store

    yield make
    for store in made:
        store.close()


@pytest.fixture
def store(make_store: MakeStore) -> Store:
    """A new, empty store."""
    return make_store()
