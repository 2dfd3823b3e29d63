"""Running detectors: what one of them does never harms the others or the host, and whoever asks gets the same answer."""

import random
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import SECOND_NS, START_NS, Run, encoded, hex_id, whole_run
from tests.contracts.test_detectors import busy_run
from whence.collect.drainer import Drained, Drainer, DrainSettings
from whence.diagnose import running
from whence.diagnose.budget import Budget, Watching
from whence.diagnose.calibration import repeated_failure
from whence.diagnose.detector import Detector, Window
from whence.diagnose.digesting import digest_of
from whence.diagnose.filing import digest_record
from whence.diagnose.run import History
from whence.diagnose.run import Run as Prepared
from whence.diagnose.running import Diagnoser, diagnose_open, diagnose_run, diagnose_window, history_before, say
from whence.errors import NotFound, StoreBusy
from whence.model import record as kinds
from whence.model.filters import FindingFilter
from whence.model.finding import Finding
from whence.store.interface import Store
from whence.store.memory import MemoryStore
from whence.wire.records import decode

SHORT = Budget(cut=True, detector_s=0.05, total_s=2.0, memory_bytes=64 * 1024 * 1024)


def prepared(run: Run) -> Prepared:
    return Prepared.of([decode(each) for each in run.records], run.otel_trace_id)


class Fine(Detector):
    """Finds a failed run."""

    name, codes = "flow", ("O01-05",)

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        if run.view.status == "failed":
            last = run.facts[-1]
            yield self.finding(
                "O01-05", "It failed.", same=(), evidence=(last.id,), first_ns=last.ts_ns, last_ns=last.ts_ns
            )


class Raises(Detector):
    name, codes = "raises", ()

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        yield self.finding("A01-01", "half a truth", same=())
        raise ZeroDivisionError("a mistake")


class Loops(Detector):
    name, codes = "loops", ()

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        yield self.finding("A01-01", "half a truth", same=())
        while True:
            sum(range(100))


class LoopsOnExceptions(Detector):
    name, codes = "stubborn", ()

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        while True:
            try:
                sum(range(100))
            except Exception:
                continue


class CatchesOnce(Detector):
    name, codes = "catches", ()
    caught = 0

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        try:
            while True:
                sum(range(100))
        except BaseException:
            CatchesOnce.caught += 1
        while True:
            sum(range(100))


class Eats(Detector):
    name, codes = "eats", ()

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        eaten = []
        while True:
            eaten.append(b"x" * 1_000_000)
            time.sleep(0.001)


class SaysNonsense(Detector):
    name, codes = "nonsense", ()

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        yield self.finding("A01-01", "cannot be stored", same=(), freeze={"what": object()})


# -- what one detector does -----------------------------------------------------------------------------------------------

FAILING = [
    (Raises, "raised", "raised ZeroDivisionError: a mistake"),
    (Loops, "time", "took longer than 0.05 s"),
    (LoopsOnExceptions, "time", "took longer than 0.05 s"),
    (CatchesOnce, "time", "took longer than 0.05 s"),
    (Eats, "memory", "took more than 64 MB of memory"),
    (SaysNonsense, "raised", "raised TypeError"),
]


@pytest.mark.parametrize(("kind", "why", "message"), FAILING, ids=lambda each: getattr(each, "name", None))
def test_a_detector_that_fails_is_a_finding_and_the_others_run(kind: type[Detector], why: str, message: str) -> None:
    budget = SHORT if why == "time" else Budget(cut=True, detector_s=5.0, total_s=10.0, memory_bytes=SHORT.memory_bytes)
    run = prepared(whole_run(1).end("failed"))

    diagnosis = diagnose_run(run, detectors=[kind(), Fine()], budget=budget)

    assert {each.code for each in diagnosis.findings} == {"O01-05", "O01-11"}
    (failed,) = [each for each in diagnosis.findings if each.code == "O01-11"]
    assert failed.title.startswith(f"Detector {kind.name} {message}")
    assert failed.evidence == ()
    assert failed.severity == 1
    (failure,) = diagnosis.failures
    assert (failure.detector, failure.why, failure.trace) == (kind.name, why, run.trace)
    assert diagnosis.digest is not None
    assert diagnosis.digest.codes == {"O01-05": 3, "O01-11": 1}


def test_one_that_catches_everything_once_is_cut_the_second_time() -> None:
    CatchesOnce.caught = 0
    diagnose_run(prepared(whole_run(1)), detectors=[CatchesOnce()], budget=SHORT)
    assert CatchesOnce.caught == 1


def test_the_budget_of_all_together_leaves_out_who_comes_too_late() -> None:
    budget = Budget(cut=True, detector_s=0.05, total_s=0.08)
    diagnosis = diagnose_run(prepared(whole_run(1)), detectors=[Loops(), LoopsOnExceptions(), Fine()], budget=budget)
    assert [each.detector for each in diagnosis.failures][-1] == "flow"
    assert "was not begun" in diagnosis.failures[-1].message


def test_the_watch_lives_only_while_something_is_diagnosed() -> None:
    diagnose_run(prepared(whole_run(1)), detectors=[Fine()])
    give_up = time.monotonic() + 5.0
    while any(each.name == "whence-diagnosis" for each in threading.enumerate()):
        assert time.monotonic() < give_up
        time.sleep(0.005)


def test_nothing_is_raised_once_the_work_is_done_however_close_to_its_budget() -> None:
    chance, done = random.Random(7), 0
    with Watching(Budget(cut=True, detector_s=0.004, total_s=30.0)) as watching:
        for _ in range(100):
            until = time.monotonic() + chance.uniform(0.0, 0.012)

            def work(until: float = until) -> int:
                while time.monotonic() < until:
                    pass
                return 1

            outcome = watching.run(work)
            assert (outcome.value == 1) != (outcome.why == "time")
            done += outcome.value == 1
    time.sleep(0.02)  # what were still to arrive would arrive here
    assert 0 < done < 100


def test_threads_are_cut_by_themselves() -> None:
    found: dict[str, Any] = {}

    def diagnose(kind: type[Detector]) -> None:
        found[kind.name] = diagnose_run(prepared(whole_run(1)), detectors=[kind()], budget=SHORT).failures

    threads = [threading.Thread(target=diagnose, args=(kind,)) for kind in (Loops, Fine, LoopsOnExceptions)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert {name: len(failures) for name, failures in found.items()} == {"loops": 1, "flow": 0, "stubborn": 1}


def test_a_detector_that_is_switched_off_does_not_run() -> None:
    off = Raises(Raises.Settings(enabled=False))
    assert diagnose_run(prepared(whole_run(1)), detectors=[off]).failures == ()


# -- what a run is --------------------------------------------------------------------------------------------------------


def test_a_run_is_what_the_pipeline_did_and_nothing_that_whence_said() -> None:
    run = whole_run(1)
    own = len(run.records)
    for kind in (kinds.FINDING, kinds.FINDING_STATE, kinds.REPORT, kinds.CASE, kinds.TRACE_DOCUMENT, kinds.TRACE_FLAG):
        run.add(kind, {"code": "A01-01", "title": "t"}, level=4)
    run.add(kinds.EVENT, {}, component="whence.probe", level=4)
    run.add(kinds.COST, {"cost_usd": 1.0})

    found = prepared(run)

    assert len(found.facts) == own
    assert digest_of(found).records == own
    assert found.errors == []


def test_of_a_run_without_end_the_earliest_are_looked_at_in_whatever_order_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.modules["whence.diagnose.run"], "MOST_RECORDS", 10)
    run = Run(1).start()
    for _ in range(50):
        run.add(kinds.EVENT, {}).add(kinds.DECISION, {"what": "x"})
    run.end()
    every = [decode(each) for each in run.records]

    forward = Prepared.of(every, run.otel_trace_id)
    shuffled = Prepared.of(random.Random(1).sample(every, len(every)), run.otel_trace_id)

    assert [each.id for each in forward.facts] == [each.id for each in shuffled.facts]
    assert forward.cut == shuffled.cut == 80
    assert len(forward.facts) == 22
    assert forward.view.status == "complete"


# -- what is stored -------------------------------------------------------------------------------------------------------


def drained(store: Store, batches: Iterable[Sequence[bytes]], detectors: Sequence[Detector] | None = None) -> Store:
    """Deliver batches as a drainer does, each ended run diagnosed at once."""
    generous = Budget(cut=True, detector_s=20.0, total_s=60.0)
    drainer = Drainer(
        DrainSettings(spool=Path("/nowhere")), store, [Diagnoser(store, detectors=detectors, budget=generous)]
    )
    done = Drained()
    for batch in batches:
        drainer.take(batch, done)
    assert done.failed == 0, done.last_failure
    return store


def found_in(store: Store) -> set[tuple[str, str, int, str]]:
    """Return what stands, of single runs and of many."""
    stored = store.findings(FindingFilter(), limit=10_000)
    return {(each.occurrence, each.finding.code, each.finding.severity, each.finding.title) for each in stored}


def test_what_is_found_is_stored_once_however_often_it_is_asked_for() -> None:
    run = whole_run(1).end("failed")
    store = drained(MemoryStore(), [run.records], [Fine()])
    before = store.stats()["records"]

    again = diagnose_window(store, detectors=[Fine()])

    assert (again.runs, again.findings_new, again.findings_known, again.findings_withdrawn) == (1, 0, 1, 0)
    assert store.stats()["records"] == before
    (stored,) = store.findings()
    assert (stored.trace, stored.project, stored.finding.code) == (run.otel_trace_id, "acme", "O01-05")
    assert store.record(stored.record_id) is not None
    digest = store.digest(run.otel_trace_id)
    assert digest is not None
    assert digest.codes == {"O01-05": 3}


class Short(Fine):
    """Finds runs of fewer records than a whole run has."""

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        if len(run.facts) < 24:
            first = run.facts[0]
            yield self.finding(
                "O01-05",
                f"It has {len(run.facts)} records.",
                same=(),
                evidence=(first.id,),
                first_ns=first.ts_ns,
                last_ns=first.ts_ns,
            )


def test_a_finding_that_changes_is_said_anew_and_one_that_no_longer_holds_is_withdrawn() -> None:
    run = whole_run(1)
    store = drained(MemoryStore(), [run.records[-1:], run.records[:5]], [Short()])
    assert [each.finding.title for each in store.findings()] == ["It has 6 records."]

    drained(store, [run.records[5:-1]], [Short()])
    assert len(run.records) == 24
    assert store.findings() == ()
    (withdrawn,) = store.findings(FindingFilter(withdrawn=True))
    assert withdrawn.finding.count == 0

    # Found again, it stands again: the saying that counts is the newest.
    say(store, [msgspec.structs.replace(withdrawn.finding, count=1)], project="acme", trace=run.otel_trace_id)
    assert len(store.findings()) == 1


def test_what_a_detector_said_stands_when_it_fails_the_next_time() -> None:
    run = whole_run(1).end("failed")
    store = drained(MemoryStore(), [run.records], [Fine()])

    class Broken(Fine):
        def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
            raise KeyError("broken")

    done = diagnose_window(store, detectors=[Broken()])

    assert done.findings_withdrawn == 0
    assert {each.finding.code for each in store.findings()} == {"O01-05", "O01-11"}
    assert diagnose_window(store, detectors=[Fine()]).findings_withdrawn == 1
    assert {each.finding.code for each in store.findings()} == {"O01-05"}


def test_a_busy_store_is_asked_again() -> None:
    class Busy(MemoryStore):
        refusals = 3

        def accept(self, batch: Sequence[bytes]) -> Any:
            if self.refusals:
                self.refusals -= 1
                raise StoreBusy("a moment")
            return super().accept(batch)

    store = Busy()
    finding = Fine().finding("O01-05", "t", same=())
    assert say(store, [finding], project="acme", ts_ns=START_NS).new == 1
    assert say(store, [finding], project="acme", ts_ns=START_NS).known == 1
    assert store.refusals == 0


# -- windows --------------------------------------------------------------------------------------------------------------


class Surveys(Detector):
    """Says how many runs it was shown; a run says what it was put beside."""

    name, codes = "volume", ("V01-01",)

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        title = f"{len(history.runs)} runs before, {run.quiet_ns // SECOND_NS} s silent."
        yield self.finding("V01-01", title, same=("run",), first_ns=run.first_ns, last_ns=run.last_ns)

    def survey(self, window: Window) -> Iterable[Finding]:
        yield self.finding("V01-01", f"{len(window.runs)} runs.", same=("window",), anchor="all", scope="system")


def titles(store: Store) -> list[str]:
    return sorted(each.finding.title for each in store.findings(limit=1000))


def test_a_window_is_diagnosed_run_by_run_and_then_together() -> None:
    store = MemoryStore()
    for number in range(4):
        store.accept(whole_run(number).records)
    store.accept(whole_run(4, project="other").records)
    store.accept(Run(5).start().stage("intake").records)
    steps: list[tuple[int, int]] = []

    done = diagnose_window(
        store,
        detectors=[Surveys()],
        until_ns=START_NS + 400 * SECOND_NS,
        progress=lambda *step: steps.append(step),
    )

    assert done.runs == 6
    assert steps[-1] == (done.records, done.records)
    assert steps == sorted(steps)
    assert done.failures == ()
    silent = Run(5).start().stage("intake").at_ns
    assert titles(store) == sorted(
        [f"{n} runs before, 0 s silent." for n in (0, 0, 1, 2, 3)]
        + [f"4 runs before, {(START_NS + 400 * SECOND_NS - silent) // SECOND_NS} s silent.", "1 runs.", "5 runs."]
    )


def test_a_window_counts_by_the_start_of_runs_and_takes_its_history_from_before() -> None:
    store = MemoryStore()
    runs = [whole_run(number) for number in range(5)]
    for run in runs:
        store.accept(run.records)
        store.accept([digest_record(digest_of(prepared(run)))])

    done = diagnose_window(store, detectors=[Surveys()], since_ns=prepared(runs[3]).view.started_ns)

    assert done.runs == 2
    assert titles(store) == ["2 runs.", "3 runs before, 0 s silent.", "4 runs before, 0 s silent."]


def test_history_is_what_had_ended_before_a_run_began_the_newest_last() -> None:
    store = MemoryStore()
    runs = [whole_run(number) for number in range(4)]
    beside = whole_run(9, project="other")
    for run in (*runs[:3], beside):
        store.accept([digest_record(digest_of(prepared(run)))])

    history = history_before(store, prepared(runs[3]))

    assert [each.trace for each in history.runs] == [each.otel_trace_id for each in runs[:3]]
    assert history_before(store, prepared(runs[0])).runs == ()


def test_a_run_in_progress_is_diagnosed_without_storing_anything() -> None:
    store = MemoryStore()
    run = Run(1).start().stage("intake")
    store.accept(run.records)

    found = diagnose_open(store, run.otel_trace_id, until_ns=run.at_ns + 90 * SECOND_NS)

    assert found.digest is not None
    assert found.digest.ended_ns == 0
    assert store.findings() == ()
    with pytest.raises(NotFound, match="whence traces"):
        diagnose_open(store, "trc_nothing")


def test_an_empty_store_and_records_of_no_run_come_to_nothing() -> None:
    store = MemoryStore()
    assert diagnose_window(store).runs == 0
    store.accept([encoded(1, kinds.EVENT, {"message": "x"}, level=4)])
    assert diagnose_window(store).runs == 0
    store.accept([encoded(2, kinds.EVENT, {"message": "x"}, level=1, trace=hex_id(7))])
    assert diagnose_window(store).runs == 1


def test_a_failed_survey_is_a_finding_about_no_run() -> None:
    class Broken(Surveys):
        def survey(self, window: Window) -> Iterable[Finding]:
            raise KeyError("broken")

    store = MemoryStore()
    store.accept(whole_run(1).records)
    done = diagnose_window(store, detectors=[Broken()])
    assert [(each.detector, each.trace) for each in done.failures] == [("volume", "")]
    (failed,) = store.findings(FindingFilter(code="O01-11"))
    assert failed.trace == ""


# -- online is offline ----------------------------------------------------------------------------------------------------


def deliveries(runs: Sequence[Run], chance: random.Random) -> list[list[bytes]]:
    """Return the records of runs, one run after the other, each shuffled, some twice, in batches of any size."""
    batches: list[list[bytes]] = []
    for run in runs:
        records = chance.sample(run.records, len(run.records))
        records += chance.sample(run.records, chance.randint(0, len(records)))
        while records:
            size = chance.randint(1, len(run.records))
            batches.append(records[:size])
            del records[:size]
    return batches


RUNS = [busy_run(number, bad=number in (4, 9)) for number in range(10)]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_online_and_offline_find_the_same(chance: random.Random) -> None:
    online = drained(MemoryStore(), deliveries(RUNS, chance))
    offline = MemoryStore()
    offline.accept([record for run in RUNS for record in run.records])
    diagnose_window(offline)

    of_runs = {each.occurrence for each in offline.findings(limit=10_000) if each.trace}
    assert len({code for _, code, *_ in found_in(offline)}) > 10
    assert found_in(online) == {each for each in found_in(offline) if each[0] in of_runs}

    # Whatever was delivered in whatever order, a look at the whole window finds what it finds.
    mixed = chance.sample(RUNS, len(RUNS))
    late = drained(MemoryStore(), deliveries(mixed, chance))
    diagnose_window(late)
    assert found_in(late) == found_in(offline)
    again = diagnose_window(late)
    assert (again.findings_new, again.findings_withdrawn, again.failures) == (0, 0, ())


def test_the_names_of_the_contract_are_there() -> None:
    assert all(hasattr(running, name) for name in running.__all__)


def test_a_window_pass_leaves_the_flags_of_calibration_alone() -> None:
    """They are raised beside the detectors, from totals of the store; no detector may take them back."""
    from whence.diagnose.detectors import detectors

    names = {each.name for each in detectors()}
    flag = repeated_failure("META-1", 3)
    assert flag is not None
    assert flag.detector.partition("/")[0] not in names


def test_in_a_host_nothing_is_raised_into_a_detector_and_late_ones_are_not_begun() -> None:
    """Finalizers of the host's run in the same thread: an exception from outside could land in one of those."""

    class Slow(Detector):
        name, codes = "slow", ("O01-07",)

        def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
            ended.append(time.sleep(0.6))
            return ()

    ended: list[None] = []
    run = Prepared.of(map(decode, whole_run(1).records))
    done = diagnose_run(run, detectors=[Slow(), Slow()], budget=Budget(total_s=0.5))

    assert ended == [None]  # the first one came to its end, the second was not begun
    assert [(each.detector, each.why) for each in done.failures] == [("slow", "time")]
    assert not [each for each in threading.enumerate() if each.name == "whence-diagnosis"]
