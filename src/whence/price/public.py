"""The public price list, genai-prices (the extra `prices`): which price was in force for a model, at a provider, when.

It is read as it was installed; nothing here asks the network. Its arithmetic is done by `price.rates`, seven times as
fast; a test holds the two equal for every model in the list.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from whence.price.rates import Rate, Rates, Unpriced

SOURCE: Final = "genai-prices"
INSTALL: Final = "pip install 'whence[prices]'"
_KNOWN_AT_MOST: Final = 4096
"""Models that are remembered; names come from outside, and may be endless."""


class PublicPrices:
    """genai-prices, loaded when this is made (half a second).

    Raises:
        Unpriced: it is not installed, or cannot be loaded; the message says what to do.
    """

    def __init__(self) -> None:
        try:
            import genai_prices
            from genai_prices import types
        except ModuleNotFoundError as exc:
            if exc.name != "genai_prices":
                raise Unpriced(f"genai-prices cannot be loaded ({exc}); {INSTALL}") from exc
            raise Unpriced(f"no price table is installed; {INSTALL}") from exc
        except Exception as exc:  # another library's trouble, of any kind: costs are then unknown, and this says why
            raise Unpriced(f"genai-prices cannot be loaded ({type(exc).__name__}: {exc}); {INSTALL}") from exc
        self._calculate, self._usage, self._tiered = genai_prices.calc_price, genai_prices.Usage, types.TieredPrices
        self.version: str = genai_prices.__version__
        self._found: dict[tuple[tuple[str, ...], str, str], Any] = {}

    def rates(
        self, models: tuple[str, ...], provider: str, server: str, context: Mapping[str, str], when: datetime
    ) -> Rates:
        """Return the price in force.

        Args:
            models: the names of the model, the most telling first.
            provider: as genai-prices calls it; "" where none is known, then the maker of the model is asked.
            server: whom the call went to, host or URL; it wins over `provider` where the list knows it. "" if unknown.
            context: what else the price depends on: service_tier, processing, speed.
            when: the time of the call.

        Raises:
            Unpriced: the list does not know the model, or has no price for it.
        """
        found = self._find(models, provider, server)
        if isinstance(found, str):
            raise Unpriced(found)
        own = context and any(found.model is each for each in found.provider.models)
        priced = found.model.get_prices(when, context if own else None)
        rates = self._as_rates(found, vars(priced))
        if rates.empty:
            if found.model.id.endswith(":free"):
                return Rates(**{**_fields(rates), "input": Rate(Decimal(0)), "output": Rate(Decimal(0))})
            raise Unpriced(f"the price table lists model {found.model.id!r} of {found.provider.id} without a price")
        return rates

    def since(self, models: tuple[str, ...], provider: str, when: datetime) -> tuple[date | None, date | None]:
        """Return the days that the price in force at a time holds from and until; None where the list names none."""
        found = self._find(models, provider, "")
        prices = [] if isinstance(found, str) else found.model.prices
        begun, until = None, None
        for each in prices if isinstance(prices, list) else ():
            start = getattr(each.constraint, "start_date", None)
            if start is not None and start <= when.date():
                begun = max(begun or start, start)
            elif start is not None:
                until = min(until or start, start)
        return begun, until

    def providers(self, model: str) -> list[str]:
        """Return the providers that the list knows a model of, by exactly this name."""
        from genai_prices.data_snapshot import get_snapshot

        return [each.id for each in get_snapshot().providers if each.find_model(model.lower()) is not None]

    def _find(self, models: tuple[str, ...], provider: str, server: str) -> Any:
        """Return what the list has of a model (a PriceCalculation over nothing), or why it has nothing."""
        key = (models, provider, server)
        if key not in self._found:
            if len(self._found) >= _KNOWN_AT_MOST:
                self._found.clear()
            self._found[key] = self._look(models, provider, server)
        return self._found[key]

    def _look(self, models: tuple[str, ...], provider: str, server: str) -> Any:
        for model, where in _questions(models, provider, server):
            try:
                return self._calculate(self._usage(), model, genai_request_timestamp=datetime.now(UTC), **where)
            except (LookupError, ValueError):  # not known there
                continue
        at = f" of provider {provider!r}" if provider else ""
        return f"the price table does not know model {models[0][:100]!r}{at}"

    def _as_rates(self, found: Any, prices: Mapping[str, Any]) -> Rates:
        def rate(key: str) -> Rate | None:
            price = prices.get(key)
            if isinstance(price, self._tiered):
                return Rate(price.base, tuple((tier.start, tier.price) for tier in price.tiers))
            return Rate(price) if price is not None else None

        def flat(key: str) -> Decimal | None:
            price = rate(key)
            return price.base if price is not None else None

        updated = found.auto_update_timestamp  # only where the program itself had genai-prices fetch newer ones
        return Rates(
            model=found.model.id,
            provider=found.provider.id,
            source=SOURCE,
            version=self.version if updated is None else f"{self.version}+{updated:%Y%m%dT%H%M%S}",
            input=rate("input_mtok"),
            output=rate("output_mtok"),
            cache_read=rate("cache_read_mtok"),
            cache_write=rate("cache_write_mtok"),
            cache_write_1h=rate("cache_write_1h_mtok"),
            reasoning=rate("output_reasoning_mtok"),
            per_1000_requests=flat("requests_kcount"),
            per_1000_web_searches=flat("web_searches_kcount"),
        )


def _fields(rates: Rates) -> dict[str, Any]:
    return {name: getattr(rates, name) for name in rates.__struct_fields__}


def _questions(models: tuple[str, ...], provider: str, server: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what to ask the list for, the most telling question first."""
    names = [name for model in models for name in _spellings(model)]
    if server:
        url = server if "://" in server else f"https://{server}"
        for name in names:
            yield name, {"provider_api_url": url}
    for name in names:
        if provider:
            yield name, {"provider_id": provider}
        else:
            yield name, {}
            if "/" in name:  # provider/model, as gateways write it
                yield name, {"provider_id": "litellm"}


def _spellings(model: str) -> Iterator[str]:
    yield model
    _, found, bare = model.rpartition("models/")  # models/…, publishers/google/models/…
    if found:
        yield bare
