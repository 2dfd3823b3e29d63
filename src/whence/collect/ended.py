"""A trace that ended, as the processors of ended traces get it: read from the store once, however many of them look at it."""

from collections.abc import Iterable, Iterator
from typing import Final

from whence.model.assembly import assemble
from whence.model.record import Record
from whence.model.trace import TraceView
from whence.store.interface import Store

MOST_HELD: Final = 100_000
"""Records that are kept in memory at a time. What is more is read anew by each reader."""


class Room:
    """How many records may still be kept, by all the traces that share it."""

    def __init__(self, records: int = MOST_HELD) -> None:
        self.left = records


class Ended:
    """One trace that ended.

    Args:
        otel_trace_id: 32 hex digits.
        room: shared with other traces that are looked at together.
    """

    def __init__(self, otel_trace_id: str, store: Store, room: Room | None = None) -> None:
        self.id = otel_trace_id
        self._store = store
        self._room = room if room is not None else Room()
        self._held: tuple[Record, ...] | None = None
        self._view: TraceView | None = None

    @property
    def records(self) -> Iterable[Record]:
        """Its records in order of arrival, as they were when they were first asked for; to be gone through any number of times.

        Those of a trace too large to be kept are as they are each time.
        """
        if self._held is None:
            held: list[Record] = []
            for record in self._store.trace_records(self.id):
                if len(held) >= self._room.left:
                    self._room.left = max(self._room.left, 0)
                    return _Again(self.id, self._store)
                held.append(record)
            self._room.left -= len(held)
            self._held = tuple(held)
        return self._held

    @property
    def view(self) -> TraceView:
        """The trace as a whole, assembled once."""
        if self._view is None:
            self._view = assemble(self.id, self.records)
        return self._view


class _Again:
    """Records that are read from the store each time."""

    def __init__(self, trace: str, store: Store) -> None:
        self._trace, self._store = trace, store

    def __iter__(self) -> Iterator[Record]:
        return self._store.trace_records(self._trace)
