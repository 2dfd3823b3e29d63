"""The price of one LLM call: token counts times rates, exactly, in Decimal. Pure.

Counts are the normalised ones of `model.llm`: input includes what went through the provider's cache, output includes
reasoning. So what has a rate of its own (a cache read, say) is taken out of the whole before the rest is priced; what
has none is priced as any other token of its side.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec

MILLION: Final = Decimal(1_000_000)
THOUSAND: Final = Decimal(1_000)
_EMBEDDING: Final = ("embedding", "embeddings", "embed")
_MOST: Final = 10**15
"""Tokens past this are no count: nobody sends that many, and sums must stay exact."""


class Unpriced(Exception):
    """A call has no price; the message says why. It never leaves this package."""


class Rate(msgspec.Struct, frozen=True):
    """US dollars for a million tokens. Above a tier's start, in input tokens of the call, its price holds for all."""

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()  # (more than so many input tokens, price), the lowest first

    def at(self, input_tokens: int) -> Decimal:
        """Return the price that holds for a call of so many input tokens."""
        price = self.base
        for start, of_tier in self.tiers:
            price = of_tier if input_tokens > start else price
        return price


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs, and who says so. None: no rate of its own."""

    model: str
    provider: str
    source: str  # genai-prices, override
    version: str  # of the price table
    input: Rate | None = None
    output: Rate | None = None
    cache_read: Rate | None = None
    cache_write: Rate | None = None
    cache_write_1h: Rate | None = None
    reasoning: Rate | None = None
    per_1000_requests: Decimal | None = None
    per_1000_web_searches: Decimal | None = None
    since: date | None = None  # in force from that day on, UTC
    until: date | None = None  # of a price of the list that has changed since: the day of the next one
    note: str | None = None

    @property
    def empty(self) -> bool:
        """Whether it says nothing of tokens."""
        return self.input is None and self.output is None


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What a call used."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0  # of cache_write: kept for an hour, which costs more
    reasoning: int = 0
    web_searches: int = 0


class Amount(msgspec.Struct, frozen=True):
    """US dollars, exactly."""

    total: Decimal
    input: Decimal
    output: Decimal


def count_of(value: Any) -> int | None:
    """Return a count of tokens, or None where it is none: not whole, negative, past all bounds."""
    if isinstance(value, float) and value.is_integer():
        value = int(value) if abs(value) <= _MOST else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        return None
    return value


def counts_of(call: Mapping[str, Any]) -> Counts:
    """Return what a call used.

    Args:
        call: the attributes of its span (`model.llm.LlmFields`).

    Raises:
        Unpriced: there are not enough counts to tell.
    """
    found = {name: count_of(call.get(f"{name}_tokens")) for name in ("input", "output", "total")}
    if call.get("operation") in _EMBEDDING:  # nothing comes out of it that is billed
        found["input"] = found["total"] if found["input"] is None else found["input"]
        found["output"] = found["output"] or 0
    if found["input"] is None and found["output"] is None:
        raise Unpriced(
            "the call failed, and says no token counts" if call.get("error") else "no token counts are known"
        )
    for name in ("input", "output"):
        if found[name] is None:
            raise Unpriced(f"the number of {name} tokens is not known")
    raw = call.get("usage")
    usage: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    return Counts(
        input=found["input"] or 0,
        output=found["output"] or 0,
        cache_read=count_of(call.get("cache_read_tokens")) or 0,
        cache_write=count_of(call.get("cache_write_tokens")) or 0,
        cache_write_1h=_within(usage, "cache_creation", "ephemeral_1h_input_tokens"),
        reasoning=count_of(call.get("reasoning_tokens")) or 0,
        web_searches=_within(usage, "server_tool_use", "web_search_requests"),
    )


def _within(usage: Mapping[str, Any], key: str, name: str) -> int:
    inner = usage.get(key)
    return (count_of(inner.get(name)) or 0) if isinstance(inner, Mapping) else 0


def amount(rates: Rates, used: Counts) -> Amount:
    """Return what a call cost at these rates.

    Raises:
        Unpriced: the rates do not cover what was used, or the counts contradict each other.
    """
    written_1h = min(used.cache_write_1h, used.cache_write) if rates.cache_write_1h is not None else 0
    written = used.cache_write - written_1h if rates.cache_write is not None else 0
    read = used.cache_read if rates.cache_read is not None else 0
    fresh = used.input - read - written - written_1h
    reasoned = used.reasoning if rates.reasoning is not None else 0
    said = used.output - reasoned
    if used.cache_read + used.cache_write > used.input:
        raise Unpriced("more tokens went through the cache than there are input tokens, which must include them")
    if said < 0:
        raise Unpriced("there are more reasoning tokens than output tokens, which must include them")
    for side, tokens, rate in (("input", fresh, rates.input), ("output", said, rates.output)):
        if tokens and rate is None:
            raise Unpriced(f"the price table has no price for {side} tokens of this model")

    def cost(tokens: int, rate: Rate | None) -> Decimal:
        return rate.at(used.input) * tokens / MILLION if rate is not None and tokens else Decimal(0)

    came_in = (
        cost(fresh, rates.input)
        + cost(read, rates.cache_read)
        + cost(written, rates.cache_write)
        + cost(written_1h, rates.cache_write_1h)
    )
    went_out = cost(said, rates.output) + cost(reasoned, rates.reasoning)
    beside = (rates.per_1000_requests or Decimal(0)) / THOUSAND
    beside += (rates.per_1000_web_searches or Decimal(0)) * used.web_searches / THOUSAND
    return Amount(came_in + went_out + beside, came_in, went_out)
