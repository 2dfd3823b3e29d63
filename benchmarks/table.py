"""The table: lines of figures with their targets, as text, Markdown and JSON, and written into a page."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.rounds import Spread


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How large, and where."""

    quick: bool
    temporary: Path
    store: Path | None = None
    say: Callable[[str], None] = lambda text: None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One measured piece of work.

    `limit` is the most the figure may be, or the least with `at_least`; without one the line only informs.
    """

    work: str
    unit: str
    whence: float
    otel: float | None = None
    ratio: Spread | None = None
    limit: float | None = None
    ratio_limit: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether every target of the line holds; None if it has none."""
        met = []
        if self.limit is not None:
            met.append(self.whence >= self.limit if self.at_least else self.whence <= self.limit)
        if self.ratio_limit is not None and self.ratio is not None:
            met.append(self.ratio.median <= self.ratio_limit)
        return all(met) if met else None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run of the benchmarks."""

    quick: bool
    machine: dict[str, str]
    lines: list[Line]


HEAD = ("work", "whence", "OpenTelemetry", "ratio min/median/max", "target", "holds")


def number(figure: float) -> str:
    """Return a figure with three significant digits, thousands separated."""
    size = abs(figure)
    if size >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if size >= 10 else f"{figure:.2f}" if size >= 1 else f"{figure:.3f}"


def cells(line: Line) -> tuple[str, ...]:
    """Return a line as it is shown."""
    ratio = line.ratio
    targets = []
    if line.limit is not None:
        targets.append(f"{'≥' if line.at_least else '≤'} {line.limit:,g} {line.unit}")
    if line.ratio_limit is not None:
        targets.append(f"≤ {line.ratio_limit:g} ×")
    return (
        line.work + (f" ({line.note})" if line.note else ""),
        f"{number(line.whence)} {line.unit}",
        f"{number(line.otel)} {line.unit}" if line.otel is not None else "",
        f"{ratio.least:.2f} / {ratio.median:.2f} / {ratio.most:.2f}" if ratio is not None else "",
        ", ".join(targets),
        {True: "yes", False: "NO", None: ""}[line.holds],
    )


def as_text(report: Report) -> str:
    """Return the table in aligned columns, the facts of the machine above it."""
    rows = [HEAD, *map(cells, report.lines)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(HEAD))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    shown.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*_facts(report), "", *shown])


def as_markdown(report: Report) -> str:
    """Return the table for a page."""
    rows = [HEAD, ("---", "---:", "---:", "---:", "---", "---"), *map(cells, report.lines)]
    return "\n".join([*(f"{fact}  " for fact in _facts(report)), "", *("| " + " | ".join(row) + " |" for row in rows)])


def _facts(report: Report) -> list[str]:
    size = "quick: small sizes, few rounds" if report.quick else "full"
    return [f"{name}: {value}" for name, value in {"run": size, **report.machine}.items()]


_BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- /figures -->)", re.DOTALL)


def write_into(page: str, report: Report) -> str:
    """Return a page with the table in its marked block.

    Raises:
        ValueError: the page has no such block.
    """
    table = as_markdown(report)
    filled, found = _BLOCK.subn(lambda match: f"{match[1]}{table}\n{match[2]}", page)
    if not found:
        raise ValueError("no block for the figures; put <!-- figures --> and <!-- /figures --> on lines of their own")
    return filled


def summary(lines: Sequence[Line]) -> str:
    """Return how many targets hold."""
    judged = [line for line in lines if line.holds is not None]
    return f"{sum(line.holds is True for line in judged)} of {len(judged)} targets hold"
