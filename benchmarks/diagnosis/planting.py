"""What a fault is, and what is known of a run that one was planted in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal

from benchmarks.diagnosis.clock import PlannedClock

Pipeline = Literal["research", "generate"]


@dataclass(frozen=True, slots=True)
class Planting:
    """A pipeline's parts, one of which does its work badly, and what a diagnosis of the run has to name."""

    parts: Any  # ResearchParts or GenerateParts
    place: str  # what was chosen among what could have been
    accepted: frozenset[str]
    codes: frozenset[str] = frozenset()  # of the catalog; any of them says it as well


@dataclass(frozen=True, slots=True)
class Site:
    """Where a fault is about to be planted: one run that has not begun."""

    parts: Any
    job: Any
    clock: PlannedClock
    random: Random


Plant = Callable[[Site], Planting]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way for a pipeline to go wrong. Its name appears in no record."""

    name: str
    sentence: str
    plants: Mapping[Pipeline, Plant]
    kinds: tuple[str, ...] = ()  # of components that the run must make to show it (generate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The truth about one run."""

    trace_id: str
    otel_trace_id: str
    pipeline: Pipeline
    fault: str | None  # None: a clean control
    place: str = ""
    accepted: frozenset[str] = field(default_factory=frozenset)
    codes: frozenset[str] = field(default_factory=frozenset)
    good: bool = True  # as the pipeline itself found
