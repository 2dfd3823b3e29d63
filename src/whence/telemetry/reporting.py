"""The report on a phase: what the detectors say of its records, put together as the seed has it, and recorded (R0.14, C0.18)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from whence.clock import SystemClock, derived_id, iso_utc
from whence.diagnose.catalog import Catalog, catalog
from whence.diagnose.examining import Diagnosis, diagnose_run, history_before
from whence.diagnose.run import NO_HISTORY, History, Run, is_ours
from whence.errors import WhenceError
from whence.measure.vectors import DEFAULT, Alignment, Thresholds, divergence_severity
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.filters import FindingFilter
from whence.model.finding import Finding
from whence.model.record import Record
from whence.model.severity import Severity
from whence.record.operation import Place
from whence.store.derive import who
from whence.telemetry import reading
from whence.telemetry.recording import text
from whence.telemetry.running import RunState
from whence.telemetry.shapes import NO_SEVERITY, DiagnosticReport, StructuralGap, TelemetryEvent, TransformerDiff

MOST_EVIDENCE: Final = 20
MOST_KNOWN: Final = 1000
MOST_STORED: Final = 300
"""Gaps, drifts and points of a report that are stored with it; the summary says how many there were."""
_OF_SILENCE: Final = ("O01-02", "O01-06")
"""Codes that say that for a while nothing was recorded."""
_OF_ABSENCE: Final = ("D01-02", "S01-02")
"""Codes that say that a component recorded nothing."""


def empty(phase: Any, trigger: Any, why: str) -> DiagnosticReport:
    """Return a report that says why there is none."""
    now = iso_utc(SystemClock().now_ns())
    return DiagnosticReport(
        report_id="", timestamp=now, execution_phase=text(phase) or "", trigger_event=text(trigger) or "", summary=why
    )


def report(
    place: Place, state: RunState, execution_phase: Any, trigger_event: Any, more_gaps: Iterable[Any]
) -> DiagnosticReport:
    """Diagnose a phase of a run, record the report and the findings, and return it."""
    phase = place.recorder.label(execution_phase)[0] if execution_phase is not None else ""
    trigger = place.recorder.label(trigger_event)[0] if trigger_event is not None else ""
    until_ns = place.recorder.now_ns()
    records, trouble = reading.read(place)
    covered, around = reading.of_phase(records, phase, state)
    run = Run.of((*covered, *around), place.otel_trace_id)
    diagnosis = _upheld(diagnose_run(run, _history(run)), records, {fact.id for fact in run.facts})
    made = _made(place, phase, trigger, until_ns, covered, diagnosis, more_gaps, _troubles(place, trouble, records))
    place.say(
        kinds.REPORT,
        phase or "report",
        shape.Report(
            report_id=made.report_id,
            phase=phase,
            trigger=trigger,
            body={**_body(made), "covered_until_ns": until_ns},
        ),
        stage=phase or None,
        said=msgspec.json.encode((made.structural_gaps, made.summary, phase, trigger)),
    )
    with state.lock:
        state.covered_ns[phase] = state.covered_ns[""] = until_ns
    _keep(place, run.project, diagnosis.findings)
    return made


def _upheld(diagnosis: Diagnosis, records: Iterable[Record], seen: set[str]) -> Diagnosis:
    """Return a diagnosis of a part of a run without what the rest of the run refutes: what is not in the part may be there.

    The end of the run judges silence and absence in the whole of it.
    """
    rest = [each for each in records if each.record_id not in seen and not is_ours(each)]
    spoke = {who(each) for each in rest}

    def refuted(finding: Finding) -> bool:
        if finding.code in _OF_SILENCE:
            return any(finding.first_ns < each.ts_ns < finding.last_ns for each in rest)
        return finding.code in _OF_ABSENCE and not spoke.isdisjoint(finding.components)

    return msgspec.structs.replace(diagnosis, findings=tuple(each for each in diagnosis.findings if not refuted(each)))


def _body(made: DiagnosticReport) -> dict[str, Any]:
    """Return a report as it is stored: bounded, and without the schemas, which the records of the gaps have."""
    body: dict[str, Any] = msgspec.to_builtins(made)
    for name, value in body.items():
        if isinstance(value, list):
            body[name] = value[:MOST_STORED]
    for gap in body["structural_gaps"]:
        gap.update(expected_schema=None, actual_schema=None)
    return body


def _history(run: Run) -> History:
    from whence.runtime.runtime import runtime_or_default

    try:
        return history_before(runtime_or_default().store(), run) if run.facts else NO_HISTORY
    except WhenceError:
        return NO_HISTORY  # what is unusual cannot be told without the store; the report says that it could not be read


def _keep(place: Place, project: str, findings: Sequence[Finding]) -> None:
    """Store what was found and is not known yet; the end of the run says it again, of the whole run."""
    from whence.diagnose.running import say
    from whence.runtime.runtime import runtime_or_default
    from whence.store.derive import occurrence_of

    try:
        store = runtime_or_default().store()
        known = {each.occurrence for each in store.findings(FindingFilter(trace=place.otel_trace_id), limit=MOST_KNOWN)}
        new = [
            each
            for each in findings
            if occurrence_of(project, place.otel_trace_id, each.fingerprint, each.anchor) not in known
        ]
        say(store, new, project=project, trace=place.otel_trace_id, ts_ns=place.recorder.now_ns())
    except WhenceError as exc:
        place.recorder.errors.add("findings", exc)  # they follow from the records, and are said when those are stored


def _troubles(place: Place, trouble: str, records: Sequence[Record]) -> list[str]:
    found = [trouble] if trouble else []
    dropped = place.recorder.drops.total()
    if dropped:
        found.append(f"{dropped:,} records of this process could not be written; this does not rest on them.")
    if not records:
        found.append(f"Nothing of this run could be read (spool: {place.recorder.spool.state}).")
    return found


def _made(
    place: Place,
    phase: str,
    trigger: str,
    until_ns: int,
    covered: Sequence[Record],
    diagnosis: Diagnosis,
    more_gaps: Iterable[Any],
    troubles: Sequence[str],
) -> DiagnosticReport:
    known = catalog()
    findings = [each for each in diagnosis.findings if each.count]
    codes = list(dict.fromkeys(each.code for each in findings))  # findings come the worst first
    worst = {code: max(each.severity for each in findings if each.code == code) for code in codes}
    gaps = [*reading.gaps(covered, place.trace_id), *(each for each in more_gaps if isinstance(each, StructuralGap))]
    gaps = list({each.gap_id: each for each in gaps}.values())
    gaps.sort(key=lambda each: (-_GAP_LEVELS.get(each.severity, 0), each.timestamp))
    events = [reading.event_of(each, place.trace_id) for each in sorted(covered, key=_when) if each.kind == kinds.EVENT]
    diffs = list(reading.diffs(covered, place.trace_id))
    divergences = divergences_of(events, diffs)
    critical = [code for code in codes if worst[code] >= Severity.CRITICAL]
    failed = sum(1 for each in events if not each.success)
    return DiagnosticReport(
        report_id=derived_id(until_ns, f"{place.otel_trace_id}\x00{phase}\x00{trigger}\x00report".encode()),
        timestamp=iso_utc(until_ns),
        execution_phase=phase,
        trigger_event=trigger,
        detected_dtcs=codes,
        dtc_details={code: _detail(code, [each for each in findings if each.code == code], known) for code in codes},
        structural_gaps=gaps,
        transformer_diffs=diffs,
        embedding_trajectory=[(each.component, each.output_embedding) for each in events if each.output_embedding],
        vector_divergence_points=divergences,
        recommendations=_steps(codes, findings, known),
        critical_actions=_steps(critical, findings, known),
        max_severity=Severity(max(worst.values())).label if worst else NO_SEVERITY,
        summary=" ".join([_summary(phase, covered, failed, codes, worst, gaps, diffs, divergences), *troubles]),
        trace_id=place.trace_id,
    )


_GAP_LEVELS = {"high": 3, "medium": 2, "low": 1}


def _when(record: Record) -> tuple[int, str]:
    return record.ts_ns, record.record_id


def _detail(code: str, findings: Sequence[Finding], known: Catalog) -> dict[str, Any]:
    entry = known.get(code)
    category = known.categories.get(entry.category) if entry is not None else None
    worst = max(each.severity for each in findings)
    return {
        "name": entry.name if entry is not None else "",
        "description": entry.description if entry is not None else "",
        "severity": Severity(worst).label,
        "catalog_severity": known.severity(code).label,
        "category": category.name if category is not None else "",
        "remediation": _steps([code], findings, known),
        "title": findings[0].title,
        "components": list(dict.fromkeys(who for each in findings for who in each.components)),
        "count": sum(each.count for each in findings),
        "evidence": list(dict.fromkeys(one for each in findings for one in each.evidence))[:MOST_EVIDENCE],
        "confidence": findings[0].confidence,
        "basis": findings[0].basis,
    }


def _steps(codes: Sequence[str], findings: Sequence[Finding], known: Catalog) -> list[str]:
    """Return what to do about codes, each step once, in their order."""
    found: dict[str, None] = {}
    for code in codes:
        entry = known.get(code)
        said = [each for one in findings if one.code == code for each in (one.remediation, *one.suggestions) if each]
        found.update(dict.fromkeys(entry.remediation if entry is not None else said))
    return list(found)


def divergences_of(
    events: Iterable[TelemetryEvent], diffs: Iterable[TransformerDiff], thresholds: Thresholds = DEFAULT
) -> list[dict[str, Any]]:
    """Return where vectors went apart: outputs more than 0.3 from the one before (D0.2), and outputs off their specification.

    An output that is DRIFTED or a CRITICAL_MISS is such a point whatever its distance: `to` is then `expected`.
    """
    found = [
        divergence(each.trajectory_from, each.component, each.trajectory_distance, thresholds)
        for each in events
        if each.trajectory_distance is not None
        and each.trajectory_distance > thresholds.diverged_above + thresholds.tolerance
    ]
    for diff in diffs:
        distance = diff.generated_to_expected_distance
        if diff.status in (Alignment.DRIFTED, Alignment.CRITICAL_MISS) and distance is not None:
            found.append(divergence(diff.component, "expected", distance, thresholds))
    return found


def divergence(source: str, target: str, distance: float, thresholds: Thresholds = DEFAULT) -> dict[str, Any]:
    """Return one point."""
    severity = divergence_severity(distance, thresholds)
    return {"from": source, "to": target, "distance": distance, "severity": severity}


def _summary(
    phase: str,
    covered: Sequence[Record],
    failed: int,
    codes: Sequence[str],
    worst: dict[str, int],
    gaps: Sequence[StructuralGap],
    diffs: Sequence[TransformerDiff],
    divergences: Sequence[dict[str, Any]],
) -> str:
    where = f"Phase {phase}" if phase else "The run"
    if not covered:
        return f"{where}: nothing was recorded."
    events = sum(1 for each in covered if each.kind == kinds.EVENT)
    off = sum(1 for each in diffs if each.status is not Alignment.ALIGNED)
    said = [
        _count(len(covered), "record"),
        f"{_count(events, 'event')}, {failed:,} failed" if events else "",
        _count(len(gaps), "structural gap") if gaps else "",
        f"{_count(len(diffs), 'output')} compared, {off:,} not aligned" if diffs else "",
        _count(len(divergences), "divergence point") if divergences else "",
    ]
    found = "nothing is wrong with them."
    if codes:
        label = Severity(max(worst.values())).label
        found = f"{_count(len(codes), 'trouble code')}, {label} at worst: {', '.join(codes)}."
    return f"{where}: {'; '.join(each for each in said if each)}. " + found[0].upper() + found[1:]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
