"""`why` and `compare`: what is known is numbered, what is only supposed is set apart and said to be so."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
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
    columns,
    commands,
    duration,
    gate,
    heading,
    indented,
    joined,
    money,
    pairs,
    score,
    short_id,
    text,
)
from whence.query.compare import Comparison, Pair
from whence.query.why import Change, Claim, Why

GUESS_CHARS = 220
"""A hypothesis may quote two long decisions; `--json` has them whole."""

_SIGNS = {"good": ("✓", GOOD), "bad": ("✗", BAD), "in_progress": ("…", COMMAND)}


def why(answer: Why) -> RenderableType:
    """Return the answer to "why did this run end as it did?"."""
    sign, style = _SIGNS[answer.outcome]
    parts: list[RenderableType] = [Text.assemble((sign, style), " ", (plain.line(answer.trace_id), NAME))]
    said = answer.headline.removeprefix(answer.trace_id).strip()
    parts.append(indented(text(said, style if answer.outcome == "bad" else "")))
    if answer.first_bad_stage:
        parts.append(Text())
        parts.append(indented(pairs([("first bad stage", text(answer.first_bad_stage, f"{NAME} {BAD}"))])))
    if answer.chain:
        parts.append(heading("What happened", "stated by the records"))
        parts.append(_claims(answer.chain, known=True))
    if answer.hypotheses:
        parts.append(heading("What may be behind it", "hypotheses, not facts"))
        parts.append(_claims(answer.hypotheses, known=False))
    if answer.good_run is not None:
        parts += _against(answer)
    elif answer.outcome == "bad":
        parts.append(heading("Against the last good run", "there is none of the same kind before it"))
    if answer.next_steps:
        parts += [heading("Next"), commands(answer.next_steps)]
    return Group(*parts)


def _claims(claims: Sequence[Claim], *, known: bool) -> Table:
    """Return claims one below the other; neighbours that rest on the same record name it once."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(justify="right", width=4, style=f"{NAME} {BAD}" if known else MAYBE)
    grid.add_column(overflow="fold")
    for count, claim in enumerate(claims, 1):
        if known:
            grid.add_row(str(count), text(claim.statement))
        else:
            grid.add_row("?", Text.assemble(("maybe: ", MAYBE), (plain.line(claim.statement, GUESS_CHARS), "italic")))
        following = claims[count] if count < len(claims) else None
        if following is None or (following.record_id, following.stage) != (claim.record_id, claim.stage):
            grid.add_row("", _rests_on(claim))
    return grid


def _rests_on(claim: Claim) -> Text:
    parts = [Text(plain.line(claim.stage), QUIET)] if claim.stage else []
    parts += [Text(f"record {claim.record_id}", QUIET)] if claim.record_id else []
    return joined(parts, " · ") if parts else Text("the run as a whole", QUIET)


def _against(answer: Why) -> list[RenderableType]:
    beside = plain.line(answer.good_run)
    if not answer.changes:
        return [
            heading("Against the last good run", beside),
            indented(Text("nothing that was recorded differs", QUIET)),
        ]
    table = columns(
        {"header": "what", "overflow": "fold", "max_width": 24},
        {"header": "good run", "overflow": "fold", "ratio": 1},
        {"header": "this run", "overflow": "fold", "ratio": 1},
    )
    for change in answer.changes:
        table.add_row(_place(change.what), _value(change.before), _value(change.now, _weight(change)))
    return [heading("Against the last good run", beside), indented(table)]


def _place(what: str) -> Text:
    """Return where a change is: the decision, and below it its stage."""
    stage, _, decision = plain.line(what).rpartition(".")
    return Text.assemble(decision.replace("_", " ") if not stage else decision, (f"\n{stage}" if stage else "", QUIET))


def _weight(change: Change) -> str:
    return MAYBE if change.before is not None and change.now is not None else ""


def _value(value: Any, style: str = "") -> Text:
    if isinstance(value, float):
        return Text(f"{value:.4g}", style)
    return text(value, style if value is not None else QUIET, 90)


# -- compare ------------------------------------------------------------------------------------------------------------


def comparison(found: Comparison) -> RenderableType:
    """Return two runs side by side."""
    a, b, diff = found.trace_a, found.trace_b, found.diff
    table = columns(
        {"header": ""},
        {"header": f"A  {short_id(a['trace_id'])}", "overflow": "fold"},
        {"header": f"B  {short_id(b['trace_id'])}", "overflow": "fold"},
        {"header": "B − A", "justify": "right", "no_wrap": True},
    )
    for name, key in (("project", "project_name"), ("intent", "intent"), ("domain", "domain")):
        if a[key] is not None or b[key] is not None:
            table.add_row(Text(name, QUIET), text(a[key]), text(b[key], "" if a[key] == b[key] else MAYBE))
    delta = diff["quality_delta"]
    style = "" if not delta else GOOD if delta > 0 else BAD
    shown = Text("–", QUIET) if delta is None else Text(f"{delta:+.2f}".replace("-", "−"), style)
    table.add_row(Text("quality", QUIET), score(a["quality_score"]), score(b["quality_score"]), shown)
    table.add_row(Text("gate", QUIET), gate(a["quality_gate_passed"]), gate(b["quality_gate_passed"]))
    for name, key, delta_key, words in (
        ("took", "duration_seconds", "duration_delta", duration),
        ("cost", "cost_usd", "cost_delta", money),
    ):
        table.add_row(Text(name, QUIET), words(a[key]), words(b[key]), _delta(diff[delta_key], words))
    header = pairs([("A", text(a["trace_id"], NAME)), ("B", text(b["trace_id"], NAME))])
    return Group(header, Text(), table, *_gaps(diff), *_decisions(found))


def _delta(value: float | None, words: Any) -> Text:
    if value is None:
        return Text("–", QUIET)
    return Text(f"{'+' if value >= 0 else '−'}{words(abs(value))}")


def _gaps(diff: dict[str, Any]) -> Iterator[RenderableType]:
    names = (("only in A", "gaps_a_only", GOOD), ("only in B", "gaps_b_only", BAD), ("in both", "gaps_both", MAYBE))
    rows = [(name, text(diff[key], style)) for name, key, style in names if diff[key]]
    yield heading("Principles that fell short", "" if rows else "none in either")
    if rows:
        yield indented(pairs(rows))


def _decisions(found: Comparison) -> Iterator[RenderableType]:
    same = sum(pair.same for pair in found.decisions)
    only = {"A": sum(pair.b is None for pair in found.decisions), "B": sum(pair.a is None for pair in found.decisions)}
    counts = [f"= {same} the same", f"≠ {len(found.decisions) - same - sum(only.values())} differ"]
    counts += [f"{sign} {only[of]} only in {of}" for sign, of in (("−", "A"), ("+", "B")) if only[of]]
    beside = "   ".join(counts)
    yield heading("Decisions", beside if found.decisions else "none in either")
    for run in _runs(found.decisions):
        if run[0].same:
            words = "1 decision the same" if len(run) == 1 else f"{len(run)} decisions the same"
            last = f": {run[0].stage}.{run[0].decision}" + (
                f" … {run[-1].stage}.{run[-1].decision}" if len(run) > 1 else ""
            )
            yield Text.assemble(("  =  ", QUIET), (words + plain.line(last), QUIET))
        else:
            for pair in run:
                yield _pair(pair, first=pair == found.first_divergence)


def _runs(pairs_: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Yield neighbours that are the same together."""
    run: list[Pair] = []
    for pair in pairs_:
        if run and run[-1].same != pair.same:
            yield run
            run = []
        run.append(pair)
    if run:
        yield run


def _pair(pair: Pair, *, first: bool) -> RenderableType:
    sign = Text("  ≠  ", BAD) if pair.a and pair.b else Text("  −  ", MAYBE) if pair.a else Text("  +  ", MAYBE)
    title = Text.assemble(sign, (f"{plain.line(pair.stage)}.", QUIET), (plain.line(pair.decision), NAME))
    if first:
        title.append("   ◀ first divergence", f"{NAME} {BAD}")
    rows = [(name, _side(side)) for name, side in (("A", pair.a), ("B", pair.b)) if side is not None]
    return Group(title, Padding(pairs(rows), (0, 0, 0, 5)))


def _side(side: dict[str, Any]) -> Text:
    sure = side["confidence"]
    shown = text(side["what"], limit=160)
    return shown.append(f"  {sure:.2f}" if sure is not None else "", QUIET)
