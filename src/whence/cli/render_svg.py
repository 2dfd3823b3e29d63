"""Plots as SVG text for a report: no script, no link, no style attribute; colours come from the page's classes.

Every text that is drawn goes through `escaped`; every other value is a number that is formatted here.
"""

import html
from collections.abc import Iterable, Sequence
from typing import Any, Final

from whence.cli import plain
from whence.cli.render import duration, moment, money
from whence.diagnose.reporting import Day, Level, Series
from whence.measure.spread import quantile

WIDTH: Final = 720
LEFT, RIGHT, TOP, BOTTOM = 76, 12, 10, 22
_STATES: Final = ("recurred", "confirmed", "pending", "resolved")
_LABELS: Final = 6
OUTLIERS_FROM: Final = 2.0
"""Times the 95th percentile: what took longer stands at the upper edge."""


def escaped(value: Any, limit: int | None = None) -> str:
    """Return stored text for an HTML or SVG document: without what a terminal or a browser would obey."""
    return html.escape(plain.line(value, limit), quote=True)


def _svg(height: float, label: str, parts: Iterable[str]) -> str:
    inside = "".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escaped(label)}"'
        f' xmlns="http://www.w3.org/2000/svg"><title>{escaped(label)}</title>{inside}</svg>'
    )


def _text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escaped(said)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _bar(x: float, y: float, width: float, height: float, kind: str, told: str) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" class="{kind}">'
        f"<title>{escaped(told)}</title></rect>"
    )


def _dot(x: float, y: float, radius: float, kind: str, told: str) -> str:
    title = f"<title>{escaped(told)}</title>"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{kind}">{title}</circle>'


def success(days: Sequence[Day]) -> str:
    """Return the share of runs that went well, day by day with its 95 % interval, above how many there were."""
    plot, counts = 150.0, 46.0
    height = TOP + plot + 14 + counts + BOTTOM
    step = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    most = max((each.good + each.bad for each in days), default=0) or 1
    parts: list[str] = []
    for share in (0.0, 0.5, 1.0):
        y = TOP + plot * (1 - share)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, "grid"), _text(LEFT - 6, y + 4, f"{share:.0%}", "quiet", "end")]
    places = []
    base = TOP + plot + 14 + counts
    for n, each in enumerate(days):
        x = LEFT + step * (n + 0.5)
        told = f"{each.day}: {each.good} went well, {each.bad} went wrong"
        if each.success is not None:
            y = TOP + plot * (1 - each.success)
            low, high = TOP + plot * (1 - each.success_low), TOP + plot * (1 - each.success_high)
            parts.append(_line(x, low, x, high, "interval"))
            places.append((x, y, f"{told} ({each.success:.0%})"))
        width = min(step * 0.7, 40)
        bad, good = counts * each.bad / most, counts * each.good / most
        parts.append(_bar(x - width / 2, base - bad, width, bad, "bad", told))
        parts.append(_bar(x - width / 2, base - bad - good, width, good, "good", told))
    if len(places) > 1:
        parts.append('<polyline class="trend" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places) + '"/>')
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="point"><title>{escaped(t)}</title></circle>'
        for x, y, t in places
    ]
    parts.append(_text(LEFT - 6, base, "runs", "quiet", "end"))
    parts += _dates([each.day for each in days], step, height - 6)
    return _svg(
        height, "Share of runs that went well, per day, with its 95 % interval; below it the number of runs", parts
    )


def _dates(days: Sequence[str], step: float, y: float) -> list[str]:
    every = max(1, -(-len(days) // _LABELS))
    return [
        _text(LEFT + step * (n + 0.5), y, day[5:] if len(days) > 1 else day, "quiet", "middle")
        for n, day in enumerate(days)
        if n % every == 0
    ]


def severities(levels: Sequence[Level]) -> str:
    """Return how many problems there are of each severity, by their state."""
    row = 26.0
    height = TOP + row * max(len(levels), 1) + BOTTOM
    totals = [sum(getattr(each, state) for state in _STATES) for each in levels]
    most = max(totals, default=0) or 1
    room = WIDTH - LEFT - RIGHT - 60
    parts: list[str] = []
    for n, (each, total) in enumerate(zip(levels, totals, strict=True)):
        y, x = TOP + row * n, float(LEFT)
        parts.append(_text(LEFT - 6, y + 16, each.label, "", "end"))
        for state in _STATES:
            count = getattr(each, state)
            width = room * count / most
            if count:
                parts.append(_bar(x, y + 3, width, row - 8, state, f"{each.label}: {count} {state}"))
            x += width
        parts.append(_text(x + 6, y + 16, f"{total:,}"))
    x = float(LEFT)
    for state in _STATES:
        parts += [_bar(x, height - 16, 10, 10, state, state), _text(x + 15, height - 7, state, "quiet")]
        x += 100
    return _svg(height, "Problems by severity and state", parts)


def durations(series: Series) -> str:
    """Return how long a component took in each run; where that changed, the medians before and after."""
    plot = 110.0
    height = TOP + plot + BOTTOM
    points = series.points
    first, last = points[0][0], points[-1][0]
    every = [seconds for _, seconds, _ in points]
    most = min(max(every), OUTLIERS_FROM * quantile(every, 0.95)) or 1.0  # one that hung must not flatten all others

    def x_of(ts_ns: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * ((ts_ns - first) / (last - first) if last > first else 0.5)

    def y_of(seconds: float) -> float:
        return TOP + plot * (1 - min(seconds / most, 1.0))

    parts = []
    for share in (0.0, 0.5, 1.0):
        y = y_of(most * share)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, "grid")]
        parts.append(_text(LEFT - 6, y + 4, duration(most * share) if share else "0", "quiet", "end"))
    for ts_ns, seconds, good in points:
        told = f"{moment(ts_ns)} UTC: {duration(seconds)}, the run went {'well' if good else 'wrong'}"
        x, y = x_of(ts_ns), y_of(seconds)
        if good:
            parts.append(_dot(x, y, 2.5, "good", told))
        else:  # another shape too, not only another colour
            cross = f"M{x - 3:.1f} {y - 3:.1f}l6 6m0 -6l-6 6"
            parts.append(f'<path d="{cross}" class="cross"><title>{escaped(told)}</title></path>')
    change = series.change
    if change is not None:
        x = x_of(max(first, change.ts_ns))
        parts += [
            _line(x, TOP, x, TOP + plot, "change"),
            _line(LEFT, y_of(change.before_s), x, y_of(change.before_s), "median"),
            _line(x, y_of(change.after_s), WIDTH - RIGHT, y_of(change.after_s), "median"),
        ]
    parts.append(_text(LEFT, height - 6, f"{moment(first)[:16]} UTC", "quiet"))
    parts.append(_text(WIDTH - RIGHT, height - 6, f"{moment(last)[:16]} UTC", "quiet", "end"))
    return _svg(height, f"How long {plain.line(series.component, 80)} took, run by run", parts)


def costs(days: Sequence[Day]) -> str:
    """Return what each day cost, as far as that is known."""
    plot = 110.0
    height = TOP + plot + BOTTOM
    step = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    most = max((each.cost_usd or 0.0 for each in days), default=0.0) or 1.0
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = TOP + plot * (1 - share)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y, "grid")]
        parts.append(_text(LEFT - 6, y + 4, money(most * share) if share else "0", "quiet", "end"))
    for n, each in enumerate(days):
        if each.cost_usd is None:
            continue
        width, tall = min(step * 0.7, 40), plot * each.cost_usd / most
        x = LEFT + step * (n + 0.5) - width / 2
        parts.append(_bar(x, TOP + plot - tall, width, tall, "cost", f"{each.day}: {money(each.cost_usd)}"))
    parts += _dates([each.day for each in days], step, height - 6)
    return _svg(height, "Cost per day, US dollars, as far as it is known", parts)


def share_bar(share: float, kind: str) -> str:
    """Return a share of one as a small bar for a table."""
    full = 80 * max(0.0, min(share, 1.0))
    return (
        '<svg class="share" viewBox="0 0 80 10" aria-hidden="true" xmlns="http://www.w3.org/2000/svg">'
        f'<rect width="80" height="10" class="empty"/><rect width="{full:.1f}" height="10" class="{kind}"/></svg>'
    )
