"""A report as Markdown. What was recorded can neither break its structure nor bring HTML or links into it."""

from collections.abc import Iterable, Sequence

from whence.cli import plain
from whence.cli.render import duration, moment, money
from whence.cli.render_cohorts import sentence
from whence.diagnose.catalog import catalog
from whence.diagnose.reporting import Report
from whence.model.finding import Problem
from whence.telemetry.markdown import code
from whence.telemetry.markdown import plain as escaped

BAR = 20
ID_SHOWN = 8


def markdown(report: Report) -> str:
    """Return a report as Markdown (GitHub's dialect: it has tables)."""
    parts = [
        f"# {escaped(title(report))}",
        escaped(summary(report)),
        *_days(report),
        *_problems(report),
        *_contrasts(report),
        *_components(report),
        *_durations(report),
        *_cost(report),
        "---",
        escaped(made(report)),
    ]
    return "\n\n".join(each for each in parts if each) + "\n"


# -- words that both forms of a report share ------------------------------------------------------------------------------


def title(report: Report) -> str:
    """Return what a report is about."""
    of = f" of {plain.line(report.project, 80)}" if report.project else ""
    return f"Report{of}: {window(report)}"


def window(report: Report) -> str:
    """Return the time of a report."""
    since = moment(report.since_ns)[:16] if report.since_ns is not None else "the beginning"
    until = moment(report.until_ns if report.until_ns is not None else report.made_ns)[:16]
    return f"{since} to {until} UTC"


def summary(report: Report) -> str:
    """Return how runs went, in one or two sentences."""
    if not report.runs:
        return "No run began in that time."
    runs = f"{report.runs:,} run{'s' if report.runs != 1 else ''}"
    words = [f"{runs}: {report.good:,} went well, {report.bad:,} went wrong"]
    words[0] += f", {report.in_progress:,} in progress" if report.in_progress else ""
    if report.success is not None:
        interval = f"95 % interval {report.success_low:.0%} to {report.success_high:.0%}"
        words.append(f"{report.success:.0%} of those that ended went well ({interval})")
    problems = f"{report.problems_open:,} problem{'s are' if report.problems_open != 1 else ' is'} open"
    return ". ".join([*words, problems]) + "."


def made(report: Report) -> str:
    """Return who made a report, and when."""
    return f"Made by {plain.line(report.made_by)} at {moment(report.made_ns)} UTC, from what was recorded; nothing was sent."


def name_of(problem: Problem) -> str:
    """Return the name of a problem's code."""
    found = catalog().get(problem.code)
    return found.name if found is not None else ""


def spent(report: Report) -> str:
    """Return what a time cost, in words."""
    calls = f"{report.calls:,} LLM calls, {report.tokens:,} tokens"
    if report.cost_usd is None:
        return f"{calls}; what they cost is not known."
    less = f"; of {report.unpriced:,} runs it is not known, and in no sum" if report.unpriced else ""
    return f"{calls}, {money(report.cost_usd)}{less}."


# -- Markdown -------------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells must be escaped already."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(each or ' ' for each in row)} |" for row in rows)])


def bar(share: float) -> str:
    """Return a share of one as a bar of text."""
    full = max(0, min(BAR, round(share * BAR)))
    return "█" * full + "░" * (BAR - full)


def _days(report: Report) -> list[str]:
    if not report.days:
        return []
    rows = [
        (
            each.day,
            f"{bar(each.success)} {each.success:.0%}" if each.success is not None else "–",
            f"{each.good:,}",
            f"{each.bad:,}",
            duration(each.p50_s),
            money(each.cost_usd),
        )
        for each in report.days
        if each.good or each.bad
    ]
    return ["## Day by day", table(("day", "went well", "good", "bad", "p50", "cost"), rows)] if rows else []


def _problems(report: Report) -> list[str]:
    if not report.levels:
        return ["## Problems", "None is known."]
    states = ("recurred", "confirmed", "pending", "resolved")
    counts = [(each.label, *(f"{getattr(each, state):,}" for state in states)) for each in report.levels]
    levels = table(("severity", *states), counts)
    rows = [
        (
            escaped(each.label),
            f"{escaped(each.code)} {escaped(name_of(each))}",
            escaped(each.title),
            escaped(", ".join(each.components)),
            escaped(each.state),
            f"{each.count:,}",
            f"{moment(each.first_ns)[:16]} → {moment(each.last_ns)[:16]}",
            code(f"whence findings show {each.id[:ID_SHOWN]}"),
        )
        for each in report.problems
    ]
    more = report.problems_open - len(report.problems)
    head = ("severity", "code", "what", "components", "state", "times", "seen", "more")
    return [
        "## Problems",
        levels,
        "### Open, the worst first",
        table(head, rows) if rows else "None.",
        f"… and {more:,} more: `whence findings`" if more else "",
    ]


def _contrasts(report: Report) -> list[str]:
    if not report.contrasts:
        why = report.contrasts_note or "Nothing differs more than chance explains."
        return ["## What tells bad runs from good ones", escaped(why)]
    rows = [
        (
            escaped(f"{each.attribute} = {each.value}" if each.kind == "value" else each.attribute),
            escaped(sentence(each)),
            f"{each.lift:.2f}" if each.lift is not None else "–",
            f"{each.p_adjusted:.2g}",
        )
        for each in report.contrasts
    ]
    return ["## What tells bad runs from good ones", table(("what", "how often", "lift", "p (adjusted)"), rows)]


def _components(report: Report) -> list[str]:
    if not report.components:
        return []
    rows = [
        (
            escaped(each.component) or "–",
            f"{each.runs:,}",
            f"{each.success:.0%}" if each.success is not None else "–",
            f"{each.failed:,}",
            duration(each.p50_s),
            duration(each.p95_s),
            money(each.cost_usd),
            f"{each.problems:,}",
            f"{len(each.versions):,}",
        )
        for each in report.components
    ]
    more = report.components_in_all - len(report.components)
    head = ("component", "runs", "went well", "failed", "p50", "p95", "cost", "open problems", "versions")
    return ["## Components", table(head, rows), f"… and {more:,} more: `whence components`" if more else ""]


def _durations(report: Report) -> list[str]:
    changed = [each for each in report.series if each.change is not None]
    if not changed:
        return ["## Durations", "Of no component they changed, as far as a test can tell."] if report.series else []
    rows = []
    for each in changed:
        change = each.change
        if change is not None:
            rows.append(
                (
                    escaped(each.component),
                    f"{moment(change.ts_ns)[:16]}",
                    f"{duration(change.before_s)} → {duration(change.after_s)}",
                    f"{change.p:.2g}",
                    escaped("; ".join(change.versions)),
                )
            )
    return ["## Durations that changed", table(("component", "since (UTC)", "median", "p", "with"), rows)]


def _cost(report: Report) -> list[str]:
    return ["## Cost", escaped(spent(report))] if report.calls else []
