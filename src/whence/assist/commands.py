"""The command line that asks the same as a typed query."""

import shlex
from typing import Final

from whence.assist.answer import Query
from whence.assist.known import Subject

_WINDOWED: Final = (
    "health",
    "components",
    "cost",
    "problems",
    "traces",
    "principles",
    "decisions",
    "report",
    "diagnose",
)


_ALWAYS: Final = "1970-01-01"
"""`whence health` looks at the last hour unless told, `components` at 30 days;
a question without a time is about everything that is recorded."""


def command_of(query: Query) -> str:
    """Return `whence …` for a query, quoted for a shell."""
    words = ["whence", *_words(query)]
    if words[1:3] == ["findings", "show"]:
        return shlex.join(words)
    option = "--range" if words[1] == "health" else "--since"
    if words[1] in _WINDOWED and query.window is not None:
        words += [option, query.window.range]
    elif words[1] == "health" or words[1:] == ["components"]:
        words += [option, _ALWAYS]
    if words[1] in _WINDOWED and query.project:
        words += ["--project", query.project]
    return shlex.join(words)


def split_component(component: str) -> list[str]:
    """Return a component as `whence health` takes it: its type and its id, or its id alone."""
    kind, slash, name = component.partition("/")
    return [kind, name] if slash and kind and name else [component]


def _words(query: Query) -> list[str]:
    run = next(iter(query.of("run")), None)
    component = next(iter(query.of("component")), None)
    intent = query.intent
    if intent == "explain":
        code = next(iter(query.of("code")), None)
        return ["codes", "explain", code.id] if code is not None else ["codes", "list"]
    if intent == "blame":
        return ["blame", _place(next(iter(query.of("file")), None))]
    if intent == "compare":
        both = [each.id for each in (query.of("run") or query.of("component"))]
        return ["compare", *both[:2]] if query.of("run") else ["components"]
    if intent == "cost":
        return ["cost", "--by", _cost_by(query)]
    if intent == "principles":
        return ["principles", "--min-runs", "1"]
    if intent == "decisions":
        return ["decisions", *(["--trace", run.id] if run is not None else [])]
    if intent == "progress":
        return ["progress", run.id if run is not None else "last"]
    if intent == "search":
        return ["search", *query.terms]
    if component is not None and intent in ("health", "failure", "performance", "why", "status"):
        return ["health", *split_component(component.id)]
    if intent in ("why", "failure", "changes") and (run is not None or intent == "why"):
        return ["why", run.id if run is not None else "last-bad"]
    if run is not None and intent in ("health", "performance", "status", "error_patterns", "consistency"):
        return ["show", run.id]
    if intent in ("health", "performance"):
        return ["components"]
    if intent == "status":
        return ["traces"]
    problem = next(iter(query.of("problem")), None)
    if problem is not None:
        return ["findings", "show", problem.id]
    return ["findings", *(["--component", component.id] if component is not None else [])]


def _place(file: Subject | None) -> str:
    if file is None:
        return "FILE:LINE"
    return f"{file.id}:{file.line}" if file.line is not None else file.id


def _cost_by(query: Query) -> str:
    return (
        query.terms[0]
        if query.terms and query.terms[0] in ("model", "component", "project", "trace", "day")
        else "model"
    )
