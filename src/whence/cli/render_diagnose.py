"""How a diagnosis is summed up: what was looked at, what is open, what is worst, and how to go on."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli.render import (
    BAD,
    COMMAND,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    commands,
    duration,
    heading,
    indented,
    joined,
    many,
    pairs,
    text,
)
from whence.cli.render_codes import STYLES
from whence.cli.render_findings import ID_SHOWN, problems
from whence.model.finding import Problem
from whence.model.severity import Severity

CELLS = 24
FAILURES = 5


def summary(done: Mapping[str, Any], still: Sequence[Problem], *, most: int, since: str) -> RenderableType:
    """Return what a diagnosis came to.

    Args:
        done: what was looked at and found (`whence diagnose --json`).
        still: problems that are open, the worst first.
        most: problems that are shown.
    """
    run = done.get("run")
    what = [Text("diagnosed", NAME), text(run, NAME) if run else Text(many(done["runs"], "run"), NAME)]
    rest = f"{many(done['records'], 'record')} in {duration(done['seconds'])}"
    parts: list[RenderableType] = [Text.assemble(joined(what, " "), (f"   {rest}", QUIET)), Text()]
    parts.append(pairs(_counts(done)))
    if done["failures"]:
        parts += _failures(done["failures"])
    if not still:
        return Group(*parts, Text(), joined([Text("✓", GOOD), "nothing is known to be wrong"], " "))
    parts += [heading("Open problems", f"{len(still):,}"), indented(severities(still))]
    parts += [heading("The worst", f"{most} of {len(still):,}" if len(still) > most else "")]
    parts.append(problems(still[:most]))
    steps = [f"whence findings show {still[0].id[:ID_SHOWN]}"]
    if run:
        steps.append(f"whence why {shlex.quote(run)}")
    else:
        steps += [f"whence diff good bad --since {since}", f"whence report --since {since} --output report.html"]
    return Group(*parts, heading("Next"), commands(steps))


def _counts(done: Mapping[str, Any]) -> list[tuple[str, RenderableType | str]]:
    outcomes = done.get("outcomes") or {}
    rows: list[tuple[str, RenderableType | str]] = []
    if outcomes:
        words = (("good", "went well", GOOD), ("bad", "went wrong", BAD), ("in_progress", "in progress", COMMAND))
        rows.append(
            ("runs", joined([Text(f"{outcomes[k]:,} {word}", style) for k, word, style in words if k in outcomes]))
        )
    found = [Text(f"{done['findings_new']:,} new", MAYBE if done["findings_new"] else QUIET)]
    found.append(Text(f"{done['findings_known']:,} known before", QUIET))
    if done["findings_withdrawn"]:
        found.append(Text(f"{done['findings_withdrawn']:,} taken back", QUIET))
    rows.append(("findings", joined(found)))
    return rows


def severities(still: Sequence[Problem]) -> RenderableType:
    """Return how many problems there are of each severity, as bars."""
    counts = {level: sum(min(max(each.severity, 0), 4) == level for each in still) for level in reversed(Severity)}
    most = max(counts.values(), default=0) or 1
    rows = []
    for level, count in counts.items():
        if count:
            cells = max(1, round(count / most * CELLS))
            rows.append((level.label, Text.assemble(("█" * cells, STYLES[level]), f" {count:,}")))
    return pairs(rows)


def _failures(failures: Sequence[Mapping[str, Any]]) -> list[RenderableType]:
    lines = [text(f"{each['detector']}: {each['message']}", MAYBE, 200) for each in failures[:FAILURES]]
    more = [Text(f"… and {len(failures) - FAILURES:,} more", QUIET)] if len(failures) > FAILURES else []
    return [heading("Detectors that gave nothing", "the others ran"), *(indented(each) for each in (*lines, *more))]
