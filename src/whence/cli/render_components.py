"""How components and their versions are drawn, side by side."""

import shlex
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli.render import (
    BAD,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    Fitting,
    bar,
    beside,
    commands,
    duration,
    heading,
    indented,
    joined,
    many,
    money,
    named,
    pairs,
    text,
    when,
)
from whence.cli.render_codes import severity
from whence.diagnose.scoreboard import FALSE_DISCOVERIES, MIN_CALIBRATION, MIN_VERSION, ComponentScore, VersionScore

CELLS = 8


def _success(share: float | None, cells: int = CELLS) -> Text:
    if share is None:
        return Text("–", QUIET)
    style = GOOD if share >= 0.9 else MAYBE if share >= 0.7 else BAD
    return joined([bar(share, cells, style), Text(f"{share:>4.0%}")], " ")


def scoreboard(rows: Sequence[ComponentScore]) -> RenderableType:
    """Return components as a table: those with open problems first, the least successful next."""
    widths: tuple[dict[str, Any], ...] = (
        {"header": "component", "no_wrap": True, "overflow": "ellipsis", "max_width": 28},
        {"header": "runs", "no_wrap": True, "justify": "right"},
        {"header": "went well", "no_wrap": True},
        {"header": "open", "no_wrap": True, "justify": "right"},
        {"header": "worst", "no_wrap": True},
        {"header": "failed", "no_wrap": True, "justify": "right", "drop": 6},
        {"header": "p50", "no_wrap": True, "justify": "right", "drop": 7},
        {"header": "p95", "no_wrap": True, "justify": "right", "drop": 8},
        {"header": "cost", "no_wrap": True, "justify": "right", "drop": 5},
        {"header": "off by", "no_wrap": True, "justify": "right", "drop": 3},
        {"header": "versions", "no_wrap": True, "justify": "right", "drop": 4},
    )
    lines: list[tuple[Text, ...]] = []
    for each in rows:
        line = (
            text(named(each.component), NAME),
            Text(f"{each.runs:,}"),
            _success(each.success),
            Text(f"{each.problems:,}" if each.problems else "–", "" if each.problems else QUIET),
            severity(each.worst) if each.worst is not None else Text("–", QUIET),
            Text(f"{each.failed:,}", BAD if each.failed else QUIET),
            Text(duration(each.p50_s)),
            Text(duration(each.p95_s)),
            Text(money(each.cost_usd), "" if each.cost_usd is not None else QUIET),
            Text(f"{each.ece:.2f}" if each.ece is not None else "–", "" if each.ece is not None else QUIET),
            Text(f"{len(each.versions):,}" if each.versions else "–", QUIET),
        )
        lines.append(line)
    told = "went well: share of the ended runs that it took part in"
    if any(each.ece is not None for each in rows):
        told += f"; off by: calibration error of its confidences (from {MIN_CALIBRATION} on)"
    return Group(Fitting(widths, lines), Text(), Text(told, QUIET))


def component(each: ComponentScore) -> RenderableType:
    """Return one component: its figures, then its versions in order of time."""
    ended = each.good + each.bad
    rows: list[tuple[str, RenderableType | str]] = [
        ("runs", joined([Text(f"{each.runs:,}"), Text(f"{when(each.first_ns)} → {when(each.last_ns)} UTC", QUIET)])),
    ]
    interval = f"{each.good:,} of {ended:,}; 95 % interval {each.success_low:.0%} to {each.success_high:.0%}"
    rows.append(("went well", joined([_success(each.success, 20), Text(interval if ended else "", QUIET)])))
    spans = [Text(many(each.spans, "span")), Text(f"{each.failed:,} failed", BAD if each.failed else QUIET)]
    spans += [Text(many(each.errors, "error"), BAD if each.errors else QUIET)]
    spans += [Text(f"retried in {many(each.retried, 'run')}", MAYBE)] if each.retried else []
    rows.append(("did", joined(spans)))
    rows.append(("took", f"half of the runs up to {duration(each.p50_s)}, 95 % up to {duration(each.p95_s)}"))
    if each.calls:
        tokens = f"{many(each.calls, 'LLM call')}, {many(each.tokens, 'token')}, "
        tokens += money(each.cost_usd) if each.cost_usd is not None else "cost unknown"
        rows.append(("calls", tokens))
    if each.confidences:
        if each.ece is not None:
            sure = f"its {each.confidences:,} confidences are off by {each.ece:.2f} on average"
        else:
            sure = f"{many(each.confidences, 'confidence')} stated; from {MIN_CALIBRATION} on it can be said how right they are"
        rows.append(("calibration", sure))
    open_ = [Text(many(each.problems, "problem") + ("," if each.worst is not None else ""))]
    open_ += [Text("the worst is", QUIET), severity(each.worst)] if each.worst is not None else []
    rows.append(("open", joined(open_, " ")))
    parts: list[RenderableType] = [text(named(each.component), NAME), Text(), indented(pairs(rows))]
    parts += _versions(each.versions)
    steps = [f"whence findings --component {shlex.quote(each.component)}"] if each.problems else []
    return Group(*parts, *([heading("Next"), commands(steps)] if steps else []))


def _versions(versions: Sequence[VersionScore]) -> list[RenderableType]:
    if not versions:
        return [heading("Versions", "nothing that ran was named: no model, prompt, tools, parameters or code version")]
    widths: tuple[dict[str, Any], ...] = (
        {"header": "version", "no_wrap": True},
        {"header": "since (UTC)", "no_wrap": True},
        {"header": "runs", "no_wrap": True, "justify": "right"},
        {"header": "went well", "no_wrap": True},
        {"header": "change", "no_wrap": True, "justify": "right"},
        {"header": "p50", "no_wrap": True, "justify": "right", "drop": 1},
        {"header": "× before", "no_wrap": True, "justify": "right"},
    )
    lines = [
        (
            text(each.version, NAME, 12),
            Text(when(each.first_ns, seconds=False), QUIET),
            Text(f"{each.runs:,}"),
            _success(each.success),
            _change(each),
            Text(duration(each.p50_s)),
            _ratio(each),
        )
        for each in versions
    ]
    parts: list[RenderableType] = [heading("Versions", "the oldest first"), indented(Fitting(widths, lines))]
    changed = [each for each in versions if each.changed]
    if changed:
        parts.append(heading("What changed"))
        for each in changed:
            head = Text.assemble((each.version[:12], NAME), "  ")
            parts.append(indented(beside(head, Group(*(text(one, limit=160) for one in each.changed)))))
    if len(versions) > 1:
        told = f"pp: percentage points; * p ≤ {FALSE_DISCOVERIES}, corrected over all versions; "
        told += f"compared from {MIN_VERSION} ended runs on"
        parts += [Text(), indented(Text(told, QUIET))]
    return parts


def _marked(p: float | None) -> str:
    return "*" if p is not None and p <= FALSE_DISCOVERIES else " "


def _change(each: VersionScore) -> Text:
    change = each.success_change
    if change is None:
        return Text("–  ", QUIET)
    mark = _marked(each.success_p)
    style = QUIET if mark == " " else GOOD if change > 0 else BAD
    return Text(f"{change * 100:+.0f} pp{mark}".replace("-", "−"), style)


def _ratio(each: VersionScore) -> Text:
    if each.latency_ratio is None:
        return Text("–  ", QUIET)
    mark = _marked(each.latency_p)
    style = QUIET if mark == " " else BAD if each.latency_ratio > 1 else GOOD
    return Text(f"{each.latency_ratio:.2f}{mark}", style)
