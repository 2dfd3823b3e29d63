"""Questions of agents and people about components and operations (R4.23 to R4.27), answered by `whence.diagnose.health`.

    query = DebugQuery()
    health = await query.get_component_health("workflow", "workflow-789", "1h")

Health is read anew each time: it takes milliseconds, and an error that another process recorded a moment ago counts (C4.22).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from whence.debug import settings as debug_settings
from whence.debug.cache import get_debug_cache
from whence.debug.ids import record_id_of
from whence.debug.models import DebugInsight
from whence.debug.wiring import asked_store, in_thread, now_ns, settle

__all__ = ["DebugQuery"]

SEVERITIES: Final = ("info", "warning", "critical")
MOST: Final = 1000


class DebugQuery:
    """Asks. The `async` methods do their work in a thread; `sync` has the same ones without `await`.

    Args:
        db_session: see `whence.debug.wiring.settle`.
        project: only what this project recorded; without it everybody's.
    """

    def __init__(self, db_session: Any = None, *, project: str | None = None) -> None:
        settle(db_session)
        self.project = project
        self.sync = Questions(project)

    async def get_component_health(
        self, component_type: str | None, component_id: str, time_range: str = "1h"
    ) -> dict[str, Any]:
        """Return how a component is; see `whence.diagnose.health.component_health` for the keys."""
        return await in_thread(self.sync.get_component_health, component_type, component_id, time_range)

    async def get_operation_progress(self, operation_id: str) -> dict[str, Any]:
        """Return how far an operation is; see `whence.diagnose.progress.operation_progress` for the keys."""
        return await in_thread(self.sync.get_operation_progress, operation_id)

    async def explain_error(self, error_id: str) -> dict[str, Any]:
        """Return what is behind an event, an insight, a finding or a problem; see `whence.diagnose.explaining.explain_error`."""
        return await in_thread(self.sync.explain_error, error_id)

    async def compare_components(
        self, components: Iterable[Mapping[str, Any]], time_range: str = "1h"
    ) -> dict[str, Any]:
        """Return components side by side; see `whence.diagnose.health.compare_components` for the keys."""
        return await in_thread(self.sync.compare_components, components, time_range)

    async def ask(self, question: str) -> dict[str, Any]:
        """Answer a question in plain language, with its evidence."""
        return await in_thread(self.sync.ask, question)

    async def get_insights(
        self,
        component_type: str | None = None,
        component_id: str | None = None,
        insight_type: str | None = None,
        severity: str | None = None,
        resolved: bool | None = None,
        correlation_id: str | None = None,
        time_range: str | None = None,
        limit: int = 100,
    ) -> list[DebugInsight]:
        """Return stored insights: open ones first, then the worst, then the newest; see `Questions.get_insights`."""
        return await in_thread(
            self.sync.get_insights,
            component_type,
            component_id,
            insight_type,
            severity,
            resolved,
            correlation_id,
            time_range,
            limit,
        )

    async def get_insight(self, insight_id: str) -> DebugInsight | None:
        """Return an insight by its id, or None."""
        return await in_thread(self.sync.get_insight, insight_id)

    async def resolve_insight(self, insight_id: str, resolution_notes: str = "", resolved_by: str = "") -> DebugInsight:
        """Say that what an insight tells of is solved, and by what; see `Questions.resolve_insight`."""
        return await in_thread(self.sync.resolve_insight, insight_id, resolution_notes, resolved_by)


class Questions:
    """The same questions, for code without an event loop. Each raises BadInput for what it cannot take, and StoreUnreachable."""

    def __init__(self, project: str | None = None) -> None:
        self.project = project

    def get_component_health(
        self, component_type: str | None, component_id: str, time_range: str = "1h"
    ) -> dict[str, Any]:
        """Return how a component is."""
        from whence.diagnose.health import component_health

        said = debug_settings.load()
        return component_health(
            component_type,
            component_id,
            time_range,
            store=asked_store(),
            now_ns=now_ns(),
            project=self.project,
            min_confidence=said.insight_confidence,
            diagnose=said.auto_generate,
        )

    def get_operation_progress(self, operation_id: str) -> dict[str, Any]:
        """Return how far an operation is."""
        from whence.diagnose.progress import operation_progress

        return operation_progress(operation_id, store=asked_store(), now_ns=now_ns(), project=self.project)

    def explain_error(self, error_id: str) -> dict[str, Any]:
        """Return what is behind an error; an event may be named by the id that its caller chose."""
        from whence.diagnose.explaining import explain_error

        store = asked_store()
        found = explain_error(error_id, store=store, project=self.project)
        if not found["found"]:
            from whence.runtime.runtime import runtime

            chosen = record_id_of(self.project or runtime().settings.project or "unknown", error_id)
            if chosen is not None:
                again = explain_error(chosen, store=store, project=self.project)
                return {**again, "error_id": error_id} if again["found"] else found
        return found

    def compare_components(self, components: Iterable[Mapping[str, Any]], time_range: str = "1h") -> dict[str, Any]:
        """Return components side by side."""
        from whence.diagnose.health import compare_components

        return compare_components(components, time_range, store=asked_store(), now_ns=now_ns(), project=self.project)

    def ask(self, question: str) -> dict[str, Any]:
        """Answer a question in plain language; with DEBUG_AI_QUERY_ENABLED=false, say that this is switched off."""
        if not debug_settings.load().ai_query:
            return {
                "answer": "Questions in plain language are switched off (DEBUG_AI_QUERY_ENABLED).",
                "confidence": 0.0,
                "evidence": [],
                "related_insights": [],
                "suggestions": ["unset DEBUG_AI_QUERY_ENABLED, or ask with get_component_health, explain_error, …"],
                "enabled": False,
            }
        from whence.assist import ask

        answer = ask(question, store=asked_store(), now_ns=now_ns(), project=self.project)
        said: dict[str, Any] = msgspec.to_builtins(answer)
        return said

    def get_insights(
        self,
        component_type: str | None = None,
        component_id: str | None = None,
        insight_type: str | None = None,
        severity: str | None = None,
        resolved: bool | None = None,
        correlation_id: str | None = None,
        time_range: str | None = None,
        limit: int = 100,
    ) -> list[DebugInsight]:
        """Return stored insights: open ones first, then the worst, then the newest.

        Args:
            component_type: those that affect a component of this type.
            component_id: those that affect this component.
            insight_type: consistency, flow, performance, error, anomaly.
            severity: info, warning or critical.
            resolved: only those that are, or are not.
            correlation_id: of this run.
            time_range: made in this time; see `query.timerange`.
            limit: 1 to 1,000.
        """
        from whence.diagnose.insights import insights
        from whence.errors import BadInput

        if severity is not None and severity not in SEVERITIES:
            raise BadInput(f"severity {severity!r}; accepted: {', '.join(SEVERITIES)}")
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MOST:
            raise BadInput(f"limit {limit!r}; accepted: 1 to {MOST}")
        store = asked_store()
        found = _findings(store, component_type, component_id, correlation_id, time_range, self.project)
        listed = []
        for said in insights(found, store, min_confidence=debug_settings.load().insight_confidence):
            affects = said["affected_components"]
            about = component_type is None or any(each["type"] == component_type for each in affects)
            named = component_id is None or any(each["id"] == component_id for each in affects)
            typed = insight_type is None or said["type"] == insight_type
            grave = severity is None or said["severity"] == severity
            stands = resolved is None or said["resolved"] is resolved
            if about and named and typed and grave and stands:
                listed.append(_model(said))
        return listed[:limit]

    def get_insight(self, insight_id: str) -> DebugInsight | None:
        """Return an insight by its id, or None."""
        from whence.diagnose.insights import insight, problem_of

        store = asked_store()
        stored = store.finding(insight_id) if isinstance(insight_id, str) else None
        return _model(insight(stored, problem_of(stored, store))) if stored is not None else None

    def resolve_insight(self, insight_id: str, resolution_notes: str = "", resolved_by: str = "") -> DebugInsight:
        """Say that what an insight tells of is solved: its problem, so all occurrences of the same thing.

        Args:
            insight_id: of an insight, or of a problem.
            resolution_notes: by what; suggested when the same kind of trouble comes again (R4.58).
            resolved_by: who.

        Raises:
            NotFound: there is no such insight.
        """
        from whence.diagnose.insights import insight, problem_of
        from whence.diagnose.lifecycle import find_problem, resolve
        from whence.errors import NotFound

        store = asked_store()
        problem = find_problem(insight_id, store=store, project=self.project)
        resolve(problem, by=resolved_by, note=resolution_notes, store=store, now_ns=now_ns())
        stored = store.finding(insight_id) or store.finding(problem.record_id)
        if stored is None:
            raise NotFound(f"no insight {insight_id!r}; get_insights() lists them")
        get_debug_cache().invalidate_insight(insight_id)
        return _model(insight(stored, problem_of(stored, store)))


def _findings(
    store: Any,
    component_type: str | None,
    component_id: str | None,
    correlation_id: str | None,
    time_range: str | None,
    project: str | None,
) -> list[Any]:
    from whence.diagnose.progress import find_operation
    from whence.model.filters import FindingFilter
    from whence.query.timerange import parse_range

    since_ns, until_ns = parse_range(time_range, now_ns=now_ns()) if time_range else (None, None)
    trace = None
    if correlation_id:
        row = find_operation(correlation_id, store=store, project=project)
        if row is None:
            return []
        trace = row.id
    component = f"{component_type}/{component_id}" if component_type and component_id else None
    where = FindingFilter(trace=trace, project=project, component=component, since_ns=since_ns, until_ns=until_ns)
    return list(store.findings(where, limit=MOST))


def _model(said: dict[str, Any]) -> DebugInsight:
    from whence.debug.reading import insight_model

    return insight_model(said)
