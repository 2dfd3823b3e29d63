"""The price table in force: the user's own prices (`price.overrides`), then the public ones (`price.public`)."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from whence.model.payload import Cost
from whence.price.overrides import FILE, Overrides
from whence.price.public import SOURCE as PUBLIC
from whence.price.public import PublicPrices
from whence.price.rates import Amount, Rates, Unpriced, amount, counts_of

CACHED: Final = "answered from the client's own cache: not billed"
ESTIMATED: Final = "from estimated token counts"
_NAME_CHARS: Final = 200
_NS: Final = 1_000_000_000

_PROVIDERS: Final = {
    "bedrock": "aws",
    "aws_bedrock": "aws",
    "amazon_bedrock": "aws",
    "bedrock_converse": "aws",
    "vertex": "google",
    "vertexai": "google",
    "vertex_ai": "google",
    "gemini": "google",
    "google_genai": "google",
    "google_gla": "google",
    "google_vertex": "google",
    "gcp_gen_ai": "google",
    "gcp_gemini": "google",
    "gcp_vertex_ai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "xai": "x-ai",
    "x_ai": "x-ai",
    "grok": "x-ai",
    "together_ai": "together",
    "togetherai": "together",
    "fireworks_ai": "fireworks",
    "perplexity_ai": "perplexity",
    "moonshot": "moonshotai",
}
"""What clients, OpenTelemetry and its dialects call a provider, and what the price list calls it; `.`, `-`, `_` alike."""


def provider_named(given: object) -> str:
    """Return a provider by the name that the price list has for it; "" where none is given."""
    if not isinstance(given, str) or given.strip().lower() in ("", "unknown", "none"):
        return ""
    plain = given.strip().lower()
    key = plain.replace(".", "_").replace("-", "_").replace(" ", "_")
    if key.startswith(("azure", "az_ai", "microsoft_foundry")):
        return "azure"
    return _PROVIDERS.get(key, plain[:_NAME_CHARS])


def fingerprint(data: Path) -> str:
    """Return what changes when a price table does: the user's own, or the version of the public one. Loads neither."""
    try:
        own = hashlib.sha256((data / FILE).read_bytes()).hexdigest()[:16]
    except OSError:
        own = ""
    return f"{own}:{_installed()}"


@cache
def _installed() -> str:
    """Return the version of genai-prices by the name of its metadata, as a tenth of what `importlib.metadata` takes."""
    try:
        spec = find_spec("genai_prices")
    except ValueError:  # something else goes by its name here
        spec = None
    if spec is None or spec.origin is None:
        return ""
    found = sorted(Path(spec.origin).parent.parent.glob("genai_prices-*.dist-info"))
    return found[-1].name if found else spec.origin


class PriceTable:
    """What is known of prices. The public ones are loaded when the first call needs them.

    Args:
        own: the user's own prices.
    """

    def __init__(self, own: Overrides | None = None) -> None:
        self._own = own or Overrides()
        self._public: PublicPrices | str | None = None  # a text says why there are none

    @classmethod
    def load(cls, data: Path) -> "PriceTable":
        """Return the table of a data directory.

        Raises:
            BadInput: prices.toml says something that is not accepted.
            StoreUnreachable: prices.toml cannot be read.
        """
        return cls(Overrides.load(data))

    def price(self, call: Mapping[str, Any], ts_ns: int) -> Cost:
        """Return what a call cost. What cannot be told is unknown (usd None, and a reason), never zero.

        Args:
            call: the attributes of its span (`model.llm.LlmFields`), and its error where it had one.
            ts_ns: when it was made; the prices of that time hold.
        """
        models, provider = _models(call), provider_named(call.get("provider"))
        model = models[0] if models else ""
        if call.get("cache_hit") is True:
            return Cost(0.0, 0.0, 0.0, billed=False, model=model, provider=provider, reason=CACHED)
        rates: Rates | None = None
        try:
            if not models:
                raise Unpriced("no model is named")
            used = counts_of(call)
            rates = self.rates(models, provider, _text(call.get("server")), context_of(call), ts_ns)
            paid = amount(rates, used)
        except Unpriced as exc:
            source, version = (rates.source, rates.version) if rates is not None else ("", "")
            return Cost(model=model, provider=provider, source=source, version=version, reason=str(exc))
        return _cost(rates, paid, ESTIMATED if call.get("tokens_estimated") is True else None)

    def rates(
        self, models: tuple[str, ...], provider: str, server: str, context: Mapping[str, str], ts_ns: int
    ) -> Rates:
        """Return the price in force for a model.

        Args:
            models: its names, the one that answered first.
            provider: as `provider_named` gives it.
            server: the host or URL that was asked, or "".
            context: what else the price depends on, as `context_of` gives it.
            ts_ns: when.

        Raises:
            Unpriced: there is none; the message says why.
        """
        when = datetime.fromtimestamp(ts_ns // _NS, UTC)
        own = self._own.rates(models, provider, when.date())
        return own if own is not None else self._loaded().rates(models, provider, server, context, when)

    def in_force(self, model: str, provider: str | None, ts_ns: int) -> Rates | str:
        """Return the price of a model at a time, with the day it holds from if that is known, or why there is none."""
        models, of = (_text(model),), provider_named(provider)
        try:
            found = self.rates(models, of, "", {}, ts_ns)
        except Unpriced as exc:
            return str(exc)
        if found.source != PUBLIC:
            return found
        since, until = self._loaded().since(models, of, datetime.fromtimestamp(ts_ns // _NS, UTC))
        return msgspec.structs.replace(found, since=since, until=until)

    def providers(self, model: str, ts_ns: int) -> list[str]:
        """Return the providers that a price of a model is known for: the user's own prices first."""
        own = self._own.providers((_text(model),), datetime.fromtimestamp(ts_ns // _NS, UTC).date())
        try:
            public = self._loaded().providers(_text(model))
        except Unpriced:
            public = []
        return list(dict.fromkeys([*own, *public]))

    @property
    def hidden(self) -> list[str]:
        """Which of the user's own prices hide which others, in words."""
        return self._own.hidden

    def _loaded(self) -> PublicPrices:
        if self._public is None:
            try:
                self._public = PublicPrices()
            except Unpriced as exc:
                self._public = str(exc)
        if isinstance(self._public, str):
            raise Unpriced(self._public)
        return self._public


def _models(call: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the model: the one that answered, then the one asked."""
    names = (_text(call.get(key)) for key in ("model", "request_model"))
    return tuple(dict.fromkeys(name for name in names if name))


def _text(value: object) -> str:
    return value.strip()[:_NAME_CHARS] if isinstance(value, str) else ""


def context_of(call: Mapping[str, Any]) -> dict[str, str]:
    """Return what a price depends on beside the model: the service tier, batch processing, speed; where it was recorded."""
    raw = call.get("usage")
    usage: Mapping[str, Any] = raw if isinstance(raw, Mapping) else {}
    tier = _text(call.get("service_tier")) or _text(usage.get("service_tier"))
    found = {"service_tier": tier, "speed": _text(usage.get("speed"))}
    if tier == "batch":
        found["processing"] = "batch"
    return {key: value for key, value in found.items() if value}


def _cost(rates: Rates, paid: Amount, reason: str | None) -> Cost:
    def dollars(value: Decimal) -> float:
        return float(value)  # the nearest float: its shortest text is the exact amount again

    return Cost(
        usd=dollars(paid.total),
        input_usd=dollars(paid.input),
        output_usd=dollars(paid.output),
        model=rates.model,
        provider=rates.provider,
        source=rates.source,
        version=rates.version,
        reason=reason,
    )
