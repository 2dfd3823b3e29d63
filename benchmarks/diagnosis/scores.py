"""The table of a benchmark run, as text, Markdown and JSON, and written into a page."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.diagnosis.faults import FAULTS
from benchmarks.diagnosis.judge import Line, Share, Verdict, as_plain, false_findings, line
from benchmarks.rounds import percentile
from benchmarks.table import number

FIRST_GOAL: Final = 0.90
THREE_GOAL: Final = 0.98
FALSE_GOAL: Final = 0.05
_HEAD = ("fault", "runs", "first", "among three", "code")


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """What one seed came to."""

    seed: int
    by: str  # which diagnosis
    history: int  # clean runs before the first that was judged
    lines: tuple[Line, ...]
    overall: Line
    false: tuple[int, int]  # findings, clean runs
    p50_ms: float
    p95_ms: float
    runs_per_s: float  # made, recorded and drained


def scores(verdicts: Sequence[Verdict], *, seed: int, by: str, history: int, runs_per_s: float) -> Scores:
    """Return the scores of at least one judged run."""
    faulty = [each for each in verdicts if each.fault is not None]
    names = [fault.name for fault in FAULTS if any(each.fault == fault.name for each in faulty)]
    took = [each.seconds * 1000 for each in verdicts]
    return Scores(
        seed=seed,
        by=by,
        history=history,
        lines=tuple(line(name, (each for each in faulty if each.fault == name)) for name in names),
        overall=line("all", faulty),
        false=false_findings(verdicts),
        p50_ms=percentile(took, 0.5),
        p95_ms=percentile(took, 0.95),
        runs_per_s=runs_per_s,
    )


def _cells(each: Line) -> tuple[str, ...]:
    runs = f"{each.runs}" + (f" ({each.harmless} did no harm)" if each.harmless else "")
    return each.fault, runs, _share(each.first), _share(each.among_three), _share(each.coded)


def _share(share: Share) -> str:
    if share.value is None:
        return ""
    rounded = f"{share.value:.0%}"
    if rounded == "100%" and share.part < share.whole:  # one that was missed is not rounded away
        rounded = "> 99%"
    return f"{rounded} ({share.part} of {share.whole})"


def _facts(found: Scores) -> list[str]:
    findings, clean = found.false
    per_run = f"{findings / clean:.2f}" if clean else "no"
    verdicts = (
        (found.overall.first.value, FIRST_GOAL, "first"),
        (found.overall.among_three.value, THREE_GOAL, "among three"),
    )
    goals = [
        f"{name} ≥ {goal:.0%}: {'yes' if value is not None and value >= goal else 'NO'}"
        for value, goal, name in verdicts
    ]
    goals.append(f"false findings ≤ {FALSE_GOAL:g}: {'yes' if clean and findings / clean <= FALSE_GOAL else 'NO'}")
    return [
        f"seed {found.seed}, {found.by}, history of {found.history} clean runs",
        f"false findings (medium and above): {per_run} per clean run ({findings} in {clean})",
        f"time to diagnose: p50 {number(found.p50_ms)} ms, p95 {number(found.p95_ms)} ms; "
        f"runs made and drained: {number(found.runs_per_s)} a second",
        "goals: " + "; ".join(goals),
    ]


def as_text(found: Scores) -> str:
    """Return the table in aligned columns, the facts below it."""
    rows = [_HEAD, *map(_cells, found.lines), _cells(found.overall)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    shown.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join([*shown, "", *_facts(found)])


def as_markdown(found: Scores) -> str:
    """Return the table for a page."""
    rows = [_HEAD, ("---", "---:", "---:", "---:", "---:"), *map(_cells, found.lines), _cells(found.overall)]
    return "\n".join([*("| " + " | ".join(row) + " |" for row in rows), "", *(f"{fact}  " for fact in _facts(found))])


def as_json(found: Scores, verdicts: Sequence[Verdict]) -> bytes:
    """Return the scores, and what was said of each run."""
    findings, clean = found.false
    said: dict[str, Any] = {
        "seed": found.seed,
        "by": found.by,
        "history": found.history,
        "faults": [as_plain(each) for each in found.lines],
        "overall": as_plain(found.overall),
        "false_findings": {"findings": findings, "clean_runs": clean},
        "time_ms": {"p50": found.p50_ms, "p95": found.p95_ms},
        "runs_per_s": found.runs_per_s,
        "runs": [as_plain(each) for each in verdicts],
    }
    return msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"


def as_measured(verdicts: Sequence[Verdict], seed: int) -> str:
    """Return how often causes of each rule named what was planted, first or later: `whence/diagnose/measured.toml`.

    Only runs that went wrong through a fault count; a confirmed cause is not measured, its records prove it.
    """
    counts: dict[str, dict[str, list[int]]] = {"first": {}, "later": {}}
    for verdict in verdicts:
        for place, (rule, right) in enumerate(verdict.rules if verdict.fault is not None and verdict.bad else ()):
            if not rule:
                continue
            told = counts["first" if place == 0 else "later"].setdefault(rule, [0, 0])
            told[0] += right
            told[1] += 1
    lines = [
        "# How often causes named by each rule were the planted one: [right, all], where they came first or later.",
        f"# Written by `python -m benchmarks.diagnosis --seed {seed} --measure`; not to be edited by hand.",
        f"seed = {seed}",
    ]
    for table, rules in counts.items():
        lines += ["", f"[{table}]", *(f"{rule} = [{right}, {of}]" for rule, (right, of) in sorted(rules.items()))]
    return "\n".join(lines) + "\n"


def write_into(page: Path, found: Scores) -> None:
    """Put the table between <!-- seed N --> and <!-- /seed N --> of a page.

    Raises:
        ValueError: the page has no such lines.
    """
    begin, end = f"<!-- seed {found.seed} -->\n", f"<!-- /seed {found.seed} -->"
    text = page.read_text(encoding="utf-8")
    filled, places = re.subn(
        f"({re.escape(begin)}).*?({re.escape(end)})",
        lambda match: f"{match[1]}{as_markdown(found)}\n{match[2]}",
        text,
        flags=re.DOTALL,
    )
    if not places:
        raise ValueError(
            f"{page} has no block for seed {found.seed}; put {begin.strip()} and {end} on lines of their own"
        )
    page.write_text(filled, encoding="utf-8")
