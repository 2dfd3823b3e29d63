"""Stores with LLM calls in them, and what was said of their costs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.builders import Run
from whence.model import record as kinds
from whence.model.filters import RecordFilter
from whence.model.payload import Cost
from whence.model.record import Record
from whence.store.interface import Store
from whence.store.memory import MemoryStore
from whence.store.sqlite import SqliteStore

SONNET: dict[str, Any] = {
    "provider": "anthropic",
    "model": "claude-sonnet-4-5",
    "input_tokens": 1000,
    "output_tokens": 100,
}
MakeStore = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A new, empty store of either kind."""
    made: Any = MemoryStore() if request.param == "memory" else SqliteStore.open(tmp_path / "store.db")
    yield made
    made.close()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A data directory, which holds prices.toml and prices.cursor."""
    directory = tmp_path / "home"
    directory.mkdir()
    return directory


def run_of(number: int, *calls: dict[str, Any], project: str = "acme") -> Run:
    """Return a whole run that makes these LLM calls."""
    run = Run(number, project=project).start()
    for call in calls:
        run.llm(**call)
    return run.end()


def costs_of(store: Store) -> list[tuple[Record, Cost]]:
    """Return every cost record, in order of arrival."""
    page = store.records(RecordFilter(kinds=(kinds.COST,)), limit=10_000)
    return [(record, msgspec.json.decode(record.payload, type=Cost)) for record in page.items]


def amounts(store: Store) -> list[float | None]:
    """Return what each cost record says, in order of arrival."""
    return [cost.usd for _, cost in costs_of(store)]


def own_price(home: Path, model: str, usd: object, **more: object) -> None:
    """Write prices.toml with one price, the same for input and output."""
    lines = ["[[price]]", f'model = "{model}"', f"input_per_mtok = {usd}", f"output_per_mtok = {usd}"]
    lines += [f"{key} = {value}" for key, value in more.items()]
    (home / "prices.toml").write_text("\n".join(lines) + "\n")
