"""What errors have in common within a run and across runs: repetition, propagation, how many are critical.

An error is a failed part, or an event of level high and above. One that only passes on what failed inside it (its text is
that of an error within it) is an echo: it is no second occurrence, it shows where the first went.

- A01-04: the same error, by template (Drain, `measure.templates.mine`), more than once in a run (D4.3). High if one of them is
  critical, low if the run went well all the same. (survey) At least 5 times (D4.3) in at least 2 runs: low, medium if it
  comes ever more often (Mann-Kendall, 10 runs, p < 0.01).
- A01-05: errors of several components. Connected by their parents, or by exceptions that were raised from one another:
  confirmed, derived, `attributes.by` is "parent". Only one after the other in one run: supposed, `by` is "time", and the
  earliest of them is the root.
- A01-06: more than 30 % of at least 5 errors are critical (D4.3).

Confidence: repetition, parents and shares are derived from records, so 1. What is supposed from time alone has none until it is
measured on planted faults. A trend has 1 - p.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Final

from whence.diagnose.detector import Detector, Settings, Window
from whence.diagnose.run import Fact, History, Run, error_text, text_of
from whence.diagnose.saying import listed, named, share, took
from whence.measure.changes import trend
from whence.measure.templates import mine
from whence.model import record as kinds
from whence.model.digest import ErrorDigest, RunDigest
from whence.model.finding import Finding
from whence.model.severity import Severity
from whence.query.claims import outcome_of

MOST_ERRORS: Final = 5_000
"""Of a run, the first so many are looked at."""
_MOST_STEPS: Final = 100  # up a chain of parents
_MOST_CAUSES: Final = 10  # up a chain of exceptions
_TITLE_CHARS: Final = 120


class ErrorsSettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    repeated: int = 2  # D4.3: more than once
    critical_share: float = 0.3  # D4.3
    critical_of: int = 5  # errors
    within_s: float = 300.0  # one error after another is one story at most so long
    recurring: int = 5  # D4.3
    recurring_runs: int = 2
    trend_p: float = 0.01


class Errors(Detector):
    """What the errors of a run, and of many runs, say together."""

    name: ClassVar[str] = "errors"
    codes: ClassVar[tuple[str, ...]] = ("A01-04", "A01-05", "A01-06")
    Settings = ErrorsSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return which errors of a run are the same, which led to which, and whether too many are critical."""
        every = run.errors[:MOST_ERRORS]
        if len(every) < 2:
            return
        around = list(_around(run, every))
        echoes = _echoes(around)
        own = [each for each in every if each.id not in echoes]
        good = outcome_of(run.row) == "good"
        yield from self._repeated(own, good)
        yield from self._propagated(run, every, own, {**_raised_from(around), **echoes}, good)
        yield from self._critical(own, good)

    # -- A01-04 --------------------------------------------------------------------------------------------------------

    def _repeated(self, own: list[Fact], good: bool) -> Iterator[Finding]:
        for template, places in mine([message_of(each) for each in own]).items():
            facts = [own[place] for place in places]
            if len(facts) < self.settings.repeated:
                continue
            critical = any(each.record.level >= Severity.CRITICAL for each in facts)
            who = tuple(dict.fromkeys(each.who for each in facts if each.who))
            within = took(facts[-1].ts_ns - facts[0].ts_ns)
            yield self.finding(
                "A01-04",
                f"{listed(who) or 'The run'} failed {len(facts)} times within {within} with the same error: "
                f"{named(message_of(facts[0]), 'no message', _TITLE_CHARS)}",
                same=(who[0] if who else "", template),
                anchor=facts[0].id,
                severity=Severity.LOW if good else Severity.HIGH if critical else None,
                basis="derived",
                basis_text="messages of one template",
                components=who[:10],
                stage=facts[0].record.stage,
                evidence=tuple(each.id for each in (facts[0], facts[-1], *facts[1:-1]))[:20],
                freeze={
                    "template": template,
                    "count": len(facts),
                    "levels": sorted({each.record.level for each in facts}),
                },
                thresholds={"count": self.settings.repeated},
                first_ns=facts[0].ts_ns,
                last_ns=facts[-1].ts_ns,
                count=len(facts),
                attributes={"recovered": good},
            )

    # -- A01-05 --------------------------------------------------------------------------------------------------------

    def _propagated(
        self, run: Run, every: list[Fact], own: list[Fact], stated: dict[str, str], good: bool
    ) -> Iterator[Finding]:
        groups: dict[str, list[Fact]] = {}
        cause = {each.id: _cause(run, each, stated) for each in every}
        for fact in every:
            root = fact.id
            for _ in range(_MOST_STEPS):  # a circle of parents ends here
                above = cause[root]
                if not above or above not in cause:
                    break
                root = above
            groups.setdefault(root, []).append(fact)
        told: set[str] = set()
        for root in sorted(groups):
            # What caused the others comes first, whatever the clocks of those who said so.
            facts = sorted(groups[root], key=lambda each: (each.id != root, each.ts_ns, each.id))
            if len({each.who for each in facts if each.who}) > 1:
                told |= {each.id for each in facts}
                yield self._propagation(facts, good, "parent")
        free = [each for each in own if each.id not in told and each.who]
        story = [each for each in free if each.ts_ns - free[0].ts_ns <= self.settings.within_s * 1e9]
        if len({each.who for each in story}) > 1:
            yield self._propagation(story, good, "time")

    def _propagation(self, facts: list[Fact], good: bool, by: str) -> Finding:
        root, last_ns = facts[0], max(each.ts_ns for each in facts)
        who = tuple(dict.fromkeys(each.who for each in facts if each.who))
        said = named(message_of(root), "an error", _TITLE_CHARS)
        if by == "parent":
            title = f"An error of {named(root.who)} ({said}) spread to {listed(w for w in who if w != root.who)}"
            basis_text = "each error names, by its parents or its exception, the one that it comes from"
        else:
            title = (
                f"After an error of {named(root.who)} ({said}) {listed(w for w in who if w != root.who)} failed too; "
            )
            title += "only the order in time connects them"
            basis_text = "errors of one run, one after the other; no record says that one caused another"
        return self.finding(
            "A01-05",
            title,
            same=(by, root.who, mine([message_of(root)]).popitem()[0]),
            anchor=root.id,
            severity=Severity.LOW if good else None if by == "parent" else Severity.MEDIUM,
            basis="derived" if by == "parent" else "measured",
            basis_text=basis_text,
            components=who[:20],
            stage=root.record.stage,
            evidence=tuple(each.id for each in facts[:20]),
            freeze={
                "root": root.id,
                "message": named(message_of(root), "", 500),
                "after_s": round((last_ns - root.ts_ns) / 1e9, 3),
            },
            thresholds={} if by == "parent" else {"within_s": self.settings.within_s},
            first_ns=min(each.ts_ns for each in facts),
            last_ns=last_ns,
            count=len(facts),
            attributes={"by": by, "root": root.id, "recovered": good},
        )

    # -- A01-06 --------------------------------------------------------------------------------------------------------

    def _critical(self, own: list[Fact], good: bool) -> Iterator[Finding]:
        s = self.settings
        critical = [each for each in own if each.record.level >= Severity.CRITICAL]
        if len(own) < s.critical_of or len(critical) <= s.critical_share * len(own):
            return
        who = tuple(dict.fromkeys(each.who for each in critical if each.who))
        yield self.finding(
            "A01-06",
            f"{len(critical)} of {len(own)} errors ({share(len(critical) / len(own))}) are critical: {listed(who) or 'the run'}",
            same=(who[0] if who else "",),
            severity=Severity.LOW if good else None,
            basis="derived",
            basis_text="levels of the run's errors",
            components=who[:10],
            stage=critical[0].record.stage,
            evidence=tuple(each.id for each in critical[:20]),
            freeze={"critical": len(critical), "errors": len(own), "share": round(len(critical) / len(own), 4)},
            thresholds={"share": s.critical_share, "errors": s.critical_of},
            first_ns=critical[0].ts_ns,
            last_ns=critical[-1].ts_ns,
            count=len(critical),
        )

    # -- across runs ---------------------------------------------------------------------------------------------------

    def survey(self, window: Window) -> Iterable[Finding]:
        """Return which errors come again and again."""
        s = self.settings
        said = [(run, error) for run in window.runs for error in run.errors]
        for template, places in mine([error.template for _, error in said]).items():
            by_component: dict[str, list[tuple[RunDigest, ErrorDigest]]] = {}
            for place in places:
                by_component.setdefault(said[place][1].component, []).append(said[place])
            for who, found in sorted(by_component.items()):
                traces = {run.trace for run, _ in found}
                count = sum(max(1, error.count) for _, error in found)
                if count >= s.recurring and len(traces) >= s.recurring_runs:
                    yield self._recurring(window, template, who, found, count)

    def _recurring(
        self, window: Window, template: str, who: str, found: list[tuple[RunDigest, ErrorDigest]], count: int
    ) -> Finding:
        s = self.settings
        times: dict[str, int] = {}
        for run, error in found:
            times[run.trace] = times.get(run.trace, 0) + max(1, error.count)
        rising = trend([times.get(run.trace, 0) for run in window.runs])
        rises = rising is not None and rising[0] > 0 and rising[1] < s.trend_p
        stages = {error.stage for _, error in found}
        newest = sorted(found, key=lambda each: (-each[1].ts_ns, each[1].record_id))
        return self.finding(
            "A01-04",
            f"{named(who)} failed {count} times in {len(times)} of {len(window.runs)} runs with the same error"
            f"{', ever more often' if rises else ''}: {named(template, 'no message', _TITLE_CHARS)}",
            same=(who, template),
            anchor=found[0][0].trace,
            severity=Severity.MEDIUM if rises else Severity.LOW,
            scope="component",
            basis="statistical" if rises and rising is not None else "derived",
            basis_text=f"Mann-Kendall test over {len(window.runs)} runs, p = {rising[1]:.2g}"
            if rises and rising is not None
            else "messages of one template",
            confidence=1.0 - rising[1] if rises and rising is not None else None,
            components=(who,) if who else (),
            stage=stages.pop() if len(stages) == 1 else "",
            evidence=tuple(error.record_id or run.trace for run, error in newest[:20]),
            freeze={"template": template, "count": count, "runs": len(times), "of_runs": len(window.runs)},
            thresholds={"count": s.recurring, "runs": s.recurring_runs, "p": s.trend_p},
            first_ns=min(error.ts_ns for _, error in found),
            last_ns=newest[0][1].ts_ns,
            count=count,
            attributes={"rising": rises},
        )


def message_of(fact: Fact) -> str:
    """Return what an error said, as digests have it."""
    return error_text(fact.data.get("error")) or text_of(fact.data.get("message")) or fact.record.name


def _around(run: Run, errors: list[Fact]) -> Iterator[tuple[Fact, Fact]]:
    """Yield each error with each failed part around it, in order of time and from the inside out."""
    failed = {each.id for each in errors}
    spans = {each.id: span for each in errors if each.record.kind == kinds.SPAN_END and (span := run.span_of(each))}
    for fact in errors:
        inner = spans.get(fact.id)
        above = inner.parent if inner is not None else run.spans.get(fact.record.span)
        for _ in range(_MOST_STEPS):
            if above is None:
                break
            outer = above.end
            if outer is not None and outer.id in failed and outer.id != fact.id:
                yield fact, outer
            above = above.parent


def _echoes(around: list[tuple[Fact, Fact]]) -> dict[str, str]:
    """Return the failed parts that pass on an error from inside them → the earliest error inside that says the same."""
    found: dict[str, str] = {}
    for fact, outer in around:
        one, other = message_of(fact), message_of(outer)
        if one and other and (one in other or other in one):
            found.setdefault(outer.id, fact.id)
    return found


def _raised_from(around: list[tuple[Fact, Fact]]) -> dict[str, str]:
    """Return the failed parts whose exception was raised from one inside them (`raise … from …`) → that one."""
    found: dict[str, str] = {}
    for fact, outer in around:
        cause = outer.data.get("error")
        for _ in range(_MOST_CAUSES):
            cause = cause.get("cause") if isinstance(cause, dict) else None
            if cause and error_text(cause) == message_of(fact):
                found.setdefault(outer.id, fact.id)
    return found


def _cause(run: Run, fact: Fact, stated: dict[str, str]) -> str:
    """Return the error that a record names as what it comes from: by its parents, or its exception; "" if there is none."""
    if fact.id in stated:
        return stated[fact.id]
    seen = {fact.id}
    above = run.by_id.get(fact.record.parent)
    for _ in range(_MOST_STEPS):
        if above is None or above.id in seen:
            return ""
        if above.record.level >= Severity.HIGH or above.data.get("error"):
            return above.id
        seen.add(above.id)
        above = run.by_id.get(above.record.parent)
    return ""
