"""What a run did to content: its steps in order, its LLM calls, its checks, and how healing went."""

from collections.abc import Iterator, Sequence
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
    beside,
    confidence,
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
from whence.cli.render_blame import TEXT_CHARS, clipped, difference, digits
from whence.clock import iso_utc
from whence.query.healing import HealAttempt, HealLog
from whence.query.steps import CheckRun, Failure, TimelineStep, has_failed
from whence.query.story import LlmCall

MOST_FAILURES = 10
_OUTCOMES = {
    "healed": ("✓", GOOD, "healed"),
    "not_needed": ("✓", GOOD, "no healing needed"),
    "better": ("◌", MAYBE, "better, not healed"),
    "unknown": ("◌", MAYBE, "not known: that was not checked afterwards, or could not be told"),
    "unchanged": ("✗", BAD, "not healed"),
    "worse": ("✗", BAD, "worse than before"),
    "not_tried": ("✗", BAD, "failed, and nothing was tried"),
}
_SIGNS = {"llm": ("◇", COMMAND), "transform": ("~", MAYBE), "file": ("■", COMMAND), "decision": ("●", GOOD)}


def verdict(passed: bool | None, failed: bool) -> Text:
    """Return one character for how a check went."""
    if failed:
        return Text("✗", BAD)
    return Text("✓", GOOD) if passed else Text("?", MAYBE)


# -- steps --------------------------------------------------------------------------------------------------------------


def steps(found: Sequence[TimelineStep]) -> RenderableType:
    """Return what a run did, a line for each thing, with what failed and what changed below it."""
    parts: list[RenderableType] = []
    for each in found:
        sign = verdict(each.passed, each.passed is False) if each.kind == "check" else Text(*_SIGNS[each.kind])
        first = joined([Text(iso_utc(each.ts_ns)[11:23], QUIET), sign, ""])
        head = [text(named(each.name), NAME, 60)]
        if each.kind == "transform" or (each.kind == "check" and each.action != each.name):
            tries = f" {each.attempt}" if each.attempt is not None else ""
            head.append(text(f"{each.action}{tries}", QUIET))
        if each.kind == "transform":
            head.append(Text(f"{digits(each.before)} → {digits(each.after)}", QUIET))
        elif each.after is not None:
            head.append(Text(digits(each.after), QUIET))
        head.append(text(each.said, limit=120))
        head += [text(each.component, COMMAND)] if each.component else []
        head += [Text(duration(each.duration_s), QUIET)] if each.duration_s is not None else []
        parts.append(beside(first, joined(head)))
        below = [*_failures(each.failures, MOST_FAILURES), *_error(each.error)]
        below += [difference(each.diff)] if each.diff else []
        if below:
            parts.append(indented(Group(*below), first.cell_len))
    return Group(*parts)


def _error(error: Any) -> list[RenderableType]:
    return [joined([Text("✗", BAD), text(error, BAD, 200)], " ")] if error is not None else []


def _failures(failures: Sequence[Failure], most: int | None, *, full: bool = False) -> Iterator[RenderableType]:
    shown = failures if most is None else failures[:most]
    for each in shown:
        where = f"line {each.line}" if each.line is not None else ""
        where += f":{each.column}" if where and each.column is not None else ""
        code = f"{each.code} " if each.code else ""
        said = [Text("✗", BAD), *([Text(where, NAME)] if where else [])]
        said.append(text(f"{code}{each.message}", BAD, None if full else 200))
        yield joined(said)
        if full and each.context is not None:
            yield indented(clipped(each.context, None))
    if len(shown) < len(failures):
        yield Text(f"… {len(failures) - len(shown):,} more; --full shows them all", QUIET)


# -- checks -------------------------------------------------------------------------------------------------------------


def checks(found: Sequence[CheckRun], *, full: bool) -> RenderableType:
    """Return checks with what they found."""
    parts: list[RenderableType] = []
    for run in found:
        first = joined([verdict(run.passed, has_failed(run)), ""])
        head = [text(named(run.name), NAME)]
        head += [text(run.type, QUIET)] if run.type and run.type != run.name else []
        head += [text(run.component, COMMAND)] if run.component else []
        head += [text(each, QUIET) for each in (run.subject, run.phase) if each]
        head += [Text(f"score {run.score:g}")] if run.score is not None else []
        head += [text(run.label)] if run.label else []
        head += [Text(digits(run.sha256), QUIET)] if run.sha256 is not None else []
        parts.append(beside(first, joined([*head, Text(when(run.ts_ns), QUIET)])))
        below = [*_failures(run.failures, None if full else MOST_FAILURES, full=full)]
        missing = run.failures_total - len(run.failures)
        below += [Text(f"{missing:,} more were found and not kept", QUIET)] if missing > 0 else []
        rows: list[tuple[str, RenderableType]] = []
        for name, value in (
            ("explanation", run.explanation),
            ("expected", run.expected),
            ("actual", run.actual),
            ("error", run.error),
        ):
            if value is not None:
                rows.append((name, clipped(value, None if full else TEXT_CHARS)))
        rows += [("record", Text(run.record_id, QUIET))] if full else []
        below += [pairs(rows)] if rows else []
        if below:
            parts.append(indented(Group(*below)))
    return Group(*parts)


# -- LLM calls ----------------------------------------------------------------------------------------------------------


def calls(found: Sequence[LlmCall], *, prompt: bool, response: bool, full: bool) -> RenderableType:
    """Return LLM calls: prompts or responses alone are whole; both are cut, unless all is asked for."""
    parts: list[RenderableType] = []
    limit = None if full or prompt or response else TEXT_CHARS
    for call in found:
        parts += [] if not parts else [Text()]
        parts.append(_head(call))
        rows: list[tuple[str, RenderableType]] = []
        if prompt or not response:
            rows += [("system", clipped(call.system, limit))] if call.system is not None else []
            rows.append(("prompt", _given(call.prompt, limit)))
        if response or not prompt:
            rows += [("reasoning", clipped(call.reasoning, limit))] if call.reasoning is not None and full else []
            rows.append(("response", _given(call.response, limit)))
            rows += [("tool calls", clipped(call.tool_calls, limit))] if call.tool_calls else []
        if full:
            rows += [("prompt version", text(call.prompt_version))] if call.prompt_version else []
            rows += [("run", text(call.trace_id)), ("record", Text(call.record_id, QUIET))]
        parts += [indented(pairs(rows)), *(indented(each) for each in _error(call.error))]
    return Group(*parts)


def _given(value: Any, limit: int | None) -> RenderableType:
    return Text("not recorded", QUIET) if value is None else clipped(value, limit)


def _head(call: LlmCall) -> RenderableType:
    tokens = [f"{count:,}" if count is not None else "?" for count in (call.input_tokens, call.output_tokens)]
    parts = [text(named(call.name), NAME), text(call.model or "unknown model")]
    parts += [text(call.component, COMMAND)] if call.component else []
    parts += [Text(f"{tokens[0]} → {tokens[1]} tokens", QUIET)] if tokens != ["?", "?"] else []
    parts += [Text(money(call.cost_usd), QUIET)] if call.cost_usd is not None else []
    parts += [Text(duration(call.duration_s), QUIET)] if call.duration_s is not None else []
    parts += [text(call.finish_reason, QUIET)] if call.finish_reason else []
    return beside(Text("◇  ", COMMAND), joined([*parts, Text(when(call.ts_ns), QUIET)]))


# -- healing ------------------------------------------------------------------------------------------------------------


def heal_log(found: Sequence[HealLog]) -> RenderableType:
    """Return how healing went, component by component."""
    parts: list[RenderableType] = []
    for log in found:
        parts += [] if not parts else [Text()]
        sign, style, words = _OUTCOMES[log.outcome]
        name = log.component or log.subject or "(no component)"
        head = [Text(sign, style), text(name, NAME), Text(words, style)]
        head += [text(log.subject, QUIET)] if log.component and log.subject else []
        parts.append(joined(head))
        if log.attempts or log.remaining:
            said = Group(*(text(each) for each in log.sentences))
            parts.append(indented(beside(Text("why  ", QUIET), said)))
        for attempt in log.attempts:
            parts.append(indented(_attempt(attempt)))
    return Group(*parts)


def _attempt(attempt: HealAttempt) -> RenderableType:
    beside_ = [text(attempt.name), Text(when(attempt.ts_ns))]
    beside_ += [Text(f"{digits(attempt.before)} → {digits(attempt.after)}")]
    if attempt.added is not None:
        beside_.append(Text(f"+{attempt.added:,} −{attempt.removed or 0:,} lines"))
    parts: list[RenderableType] = [heading(f"attempt {attempt.number}", joined(beside_).plain)]
    rows: list[tuple[str, RenderableType]] = []
    if attempt.using:
        rows.append(("using", text(attempt.using, limit=TEXT_CHARS)))
    if attempt.decision is not None:
        supposed = [Text("supposed", MAYBE)] if attempt.decision.sure != "confirmed" else []
        what = [text(named(attempt.decision.name), NAME), text(attempt.decision.what, limit=TEXT_CHARS)]
        rows.append(("decision", joined([*what, confidence(attempt.decision.confidence), *supposed])))
        if attempt.decision.why:
            rows.append(("why", text(attempt.decision.why, limit=TEXT_CHARS)))
        if attempt.decision.alternatives:
            rows.append(("instead of", text(attempt.decision.alternatives, QUIET, TEXT_CHARS)))
    rows.append(("did", text(attempt.said)))
    parts.append(indented(pairs(rows)))
    if attempt.diff:
        parts.append(indented(difference(attempt.diff)))
    lines = [
        *_marked("fixed", "✓", GOOD, attempt.fixed),
        *_marked("still", "✗", MAYBE, attempt.still),
        *_marked("new", "✗", BAD, attempt.introduced),
        *_error(attempt.error),
    ]
    if not attempt.checked:
        lines.append(Text("? nothing was checked afterwards", MAYBE))
    elif attempt.sure != "confirmed":
        lines.append(Text("the checks name no content: they are matched by their time", QUIET))
    parts += [indented(Group(*lines))] if lines else []
    return Group(*parts)


def _marked(word: str, sign: str, style: str, failures: Sequence[Failure]) -> Iterator[Text]:
    for each in failures[:MOST_FAILURES]:
        where = [Text(f"line {each.line}", QUIET)] if each.line is not None else []
        kind = "" if plain.line(each.type).lower() in each.message.lower() else f"{each.type}: "
        yield joined([Text(f"{sign} {word:<5}", style), text(f"{kind}{each.message}", limit=200), *where])
    if len(failures) > MOST_FAILURES:
        yield Text(f"  {many(len(failures) - MOST_FAILURES, 'more failure')} {word}", QUIET)
