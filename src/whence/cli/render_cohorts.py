"""How the difference between bad and good runs is drawn: the most telling in words and bars, the others as a table."""

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain
from whence.cli.render import (
    BAD,
    COMMAND,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    Fitting,
    bar,
    commands,
    duration,
    heading,
    indented,
    joined,
    many,
    money,
    pairs,
    short_id,
    text,
)
from whence.diagnose.cohorts import FALSE_DISCOVERIES, CohortDiff, Contrast

IN_FULL = 3
CELLS = 28
CELLS_IN_TABLE = 8
VALUE_CHARS = 60


def differences(found: CohortDiff, *, window: str) -> RenderableType:
    """Return what tells the two groups apart."""
    head = Text.assemble(
        (many(found.bad, "run"), NAME), (f" {plain.line(found.bad_label, 60)}", BAD), ("  beside  ", QUIET)
    )
    head.append(many(found.good, "run"), NAME).append(f" {plain.line(found.good_label, 60)}", GOOD)
    head.append(f"   {window}", QUIET)
    parts: list[RenderableType] = [head]
    if found.note:
        parts.append(text(found.note, MAYBE))
    if not found.looked_at:
        if not found.note:
            parts.append(Text("they have nothing in common that could be compared", QUIET))
        return Group(*parts, heading("Next"), commands([_instead(found)]))
    certain = sum(each.significant for each in found.contrasts)
    looked = f"{found.looked_at:,} values and quantities looked at"
    if not certain:
        parts.append(Text(f"{looked}; none differs more than chance explains", QUIET))
        if not found.contrasts:
            return Group(*parts, *_hint())
    else:
        chance = f"{FALSE_DISCOVERIES:.0%} of such findings may still be chance"
        parts.append(Text(f"{looked}; {certain} differ more than chance explains ({chance})", QUIET))
    for count, each in enumerate(found.contrasts[:IN_FULL], 1):
        parts += [Text(), _in_full(count, each, found)]
    if len(found.contrasts) > IN_FULL:
        parts += [heading("Also"), indented(_table(found.contrasts[IN_FULL:]))]
    first = next((each for each in found.contrasts if each.examples), None)
    if first is not None:
        parts += [heading("Next"), commands([f"whence why {shlex.quote(first.examples[0])}"])]
    return Group(*parts)


def _instead(found: CohortDiff) -> str:
    """Return what says more where there are too few runs to count."""
    return "whence why last-bad" if found.bad and found.bad_label == "bad" else "whence findings"


def _hint() -> list[RenderableType]:
    return [Text("more runs tell more: --since 90d; --all lists what is not certain", QUIET)]


def _in_full(count: int, each: Contrast, found: CohortDiff) -> RenderableType:
    number = Text(f"{count:>2} ", f"{NAME} {BAD if each.effect > 0 else GOOD}")
    head = Text.assemble(number, _what(each, limit=VALUE_CHARS))
    if not each.significant:
        head.append("   may be chance", MAYBE)
    rows: list[tuple[str, RenderableType | str]] = []
    if each.kind == "value":
        rows += [
            ("", Text(sentence(each, found.bad_label, found.good_label), "italic")),
            (plain.line(found.bad_label, 18), _share(each.bad_share, each.bad_with, each.bad, BAD)),
            (plain.line(found.good_label, 18), _share(each.good_share, each.good_with, each.good, GOOD)),
        ]
        told = [f"lift {each.lift:.2f}"] if each.lift is not None else []
        told += [f"a run with it is bad in {each.low:.0%} to {each.high:.0%}"]
    else:
        higher = (each.effect + 1) / 2
        rows += [
            ("", Text(sentence(each, found.bad_label, found.good_label), "italic")),
            ("bad higher", joined([bar(higher, CELLS, BAD), Text(f"{higher:.0%} of pairs")], " ")),
        ]
        told = []
    told.append(f"p {_p(each.p_adjusted)} (for all {found.looked_at:,})")
    rows.append(("", Text(" · ".join(told), QUIET)))
    if each.also:
        rows.append(("also", text(", ".join(each.also), QUIET, 240)))
    if each.examples:
        rows.append(("such as", Text("  ".join(short_id(name) for name in each.examples), COMMAND)))
    return Group(head, indented(pairs(rows), 3))


def _what(each: Contrast, limit: int) -> Text:
    name = plain.line(each.attribute, limit)
    if each.kind == "quantity":
        return Text(name, NAME)
    return Text.assemble((f"{name} = ", NAME), (plain.line(each.value, limit) or "(empty)", NAME))


def sentence(each: Contrast, bad_label: str = "bad", good_label: str = "good") -> str:
    """Return a contrast in plain words."""
    bad, good = plain.line(bad_label, 40), plain.line(good_label, 40)
    if each.kind == "value":
        return f"{each.bad_with:,} of {each.bad:,} {bad} runs, {each.good_with:,} of {each.good:,} {good}"
    ill, well = (quantity(each.attribute, value) for value in (each.bad_median, each.good_median))
    return f"half of the {bad} runs have {ill} or more, half of the {good} {well} or more"


def _share(share: float, count: int, of: int, style: str) -> Text:
    return joined([bar(share, CELLS, style), Text(f"{share:>4.0%}"), Text(f"{count:,} of {of:,}", QUIET)], " ")


def _table(rest: Sequence[Contrast]) -> RenderableType:
    widths: tuple[dict[str, Any], ...] = (
        {"header": "what", "no_wrap": True, "overflow": "ellipsis", "ratio": 1, "least": 24},
        {"header": "bad", "no_wrap": True, "justify": "right"},
        {"header": "good", "no_wrap": True, "justify": "right"},
        {"header": "lift", "no_wrap": True, "justify": "right", "drop": 1},
        {"header": "p", "no_wrap": True, "justify": "right", "drop": 2},
    )
    lines: list[tuple[Text, ...]] = []
    for each in rest:
        if each.kind == "value":
            ill, well = f"{each.bad_with:,} of {each.bad:,}", f"{each.good_with:,} of {each.good:,}"
        else:
            ill, well = (quantity(each.attribute, value) for value in (each.bad_median, each.good_median))
        what = _what(each, 120)
        what.stylize(QUIET if not each.significant else "")
        sign = Text("▲ ", BAD) if each.effect > 0 else Text("▼ ", GOOD)
        lift = Text(f"{each.lift:.2f}" if each.lift is not None else "–", QUIET)
        lines.append(
            (Text.assemble(sign, what), Text(ill, BAD), Text(well, GOOD), lift, Text(_p(each.p_adjusted), QUIET))
        )
    return Fitting(widths, lines)


def quantity(name: str, value: float | None) -> str:
    """Return a quantity of a run as people read it, its unit told by its name."""
    if value is None:
        return "–"
    kind = name.partition(":")[0]
    if kind == "duration":
        return duration(value)
    if kind == "cost":
        return money(value)
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}" if p < 0.01 else f"{p:.2f}"
