"""What calls cost together: the last price of each, and what is not known in no sum."""

from pathlib import Path

import pytest

from tests.builders import HOUR_NS, START_NS
from tests.price.conftest import SONNET, own_price, run_of
from whence.errors import BadInput
from whence.model.filters import RecordFilter
from whence.price.pricing import price_pending, reprice
from whence.price.table import PriceTable
from whence.price.totals import NOT_PRICED, totals
from whence.store.interface import Store

CALLS = (
    {**SONNET, "input_tokens": 10_000, "cache_read_tokens": 8_000, "cache_write_tokens": 1_000},
    {"provider": "openai", "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 100},
    {"provider": "openai", "model": "gpt-4o", "input_tokens": 1_000, "output_tokens": 100, "cache_hit": True},
    {"model": "m-1", "input_tokens": 10, "output_tokens": 1, "cost_usd": 0.25},
    {"model": "m-1", "input_tokens": 10, "output_tokens": 1},
    {"model": "m-2"},
)


def test_by_model(store: Store, home: Path) -> None:
    """Calls, tokens and money of each; the dearest first, and what is not known is counted with its reason."""
    store.accept(run_of(1, *CALLS).records)
    price_pending(store, home)

    every, groups = totals(store)

    assert [group.key for group in groups] == ["m-1", "claude-sonnet-4-5", "gpt-4o", "m-2"]
    given, sonnet, gpt, nothing = groups
    assert (sonnet.calls, sonnet.input_tokens, sonnet.cache_read_tokens, sonnet.cache_write_tokens) == (
        1,
        10_000,
        8_000,
        1_000,
    )
    assert (sonnet.usd, sonnet.known, sonnet.unknown) == (0.01065, 1, 0)
    assert (gpt.calls, gpt.usd, gpt.known, gpt.not_billed) == (2, 0.0035, 2, 1)
    assert (given.calls, given.usd, given.given, given.unknown) == (2, 0.25, 1, 1)
    assert given.reasons == {"the price table does not know model 'm-1'": 1}
    assert (nothing.usd, nothing.unknown, nothing.reasons) == (None, 1, {"no token counts are known": 1})
    assert (every.calls, every.usd, every.known, every.unknown) == (6, 0.26415, 4, 2)


def test_by_everything_else(store: Store, home: Path) -> None:
    """Component, project, trace and day; days in order of time."""
    first, second = run_of(1, SONNET), run_of(2, SONNET, SONNET, project="other")
    later = run_of(24 * 60, SONNET)
    store.accept([*first.records, *second.records, *later.records])
    price_pending(store, home)

    def grouped(by: str) -> list[tuple[str, int]]:
        return [(group.key, group.calls) for group in totals(store, by=by)[1]]

    assert grouped("day") == [("2026-01-01", 3), ("2026-01-02", 1)]
    assert sorted(grouped("project")) == [("acme", 2), ("other", 2)]
    assert grouped("component") == [("tests", 4)]
    assert grouped("trace")[0] == (second.otel_trace_id, 2)
    with pytest.raises(BadInput, match="accepted: model, component, project, trace, day"):
        totals(store, by="colour")


def test_only_what_is_asked_for(store: Store, home: Path) -> None:
    """Window, project and trace."""
    early, late = run_of(1, SONNET), run_of(200, SONNET, SONNET, project="other")
    store.accept([*early.records, *late.records])
    price_pending(store, home)

    assert totals(store, RecordFilter(since_ns=START_NS + HOUR_NS))[0].calls == 2
    assert totals(store, RecordFilter(until_ns=START_NS + HOUR_NS))[0].usd == 0.0045
    assert totals(store, RecordFilter(project="other"))[0].calls == 2
    assert totals(store, RecordFilter(trace=early.otel_trace_id))[0].usd == 0.0045


def test_the_last_price_of_a_call_counts(store: Store, home: Path) -> None:
    """However often it was priced, also where the call lies in a window that ended before that."""
    store.accept(run_of(1, {"model": "mine", "input_tokens": 1_000_000, "output_tokens": 0}).records)
    for hours, usd in enumerate((1, 3, 2), 100):
        own_price(home, "mine", usd)
        reprice(store, PriceTable.load(home), now_ns=START_NS + hours * HOUR_NS)

    every, _ = totals(store, RecordFilter(since_ns=START_NS, until_ns=START_NS + HOUR_NS))

    assert (every.calls, every.usd) == (1, 2.0)


def test_what_is_not_priced_yet_is_not_zero(store: Store) -> None:
    """Where pricing had trouble."""
    store.accept(run_of(1, SONNET).records)

    every, _ = totals(store)

    assert (every.usd, every.unknown, every.reasons) == (None, 1, {NOT_PRICED: 1})


def test_money_is_added_exactly(store: Store) -> None:
    """Ten dimes are a dollar."""
    store.accept(run_of(1, *[{"model": "m", "cost_usd": 0.1}] * 10).records)

    assert totals(store)[0].usd == 1.0


def test_nothing_is_no_cost(store: Store) -> None:
    """And no group."""
    every, groups = totals(store)

    assert (every.calls, every.usd, groups) == (0, None, [])
