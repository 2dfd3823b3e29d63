"""Findings as insights: the shape that health, explanations and the debug door give (D4.1, D4.2). Pure.

The SQL view debug_insights says the same of the same findings.
"""

from collections.abc import Iterable
from typing import Any, Final

from whence.clock import iso_utc
from whence.diagnose.detector import OF_LETTER, OTHERWISE
from whence.model.component import split_component
from whence.model.finding import Finding, Problem, problem_id
from whence.model.severity import Severity
from whence.store.interface import Store, StoredFinding

SUMMARY_CHARS: Final = 500


def insight_type(finding: Finding) -> str:
    """Return consistency, flow, performance, anomaly or error: what the finding says, else what its code's letter does."""
    said = finding.attributes.get("insight_type")
    if isinstance(said, str) and said:
        return said
    return OF_LETTER.get(finding.code[:1], OTHERWISE) if finding.code[1:2].isdigit() else OTHERWISE


def severity_word(severity: int) -> str:
    """Return info, warning or critical."""
    return "info" if severity <= Severity.LOW else "warning" if severity == Severity.MEDIUM else "critical"


def suggestions_of(finding: Finding) -> list[str]:
    """Return what to do, first things first, each once: the finding's own advice, then the catalog's."""
    from whence.diagnose.catalog import catalog

    code = catalog().get(finding.code)
    said = (finding.remediation, *finding.suggestions, *(code.remediation if code is not None else ()))
    return list(dict.fromkeys(each for each in said if each))


def problem_of(stored: StoredFinding, store: Store) -> Problem | None:
    """Return the problem that a finding is an occurrence of."""
    text = stored.finding.fingerprint
    return store.problem(problem_id(stored.project, text)) if text else None


def insight(stored: StoredFinding, problem: Problem | None) -> dict[str, Any]:
    """Return a finding in the words of the original design; its id is that of the occurrence."""
    finding = stored.finding
    resolved = problem is not None and problem.state == "resolved"
    summary = finding.attributes.get("summary")
    return {
        "id": stored.occurrence or stored.record_id,
        "type": insight_type(finding),
        "severity": severity_word(finding.severity),
        "title": finding.title,
        "description": finding.description,
        "summary": (summary if isinstance(summary, str) and summary else finding.title)[:SUMMARY_CHARS],
        "evidence": list(finding.evidence),
        "confidence_score": finding.confidence,
        "suggestions": suggestions_of(finding),
        "resolved": resolved,
        "resolution_notes": problem.note if resolved and problem is not None else None,
        "scope": finding.scope,
        "affected_components": [
            {"type": kind, "id": name} for kind, name in (split_component(each) for each in finding.components)
        ],
        "source_event_id": finding.evidence[0] if finding.evidence else None,
        "generated_at": iso_utc(stored.ts_ns),
        "code": finding.code,
        "problem_id": problem.id if problem is not None else None,
    }


def insights(stored: Iterable[StoredFinding], store: Store, *, min_confidence: float = 0.0) -> list[dict[str, Any]]:
    """Return findings as insights: those still open first, then the worst, then the newest.

    Args:
        min_confidence: those that are less sure are left out; what nobody has measured is not less sure.
    """
    problems: dict[tuple[str, str], Problem | None] = {}
    ranked = []
    for each in stored:
        confidence = each.finding.confidence
        if confidence is not None and confidence < min_confidence:
            continue
        key = (each.project, each.finding.fingerprint)
        if key not in problems:
            problems[key] = problem_of(each, store)
        said = insight(each, problems[key])
        ranked.append(((said["resolved"], -each.finding.severity, -each.ts_ns, said["id"]), said))
    return [said for _, said in sorted(ranked, key=lambda pair: pair[0])]
