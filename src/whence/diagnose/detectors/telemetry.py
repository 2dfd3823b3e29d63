"""What whence itself did not get, or cannot order: records lost, traces incomplete, clocks that disagree.

- O01-04: records were dropped (`trace.end`), cannot be read, were too many to be looked at, or numbers are missing in the
  `sequence` of a component's events.
- O01-10: a record is older than what caused it by more than 1 s: the clocks of two components disagree by at least that much.
- O01-12: in a run that has ended, records name a parent that never came or is its own ancestor, stages have no beginning,
  spans of a complete run no end.

Minimum: one such record. Confidence: 1, it follows from the records. All are low: they say how far the others can be trusted.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import ClassVar, Final

from whence.diagnose.detector import Detector, Settings
from whence.diagnose.detectors.raised import said_of
from whence.diagnose.run import Fact, History, Run, Span
from whence.diagnose.saying import named, took
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.payload import STAGE
from whence.model.quality import number
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, IN_PROGRESS

_NS: Final = 1_000_000_000
MOST_EVIDENCE: Final = 20


class TelemetrySettings(Settings, frozen=True, kw_only=True):
    """What the rules are judged by."""

    skew_s: float = 1.0  # NTP keeps clocks within some 10 ms; a second is beyond any jitter of recording


class Telemetry(Detector):
    """How well the run was recorded."""

    name: ClassVar[str] = "telemetry"
    codes: ClassVar[tuple[str, ...]] = ("O01-04", "O01-10", "O01-12")
    Settings = TelemetrySettings

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        """Return what is wrong with the record of one run."""
        yield from self._lost(run)
        yield from self._sequences(run)
        yield from self._incomplete(run)
        yield from self._skew(run)

    def _lost(self, run: Run) -> Iterator[Finding]:
        ends = [fact for fact in run.of_kind(kinds.TRACE_END) if (number(fact.data.get("dropped")) or 0) > 0]
        dropped = int(sum(min(number(fact.data.get("dropped")) or 0, 1e15) for fact in ends))
        unreadable = run.view.unreadable
        words = [f"{dropped:,} record{'s' if dropped > 1 else ''} could not be written"] if dropped else []
        words += [f"{unreadable:,} cannot be read"] if unreadable else []
        words += [f"{run.cut:,} of a run this long were not looked at"] if run.cut else []
        if words:
            facts = ends or run.of_kind(kinds.TRACE_END)[-1:] or run.facts[-1:]
            freeze = {"dropped": dropped, "unreadable": unreadable, "cut": run.cut}
            title = f"The record of this run is not complete: {', '.join(words)}"
            yield self._low(
                "O01-04", title, tuple(name for name, n in freeze.items() if n), facts, freeze=freeze, anchor="lost"
            )

    def _sequences(self, run: Run) -> Iterator[Finding]:
        seen: dict[str, dict[int, Fact]] = {}
        for fact in run.events:
            value = said_of(fact).get("sequence")
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                seen.setdefault(fact.who, {}).setdefault(value, fact)
        for who, numbers in sorted(seen.items()):
            order = sorted(numbers)
            gaps = [(a, b) for a, b in pairwise(order) if b > a + 1]
            missing = sum(b - a - 1 for a, b in gaps)
            if missing:
                a, b = gaps[0]
                title = (
                    f"{named(who)} numbers its events, and {missing:,} of {order[-1] - order[0] + 1:,} are missing; "
                    f"the first gap is between {a} and {b}"
                )
                facts = [numbers[n] for gap in gaps[: MOST_EVIDENCE // 2] for n in gap]
                freeze = {
                    "missing": missing,
                    "from": order[0],
                    "to": order[-1],
                    "gaps": [list(gap) for gap in gaps[:20]],
                }
                yield self._low(
                    "O01-04", title, ("sequence", who), facts, freeze=freeze, anchor=f"sequence:{who}"[:120], who=who
                )

    def _incomplete(self, run: Run) -> Iterator[Finding]:
        if run.row.status == IN_PROGRESS:
            return
        orphans = [run.by_id[each] for each in run.broken_parents]
        open_ones: list[Fact] = []
        headless: list[Fact] = []
        for span in run.spans.values():
            if span.end is None and run.row.status == COMPLETE:
                open_ones.append(span.fact)  # of a run that broke off that is no news
            elif span.start is None and span.type == STAGE and span.fact.record.span:
                headless.append(span.fact)  # calls are often recorded when they are over, stages never
        words = [f"{len(orphans):,} with a parent that never came or is its own ancestor"] if orphans else []
        words += [f"{len(open_ones):,} without an end"] if open_ones else []
        words += [f"{len(headless):,} without a beginning"] if headless else []
        if words:
            facts = sorted({fact.id: fact for fact in (*orphans, *open_ones, *headless)}.values(), key=_time)
            freeze = {"orphans": len(orphans), "open": len(open_ones), "headless": len(headless)}
            title = f"The trace is not whole: spans {', '.join(words)}; the first is {named(facts[0].record.name, 'unnamed')}"
            yield self._low("O01-12", title, tuple(name for name, n in freeze.items() if n), facts, freeze=freeze)

    def _skew(self, run: Run) -> Iterator[Finding]:
        limit = round(self.settings.skew_s * _NS)
        found: dict[tuple[str, str], list[tuple[int, Fact, Fact]]] = {}

        def looked_at(cause: Fact, effect: Fact) -> None:
            ahead = cause.ts_ns - effect.ts_ns
            if ahead > limit:
                found.setdefault((cause.who, effect.who), []).append((ahead, cause, effect))

        for span in run.spans.values():
            if span.parent is not None and span.start is not None and span.parent.start is not None:
                looked_at(span.parent.start, span.start)
        for fact in run.facts:
            if fact.record.parent and fact.record.kind not in (kinds.SPAN_START, kinds.SPAN_END):
                cause = run.by_id.get(fact.record.parent)
                if cause is None:
                    around: Span | None = run.spans.get(fact.record.parent)
                    cause = around.start if around is not None else None
                if cause is not None and fact.record.kind not in kinds.OF_OURS:
                    looked_at(cause, fact)
        for (leader, follower), pairs in sorted(found.items()):
            ahead, before, after = max(pairs, key=lambda each: (each[0], each[2].id))
            where = f"{named(leader, 'its cause')} and {named(follower, 'its effect')}"
            title = (
                f"The clocks of {where} disagree by at least {took(ahead)}: a record is that much older than its cause"
            )
            facts = [fact for _, one, other in sorted(pairs, key=lambda each: -each[0])[:10] for fact in (other, one)]
            yield self._low(
                "O01-10",
                title,
                (leader, follower),
                [after, before, *facts],
                freeze={"offset_s": ahead / _NS, "cause": before.id, "effect": after.id, "records": len(pairs)},
                anchor=f"{leader}>{follower}"[:120],
                who=follower or leader,
                thresholds={"skew_s": self.settings.skew_s},
                count=len(pairs),
            )

    def _low(
        self,
        code: str,
        title: str,
        same: tuple[str, ...],
        facts: list[Fact],
        *,
        freeze: Mapping[str, object],
        anchor: str = "",
        who: str = "",
        thresholds: Mapping[str, object] | None = None,
        count: int = 1,
    ) -> Finding:
        shown = list(dict.fromkeys(fact.id for fact in facts))[:MOST_EVIDENCE]
        return self.finding(
            code,
            title,
            same=same,
            anchor=anchor,
            severity=Severity.LOW,
            scope="system",
            basis="derived",
            basis_text="it follows from the records",
            components=(who,) if who else (),
            evidence=tuple(shown),
            freeze=dict(freeze),
            thresholds=dict(thresholds or {}),
            first_ns=min((fact.ts_ns for fact in facts), default=0),
            last_ns=max((fact.ts_ns for fact in facts), default=0),
            count=count,
        )


def _time(fact: Fact) -> tuple[int, str]:
    return fact.ts_ns, fact.id
