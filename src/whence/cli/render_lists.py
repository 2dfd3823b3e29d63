"""Lists: runs, decisions, found records, principles, projects, and the line that `tail` prints for a record."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
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
    confidence,
    duration,
    indented,
    joined,
    mark,
    named,
    pairs,
    score,
    short_id,
    text,
    when,
)
from whence.clock import iso_utc
from whence.model import record as kinds
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import INCOMPLETE, TraceSummary
from whence.store.interface import Hit


def traces(rows: Sequence[TraceSummary]) -> RenderableType:
    """Return runs as a table, one a line."""
    widths: tuple[dict[str, Any], ...] = (
        {"no_wrap": True},
        {"header": "run", "no_wrap": True},
        {"header": "began (UTC)", "no_wrap": True, "drop": 3},
        {"header": "project", "no_wrap": True, "overflow": "ellipsis", "max_width": 16, "drop": 2},
        {"header": "quality", "no_wrap": True, "justify": "right"},
        {"header": "took", "no_wrap": True, "justify": "right", "drop": 1},
        {"header": "query", "no_wrap": True, "overflow": "ellipsis", "ratio": 1, "least": 16},
    )
    lines: list[tuple[Text, ...]] = []
    for row in rows:
        said = [text(row.query, "" if row.query is not None else QUIET, 200)]
        said = [Text("⚑", MAYBE), *said] if row.flagged_for_review else said
        line = (
            mark(row),
            Text(short_id(row.trace_id), COMMAND),
            Text(when(row.started_ns, seconds=False), QUIET),
            text(row.project_name or row.project_id or row.project),
            Text(score(row.overall_quality_score), quality_style(row)),
            Text(duration(row.duration_seconds)),
            joined(said, " "),
        )
        lines.append(line)
    return Fitting(widths, lines)


def flagged(rows: Sequence[TraceSummary]) -> RenderableType:
    """Return runs that were flagged, each with what was noted."""
    parts: list[RenderableType] = []
    for row in rows:
        head = [
            mark(row),
            Text(short_id(row.trace_id), COMMAND),
            Text(when(row.started_ns), QUIET),
            text(row.project_name or row.project_id or row.project, NAME, 24),
            Text(score(row.overall_quality_score), quality_style(row)),
            text(row.query or "", QUIET, 100),
        ]
        parts.append(joined(head))
        parts[-1].no_wrap, parts[-1].overflow = True, "ellipsis"  # type: ignore[union-attr]
        parts += [indented(text(note, MAYBE), 3) for note in (row.review_notes or "no note").splitlines()]
    return Group(*parts)


def quality_style(row: TraceSummary) -> str:
    """Return the colour of a quality score: by the gate's verdict."""
    return QUIET if row.overall_quality_score is None else BAD if row.quality_gate_passed is False else ""


def record_data(record: Record) -> dict[str, Any]:
    """Return a record as a JSON object, its payload decoded and its time readable."""
    found: dict[str, Any] = {name: getattr(record, name) for name in record.__struct_fields__}
    return {**found, "ts": iso_utc(record.ts_ns), "payload": payload(record)}


def payload(record: Record) -> dict[str, Any]:
    """Return what a record says."""
    said = msgspec.json.decode(record.payload)
    return said if isinstance(said, dict) else {"value": said}


def hit_data(hit: Hit) -> dict[str, Any]:
    """Return a found record as a JSON object."""
    return {"trace_id": hit.trace_id, "snippet": hit.snippet, "record": record_data(hit.record)}


def decisions(records: Sequence[Record]) -> RenderableType:
    """Return decisions: where, how sure, in which run and when; below that what was decided, and why."""
    heads: list[tuple[Text, ...]] = [
        (Text("decision", QUIET), Text("confidence", QUIET), Text("run, when (UTC)", QUIET))
    ]
    said = [payload(record) for record in records]
    for record, each in zip(records, said, strict=True):
        where = Text.assemble(
            (f"{plain.line(record.stage)}." if record.stage else "", QUIET), (named(record.name), NAME)
        )
        sure = each.get("confidence")
        of_run = joined([Text(short_id(record.trace), COMMAND), Text(when(record.ts_ns), QUIET)])
        heads.append((where, confidence(sure if isinstance(sure, int | float) else None), of_run))
    widths = [max(cell.cell_len for cell in column) for column in zip(*heads, strict=True)]
    parts: list[RenderableType] = [_decision_line(heads[0], widths)]
    for head, each in zip(heads[1:], said, strict=True):
        rows = [("what", text(each.get("what"), limit=160))]
        rows += [("why", text(each["why"], QUIET, 160))] if each.get("why") else []
        parts += [_decision_line(head, widths), indented(pairs(rows))]
    return Group(*parts)


def _decision_line(cells: Sequence[Text], widths: Sequence[int]) -> RenderableType:
    line = Table.grid(padding=(0, 2, 0, 0), expand=True)
    line.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for width in widths[1:]:
        line.add_column(no_wrap=True, width=width)
    line.add_row(*cells)
    return line


def hits(found: Sequence[Hit]) -> RenderableType:
    """Return found records, with the words that were searched for."""
    parts: list[RenderableType] = []
    for hit in found:
        record = hit.record
        where = ".".join(plain.line(each) for each in (record.stage, record.name) if each)
        head = [
            Text(short_id(hit.trace_id) or "–", COMMAND),
            Text(when(record.ts_ns), QUIET),
            Text(plain.line(record.kind), QUIET),
            Text(where, NAME),
        ]
        parts += [joined(head), indented(_marked(hit.snippet))]
    return Group(*parts)


def _marked(snippet: str) -> Text:
    """Return a snippet whose words between ‹ and › stand out."""
    shown = Text()
    for number, piece in enumerate(plain.line(snippet).split("‹")):
        word, closed, rest = piece.partition("›")
        if number and closed:
            shown.append(word, f"{NAME} {MAYBE}").append(rest)
        else:
            shown.append(piece)
    return shown


_LEVELS = {Severity.INFO: QUIET, Severity.LOW: QUIET, Severity.MEDIUM: MAYBE}
_MARKS = {
    kinds.TRACE_START: ("▶", COMMAND),
    kinds.TRACE_END: ("■", COMMAND),
    kinds.SPAN_START: ("┌", QUIET),
    kinds.SPAN_END: ("└", QUIET),
    kinds.DECISION: ("●", GOOD),
    kinds.FINDING: ("⚑", MAYBE),
    kinds.EVENT: ("·", QUIET),
}


def record_line(record: Record) -> Text:
    """Return one record in one line."""
    sign, style = _MARKS.get(record.kind, ("·", QUIET))
    style = BAD if record.level >= Severity.HIGH else style
    where = ".".join(plain.line(each) for each in (record.stage, record.name) if each and each != record.kind)
    if record.kind in (kinds.SPAN_START, kinds.SPAN_END):
        where = plain.line(record.name)
    shown = Text.assemble(
        (iso_utc(record.ts_ns)[11:23], QUIET), " ", (record.trace[-8:] or "–" * 8, COMMAND), " ", (sign, style), " "
    )
    gist = _gist(record)
    if record.kind in (kinds.DECISION, kinds.EVENT, kinds.SPAN_START, kinds.SPAN_END) and not plain.line(record.name):
        where = f"{where}.{named('')}" if where else named("")
    shown.append(where, NAME).append(f"  {gist}" if gist else "", "" if style == BAD else QUIET)
    shown.no_wrap = True
    return shown


def _gist(record: Record) -> str:
    """Return what a record says, in a few words."""
    said = payload(record)
    if record.kind == kinds.DECISION:
        sure = said.get("confidence")
        return plain.line(said.get("what"), 120) + (f"  {sure:.2f}" if isinstance(sure, int | float) else "")
    if record.kind == kinds.TRACE_START:
        return plain.line(said.get("query") or "", 120)
    if record.kind == kinds.TRACE_END:
        took = said.get("duration_ns")
        words = [plain.line(said.get("status", INCOMPLETE)), duration(took / 1e9) if isinstance(took, int) else ""]
        return "  ".join([*words, plain.line(said["error"], 100) if said.get("error") else ""]).strip()
    if record.kind in (kinds.SPAN_START, kinds.SPAN_END):
        took = said.get("duration_ns")
        words = [f"attempt {said['attempt']}" if said.get("attempt", 1) != 1 else ""]
        words += [duration(took / 1e9) if isinstance(took, int) else ""]
        words += [plain.line(said["error"], 100) if said.get("error") else ""]
        return "  ".join(word for word in words if word)
    return plain.line(said.get("message") or said.get("title") or said.get("data") or said, 120)


def principles(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return how principles fare: a bar of the share of runs that failed it, and the average score."""
    widths: tuple[dict[str, Any], ...] = (
        {"header": "principle", "no_wrap": True, "overflow": "ellipsis", "max_width": 30},
        {"header": "share of runs that fell short", "no_wrap": True, "drop": 1},
        {"header": "failed", "justify": "right", "no_wrap": True},
        {"header": "runs", "justify": "right", "no_wrap": True},
        {"header": "average", "justify": "right", "no_wrap": True, "drop": 2},
    )
    lines: list[tuple[Text, ...]] = []
    for row in rows:
        failed, runs = row["fail_count"], row["total_runs"]
        share = failed / runs if runs else 0.0
        line = (
            text(named(row["principle_id"]), NAME),
            joined([bar(share, 20), Text(f"{share:4.0%}")], " "),
            Text(str(failed), BAD if failed else QUIET),
            Text(str(runs)),
            Text(f"{row['avg_score']:.2f}"),
        )
        lines.append(line)
    return Fitting(widths, lines)


def projects(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return projects with how they are recorded and how often they ran."""
    widths: tuple[dict[str, Any], ...] = (
        {"header": "project", "overflow": "fold", "max_width": 24},
        {"header": "recorded", "no_wrap": True},
        {"header": "capture", "no_wrap": True, "drop": 3},
        {"header": "runs", "justify": "right", "no_wrap": True},
        {"header": "gate passed", "justify": "right", "no_wrap": True, "drop": 1},
        {"header": "gate failed", "justify": "right", "no_wrap": True, "drop": 2},
    )
    lines: list[tuple[Text, ...]] = []
    for row in rows:
        line = (
            text(named(row["name"]), NAME),
            Text("yes", GOOD) if row["enabled"] else Text("no", MAYBE),
            Text(row["capture"]),
            Text(str(row["runs"])),
            Text(str(row["gate_passed"]), GOOD if row["gate_passed"] else QUIET),
            Text(str(row["gate_failed"]), BAD if row["gate_failed"] else QUIET),
        )
        lines.append(line)
    return Fitting(widths, lines)
