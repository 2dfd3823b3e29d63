"""How health and progress are drawn: bars, and what was done minute by minute as a line of blocks."""

import shlex
from collections.abc import Mapping, Sequence
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
    beside,
    commands,
    heading,
    indented,
    joined,
    many,
    moment,
    named,
    pairs,
    shorter,
    text,
    when,
)
from whence.store.interface import Activity

CELLS = 40
CELLS_IN_TABLE = 24
BLOCKS = "▁▂▃▄▅▆▇█"
NOTHING = "·"
INSIGHTS = 10
_MINUTE_NS = 60_000_000_000
_STATUS = {"healthy": ("✓", GOOD), "degraded": ("!", MAYBE), "unhealthy": ("✗", BAD), "unknown": ("?", QUIET)}
_LEVELS = {"critical": BAD, "high": BAD, "medium": MAYBE, "warning": MAYBE, "info": QUIET}
_PROGRESS = {
    "completed": ("✓", GOOD),
    "in_progress": ("…", COMMAND),
    "started": ("…", COMMAND),
    "failed": ("✗", BAD),
    "error": ("✗", BAD),
    "not_found": ("?", QUIET),
}
_BASES = {
    "snapshot": "the newest state that tells it",
    "event": "the newest event that tells it",
    "steps": "events of steps",
    "spans": "stages that ended",
    "status": "how the run stands",
}


def sparkline(counts: Sequence[int], style: str = "") -> Text:
    """Return numbers as a line of blocks, the highest one full; a dot where there is nothing."""
    most = max(counts, default=0)
    line = Text()
    for count in counts:
        block = BLOCKS[min(len(BLOCKS) - 1, int((count / most) * len(BLOCKS)))] if count else NOTHING
        line.append(block, style if count else QUIET)
    return line


def buckets(minutes: Sequence[Activity], since_ns: int, until_ns: int, cells: int) -> list[tuple[int, int]]:
    """Return (records, errors) of equal spans of a window: one a minute, or fewer where there are more minutes than cells."""
    first = since_ns // _MINUTE_NS
    count = max(1, -(-until_ns // _MINUTE_NS) - first)
    each = max(1, -(-count // cells))
    found = [(0, 0)] * max(1, -(-count // each))
    for did in minutes:
        place = ((did.minute_ns or 0) // _MINUTE_NS - first) // each
        if 0 <= place < len(found):
            records, errors = found[place]
            # The end of a part that failed is of level high as well: the greater number is that of different records.
            found[place] = records + did.records, errors + max(did.errors, did.failed)
    return found


def _each(since_ns: int, until_ns: int, cells: int) -> str:
    count = max(1, -(-until_ns // _MINUTE_NS) - since_ns // _MINUTE_NS)
    minutes = max(1, -(-count // cells))
    if minutes >= 60 and minutes % 60 == 0:
        return f"each block {many(minutes // 60, 'hour')}"
    return f"each block {many(minutes, 'minute')}"


def component(found: Mapping[str, Any], minutes: Sequence[Activity], since_ns: int, until_ns: int) -> RenderableType:
    """Return how a component is."""
    sign, style = _STATUS[found["status"]]
    head = Text.assemble((sign, style), " ", (named(found["component"]), NAME), "   ", (found["status"], style))
    parts: list[RenderableType] = [head]
    window = f"{moment(since_ns)[:16]} to {moment(until_ns)[:16]} UTC"
    if found["status"] == "unknown":
        parts.append(indented(Text(f"nothing is recorded of it from {window}; --range 7d looks further back", QUIET)))
    else:
        did = buckets(minutes, since_ns, until_ns, CELLS)
        score = joined([bar(found["score"] / 100, 20, style), Text(f"{found['score']:.4g} of 100")], " ")
        rate = Text(f"{found['error_rate']:.1%}", BAD if found["error_events"] else GOOD)
        counted = f"{many(found['error_events'], 'error')} in {many(found['total_events'], 'event')}"
        rows: list[tuple[str, RenderableType | str]] = [
            ("score", score),
            ("error rate", joined([rate, Text(counted, QUIET)])),
            ("activity", sparkline([records for records, _ in did])),
        ]
        if any(errors for _, errors in did):
            rows.append(("errors", sparkline([errors for _, errors in did], BAD)))
        rows.append(("", Text(f"{window}, {_each(since_ns, until_ns, CELLS)}", QUIET)))
        parts += [Text(), indented(pairs(rows))]
    if found["insights"]:
        insights = _by_problem(found["insights"])
        parts += [heading("What is wrong", f"{len(insights)}"), *_insights(insights)]
    return Group(*parts)


def _by_problem(insights: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], int]]:
    """Return insights, of those about one problem the first, with how many there are."""
    found: dict[object, tuple[Mapping[str, Any], int]] = {}
    for each in insights:
        key = each.get("problem_id") or each["id"]
        first, count = found.get(key, (each, 0))
        found[key] = first, count + 1
    return list(found.values())


def _insights(insights: Sequence[tuple[Mapping[str, Any], int]]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for each, count in insights[:INSIGHTS]:
        level = str(each["severity"])
        head = [Text(level, _LEVELS.get(level, "")), text(each.get("code") or "", NAME)]
        sure = each["confidence_score"]
        head += [Text(f"confidence {sure:.2f}" if sure is not None else "confidence not measured", QUIET)]
        head += [Text(f"{count:,} times", QUIET)] if count > 1 else []
        head += [Text("resolved", GOOD)] if each["resolved"] else []
        parts += [indented(joined(head)), indented(text(shorter(each["title"])), 4)]
        if each["suggestions"]:
            parts.append(indented(beside(Text("→ ", QUIET), text(shorter(each["suggestions"][0]), QUIET)), 4))
    if len(insights) > INSIGHTS:
        parts.append(indented(Text(f"… and {len(insights) - INSIGHTS} more", QUIET)))
    first = next((each["problem_id"] for each, _ in insights if each.get("problem_id")), None)
    return [*parts, heading("Next"), commands([f"whence findings show {first[:8]}"])] if first else parts


def components(
    rows: Sequence[Mapping[str, Any]],
    minutes: Mapping[str, Sequence[Activity]],
    since_ns: int,
    until_ns: int,
    span: str,
) -> RenderableType:
    """Return components as a table, the least healthy first."""
    widths: tuple[dict[str, Any], ...] = (
        {"no_wrap": True},
        {"header": "component", "no_wrap": True, "overflow": "ellipsis", "max_width": 32},
        {"header": "score", "no_wrap": True, "justify": "right"},
        {"header": "errors", "no_wrap": True, "justify": "right"},
        {"header": "events", "no_wrap": True, "justify": "right"},
        {"header": f"activity, {span}", "no_wrap": True, "drop": 2},
        {"header": "last", "no_wrap": True, "drop": 1},
    )
    lines: list[tuple[Text, ...]] = []
    for row in rows:
        sign, style = _STATUS[row["status"]]
        mine = minutes.get(row["component"], ())
        last = max((each.minute_ns or 0 for each in mine), default=0)
        did = buckets(mine, since_ns, until_ns, CELLS_IN_TABLE)
        line = (
            Text(sign, style),
            text(named(row["component"]), NAME),
            Text(f"{row['score']:.1f}", style),
            Text(f"{row['error_events']:,}", BAD if row["error_events"] else QUIET),
            Text(f"{row['total_events']:,}"),
            sparkline([records for records, _ in did]),
            Text(when(last, seconds=False) if last else "–", QUIET),
        )
        lines.append(line)
    return Fitting(widths, lines)


def progress(found: Mapping[str, Any]) -> RenderableType:
    """Return how far an operation is."""
    sign, style = _PROGRESS.get(found["status"], ("?", QUIET))
    head = Text.assemble((sign, style), " ", (plain.line(found["operation_id"], 80), NAME), "   ")
    head.append(found["status"].replace("_", " "), style)
    if found["status"] == "not_found":
        return Group(head, indented(Text("nothing is recorded of it in that time", QUIET)))
    done = joined([bar(found["progress"], 30, style), Text(f"{found['progress']:.0%}", NAME)], " ")
    rows: list[tuple[str, RenderableType | str]] = [("progress", done)]
    if found["total_steps"]:
        rows.append(("steps", f"{found['completed_steps']:,} of {found['total_steps']:,}"))
    rows.append(("read from", Text(_BASES.get(found["basis"], plain.line(found["basis"])), QUIET)))
    if found["error_count"]:
        rows.append(("errors", Text(f"{found['error_count']:,}", BAD)))
    times = f"{_time(found['started_at'])} → {_time(found['updated_at'])} UTC"
    rows.append(("recorded", Text(times, QUIET)))
    parts: list[RenderableType] = [head, Text(), indented(pairs(rows))]
    if found["insights"]:
        parts.append(heading("What is known"))
        parts += [indented(beside(Text("· ", QUIET), text(shorter(each)))) for each in found["insights"]]
    if found.get("trace_id"):
        again = "why" if style == BAD else "show"
        parts += [heading("Next"), commands([f"whence {again} {shlex.quote(found['trace_id'])}"])]
    return Group(*parts)


def _time(iso: str | None) -> str:
    return plain.line(iso or "–")[:19].replace("T", " ")
