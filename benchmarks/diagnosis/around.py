"""What both pipelines have around the examples' stages: time that passes, retries, a scorer that is checked, three nodes."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final, TypeVar

import whence
from benchmarks.diagnosis import said
from benchmarks.diagnosis.clock import SECOND_NS, PlannedClock
from whence.record.trace import Stage, Trace

NODES: Final = ("node/a", "node/b", "node/c")
ATTEMPTS: Final = 40
ACCEPTED_FROM: Final = 0.8
"""The confidence from which the scorer accepts; its share of right ones is measured against RIGHT."""
RIGHT: Final = 0.7
REVIEWED: Final = 12
"""What the scorer scores in a run; five of them are clearly right, the others are not clear at all."""
_SPREAD: Final = 0.25
"""Of the logarithm of a duration: nineteen in twenty stages take between 0.6 and 1.6 times the usual."""
_WARNINGS: Final = (
    ("disk", "the scratch directory is 82 % full"),
    ("deprecated", "option 'compact' will go in the next release"),
    ("slow_dns", "a name took 210 ms to resolve"),
)

Result = TypeVar("Result")
Cost = Callable[[str], float]
"""Stage -> seconds."""
Score = Callable[[float], float]
"""How likely something is to be right -> the scorer's confidence that it is; both 0 to 1."""
Replicate = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Node, what it is given -> what it holds after that. May raise TimeoutError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of a pipeline that a fault may be planted in; each run has its own."""

    cost: Cost
    score: Score
    replicate: Replicate


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a run, as the pipeline itself knows it."""

    trace_id: str
    otel_trace_id: str
    good: bool


def usual_cost(seconds: Mapping[str, float], random: Random) -> Cost:
    """Return a cost that varies around what a stage usually takes."""
    return lambda stage: seconds[stage] * random.lognormvariate(0, _SPREAD)


def honest_score(random: Random) -> Score:
    """Return a scorer that is as sure as it is right, give or take a little."""
    return lambda likely: min(max(likely + random.uniform(-0.02, 0.02), 0.01), 0.99)


def replicated(node: str, state: dict[str, Any]) -> dict[str, Any]:
    """Return what a node holds: what it was given."""
    return dict(state)


@contextmanager
def stage(
    trace: Trace, clock: PlannedClock, parts: Parts, name: str, component: str, random: Random
) -> Iterator[Stage]:
    """Time a stage of the trace; now and then something harmless is logged in it."""
    with trace.stage(name, component) as timed:
        clock.spend(parts.cost(name))
        if random.random() < 0.03:
            event, message = random.choice(_WARNINGS)
            whence.event(event, message, level=random.choice(("low", "medium")))
        yield timed


def persistently(call: Callable[[], Result], component: str, clock: PlannedClock, random: Random) -> Result:
    """Return what a call returns, made again as long as it times out. Raises TimeoutError after ATTEMPTS of it."""
    for attempt in range(1, ATTEMPTS):
        try:
            return call()
        except TimeoutError as exc:
            clock.spend(random.uniform(1.0, 3.0))
            said.tried_again(component, attempt, str(exc))
    return call()


def flaky(call: Callable[[], Result], random: Random, share: float = 0.01) -> Callable[[], Result]:
    """Return a call that times out once in a while, the first time only: what every network does."""
    left = [random.random() < share]

    def called() -> Result:
        if left[0]:
            left[0] = False
            raise TimeoutError("no answer within 2 s")
        return call()

    return called


def review(names: Sequence[str], trace: Trace, parts: Parts, clock: PlannedClock, random: Random) -> bool:
    """Have the scorer accept or hold each, and a reviewer look at what was accepted; returns whether enough is right."""
    likely = [random.uniform(0.98, 0.998) if n < 5 else random.uniform(0.1, 0.4) for n in range(len(names))]
    accepted: list[tuple[str, float, float, str | None]] = []
    with stage(trace, clock, parts, "triage", "scorer", random) as timed:
        for name, chance in zip(names, likely, strict=True):
            sure = round(parts.score(chance), 3)
            takes = sure >= ACCEPTED_FROM
            record = whence.decision(
                "acceptance",
                what="accept" if takes else "hold",
                why=f"scored {sure:.2f}; accepted from {ACCEPTED_FROM:g}",
                confidence=sure if takes else round(1 - sure, 3),
                alternatives=["hold" if takes else "accept"],
                inputs={"subject": name, "score": sure},
            )
            if takes:
                accepted.append((name, chance, sure, record))
        timed.outputs |= {"scored": len(names), "accepted": len(accepted)}
    right = 0
    with stage(trace, clock, parts, "spot_check", "reviewer", random) as timed:
        for name, chance, sure, record in accepted:
            passed = random.random() < chance
            right += passed
            said.judged(name, passed, because=record, confidence=sure)
        share = right / len(accepted) if accepted else 1.0
        said.expectation("share of right ones", share >= RIGHT, expected=f"at least {RIGHT:g}", actual=round(share, 2))
        timed.outputs |= {"looked_at": len(accepted), "right": right}
    return share >= RIGHT


def publish(text: str, pieces: int, trace: Trace, parts: Parts, clock: PlannedClock, random: Random) -> bool:
    """Bring an artifact to every node, and read it back; returns whether all of them hold it."""
    state = {
        "artifact": hashlib.sha256(text.encode()).hexdigest()[:16],
        "bytes": len(text),
        "pieces": pieces,
        "index": {"built": True, "entries": pieces * 3},
        "generation": clock.now_ns() // (60 * SECOND_NS) % 1_000_000,
    }
    held: dict[str, dict[str, Any]] = {}
    with stage(trace, clock, parts, "publish", "publisher", random) as timed:
        for node in NODES:

            def replicate(node: str = node) -> dict[str, Any]:
                return parts.replicate(node, state)

            try:
                held[node] = persistently(flaky(replicate, random), node, clock, random)
            except TimeoutError as exc:
                held[node] = {}
                whence.event("given_up", f"{node}: {exc}", level="high")
            said.state(node, "published", held[node])
        holding = sum(each == state for each in held.values())
        said.expectation("read back", holding == len(NODES), expected=len(NODES), actual=holding)
        timed.outputs |= {"nodes": len(NODES), "bytes": len(text)}
    return holding == len(NODES)


def in_time(began_ns: int, clock: PlannedClock, budget_s: float) -> bool:
    """Say whether a run took as long as it may; returns whether it did."""
    took_s = (clock.now_ns() - began_ns) / SECOND_NS
    said.expectation("run time", took_s <= budget_s, expected=f"at most {budget_s:g} s", actual=round(took_s, 1))
    return took_s <= budget_s
