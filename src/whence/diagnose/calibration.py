"""Calibration flags: signs that a rubric, an intent or a domain needs a look (R1.55, and the three of D1).

Policy of the seed: flag, do not push. A flag is a finding and a mark on the trace; nothing else changes.

Each rule is a pure function of numbers; `CalibrationFlags` fetches the numbers from the store for a trace that ended.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from whence.clock import derived_id, iso_utc
from whence.collect.ended import Ended
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.filters import FindingFilter, TraceFilter
from whence.model.finding import Finding
from whence.model.quality import GAP_BELOW
from whence.model.record import Record
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, IN_PROGRESS, TraceSummary
from whence.store.interface import Store, Totals
from whence.wire import records

WINDOW_NS = 7 * 86_400 * 1_000_000_000
CODES = ("CAL-01", "CAL-02", "CAL-03", "CAL-04", "C01-01", "C01-02", "C01-03", "C01-04")
"""What these flags are called, and their names in the catalog."""
FAILURES = 3
BELOW_AVERAGE = 0.5
MINIMUM = 3
"""Other scored runs of a group, and of all, below which an average says nothing (C1.28)."""
_SURE: dict[str, Any] = {
    "kind": "calibration",
    "scope": "system",
    "components": ("quality_gate",),
    "basis": "derived",
    "confidence": 1.0,
    "detector": "calibration_flags/1",
}
"""What all of these flags are: counts and averages of what gates said, of many runs."""


def repeated_failure(principle: str, failures: int) -> Finding | None:
    """C01-01: a principle scored below the threshold at least three times in seven days, this run included."""
    if failures < FAILURES:
        return None
    return Finding(
        code="C01-01",
        title=(
            f"Principle {principle} has scored below threshold {failures} times in the last 7 days. "
            "Consider reviewing calibration."
        ),
        severity=Severity.MEDIUM,
        fingerprint=f"C01-01:{principle}",
        remediation=f"Compare the runs: whence traces --principle {principle} --below {GAP_BELOW:g}",
        freeze={"principle": principle, "failures": failures},
        thresholds={"score": GAP_BELOW, "failures": FAILURES, "days": 7},
        attributes={"principle": principle, "failures": failures},
        **_SURE,
        basis_text="counted in the scores of complete runs",
    )


def without(totals: Totals, own: float | None) -> tuple[int, float | None]:
    """Return (runs, average quality) of the others: the run under test must not vouch for itself."""
    if totals.avg_quality is None or own is None:
        return totals.scored, totals.avg_quality
    others = totals.scored - 1
    return (others, (totals.avg_quality * totals.scored - own) / others) if others > 0 else (0, None)


def below_average(dimension: str, value: str, group: Totals, every: Totals, own: float | None) -> Finding | None:
    """C01-02 (intent), C01-03 (domain): a group's average is more than 0.5 below the average of all."""
    count, average = without(group, own)
    total, overall = without(every, own)
    if average is None or overall is None or count < MINIMUM or total < MINIMUM or overall - average <= BELOW_AVERAGE:
        return None
    code = "C01-02" if dimension == "intent" else "C01-03"
    return Finding(
        code=code,
        title=(
            f"Runs with {dimension} {value} average {average:.2f}, more than {BELOW_AVERAGE:g} below the overall "
            f"{overall:.2f} ({count} runs). Consider reviewing the {dimension}'s rubric."
        ),
        severity=Severity.LOW,
        fingerprint=f"{code}:{value}",
        remediation=f"Look at them: whence traces --{dimension} {value}",
        freeze={"average": average, "overall": overall, "runs": count},
        thresholds={"below": BELOW_AVERAGE, "runs": MINIMUM},
        attributes={"dimension": dimension, "value": value, "average": average, "overall": overall, "runs": count},
        **_SURE,
        basis_text="averages of complete runs, this one left out",
    )


def regression(row: TraceSummary, previous: TraceSummary | None) -> Finding | None:
    """C01-04: this run failed the quality gate, the complete run of the project before it passed."""
    if row.quality_gate_passed is not False or previous is None or previous.quality_gate_passed is not True:
        return None
    return Finding(
        code="C01-04",
        title=(
            f"Quality gate regression in {row.project}: this run failed, the previous complete run "
            f"{previous.trace_id} passed."
        ),
        severity=Severity.MEDIUM,
        fingerprint=f"C01-04:{row.project}",
        evidence=(previous.trace_id,),
        remediation=f"See what changed: whence compare {previous.trace_id} {row.trace_id}",
        freeze={"passed": False, "previous_passed": True},
        attributes={"previous": previous.trace_id},
        **_SURE,
        basis_text="the verdicts of both runs",
    )


def flags_of(row: TraceSummary, store: Store) -> list[Finding]:
    """Return every calibration flag that a finished trace raises."""
    found: list[Finding | None] = []
    if row.status == COMPLETE:
        until = row.started_ns + 1
        for principle in row.gap_principles:
            where = TraceFilter(
                principle=principle,
                below=GAP_BELOW,
                statuses=(COMPLETE,),
                since_ns=row.started_ns - WINDOW_NS,
                until_ns=until,
            )
            found.append(repeated_failure(principle, store.count_traces(where)))
        every = store.totals()
        own = row.overall_quality_score
        if row.intent:
            found.append(below_average("intent", row.intent, store.totals(TraceFilter(intent=row.intent)), every, own))
        if row.domain:
            found.append(below_average("domain", row.domain, store.totals(TraceFilter(domain=row.domain)), every, own))
    if row.quality_gate_passed is False:
        before = TraceFilter(project=row.project, statuses=(COMPLETE,), until_ns=row.started_ns)
        found.append(regression(row, next(iter(store.traces(before, limit=1).items), None)))
    return [
        msgspec.structs.replace(
            each,
            evidence=tuple(dict.fromkeys((*each.evidence, row.trace_id))),
            first_ns=row.started_ns,
            last_ns=row.started_ns,
        )
        for each in found
        if each is not None
    ]


class CalibrationFlags:
    """A processor for ended traces: raises the flags, marks the trace, keeps the project's alert file (D1)."""

    def __init__(self, store: Store, documents: Path) -> None:
        self.store = store
        self.documents = documents

    def __call__(self, ended: Sequence[Ended]) -> Sequence[bytes]:
        """Return the findings of these traces, and their flags, as records."""
        said: list[bytes] = []
        for trace in ended:
            row = self.store.trace(trace.id)
            if row is None or row.status == IN_PROGRESS:
                continue
            if self.store.findings(FindingFilter(trace=trace.id, codes=CODES), limit=1):
                continue
            flags = flags_of(row, self.store)
            said += [_record(row, kinds.FINDING, each.code, each.fingerprint, each) for each in flags]
            if flags:
                notes = "\n".join(each.title for each in flags)
                said.append(_record(row, kinds.TRACE_FLAG, "flag", notes, shape.TraceFlag(True, notes)))
                self._alert(row, flags)
        return said

    def _alert(self, row: TraceSummary, flags: Sequence[Finding]) -> None:
        """Append to `_calibration_alerts.md` beside the trace's document; where there is none, the findings suffice."""
        if row.trace_file_path is None:
            return
        path = Path(row.trace_file_path).parent.parent / "_calibration_alerts.md"
        lines = [f"- {iso_utc(row.started_ns)} `{row.trace_id}`: {_one_line(each.title)}" for each in flags]
        try:
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                head = "" if os.fstat(fd).st_size else "# Calibration alerts\n\n"
                file.write(head + "\n".join(lines) + "\n")
        except OSError:
            return


def _one_line(text: str) -> str:
    """Return a title, which may hold names that a pipeline made up, as inert text on one line."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return "".join(f"\\{c}" if c in "`*_[]<>#|\\" else c for c in shown)


def _record(row: TraceSummary, kind: str, name: str, what: str, payload: object) -> bytes:
    level = payload.severity if isinstance(payload, Finding) else 0
    return records.encode(
        Record(
            record_id=derived_id(row.started_ns, f"{kind}:{row.id}:{name}:{what}".encode()),
            kind=kind,
            name=name,
            ts_ns=row.started_ns,
            trace=row.id,
            span="",
            parent="",
            stage="",
            project=row.project,
            component="whence.calibration",
            level=int(level),
            flags=0,
            payload=records.payload(payload),
        )
    )
