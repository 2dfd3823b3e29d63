"""How costs are drawn: totals, what repricing changed, the price of a model."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import render
from whence.cli.render import COMMAND, MAYBE, NAME, QUIET, Fitting, many, named, short_id, text, when
from whence.price.pricing import Change, Repriced
from whence.price.rates import Rate, Rates
from whence.price.totals import CostTotals

SHOWN = 20
_TINY = 0.0001


def dollars(usd: float | None) -> str:
    """Return an amount in US dollars; one that is not known is said to be unknown, and a tiny one is not zero."""
    if usd is None:
        return "unknown"
    if 0 < abs(usd) < _TINY:
        return f"${usd:.2g}" if abs(usd) < 1e-8 else f"${usd:.8f}".rstrip("0")
    return render.money(usd)


def totals(every: CostTotals, groups: Sequence[CostTotals], by: str, *, more: int = 0) -> RenderableType:
    """Return totals as a table, the sum of all below it, and why some costs are not known."""
    # What was not billed explains the sum, so it goes from a narrow terminal only where there is none.
    not_billed: dict[str, Any] = {"header": "not billed", "no_wrap": True, "justify": "right"}
    not_billed |= {} if every.not_billed else {"drop": 1}
    widths: tuple[dict[str, Any], ...] = (
        {"header": "run" if by == "trace" else by, "no_wrap": True, "overflow": "ellipsis", "max_width": 28},
        {"header": "calls", "no_wrap": True, "justify": "right"},
        {"header": "tokens in", "no_wrap": True, "justify": "right", "drop": 4},
        {"header": "from cache", "no_wrap": True, "justify": "right", "drop": 2},
        {"header": "tokens out", "no_wrap": True, "justify": "right", "drop": 3},
        not_billed,
        {"header": "unknown", "no_wrap": True, "justify": "right"},
        {"header": "cost", "no_wrap": True, "justify": "right"},
    )
    lines = [_line(each, _key(each.key, by)) for each in groups]
    if len(groups) + more > 1:
        lines.append(_line(every, Text("all", QUIET)))
    parts: list[RenderableType] = [Fitting(widths, lines)]
    if more:
        parts.append(Text(f"{many(more, 'more group')}; --limit shows them, the last line has them all", QUIET))
    for reason, count in sorted(every.reasons.items(), key=lambda each: -each[1]):
        cost = Text(f"cost unknown of {many(count, 'call')}: ", MAYBE)
        parts.append(Text.assemble(cost, text(reason, limit=200)))
    return Group(*parts)


def _key(key: str, by: str) -> Text:
    return Text(short_id(key) or "(none)", COMMAND) if by == "trace" else text(named(key), NAME)


def _line(of: CostTotals, key: Text) -> tuple[Text, ...]:
    return (
        key,
        Text(f"{of.calls:,}"),
        Text(f"{of.input_tokens:,}"),
        Text(f"{of.cache_read_tokens:,}", "" if of.cache_read_tokens else QUIET),
        Text(f"{of.output_tokens:,}"),
        Text(f"{of.not_billed:,}", "" if of.not_billed else QUIET),
        Text(f"{of.unknown:,}", MAYBE if of.unknown else QUIET),
        Text(dollars(of.usd), MAYBE if of.usd is None else ""),
    )


def repriced(done: Repriced, *, dry_run: bool) -> RenderableType:
    """Return what repricing changed, and the sums before and after."""
    parts: list[RenderableType] = []
    if done.changes:
        widths: tuple[dict[str, Any], ...] = (
            {"header": "run", "no_wrap": True},
            {"header": "when (UTC)", "no_wrap": True, "drop": 2},
            {"header": "model", "no_wrap": True, "overflow": "ellipsis", "max_width": 28},
            {"header": "old", "no_wrap": True, "justify": "right"},
            {"header": "new", "no_wrap": True, "justify": "right"},
            {"header": "price of", "no_wrap": True, "overflow": "ellipsis", "max_width": 18, "drop": 1},
        )
        parts.append(Fitting(widths, [_change(each) for each in done.changes[:SHOWN]]))
        if done.changed > SHOWN:
            parts.append(Text(f"… and {many(done.changed - SHOWN, 'more call')}; --json lists them", QUIET))
    verb = "would change" if dry_run else "changed"
    said = f"{done.changed:,} of {many(done.looked, 'call')} {verb}"
    if done.changed:
        before = _sum(done.old_usd, done.old_unknown, done.changed)
        said += f": {before} before, {_sum(done.new_usd, done.new_unknown, done.changed)} now"
    parts.append(Text(said))
    if done.kept:
        parts.append(Text(f"{many(done.kept, 'known price')} kept, of which the price table knows nothing now", QUIET))
    return Group(*parts)


def _sum(usd: float, unknown: int, of: int) -> str:
    """Return a sum in which some amounts may be missing."""
    if unknown == of:
        return dollars(None)
    return f"{dollars(usd)} and {unknown:,} unknown" if unknown else dollars(usd)


def _change(change: Change) -> tuple[Text, ...]:
    new = dollars(change.new_usd) if change.billed else "not billed"
    return (
        Text(short_id(change.trace) or "–", COMMAND),
        Text(when(change.ts_ns), QUIET),
        text(named(change.model), NAME),
        Text(dollars(change.old_usd), QUIET),
        Text(new, MAYBE if change.new_usd is None else ""),
        text(change.version or "–", QUIET),
    )


_RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning")
_WORDS = {"cache_write_1h": "cache write, 1 h"}


def rates_data(found: Rates) -> dict[str, Any]:
    """Return the price of a model as a JSON object; US dollars, for a million tokens where it says so."""
    said: dict[str, Any] = {
        "model": found.model,
        "provider": found.provider,
        "source": found.source,
        "version": found.version,
        "from": found.since.isoformat() if found.since is not None else None,
        "note": found.note,
    }
    for name in _RATES:
        rate: Rate | None = getattr(found, name)
        said[f"{name}_per_mtok"] = float(rate.base) if rate is not None else None
    said["per_1000_requests"] = _float(found.per_1000_requests)
    said["per_1000_web_searches"] = _float(found.per_1000_web_searches)
    said["tiers"] = [
        {"of": f"{name}_per_mtok", "above_input_tokens": start, "usd": float(price)}
        for name in _RATES
        if (rate := getattr(found, name)) is not None
        for start, price in rate.tiers
    ]
    return said


def _float(value: Decimal | None) -> float | None:
    return float(value) if value is not None else None


def rates(found: Rates) -> RenderableType:
    """Return the price of a model, one figure a line."""
    rows: list[tuple[str, RenderableType | str]] = [
        ("model", text(found.model, NAME)),
        ("provider", text(found.provider or "any")),
    ]
    for name in _RATES:
        rate: Rate | None = getattr(found, name)
        if rate is not None:
            rows.append((_WORDS.get(name, name.replace("_", " ")), _rate(rate)))
    if found.per_1000_requests is not None:
        rows.append(("request", f"${_plain(found.per_1000_requests)} for 1,000, beside the tokens"))
    if found.per_1000_web_searches is not None:
        rows.append(("web search", f"${_plain(found.per_1000_web_searches)} for 1,000"))
    rows.append(
        ("price of", text(f"{found.source} {found.version}" if found.source not in found.version else found.version))
    )
    if found.since is not None:
        rows.append(("from", found.since.isoformat()))
    if found.until is not None:
        rows.append(("until", found.until.isoformat()))
    if found.note is not None:
        rows.append(("note", text(found.note)))
    return render.pairs(rows)


def _rate(rate: Rate) -> str:
    said = f"${_plain(rate.base)} per million tokens"
    for start, price in rate.tiers:
        said += f", ${_plain(price)} above {start:,} input tokens"
    return said


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
