"""Where scenarios are played, and what most of them do: a pipeline that writes reports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer

import whence
from benchmarks.diagnosis.clock import PlannedClock
from whence.debug import DebugCollector
from whence.instrument import opentelemetry as adapter
from whence.record.trace import Trace
from whence.telemetry import TelemetryService

NORTH: Final = [1.0, *[0.0] * 767]
HOUR_S: Final = 3600
USUAL_RUNS: Final = 12
"""Good runs that come first, where trouble is what differs from them."""


class Scene:
    """Where a scenario is played.

    Args:
        trouble: whether things go wrong.
    """

    def __init__(self, code: str, clock: PlannedClock, directory: Path, *, trouble: bool) -> None:
        self.project = project_of(code, trouble=trouble)
        self.trouble = trouble
        self.clock = clock
        self.directory = directory
        self.spend = clock.spend
        self.telemetry = TelemetryService(project=self.project)
        self.debug = DebugCollector(self.project)

    @contextmanager
    def run(self, *, apart_s: float = 600, **said: Any) -> Iterator[Trace]:
        """A run of the program; what leaves it is caught, as a server catches what a request raises."""
        self.spend(apart_s)
        with suppress(*([Exception] if self.trouble else [])), whence.trace(project=self.project, **said) as trace:
            yield trace


Play = Callable[[Scene], None]


class Scenario(msgspec.Struct, frozen=True):
    """A program, and what is to be found where things go wrong in it."""

    play: Play
    component: str  # the first that the finding names; "": none
    severity: str  # in a word; "": that of the catalog


SCENARIOS: dict[str, Scenario] = {}


def project_of(code: str, *, trouble: bool) -> str:
    """Return the project in which a scenario is played."""
    return f"{code} {'trouble' if trouble else 'clean'}"


def of(code: str, component: str = "", severity: str = "") -> Callable[[Play], Play]:
    """Say that a function is the scenario of a code."""

    def keep(play: Play) -> Play:
        assert code not in SCENARIOS, f"{code} has two scenarios"
        SCENARIOS[code] = Scenario(play, component, severity)
        return play

    return keep


def report(
    scene: Scene,
    *,
    depth: str = "standard",
    sources: int = 12,
    model: str = "m-1",
    writing_s: float = 2.0,
    review: bool = True,
    apart_s: float = 600,
    failing: Exception | None = None,
) -> None:
    """One run of it."""
    with scene.run(intent="exploring", query="What slows perovskite cells?", apart_s=apart_s):
        with whence.stage("intake", "planner"):
            scene.spend(1.0)
            whence.decision("depth", depth, "the question is of a usual kind")
        with whence.stage("collection", "collector") as stage:
            scene.spend(1.5)
            stage.outputs["sources"] = sources
        with whence.stage("synthesis", "writer"):
            scene.spend(writing_s)
            whence.llm_call("write", provider="acme", model=model, duration_s=writing_s * 0.9)
            if failing is not None:
                raise failing
        if review:
            with whence.stage("review", "reviewer"):
                scene.spend(1.0)
        with whence.stage("quality_gate", "judge") as stage:
            scene.spend(0.5)
            stage.outputs.update(passed=True, overall_score=2.6)


def usual(scene: Scene, count: int = USUAL_RUNS) -> None:
    """Good runs, as there were before."""
    for _ in range(count):
        report(scene)


@contextmanager
def stage(scene: Scene, name: str, component: str, **said: Any) -> Iterator[Trace]:
    """A run with one stage that takes half a second."""
    with scene.run(**said) as trace, whence.stage(name, component):
        scene.spend(0.5)
        yield trace


def raise_if(scene: Scene, error: Exception) -> None:
    """Raise where things go wrong."""
    if scene.trouble:
        raise error


@contextmanager
def traced(scene: Scene) -> Iterator[Tracer]:
    """What OpenTelemetry records in here is recorded."""
    provider = TracerProvider()
    adapter.install(provider, project=scene.project)
    yield provider.get_tracer("app")
    adapter.remove(provider)
    provider.shutdown()
