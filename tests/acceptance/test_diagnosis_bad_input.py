"""Whatever was recorded, it is diagnosed: nothing raises, nothing hangs, what cannot be right is said by a code of its own.

Recorded and asked through the doors that programs and people use.
"""

import json
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

import whence
from benchmarks.diagnosis.clock import PlannedClock
from whence.cli import main
from whence.debug import DebugCollector, DebugQuery
from whence.diagnose.budget import Budget
from whence.diagnose.causes import why
from whence.diagnose.detector import Detector
from whence.diagnose.examining import instances
from whence.diagnose.run import MOST_RECORDS, History, Run
from whence.diagnose.running import diagnose_window
from whence.errors import NotFound
from whence.model.filters import FindingFilter, TraceFilter
from whence.model.finding import Finding
from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.store.interface import Store
from whence.telemetry import Alignment, TelemetryService
from whence.testing import CountingClock

NORTH = [1.0, *[0.0] * 767]


@pytest.fixture
def clock() -> PlannedClock:
    """Time that goes on when it is told to."""
    return PlannedClock(Random(1))


@pytest.fixture
def recording(data: Path, clock: PlannedClock) -> Iterator[Runtime]:
    """A runtime that stores when it is asked, not before."""
    built = runtime_module.configure(Settings(data=data, documents=data, drain=False), clock)
    yield built
    built.close()
    runtime_module.use(None)


def diagnosed(runtime: Runtime) -> Store:
    """Everything stored and diagnosed; no detector may have failed."""
    store = runtime.ready_store()
    assert diagnose_window(store).failures == ()
    return store


def codes(store: Store) -> set[str]:
    """The codes that are set."""
    return {each.finding.code for each in store.findings(limit=1000)}


def newest(store: Store) -> str:
    """The name of the newest run."""
    return store.traces(TraceFilter(), limit=1).items[0].trace_id


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What a command prints as JSON."""
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


# -- too little ------------------------------------------------------------------------------------------------------------


async def test_nothing_at_all(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    done = asked(capsys, "diagnose")
    assert (done["runs"], done["open"], done["failures"]) == (0, 0, [])
    assert asked(capsys, "findings") == []
    assert main(["why", "last"]) == 3, "there is no last run"
    with pytest.raises(NotFound):
        why("last", store=runtime.ready_store())
    health = await DebugQuery().get_component_health("workflow", "workflow-1")
    assert (health["total_events"], health["insights"]) == (0, [])


def test_an_empty_store_is_diagnosed(runtime: Runtime) -> None:
    done = diagnose_window(runtime.ready_store())

    assert (done.runs, done.records, done.findings_new, done.failures) == (0, 0, 0, ())


async def test_one_record_of_no_run(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    DebugCollector().record_event("error", "agent", "a-1", level="ERROR", message="disk full")

    assert asked(capsys, "diagnose")["failures"] == []
    assert (await DebugQuery().get_component_health("agent", "a-1"))["error_events"] == 1


def test_a_run_of_one_record(recording: Runtime) -> None:
    """A program that has only begun."""
    with whence.trace(project="shop") as running:
        store = diagnosed(recording)

        assert codes(store) == set()
        assert why(running.trace_id, store=store).trace_id == running.trace_id


# -- time ------------------------------------------------------------------------------------------------------------------


class Still(CountingClock):
    """A clock that stands still; ids go on."""

    def now_ns(self) -> int:
        """Always the same moment."""
        return 1_767_225_600_000_000_000

    def monotonic_ns(self) -> int:
        """Likewise."""
        return 0


def test_all_at_one_moment(data: Path) -> None:
    runtime = runtime_module.configure(Settings(data=data, documents=data, drain=False), Still())
    try:
        for _ in range(12):
            with suppress(ValueError), whence.trace(project="shop"), whence.stage("order", "cart"):
                whence.decision("ship", "today", "it is in stock", 0.9)
                raise ValueError("empty cart")
        store = diagnosed(runtime)

        assert "A01-01" in codes(store)
        (cause, *_) = why(newest(store), store=store).causes
        assert cause.component == "cart"
    finally:
        runtime.close()
        runtime_module.use(None)


async def test_the_clocks_of_two_nodes_are_an_hour_apart(recording: Runtime, clock: PlannedClock) -> None:
    """What caused what is told by parents, not by time; and that the clocks disagree is a code."""
    debug = DebugCollector()
    cause = debug.record_event("error", "database", "db-1", "order-1", "CRITICAL", "disk full")
    clock.spend(-3600)  # here the other node's clock is read
    effect = debug.record_event("error", "shop", "web-1", "order-1", "ERROR", "no answer", parent_event_id=cause)
    clock.spend(3600)
    debug.end_operation("order-1", "failed")
    store = diagnosed(recording)

    (skew,) = store.findings(FindingFilter(codes=("O01-10",)))
    assert skew.finding.freeze["offset_s"] == pytest.approx(3600, abs=1)
    (spread,) = store.findings(FindingFilter(codes=("A01-05",)))
    assert spread.finding.evidence == (cause, effect)
    explained = await DebugQuery().explain_error(str(effect))
    assert explained["root_cause"] == "database/db-1: disk full"
    assert "database/db-1" in {each.component for each in why("order-1", store=store).causes}


# -- parents ---------------------------------------------------------------------------------------------------------------


async def test_parents_that_never_came(recording: Runtime) -> None:
    debug = DebugCollector()
    lost = debug.record_event("error", "shop", "web-1", "order-1", "ERROR", "no answer", parent_event_id="f" * 32)
    debug.record_event("error", "shop", "web-2", "order-1", "ERROR", "no answer either", parent_event_id="never-said")
    debug.end_operation("order-1", "failed")
    store = diagnosed(recording)

    assert "A01-01" in codes(store)
    assert (await DebugQuery().explain_error(str(lost)))["root_cause"] == "shop/web-1: no answer"
    assert why("order-1", store=store).causes[0].component == "shop/web-1"


async def test_parents_in_a_circle(recording: Runtime) -> None:
    debug = DebugCollector()
    parents = {"a": "c", "b": "a", "c": "b"}
    ids = {
        name: debug.record_event(
            "error", "agent", name, "order-1", "ERROR", f"waiting for {above}", event_id=name, parent_event_id=above
        )
        for name, above in parents.items()
    }
    ids["itself"] = debug.record_event(
        "error", "agent", "d", "order-1", "ERROR", "no idea", event_id="itself", parent_event_id="itself"
    )
    debug.end_operation("order-1", "failed")
    store = diagnosed(recording)

    assert "A01-01" in codes(store)
    assert why("order-1", store=store).causes
    for each in ids.values():
        assert (await DebugQuery().explain_error(str(each)))["found"]


# -- what is not what it should be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        42,
        "text",
        [],
        {"type": "nonsense", "properties": 3, "required": "all"},
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
    ],
    ids=repr,
)
def test_a_schema_that_is_none(schema: Any, recording: Runtime) -> None:
    telemetry = TelemetryService(project="shop")
    telemetry.observe_handoff("parser", "writer", {"title": "On oxygen"}, schema, artifact_type="Paper")
    telemetry.detect_structural_gap("parser", "writer", "Paper", schema, schema)
    telemetry.end_run()

    diagnosed(recording)
    assert telemetry.generate_diagnostic_report("parse", "asked").max_severity is not None


@pytest.mark.parametrize(
    ("vector", "code"),
    [
        (NORTH[:767], "T01-03"),
        ([0.0] * 768, "E01-03"),
        ([math.nan] * 768, "E01-03"),
        ([math.inf] * 768, "E01-03"),
        (["one"] * 768, "T01-03"),
        ([], "T01-03"),
        ("not a vector", "T01-03"),
    ],
    ids=["767 dimensions", "zero", "NaN", "infinite", "no numbers", "empty", "a text"],
)
def test_a_vector_that_cannot_be_compared(vector: Any, code: str, recording: Runtime) -> None:
    """As an output of an agent, and as a generated text beside its specification: UNKNOWN, never a distance."""
    telemetry = TelemetryService(project="shop")
    telemetry.log_event("CoderAgent", "generated", input_embedding=NORTH, output_embedding=vector)
    diff = telemetry.track_transformer_diff(NORTH, vector, NORTH, component="Transformer")
    telemetry.end_run()
    store = diagnosed(recording)

    assert diff.status is Alignment.UNKNOWN
    found = store.findings(FindingFilter(codes=(code,)))
    assert {each.finding.components for each in found} == {("CoderAgent",), ("Transformer",)}
    assert not codes(store) & {"T01-04", "T01-05", "E01-04"}


# -- detectors -------------------------------------------------------------------------------------------------------------


class Raises(Detector):
    """A mistake."""

    name, codes = "raises", ()

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        raise ZeroDivisionError("a mistake")


class Loops(Detector):
    """No end."""

    name, codes = "loops", ()

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        while True:
            sum(range(100))


class Eats(Detector):
    """More and more memory."""

    name, codes = "eats", ()

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        held = []
        while True:
            held.append(bytearray(1024 * 1024))
            time.sleep(0.0001)


def test_a_detector_that_raises_loops_or_eats_memory_is_cut_and_the_others_run(recording: Runtime) -> None:
    with suppress(ValueError), whence.trace(project="shop"), whence.stage("order", "cart"):
        raise ValueError("empty cart")
    store = recording.ready_store()
    budget = Budget(cut=True, detector_s=1.0, total_s=10.0, memory_bytes=64 * 1024 * 1024)

    done = diagnose_window(store, detectors=[Raises(), Loops(), Eats(), *instances()], budget=budget)

    assert {each.detector: each.why for each in done.failures} == {
        "raises": "raised",
        "loops": "time",
        "eats": "memory",
    }
    failed = store.findings(FindingFilter(codes=("O01-11",)))
    assert {each.finding.components for each in failed} == {("whence.raises",), ("whence.loops",), ("whence.eats",)}
    assert "A01-01" in codes(store)
    assert done.seconds < 5


# -- too much --------------------------------------------------------------------------------------------------------------


def test_more_records_in_a_run_than_are_looked_at(recording: Runtime, clock: PlannedClock) -> None:
    """120,000 events: the earliest are looked at, that is said, and an error after them is found all the same."""
    events = 120_000
    assert events > 2 * MOST_RECORDS
    with suppress(ValueError), whence.trace(project="shop"), whence.stage("order", "cart"):
        for number in range(events):
            whence.event("seen", "", number=number)
        raise ValueError("empty cart")
    store = recording.ready_store()

    done = diagnose_window(store)

    assert done.failures == ()
    assert done.records > events
    assert done.seconds < 30
    (cut,) = store.findings(FindingFilter(codes=("O01-04",)))
    assert cut.finding.freeze["cut"] > 0
    (error,) = store.findings(FindingFilter(codes=("A01-01",)))
    assert error.finding.components == ("cart",)
    assert why(newest(store), store=store).causes[0].component == "cart"


def test_a_stage_that_is_tried_twenty_thousand_times(recording: Runtime, clock: PlannedClock) -> None:
    """What a run takes to be stored and diagnosed grows with its records, and not with their square."""
    began = time.process_time()
    with whence.trace(project="shop") as trace:
        for _ in range(20_000):
            with whence.stage("ask", "client"):
                clock.spend(0.01)
    store = diagnosed(recording)

    assert time.process_time() - began < 15, "seconds of work; some 2 where nothing is quadratic"
    (storm,) = store.findings(FindingFilter(codes=("O01-09",)))
    assert storm.finding.freeze["retries"] == 19_999
    assert why(trace.trace_id, store=store).trace_id == trace.trace_id
