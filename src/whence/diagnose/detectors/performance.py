"""How fast runs are: slow calls, bottlenecks, components that became slower, throughput, use of the machine.

- P01-01: a component's longest part takes longer than in earlier good runs (`whence.diagnose.usual`: minimum 8 runs, 1.5
  medians, 50 ms). Without history the rule of D4.3: 10 samples in the run and a 95 % quantile above 5,000 ms. Of nested
  parts that are slow for one reason, only the inner one is named. Low in a run that went well and took no longer than usual.
- P01-02: one stage of three or more takes, without stages inside it, over half of the run (D4.3): info, and low where
  that share is unusual for it.
- P01-05: a metric of processor or memory use averages above 80 % over 5 samples (D4.3); low where earlier runs had that too.
- P01-03 (survey): a component's median duration per run changed once (Pettitt's test, minimum 8 runs on each side, p < 0.01
  adjusted for the components looked at) by more than the ratio of D4.3, 1.2, and by more than 50 ms. Named with it: what
  changed in the versions that ran within one run of it.
- P01-04 (survey): the runs per hour (per day where the window is longer than 14 days) changed once; info.

Confidence: 1 - p of the test named in the finding; the rules of the design without history have none until measured.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final

from whence.diagnose.detector import Detector, Settings, Window
from whence.diagnose.run import History, Run, Span
from whence.diagnose.saying import named, share, took
from whence.diagnose.usual import Usual, exceeded, peers
from whence.measure.chance import adjusted
from whence.measure.changes import ChangePoint, change_point
from whence.measure.spread import quantile
from whence.model import record as kinds
from whence.model.digest import RunDigest
from whence.model.finding import Finding
from whence.model.payload import LLM, STAGE, TOOL
from whence.model.quality import number
from whence.model.severity import Severity
from whence.query.claims import outcome_of

_NS: Final = 1_000_000_000
_HOUR: Final = 3600 * _NS
_DAY: Final = 24 * _HOUR
_MOST_BUCKETS: Final = 5_000
_USE: Final = re.compile(r"(?i)(?:^|[^a-z])(cpu|processor|mem|memory|ram|gpu)(?![a-z])")
_PERCENT: Final = ("%", "percent")


class PerformanceSettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    minimum: int = 8  # earlier good runs, and runs on each side of a change
    ratio: float = 1.5  # to the median of earlier runs
    least_ms: float = 50.0  # above it: shorter differences matter to nobody
    slow_samples: int = 10  # D4.3, where there is no history
    slow_ms: float = 5_000.0  # D4.3: 95 % quantile
    bottleneck_share: float = 0.5  # D4.3
    bottleneck_stages: int = 3
    use_share: float = 0.8  # D4.3
    use_samples: int = 5
    degraded_ratio: float = 1.2  # D4.3
    change_p: float = 0.01
    throughput_ratio: float = 1.5


class Performance(Detector):
    """Whether a run, and the runs of a window, were as fast as they should be."""

    name: ClassVar[str] = "performance"
    codes: ClassVar[tuple[str, ...]] = ("P01-01", "P01-02", "P01-03", "P01-04", "P01-05")
    Settings = PerformanceSettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return what was slow, or took most of the time, or of the machine."""
        good = history.good
        yield from self._slow(run, history)
        yield from self._bottleneck(run, good)
        yield from self._use(run, good)

    # -- P01-01 --------------------------------------------------------------------------------------------------------

    def _slow(self, run: Run, history: History) -> Iterator[Finding]:
        s, good = self.settings, history.good
        spans: dict[str, list[Span]] = {}
        for span in run.spans.values():
            if span.duration_ns is not None and (span.parent is None or span.parent.who != span.who):
                spans.setdefault(span.who, []).append(span)
        found: dict[str, tuple[Span, Usual]] = {}
        for who, of in spans.items():
            longest = max(of, key=lambda each: (each.duration_ns or 0, each.id))
            took_ns = longest.duration_ns or 0
            if took_ns <= s.least_ms * 1e6:
                continue
            earlier = [float(max(d)) for each in good if who in each.parts and (d := each.parts[who].durations_ns)]
            if len(earlier) < s.minimum:
                if (slow := self._slow_without_history(who, of)) is not None:
                    yield slow
                continue
            usual = exceeded(took_ns, earlier, minimum=s.minimum, ratio=s.ratio, least=s.least_ms * 1e6)
            if usual is not None:
                found[who] = (longest, usual)
        matters = bool(found) and self._matters(run, history)
        for who in sorted(found):
            span, usual = found[who]
            if _explained(span, usual, found):
                continue
            yield self.finding(
                "P01-01",
                f"{named(who)} took {took(span.duration_ns or 0)} for {named(span.name)}; {took(usual.median)} is usual",
                same=(who, span.name),
                anchor=who,
                severity=None if matters else Severity.LOW,
                basis="statistical",
                basis_text=usual.basis_text,
                confidence=usual.confidence,
                components=(who,),
                stage=span.stage,
                evidence=(span.fact.id,),
                freeze={
                    "duration_ms": _ms(span.duration_ns or 0),
                    "median_ms": _ms(usual.median),
                    "runs": usual.runs,
                    "type": span.type[:40],
                },
                thresholds={"duration_ms": _ms(usual.upper), "ratio": s.ratio, "least_ms": s.least_ms},
                first_ns=span.started_ns,
                last_ns=max(span.started_ns, span.ended_ns or 0),
            )

    def _matters(self, run: Run, history: History) -> bool:
        """Return whether the run as a whole suffered: it did not go well, or took longer than such runs do."""
        if outcome_of(run.row) != "good":
            return True
        said = run.view.end.duration_ns if run.view.end is not None else None
        whole = max(said if isinstance(said, int) else 0, run.last_ns - run.first_ns)
        alike = peers(history, run.row.intent or "", run.row.report_type or "", self.settings.minimum)
        earlier = [float(each.duration_ns) for each in alike if each.duration_ns > 0]
        return exceeded(whole, earlier, minimum=self.settings.minimum, ratio=1.0) is not None

    def _slow_without_history(self, who: str, spans: list[Span]) -> Finding | None:
        s = self.settings
        if len(spans) < s.slow_samples:
            return None
        p95 = quantile([each.duration_ns or 0 for each in spans], 0.95)
        if p95 <= s.slow_ms * 1e6:
            return None
        worst = sorted(spans, key=lambda each: (-(each.duration_ns or 0), each.id))
        calls = all(each.type in (LLM, TOOL) for each in spans)
        return self.finding(
            "P01-01",
            f"{named(who)} is slow: 95 % of its {len(spans)} parts take up to {took(p95)}, more than {took(s.slow_ms * 1e6)}",
            same=(who, worst[0].name),
            anchor=who,
            severity=Severity.LOW if calls else None,  # a model that writes may well take longer
            basis="measured",
            basis_text=f"rule of the design: {s.slow_samples} samples, 95 % quantile above {s.slow_ms:g} ms",
            components=(who,),
            stage=worst[0].stage,
            evidence=tuple(each.fact.id for each in worst[:10]),
            freeze={"p95_ms": _ms(p95), "samples": len(spans), "duration_ms": _ms(worst[0].duration_ns or 0)},
            thresholds={"p95_ms": s.slow_ms, "samples": s.slow_samples},
            first_ns=min(each.started_ns for each in spans),
            last_ns=max(max(each.started_ns, each.ended_ns or 0) for each in spans),
        )

    # -- P01-02 --------------------------------------------------------------------------------------------------------

    def _bottleneck(self, run: Run, good: Sequence[RunDigest]) -> Iterator[Finding]:
        s = self.settings
        stages: dict[str, list[Span]] = {}
        for span in run.spans.values():
            if span.type == STAGE and span.duration_ns is not None:
                stages.setdefault(span.name, []).append(span)
        if len(stages) < s.bottleneck_stages:
            return
        own = {name: sum(map(_without_stages, of)) for name, of in stages.items()}
        said = run.view.end.duration_ns if run.view.end is not None else None
        whole = max(said if isinstance(said, int) else 0, sum(own.values()))
        name = max(sorted(own), key=lambda each: own[each])
        if whole < s.least_ms * 1e6 or own[name] <= s.bottleneck_share * whole:
            return
        part, span = own[name] / whole, max(stages[name], key=lambda each: (each.duration_ns or 0, each.id))
        earlier = [
            each.parts[span.who].total_ns / each.duration_ns
            for each in good
            if span.who in each.parts and each.duration_ns
        ]
        usual = exceeded(part, earlier, minimum=s.minimum, ratio=1.2)
        beside = f"; {share(usual.median)} is usual" if usual is not None else ""
        yield self.finding(
            "P01-02",
            f"Stage {named(name)} took {took(own[name])}, {share(part)} of the run{beside}",
            same=(name,),
            severity=Severity.LOW if usual is not None else Severity.INFO,
            basis="derived",
            basis_text="durations of the run's stages, without the stages inside them",
            components=(span.who,),
            stage=name,
            evidence=tuple(
                each.fact.id for each in sorted(stages[name], key=lambda e: (-(e.duration_ns or 0), e.id))[:10]
            ),
            freeze={"share": round(part, 4), "own_ms": _ms(own[name]), "run_ms": _ms(whole), "stages": len(stages)},
            thresholds={"share": s.bottleneck_share, "stages": s.bottleneck_stages},
            first_ns=min(each.started_ns for each in stages[name]),
            last_ns=max(max(each.started_ns, each.ended_ns or 0) for each in stages[name]),
        )

    # -- P01-05 --------------------------------------------------------------------------------------------------------

    def _use(self, run: Run, good: Sequence[RunDigest]) -> Iterator[Finding]:
        s = self.settings
        groups: dict[tuple[str, str], list[tuple[float, str, int]]] = {}
        for fact in run.of_kind(kinds.METRIC):
            value, unit = number(fact.data.get("value")), fact.data.get("unit")
            if value is None or value < 0 or not isinstance(unit, str) or not _USE.search(fact.record.name):
                continue
            if unit in _PERCENT or unit == "1":
                part = value / 100 if unit in _PERCENT else value
                groups.setdefault((fact.who, fact.record.name), []).append((part, fact.id, fact.ts_ns))
        for (who, metric), samples in sorted(groups.items()):
            mean = sum(each[0] for each in samples) / len(samples)
            # A share above 1 is no share: the load of several processors, or another unit than it says.
            if len(samples) < s.use_samples or mean <= s.use_share or max(each[0] for each in samples) > 1.0:
                continue
            key = f"metric:{who}.{metric}"
            earlier = [each.numbers[key] for each in good if key in each.numbers]
            before = quantile(earlier, 0.5) if len(earlier) >= s.minimum else 0.0
            highest = sorted(samples, key=lambda each: (-each[0], each[1]))
            yield self.finding(
                "P01-05",
                f"{named(metric)} of {named(who)} was {share(mean)} on average over {len(samples)} samples",
                same=(who, metric),
                anchor=f"{who}:{metric}"[:200],
                severity=Severity.LOW if (before / 100 if before > 1 else before) > s.use_share else None,
                basis="derived",
                basis_text="the mean of what was measured",
                scope="component",
                components=(who,) if who else (),
                evidence=tuple(each[1] for each in highest[:10]),
                freeze={"mean": round(mean, 4), "highest": round(highest[0][0], 4), "samples": len(samples)},
                thresholds={"mean": s.use_share, "samples": s.use_samples},
                first_ns=min(each[2] for each in samples),
                last_ns=max(each[2] for each in samples),
            )

    # -- P01-03, P01-04 ------------------------------------------------------------------------------------------------

    def survey(self, window: Window) -> Iterable[Finding]:
        """Return which components became slower, since which version, and whether more or fewer runs came."""
        yield from self._degraded([each for each in window.runs if each.outcome == "good"])
        yield from self._throughput(window)

    def _degraded(self, runs: list[RunDigest]) -> Iterator[Finding]:
        s = self.settings
        series: dict[str, list[tuple[RunDigest, float, float]]] = {}
        for each in runs:
            for who, part in each.parts.items():
                if part.durations_ns:
                    own = part.self_ns / max(1, part.spans)
                    series.setdefault(who, []).append((each, quantile(part.durations_ns, 0.5), own))
        changes: list[tuple[str, ChangePoint]] = []
        for who in sorted(series):
            change = change_point([each[1] for each in series[who]], s.minimum)
            if change is not None:
                changes.append((who, change))
        for (who, change), p in zip(changes, adjusted([each[1].p for each in changes]), strict=True):
            slower = change.after - change.before
            if p >= s.change_p or change.after <= s.degraded_ratio * change.before or slower <= s.least_ms * 1e6:
                continue
            of = series[who]
            inside = quantile([each[2] for each in of[change.index :]], 0.5) - quantile(
                [each[2] for each in of[: change.index]], 0.5
            )
            if inside < slower / 3 and len(changes) > 1:
                continue  # it is slow because of what lies inside it, and that is named
            after, before = of[change.index][0], of[change.index - 1][0]
            changed, at = _changed_near([each[0] for each in of], change.index, who)
            since = f"since {changed}" if changed else "no version change beside it"
            yield self.finding(
                "P01-03",
                f"{named(who)} became slower: {took(change.before)} before, {took(change.after)} after (median of "
                f"{len(of) - change.index} runs); {since}",
                same=(who,),
                anchor=at.trace if at is not None else after.trace,
                scope="component",
                basis="statistical",
                basis_text=f"Pettitt's test over {len(of)} runs, p = {p:.2g}, adjusted for {len(changes)} components",
                confidence=1.0 - p,
                components=(who,),
                stage=after.parts[who].stage,
                evidence=(
                    after.trace,
                    before.trace,
                    *(each[0].trace for each in of[change.index + 1 : change.index + 9]),
                ),
                freeze={
                    "before_ms": _ms(change.before),
                    "after_ms": _ms(change.after),
                    "ratio": round(change.after / change.before, 3) if change.before else None,
                    "runs_before": change.index,
                    "runs_after": len(of) - change.index,
                },
                thresholds={"p": s.change_p, "ratio": s.degraded_ratio, "least_ms": s.least_ms},
                first_ns=after.started_ns,
                last_ns=max(after.started_ns, of[-1][0].ended_ns),
                attributes={"version": changed, "first_run": after.trace},
            )

    def _throughput(self, window: Window) -> Iterator[Finding]:
        s, runs = self.settings, [each for each in window.runs if each.started_ns > 0]
        if len(runs) < 2 * s.minimum:
            return
        width, word = (_HOUR, "hour") if runs[-1].started_ns - runs[0].started_ns <= 14 * _DAY else (_DAY, "day")
        # The first and the last hour were seen in part only.
        first, last = runs[0].started_ns // width + 1, runs[-1].started_ns // width - 1
        first = max(first, last - _MOST_BUCKETS)
        if last - first + 1 < 2 * s.minimum:
            return
        counts = [0] * (last - first + 1)
        for each in runs:
            if first <= each.started_ns // width <= last:
                counts[each.started_ns // width - first] += 1
        change = change_point(_without_rhythm(counts) if width == _HOUR else counts, s.minimum)
        if change is None or change.p >= s.change_p:
            return
        before = sum(counts[: change.index]) / change.index
        after = sum(counts[change.index :]) / (len(counts) - change.index)
        if max(before, after) <= s.throughput_ratio * min(before, after):
            return
        at = (first + change.index) * width
        around = [each.trace for each in runs if each.started_ns >= at][:5]
        yield self.finding(
            "P01-04",
            f"{named(window.project, 'The project')} went from {before:.3g} to {after:.3g} runs per {word}",
            same=("more" if after > before else "fewer",),
            anchor=str(at),
            severity=Severity.INFO,
            scope="system",
            basis="statistical",
            basis_text=f"Pettitt's test over {len(counts)} {word}s, p = {change.p:.2g}",
            confidence=1.0 - change.p,
            evidence=tuple(around),
            freeze={
                f"before_per_{word}": round(before, 3),
                f"after_per_{word}": round(after, 3),
                f"{word}s": len(counts),
            },
            thresholds={"p": s.change_p, "ratio": s.throughput_ratio},
            first_ns=at,
            last_ns=runs[-1].started_ns,
        )


def _ms(ns: float) -> float:
    return round(ns / 1e6, 3)


def _explained(span: Span, usual: Usual, found: dict[str, tuple[Span, Usual]]) -> bool:
    """Return whether a part inside this one is slow too, by at least half of what this one is."""
    excess = (span.duration_ns or 0) - usual.median
    for inner, its in found.values():
        above = inner.parent
        while above is not None and above is not span:
            above = above.parent
        if above is span and (inner.duration_ns or 0) - its.median >= excess / 2:
            return True
    return False


def _without_stages(span: Span) -> int:
    inner = sum(each.duration_ns or 0 for each in span.children if each.type == STAGE)
    return max(0, (span.duration_ns or 0) - inner)


def _changed_near(runs: list[RunDigest], index: int, who: str) -> tuple[str, RunDigest | None]:
    """Return what changed in the versions that ran within one run of a boundary, in words, and the first run with it.

    The component's own versions come first, then those of whatever else ran.
    """
    for mine in (True, False):
        for at in (index, index + 1, index - 1):
            if not 0 < at < len(runs):
                continue
            before, after = runs[at - 1], runs[at]
            names = [who] if mine else sorted((set(before.parts) & set(after.parts)) - {who})
            told: dict[str, str] = {}
            for name in names:
                was = before.parts[name].versions if name in before.parts else {}
                now = after.parts[name].versions if name in after.parts else {}
                for kind in sorted(set(was) & set(now)):
                    if was[kind] != now[kind]:
                        of = "" if mine or kind == "code" else f" of {named(name)}"
                        told.setdefault(
                            f"{kind}{of}", f"{kind}{of} changed from {named(was[kind])} to {named(now[kind])}"
                        )
            if told:
                return " and ".join(list(told.values())[:3]), after
    return "", None


def _without_rhythm(counts: list[int]) -> list[float]:
    """Return counts per hour less the median of their hour of the day, once a week of them exists."""
    if len(counts) < 7 * 24:
        return [float(each) for each in counts]
    usual = [quantile(counts[hour::24], 0.5) for hour in range(24)]
    return [each - usual[n % 24] for n, each in enumerate(counts)]
