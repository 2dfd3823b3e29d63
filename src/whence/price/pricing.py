"""Cost records: made for what is new, and made anew where prices changed.

A cost is a derived record like a finding: its id follows from the call's, so pricing a call twice says it once. What is
new is found from where the last scan came to (`<data>/prices.cursor`); losing that file costs time and nothing else.

A known price changes by `reprice` only. One that was unknown is looked up again by the next question once the price table
is another one (`table.fingerprint`): who adds a price wants it to hold, and nothing that was said is lost.
"""

import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from whence.clock import derived_id
from whence.errors import StoreBusy, WhenceError
from whence.files import write_whole
from whence.model import record as kinds
from whence.model.filters import RecordFilter
from whence.model.payload import Cost
from whence.model.record import Record
from whence.price.calls import AT_ONCE, CALLS, EVERY, Call, Progress, Said, call_of, calls, costs, names_model
from whence.price.table import PriceTable, fingerprint
from whence.store import cursor as cursors
from whence.store.interface import Store
from whence.wire import records

PLACE: Final = "prices.cursor"
CHANGES_KEPT: Final = 10_000
_WAIT_S: Final = 2.0


class Priced(msgspec.Struct, kw_only=True):
    """What pricing did."""

    priced: int = 0  # calls that got a cost
    looked: int = 0  # calls that were looked at; after a loss of the cursor those that have a cost as well
    unknown: int = 0  # of those, without an amount; the record says why
    known_now: int = 0  # calls whose price was unknown, and is known since the table changed
    traces: tuple[str, ...] = ()  # OpenTelemetry ids of ended traces whose rows are made anew by it
    trouble: str | None = None  # what went wrong; the rest is priced by the next who asks


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A call whose price changed."""

    record_id: str  # of the call
    trace: str  # OpenTelemetry id, "" if none
    ts_ns: int
    project: str
    name: str
    model: str
    old_usd: float | None  # None: unknown, or never priced
    new_usd: float | None
    billed: bool
    version: str  # of the table that the new price is from
    reason: str | None


class Repriced(msgspec.Struct, kw_only=True):
    """What repricing did, or would do."""

    looked: int = 0
    changed: int = 0
    kept: int = 0  # a price that was known, and of which the table knows nothing now, stays
    old_usd: float = 0.0  # sums over the changed ones; unknown prices are in neither
    new_usd: float = 0.0
    old_unknown: int = 0  # changed ones whose price was not known, or not priced yet
    new_unknown: int = 0
    changes: list[Change] = []  # the first CHANGES_KEPT


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """How far the scan came: the record it came to, and that one's place in the store's order of arrival.

    It is believed only where that record is in that place, so neither a changed digit nor another store skips calls.
    """

    at: int
    record: str
    table: str = ""  # the price table that every call up to there was looked up in


def keep_priced(store: Store, data: Path, *, progress: Progress | None = None) -> Priced:
    """Price what is new, after a drain. Never raises for trouble with prices: a question must be answered without them.

    Args:
        store: what was drained into.
        data: the data directory, with prices.toml and prices.cursor.
        progress: called with (calls done, calls in all, about).
    """
    done = Priced()
    try:
        _price_pending(store, data, None, progress, done)
    except (WhenceError, OSError) as exc:
        done.trouble = str(exc)
    except Exception as exc:  # noqa: BLE001 - a mistake in here, or in a table: said to whoever asked, who gets an answer
        done.trouble = f"{type(exc).__name__}: {exc}"
    return done


def price_pending(
    store: Store, data: Path, *, table: PriceTable | None = None, progress: Progress | None = None
) -> Priced:
    """Price the LLM calls that arrived since the last time, and those of unknown price if the price table has changed.

    With nothing new it asks the store for one record.

    Calls whose cost was given when they were recorded get none. Two that do this at once do the same.

    Args:
        table: the prices; read from the data directory, if there is a call to price, where none is given.

    Raises:
        BadInput: prices.toml says something that is not accepted; then nothing was priced.
        StoreUnreachable, StoreBusy: the store could not be read or written; what was priced before that stays.
        OSError: prices.cursor could not be written; everything is priced.
    """
    done = Priced()
    _price_pending(store, data, table, progress, done)
    return done


def is_new(data: Path) -> bool:
    """Return whether the price table has changed since calls were priced; False where none were."""
    place = _read(data / PLACE)
    return place is not None and place.table != fingerprint(data)


def _price_pending(store: Store, data: Path, table: PriceTable | None, progress: Progress | None, done: Priced) -> None:
    place, now = _read(data / PLACE), fingerprint(data)
    before = place.table if place is not None else ""
    if place is not None:
        here = store.records(EVERY, limit=2, cursor=cursors.write("records", place.at - 1)).items
        if not here or here[0].record_id != place.record:
            place, before = None, ""  # another store than the one it was noted of
        elif len(here) == 1:
            if before != now:
                _look_again(store, data, table, progress, done)
                _write(data / PLACE, place.at, here[0], now)
            return
    newest = store.records(EVERY, limit=1, newest_first=True)  # noted before the scan: what arrives meanwhile is left
    if not newest.items:
        return
    total = store.totals().llm_calls if progress is not None else 0
    cursor = cursors.write("records", place.at) if place is not None else None
    priced_before = 0
    while True:
        page = store.records(CALLS, limit=AT_ONCE, cursor=cursor)
        todo = [call for call in map(call_of, page.items) if call.given_usd is None]
        if todo and table is None:
            table = PriceTable.load(data)
        if todo and table is not None:
            priced_before += len(todo) - _price(store, table, todo, done)
        done.looked += len(page.items)
        if progress is not None:
            progress(done.looked, max(total, done.looked))
        cursor = page.cursor
        if cursor is None:
            break
        _write(data / PLACE, cursors.read("records", cursor)[0], page.items[-1], before)
    if before != now and (place is not None or priced_before):
        _look_again(store, data, table, progress, done)
    if newest.cursor is not None:  # else it is the only record there is
        _write(data / PLACE, cursors.read("records, newest first", newest.cursor)[0], newest.items[0], now)


def _price(store: Store, table: PriceTable, todo: Sequence[Call], done: Priced) -> int:
    """Say what these calls cost; return how many had no cost yet."""
    made: list[bytes] = []
    for call in todo:
        cost = table.price(call.attributes, call.asked_ns)
        done.unknown += cost.usd is None
        made.append(_record(call, cost, ts_ns=call.record.ts_ns))
    stored, ended = _accept(store, made)
    done.priced += stored
    done.traces = tuple(dict.fromkeys((*done.traces, *ended)))
    return stored


def _look_again(store: Store, data: Path, table: PriceTable | None, progress: Progress | None, done: Priced) -> None:
    """Price the calls whose price was not known by another table than this one. One that is still unknown stays as it is."""
    unknown = [(record_id, said) for record_id, said in costs(store).items() if said.usd is None]
    if not unknown:
        return
    table, now_ns = table or PriceTable.load(data), time.time_ns()
    for begin in range(0, len(unknown), AT_ONCE):
        made: list[bytes] = []
        for record_id, old in unknown[begin : begin + AT_ONCE]:
            record = store.record(record_id)
            if record is None:
                continue
            call = call_of(record)
            new = table.price(call.attributes, call.asked_ns)
            if new.usd is not None:
                made.append(_record(call, new, ts_ns=max(now_ns, record.ts_ns), instead_of=old.record_id))
        if made:
            stored, ended = _accept(store, made)
            done.known_now += stored
            done.traces = tuple(dict.fromkeys((*done.traces, *ended)))
        if progress is not None:
            progress(min(begin + AT_ONCE, len(unknown)), len(unknown))


def _accept(store: Store, batch: Sequence[bytes]) -> tuple[int, tuple[str, ...]]:
    """Hand records to the store; one that is busy for a moment is asked again."""
    give_up = time.monotonic() + _WAIT_S
    while True:
        try:
            accepted = store.accept(batch)
            return accepted.stored, accepted.ended
        except StoreBusy:
            if time.monotonic() >= give_up:
                raise
            time.sleep(0.005)


def _record(call: Call, cost: Cost, *, ts_ns: int, instead_of: str = "") -> bytes:
    """Return a cost as a record.

    Args:
        ts_ns: when it is said. The first price of a call is as old as the call.
        instead_of: the id of the cost record that it takes the place of. The id follows from it, so that a price can
            come back that held before; of the first price it follows from the call alone, so that there is one.
    """
    of = call.record
    seed = f"cost:{of.record_id}:{instead_of}:{cost.source}:{cost.version}" if instead_of else f"cost:{of.record_id}"
    return records.encode(
        Record(
            record_id=derived_id(of.ts_ns, seed.encode()),
            kind=kinds.COST,
            name=of.name,
            ts_ns=ts_ns,
            trace=of.trace,
            span=of.span,
            parent=of.record_id,
            stage=of.stage,
            project=of.project,
            component=of.component,
            level=0,
            flags=0,
            payload=records.payload(cost),
        )
    )


# -- where the scan came to ---------------------------------------------------------------------------------------------


def _read(path: Path) -> _Place | None:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_Place)
    except (OSError, msgspec.MsgspecError):
        return None  # missing or damaged: everything is looked at again, and is priced already
    return found if 0 < found.at < 2**63 else None


def _write(path: Path, at: int, record: Record, table: str) -> None:
    write_whole(path, msgspec.json.encode(_Place(at=at, record=record.record_id, table=table)))


# -- prices that changed ------------------------------------------------------------------------------------------------


def reprice(
    store: Store,
    table: PriceTable,
    where: RecordFilter = CALLS,
    *,
    now_ns: int,
    model: str | None = None,
    include_given: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Repriced:
    """Price calls anew, each by the prices of its own time, and say what changed. Calls never priced are priced.

    A price that is known is not replaced by none, so a table that is missing today loses nothing.

    Args:
        where: which calls; trace, project and window of the filter count.
        now_ns: when the new prices are said.
        model: only calls of this model; a star at the end stands for any ending.
        include_given: also calls whose cost was given when they were recorded.
        dry_run: change nothing.
        progress: called with (calls done, calls in all, about).

    Raises:
        StoreUnreachable, StoreBusy: the store could not be read or written; what was priced before that stays.
    """
    done, before = Repriced(), costs(store, where)
    total = store.totals().llm_calls if progress is not None else 0
    for some in _portions(store, where):
        made: list[bytes] = []
        for call in some:
            if (model is None or names_model(call, model)) and (include_given or call.given_usd is None):
                made += _changed(call, table, before.get(call.record.record_id), now_ns, done)
        if made and not dry_run:
            _accept(store, made)
        if progress is not None:
            progress(done.looked, max(total, done.looked))
    return done


def _portions(store: Store, where: RecordFilter) -> Iterator[list[Call]]:
    portion: list[Call] = []
    for call in calls(store, where):
        portion.append(call)
        if len(portion) == AT_ONCE:
            yield portion
            portion = []
    yield portion


def _changed(call: Call, table: PriceTable, old: Said | None, now_ns: int, done: Repriced) -> list[bytes]:
    """Return the new cost record of a call, if it needs one."""
    done.looked += 1
    new = table.price(call.attributes, call.asked_ns)
    known = old.usd if old is not None else call.given_usd
    if new.usd is None and known is not None:
        done.kept += 1
        return []
    if old is None and known is not None and new.usd == known:
        return []  # as it was given
    if old is not None and (old.usd, old.input_usd, old.output_usd, old.billed, old.reason) == (
        new.usd,
        new.input_usd,
        new.output_usd,
        new.billed,
        new.reason,
    ):
        return []
    done.changed += 1
    done.old_usd, done.old_unknown = _plus(done.old_usd, known), done.old_unknown + (known is None)
    done.new_usd, done.new_unknown = _plus(done.new_usd, new.usd), done.new_unknown + (new.usd is None)
    if len(done.changes) < CHANGES_KEPT:
        done.changes.append(
            Change(
                record_id=call.record.record_id,
                trace=call.record.trace,
                ts_ns=call.record.ts_ns,
                project=call.record.project,
                name=call.record.name,
                model=call.model,
                old_usd=known,
                new_usd=new.usd,
                billed=new.billed,
                version=new.version,
                reason=new.reason,
            )
        )
    if old is None:
        return [_record(call, new, ts_ns=call.record.ts_ns)]
    return [_record(call, new, ts_ns=max(now_ns, call.record.ts_ns), instead_of=old.record_id)]


def _plus(total: float, usd: float | None) -> float:
    return total if usd is None else float(Decimal(repr(total)) + Decimal(repr(usd)))
