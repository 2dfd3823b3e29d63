"""Who wrote which line of a file, as a table of runs of lines; and the whole story of some of them."""

from collections.abc import Iterator, Sequence
from itertools import groupby
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
    beside,
    block,
    confidence,
    heading,
    indented,
    joined,
    many,
    moment,
    named,
    pairs,
    short_id,
    text,
    when,
)
from whence.query.blame import Blame, LineBlame
from whence.query.lineage import Step
from whence.query.story import LineCheck, LlmCall, Reason, Story

SHORT = 8
"""Digits of a hash that are shown."""
LINE_CHARS = 400
TEXT_CHARS = 600
"""Of a prompt, a response; --json and `whence llm --full` have them whole."""
MOST_PASSED = 12
MOST_CHECKS = 10
INFERRED = "inferred, not confirmed; FILE:LINE says why"
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "bright_cyan", "bright_magenta", "bright_yellow")


def code(value: Any, style: str = "") -> Text:
    """Return a line of a text as it is, its blanks kept, safe and in one line."""
    shown = plain.text(value).replace("\n", " ")
    shown = shown if len(shown) <= LINE_CHARS else shown[: LINE_CHARS - 1] + "…"
    return Text(shown, style, no_wrap=True, overflow="ignore")


def difference(hunks: str) -> RenderableType:
    """Return unified hunks in colours."""
    styles = {"+": GOOD, "-": BAD, "@": COMMAND, "…": QUIET}
    return Group(*(code(line, styles.get(line[:1], "")) for line in hunks.split("\n")))


def digits(key: str | None) -> str:
    """Return the beginning of a hash."""
    return plain.line((key or "").rpartition(":")[2])[:SHORT] or "–"


def doing(step: Step) -> str:
    """Return what kind of step it is, in words."""
    tries = f", attempt {step.attempt}" if step.attempt is not None else ""
    return f"{step.action}{tries}" if step.kind == "transform" else {"llm": "LLM call", "file": "file"}[step.kind]


# -- the table ----------------------------------------------------------------------------------------------------------


def table(answer: Blame, *, every: bool = False) -> RenderableType:
    """Return the lines of a file with the steps that put them there: runs of lines, or every line."""
    names = dict.fromkeys(step.name for step in reversed(answer.steps) if step.kind != "file")
    colours = {name: _COLOURS[n % len(_COLOURS)] for n, name in enumerate(names)}
    widths: tuple[dict[str, Any], ...] = (
        {"header": "lines", "justify": "right", "no_wrap": True},
        {"header": "step", "no_wrap": True, "overflow": "ellipsis", "max_width": 28},
        {"header": "what", "no_wrap": True, "drop": 2},
        {"header": "when (UTC)", "no_wrap": True, "drop": 1},
        {"header": "text", "no_wrap": True, "overflow": "ellipsis", "ratio": 1, "least": 24},
    )
    rows: list[tuple[Text, ...]] = []
    for _, group in groupby(answer.lines, key=lambda line: (line.step, line.sure)):
        run = list(group)
        rows += [_row([line], colours, first=line is run[0]) for line in run] if every else [_row(run, colours)]
    parts = [_header(answer), Text(), Fitting(widths, rows) if rows else Text("the file is empty", QUIET)]
    if any(line.step is not None and line.sure != "confirmed" for line in answer.lines):
        parts.append(Text(f"? {INFERRED}", QUIET))
    return Group(*parts)


def _row(run: Sequence[LineBlame], colours: dict[str, str], *, first: bool = True) -> tuple[Text, ...]:
    one = run[0]
    numbers = f"{one.line}" if len(run) == 1 else f"{one.line}-{run[-1].line}"
    shown = code(next((line.text for line in run if line.text.strip()), one.text))
    shown.overflow = "ellipsis"
    if one.step is None:
        return Text(numbers, QUIET), Text("not recorded" if first else "", QUIET), Text(), Text(), shown
    style = colours.get(one.step.name, "")
    if not first:
        return Text(numbers, QUIET), Text("│", style), Text(), Text(), shown
    doubt = Text("?", MAYBE) if one.sure != "confirmed" else Text()
    name = joined([text(named(one.step.name), style), doubt], " ") if doubt.plain else text(named(one.step.name), style)
    return Text(numbers, QUIET), name, text(doing(one.step), QUIET), Text(when(one.step.ts_ns), QUIET), shown


def _header(answer: Blame) -> RenderableType:
    parts: list[RenderableType] = [text(answer.path, NAME)]
    if answer.said:
        style = QUIET if answer.state == "as_written" else MAYBE
        parts.append(indented(text(answer.said, style)))
    if answer.written_at is not None:
        written = answer.written_at[:19].replace("T", " ")
        parts.append(indented(text(f"written {written} UTC in {answer.trace_id}", QUIET)))
    return Group(*parts)


# -- the story ----------------------------------------------------------------------------------------------------------


def story(answer: Blame) -> RenderableType:
    """Return the whole story of the lines that were asked for."""
    parts: list[RenderableType] = [_header(answer)]
    for each in answer.stories:
        lines = [line for line in answer.lines if each.first <= line.line <= each.last]
        if lines:
            parts += [Text(), *_story(answer, each, lines)]
    return Group(*parts)


def _story(answer: Blame, each: Story, lines: Sequence[LineBlame]) -> Iterator[RenderableType]:
    one = lines[0]
    width = len(str(lines[-1].line))
    yield Group(*(beside(Text(f"{line.line:>{width}} ", QUIET), code(line.text, NAME)) for line in lines[:20]))
    if len(lines) > 20:
        yield Text(f"… {many(len(lines) - 20, 'more line')} of the same", QUIET)
    yield Text()
    yield indented(pairs(_facts(answer, one)))
    if each.decision is not None:
        yield heading(
            "Decision", "" if each.decision.sure == "confirmed" else "supposed: the last one in the same stage"
        )
        yield indented(pairs(_decision(each.decision)))
    if each.diff:
        yield heading("What the step changed here")
        yield indented(difference(each.diff))
    if each.call is not None:
        yield heading("Prompt", "" if each.call.sure == "confirmed" else "supposed: the response holds this text")
        yield indented(pairs(_call(each.call)))
    if each.checks:
        yield heading("What failed on it since", many(len(each.checks), "failure"))
        yield indented(Group(*(_check(check) for check in each.checks[:MOST_CHECKS])))
        if len(each.checks) > MOST_CHECKS:
            yield indented(Text(f"… {len(each.checks) - MOST_CHECKS:,} more", QUIET))
    if one.passed:
        steps = {step.record_id: step for step in answer.steps}
        way = [steps[record] for record in one.passed if record in steps]
        yield heading("Unharmed since through", many(len(way), "step"))
        shown = way if len(way) <= MOST_PASSED else [*way[: MOST_PASSED // 2], *way[-MOST_PASSED // 2 :]]
        yield indented(Group(*(_passed(step) for step in shown)))
        if len(way) > MOST_PASSED:
            yield indented(Text(f"… and {len(way) - len(shown):,} between them", QUIET))


def _facts(answer: Blame, line: LineBlame) -> Iterator[tuple[str, RenderableType]]:
    step = line.step
    if step is None:
        yield "put there by", Text("no recorded step", MAYBE)
        yield "because", text(line.why)
        return
    yield "put there by", joined([text(named(step.name), f"{NAME} {COMMAND}"), text(doing(step), QUIET)])
    who = [f"component {step.component}" if step.component else "", f"stage {step.stage}" if step.stage else ""]
    if any(who):
        yield "for", text(", ".join(each for each in who if each))
    yield "when", Text(f"{moment(step.ts_ns)} UTC")
    sure = Text("confirmed", GOOD) if line.sure == "confirmed" else Text(line.sure, MAYBE)
    yield "how sure", joined([sure, text(line.why, QUIET)])
    if line.origin is not None:
        where = f"{line.origin.role} {line.origin.name}".strip()
        yield "out of", joined([text(where), Text(f"line {line.origin.line}", QUIET)])
    if step.using:
        yield "using", text(step.using, limit=TEXT_CHARS)
    yield "content", Text(f"{digits(step.before)} → {digits(step.after)}")
    if step.error is not None:
        yield "error", text(step.error, BAD, TEXT_CHARS)
    yield "run", text(step.trace_id)
    yield "record", Text(step.record_id, QUIET)


def _decision(reason: Reason) -> Iterator[tuple[str, RenderableType]]:
    yield "decided", joined([text(named(reason.name), NAME), text(reason.what, limit=TEXT_CHARS)])
    if reason.why:
        yield "why", text(reason.why, limit=TEXT_CHARS)
    yield "confidence", confidence(reason.confidence)
    if reason.alternatives:
        yield "instead of", text(reason.alternatives, QUIET, TEXT_CHARS)
    yield "record", Text(reason.record_id, QUIET)


def _call(call: LlmCall) -> Iterator[tuple[str, RenderableType]]:
    yield "model", joined([text(call.model or "unknown"), text(call.provider or "", QUIET)])
    yield "prompt", clipped(call.prompt)
    yield "record", Text(call.record_id, QUIET)


def clipped(value: Any, limit: int | None = TEXT_CHARS) -> Text:
    """Return a text of several lines, cut to so many characters; chat messages one after the other."""
    shown = plain.text(_spoken(value)).strip("\n")
    if limit is not None and len(shown) > limit:
        left = len(shown) - limit
        return Text.assemble(shown[:limit].rstrip(), (f" … {left:,} more characters", QUIET))
    return block(shown)


def _spoken(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("truncated"), str):
        return f"{value['truncated']}\n… cut when it was recorded ({value.get('original_chars', '?')} characters)"
    if isinstance(value, list) and value and all(isinstance(each, dict) and "role" in each for each in value):
        return "\n".join(f"{each['role']}: {_words(each.get('content'))}" for each in value)
    return value


def _words(content: Any) -> str:
    """Return what a message says; of one in parts, its texts."""
    if isinstance(content, list):
        texts = [each.get("text", each) if isinstance(each, dict) else each for each in content]
        return "\n".join(plain.text(each) for each in texts)
    return plain.text(content) if content is not None else ""


def _check(check: LineCheck) -> Text:
    where = f"line {check.line} of {digits(check.sha256)}" if check.line is not None else digits(check.sha256)
    said = [Text("✗", BAD), text(named(check.check), NAME), text(check.message, BAD, 200), Text(where, QUIET)]
    return joined([*said, *([text(check.phase, QUIET)] if check.phase else [])])


def _passed(step: Step) -> Text:
    run = Text(short_id(step.trace_id), COMMAND)
    return joined([Text(when(step.ts_ns), QUIET), text(named(step.name)), text(doing(step), QUIET), run])
