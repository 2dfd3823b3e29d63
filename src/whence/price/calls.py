"""LLM calls and their costs as the store has them: what pricing, repricing and totals read.

A call is the `span.end` of a span of type llm. Its cost is the last record of kind `cost` whose parent it is; without
one, what whoever recorded the call gave as `cost_usd`.
"""

from collections.abc import Callable, Iterator, Mapping
from sys import intern
from typing import Any, Final

import msgspec

from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.filters import Condition, RecordFilter
from whence.model.quality import number
from whence.model.record import Record
from whence.store.interface import Store

EVERY: Final = RecordFilter()
CALLS: Final = RecordFilter(kinds=(kinds.SPAN_END,), where=(Condition(("type",), "=", shape.LLM),))
AT_ONCE: Final = 2_000
"""Records a page: some megabytes, whatever they hold, because large texts are set apart."""

Progress = Callable[[int, int], None]
"""Called with (calls done, calls in all, about)."""

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError)


class _End(msgspec.Struct, frozen=True):
    """Of a `span.end`, what a price depends on."""

    duration_ns: Any = None
    error: Any = None
    attributes: Any = None


_end = msgspec.json.Decoder(_End)
_cost = msgspec.json.Decoder(shape.Cost)


class Call(msgspec.Struct, frozen=True, gc=False):
    """An LLM call."""

    record: Record
    attributes: dict[str, Any]  # as recorded, with its error where it had one
    asked_ns: int  # when it was made: its end less its duration

    @property
    def model(self) -> str:
        """The model that answered, else the one asked; "" where none is named."""
        for key in ("model", "request_model"):
            named = self.attributes.get(key)
            if isinstance(named, str) and named.strip():
                return named.strip()
        return ""

    @property
    def given_usd(self) -> float | None:
        """The cost that whoever recorded it gave."""
        try:
            return number(self.attributes.get("cost_usd"))
        except OverflowError:
            return None


class Said(msgspec.Struct, frozen=True, gc=False):
    """A cost record, as much of it as is compared and summed."""

    record_id: str
    usd: float | None
    input_usd: float | None
    output_usd: float | None
    billed: bool
    version: str
    reason: str | None


def call_of(record: Record) -> Call:
    """Return the call that a `span.end` ends; what cannot be read of it is missing."""
    try:
        end = _end.decode(record.payload)
    except _UNREADABLE:
        end = _End()
    said = end.attributes if isinstance(end.attributes, dict) else {}
    attributes = {**said, "error": end.error} if end.error is not None else said
    took = end.duration_ns if isinstance(end.duration_ns, int) and end.duration_ns > 0 else 0
    return Call(record, attributes, max(0, record.ts_ns - took))


def calls(store: Store, where: RecordFilter = CALLS, *, cursor: str | None = None) -> Iterator[Call]:
    """Yield the LLM calls that match, in order of arrival; kinds and conditions of the filter are ours."""
    for record in _records(store, msgspec.structs.replace(where, kinds=CALLS.kinds, where=CALLS.where), cursor):
        yield call_of(record)


def costs(store: Store, where: RecordFilter = CALLS) -> Mapping[str, Said]:
    """Return the last cost record of each call (its record id) that matches; about 250 bytes each.

    A cost is said after the call it is of, so only the beginning of a window counts.
    """
    found: dict[str, Said] = {}
    wanted = msgspec.structs.replace(where, kinds=(kinds.COST,), where=(), until_ns=None)
    for record in _records(store, wanted, None):
        try:
            cost = _cost.decode(record.payload)
        except _UNREADABLE:
            continue
        reason = intern(cost.reason) if cost.reason is not None else None
        said = (cost.usd, cost.input_usd, cost.output_usd, cost.billed, intern(cost.version), reason)
        found[record.parent] = Said(record.record_id, *said)
    return found


def _records(store: Store, where: RecordFilter, cursor: str | None) -> Iterator[Record]:
    while True:
        page = store.records(where, limit=AT_ONCE, cursor=cursor)
        yield from page.items
        cursor = page.cursor
        if cursor is None:
            return


def names_model(call: Call, model: str) -> bool:
    """Return whether a call is one of a model: its name, or the beginning of it and a star; case does not count."""
    wanted = model.strip().lower()
    for key in ("model", "request_model"):
        named = call.attributes.get(key)
        if isinstance(named, str):
            name = named.strip().lower()
            if name == wanted or (wanted.endswith("*") and name.startswith(wanted[:-1])):
                return True
    return False
