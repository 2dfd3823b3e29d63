"""Prices of one's own: `<data>/prices.toml`, which wins over every other table.

[[price]]
model = "llama-4-*"            # a name, or the beginning of one and a star; case does not count
provider = "my-gateway"        # optional: only there
input_per_mtok = 0.20          # US dollars for a million tokens
output_per_mtok = 0.80
cache_read_per_mtok = 0.02     # optional, as is cache_write_per_mtok: else as input
from = 2026-11-01              # optional: for calls from that day on (UTC)
note = "contract 4711"         # optional
"""

import hashlib
import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from whence.errors import BadInput, StoreUnreachable
from whence.price.rates import Rate, Rates

FILE: Final = "prices.toml"
SOURCE: Final = "override"
ANY: Final = "*"


class OwnPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[price]] of the file."""

    model: str
    input_per_mtok: Decimal
    output_per_mtok: Decimal
    provider: str | None = None
    cache_read_per_mtok: Decimal | None = None
    cache_write_per_mtok: Decimal | None = None
    since: date | None = msgspec.field(name="from", default=None)
    note: str | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    price: tuple[OwnPrice, ...] = ()


ACCEPTED: Final = ", ".join(OwnPrice.__struct_encode_fields__)
_AMOUNTS: Final = ("input_per_mtok", "output_per_mtok", "cache_read_per_mtok", "cache_write_per_mtok")


class Overrides:
    """The user's own prices.

    Args:
        prices: as the file has them, in order.
        version: `override:` and eight digits that change with the file.
    """

    def __init__(self, prices: tuple[OwnPrice, ...] = (), version: str = "") -> None:
        self.prices, self.version = prices, version

    @classmethod
    def load(cls, data: Path) -> "Overrides":
        """Read `<data>/prices.toml`; no file, no prices.

        Raises:
            BadInput: it says something that is not accepted; the message names the file, the key and what is accepted.
            StoreUnreachable: it cannot be read.
        """
        path = data / FILE
        try:
            found = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return cls()
        except OSError as exc:
            raise StoreUnreachable(f"{path} cannot be read: {exc.strerror}; mend its permissions") from exc
        try:
            said = msgspec.convert(_numbers(tomllib.loads(found.decode(), parse_float=Decimal)), _File, strict=True)
        except msgspec.ValidationError as exc:
            raise BadInput(f"{path}: {exc}; accepted: [[price]] with {ACCEPTED}") from exc
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise BadInput(f"{path}: {exc}; mend or remove the file") from exc
        for number, each in enumerate(said.price):
            _check(each, f"{path}: price[{number}]")
        return cls(said.price, f"{SOURCE}:{hashlib.sha256(found).hexdigest()[:8]}")

    @property
    def hidden(self) -> list[str]:
        """Of entries that are alike in all but their prices, which one hides which; the one further down holds."""
        last: dict[tuple[str, str | None, date | None], int] = {}
        said = []
        for number, each in enumerate(self.prices):
            provider = each.provider.lower() if each.provider is not None else None
            key = each.model.lower(), provider, each.since
            if key in last:
                where = f" of {each.provider}" if each.provider is not None else ""
                since = f" from {each.since}" if each.since is not None else ""
                said.append(f"price[{number}] hides price[{last[key]}]: both are of {each.model}{where}{since}")
            last[key] = number
        return said

    def providers(self, models: tuple[str, ...], day: date) -> list[str]:
        """Return the providers that there are prices of a model for."""
        named = dict.fromkeys(each.provider for each in self.prices if each.provider is not None)
        return [name for name in named if self.rates(models, name, day) is not None]

    def rates(self, models: tuple[str, ...], provider: str, day: date) -> Rates | None:
        """Return the price in force for a model, by any of its names, at a provider ("" where none is known).

        A whole name wins over the beginning of one, a longer beginning over a shorter, a named provider over any, the
        later `from` over the earlier, and of two that are alike in all that the one further down.
        """
        wanted = [name.lower() for name in models]
        best: tuple[tuple[bool, int, bool, date], OwnPrice] | None = None
        for each in self.prices:
            if each.provider is not None and each.provider.lower() != provider.lower():
                continue
            if each.since is not None and each.since > day:
                continue
            name = each.model.lower()
            whole = not name.endswith(ANY)
            if not any(has == name if whole else has.startswith(name[:-1]) for has in wanted):
                continue
            rank = (whole, len(name), each.provider is not None, each.since or date.min)
            if best is None or rank >= best[0]:
                best = rank, each
        return self._as_rates(best[1], provider) if best is not None else None

    def _as_rates(self, found: OwnPrice, provider: str) -> Rates:
        def rate(per_mtok: Decimal | None) -> Rate | None:
            return Rate(per_mtok) if per_mtok is not None else None

        return Rates(
            model=found.model,
            provider=found.provider or provider,
            source=SOURCE,
            version=self.version,
            input=rate(found.input_per_mtok),
            output=rate(found.output_per_mtok),
            cache_read=rate(found.cache_read_per_mtok),
            cache_write=rate(found.cache_write_per_mtok),
            since=found.since,
            note=found.note,
        )


def _numbers(said: Any) -> Any:
    """Refuse amounts that are texts, which would be taken for the numbers they look like."""
    entries = said.get("price")
    for number, each in enumerate(entries if isinstance(entries, list) else ()):
        for name in _AMOUNTS if isinstance(each, dict) else ():
            if isinstance(each.get(name), str):
                raise msgspec.ValidationError(
                    f"price[{number}].{name} = {each[name]!r} is a text; write the number without quotes"
                )
    return said


def _check(price: OwnPrice, where: str) -> None:
    """Refuse what has the right type and is no price."""
    for name in _AMOUNTS:
        value = getattr(price, name)
        if value is not None and not (value.is_finite() and 0 <= value <= 1_000_000):
            raise BadInput(f"{where}: {name} = {value}; accepted: US dollars for a million tokens, 0 to 1000000")
    if not price.model.strip(ANY).strip() and price.model != ANY:
        raise BadInput(
            f"{where}: model = {price.model!r}; accepted: a name, the beginning of one and a star, or a star"
        )
    if ANY in price.model[:-1]:
        raise BadInput(f"{where}: model = {price.model!r}; accepted: one star, at the end")
