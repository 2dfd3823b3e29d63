"""The insight engine: what was collected, diagnosed (R4.19 to R4.21). Insights are findings; asked again, they are the same ones.

engine = DebugInsightEngine()
insights = await engine.generate_insights_from_events(correlation_id="corr-456")
insight = await engine.analyze_state_consistency(operation_id="op-789", component_ids=["node-1", "node-2"])
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from whence.debug import settings as debug_settings
from whence.debug.models import DebugInsight
from whence.debug.wiring import asked_store, in_thread, now_ns, settle
from whence.model.component import split_component

if TYPE_CHECKING:
    from whence.diagnose.run import Fact
    from whence.measure.states import StateComparison
    from whence.model.finding import Finding
    from whence.model.record import Record
    from whence.model.trace import TraceSummary
    from whence.store.interface import Store, StoredFinding

__all__ = ["DebugInsightEngine"]

MOST_RUNS: Final = 50
MOST_SNAPSHOTS: Final = 5000
MOST_NODES: Final = 1000
MOST_SUGGESTED: Final = 10
CONSISTENT: Final = "State consistent"


class DebugInsightEngine:
    """Diagnoses. The `async` methods do their work in a thread; each has a synchronous spelling.

    Args:
        db_session: see `whence.debug.wiring.settle`.
        confidence_threshold: insights that are less sure are not returned; DEBUG_INSIGHT_CONFIDENCE_THRESHOLD, else 0.7.
            What nobody has measured has no confidence, and is not less sure.
    """

    def __init__(self, db_session: Any = None, *, confidence_threshold: float | None = None) -> None:
        settle(db_session)
        self.confidence_threshold = confidence_threshold

    @property
    def _threshold(self) -> float:
        return (
            debug_settings.load().insight_confidence if self.confidence_threshold is None else self.confidence_threshold
        )

    async def generate_insights_from_events(
        self,
        correlation_id: str | None = None,
        component_type: str | None = None,
        component_id: str | None = None,
        time_range: str = "1h",
        project: str | None = None,
    ) -> list[DebugInsight]:
        """As `generate`."""
        return await in_thread(self.generate, correlation_id, component_type, component_id, time_range, project)

    def generate(
        self,
        correlation_id: str | None = None,
        component_type: str | None = None,
        component_id: str | None = None,
        time_range: str = "1h",
        project: str | None = None,
    ) -> list[DebugInsight]:
        """Diagnose runs, store what is found, and return it: open ones first, then the worst. Twice gives the same ids (C4.19).

        Args:
            correlation_id: the run; without it the newest 50 that began within the time range.
            component_type: only insights that affect a component of this type.
            component_id: only insights that affect this component.
            time_range: see `query.timerange`; a run that is named counts whenever it was.

        Raises:
            BadInput: a time range that is none.
            NotFound: no run is called so.
            StoreUnreachable: the message says why.
        """
        from whence.diagnose.examining import diagnose_open
        from whence.diagnose.insights import insights
        from whence.diagnose.running import say
        from whence.model.filters import FindingFilter

        threshold = self._threshold
        store = asked_store()
        found: list[StoredFinding] = []
        for row in _runs(store, correlation_id, time_range, project):
            diagnosis = diagnose_open(store, row.id)
            say(store, diagnosis.findings, project=row.project, trace=row.id, ts_ns=row.started_ns, ran=diagnosis.ran)
            found += store.findings(FindingFilter(trace=row.id), limit=1000)
        said = insights(found, store, min_confidence=threshold)
        return [_model(each) for each in said if _affects(each, component_type, component_id)]

    async def analyze_state_consistency(
        self,
        operation_id: str,
        component_ids: Sequence[str] = (),
        component_type: str | None = None,
        project: str | None = None,
    ) -> DebugInsight:
        """As `state_consistency` (R4.21)."""
        return await in_thread(self.state_consistency, operation_id, component_ids, component_type, project)

    def state_consistency(
        self,
        operation_id: str,
        component_ids: Sequence[str] = (),
        component_type: str | None = None,
        project: str | None = None,
    ) -> DebugInsight:
        """Compare the last states of components in one operation, over all their keys and with types (C4.16, E18).

        The title begins with "State consistent" where they agree and none is missing. Whatever differs is in `summary`,
        with nodes and values, and what to do in `suggestions`. What is inconsistent is stored as a finding.

        Args:
            operation_id: the run.
            component_ids: those that should agree; one without a snapshot is missing. Without it, all that have one.
            component_type: of components; without it any.

        Raises:
            BadInput: no operation, or more than 1,000 components.
            StoreUnreachable: the message says why.
        """
        from whence.diagnose.detectors.state_consistency import compare_operation
        from whence.diagnose.progress import find_operation
        from whence.errors import BadInput

        wanted = _ids(component_ids)
        if not isinstance(operation_id, str) or not operation_id.strip():
            raise BadInput(f"operation id {operation_id!r}; give the id under which the states were collected")
        if len(wanted) > MOST_NODES:
            raise BadInput(f"{len(wanted)} components to compare; give at most {MOST_NODES}")
        store = asked_store()
        row = find_operation(operation_id, store=store, project=project)
        facts = _snapshots(store, row.id, wanted, component_type) if row is not None else []
        expected = [each if "/" in each or not component_type else f"{component_type}/{each}" for each in wanted]
        comparison, findings = compare_operation(facts, expected)
        stated = [each for each in findings if each.code in ("S01-01", "S01-02")]
        if not facts or row is None:
            return _nothing(operation_id, expected)
        if not stated:
            return _consistent(operation_id, comparison, facts, findings)
        return self._stored(store, row, operation_id, comparison, stated, facts)

    def _stored(
        self,
        store: "Store",
        row: "TraceSummary",
        operation_id: str,
        comparison: "StateComparison",
        findings: "list[Finding]",
        facts: "list[Fact]",
    ) -> DebugInsight:
        from whence.diagnose.insights import insight, problem_of, suggestions_of
        from whence.diagnose.running import say
        from whence.store.derive import occurrence_of

        say(store, findings, project=row.project, trace=row.id, ts_ns=findings[0].last_ns)
        first = findings[0]
        stored = store.finding(occurrence_of(row.project, row.id, first.fingerprint, first.anchor))
        texts = _differences(comparison)
        suggestions = list(dict.fromkeys(each for finding in findings for each in suggestions_of(finding)))
        said: dict[str, Any] = {}
        if stored is not None:
            said = insight(stored, problem_of(stored, store))
        nodes = len({each.record.component for each in facts}) + len(comparison.missing_nodes)
        told = {
            **said,
            "type": "consistency",
            "title": first.title,
            "summary": _summary(texts),
            "description": "\n".join(texts),
            "confidence_score": _confidence(comparison),
            "suggestions": suggestions[:MOST_SUGGESTED] or [f"`whence show {row.trace_id}` prints the states"],
            "scope": "distributed",
            "evidence": list(dict.fromkeys(each for finding in findings for each in finding.evidence)),
            "affected_components": _components(each for finding in findings for each in finding.components),
        }
        told.setdefault("id", row.id)
        return _model({**told, "title": f"State inconsistent across {nodes} components: {first.title}"})


def _runs(store: "Store", correlation_id: str | None, time_range: str, project: str | None) -> "list[TraceSummary]":
    from whence.diagnose.progress import find_operation
    from whence.errors import NotFound
    from whence.model.filters import TraceFilter
    from whence.query.timerange import parse_range

    if correlation_id:
        row = find_operation(correlation_id, store=store, project=project)
        if row is None:
            raise NotFound(f"nothing is recorded of correlation {correlation_id!r}; `whence traces` lists the runs")
        return [row]
    since_ns, until_ns = parse_range(time_range, now_ns=now_ns())
    return list(store.traces(TraceFilter(project=project, since_ns=since_ns, until_ns=until_ns), limit=MOST_RUNS).items)


def _ids(component_ids: object) -> list[str]:
    if isinstance(component_ids, str):
        return [component_ids]
    given = component_ids if isinstance(component_ids, list | tuple | set | frozenset) else ()
    return list(dict.fromkeys(str(each) for each in given if each not in (None, "")))


def _snapshots(store: "Store", trace: str, wanted: list[str], component_type: str | None) -> "list[Fact]":
    """Return the last whole snapshots of the wanted components, of all where none are named."""
    from whence.diagnose.run import Run
    from whence.model import record as kinds
    from whence.model.filters import RecordFilter
    from whence.store.derive import payload_of

    where = RecordFilter(trace=trace, kinds=(kinds.SNAPSHOT,))
    newest: dict[str, Record] = {}
    for record in store.records(where, limit=MOST_SNAPSHOTS, newest_first=True).items:
        kind, own = split_component(record.component)
        if wanted and own not in wanted and record.component not in wanted:
            continue
        if component_type and kind is not None and kind != component_type:
            continue
        if payload_of(record).get("type") == "partial":  # what it leaves out is not missing
            continue
        known = newest.get(record.component)
        if known is None or (record.ts_ns, record.record_id) > (known.ts_ns, known.record_id):
            newest[record.component] = record
    return Run.of(newest.values(), trace).facts


def _differences(comparison: "StateComparison") -> list[str]:
    """Return what is not the same, in sentences: what differs, what is missing, what was not looked at."""
    from whence.measure.states import sentence

    texts = [sentence(each) for each in comparison.differences]
    if comparison.missing_nodes:
        verb = "has" if len(comparison.missing_nodes) == 1 else "have"
        texts.insert(0, f"{', '.join(comparison.missing_nodes)} {verb} no snapshot")
    if comparison.total > len(comparison.differences):
        texts.append(f"{comparison.total - len(comparison.differences)} more places differ")
    if comparison.partial:
        texts.append("the states are too large to be compared whole")
    return texts


def _summary(texts: list[str]) -> str:
    from whence.diagnose.insights import SUMMARY_CHARS

    whole = "; ".join(texts)
    return whole if len(whole) <= SUMMARY_CHARS else f"{whole[: SUMMARY_CHARS - 1]}…"


def _confidence(comparison: "StateComparison") -> float:
    """Return 1 where everything was compared: it follows from the snapshots. Else the share that agreed: the rest is unseen."""
    return 1.0 if not comparison.partial else round(comparison.agreement, 6)


def _consistent(
    operation_id: str, comparison: "StateComparison", facts: "list[Fact]", findings: "list[Finding]"
) -> DebugInsight:
    from whence.clock import iso_utc
    from whence.diagnose.insights import suggestions_of

    nodes = sorted({each.record.component for each in facts})
    if comparison.partial:
        title = f"State partly compared across {len(nodes)} components in {operation_id}: no difference found"
    else:
        title = f"{CONSISTENT} across {len(nodes)} component{'s' if len(nodes) != 1 else ''} in {operation_id}"
    late = [each.title for each in findings]
    keys = f"{comparison.cells} values compared"
    said = f"{', '.join(nodes[:10])}{f' and {len(nodes) - 10} more' if len(nodes) > 10 else ''}: {keys}, none differs"
    suggestions = [step for each in findings for step in suggestions_of(each)]
    if comparison.partial:
        suggestions.append("compare smaller states: take snapshots of their parts under checkpoints of their own")
    return DebugInsight(
        id=facts[-1].id,
        insight_type="consistency",
        severity="warning" if late or comparison.partial else "info",
        title=title[:200],
        summary=_summary([said, *late]),
        description=said,
        evidence=[each.id for each in facts],
        confidence_score=_confidence(comparison),
        suggestions=suggestions,
        scope="distributed",
        affected_components=_components(nodes),
        source_event_id=facts[-1].id,
        generated_at=iso_utc(facts[-1].ts_ns),
    )


def _nothing(operation_id: str, expected: list[str]) -> DebugInsight:
    from whence.clock import iso_utc

    missing = f"none of {', '.join(expected[:10])} has a snapshot" if expected else "there is no snapshot"
    return DebugInsight(
        id="",
        insight_type="consistency",
        severity="warning",
        title=f"State unknown: {operation_id} has no snapshot"[:200],
        summary=f"{missing} in {operation_id}"[:500],
        confidence_score=0.0,
        suggestions=[
            "collect a snapshot on each node: `await collector.collect_state_snapshot(operation_id=…, state_data=…)`",
            "check that every node uses the same operation id and the same data directory",
        ],
        scope="distributed",
        affected_components=_components(expected),
        generated_at=iso_utc(now_ns()),
    )


def _components(names: "Iterable[str]") -> list[dict[str, str | None]]:
    return [{"type": kind, "id": name} for kind, name in map(split_component, dict.fromkeys(names))]


def _affects(said: dict[str, Any], component_type: str | None, component_id: str | None) -> bool:
    if component_type is None and component_id is None:
        return True
    return any(
        (component_type is None or each["type"] == component_type)
        and (component_id is None or each["id"] == component_id)
        for each in said["affected_components"]
    )


def _model(said: dict[str, Any]) -> DebugInsight:
    from whence.debug.reading import insight_model

    return insight_model(said)
