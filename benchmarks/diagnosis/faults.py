"""The faults: a name for the table, a sentence, and how each is planted in which pipeline."""

from dataclasses import replace
from typing import Any, Final

from benchmarks.diagnosis import faults_of_generation, faults_of_research, generate, library, research
from benchmarks.diagnosis.around import NODES
from benchmarks.diagnosis.faults_of_generation import NEEDS_HEALING, ONLY_GENERATION
from benchmarks.diagnosis.faults_of_research import ONLY_RESEARCH
from benchmarks.diagnosis.planting import Fault, Planting, Site


def _slow(site: Site, stage: str, accepted: frozenset[str]) -> Planting:
    usual = site.parts.cost
    longer = site.random.uniform(70, 180)

    def cost(name: str) -> float:
        return float(usual(name)) + (longer if name == stage else 0)

    return Planting(
        replace(site.parts, cost=cost), stage, accepted, frozenset({"P01-01", "P01-02", "O01-07", "A01-03"})
    )


def slow_research(site: Site) -> Planting:
    """One stage takes a minute or three longer than ever."""
    stage = site.random.choice(sorted(research.COMPONENTS))
    return _slow(site, stage, frozenset({stage, research.COMPONENTS[stage]}))


def slow_generation(site: Site) -> Planting:
    """One stage takes a minute or three longer than ever, for each component if it is gone through for each."""
    stage = site.random.choice(sorted(set(generate.SECONDS) - {"write", "heal"}))
    return _slow(site, stage, frozenset({stage, generate.COMPONENTS.get(stage, stage)}))


def lost_state(site: Site) -> Planting:
    """One node does not hold all that it was given, or still holds what it had before."""
    node = site.random.choice(NODES)
    usual = site.parts.replicate
    how = site.random.choice(("keys", "older", "inside"))

    def replicate(asked: str, state: dict[str, Any]) -> dict[str, Any]:
        held: dict[str, Any] = usual(asked, state)
        if asked != node:
            return held
        if how == "keys":
            return {name: value for name, value in held.items() if name not in ("index", "pieces")}
        if how == "older":
            return held | {"artifact": held["artifact"][::-1], "generation": held["generation"] - 7}
        return held | {"index": {"built": True, "entries": 0}}

    accepted = frozenset({node, "publish", "publisher"})
    return Planting(
        replace(site.parts, replicate=replicate), f"{node}: {how}", accepted, frozenset({"S01-01", "S01-02", "I01-02"})
    )


def miscalibrated_scorer(site: Site) -> Planting:
    """The scorer is as sure of what it has hardly looked at as of what is right."""
    sureness = site.random.uniform(5, 8)

    def score(likely: float) -> float:
        return 1 - (1 - likely) / sureness

    return Planting(replace(site.parts, score=score), "scorer", frozenset({"scorer", "triage"}), frozenset({"C01-05"}))


_STORM: Final = frozenset({"O01-09", "V01-01"})


def storm_at_a_mirror(site: Site) -> Planting:
    """The mirror of the packages that matter answers only after dozens of attempts."""
    subject: library.Subject = site.job.subject
    mirror = subject.mirror
    usual_lookup, usual = site.parts.lookup, site.parts.serve
    left = {package: site.random.randint(9, 16) for package in subject.packages}

    def serve(asked: str, package: str) -> dict[str, Any]:
        if asked == mirror and left.get(package, 0) > 0:
            left[package] -= 1
            raise TimeoutError("no answer within 2 s")
        found: dict[str, Any] = usual(asked, package)
        return found

    parts = replace(site.parts, serve=serve, lookup=lambda package: None if package in left else usual_lookup(package))
    return Planting(parts, mirror, frozenset({mirror, "fetch", "fetcher"}), _STORM)


def storm_at_a_node(site: Site) -> Planting:
    """A node takes what it is given only after dozens of attempts."""
    node = site.random.choice(NODES)
    usual = site.parts.replicate
    left = [site.random.randint(30, 38)]

    def replicate(asked: str, state: dict[str, Any]) -> dict[str, Any]:
        if asked == node and left[0] > 0:
            left[0] -= 1
            raise TimeoutError("no answer within 2 s")
        held: dict[str, Any] = usual(asked, state)
        return held

    accepted = frozenset({node, "publish", "publisher"})
    return Planting(replace(site.parts, replicate=replicate), node, accepted, _STORM)


FAULTS: Final[tuple[Fault, ...]] = (
    Fault(
        "stale_source",
        "A source gives what was right years ago.",
        {"research": faults_of_research.stale_source, "generate": faults_of_generation.stale_template},
        kinds=(NEEDS_HEALING,),
    ),
    *ONLY_RESEARCH,
    *ONLY_GENERATION,
    Fault("slow_stage", "One stage takes minutes.", {"research": slow_research, "generate": slow_generation}),
    Fault(
        "lost_state", "One node lacks a part of what it was given.", {"research": lost_state, "generate": lost_state}
    ),
    Fault(
        "miscalibrated_scorer",
        "The scorer is sure of what is wrong.",
        {"research": miscalibrated_scorer, "generate": miscalibrated_scorer},
    ),
    Fault(
        "schema_change",
        "What is handed over has a field renamed or of another type.",
        {"research": faults_of_research.schema_change, "generate": faults_of_generation.schema_change_of_blueprints},
    ),
    Fault(
        "retry_storm",
        "What is asked for comes after dozens of attempts.",
        {"research": storm_at_a_mirror, "generate": storm_at_a_node},
    ),
    Fault(
        "silent_component",
        "A step does nothing, and says nothing.",
        {"research": faults_of_research.silent_linker, "generate": faults_of_generation.silent_step},
        kinds=(NEEDS_HEALING,),
    ),
    Fault(
        "poisoned_cache",
        "The cache gives something else than was put in.",
        {"research": faults_of_research.poisoned_cache, "generate": faults_of_generation.poisoned_template_cache},
    ),
)
"""In the order of the table."""
