"""How problems are drawn: as a list, one with all that is known of it, and its history."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from whence.cli import calling, plain
from whence.cli.render import (
    BAD,
    COMMAND,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    beside,
    commands,
    heading,
    indented,
    joined,
    many,
    named,
    pairs,
    short_id,
    shorter,
    text,
    when,
)
from whence.cli.render_codes import severity
from whence.diagnose.catalog import Code, catalog
from whence.diagnose.lifecycle import Step
from whence.model.finding import Finding, Problem
from whence.model.record import Record
from whence.store.interface import StoredFinding

ID_SHOWN = 8
MOST_FROZEN = 20
VALUE_CHARS = 160
_BASES = {
    "stated": "the records state it",
    "derived": "it follows from the records by a rule that cannot err",
    "statistical": "by a test of statistics",
    "measured": "the share of such findings that were right on planted faults",
}
_STATES = {"pending": QUIET, "confirmed": MAYBE, "recurred": BAD, "resolved": GOOD}


def state(problem: Problem) -> Text:
    """Return the state of a problem in its word and colour."""
    return Text(problem.state, _STATES.get(problem.state, ""))


def sureness(confidence: float | None, basis: str | None, basis_text: str) -> Text:
    """Return how sure something is, and what that rests on, in words."""
    words = plain.line(basis_text) or _BASES.get(basis or "", "")
    if confidence is None:
        rests = f": {words}" if words and basis != "measured" else ""
        return Text(f"not measured{rests}", QUIET)
    known = _BASES.get(basis or "", "")
    rests = f"{known}: {words}" if words and known and words != known and basis == "statistical" else words or known
    return Text.assemble((f"{confidence:.2f}", NAME), (f"  {rests}" if rests else "", QUIET))


class _Lines:
    """Problems, two lines each: what it is and where it stands, in columns; below that its title."""

    def __init__(self, rows: Sequence[tuple[Sequence[Text], Text]], drops: Sequence[int]) -> None:
        self.rows, self.drops = rows, drops

    def __rich_console__(self, out: Console, options: ConsoleOptions) -> RenderResult:
        left = list(range(len(self.rows[0][0]))) if self.rows else []
        widths = [max(row[n].cell_len for row, _ in self.rows) for n in left]
        for n in self.drops:
            if sum(widths[each] + 2 for each in left) - 2 <= options.max_width:
                break
            left.remove(n)
        for cells, title in self.rows:
            line = Text()
            for n in left:
                line.append(cells[n]).append(" " * (widths[n] - cells[n].cell_len + 2))
            line.rstrip()
            line.no_wrap, line.overflow = True, "ellipsis"
            yield line
            yield indented(title)


def problems(rows: Sequence[Problem]) -> RenderableType:
    """Return problems, two lines each."""
    known = catalog()
    lines: list[tuple[Sequence[Text], Text]] = []
    for each in rows:
        code = known.get(each.code)
        cells = (
            Text(each.id[:ID_SHOWN], COMMAND),
            severity(each.severity),
            text(each.code, NAME, 16),
            text(code.name if code is not None else "", "", 32),
            state(each),
            Text(f"{each.count:,}×"),
            Text(when(each.first_ns, seconds=False) + " →", QUIET),
            Text(when(each.last_ns, seconds=False), QUIET),
        )
        title = text(shorter(each.title), limit=300)
        first = plain.line(each.components[0], 60) if each.components else ""
        if first and first.casefold() not in title.plain.casefold():
            title = Text.assemble((f"{first}: ", NAME), title)
        lines.append((cells, title))
    return _Lines(lines, drops=(6, 3))


# -- one ----------------------------------------------------------------------------------------------------------------


def problem(
    found: Problem,
    newest: StoredFinding | None,
    code: Code | None,
    steps: Sequence[Step],
    records: Mapping[str, Record | None],
    names: Mapping[str, str],
    *,
    most: int,
) -> RenderableType:
    """Return everything about a problem.

    Args:
        newest: its newest finding; None where that was erased.
        records: the evidence by record id; None where it is not stored.
        names: names of runs by their OpenTelemetry ids.
        most: occurrences that are listed.
    """
    finding = newest.finding if newest is not None else None
    head = [text(found.code, COMMAND), text(code.name if code is not None else "not in the catalog", NAME)]
    standing = joined([severity(found.severity), state(found), Text(f"seen {many(found.count, 'time')}")], " · ")
    parts: list[RenderableType] = [joined(head), standing, Text(), text(shorter(found.title))]
    if finding is not None and finding.description:
        parts.append(text(shorter(finding.description), QUIET))
    parts += [Text(), pairs(_facts(found, finding, names))]
    if finding is not None:
        parts += _evidence(finding, records)
        parts += _values("Freeze-frame", "the values at that moment", finding.freeze)
        parts += _values("Judged with", finding.detector, finding.thresholds)
    parts += _what_to_do(finding, code)
    parts += [heading("History", _counted(steps)), indented(history(steps[-most:], names))]
    return Group(*parts, heading("Next"), commands(_next(found, names)))


def _facts(found: Problem, finding: Finding | None, names: Mapping[str, str]) -> list[tuple[str, RenderableType | str]]:
    run = names.get(found.trace, "")
    rows: list[tuple[str, RenderableType | str]] = [("problem", Text(found.id, COMMAND))]
    if found.project:
        rows.append(("project", text(found.project)))
    if found.components:
        rows.append(("components", text(", ".join(found.components), limit=VALUE_CHARS)))
    rows.append(("first seen", Text(when(found.first_ns))))
    rows.append(("last seen", joined([Text(when(found.last_ns)), Text(f"run {short_id(run)}" if run else "", QUIET)])))
    if finding is not None:
        rows.append(("confidence", sureness(finding.confidence, finding.basis, finding.basis_text)))
        rows.append(("found by", text(finding.detector or "–", QUIET)))
    if found.by or found.note:
        rows.append(("said of it", text(": ".join(each for each in (found.by, found.note) if each))))
    return rows


def _evidence(finding: Finding, records: Mapping[str, Record | None]) -> list[RenderableType]:
    if not finding.evidence:
        return []
    lines: list[RenderableType] = []
    for each in finding.evidence:
        record = records.get(each)
        line = Text.assemble(("$ ", QUIET), (calling.command(f"whence show {shlex.quote(plain.line(each))}"), COMMAND))
        line.no_wrap, line.overflow = True, "ignore"
        lines += [line, indented(_gist(record))] if record is not None else [line]
    return [heading("Evidence", many(len(finding.evidence), "record")), indented(Group(*lines))]


def _gist(record: Record) -> Text:
    where = ".".join(plain.line(each, 60) for each in (record.stage, record.name) if each)
    parts = [Text(plain.line(record.kind), QUIET), text(where or named("")), Text(when(record.ts_ns), QUIET)]
    return joined(parts)


def _values(title: str, words: str, values: Mapping[str, Any]) -> list[RenderableType]:
    if not values:
        return []
    rows = [(plain.line(name, 40), text(each, "", VALUE_CHARS)) for name, each in list(values.items())[:MOST_FROZEN]]
    return [heading(title, plain.line(words)), indented(pairs(rows))]


def _what_to_do(finding: Finding | None, code: Code | None) -> list[RenderableType]:
    own = (finding.remediation, *finding.suggestions) if finding is not None else ()
    steps = list(dict.fromkeys(each for each in (*own, *(code.remediation if code is not None else ())) if each))
    lines = [beside(Text(f"{n:>3}. "), text(shorter(step))) for n, step in enumerate(steps, 1)]
    return [heading("What to do"), *lines] if lines else []


def _counted(steps: Sequence[Step]) -> str:
    seen = sum(each.what == "occurrence" for each in steps)
    said = len(steps) - seen
    return many(seen, "occurrence") + (f", {many(said, 'saying')}" if said else "")


def _next(found: Problem, names: Mapping[str, str]) -> list[str]:
    short = found.id[:ID_SHOWN]
    steps = [f"whence why {shlex.quote(names.get(found.trace, found.trace))}"] if found.trace else []
    if found.state == "resolved":
        return [*steps, f"whence findings reopen {short}"]
    if found.state == "pending":
        steps.append(f"whence findings confirm {short}")
    return [*steps, f"whence findings resolve {short} --note 'what was done'"]


def history(steps: Sequence[Step], names: Mapping[str, str]) -> RenderableType:
    """Return what happened to a problem, one step a line, the oldest first."""
    lines: list[RenderableType] = []
    for step in steps:
        head = Text.assemble((when(step.ts_ns), QUIET), "  ")
        if step.what == "occurrence":
            run = names.get(step.trace, "")
            where = Text(f"in {short_id(run)}  " if run else "", COMMAND)
            said = Text.assemble(("seen ", ""), where, text(shorter(step.title), QUIET, 100))
        else:
            word = "reopened" if step.what == "pending" else step.what
            by = f" by {plain.line(step.by)}" if step.by else ""
            note = f": {plain.line(step.note)}" if step.note else ""
            said = Text.assemble((word, f"{NAME} {GOOD if word == 'resolved' else MAYBE}"), f"{by}{note}")
        lines.append(beside(head, said))
    return Group(*lines)


def said(done: Problem) -> RenderableType:
    """Return where a problem stands after something was said of it."""
    by = Text(f"by {plain.line(done.by)}" if done.by else "", QUIET)
    return joined([Text(done.id[:ID_SHOWN], COMMAND), state(done), by, text(shorter(done.title), QUIET, 120)])
