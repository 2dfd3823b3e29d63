"""What one call costs: exactly as by hand, as genai-prices says for every model it has, and unknown rather than zero."""

import math
import socket
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, StartDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Run
from whence.model.payload import Cost
from whence.price.public import PublicPrices
from whence.price.rates import Counts, Rate, Rates, Unpriced, amount
from whence.price.table import CACHED, ESTIMATED, PriceTable, provider_named

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 1_000_000_000
TABLE = PriceTable()


def price(**call: Any) -> Cost:
    return TABLE.price(call, NOW_NS)


def exactly(usd: float | None) -> Decimal:
    """The amount that a float was made from."""
    assert usd is not None
    return Decimal(repr(usd))


# -- by hand ------------------------------------------------------------------------------------------------------------


def test_anthropic_with_cache_read_and_write() -> None:
    """Input includes what went through the cache: of 10,000 tokens 8,000 were read from it and 1,500 written to it."""
    cost = price(
        provider="anthropic",
        model="claude-sonnet-4-5-20250929",
        input_tokens=10_000,
        output_tokens=700,
        cache_read_tokens=8_000,
        cache_write_tokens=1_500,
    )

    by_hand = (500 * Decimal("3") + 8_000 * Decimal("0.30") + 1_500 * Decimal("3.75")) / 1_000_000
    assert exactly(cost.input_usd) == by_hand == Decimal("0.009525")
    assert exactly(cost.output_usd) == 700 * Decimal("15") / 1_000_000 == Decimal("0.0105")
    assert exactly(cost.usd) == Decimal("0.020025")
    assert (cost.provider, cost.source, cost.billed, cost.reason) == ("anthropic", "genai-prices", True, None)
    assert cost.version == PublicPrices().version


def test_openai_with_cached_tokens() -> None:
    """OpenAI's prompt_tokens include the cached ones, which cost half."""
    cost = price(
        provider="openai", model="gpt-4o-2024-08-06", input_tokens=12_345, output_tokens=678, cache_read_tokens=10_240
    )

    by_hand = (2_105 * Decimal("2.5") + 10_240 * Decimal("1.25") + 678 * Decimal("10")) / 1_000_000
    assert exactly(cost.usd) == by_hand == Decimal("0.0248425")


def test_what_anthropic_writes_to_its_cache_for_an_hour_costs_more() -> None:
    """Only the raw usage tells the two apart; a search of the web is in it too."""
    usage = {
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600},
        "server_tool_use": {"web_search_requests": 2},
    }
    cost = price(
        provider="anthropic",
        model="claude-sonnet-4-5",
        input_tokens=2_000,
        output_tokens=0,
        cache_write_tokens=1_000,
        usage=usage,
    )

    tokens = (1_000 * Decimal(3) + 400 * Decimal("3.75") + 600 * Decimal(6)) / 1_000_000
    assert exactly(cost.input_usd) == tokens
    assert exactly(cost.usd) == tokens + 2 * Decimal(10) / 1000


def test_a_tier_holds_for_all_tokens_of_a_call_that_is_above_it() -> None:
    """Past its start, not just for what is past it; the output too is priced by the tokens that went in."""
    rates = Rates(
        model="m",
        provider="p",
        source="s",
        version="1",
        input=Rate(Decimal(1), ((200_000, Decimal(2)),)),
        output=Rate(Decimal(10), ((200_000, Decimal(20)),)),
    )

    assert amount(rates, Counts(input=200_000, output=10)).total == Decimal("0.2001")
    assert amount(rates, Counts(input=200_001, output=10)).total == Decimal("0.400202")


def test_an_embedding_has_no_output_that_costs() -> None:
    """OpenAI's embeddings say prompt_tokens and total_tokens only."""
    cost = price(provider="openai", operation="embeddings", model="text-embedding-3-small", input_tokens=1_000_000)
    of_total = price(provider="openai", operation="embeddings", model="text-embedding-3-small", total_tokens=1_000_000)

    assert cost.usd == of_total.usd == 0.02


# -- as genai-prices says -----------------------------------------------------------------------------------------------


def _models() -> Iterator[tuple[Provider, ModelInfo]]:
    """Every model that is found under its own id; some are found under the ids of their regions only."""
    for provider in get_snapshot().providers:
        yield from ((provider, model) for model in provider.models if provider.find_model(model.id) is model)


COUNTS = (
    Counts(input=10_000, output=900, cache_read=7_000, cache_write=2_000, cache_write_1h=500, reasoning=300),
    Counts(input=1_000_000, output=50_000),
    Counts(input=7, output=0, cache_read=7),
    Counts(input=300_001, output=3, cache_write=300_001),
)


@pytest.mark.parametrize("used", COUNTS, ids=str)
def test_our_arithmetic_is_that_of_genai_prices_for_every_model(used: Counts) -> None:
    """To the last digit; where we say unknown it has no price for the tokens, and says zero, or less than all."""
    public, compared = PublicPrices(), 0
    usage = Usage(
        input_tokens=used.input,
        output_tokens=used.output,
        cache_read_tokens=used.cache_read,
        cache_write_tokens=used.cache_write,
        cache_write_1h_tokens=used.cache_write_1h,
        output_reasoning_tokens=used.reasoning,
    )
    for provider, model in _models():
        theirs = calc_price(usage, model.id, provider_id=provider.id, genai_request_timestamp=NOW)
        try:
            ours = amount(public.rates((model.id,), provider.id, "", {}, NOW), used)
        except Unpriced:
            priced = {key for key, value in vars(theirs.model_price).items() if value is not None}
            assert not {"input_mtok", "output_mtok"} <= priced, (provider.id, model.id)
            continue
        assert (ours.total, ours.input, ours.output) == (theirs.total_price, theirs.input_price, theirs.output_price)
        compared += 1
    assert compared > 1_000


@given(
    model=st.sampled_from(["claude-sonnet-4-5", "gpt-4o", "gemini-2.5-pro", "deepseek-chat", "sonar-deep-research"]),
    fresh=st.integers(0, 10**6),
    read=st.integers(0, 10**6),
    write=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
)
def test_whatever_the_counts(model: str, fresh: int, read: int, write: int, output: int) -> None:
    """The same law, over counts."""
    provider = {"g": "openai", "c": "anthropic", "d": "deepseek", "s": "perplexity"}[model[0]]
    provider = "google" if model.startswith("gemini") else provider
    total = fresh + read + write
    usage = Usage(input_tokens=total, output_tokens=output, cache_read_tokens=read, cache_write_tokens=write)

    theirs = calc_price(usage, model, provider_id=provider, genai_request_timestamp=NOW).total_price
    cost = price(
        provider=provider,
        model=model,
        input_tokens=total,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=write,
    )

    assert cost.usd == float(theirs)


def _changed_prices() -> Iterator[tuple[str, str, date]]:
    for provider, model in _models():
        for each in [] if isinstance(model.prices, ModelPrice) else model.prices[1:]:
            if isinstance(each.constraint, StartDateConstraint):
                yield provider.id, model.id, each.constraint.start_date


def test_the_price_is_that_of_the_time_of_the_call() -> None:
    """A call of last year costs what it cost last year, whenever it is priced."""
    changes = 0
    for provider, model, day in _changed_prices():
        start_ns = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
        call = {"provider": provider, "model": model, "input_tokens": 1_000_000, "output_tokens": 1_000_000}
        costs = []
        for ts_ns in (start_ns - 1_000_000_000, start_ns):
            when = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
            usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
            theirs = calc_price(usage, model, provider_id=provider, genai_request_timestamp=when).total_price
            costs.append(TABLE.price(call, ts_ns).usd)
            assert costs[-1] in (float(theirs), None), (provider, model, when)
        changes += None not in costs and costs[0] != costs[1]
    assert changes


@pytest.mark.parametrize(
    ("said", "context"),
    [
        ({"usage": {"service_tier": "batch"}}, {"processing": "batch"}),
        ({"service_tier": "flex"}, {"service_tier": "flex"}),
        ({"service_tier": "priority"}, {"service_tier": "priority"}),
    ],
)
def test_the_service_tier_that_answered_changes_the_price(said: dict[str, Any], context: dict[str, str]) -> None:
    """Where it was recorded: batch is cheaper, priority dearer."""
    model = "gpt-5"
    theirs = calc_price(
        Usage(input_tokens=1000, output_tokens=1000),
        model,
        provider_id="openai",
        genai_request_timestamp=NOW,
        price_context=context,
    )
    standard = price(provider="openai", model=model, input_tokens=1000, output_tokens=1000)
    cost = price(provider="openai", model=model, input_tokens=1000, output_tokens=1000, **said)

    assert cost.usd == float(theirs.total_price)
    assert cost.usd != standard.usd


# -- who bills ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "billed_by"),
    [
        ("openai", "gpt-4o", "openai"),
        ("azure.ai.openai", "gpt-4o", "azure"),
        ("Azure", "gpt-4o", "azure"),
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
        ("bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
        ("gcp.vertex_ai", "publishers/google/models/gemini-2.5-pro", "google"),
        ("vertex", "claude-sonnet-4-5@20250929", "google"),
        ("gcp.gen_ai", "models/gemini-2.5-flash", "google"),
        ("openrouter", "anthropic/claude-sonnet-4.5", "openrouter"),
        ("x_ai", "grok-4", "x-ai"),
        ("mistral_ai", "mistral-large-latest", "mistral"),
        ("litellm", "openai/gpt-4o", "openai"),
        (None, "openai/gpt-4o", "openai"),
        (None, "claude-sonnet-4-5-20250929", "anthropic"),
        ("unknown", "gpt-4o", "openai"),
    ],
)
def test_providers_by_all_their_names(provider: str | None, model: str, billed_by: str) -> None:
    """OpenTelemetry, its dialects and the clients name them differently."""
    cost = price(provider=provider, model=model, input_tokens=1000, output_tokens=100)

    assert cost.provider == billed_by
    assert cost.usd is not None
    assert cost.usd > 0


def test_the_host_that_was_asked_tells_who_bills() -> None:
    """The client is OpenAI's, the gateway is not."""
    call = {"provider": "openai", "input_tokens": 1000, "output_tokens": 100}

    assert price(**call, model="anthropic/claude-sonnet-4.5", server="openrouter.ai:443").provider == "openrouter"
    assert price(**call, model="gpt-4o", server="127.0.0.1:8123").provider == "openai"
    assert price(**call, model="gpt-4o", server="not a [url").provider == "openai"


def test_the_model_asked_stands_in_where_the_one_that_answered_is_not_known() -> None:
    """Some gateways answer with a name of their own."""
    cost = price(
        provider="openai", model="deployment-7", request_model="gpt-4o", input_tokens=1_000_000, output_tokens=0
    )

    assert (cost.model, cost.usd) == ("gpt-4o", 2.5)


def test_a_provider_that_the_list_does_not_have_is_not_guessed() -> None:
    """The same model may be free on one's own machine."""
    cost = price(provider="ollama", model="gpt-4o", input_tokens=1000, output_tokens=100)

    assert cost.usd is None
    assert cost.reason == "the price table does not know model 'gpt-4o' of provider 'ollama'"


@given(st.text(max_size=40))
def test_naming_a_provider_twice_is_naming_it_once(name: str) -> None:
    """So that prices.toml may use either name."""
    assert provider_named(provider_named(name)) == provider_named(name)


# -- unknown is not zero ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        ({"provider": "openai", "model": "gpt-none"}, "does not know model 'gpt-none' of provider 'openai'"),
        ({"model": ""}, "no model is named"),
        ({"model": {"content_sha256": "00"}}, "no model is named"),
        ({"input_tokens": None, "output_tokens": None}, "no token counts are known"),
        (
            {"input_tokens": None, "output_tokens": None, "error": "refused"},
            "the call failed, and says no token counts",
        ),
        ({"output_tokens": None}, "the number of output tokens is not known"),
        ({"output_tokens": -5}, "the number of output tokens is not known"),
        ({"output_tokens": True}, "the number of output tokens is not known"),
        ({"input_tokens": 1.5}, "the number of input tokens is not known"),
        ({"cache_read_tokens": 5000}, "more tokens went through the cache than there are input tokens"),
        ({"provider": "github-copilot"}, "lists model 'gpt-4o' of github-copilot without a price"),
        ({"model": "whisper-1"}, "the price table lists model 'whisper-1' of openai without a price"),
        ({"model": "text-embedding-3-small"}, "has no price for output tokens of this model"),
    ],
)
def test_what_cannot_be_told_is_unknown_and_says_why(call: dict[str, Any], reason: str) -> None:
    """None, never 0.0, in all three amounts."""
    cost = price(**{"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 100, **call})

    assert (cost.usd, cost.input_usd, cost.output_usd) == (None, None, None)
    assert reason in (cost.reason or "")


def test_an_answer_from_the_clients_own_cache_is_not_billed() -> None:
    """Whatever the model, and whether or not tokens are known."""
    for call in ({"model": "gpt-4o", "input_tokens": 1000, "output_tokens": 10}, {"model": "gpt-none"}):
        cost = price(**call, cache_hit=True)
        assert (cost.usd, cost.billed, cost.reason) == (0.0, False, CACHED)


def test_a_price_from_estimated_counts_says_so() -> None:
    """It is an amount, and not the provider's."""
    cost = price(provider="openai", model="gpt-4o", input_tokens=1000, output_tokens=0, tokens_estimated=True)

    assert (cost.usd, cost.reason) == (0.0025, ESTIMATED)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=20), each, max_size=3),
    max_leaves=6,
)
_KEYS = ("provider", "model", "request_model", "operation", "server", "usage", "cache_hit", "service_tier", "error")
_COUNT_KEYS = tuple(f"{name}_tokens" for name in ("input", "output", "total", "cache_read", "cache_write", "reasoning"))


@given(st.dictionaries(st.sampled_from(_KEYS + _COUNT_KEYS), _JSON | st.just("gpt-4o"), max_size=8))
def test_no_call_is_too_odd_to_be_priced(call: dict[str, Any]) -> None:
    """Attributes come from anybody's program: a price is finite, or unknown with a reason."""
    cost = price(**call)

    assert (cost.usd is None and cost.reason) or (cost.usd is not None and cost.usd >= 0 and math.isfinite(cost.usd))


# -- without the list, and without the network --------------------------------------------------------------------------


def test_without_genai_prices_costs_are_unknown_and_the_reason_says_what_to_install(run: Run) -> None:
    """The user's own prices hold nevertheless."""
    done = run(
        """
        import sys
        sys.modules["genai_prices"] = None  # as if it were not installed
        from decimal import Decimal
        from whence.price.overrides import OwnPrice, Overrides
        from whence.price.table import PriceTable
        own = Overrides((OwnPrice(model="mine", input_per_mtok=Decimal(2), output_per_mtok=Decimal(0)),), "override:1")
        table = PriceTable(own)
        for model in ("gpt-4o", "mine"):
            cost = table.price({"model": model, "input_tokens": 1_000_000, "output_tokens": 1}, 10**18)
            print(cost.usd, cost.reason)
        """
    )

    missing, mine = done.stdout.splitlines()
    assert missing == "None no price table is installed; pip install 'whence[prices]'"
    assert mine == "2.0 None"


def test_the_list_is_loaded_by_the_first_call_that_needs_it(run: Run) -> None:
    """It takes 0.3 s, which a question without LLM calls does not pay, nor a call that was never billed."""
    run(
        """
        import sys
        import whence.price.pricing, whence.price.totals
        from whence.price.table import PriceTable
        table = PriceTable()
        table.price({"model": "gpt-4o", "cache_hit": True}, 0)
        table.price({"model": "gpt-4o"}, 0)
        assert "genai_prices" not in sys.modules
        table.price({"model": "gpt-4o", "input_tokens": 1, "output_tokens": 1}, 0)
        assert "genai_prices" in sys.modules
        """
    )


def test_nobody_is_asked_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices are those that were installed."""

    def refused(*_: Any, **__: Any) -> Any:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)

    call = {"provider": "openai", "model": "gpt-4o", "input_tokens": 1000, "output_tokens": 0}
    assert PriceTable().price(call, NOW_NS).usd == 0.0025
