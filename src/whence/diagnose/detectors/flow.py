"""How runs flow: interrupted, blocked, too long, waiting in a circle, tried too often, contradicting themselves, failing.

- I01-02: a component says it leaves a state that it was not in: `state_from` differs from the `state_to` it said last.
- O01-02: components wait for each other in a circle (`waiting_for` in their records), in a run that did not complete. Or
  the rule of D4.3: more than 10 events, and nothing that counts as progress for more than 86 s.
- O01-03: the last attempt that a stage is allowed (`max_retries`) failed; or healing was tried three times (R0.48) and
  checks still fail.
- O01-05: the run is incomplete (its process was lost, it was cancelled or not marked), or it failed and nothing says of what.
- O01-06: nothing was recorded for longer than the component, in whose part that lies, ever takes; 30 s without history.
- O01-07: the run took longer than earlier good runs of its intent and report type; 60 s (and low) without history.
- O01-08 (survey): more runs fail than before, or more than 30 % of more than 10 do all along.
- O01-09: more retries than earlier good runs let expect; more than 5 without history.

Minimum: 8 earlier good runs for whatever is judged by history (`whence.diagnose.usual`). Confidence: rules over what
records state are derived, so 1; what is judged by history has 1 - p of the named test; rules of the design without
history have none until they are measured on planted faults.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, Final

from whence.diagnose.detector import Detector, Settings, Window
from whence.diagnose.detectors.raised import said_of
from whence.diagnose.retries import retries_of
from whence.diagnose.run import Fact, History, Run, Span, error_text
from whence.diagnose.saying import listed, named, share, took
from whence.diagnose.usual import exceeded, longest_ns, peers
from whence.diagnose.waiting import QUIET, circles, left_open, waits_of
from whence.measure.changes import change_point
from whence.measure.counts import count_tail
from whence.measure.rates import wilson
from whence.model import record as kinds
from whence.model.digest import RunDigest
from whence.model.finding import Finding
from whence.model.payload import LLM, STAGE, TOOL
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, FAILED, NOT_ENDED

_NS: Final = 1_000_000_000
_PROGRESS: Final = frozenset(
    (kinds.SPAN_END, kinds.DECISION, kinds.OUTPUTS, kinds.EVIDENCE, kinds.TRANSFORM, kinds.FILE)
)
_ALLOWED: Final = ("max_retries", "max_attempts", "retry_limit")
_MOST_GAPS: Final = 20  # the longest of a run are looked at


class FlowSettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    minimum: int = 8  # earlier good runs (measure.spread.MIN_SAMPLE)
    blocked_s: float = 30.0  # D4.3, where there is no history
    blocked_least_s: float = 10.0  # a shorter silence is nobody's concern, however quick the component usually is
    long_s: float = 60.0  # D4.3, where there is no history
    long_least_s: float = 1.0  # above the median of earlier runs
    stuck_s: float = 86.0  # D4.3
    stuck_events: int = 10  # D4.3
    healing_attempts: int = 3  # R0.48
    retries: int = 5  # more than that is a storm where there is no history
    retries_least: int = 3  # fewer are none, however rare they are
    retry_p: float = 1e-4  # probability of so many by chance
    failure_share: float = 0.3  # D4.3
    failure_runs: int = 10  # D4.3: more than that many
    change_p: float = 0.01  # of a change in the failure rate


class Flow(Detector):
    """Whether a run got from its beginning to its end as runs do."""

    name: ClassVar[str] = "flow"
    codes: ClassVar[tuple[str, ...]] = (
        *("I01-02", "O01-02", "O01-03", "O01-05", "O01-06", "O01-07", "O01-08", "O01-09"),
    )
    Settings = FlowSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return what is wrong with the flow of one run."""
        if not run.facts:
            return
        yield from self._transitions(run)
        yield from self._circles(run)
        yield from self._stuck(run)
        yield from self._stages_exhausted(run)
        yield from self._healing_exhausted(run)
        yield from self._interrupted(run)
        yield from self._blocked(run, history)
        yield from self._too_long(run, history)
        yield from self._storms(run, history)

    # -- I01-02 --------------------------------------------------------------------------------------------------------

    def _transitions(self, run: Run) -> Iterator[Finding]:
        last: dict[str, tuple[str, Fact]] = {}
        found: dict[str, list[tuple[str, str, Fact, Fact]]] = {}
        for fact in run.events:
            said = said_of(fact)
            before, after = said.get("state_from"), said.get("state_to")
            if not isinstance(before, str) or not isinstance(after, str):
                continue
            known = last.get(fact.who)
            # Of two at the same moment nobody knows which came first.
            if known is not None and known[0] != before and known[1].ts_ns < fact.ts_ns:
                found.setdefault(fact.who, []).append((known[0], before, known[1], fact))
            last[fact.who] = (after, fact)
        for who, wrong in sorted(found.items()):
            was, left, said_by, fact = wrong[0]
            yield self.finding(
                "I01-02",
                f"{named(who)} left state {named(left)} although it had gone into {named(was)}",
                same=(who, was, left),
                anchor=fact.id,
                basis="derived",
                basis_text="two records of state transitions that contradict each other",
                components=(who,) if who else (),
                stage=fact.record.stage,
                evidence=_ids(fact, said_by, *(each[3] for each in wrong[1:10])),
                freeze={"state_from": named(left), "state_before": named(was)},
                first_ns=said_by.ts_ns,
                last_ns=wrong[-1][3].ts_ns,
                count=len(wrong),
            )

    # -- O01-02 --------------------------------------------------------------------------------------------------------

    def _circles(self, run: Run) -> Iterator[Finding]:
        if run.view.status == COMPLETE:
            return
        waits = waits_of(run)
        for circle in circles(waits):
            facts = [waits[who][1] for who in circle]
            shown = " → ".join(named(each) for each in (*circle, circle[0]))
            yield self.finding(
                "O01-02",
                f"{listed(circle)} wait for each other: {shown}",
                same=circle,
                basis="derived",
                basis_text="the last that each of them said is that it waits for the next; no record says that one went on",
                components=circle,
                stage=facts[0].record.stage,
                evidence=_ids(*sorted(facts, key=lambda each: (-each.ts_ns, each.id))),
                freeze={"waiting_for": {who: waits[who][0][:5] for who in circle}},
                first_ns=min(each.ts_ns for each in facts),
                last_ns=run.last_ns,
                attributes={"rule": "circle"},
            )

    def _stuck(self, run: Run) -> Iterator[Finding]:
        s = self.settings
        if run.view.status in (COMPLETE, FAILED) or len(run.events) <= s.stuck_events:
            return
        still_open = [each for each in run.spans.values() if _is_open(each)]
        if not still_open or _innermost(still_open).type in (LLM, TOOL):
            return  # a call may take its time; that is for those who know how much it usually takes
        progress = [f for f in run.facts if f.record.kind in _PROGRESS and not left_open(f)]
        since = progress[-1] if progress else run.facts[0]
        heard = [f for f in run.facts if f.record.kind not in QUIET]
        waited = (heard[-1].ts_ns - since.ts_ns) if heard else 0
        if waited <= s.stuck_s * _NS:
            return
        span = _innermost(still_open)
        yield self.finding(
            "O01-02",
            f"{named(span.who)} has made no progress for {took(waited)} and has not ended: a deadlock is suspected",
            same=(span.who, "no progress"),
            severity=Severity.MEDIUM,
            basis="measured",
            basis_text=f"rule of the design: more than {s.stuck_events} events, no progress for more than {s.stuck_s:g} s",
            components=(span.who,),
            stage=span.stage,
            evidence=_ids(span.fact, since, heard[-1]),
            freeze={"without_progress_s": round(waited / _NS, 3), "events": len(run.events)},
            thresholds={"stuck_s": s.stuck_s, "stuck_events": s.stuck_events},
            first_ns=since.ts_ns,
            last_ns=heard[-1].ts_ns,
            attributes={"rule": "no_progress"},
        )

    # -- O01-03 --------------------------------------------------------------------------------------------------------

    def _stages_exhausted(self, run: Run) -> Iterator[Finding]:
        tried: dict[tuple[str, str], list[Span]] = {}
        for span in run.spans.values():
            if span.type == STAGE:
                tried.setdefault((span.name, span.parent.id if span.parent else ""), []).append(span)
        for (name, _), spans in sorted(tried.items()):
            allowed = max((_allowed(each) or 0 for each in spans), default=0)
            attempts = max(len(spans), max(each.attempt for each in spans))
            last = max(spans, key=lambda each: (each.attempt, each.started_ns, each.id))
            if not allowed or attempts < allowed or not last.error or last.end is None:
                continue
            yield self._exhausted(
                f"{named(last.who)} used up its {allowed} retries of {named(name)}; the last one failed with "
                f"{named(error_text(last.error), 'an error')}",
                (last.who, name),
                last.end,
                [each.fact for each in spans],
                attempts,
                allowed,
            )

    def _healing_exhausted(self, run: Run) -> Iterator[Finding]:
        groups: dict[tuple[str, str], list[Fact]] = {}
        for fact in run.of_kind(kinds.TRANSFORM):
            if any(str(each).lower().startswith("heal") for each in (fact.data.get("action"), fact.record.name)):
                groups.setdefault(_healed(fact), []).append(fact)
        for key, heals in sorted(groups.items()):
            named_limits = [_limit_in(fact.data.get("using")) or _limit_in(fact.attributes) or 0 for fact in heals]
            allowed = max(named_limits) or self.settings.healing_attempts
            last = heals[-1]
            standing: dict[tuple[str, str], Fact] = {}
            for check in run.checks:
                alike = _healed(check) == key or (_subject(check) != "" and _subject(check) == _subject(last))
                if alike and (check.ts_ns, check.id) > (last.ts_ns, last.id):
                    standing[(str(check.data.get("type")), check.record.name)] = check
            failing = [each for each in standing.values() if each.data.get("passed") is False]
            if len(heals) < allowed or not (failing or (not standing and last.data.get("error"))):
                continue
            left = (
                f"{listed(each.record.name for each in failing)} still fails" if failing else "the last attempt failed"
            )
            yield self._exhausted(
                f"Healing of {named(key[0] or key[1])} was tried {len(heals)} times and {left}",
                (*key, "healing"),
                failing[-1] if failing else last,
                heals,
                len(heals),
                allowed,
            )

    def _exhausted(
        self, title: str, same: Sequence[str], proof: Fact, facts: list[Fact], attempts: int, allowed: int
    ) -> Finding:
        every = sorted(facts, key=lambda each: (-each.ts_ns, each.id))
        return self.finding(
            "O01-03",
            title,
            same=same,
            anchor=":".join(same)[:200],
            basis="derived",
            basis_text="the attempts are recorded, and the last of them failed",
            components=(same[0],) if same[0] else (),
            stage=proof.record.stage,
            evidence=_ids(proof, *every[:10]),
            freeze={"attempts": attempts, "allowed": allowed},
            thresholds={"allowed": allowed},
            first_ns=min(each.ts_ns for each in facts),
            last_ns=max(proof.ts_ns, *(each.ts_ns for each in facts)),
            count=attempts,
        )

    # -- O01-05 --------------------------------------------------------------------------------------------------------

    def _interrupted(self, run: Run) -> Iterator[Finding]:
        view = run.view
        end = run.by_id.get(view.end_record) if view.end is not None else None
        if view.end is None or end is None or view.status == COMPLETE:
            return
        reason = view.end.reason if isinstance(view.end.reason, str) else ""
        if view.status == FAILED and (
            run.errors or view.end.error or any(c.data.get("passed") is False for c in run.checks)
        ):
            return  # what it failed of is for those who read errors and checks
        last = next((f for f in reversed(run.facts) if f.record.kind not in (*QUIET, kinds.TRACE_END)), end)
        still_open = [each for each in run.spans.values() if _is_open(each)]
        span = _innermost(still_open) if still_open else None
        where = f" in {named(span.name)}" if span is not None else ""
        after = took(max(0, last.ts_ns - run.first_ns))
        how, severity = {
            "process_lost": (f"its process was lost {after} after it began{where}", None),
            "cancelled": (f"it was cancelled {after} after it began{where}", Severity.LOW),
        }.get(
            reason,
            (f"nobody marked it complete ({named(reason)})" if reason else "nobody marked it complete", Severity.LOW),
        )
        if view.status == FAILED:
            how, severity = f"it failed {after} after it began{where}, and no record says of what", None
        yield self.finding(
            "O01-05",
            f"The run was interrupted: {how}",
            same=(reason or view.status, span.name if span is not None else ""),
            severity=severity,
            basis="stated",
            basis_text="the record of the run's end says so",
            components=(span.who,) if span is not None else (),
            stage=span.stage if span is not None else "",
            evidence=_ids(end, last, *([span.fact] if span is not None else [])),
            freeze={"status": view.status, "reason": reason, "last_record": last.record.name[:200]},
            first_ns=min(last.ts_ns, end.ts_ns),
            last_ns=max(last.ts_ns, end.ts_ns),
        )

    # -- O01-06 --------------------------------------------------------------------------------------------------------

    def _blocked(self, run: Run, history: History) -> Iterator[Finding]:
        s = self.settings
        heard = [each for each in run.facts if each.record.kind not in kinds.OF_OURS]
        gaps = [(b.ts_ns - a.ts_ns, a, b) for a, b in pairwise(heard)]
        long = sorted((g for g in gaps if g[0] > s.blocked_least_s * _NS), key=lambda g: (-g[0], g[1].ts_ns, g[1].id))
        told: set[str] = set()
        for gap, a, b in long[:_MOST_GAPS]:
            around = [
                each
                for each in run.spans.values()
                if each.started_ns <= a.ts_ns and (each.ended_ns is None or each.ended_ns >= b.ts_ns)
            ]
            if not around:
                continue
            span = _innermost(around)
            if span.who in told:
                continue
            earlier = longest_ns(history, span.who)
            known = len(earlier) >= s.minimum
            usual = exceeded(gap, earlier, minimum=s.minimum, ratio=1.0, least=0.0) if known else None
            if usual is None and (known or gap <= s.blocked_s * _NS or span.type in (LLM, TOOL)):
                continue
            told.add(span.who)
            beside = f"; the most that is usual for all of it is {took(usual.upper)}" if usual is not None else ""
            severity = None
            if run.view.status == COMPLETE:  # it went on, so whatever it was has passed
                severity = Severity.MEDIUM if usual is not None else Severity.LOW
            yield self.finding(
                "O01-06",
                f"{named(span.who)} was blocked: nothing was recorded for {took(gap)} in {named(span.name)}{beside}",
                same=(span.who, span.name),
                anchor=span.who,
                severity=severity,
                basis="statistical" if usual is not None else "measured",
                basis_text=usual.basis_text if usual is not None else f"rule of the design: {s.blocked_s:g} s",
                confidence=usual.confidence if usual is not None else None,
                components=(span.who,),
                stage=span.stage,
                evidence=_ids(span.fact, a, b),
                freeze={"gap_s": round(gap / _NS, 3), "runs": usual.runs if usual is not None else len(earlier)},
                thresholds={"gap_s": round(usual.upper / _NS, 3) if usual is not None else s.blocked_s},
                first_ns=a.ts_ns,
                last_ns=b.ts_ns,
            )

    # -- O01-07 --------------------------------------------------------------------------------------------------------

    def _too_long(self, run: Run, history: History) -> Iterator[Finding]:
        s, view = self.settings, run.view
        said = view.end.duration_ns if view.end is not None else None
        duration = said if isinstance(said, int) and said > 0 else run.last_ns - run.first_ns
        alike = peers(history, run.row.intent or "", run.row.report_type or "", s.minimum)
        earlier = [float(each.duration_ns) for each in alike if each.duration_ns > 0]
        known = len(earlier) >= s.minimum
        usual = exceeded(duration, earlier, minimum=s.minimum, least=s.long_least_s * _NS) if known else None
        if usual is None and (known or duration <= s.long_s * _NS):
            return
        verb = "took" if view.end is not None else "has been going on for"
        beside = f", {took(usual.median)} is usual" if usual is not None else f", more than {s.long_s:g} s"
        yield self.finding(
            "O01-07",
            f"The run {verb} {took(duration)}{beside}",
            same=(run.row.intent or "", run.row.report_type or ""),
            severity=None if usual is not None else Severity.LOW,
            basis="statistical" if usual is not None else "measured",
            basis_text=usual.basis_text if usual is not None else f"rule of the design: {s.long_s:g} s",
            confidence=usual.confidence if usual is not None else None,
            evidence=tuple(
                dict.fromkeys(each for each in (view.end_record, run.facts[-1].id, view.start_record) if each)
            ),
            freeze={
                "duration_s": round(duration / _NS, 3),
                **({"median_s": round(usual.median / _NS, 3)} if usual else {}),
            },
            thresholds={"duration_s": round(usual.upper / _NS, 3) if usual is not None else s.long_s},
            first_ns=run.first_ns,
            last_ns=run.last_ns,
        )

    # -- O01-09 --------------------------------------------------------------------------------------------------------

    def _storms(self, run: Run, history: History) -> Iterator[Finding]:
        s = self.settings
        good = history.good
        for who, tried in retries_of(run).items():
            known = len(good) >= s.minimum
            earlier = [int(each.numbers.get(f"retries:{who}"[:80], 0)) for each in good]
            p = count_tail(tried.count, earlier) if known and tried.count >= s.retries_least else None
            if (p is None or p > s.retry_p) if known else tried.count <= s.retries:
                continue
            mean = sum(earlier) / len(earlier) if earlier else 0.0
            usual = f"; {mean:.2g} is usual" if known else ""
            yield self.finding(
                "O01-09",
                f"{named(who)} tried again {tried.count} times{usual}",
                same=(who,),
                anchor=who,
                basis="statistical" if p is not None else "measured",
                basis_text=f"negative binomial tail over {len(earlier)} earlier runs, p = {p:.2g}"
                if p is not None
                else f"rule: more than {s.retries} retries, without enough earlier runs to compare with",
                confidence=1.0 - p if p is not None else None,
                components=(who,) if who else (),
                stage=tried.facts[0].record.stage,
                evidence=_ids(tried.facts[-1], tried.facts[0], *tried.facts[1:9]),
                freeze={"retries": tried.count, "usual": round(mean, 3)},
                thresholds={"p": s.retry_p} if p is not None else {"retries": s.retries},
                first_ns=tried.facts[0].ts_ns,
                last_ns=tried.facts[-1].ts_ns,
                count=tried.count,
            )

    # -- O01-08 --------------------------------------------------------------------------------------------------------

    def survey(self, window: Window) -> Iterable[Finding]:
        """Return whose runs fail more often than they did, or than is bearable: the project's, else those of components."""
        ended = [each for each in window.runs if each.outcome in ("good", "bad")]
        whole = self._failing(window.project or "the project", "", ended, [each.outcome == "bad" for each in ended])
        if whole is not None:
            yield whole
            return
        for who in sorted({who for each in ended for who in each.parts}):
            runs = [each for each in ended if who in each.parts]
            found = self._failing(who, who, runs, [_failed(each, who) for each in runs])
            if found is not None:
                yield found

    def _failing(self, what: str, who: str, runs: list[RunDigest], failed: list[bool]) -> Finding | None:
        s = self.settings
        if len(runs) <= s.failure_runs or sum(failed) / len(runs) < s.failure_share / 10:
            return None
        change = change_point([float(each) for each in failed])
        start = change.index if change is not None and change.p < s.change_p else 0
        n, bad = len(runs) - start, sum(failed[start:])
        if n <= s.failure_runs or bad / n <= s.failure_share:
            return None
        low, high = wilson(bad, n)
        before = sum(failed[:start]) / start if start else None
        # Where nothing changed, that more than the bearable share fails must itself be beyond chance.
        if low <= (before if before is not None else s.failure_share):
            return None
        first = next(each for each, fell in zip(runs[start:], failed[start:], strict=True) if fell)
        beside = f", {share(before)} of the {start} before" if before is not None else ""
        p = change.p if change is not None and start else 0.025
        worst = sorted({part for each in runs[start:] for part in each.parts if _failed(each, part)})
        return self.finding(
            "O01-08",
            f"{bad} of the last {n} runs of {named(what)} failed ({share(bad / n)}){beside}",
            same=(who,),
            anchor=first.trace,
            scope="component" if who else "system",
            basis="statistical",
            basis_text=f"Pettitt's test of {len(runs)} runs, p = {p:.2g}"
            if start
            else f"lower bound of Wilson's interval, {share(low)}, above {share(s.failure_share)}",
            confidence=1.0 - p,
            components=(who,) if who else tuple(worst[:5]),
            evidence=tuple(each.trace for each, fell in zip(runs[start:], failed[start:], strict=True) if fell)[-20:][
                ::-1
            ],
            freeze={"runs": n, "failed": bad, "share": round(bad / n, 4), "interval": [round(low, 4), round(high, 4)]},
            thresholds={"share": s.failure_share, "runs": s.failure_runs, "p": s.change_p},
            first_ns=first.started_ns,
            last_ns=max(first.started_ns, runs[-1].ended_ns, runs[-1].started_ns),
            count=bad,
        )


def _failed(run: RunDigest, who: str) -> bool:
    """Return whether a run went wrong, and something of this component failed in it."""
    part = run.parts.get(who)
    return run.outcome == "bad" and part is not None and (part.failed > 0 or part.errors > 0)


def _ids(*facts: Fact) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.id for each in facts))


def _is_open(span: Span) -> bool:
    return span.end is None or span.error == NOT_ENDED


def _innermost(spans: Iterable[Span]) -> Span:
    """Return the one that began last: of nested parts the inner one."""
    return max(spans, key=lambda each: (each.started_ns, _depth(each), each.id))


def _depth(span: Span) -> int:
    depth, above = 0, span.parent
    while above is not None:
        depth, above = depth + 1, above.parent
    return depth


def _limit_in(said: object) -> int | None:
    if not isinstance(said, dict):
        return None
    for name in _ALLOWED:
        value = said.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _allowed(span: Span) -> int | None:
    """Return how many retries a stage says it is allowed."""
    return next((n for fact in (span.end, span.start) if fact is not None and (n := _limit_in(fact.attributes))), None)


def _subject(fact: Fact) -> str:
    value = fact.data.get("subject")
    return value if isinstance(value, str) else ""


def _healed(fact: Fact) -> tuple[str, str]:
    """Return what is healed or checked: the component, or where none is named the subject (as `query.healing` does)."""
    return (fact.who, "") if fact.who else ("", _subject(fact))
