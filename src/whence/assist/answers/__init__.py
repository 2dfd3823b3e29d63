"""Evidence for each intent, worded. One function an intent: (query, context) -> Found; each asks what already answers it."""

from collections.abc import Callable, Mapping
from typing import Final

from whence.assist.answer import Found, Query
from whence.assist.answers import components, lists, made, runs
from whence.assist.answers.evidence import Context

ANSWERS: Final[Mapping[str, Callable[[Query, Context], Found]]] = {
    "health": components.health,
    "failure": components.failure,
    "performance": components.performance,
    "consistency": components.consistency,
    "error_patterns": lists.error_patterns,
    "status": lists.status,
    "why": runs.why,
    "compare": runs.compare,
    "cost": lists.cost,
    "principles": lists.principles,
    "decisions": made.decisions,
    "drift": lists.drift,
    "problems": lists.problems,
    "explain": lists.explain,
    "progress": runs.progress,
    "blame": made.blame,
    "changes": runs.changes,
    "search": made.search,
}
