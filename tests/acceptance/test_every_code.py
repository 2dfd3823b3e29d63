"""Every code of the catalog is raised by a program that uses public doors alone, and is not raised where nothing goes wrong.

What is found is asked for as a user asks: `whence diagnose --json`, `whence findings --json`, processes of their own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from contextvars import copy_context
from random import Random
from typing import Any

import msgspec
import pytest

import whence
from benchmarks.diagnosis.clock import PlannedClock
from tests.acceptance.scenes import SCENARIOS, Scene, project_of
from whence.diagnose.catalog import catalog
from whence.diagnose.detector import Detector
from whence.diagnose.examining import instances
from whence.diagnose.run import History, Run
from whence.diagnose.running import diagnose_window
from whence.model.filters import FindingFilter
from whence.model.finding import Finding, Problem
from whence.model.severity import Severity
from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.store.interface import Store, StoredFinding
from whence.telemetry import TelemetryService

BY_THE_RUNNER = "O01-11"
"""Said of a detector that fails; all of ours work, so it takes one that does not."""
ON_PURPOSE = "on purpose"
BEFORE = "2025-12-01"
"""Before the first run of the planned clock."""


class Known(msgspec.Struct):
    """What is known after everything was played, and diagnosed by `whence diagnose`."""

    store: Store
    problems: dict[str, list[Problem]]  # project → what `whence findings` lists
    summary: dict[str, Any]  # what `whence diagnose` says

    def of(self, code: str, *, trouble: bool) -> list[Problem]:
        """Return the problems of a scenario that are of its code."""
        return [each for each in self.problems.get(project_of(code, trouble=trouble), []) if each.code == code]

    def finding(self, problem: Problem) -> StoredFinding:
        """Return the newest finding of a problem."""
        found = self.store.finding(problem.record_id)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Known]:
    """Everything is played, twice, into one data directory; then two commands are asked."""
    data = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHENCE_DATA", str(data))
        clock = PlannedClock(Random(1))
        runtime = runtime_module.configure(Settings(data=data, documents=data, drain=False, code_version="1.0"), clock)
        for code, scenario in SCENARIOS.items():
            for trouble in (False, True):
                directory = tmp_path_factory.mktemp("files")
                copy_context().run(scenario.play, Scene(code, clock, directory, trouble=trouble))
        _raise_each_on_purpose()
        summary = _whence("diagnose", "--since", BEFORE, "--json")
        problems: dict[str, list[Problem]] = {}
        listed = _whence("findings", "--all", "--limit", "10000", "--json")
        for each in msgspec.convert(listed, list[Problem]):
            problems.setdefault(each.project, []).append(each)
        yield Known(runtime.store(), problems, summary)
        runtime.close()
        runtime_module.use(None)


def _raise_each_on_purpose() -> None:
    telemetry = TelemetryService(project=ON_PURPOSE)
    for code in sorted(catalog().codes):
        telemetry.raise_code(code, f"{code} on purpose", "somebody", value=42)
        telemetry.end_run()


def _whence(*words: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "whence", *words],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_there_is_a_scenario_for_every_code_and_no_other() -> None:
    assert sorted([*SCENARIOS, BY_THE_RUNNER]) == sorted(catalog().codes)


@pytest.mark.parametrize("code", sorted(SCENARIOS))
def test_the_code_is_raised(code: str, known: Known) -> None:
    scenario = SCENARIOS[code]
    found = known.of(code, trouble=True)

    assert found, f"found instead: {[each.title for each in known.problems.get(project_of(code, trouble=True), [])]}"
    problem = found[0]
    finding = known.finding(problem).finding
    assert next(iter(finding.components), "") == scenario.component, finding.title
    expected = scenario.severity or catalog().severity(code).label
    assert Severity(finding.severity).label == expected, finding.title
    assert finding.title
    assert finding.confidence is None or 0.0 <= finding.confidence <= 1.0
    assert finding.basis
    assert catalog().codes[code].remediation
    assert finding.evidence
    for each in finding.evidence:
        assert known.store.record(each) is not None or known.store.trace(each) is not None, each


@pytest.mark.parametrize("code", sorted(SCENARIOS))
def test_it_is_not_raised_where_nothing_goes_wrong(code: str, known: Known) -> None:
    assert [each.title for each in known.of(code, trouble=False)] == []


@pytest.mark.parametrize("code", sorted(SCENARIOS))
def test_nothing_serious_is_found_where_nothing_goes_wrong(code: str, known: Known) -> None:
    found = known.problems.get(project_of(code, trouble=False), [])
    assert [each.title for each in found if each.severity >= Severity.MEDIUM] == []


def test_no_detector_failed(known: Known) -> None:
    assert known.summary["failures"] == []


@pytest.mark.parametrize("code", sorted(catalog().codes))
def test_any_code_can_be_raised_on_purpose(code: str, known: Known) -> None:
    of_it = [each for each in known.problems[ON_PURPOSE] if each.code == code and code in each.title]
    assert len(of_it) == 1
    finding = known.finding(of_it[0]).finding

    assert finding.components == ("somebody",)
    (evidence,) = finding.evidence
    record = known.store.record(evidence)
    assert record is not None
    assert record.name == "code_raised"


def test_an_error_that_was_raised_from_another_is_known_to_come_from_it(known: Known) -> None:
    """`raise … from …` states it: nothing is left to supposing that what comes after comes from what came before."""
    (problem,) = known.of("A01-05", trouble=True)
    finding = known.finding(problem).finding

    assert (finding.attributes["by"], finding.confidence) == ("parent", 1.0)
    assert finding.title.endswith("spread to collector")


class Declined(Exception):
    """An error of a program that knows its own codes."""

    code = "O01-09"


def test_an_exception_may_carry_its_code(runtime: Runtime) -> None:
    with suppress(Declined), whence.trace(project="shop"), whence.stage("order", "payment"):
        raise Declined("the card was declined five times")

    (found,) = runtime.ready_store().findings()
    assert (found.finding.code, found.finding.components) == ("O01-09", ("payment",))


# -- what the runner itself says -------------------------------------------------------------------------------------------


class Broken(Detector):
    """A detector of a user's, with a mistake in it."""

    name, codes = "broken", ("X01-01",)

    def examine(self, run: Run, history: History) -> Iterable[Finding]:
        raise KeyError("total")


def test_a_detector_that_fails_is_a_code_of_its_own(runtime: Runtime) -> None:
    with suppress(ValueError), whence.trace(project="shop"), whence.stage("order", "cart"):
        raise ValueError("empty cart")
    store = runtime.ready_store()

    done = diagnose_window(store, detectors=[Broken(), *instances()])

    (failed,) = store.findings(FindingFilter(codes=(BY_THE_RUNNER,)))
    assert failed.finding.title == "Detector broken raised KeyError: 'total'."
    assert failed.finding.severity == catalog().severity(BY_THE_RUNNER)
    assert failed.finding.components == ("whence.broken",)
    assert [(each.detector, each.why) for each in done.failures] == [("broken", "raised")]
    assert store.findings(FindingFilter(codes=("A01-01",))), "the others were asked all the same"

    assert diagnose_window(store).failures == ()
    assert store.findings(FindingFilter(codes=(BY_THE_RUNNER,))) == (), "mended, it is taken back"
