"""Each test has a collector and a cache of its own, and no DEBUG_* variable of whoever runs it."""

from collections.abc import Callable, Iterator
from typing import Any

import apsw
import msgspec
import pytest

from whence.debug import cache as cache_module
from whence.debug import collector as collector_module
from whence.debug.collector import DebugCollector, get_debug_collector
from whence.debug.settings import VARIABLES
from whence.model.filters import RecordFilter
from whence.model.record import Record
from whence.runtime.runtime import Runtime


@pytest.fixture(autouse=True)
def own_door(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the collector and the cache of the test before."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    collector_module._made.clear()
    cache_module._made.clear()
    yield
    collector_module._made.clear()
    cache_module._made.clear()


@pytest.fixture
def collector(runtime: Runtime) -> DebugCollector:
    """This process's collector, recording into this test's data directory."""
    return get_debug_collector()


Stored = Callable[..., list[Record]]


@pytest.fixture
def stored(runtime: Runtime) -> Stored:
    """Return what is stored, drained first, in order of arrival."""

    def ask(**where: Any) -> list[Record]:
        return list(runtime.ready_store().records(RecordFilter(**where), limit=1000).items)

    return ask


Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def sql(runtime: Runtime) -> Rows:
    """Return rows of the SQLite file, as anybody reads it."""

    def ask(query: str, *values: Any) -> list[dict[str, Any]]:
        runtime.ready_store()
        connection = apsw.Connection(str(runtime.settings.database), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            cursor = connection.execute(query, values)
            found = []
            for row in cursor:
                found.append(dict(zip([name for name, *_ in cursor.description], row, strict=True)))
            return found
        finally:
            connection.close()

    return ask


def data(record: Record) -> dict[str, Any]:
    """Return the payload of a record."""
    decoded: dict[str, Any] = msgspec.json.decode(record.payload)
    return decoded
