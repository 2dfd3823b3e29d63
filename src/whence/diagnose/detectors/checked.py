"""Checks that failed: T01-02 (syntax), T01-07 (imports, R3.33), A01-08 (all others).

One finding per thing that was checked and type of check, about the last time it failed. Where the same check of the same
subject passed after that, it was repaired: the finding is low, `attributes.recovered`. Left out: checks before a step (what
a step was given is what it is there to mend), and those that have a detector of their own (interface, drift,
judgement) or are no verdict (score).

Minimum: one failed check. Confidence: 1, the records state it.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.run import Fact, History, Run, text_of
from whence.diagnose.saying import named
from whence.measure.templates import template_of
from whence.model.finding import Finding
from whence.model.severity import Severity

CODES: Final = {
    **dict.fromkeys(("syntax", "ast", "indentation", "parse"), "T01-02"),
    **dict.fromkeys(("import", "imports"), "T01-07"),
}
OTHER: Final = "A01-08"
MOST_LISTED: Final = 5


class CheckedSettings(Settings, frozen=True, kw_only=True):
    """Which checks are left to others."""

    left_out: tuple[str, ...] = (
        "interface",
        "drift",
        "score",
        "judgement",
    )  # detectors structural_gap, drift and calibration; a score is no verdict


class Checked(Detector):
    """What was made and found wanting."""

    name: ClassVar[str] = "checked"
    codes: ClassVar[tuple[str, ...]] = ("T01-02", "T01-07", "A01-08")
    Settings = CheckedSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return the failed checks of one run."""
        of: dict[tuple[str, str, str], list[Fact]] = {}
        for fact in run.checks:
            kind = text_of(fact.data.get("type"), 80)
            told = isinstance(fact.data.get("passed"), bool) and fact.data.get("phase") != "before"
            if told and kind not in self.settings.left_out:
                subject = text_of(fact.data.get("subject"), 300) or fact.record.name
                of.setdefault((fact.who, subject, kind), []).append(fact)
        for (who, subject, kind), facts in of.items():
            failed = [fact for fact in facts if fact.data["passed"] is False]
            if failed:
                yield self._finding(who, subject, kind, failed, recovered=failed[-1] is not facts[-1])

    def _finding(self, who: str, subject: str, kind: str, failed: list[Fact], *, recovered: bool) -> Finding:
        from whence.diagnose.catalog import catalog

        last = failed[-1]
        failures = failures_of(last)
        first = failures[0] if failures else {}
        message = text_of(first.get("message"), 200)
        words = " ".join(text_of(each.get("type"), 40) for each in failures)
        code = CODES.get(kind) or (CODES["import"] if "import" in words.lower() else OTHER)
        line = f", line {first['line']}" if _count(first.get("line")) else ""
        total = last.data.get("failures_total")
        count = total if isinstance(total, int) and _count(total) else len(failures)
        more = f", and {count - 1:,} more" if count > 1 else ""
        of = f" of {named(who)}" if who and who != subject else ""
        times = f" {len(failed):,} times" if len(failed) > 1 else ""
        told = named(message, "no failure is named", 160)
        title = f"Check {named(kind or last.record.name)} of {named(subject)}{of} failed{times}: {told}{line}{more}"
        severity = catalog().severity(code)
        return self.finding(
            code,
            title + ("; it passed after that" if recovered else ""),
            same=(who or "run", subject if not who else "", kind or last.record.name, template_of(message or subject)),
            anchor=subject[:120],
            severity=min(severity, Severity.LOW) if recovered else severity,
            basis_text="a check states it",
            components=(who,) if who else (),
            stage=last.record.stage,
            evidence=tuple(fact.id for fact in reversed(failed[-20:])),
            freeze={
                "check": last.record.name,
                "type": kind,
                "subject": subject,
                "phase": text_of(last.data.get("phase"), 40),
                "failures": [_short(each) for each in failures[:MOST_LISTED]],
                "failures_total": count,
            },
            first_ns=failed[0].ts_ns,
            last_ns=last.ts_ns,
            count=len(failed),
            attributes={"recovered": recovered},
        )


def failures_of(fact: Fact) -> list[dict[str, Any]]:
    """Return what a check found, as far as it is of the shape {type, message, line, …}."""
    found = fact.data.get("failures")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _short(failure: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("type", "message", "line", "column", "code", "context", "field"):
        value = failure.get(name)
        if isinstance(value, str | dict):
            found[name] = text_of(value, 300)
        elif isinstance(value, int):
            found[name] = value
    return found
