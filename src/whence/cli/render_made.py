"""What was done to content and by whom, in a run's tree: transformations, checks, files, calls of models and of tools."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from whence.cli.render import BAD, GOOD, MAYBE, NAME, QUIET, indented, joined, money, named, size, text, took
from whence.cli.render_events import failure
from whence.model.content import CONTENT_KEY
from whence.model.payload import Check, FileWrite, Transform
from whence.model.quality import number
from whence.model.trace import LlmUse, SpanUse, TraceView, Use

FAILURES = 3
"""Failures of a check that are shown without --full."""
HASH_CHARS = 8
Made = Use[Transform] | Use[Check] | Use[FileWrite]
Timed = SpanUse | LlmUse


def by_span(view: TraceView, full: bool) -> dict[str, list[Made]]:
    """Return what was said of content, by the span it was said in; checks that passed only with `full`."""
    found: dict[str, list[Made]] = {}
    every: Iterable[Made] = (*view.transforms, *view.checks, *view.files)
    for each in every:
        if full or not isinstance(each.said, Check) or each.said.passed is not True:
            found.setdefault(each.span, []).append(each)
    return found


def timed_by_span(view: TraceView, others: Iterable[str]) -> dict[str, list[Timed]]:
    """Return spans that are no stages, and LLM calls, by the span they lie in; under "" those that lie in none known.

    Args:
        others: the spans of stages.
    """
    every: list[Timed] = [*view.spans, *view.llm_calls]
    known = {*others, *(each.span for each in view.spans)}
    found: dict[str, list[Timed]] = {}
    for each in sorted(every, key=began):
        found.setdefault(each.parent if each.parent in known and each.parent != each.span else "", []).append(each)
    return found


def began(each: Timed) -> int:
    """Return when a timed part began."""
    return each.started_ns if isinstance(each, SpanUse) else each.ts_ns - (each.duration_ns or 0)


def sha(reference: Any) -> str:
    """Return the beginning of a content's hash, or what else stands for it."""
    found = reference.get(CONTENT_KEY) or reference.get("hash") if isinstance(reference, dict) else None
    return str(found)[:HASH_CHARS] if found else "–"


def line(made: Made, *, full: bool) -> Sequence[RenderableType]:
    """Return the lines that stand for one of them."""
    said = made.said
    if isinstance(said, Transform):
        return [_transform(made.name, said), *_error(said.error)]
    if isinstance(said, FileWrite):
        return [_file(said), *_error(said.error)]
    why: Sequence[RenderableType] = _error(said.error) if said.passed is not None else _not_told(said, made.component)
    return [_check(made.name, said), *_failures(said, full), *why]


def _transform(name: str, said: Transform) -> Text:
    same = said.source is not None and sha(said.source) == sha(said.result)
    change = "unchanged" if same else f"{sha(said.source)} → {sha(said.result)}"
    times = [Text(f"attempt {said.attempt}", QUIET)] if said.attempt is not None else []
    return joined(
        [
            Text("✎", MAYBE if not same else QUIET),
            text(named(name)),
            text(said.action, QUIET),
            Text(change, QUIET),
            *times,
        ]
    )


def _check(name: str, said: Check) -> Text:
    sign = Text("?", MAYBE) if said.passed is None else Text("✓", GOOD) if said.passed else Text("✗", BAD)
    kind = [text(said.type, QUIET)] if said.type != name else []
    scored = [Text(f"{said.score:g}", NAME)] if said.score is not None else []
    scored += [text(said.label, QUIET)] if said.label else []
    untold = [Text("not told", MAYBE)] if said.passed is None else []
    return joined([sign, text(named(name)), *kind, *untold, *scored])


def _not_told(said: Check, component: str) -> list[RenderableType]:
    """Return what a check said nothing of, and why."""
    if not said.error and not said.subject:
        return []
    what = text(said.subject or component or "this")
    why = text(said.error, limit=160) if said.error else Text("no reason is recorded")
    return [indented(Text.assemble(what, (" was not checked: ", MAYBE), why), 3)]


def _failures(said: Check, full: bool) -> list[RenderableType]:
    shown = said.failures if full else said.failures[:FAILURES]
    lines: list[RenderableType] = []
    for each in shown:
        where = f"line {each['line']}: " if isinstance(each.get("line"), int) else ""
        lines.append(indented(text(f"{where}{each.get('message', '')}", BAD, 160), 3))
    left = (said.failures_total or len(said.failures)) - len(shown)
    return [*lines, Text(f"   … {left:,} more; `whence checks` lists them", QUIET)] if left > 0 else lines


def _file(said: FileWrite) -> Text:
    read = {True: Text("read back", GOOD), False: Text("holds something else", BAD), None: Text("not read back", QUIET)}
    parts = [Text("→", NAME), text(said.path), Text(size(said.bytes or 0), QUIET)]
    failed = [str(each.get("type")) for each in said.checks if each.get("passed") is False]
    checked = [Text(f"written though {', '.join(failed)} failed", BAD)] if failed else []
    return joined([*parts, read[said.verified], *checked])


def _error(error: Any) -> list[Text]:
    return [joined([Text("✗", BAD), failure(error)], " ")] if error else []


def timed(each: Timed) -> Text:
    """Return the line of a call of a model or a tool, or another timed part."""
    # What is recorded as one finished thing need not say how long it took.
    is_open = each.open if isinstance(each, LlmUse) else each.ended_ns is None
    seconds = each.duration_ns / 1e9 if each.duration_ns is not None else None
    spent = [Text(took(seconds), QUIET)] if seconds is not None else [Text("not ended", MAYBE)] if is_open else []
    failed = [joined([Text("✗", BAD), failure(each.error)], " ")] if each.error else []
    if isinstance(each, SpanUse):
        kind = [text(each.type, QUIET)] if each.type != "span" else []
        return joined([text(named(each.name), NAME), *kind, *spent, *failed])
    get = each.attributes.get
    counts = [_count(get("input_tokens")), _count(get("output_tokens"))]
    tokens = [Text(f"{counts[0]} → {counts[1]} tokens", QUIET)] if counts != ["–", "–"] else []
    dollars = number(get("cost_usd"))
    cost = [Text(money(dollars), QUIET)] if dollars is not None else []
    return joined(
        [Text("◇", NAME), text(named(each.name), NAME), text(get("model"), QUIET), *tokens, *cost, *spent, *failed]
    )


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else "–"
