"""How trouble codes are drawn: as a list, one with everything about it, and as an explanation to read."""

from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from whence.cli.render import (
    BAD,
    COMMAND,
    MAYBE,
    NAME,
    QUIET,
    Fitting,
    beside,
    heading,
    indented,
    joined,
    many,
    pairs,
    short_id,
    text,
    when,
)
from whence.diagnose.catalog.entry import ACTION, Code
from whence.model.finding import Problem
from whence.model.severity import Severity

STYLES = {Severity.CRITICAL: BAD, Severity.HIGH: BAD, Severity.MEDIUM: MAYBE, Severity.LOW: "", Severity.INFO: QUIET}


def severity(level: int) -> Text:
    """Return a severity in its word and colour."""
    found = Severity(min(max(level, 0), 4))
    return Text(found.label, STYLES[found])


def codes(rows: Sequence[Code]) -> RenderableType:
    """Return codes as a table, one a line."""
    widths: tuple[dict[str, Any], ...] = (
        {"header": "code", "no_wrap": True},
        {"header": "severity", "no_wrap": True},
        {"header": "name", "no_wrap": True},
        {"header": "meaning", "no_wrap": True, "overflow": "ellipsis", "ratio": 1, "least": 20, "drop": 1},
    )
    lines = [
        (text(each.code, COMMAND), severity(each.severity), text(each.name), text(each.description, QUIET))
        for each in rows
    ]
    return Fitting(widths, lines)


def explained(code: Code) -> RenderableType:
    """Return what a code means and what to do."""
    what = ACTION[code.severity]
    return Group(
        joined([text(code.code, COMMAND), text(code.name, NAME)]),
        Text.assemble(severity(code.severity), (f": {what}", QUIET)),
        Text(""),
        text(code.description),
        _steps(code),
    )


def code(code: Code, category: str, problems: Sequence[Problem], *, most: int) -> RenderableType:
    """Return everything about a code, and where it was last seen."""
    rows: list[tuple[str, RenderableType | str]] = [
        ("category", text(f"{code.category} {category}")),
        ("insight", text(code.insight_type)),
        ("raised by", text(code.behind)),
        ("from", text(code.source)),
    ]
    if code.aliases:
        rows.append(("also", text(", ".join(code.aliases))))
    if code.vector_signature is not None:
        rows.append(("vector", text(many(len(code.vector_signature), "number"))))
    if code.references:
        rows.append(("references", Group(*(text(each) for each in code.references))))
    parts = [explained(code), Text(""), pairs(rows)]
    if not problems:
        return Group(*parts, heading("Not seen yet"))
    head = heading("Last seen", many(sum(each.count for each in problems[:most]), "time"))
    shown = [indented(_problem(each)) for each in problems[:most]]
    more = [indented(Text(f"… and more; the newest {most} are shown", QUIET))] if len(problems) > most else []
    return Group(*parts, head, *shown, *more)


def _steps(code: Code) -> RenderableType:
    lines = [beside(Text(f"{number}. "), text(step)) for number, step in enumerate(code.remediation, 1)]
    return Group(heading("What to do"), *(indented(each) for each in lines))


def _problem(problem: Problem) -> RenderableType:
    head = joined(
        [
            Text(problem.id, COMMAND),
            Text(problem.state, MAYBE if problem.state in ("confirmed", "recurred") else QUIET),
            Text(when(problem.last_ns), QUIET),
            Text(many(problem.count, "time")),
            *([Text(f"run {short_id(problem.trace)}", QUIET)] if problem.trace else []),
        ]
    )
    return Group(head, indented(text(problem.title), 2))
