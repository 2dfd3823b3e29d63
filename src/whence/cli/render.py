"""What every rendering shares: the console, quiet colours, numbers and times as people read them.

Only `rich.text.Text` made of `plain` text is shown, never markup, so stored text cannot style itself.
"""

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from whence.cli import calling, plain
from whence.clock import iso_utc
from whence.model.trace import COMPLETE, IN_PROGRESS, INCOMPLETE, TraceSummary
from whence.query.why import UNSURE, outcome_of

GOOD, BAD, MAYBE, QUIET, NAME, COMMAND = "green", "red", "yellow", "dim", "bold", "cyan"
BAR_CELLS = 5


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # `whence.cli.exits` knows what to do; rich would exit with 1


def console(stream: IO[str] | None = None) -> Console:
    """Return a console for stdout (or another stream): colours on a terminal only, and never with NO_COLOR."""
    file = stream or sys.stdout
    coloured = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return _Console(
        file=file,
        markup=False,
        highlight=False,
        emoji=False,
        color_system="auto" if coloured else None,
        soft_wrap=False,
    )


def show(*parts: RenderableType) -> None:
    """Print to stdout; without the blanks at the ends of lines that fill a terminal's width, where there is none."""
    out = console()
    with out.capture() as captured:
        for part in parts:
            out.print(part, crop=False)
    shown = captured.get()
    if not out.is_terminal:
        shown = "".join(f"{line.rstrip()}\n" for line in shown.splitlines())
    sys.stdout.write(shown)


def note(message: str) -> None:
    """Say something beside the data, on stderr."""
    sys.stderr.write(plain.line(message) + "\n")


def as_json(value: Any) -> None:
    """Print one JSON document."""
    sys.stdout.write(plain.json(value) + "\n")


def page(
    items: Sequence[Any],
    cursor: str | None,
    *,
    json: bool,
    draw: Callable[[Sequence[Any]], RenderableType],
    data: Callable[[Any], Any],
    empty: str,
) -> None:
    """Print one page of a list: a JSON array or a drawing; the cursor of the next one goes to stderr."""
    if json:
        as_json([data(each) for each in items])
    elif items:
        show(draw(items))
    else:
        note(empty)
    if cursor is not None:
        note(f"next: --cursor {cursor}")


@contextmanager
def progress(what: str, *, unit: str = "bytes") -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (done, total) that draws a bar on a terminal once the work has taken more than a second."""
    began = time.monotonic()
    drawn: list[Any] = []

    def tick(done: int, total: int) -> None:
        if not drawn:
            if time.monotonic() - began < 1.0 or not sys.stderr.isatty():
                return
            from rich import progress as bars

            amount = bars.DownloadColumn() if unit == "bytes" else bars.MofNCompleteColumn()
            columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), amount, bars.TimeRemainingColumn())
            bar = bars.Progress(*columns, console=console(sys.stderr), transient=True)
            bar.start()
            drawn.extend((bar, bar.add_task(what, total=total)))
        drawn[0].update(drawn[1], completed=done, total=total)

    try:
        yield tick
    finally:
        if drawn:
            drawn[0].stop()


# -- pieces -------------------------------------------------------------------------------------------------------------


def text(value: Any, style: str = "", limit: int | None = None) -> Text:
    """Return stored text, safe and on one line."""
    return Text(plain.line(value, limit), style=style)


def block(value: Any, style: str = "", limit: int | None = None) -> Text:
    """Return stored text, safe, its lines kept; on one line when there is a limit."""
    return Text(plain.text(value).strip("\n"), style=style) if limit is None else text(value, style, limit)


def joined(parts: Iterable[Text | str], separator: str = "  ") -> Text:
    """Return the parts in one line."""
    return Text(separator).join(part if isinstance(part, Text) else Text(part) for part in parts)


def heading(words: str, beside: str = "") -> Text:
    """Return the title of a section, with an empty line above."""
    return Text("\n") + joined([Text(words, NAME), *([Text(beside, QUIET)] if beside else [])])


class _Beside:
    """Something with a prefix before its first line and another before the rest; a long path is left unbroken.

    Rich's own tables, trees and paddings crop what is too wide for them; what is shown here runs over instead, so that a
    path can be copied.
    """

    def __init__(self, first: Text, rest: Text, part: RenderableType) -> None:
        self.first, self.rest, self.part = first, rest, part

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width - self.first.cell_len, 8)
        prefix = self.first
        for part in _parts(self.part):
            drawn = wrapped(part, out, width) if isinstance(part, Text) else part
            for segments in Segment.split_lines(out.render(drawn, options.update(width=width, height=None))):
                yield from prefix.render(out)
                yield from segments
                yield Segment.line()
                prefix = self.rest


def _parts(part: RenderableType) -> Iterator[RenderableType]:
    if isinstance(part, Group):
        for each in part.renderables:
            yield from _parts(each)
    else:
        yield part


_PATH = re.compile(r"(?:^|\s)[~.]{0,2}/\S")


def wrapped(words: Text, out: Console, width: int) -> Text:
    """Return text whose lines are broken between words; only what is no path is broken within a word."""
    if words.no_wrap:
        return words
    lines: list[Text] = []
    for line in words.split(allow_blank=True):
        lines += line.divide(_breaks(line.plain, width)) if _PATH.search(line.plain) else line.wrap(out, width)
    for line in lines:
        line.rstrip()
    shown = Text("\n").join(lines)
    shown.no_wrap, shown.overflow = True, "ignore"
    return shown


def _breaks(line: str, width: int) -> list[int]:
    """Return where to break a line: between words only, and not within a `command`."""
    found: list[int] = []
    used = 0
    for word in re.finditer(r"(?:`[^`]*`|\S)+\s*", line):
        if used and used + cell_len(word[0].rstrip()) > width:
            found.append(word.start())
            used = 0
        used += cell_len(word[0])
    return found


def beside(first: Text, part: RenderableType) -> RenderableType:
    """Return something with a text before its first line."""
    return _Beside(first, Text(" " * first.cell_len), part)


def indented(part: RenderableType, by: int = 2) -> RenderableType:
    """Return something moved to the right."""
    return _Beside(Text(" " * by), Text(" " * by), part)


class Branch:
    """A tree, drawn as it grows."""

    def __init__(self, label: RenderableType) -> None:
        self.label = label
        self.branches: list[Branch] = []

    def add(self, label: RenderableType) -> "Branch":
        """Return a new branch."""
        self.branches.append(Branch(label))
        return self.branches[-1]

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._draw(options.ascii_only, "", "")

    def _draw(self, ascii_only: bool, first: str, rest: str) -> Iterator[RenderableType]:
        yield _Beside(Text(first, QUIET), Text(rest, QUIET), self.label)
        fork, end, line = ("+-- ", "`-- ", "|   ") if ascii_only else ("├── ", "└── ", "│   ")
        for each in self.branches:
            last = each is self.branches[-1]
            yield from each._draw(ascii_only, rest + (end if last else fork), rest + ("    " if last else line))


def columns(*widths: dict[str, Any]) -> Table:
    """Return a table without lines; each column is the keyword arguments of `Table.add_column`."""
    wide = any("ratio" in each for each in widths)
    shown = any(each.get("header") for each in widths)
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style=QUIET,
        show_edge=False,
        show_header=shown,
        expand=wide,
    )
    for each in widths:
        table.add_column(**each)
    return table


_OWN = ("drop", "least")


class Fitting:
    """A table as of `columns` that leaves out those columns that there is no room for.

    Args:
        widths: the columns; those with `drop` go where it is too narrow, the lowest first, and one without stays. A column
            takes `least` cells at least; without that, as many as its widest cell.
        rows: a text for each column.
    """

    def __init__(self, widths: Sequence[dict[str, Any]], rows: Sequence[Sequence[Text]]) -> None:
        self.widths, self.rows = widths, rows

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        left = list(range(len(self.widths)))
        while sum(self._least(n) + 2 for n in left) - 2 > options.max_width:
            going = [n for n in left if "drop" in self.widths[n]]
            if not going:
                break
            left.remove(min(going, key=lambda n: int(self.widths[n]["drop"])))
        table = columns(*({key: value for key, value in self.widths[n].items() if key not in _OWN} for n in left))
        for row in self.rows:
            table.add_row(*(row[n] for n in left))
        yield table

    def _least(self, n: int) -> int:
        """Return how wide a column is at least: its header is never cut."""
        column = self.widths[n]
        header = cell_len(column.get("header", ""))
        if "least" in column:
            return max(header, int(column["least"]))
        widest = max([header, *(row[n].cell_len for row in self.rows)])
        return max(header, min(widest, int(column.get("max_width", widest))))


def pairs(rows: Iterable[tuple[str, RenderableType | str]]) -> RenderableType:
    """Return names and what they stand for, one pair a line."""
    named = [
        (Text(plain.line(name), QUIET), value if not isinstance(value, str) else Text(value)) for name, value in rows
    ]
    width = max((name.cell_len for name, _ in named), default=0) + 2
    gap = Text(" " * width)
    return Group(
        *(_Beside(Text.assemble(name, " " * (width - name.cell_len)), gap, value) for name, value in named),
    )


# -- words for values ---------------------------------------------------------------------------------------------------


LONGEST_S = 366 * 86_400.0
CLOCK_WENT_BACK = "–  clock went back"


def many(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def named(name: str) -> str:
    """Return a name as one line; an empty one is said to be empty."""
    return plain.line(name) or "(no name)"


def took(seconds: float | None) -> str:
    """Return a time as `duration` does; one that cannot be is said to be none."""
    if seconds is not None and not 0 <= seconds < LONGEST_S:
        return CLOCK_WENT_BACK
    return duration(seconds)


def duration(seconds: float | None) -> str:
    """Return a time as people say it; one that no clock can have measured is left out."""
    if seconds is None or not 0 <= seconds < LONGEST_S:
        return "–"
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def money(dollars: float | None) -> str:
    """Return an amount in US dollars."""
    return "–" if dollars is None else f"${dollars:.4f}" if 0 < abs(dollars) < 1 else f"${dollars:,.2f}"


def size(count: float) -> str:
    """Return a number of bytes."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def moment(ts_ns: int) -> str:
    """Return a time to the second, UTC."""
    return iso_utc(ts_ns)[:19].replace("T", " ")


def when(ts_ns: int, *, seconds: bool = True) -> str:
    """Return a time as `moment` does, without the year where it is this one."""
    shown = moment(ts_ns)[: None if seconds else 16]
    return shown[5:] if shown[:4] == iso_utc(time.time_ns())[:4] else shown


def score(value: float | None) -> str:
    """Return a quality score."""
    return "–" if value is None else f"{value:.2f}"


def short_id(trace_id: str) -> str:
    """Return the last eight digits of a trace's name, which `whence show` and the others accept."""
    return plain.line(trace_id)[-8:]


def mark(row: TraceSummary) -> Text:
    """Return one character for how a run went."""
    if row.status == IN_PROGRESS:
        return Text("…", COMMAND)
    if row.status == INCOMPLETE:
        return Text("◌", MAYBE)
    return Text("✓", GOOD) if outcome_of(row) == "good" else Text("✗", BAD)


def state(row: TraceSummary) -> Text:
    """Return how a run went, in words."""
    words = {IN_PROGRESS: "in progress"}.get(row.status, row.status)
    style = {COMPLETE: GOOD, IN_PROGRESS: COMMAND, INCOMPLETE: MAYBE}.get(row.status, BAD)
    return joined(
        [Text(words, style), *([gate(row.quality_gate_passed)] if row.quality_gate_passed is not None else [])]
    )


def gate(passed: bool | None) -> Text:
    """Return what the quality gate said."""
    if passed is None:
        return Text("no gate", QUIET)
    return Text("gate passed", GOOD) if passed else Text("gate failed", BAD)


def confidence(value: float | None) -> Text:
    """Return how sure a decision was, as a small bar and a number."""
    if value is None:
        return Text("unstated", QUIET)
    full = max(0, min(BAR_CELLS, round(value * BAR_CELLS)))
    style = MAYBE if value < UNSURE else GOOD
    return Text.assemble(("█" * full, style), ("░" * (BAR_CELLS - full), QUIET), (f" {value:.2f}", ""))


def bar(share: float, cells: int = 12, style: str = BAD) -> Text:
    """Return a share of one as a bar."""
    full = max(0, min(cells, round(share * cells)))
    return Text.assemble(("█" * full, style), ("░" * (cells - full), QUIET))


_TRACE_NAME = re.compile(r"\b(?:trc_\d{8}_\d{6}_|otel_)[0-9a-f]{8,32}\b")


def shorter(words: str) -> str:
    """Return text in which the names of runs are the short ones that every command accepts."""
    return _TRACE_NAME.sub(lambda found: short_id(found[0]), words)


def commands(steps: Iterable[str]) -> RenderableType:
    """Return commands to go on with, one a line and unbroken, so that they can be copied."""
    lines = [Text.assemble(("  $ ", QUIET), (calling.command(shorter(plain.line(step))), COMMAND)) for step in steps]
    for each in lines:
        each.no_wrap, each.overflow = True, "ignore"
    return Group(*lines)
