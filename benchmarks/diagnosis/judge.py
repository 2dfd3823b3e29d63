"""Whether a diagnosis names what was planted."""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter
from typing import Any, Final, Protocol

import msgspec

from benchmarks.diagnosis.planting import Planted
from whence.model.filters import FindingFilter
from whence.model.severity import Severity
from whence.query import why as query_why
from whence.store.interface import Store

_CAUSES: Final = "whence.diagnose.causes"


class Named(Protocol):
    """What a cause says of where it lies; "" where it does not say."""

    @property
    def component(self) -> str: ...
    @property
    def stage(self) -> str: ...


class Place(msgspec.Struct, frozen=True):
    """A cause that is only a place."""

    component: str
    stage: str


Diagnosis = Callable[[str, Store], Sequence[Named]]
"""The name of a trace → its causes, the likeliest first."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the diagnosis of one run."""

    trace_id: str
    pipeline: str
    fault: str | None  # None: a clean control
    place: str
    bad: bool  # as the pipeline itself found; a fault that did no harm is not asked for
    position: int | None  # of the first cause that names the planted one, from 1; None: none does
    named: tuple[str, ...]  # the first three causes, as component or stage
    coded: bool | None  # whether a finding of the run has one of the fault's codes; None: the fault has none
    findings: int  # of severity medium and above, of this run
    seconds: float
    rules: tuple[tuple[str, bool], ...] = ()  # of each cause its rule (confirmed: ""), and whether it is right


def latest() -> tuple[str, Diagnosis]:
    """Return the best diagnosis that there is, and what it is called."""
    if find_spec(_CAUSES) is None:
        return "whence.query.why", by_claims
    return f"{_CAUSES}.why", by_causes


def by_causes(trace_id: str, store: Store) -> Sequence[Named]:
    """Return the ranked causes of a run."""
    found: Sequence[Named] = import_module(_CAUSES).why(trace_id, store=store).causes
    return found


def by_claims(trace_id: str, store: Store) -> Sequence[Named]:
    """Return what `whence why` said before it ranked causes: the first bad stage, then what is supposed."""
    answer = query_why(trace_id, store=store)
    stages = [answer.first_bad_stage or "", *(claim.stage for claim in answer.hypotheses)]
    return [Place("", stage) for stage in dict.fromkeys(stages) if stage]


def matches(cause: Named, accepted: Iterable[str]) -> bool:
    """Say whether a cause names one of the places, in upper or lower case."""
    wanted = {each.casefold() for each in accepted}
    return any(said and said.casefold() in wanted for said in (cause.component, cause.stage))


def position_of(causes: Sequence[Named], accepted: Iterable[str]) -> int | None:
    """Return where the first matching cause stands, from 1; causes that name one place count once."""
    wanted = frozenset(accepted)
    places: dict[tuple[str, str], Named] = {}
    for cause in causes:
        places.setdefault((cause.component.casefold(), cause.stage.casefold()), cause)
    return next((n for n, cause in enumerate(places.values(), 1) if matches(cause, wanted)), None)


def judge(run: Planted, diagnosis: Diagnosis, store: Store) -> Verdict:
    """Return how a stored run is diagnosed."""
    began = perf_counter()
    causes = diagnosis(run.trace_id, store)
    seconds = perf_counter() - began
    findings = store.findings(FindingFilter(trace=run.otel_trace_id), limit=1000)
    codes = {each.finding.code for each in findings} | {str(getattr(cause, "code", "")) for cause in causes}
    return Verdict(
        trace_id=run.trace_id,
        pipeline=run.pipeline,
        fault=run.fault,
        place=run.place,
        bad=not run.good,
        position=position_of(causes, run.accepted),
        named=tuple(cause.component or cause.stage for cause in causes[:3]),
        coded=bool(codes & run.codes) if run.codes else None,
        findings=sum(each.finding.severity >= Severity.MEDIUM for each in findings),
        seconds=seconds,
        rules=tuple((_supposed_by(cause), matches(cause, run.accepted)) for cause in causes),
    )


def _supposed_by(cause: Named) -> str:
    """Return the rule of a hypothesis; "" of a cause that is confirmed, which would make the rule look better than it is."""
    return "" if getattr(cause, "kind", "") == "confirmed" else str(getattr(cause, "rule", ""))


class Share(msgspec.Struct, frozen=True):
    """How many of how many."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None of nothing."""
        return self.part / self.whole if self.whole else None


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How the runs with one fault, or with any, were diagnosed."""

    fault: str
    runs: int
    harmless: int  # of them: the fault did no harm, and nothing was asked
    first: Share
    among_three: Share
    coded: Share


def line(fault: str, verdicts: Iterable[Verdict]) -> Line:
    """Return the line of some runs."""
    every = list(verdicts)
    asked = [each for each in every if each.bad]
    found = [each.position for each in asked if each.position is not None]
    with_codes = [each for each in asked if each.coded is not None]
    return Line(
        fault=fault,
        runs=len(every),
        harmless=len(every) - len(asked),
        first=Share(sum(position == 1 for position in found), len(asked)),
        among_three=Share(sum(position <= 3 for position in found), len(asked)),
        coded=Share(sum(each.coded is True for each in with_codes), len(with_codes)),
    )


def false_findings(verdicts: Iterable[Verdict]) -> tuple[int, int]:
    """Return (findings, runs) of the clean controls that went well."""
    clean = [each.findings for each in verdicts if each.fault is None and not each.bad]
    return sum(clean), len(clean)


def as_plain(value: Any) -> Any:
    """Return a verdict or a line as plain values, shares as numbers."""
    if isinstance(value, Share):
        return {"part": value.part, "whole": value.whole, "value": value.value}
    fields = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: as_plain(each) if isinstance(each, Share) else each for name, each in fields.items()}
