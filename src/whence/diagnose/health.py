"""How components are (R4.23 to R4.26, C4.4, D4.2): health, comparison; progress of operations; explanations of errors.

Health is read from roll-ups, so it takes as long over a million records as over a thousand. A component is "type/id", or what
is called ID where nothing is recorded under the former. Fractions are 0..1 everywhere (C4.21).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from whence.clock import iso_utc
from whence.diagnose.budget import Budget
from whence.diagnose.catalog import catalog
from whence.diagnose.detector import fingerprint
from whence.diagnose.examining import diagnose_open, diagnose_run
from whence.diagnose.explaining import explain_error
from whence.diagnose.insights import insights as as_insights
from whence.diagnose.progress import operation_progress
from whence.diagnose.run import Run
from whence.diagnose.running import say
from whence.errors import BadInput, NotFound
from whence.model.filters import ActivityFilter, FindingFilter, RecordFilter
from whence.model.finding import Finding
from whence.model.record import OF_OURS, SPAN_END, Record
from whence.model.severity import Severity
from whence.query.timerange import parse_range
from whence.record.normalise import as_label
from whence.store.derive import payload_of
from whence.store.interface import Activity, Store, StoredFinding

__all__ = [
    "compare_components",
    "component_called",
    "component_findings",
    "component_health",
    "explain_error",
    "operation_progress",
]

HEALTHY: Final = 90.0
DEGRADED: Final = 70.0
SCORES_DIFFER: Final = 20.0
RATES_DIFFER: Final = 0.1
MOST_INSIGHTS: Final = 50
MOST_FINDINGS: Final = 500
MOST_RUNS: Final = 20
MOST_ERRORS: Final = 1000
MOST_COMPARED: Final = 100
MOST_LOOSE: Final = 2000
"""Records of no run that are looked at."""
UNNAMED: Final = "A01-01"
_OF_NO_ERROR: Final = ("C", "D", "P", "S", "V")
"""Categories of codes that are about something else than errors."""
_NOTHING: Final = Activity(component="")


def component_called(component_type: str | None, component_id: str, *, store: Store, project: str | None = None) -> str:
    """Return the name under which a component records.

    Raises:
        BadInput: no id is given.
    """
    kind, name = _text(component_type), _text(component_id)
    if not name:
        raise BadInput(f"component id {component_id!r}; give the id of a component, such as agent-123")
    if not kind:
        return name
    whole = f"{kind}/{name}"
    for each in (whole, name):
        asked = RecordFilter(component=each, project=project)
        if store.records(asked, limit=1).items or store.findings(
            FindingFilter(component=each, project=project), limit=1
        ):
            return each
    return whole


def component_health(
    component_type: str | None,
    component_id: str,
    time_range: str = "1h",
    *,
    store: Store,
    now_ns: int,
    project: str | None = None,
    min_confidence: float = 0.0,
    diagnose: bool = True,
) -> dict[str, Any]:
    """Return how a component is.

    Keys: component_type, component_id, component, status (healthy from 90, degraded from 70, else unhealthy; unknown where
    nothing is recorded), score and health_score (0..100: 100 x (1 - error_rate)), total_events, error_events, error_rate
    (0..1), insights (what is wrong with exactly this component: open ones first, then the worst; `diagnose.insights`),
    time_range, analyzed_at.

    What is recorded counts once: a finished part (a stage, a call) is one event, and an error if it failed. Where there are
    errors and nobody has diagnosed them yet, the newest runs with errors are diagnosed on the spot and what they show is stored.

    Args:
        time_range: see `query.timerange`; widened to whole minutes.
        min_confidence: insights that are less sure are left out; what nobody has measured is not less sure.
        diagnose: whether to diagnose on the spot.

    Raises:
        BadInput: no component, or a time range that is none.
    """
    since_ns, until_ns = parse_range(time_range, now_ns=now_ns)
    component = component_called(component_type, component_id, store=store, project=project)
    did = _activity(component, since_ns, until_ns, store, project)
    total, errors = _counts(did)
    asked = (component, since_ns, until_ns)
    said = _insights(*asked, store, project, min_confidence)
    if errors and diagnose and not any(map(_about_errors, said)):
        newest = _diagnose(*asked, store, project)
        said = _insights(*asked, store, project, min_confidence)
        if newest and not any(map(_about_errors, said)):
            finding = _failing(component, did, newest)
            say(store, [finding], project=newest[0].project, trace=newest[0].trace, ts_ns=newest[0].ts_ns)
            said = _insights(*asked, store, project, min_confidence)
    rate = errors / total if total else 0.0
    score = round(100.0 * (1.0 - rate), 2)
    return {
        "component_type": component_type,
        "component_id": component_id,
        "component": component,
        "status": _status(score) if total else "unknown",
        "score": score,
        "health_score": score,
        "total_events": total,
        "error_events": errors,
        "error_rate": round(rate, 6),
        "insights": said[:MOST_INSIGHTS],
        "time_range": time_range,
        "analyzed_at": iso_utc(now_ns),
    }


def compare_components(
    components: Iterable[Mapping[str, Any]],
    time_range: str = "1h",
    *,
    store: Store,
    now_ns: int,
    project: str | None = None,
) -> dict[str, Any]:
    """Return components side by side, and in words where they differ by more than 20 points or 0.1 of error rate (D4.2).

    Keys: components ({component, component_type, component_id, status, score, health_score, total_events, error_events,
    error_rate}, in the order given), insights (texts), time_range, analyzed_at.

    Args:
        components: {"type", "id"} each; the type may be left out.

    Raises:
        BadInput: fewer than one, more than 100, or something that names no component.
    """
    asked = list(components) if not isinstance(components, str | bytes | Mapping) else [components]
    if not 1 <= len(asked) <= MOST_COMPARED:
        raise BadInput(f"{len(asked)} components to compare; give 1 to {MOST_COMPARED} of {{'type': …, 'id': …}}")
    since_ns, until_ns = parse_range(time_range, now_ns=now_ns)
    rows = []
    for each in asked:
        if not isinstance(each, Mapping) or not _text(each.get("id")):
            raise BadInput(f"{each!r} names no component; give {{'type': 'agent', 'id': 'agent-123'}}")
        component = component_called(each.get("type"), each["id"], store=store, project=project)
        total, errors = _counts(_activity(component, since_ns, until_ns, store, project))
        rate = errors / total if total else 0.0
        score = round(100.0 * (1.0 - rate), 2)
        rows.append(
            {
                "component": component,
                "component_type": each.get("type"),
                "component_id": each["id"],
                "status": _status(score) if total else "unknown",
                "score": score,
                "health_score": score,
                "total_events": total,
                "error_events": errors,
                "error_rate": round(rate, 6),
            }
        )
    return {
        "components": rows,
        "insights": _differences([row for row in rows if row["total_events"]]),
        "time_range": time_range,
        "analyzed_at": iso_utc(now_ns),
    }


def component_findings(
    component: str, since_ns: int, until_ns: int | None, *, store: Store, project: str | None = None
) -> list[StoredFinding]:
    """Return the findings that affect exactly this component and hold in a window (C4.4); those taken back are left out."""
    where = FindingFilter(component=component, project=project, since_ns=since_ns)
    return [
        each
        for each in store.findings(where, limit=MOST_FINDINGS)
        if (each.finding.last_ns or each.ts_ns) >= since_ns
        and (until_ns is None or (each.finding.first_ns or each.ts_ns) < until_ns)
    ]


def _insights(
    component: str, since_ns: int, until_ns: int | None, store: Store, project: str | None, min_confidence: float
) -> list[dict[str, Any]]:
    found = component_findings(component, since_ns, until_ns, store=store, project=project)
    return as_insights(found, store, min_confidence=min_confidence)


def _about_errors(insight: dict[str, Any]) -> bool:
    """Return whether an insight may tell why errors were recorded: not what is merely slow, unusual, or differs."""
    return not insight["code"].startswith(_OF_NO_ERROR)


def _text(value: object) -> str:
    """Return a part of a component's name as it is recorded."""
    named = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return (as_label(named) or "") if named else ""


def _status(score: float) -> str:
    return "healthy" if score >= HEALTHY else "degraded" if score >= DEGRADED else "unhealthy"


def _activity(component: str, since_ns: int, until_ns: int | None, store: Store, project: str | None) -> Activity:
    where = ActivityFilter(component=component, project=project, since_ns=since_ns, until_ns=until_ns)
    return next(iter(store.activity(where)), _NOTHING)


def _counts(did: Activity) -> tuple[int, int]:
    """Return (events, errors). A finished part left two records, its beginning and its end, and counts once."""
    total = max(did.records - did.spans, did.spans)
    return total, min(total, did.errors)


def _differences(rows: list[dict[str, Any]]) -> list[str]:
    """Return in words how the best and the worst differ."""
    if len(rows) < 2:
        return []
    texts = []
    best, worst = max(rows, key=lambda row: row["score"]), min(rows, key=lambda row: row["score"])
    if best["score"] - worst["score"] > SCORES_DIFFER:
        texts.append(
            f"{worst['component']} has a health score of {worst['score']:g}, {best['component']} one of {best['score']:g}."
        )
    if worst["error_rate"] - best["error_rate"] > RATES_DIFFER:
        texts.append(
            f"{worst['component']} recorded errors in {worst['error_rate']:.0%} of its events "
            f"({worst['error_events']} of {worst['total_events']}), {best['component']} in {best['error_rate']:.0%} "
            f"({best['error_events']} of {best['total_events']})."
        )
    return texts


# -- diagnosing on the spot ------------------------------------------------------------------------------------------------


def _diagnose(component: str, since_ns: int, until_ns: int | None, store: Store, project: str | None) -> list[Record]:
    """Diagnose the newest runs in which a component failed, and store what they show; returns its errors, newest first."""
    errors = _errors(component, since_ns, until_ns, store, project)
    newest: dict[str, Record] = {}  # of each run
    for each in errors:
        newest.setdefault(each.trace, each)
    for trace, error in list(newest.items())[:MOST_RUNS]:
        if trace:
            try:
                diagnosis = diagnose_open(store, trace, budget=Budget())
            except NotFound:  # erased, or not listed yet
                continue
        else:  # what lies in no run is looked at as if it were one
            where = RecordFilter(component=component, project=error.project, since_ns=since_ns, until_ns=until_ns)
            diagnosis = diagnose_run(Run.of(store.records(where, limit=MOST_LOOSE, newest_first=True).items, ""))
        # Of what lies in no run only this window was looked at: nothing that was said before is taken back.
        ran = diagnosis.ran if trace else ()
        say(store, diagnosis.findings, project=error.project, trace=trace, ts_ns=error.ts_ns, ran=ran)
    return errors


def _errors(component: str, since_ns: int, until_ns: int | None, store: Store, project: str | None) -> list[Record]:
    """Return what a component recorded of errors, newest first: events of level high and above, and parts that failed."""
    where = RecordFilter(component=component, project=project, since_ns=since_ns, until_ns=until_ns)
    high = msgspec.structs.replace(where, min_level=int(Severity.HIGH))
    ended = msgspec.structs.replace(where, kinds=(SPAN_END,))
    found = {each.record_id: each for each in store.records(high, limit=MOST_ERRORS, newest_first=True).items}
    for each in store.records(ended, limit=MOST_ERRORS, newest_first=True).items:
        if payload_of(each).get("error"):
            found[each.record_id] = each
    kept = [each for each in found.values() if each.kind not in OF_OURS]
    return sorted(kept, key=lambda each: (each.ts_ns, each.record_id), reverse=True)


def _failing(component: str, did: Activity, errors: list[Record]) -> Finding:
    """Return that a component fails: said where no detector has anything to say of its errors, so that whoever asks for its
    health has something to go on from (E17)."""
    total, failed = _counts(did)
    return Finding(
        code=UNNAMED,
        title=f"{component} recorded {failed} error{'s' if failed != 1 else ''} in {total} events",
        severity=int(catalog().severity(UNNAMED)),
        confidence=1.0,
        basis="stated",
        basis_text="counted",
        fingerprint=fingerprint(UNNAMED, (component, "errors")),
        kind="insight",
        scope="component",
        components=(component,),
        evidence=tuple(each.record_id for each in errors[:10]),
        freeze={"events": total, "errors": failed},
        thresholds={"healthy_from": HEALTHY, "degraded_from": DEGRADED},
        detector="health/1",
        first_ns=errors[-1].ts_ns,
        last_ns=errors[0].ts_ns,
        count=failed,
        attributes={"insight_type": "error"},
    )
