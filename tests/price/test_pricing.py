"""Cost records: each call is priced once, a later question pays for what is new only, and prices can change."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import HOUR_NS, START_NS, Run, record
from tests.conftest import Run as RunProgram
from tests.price.conftest import SONNET, amounts, costs_of, own_price, run_of
from whence.errors import BadInput, StoreUnreachable
from whence.model import record as kinds
from whence.model.filters import RecordFilter
from whence.price import pricing
from whence.price.pricing import PLACE, keep_priced, price_pending, reprice
from whence.price.table import PriceTable
from whence.sink import Accepted
from whence.store.interface import Store
from whence.store.memory import MemoryStore
from whence.store.sqlite import SqliteStore

MINE: dict[str, Any] = {"model": "mine", "input_tokens": 1_000_000, "output_tokens": 0}
LATER_NS = START_NS + 1000 * HOUR_NS


class Watched:
    """A store that notes what is asked of it."""

    def __init__(self, store: Store) -> None:
        self.store, self.asked, self.given = store, [], 0

    def records(self, where: RecordFilter, **how: Any) -> Any:
        page = self.store.records(where, **how)
        self.asked.append(len(page.items))
        return page

    def accept(self, batch: Sequence[bytes]) -> Accepted:
        self.given += len(batch)
        return self.store.accept(batch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


# -- what is new --------------------------------------------------------------------------------------------------------


def test_a_call_gets_a_cost_record_that_hangs_on_it(store: Store, home: Path) -> None:
    """Same trace, span, stage, project and component; its parent is the record of the call's end."""
    run = run_of(1, SONNET)
    store.accept(run.records)
    (call,) = store.records(RecordFilter(kinds=(kinds.SPAN_END,))).items

    done = price_pending(store, home)

    ((made, cost),) = costs_of(store)
    assert (done.priced, done.unknown, done.looked, done.traces) == (1, 0, 1, (run.otel_trace_id,))
    assert made.parent == call.record_id
    for name in ("trace", "span", "stage", "project", "component", "ts_ns", "name"):
        assert getattr(made, name) == getattr(call, name)
    assert (cost.usd, cost.model, cost.provider, cost.source) == (
        0.0045,
        "claude-sonnet-4-5",
        "anthropic",
        "genai-prices",
    )


def test_the_row_of_the_trace_has_the_sum(store: Store, home: Path) -> None:
    """Priced and given costs together; after a new price, by that."""
    run = run_of(1, MINE, {**MINE, "input_tokens": 500_000}, {"model": "m", "cost_usd": 0.25})
    store.accept(run.records)

    for usd in (1, 2):
        own_price(home, "mine", usd)
        price_pending(store, home)
        reprice(store, PriceTable.load(home), now_ns=LATER_NS)
        row = store.trace(run.otel_trace_id)
        assert row is not None
        assert row.total_cost_usd == usd * 1.5 + 0.25


def test_pricing_twice_is_pricing_once(store: Store, home: Path) -> None:
    """The second time there is nothing to do."""
    store.accept(run_of(1, SONNET, SONNET).records)

    assert price_pending(store, home).priced == 2
    assert price_pending(store, home).looked == 0
    assert len(amounts(store)) == 2


def test_with_nothing_new_the_store_is_asked_for_one_record(store: Store, home: Path) -> None:
    """Whatever it holds: stages that end after the last call do not count either."""
    for number in range(1, 40):
        store.accept(run_of(number, SONNET).stage("after").records)
    price_pending(store, home)
    price_pending(store, home)  # comes past the cost records
    watched = Watched(store)

    price_pending(watched, home)  # type: ignore[arg-type]

    assert watched.asked == [1]


def test_what_is_new_is_found_after_the_last_one(store: Store, home: Path) -> None:
    """One call arrives, one is looked at."""
    for number in range(1, 10):
        store.accept(run_of(number, SONNET).records)
        done = price_pending(store, home)
        assert (done.looked, done.priced) == (1, 1)


def test_a_call_that_ends_in_a_later_batch_is_not_missed(store: Store, home: Path) -> None:
    """The trace was looked at before, with another call of its own."""
    run = run_of(1, SONNET, SONNET)
    ends = [at for at, each in enumerate(run.records) if b'"span.end"' in each]
    store.accept(run.records[: ends[1]])
    price_pending(store, home)
    store.accept(run.records[ends[1] :])

    assert price_pending(store, home).priced == 1
    assert len(amounts(store)) == 2


def test_a_cost_that_was_given_is_left_alone(store: Store, home: Path) -> None:
    """Whoever recorded the call knows better."""
    store.accept(run_of(1, {**SONNET, "cost_usd": 0.5}, {**SONNET, "cost_usd": 0}).records)

    done = price_pending(store, home)

    assert (done.looked, done.priced) == (2, 0)
    assert costs_of(store) == []


def test_other_spans_are_no_llm_calls(store: Store, home: Path) -> None:
    """A stage costs what the calls in it cost."""
    store.accept(Run(1).start().stage("synthesis", {"model": "gpt-4o", "input_tokens": 5}).end().records)

    assert price_pending(store, home).looked == 0


def test_an_unknown_price_is_recorded_with_its_reason(store: Store, home: Path) -> None:
    """So that whoever looks at the call learns why."""
    store.accept(run_of(1, {"model": "m-1", "input_tokens": 5, "output_tokens": 5}).records)

    done = price_pending(store, home)

    ((_, cost),) = costs_of(store)
    assert (done.priced, done.unknown) == (1, 1)
    assert (cost.usd, cost.reason) == (None, "the price table does not know model 'm-1'")


def test_the_price_is_that_of_when_the_call_began(store: Store, home: Path) -> None:
    """A call that ran over midnight was asked for at the old price."""
    midnight_ns = START_NS + 24 * HOUR_NS
    own_price(home, "mine", 1)
    with (home / "prices.toml").open("a") as file:
        file.write('[[price]]\nmodel = "mine"\ninput_per_mtok = 2\noutput_per_mtok = 2\nfrom = 2026-01-02\n')
    end = {"type": "llm", "duration_ns": 10_000_000_000, "attributes": MINE}
    ends = [record(n, kinds.SPAN_END, end, ts_ns=midnight_ns + n * 1_000_000_000, trace="a" * 32) for n in (9, 10)]
    store.accept([pricing.records.encode(each) for each in ends])

    price_pending(store, home)

    assert amounts(store) == [1.0, 2.0]


def test_odd_records_are_no_trouble(store: Store, home: Path) -> None:
    """A payload of another shape is a call of which nothing is known."""
    odd = [{"type": "llm", "attributes": 3}, {"type": "llm", "duration_ns": "long", "attributes": {"model": [1]}}]
    run = Run(1).start()
    for data in odd:
        run.add(kinds.SPAN_END, data)
    store.accept(run.records)

    assert keep_priced(store, home).trouble is None
    assert [cost.reason for _, cost in costs_of(store)] == ["no model is named"] * 2


# -- where it left off --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["lost", "changed", "empty", "nonsense"])
def test_losing_the_cursor_costs_time_and_nothing_else(store: Store, home: Path, damage: str) -> None:
    """Everything is looked at again, and is priced already."""
    store.accept(run_of(1, SONNET, SONNET).records)
    store.accept(run_of(2, SONNET).records)
    price_pending(store, home)
    place = home / PLACE
    text = place.read_text()
    if damage == "lost":
        place.unlink()
    else:
        place.write_text({"changed": text.replace('"at":', '"at":1'), "empty": "", "nonsense": "[]"}[damage])

    done = price_pending(store, home)

    assert (done.looked, done.priced) == (3, 0)
    assert len(amounts(store)) == 3
    assert price_pending(store, home).looked == 0


@pytest.mark.parametrize("runs", [1, 9])
def test_a_cursor_of_another_store_is_not_believed(store: Store, home: Path, runs: int) -> None:
    """The file was deleted and recording began anew, or a backup was put in its place: it holds less, or more."""
    other = MemoryStore()
    for number in range(1, 5):
        other.accept(run_of(number, SONNET).records)
    price_pending(other, home)

    for number in range(20, 20 + runs):
        store.accept(run_of(number, SONNET).records)

    assert price_pending(store, home).priced == runs


def test_new_prices_do_not_reach_back_when_the_cursor_is_lost(store: Store, home: Path) -> None:
    """What was priced stays priced until somebody asks for it to be priced anew."""
    own_price(home, "mine", 1)
    store.accept(run_of(1, MINE).records)
    price_pending(store, home)
    own_price(home, "mine", 2)
    (home / PLACE).unlink(missing_ok=True)

    price_pending(store, home)

    assert amounts(store) == [1.0]


def test_cut_off_in_the_middle_it_goes_on_from_there(store: Store, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was accepted before is not looked at again."""
    monkeypatch.setattr(pricing, "AT_ONCE", 2)
    store.accept(run_of(1, *[SONNET] * 7).records)
    watched = Watched(store)

    def failing(batch: Sequence[bytes]) -> Accepted:
        if watched.given >= 4:
            raise StoreUnreachable("no room")
        watched.given += len(batch)
        return store.accept(batch)

    monkeypatch.setattr(watched, "accept", failing)
    with pytest.raises(StoreUnreachable):
        price_pending(watched, home)  # type: ignore[arg-type]

    done = price_pending(store, home)

    assert (done.looked, done.priced) == (3, 3)
    assert len(amounts(store)) == 7


@given(
    batches=st.lists(st.integers(0, 3), max_size=6),
    priced_after=st.lists(st.booleans(), min_size=6, max_size=6),
    lost_after=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_however_it_is_cut_each_call_is_priced_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], priced_after: list[bool], lost_after: list[bool]
) -> None:
    """The cost records are those of pricing everything once, at the end."""
    home, one, other = tmp_path_factory.mktemp("home"), MemoryStore(), MemoryStore()
    for number, calls in enumerate(batches, 1):
        run = run_of(number, *[SONNET] * calls)
        one.accept(run.records)
        other.accept(run.records)
        if priced_after[number - 1]:
            price_pending(one, home)
        if lost_after[number - 1]:
            (home / PLACE).unlink(missing_ok=True)
    price_pending(one, home)
    (home / PLACE).unlink(missing_ok=True)
    price_pending(other, home)

    assert sorted(made.record_id for made, _ in costs_of(one)) == sorted(made.record_id for made, _ in costs_of(other))
    assert len(costs_of(one)) == sum(batches)


def test_two_who_ask_at_once_do_no_harm(tmp_path: Path, home: Path) -> None:
    """Two connections to one file, as two processes have."""
    stores = [SqliteStore.open(tmp_path / "whence.db") for _ in range(2)]
    for number in range(1, 30):
        stores[0].accept(run_of(number, SONNET, SONNET).records)
    together, done = threading.Barrier(2), []

    def ask(store: SqliteStore) -> None:
        together.wait()
        done.append(keep_priced(store, home))

    threads = [threading.Thread(target=ask, args=(store,)) for store in stores]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert [each.trouble for each in done] == [None, None]
    assert sum(each.priced for each in done) == 58
    assert len(amounts(stores[0])) == 58
    for store in stores:
        store.close()


# -- what was unknown ---------------------------------------------------------------------------------------------------


def test_an_unknown_price_is_looked_up_again_once_the_table_changes(store: Store, home: Path) -> None:
    """Without being asked, as nothing known is lost; and only then."""
    run = run_of(1, MINE, SONNET, {**MINE, "model": "yours"})
    store.accept(run.records)
    price_pending(store, home)
    assert amounts(store) == [None, 0.0045, None]

    own_price(home, "mine", 2)
    done = price_pending(store, home)

    assert (done.looked, done.priced, done.known_now, done.traces) == (0, 0, 1, (run.otel_trace_id,))
    assert amounts(store) == [None, 0.0045, None, 2.0]
    row = store.trace(run.otel_trace_id)
    assert row is not None
    assert row.total_cost_usd == 2.0045
    assert price_pending(store, home).known_now == 0
    own_price(home, "mine", 3)  # it is known now: that changes by `reprice` only
    assert price_pending(store, home).known_now == 0
    assert len(amounts(store)) == 4


def test_it_is_looked_up_again_beside_what_is_new(store: Store, home: Path) -> None:
    """Also where the place was lost, and with it by which table they were priced."""
    for number, lost in enumerate((False, True), 1):
        store.accept(run_of(2 * number, {**MINE, "model": f"mine-{number}"}).records)
        price_pending(store, home)
        own_price(home, f"mine-{number}", 2)
        if lost:
            (home / PLACE).unlink()
        store.accept(run_of(2 * number + 1, SONNET).records)

        done = price_pending(store, home)

        assert (done.priced, done.known_now) == (1, 1)
    assert amounts(store).count(2.0) == 2


def test_with_the_same_table_nobody_looks_again(store: Store, home: Path) -> None:
    """One small read of the store, whatever is unknown; and none of the price list."""
    store.accept(run_of(1, MINE).records)
    own_price(home, "other", 1)
    price_pending(store, home)
    price_pending(store, home)
    watched = Watched(store)

    price_pending(watched, home)  # type: ignore[arg-type]

    assert watched.asked == [1]
    assert pricing.is_new(home) is False
    own_price(home, "other", 2)
    assert pricing.is_new(home) is True


def test_a_mistake_in_prices_toml_matters_where_a_price_depends_on_it(store: Store, home: Path) -> None:
    store.accept(run_of(1, SONNET).records)
    price_pending(store, home)
    (home / "prices.toml").write_text("[[price]]\nmodel = 3\n")
    assert keep_priced(store, home).trouble is None

    (home / "prices.toml").unlink()
    store.accept(run_of(2, MINE).records)
    price_pending(store, home)
    (home / "prices.toml").write_text("[[price]]\nmodel = 3\n")
    assert "price[0].model" in (keep_priced(store, home).trouble or "")
    own_price(home, "mine", 1)
    assert keep_priced(store, home).known_now == 1


# -- trouble ------------------------------------------------------------------------------------------------------------


def test_trouble_with_prices_is_told_and_not_raised(store: Store, home: Path) -> None:
    """A question must be answered without them; once mended, the calls are priced."""
    store.accept(run_of(1, MINE).records)
    (home / "prices.toml").write_text("[[price]]\nmodel = 3\n")

    done = keep_priced(store, home)

    assert str(home / "prices.toml") in (done.trouble or "")
    assert costs_of(store) == []
    with pytest.raises(BadInput):
        price_pending(store, home)
    own_price(home, "mine", 1)
    assert keep_priced(store, home).priced == 1


def test_a_store_that_can_only_be_read_is_trouble_and_no_more(tmp_path: Path, home: Path) -> None:
    """A backup, somebody else's data."""
    made = SqliteStore.open(tmp_path / "whence.db")
    made.accept(run_of(1, SONNET).records)
    made.close()
    store = SqliteStore.open(tmp_path / "whence.db", read_only=True)

    assert "reading only" in (keep_priced(store, home).trouble or "")
    store.close()


def test_a_cursor_that_cannot_be_written_costs_time(store: Store, home: Path) -> None:
    """The costs are there; that the next one looks again is said."""
    store.accept(run_of(1, SONNET, SONNET).records)
    (home / PLACE).mkdir()

    done = keep_priced(store, home)

    assert done.priced == 2
    assert done.trouble is not None


def test_without_the_list_unknown_costs_name_the_remedy_and_once_it_is_there_they_are_known(
    store: Store, home: Path, run: RunProgram
) -> None:
    """As in an environment without genai-prices, and then in one with it."""
    missing = "no price table is installed; pip install 'whence[prices]'"
    program = """
        import sys
        sys.modules["genai_prices"] = None
        from pathlib import Path
        from tests.price.conftest import SONNET, costs_of, run_of
        from whence.price.pricing import keep_priced
        from whence.store.sqlite import SqliteStore
        store = SqliteStore.open(Path({path!r}) / "whence.db")
        store.accept(run_of(1, SONNET).records)
        assert keep_priced(store, Path({path!r})).unknown == 1
        print(costs_of(store)[0][1].reason)
        """
    assert run(program.format(path=str(home))).stdout.strip() == missing

    installed = SqliteStore.open(home / "whence.db")
    assert keep_priced(installed, home).known_now == 1
    assert amounts(installed) == [None, 0.0045]
    installed.close()


# -- prices that changed ------------------------------------------------------------------------------------------------


def test_repricing_says_old_and_new_and_a_price_can_come_back(store: Store, home: Path) -> None:
    """There and back and there again: the last cost record of a call is the one that holds."""
    store.accept(run_of(1, MINE, {**MINE, "input_tokens": 500_000}).records)
    own_price(home, "mine", 1)
    price_pending(store, home)

    for usd in (2, 1, 2):
        own_price(home, "mine", usd)
        done = reprice(store, PriceTable.load(home), now_ns=LATER_NS)
        assert [each.new_usd for each in done.changes] == [usd, usd / 2]
        assert (done.old_usd, done.new_usd) == (4.5 - usd * 1.5, usd * 1.5)
        assert amounts(store)[-2:] == [usd, usd / 2]
    assert amounts(store) == [1.0, 0.5, 2.0, 1.0, 1.0, 0.5, 2.0, 1.0]


def test_repricing_by_the_same_prices_changes_nothing(store: Store, home: Path) -> None:
    """Nor does another version of the table that has the same price."""
    store.accept(run_of(1, MINE).records)
    own_price(home, "mine", 1)
    price_pending(store, home)
    own_price(home, "mine", 1, note='"signed"')

    done = reprice(store, PriceTable.load(home), now_ns=LATER_NS)

    assert (done.looked, done.changed, done.changes) == (1, 0, [])
    assert amounts(store) == [1.0]


def test_a_dry_run_says_the_same_and_writes_nothing(store: Store, home: Path) -> None:
    """What would change is what changes then."""
    store.accept(run_of(1, MINE).records)
    own_price(home, "mine", 1)
    price_pending(store, home)
    own_price(home, "mine", 2)
    table = PriceTable.load(home)

    dry = reprice(store, table, now_ns=LATER_NS, dry_run=True)
    assert amounts(store) == [1.0]
    assert reprice(store, table, now_ns=LATER_NS) == dry


def test_two_repricings_at_once_say_the_same(store: Store, home: Path) -> None:
    """From the same state by the same prices follows the same record, whenever it is said."""
    store.accept(run_of(1, MINE).records)
    own_price(home, "mine", 1)
    price_pending(store, home)
    own_price(home, "mine", 2)
    watched = Watched(store)
    said: list[bytes] = []
    watched.accept = lambda batch: said.extend(batch) or Accepted()  # type: ignore[method-assign,func-returns-value]

    for now_ns in (LATER_NS, LATER_NS + 1):
        reprice(watched, PriceTable.load(home), now_ns=now_ns)  # type: ignore[arg-type]

    assert [store.accept([each]).stored for each in said] == [1, 0]


def test_only_what_is_asked_for_is_priced_anew(store: Store, home: Path) -> None:
    """By trace, project, window and model."""
    early, late = run_of(1, MINE), run_of(200, MINE, {**MINE, "model": "mine-2"}, project="other")
    store.accept([*early.records, *late.records])
    own_price(home, "mine*", 1)
    price_pending(store, home)
    own_price(home, "mine*", 2)
    table = PriceTable.load(home)

    def changed(where: RecordFilter, model: str | None = None) -> int:
        return reprice(store, table, where, now_ns=LATER_NS, model=model, dry_run=True).changed

    assert changed(RecordFilter()) == 3
    assert changed(RecordFilter(trace=early.otel_trace_id)) == 1
    assert changed(RecordFilter(project="other")) == 2
    assert changed(RecordFilter(since_ns=START_NS + HOUR_NS)) == 2
    assert changed(RecordFilter(until_ns=START_NS + HOUR_NS)) == 1
    assert changed(RecordFilter(), "MINE-*") == 1
    assert changed(RecordFilter(), "mine") == 2


def test_a_known_price_is_never_replaced_by_none(store: Store, home: Path) -> None:
    """A table that lacks the model today, or is not installed, loses nothing."""
    store.accept(run_of(1, MINE).records)
    own_price(home, "mine", 1)
    price_pending(store, home)

    done = reprice(store, PriceTable(), now_ns=LATER_NS)

    assert (done.changed, done.kept) == (0, 1)
    assert amounts(store) == [1.0]


def test_given_costs_are_priced_on_demand_only(store: Store, home: Path) -> None:
    """And then by the same rules: one that the table does not know stays as given."""
    store.accept(run_of(1, {**MINE, "cost_usd": 5.0}, {**MINE, "cost_usd": 1.0}, {"model": "?", "cost_usd": 3}).records)
    own_price(home, "mine", 1)
    table = PriceTable.load(home)

    assert reprice(store, table, now_ns=LATER_NS).looked == 0
    done = reprice(store, table, now_ns=LATER_NS, include_given=True)

    assert [(each.old_usd, each.new_usd) for each in done.changes] == [(5.0, 1.0)]
    assert (done.looked, done.kept) == (3, 1)
    assert amounts(store) == [1.0]


def test_calls_that_were_never_priced_are_priced(store: Store, home: Path) -> None:
    """The first price is the same record that pricing would have made."""
    store.accept(run_of(1, MINE).records)
    own_price(home, "mine", 1)

    done = reprice(store, PriceTable.load(home), now_ns=LATER_NS)

    assert (done.changed, done.old_unknown, done.new_usd) == (1, 1, 1.0)
    assert price_pending(store, home).priced == 0
    assert amounts(store) == [1.0]
