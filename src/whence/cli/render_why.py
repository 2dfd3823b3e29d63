"""`why` and `compare`: what is known is numbered, what is only supposed is set apart and said to be so."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli import plain, render_causes
from whence.cli.render import (
    BAD,
    COMMAND,
    GOOD,
    MAYBE,
    NAME,
    QUIET,
    beside,
    columns,
    commands,
    console,
    duration,
    gate,
    heading,
    indented,
    joined,
    money,
    named,
    pairs,
    score,
    short_id,
    text,
)
from whence.diagnose.causes import Why
from whence.model.content import CONTENT_KEY
from whence.query.claims import NO_CAUSE, Change, Claim
from whence.query.compare import Comparison, Pair

ROOM_FOR_TWO = 44
GUESS_CHARS = 220
"""A hypothesis may quote two long decisions; `--json` has them whole."""

_SIGNS = {"good": ("✓", GOOD), "bad": ("✗", BAD), "in_progress": ("…", COMMAND)}


def why(answer: Why) -> RenderableType:
    """Return the answer to "why did this run end as it did?"."""
    sign, style = _SIGNS[answer.outcome]
    if answer.outcome == "good" and any(claim.rule not in NO_CAUSE for claim in answer.chain):
        style = MAYBE  # complete, and not all of it went well
    parts: list[RenderableType] = [Text.assemble((sign, style), " ", (plain.line(answer.trace_id), NAME))]
    said = render_causes.headline(answer)
    if answer.chain:  # the first statement of the chain stands below, with its record
        said = said.removesuffix(answer.chain[0].statement).rstrip(" :")
    parts.append(indented(text(readable(said), style if style in (BAD, MAYBE) else "")))
    if answer.first_bad_stage:
        parts.append(Text())
        parts.append(indented(pairs([("first bad stage", text(answer.first_bad_stage, f"{NAME} {BAD}"))])))
    parts += render_causes.causes(answer)
    if answer.chain:
        parts.append(heading("What happened", "stated by the records"))
        parts.append(_claims(answer.chain, known=True))
    named = render_causes.named_before(answer)
    behind = list({each.statement: each for each in answer.hypotheses[::-1] if each.statement not in named}.values())[
        ::-1
    ]
    if behind:
        parts.append(heading("What may be behind it", "hypotheses, not facts"))
        parts.append(_claims(behind, known=False))
    if answer.good_run is not None:
        parts += _against(answer)
    elif answer.outcome == "bad":
        parts.append(heading("Against the last good run", "there is none of the same kind before it"))
    parts += render_causes.codes(answer.findings)
    steps = render_causes.next_steps(answer)
    if steps:
        parts += [heading("Next"), commands(steps)]
    return Group(*parts)


def _claims(claims: Sequence[Claim], *, known: bool) -> RenderableType:
    """Return claims one below the other; neighbours that rest on the same record name it once."""
    parts: list[RenderableType] = []
    for count, claim in enumerate(claims, 1):
        if known:
            parts.append(beside(Text(f"{count:>4} ", f"{NAME} {BAD}"), text(readable(claim.statement))))
        else:
            said = plain.line(readable(claim.statement), GUESS_CHARS)
            parts.append(beside(Text("   ? ", MAYBE), Text.assemble(("maybe: ", MAYBE), (said, "italic"))))
        following = claims[count] if count < len(claims) else None
        if following is None or (following.record_id, following.stage) != (claim.record_id, claim.stage):
            parts.append(indented(_rests_on(claim), 5))
    return Group(*parts)


def _rests_on(claim: Claim) -> Text:
    parts = [Text(plain.line(claim.stage), QUIET)] if claim.stage else []
    parts += [Text(f"record {claim.record_id}", QUIET)] if claim.record_id else []
    return joined(parts, " · ") if parts else Text("the run as a whole", QUIET)


def _against(answer: Why) -> list[RenderableType]:
    good = plain.line(answer.good_run)
    if not answer.changes:
        return [
            heading("Against the last good run", good),
            indented(Text("no decision, number of sources or score differs", QUIET)),
        ]
    drawn = [(plain.line(change.what), *_both(change)) for change in answer.changes]
    longest = max(len(what) for what, _, _ in drawn)
    if console().width - longest < ROOM_FOR_TWO:  # no room for two columns of values beside the names
        return [
            heading("Against the last good run", good),
            *(
                indented(Group(_place(what), indented(pairs([("good run", before), ("this run", now)]))))
                for what, before, now in drawn
            ),
        ]
    table = columns(
        {"header": "what", "no_wrap": True},
        {"header": "good run", "overflow": "fold", "ratio": 1},
        {"header": "this run", "overflow": "fold", "ratio": 1},
    )
    for what, before, now in drawn:
        table.add_row(_place(what), before, now)
    return [heading("Against the last good run", good), indented(table)]


def _place(what: str) -> Text:
    """Return where a change is: a decision and its stage, or a figure of the run."""
    stage, _, decision = what.rpartition(".")
    return Text.assemble((f"{stage}." if stage else "", QUIET), decision if stage else decision.replace("_", " "))


def _weight(change: Change) -> str:
    return MAYBE if change.before is not None and change.now is not None else ""


VALUE_CHARS = 90


def _both(change: Change) -> tuple[Text, Text]:
    """Return two values as they are where they are short, else only what differs."""
    before, now = change.before, change.now
    style = _weight(change)
    if any(isinstance(each, dict) and CONTENT_KEY in each for each in (before, now)):
        mine, other = plain.line(before, VALUE_CHARS), plain.line(now, VALUE_CHARS)
        further = " (differs further on)" if mine == other else ""
        return text(mine + further, "" if before is not None else QUIET), text(other + further, style)
    if isinstance(before, list) and isinstance(now, list) and max(_length(before), _length(now)) > VALUE_CHARS:
        mine, other = _differing_items(before, now)
        return text(mine), text(other, style)
    if isinstance(before, dict) and isinstance(now, dict):
        keys = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        before, now = ({key: each[key] for key in keys if key in each} for each in (before, now))
    if before is not None and now is not None and max(_length(before), _length(now)) > VALUE_CHARS:
        mine, other = differing_part(plain.line(before), plain.line(now), VALUE_CHARS)
        return text(mine), text(other, style)
    return _value(before), _value(now, style)


def _length(value: Any) -> int:
    return len(plain.line(value))


def _differing_items(before: list[Any], now: list[Any]) -> tuple[str, str]:
    """Return what only one of two lists has, and how much is in both."""
    alike = sum(each in now for each in before)
    mine, other = [each for each in before if each not in now], [each for each in now if each not in before]
    if not mine and not other:
        return differing_part(plain.line(before), plain.line(now), VALUE_CHARS)
    both = f"{alike:,} in both" if alike else ""

    def said(only: list[Any]) -> str:
        shown = plain.line(only, VALUE_CHARS) if only else ""
        return f"{shown} (and {both})" if shown and both else shown or f"only the {both}" if both else shown or "[]"

    return said(mine), said(other)


def differing_part(before: str, now: str, limit: int) -> tuple[str, str]:
    """Return two texts from a few words before the place where they part, cut to `limit`."""
    pairs_ = enumerate(zip(before, now, strict=False))
    alike = next((place for place, (a, b) in pairs_ if a != b), min(len(before), len(now)))
    start = 0
    if alike > limit // 3:
        latest = alike - limit // 6
        start = max(before.rfind(" ", 0, latest) + 1, alike - limit // 2)  # at a word, if that is not too far before
    lead = "… " if start else ""
    mine, other = (lead + plain.line(each[start:], limit - len(lead)) for each in (before, now))
    return (mine, other) if mine != other else (f"{mine} (differs further on)", f"{other} (differs further on)")


_REFERENCE = re.compile(
    r'\{"content_sha256":"[0-9a-f]*(?:…|"(?:\}|,"chars":\d*(?:…|,"preview":"(?:((?:[^"\\]|\\.)*)"\}|([^"…]*)…))))'
)
_STRING = r'"(?:[^"\\]|\\.)*"'
_LIST = re.compile(rf"(?<![:,\[\w])\[({_STRING}(?:,{_STRING})*)(?:\]|,?(?:\"(?:[^\"\\]|\\.)*)?…)")


def readable(statement: str) -> str:
    """Return a statement in which texts and lists that are quoted as JSON read as words."""
    shown = _REFERENCE.sub(lambda found: f"{_unquoted(found[1] or found[2] or '')}…", statement)

    def items(found: re.Match[str]) -> str:
        words = ", ".join(_unquoted(each[1:-1]) for each in re.findall(_STRING, found[1]))
        return words if found[0].endswith("]") else f"{words}, …"

    return _LIST.sub(items, shown)


def _unquoted(inside: str) -> str:
    try:
        return str(msgspec.json.decode(f'"{inside}"'.encode()))
    except (msgspec.DecodeError, UnicodeEncodeError):
        return inside


def _value(value: Any, style: str = "") -> Text:
    if isinstance(value, float):
        return Text(f"{value:.4g}", style)
    return text(value, style if value is not None else QUIET, VALUE_CHARS)


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
    if value is None or words(abs(value)) == "–":
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
    yield heading("Decisions", "   ".join(counts) if found.decisions else "none in either")
    for run in _runs(found.decisions):
        if run[0].same:
            words = "1 decision the same" if len(run) == 1 else f"{len(run)} decisions the same"
            last = f": {run[0].stage}.{named(run[0].decision)}" + (
                f" … {run[-1].stage}.{named(run[-1].decision)}" if len(run) > 1 else ""
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
    title = Text.assemble(sign, (f"{plain.line(pair.stage)}.", QUIET), (named(pair.decision), NAME))
    if first:
        title.append("   ◀ first divergence", f"{NAME} {BAD}")
    sides = [(name, side) for name, side in (("A", pair.a), ("B", pair.b)) if side is not None]
    said = [_side(side) for _, side in sides]
    if pair.a and pair.b and said[0].plain == said[1].plain:
        said = list(_both(Change(what="", before=pair.a["what"], now=pair.b["what"])))
    rows = [(f"{name}{_nth(side)}", each) for (name, side), each in zip(sides, said, strict=True)]
    return Group(title, indented(pairs(rows), 5))


def _nth(side: dict[str, Any]) -> str:
    return f"  attempt {side['attempt']}" if side.get("attempt", 1) > 1 else ""


SIDE_CHARS = 160


def _side(side: dict[str, Any]) -> Text:
    sure = side["confidence"]
    shown = text(side["what"], limit=SIDE_CHARS)
    return shown.append(f"  {sure:.2f}" if sure is not None else "", QUIET)
