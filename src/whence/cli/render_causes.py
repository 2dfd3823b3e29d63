"""The causes in an answer of `why`: what is confirmed has a ✓ and the word, what is a hypothesis a ? and "maybe"."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain
from whence.cli.render import (
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    beside,
    heading,
    indented,
    joined,
    many,
    pairs,
    shorter,
    text,
)
from whence.cli.render_codes import severity
from whence.cli.render_findings import sureness
from whence.diagnose.catalog import catalog
from whence.diagnose.causes import LEAD, Cause, Why
from whence.model.finding import Finding
from whence.query.claims import Claim

MOST_SHOWN = 3
UNLIKELY = 0.05
"""The confidence below which another cause is only counted."""
MOST_STEPS = 8
MOST_CODES = 8
STATEMENT_CHARS = 320
OTHER_CHARS = 160
_WELL = "went well: complete"


def headline(answer: Why) -> str:
    """Return the headline without the name of the run, and without the cause, which stands below."""
    said = answer.headline.removeprefix(answer.trace_id).strip()
    for cause in answer.causes[:1]:
        said = said.removesuffix(f"{LEAD[cause.kind]}: {cause.statement}").strip().rstrip(".")
    if _only_odd(answer) and said.startswith(_WELL):
        said = f"is complete{said.removeprefix(_WELL)}; no failure is recorded, but something is not as usual"
    return said


def _only_odd(answer: Why) -> bool:
    """Return whether nothing failed in a good run that differs from the runs before it: there is no outcome to have a cause."""
    return answer.outcome == "good" and answer.troubled and bool(answer.causes) and not answer.chain


def causes(answer: Why) -> list[RenderableType]:
    """Return the likeliest causes, and how it went on from the first of them."""
    stated = {each.statement for each in answer.chain}
    # What the records only state of the outcome stands below, numbered.
    ranked = [each for each in answer.causes if each.kind == "confirmed" or each.statement not in stated]
    if not ranked:
        return []
    first, *others = ranked[:MOST_SHOWN]
    compared = (
        f"beside {many(answer.beside, 'earlier good run')}" if answer.beside else "no earlier good run to compare with"
    )
    parts: list[RenderableType] = [heading("What stands out" if _only_odd(answer) else "Most likely cause", compared)]
    parts.append(_in_full(first))
    later = [each for each in answer.steps if each.statement != first.statement]
    if first.kind == "hypothesis":
        later = [each for each in later if each.statement not in stated]
    parts += _steps(later, confirmed=first.kind == "confirmed")
    likely = [each for each in others if each.confidence is None or each.confidence >= UNLIKELY]
    if likely:
        parts.append(heading("Also possible" if likely[0].kind == "hypothesis" else "Confirmed as well"))
        parts += [_in_short(each) for each in likely]
    left = len(ranked) - 1 - len(likely)
    if left:
        words = "1 other is less likely" if left == 1 else f"{left} others are less likely"
        parts += [Text(), indented(Text(f"{words}; --json has {'it' if left == 1 else 'them'}", QUIET))]
    return parts


def _mark(kind: str) -> Text:
    return Text("✓ confirmed  ", f"{NAME} {GOOD}") if kind == "confirmed" else Text("? maybe  ", f"{NAME} {MAYBE}")


def _in_full(cause: Cause) -> RenderableType:
    statement = text(_said(cause.statement), NAME if cause.kind == "confirmed" else f"{NAME} italic", STATEMENT_CHARS)
    rows: list[tuple[str, RenderableType | str]] = [("where", _where(cause))]
    rows.append(("confidence", _sure(cause)))
    if cause.evidence:
        rows.append(("record", text(cause.evidence[0])))
    if cause.because:
        same = cause.statement.partition(": ")[0] + ": "  # who it is about need not be said again
        shown = (_said(each.removeprefix(same)) for each in cause.because)
        lines = (beside(Text("· ", QUIET), text(each, QUIET, OTHER_CHARS)) for each in shown)
        rows.append(("also", Group(*lines)))
    return indented(Group(beside(_mark(cause.kind), statement), indented(pairs(rows))))


def _in_short(cause: Cause) -> RenderableType:
    said = text(_said(cause.statement), "" if cause.kind == "confirmed" else "italic", OTHER_CHARS)
    sure = Text(f"confidence {cause.confidence:.2f}" if cause.confidence is not None else "not measured", QUIET)
    record = Text(f"record {plain.line(cause.evidence[0])}" if cause.evidence else "", QUIET)
    beneath = joined([_where(cause), sure, record], " · ")
    return indented(Group(beside(_mark(cause.kind), said), indented(beneath)))


def _where(cause: Cause) -> Text:
    code = catalog().get(cause.code) if cause.code else None
    parts = [Text(plain.line(each, 60)) for each in dict.fromkeys((cause.component, cause.stage)) if each]
    if cause.code:
        parts.append(Text(f"{plain.line(cause.code, 20)} {code.name if code is not None else ''}".strip()))
    return joined(parts, " · ") if parts else Text("the run as a whole")


def _sure(cause: Cause) -> Text:
    if cause.confidence is None:
        return Text(plain.line(cause.basis) or "not measured", QUIET)
    return sureness(cause.confidence, None, cause.basis)


def _said(statement: str) -> str:
    from whence.cli.render_why import readable

    return shorter(readable(statement))


def _steps(later: Sequence[Claim], *, confirmed: bool) -> list[RenderableType]:
    """Return how it went on: what the records lead to, link by link, or what only came after it."""
    if not later:
        return []
    words = "each link is in the records" if confirmed else "in order of time; no record says that one led to the other"
    parts: list[RenderableType] = [heading("What it led to" if confirmed else "What came after it", words)]
    for step in later[:MOST_STEPS]:
        sign = Text("   ↓ ", GOOD) if step.kind == "confirmed" else Text("   ? ", MAYBE)
        said = text(_said(step.statement), "" if step.kind == "confirmed" else "italic", OTHER_CHARS + 60)
        beneath = [Text(plain.line(step.stage, 60), QUIET)] if step.stage else []
        beneath += [Text(f"record {plain.line(step.record_id)}", QUIET)] if step.record_id else []
        parts += [beside(sign, said), indented(joined(beneath, " · "), 5)]
    if len(later) > MOST_STEPS:
        parts.append(indented(Text(f"… and {len(later) - MOST_STEPS} more", QUIET), 5))
    return parts


def named_before(answer: Why) -> set[str]:
    """Return the statements that stand among the causes already."""
    shown = answer.causes[:MOST_SHOWN]
    return {each.statement for each in shown} | {other for each in shown[:1] for other in each.because}


def codes(findings: Sequence[Finding]) -> list[RenderableType]:
    """Return the codes that are set for a run, the worst first, each with what it says."""
    by: dict[str, list[Finding]] = {}
    for each in sorted(findings, key=lambda each: -each.severity):
        by.setdefault(each.code, []).append(each)
    if not by:
        return []
    known = catalog()
    parts: list[RenderableType] = [heading("Findings", many(len(findings), "finding"))]
    for code, of in list(by.items())[:MOST_CODES]:
        found = known.get(code)
        times = Text(f"{len(of)} times" if len(of) > 1 else "", QUIET)
        name = Text(found.name if found is not None else "", "")
        head = joined([each for each in (text(code, NAME), name, severity(of[0].severity), times) if each.plain])
        parts += [indented(head), indented(text(_said(of[0].title), QUIET, OTHER_CHARS), 4)]
    if len(by) > MOST_CODES:
        parts.append(indented(Text(f"… and {len(by) - MOST_CODES} more codes: --json has them all", QUIET)))
    return parts


def next_steps(answer: Why) -> list[str]:
    """Return commands to go on with: the record of the cause first."""
    steps = list(answer.next_steps)
    for cause in answer.causes[:1]:
        if cause.evidence and not any(cause.evidence[0] in each for each in steps):
            steps.insert(0, f"whence show {cause.evidence[0]}")
        if cause.code:
            steps.append(f"whence codes explain {cause.code}")
    return steps
