"""What LLM calls cost, by model, component, project, trace or day.

No roll-up has calls by model, so the calls of the window are read, by the index on kinds and the window's hours: 17 µs
a call, whatever else is stored. Sums over whole runs are in the rows of traces (`total_cost_usd`) and their roll-ups.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from whence.clock import iso_utc
from whence.errors import BadInput
from whence.model.filters import RecordFilter
from whence.price.calls import CALLS, Call, Progress, Said, calls, costs
from whence.price.rates import count_of
from whence.store.interface import Store

NOT_PRICED: Final = "not priced yet; whence cost reprice"

_KEYS: Final[Mapping[str, Callable[[Call], str]]] = {
    "model": lambda call: call.model,
    "component": lambda call: call.record.component,
    "project": lambda call: call.record.project,
    "trace": lambda call: call.record.trace,
    "day": lambda call: iso_utc(call.record.ts_ns)[:10],
}

BY: Final = tuple(_KEYS)
"""What totals are grouped by."""


class CostTotals(msgspec.Struct, kw_only=True):
    """Sums over LLM calls. `usd` is over the calls whose cost is known; None over none of those."""

    key: str = ""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    usd: float | None = None
    known: int = 0  # calls whose cost is known, not billed ones included
    given: int = 0  # of those, calls whose cost was given when they were recorded
    not_billed: int = 0  # of those, answered from the client's own cache
    unknown: int = 0  # calls whose cost is not known: they are in no sum
    reasons: dict[str, int] = {}  # why it is not known -> calls


class _Sum:
    """Totals that grow; money is added exactly."""

    __slots__ = ("totals", "usd")

    def __init__(self, key: str) -> None:
        self.totals, self.usd = CostTotals(key=key), Decimal(0)

    def add(self, call: Call, cost: Said | None) -> None:
        into = self.totals
        into.calls += 1
        for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
            setattr(into, name, getattr(into, name) + (count_of(call.attributes.get(name)) or 0))
        usd = cost.usd if cost is not None else call.given_usd
        if usd is None:
            into.unknown += 1
            reason = (cost.reason if cost is not None else None) or NOT_PRICED
            into.reasons[reason] = into.reasons.get(reason, 0) + 1
            return
        into.known += 1
        into.given += cost is None
        into.not_billed += cost is not None and not cost.billed
        self.usd += Decimal(repr(usd))

    def done(self) -> CostTotals:
        self.totals.usd = float(self.usd) if self.totals.known else None
        return self.totals


def totals(
    store: Store,
    where: RecordFilter = CALLS,
    *,
    by: str = "model",
    progress: Progress | None = None,
) -> tuple[CostTotals, list[CostTotals]]:
    """Return the totals over all calls that match, and over each group: the dearest first, days in order of time.

    Args:
        where: which calls; trace, project and window of the filter count.
        by: one of BY. A trace is named by its OpenTelemetry id.
        progress: called with (calls done, calls in all, about).

    Raises:
        BadInput: totals are not grouped by that.
    """
    if by not in _KEYS:
        raise BadInput(f"cannot group costs by {by!r}; accepted: {', '.join(BY)}")
    key_of, said = _KEYS[by], costs(store, where)
    every, groups = _Sum(""), dict[str, _Sum]()
    expected = store.totals().llm_calls if progress is not None else 0
    for number, call in enumerate(calls(store, where), 1):
        cost = said.get(call.record.record_id)
        key = key_of(call)
        if key not in groups:
            groups[key] = _Sum(key)
        every.add(call, cost)
        groups[key].add(call, cost)
        if progress is not None and not number % 1000:
            progress(number, max(expected, number))
    found = [group.done() for group in groups.values()]
    found.sort(
        key=(lambda each: each.key) if by == "day" else (lambda each: (-(each.usd or 0.0), -each.calls, each.key))
    )
    return every.done(), found
