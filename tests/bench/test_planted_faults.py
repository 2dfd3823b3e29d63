"""The benchmark of planted faults: faults do harm, records tell of them and never name them, and the judge counts right."""

import json
import tomllib
from collections import defaultdict
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.diagnosis import scores
from benchmarks.diagnosis.__main__ import main
from benchmarks.diagnosis.faults import FAULTS
from benchmarks.diagnosis.judge import (
    Place,
    Share,
    Verdict,
    by_causes,
    by_claims,
    false_findings,
    latest,
    line,
    matches,
    position_of,
)
from benchmarks.diagnosis.planting import Pipeline, Planted
from benchmarks.diagnosis.runs import Runs, recording
from whence.collect.segments import spooled_records
from whence.model.record import CONTENT, VECTOR, Record

SEED = 8
SITES = [(fault, pipeline) for fault in FAULTS for pipeline in sorted(fault.plants)]
ONLY_WHEN_IT_GOES_WRONG = {
    ("event", "retry"),  # every network; clean runs have a few
    ("outputs", "outputs"),  # the error that a run is marked with
    ("event", "skipped"),  # the example: not Python
    ("decision", "retry_strategy"),  # the example: a report that does not pass is tried again
    ("decision", "mend"),  # the example: what does not pass is mended
    ("transform", "heal"),
    ("span.start", "heal"),
    ("span.end", "heal"),
}
"""What a pipeline says only where something is the matter, with or without a planted fault."""


class Made:
    """Clean runs, and one run for each place where a fault can be planted."""

    def __init__(self, directory: Path, seed: int = SEED) -> None:
        runs = Runs(seed, directory)
        with recording(directory, runs) as runtime:
            self.clean = list(runs.history(4))
            self.faulty = {(fault.name, pipeline): runs.one(pipeline, fault) for fault, pipeline in SITES}
            self.lost = runtime.recorder.stats()["dropped"]
            self.records: dict[str, list[Record]] = defaultdict(list)
            for record in spooled_records(runtime.settings.spool):
                self.records[record.trace].append(record)
            self.kept = [each for each in spooled_records(runtime.settings.spool) if each.kind in (CONTENT, VECTOR)]

    def of(self, run: Planted) -> list[Record]:
        return [each for each in self.records[run.otel_trace_id] if each.kind not in (CONTENT, VECTOR)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("planted"))


def test_there_are_the_faults_that_were_promised() -> None:
    assert len(FAULTS) >= 12
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.sentence.endswith(".") and fault.plants for fault in FAULTS)


def test_clean_runs_go_well(made: Made) -> None:
    assert all(run.good and run.fault is None for run in made.clean)
    assert not made.lost


@pytest.mark.parametrize(("fault", "pipeline"), [(fault.name, pipeline) for fault, pipeline in SITES])
def test_a_planted_fault_does_harm(made: Made, fault: str, pipeline: Pipeline) -> None:
    run = made.faulty[fault, pipeline]

    assert not run.good
    assert run.accepted
    assert len(made.of(run)) > 20


def test_no_record_names_a_fault(made: Made) -> None:
    """Whoever could read the answer would measure nothing."""
    said = b"\n".join(
        b" ".join([each.name.encode(), each.stage.encode(), each.component.encode(), bytes(each.payload)]).lower()
        for records in [*made.records.values(), made.kept]
        for each in records
    )

    for fault in FAULTS:
        for name in (fault.name, fault.name.replace("_", " "), fault.name.replace("_", "-")):
            assert name.encode() not in said


def test_a_faulty_run_says_what_any_run_may_say(made: Made) -> None:
    """Nothing is recorded for the sake of a fault: other values, fewer records or more of them, but no other kinds."""
    usual = {(each.kind, each.name) for run in made.clean for each in made.of(run)} | ONLY_WHEN_IT_GOES_WRONG

    for run in made.faulty.values():
        said = {(each.kind, each.name) for each in made.of(run) if each.kind != "file"}
        assert said <= usual | {("event", name) for name in ("disk", "deprecated", "slow_dns")}, run


def test_what_was_planted_shows_at_its_place(made: Made) -> None:
    """A place that is accepted is one that the run's records speak of, or that clean runs speak of and this one does not."""
    for run in made.faulty.values():
        spoken = {
            said for each in (run, *made.clean) for record in made.of(each) for said in (record.stage, record.component)
        }
        assert run.accepted & spoken, run


def test_the_codes_of_a_fault_are_in_the_catalog(made: Made) -> None:
    catalog = tomllib.loads(files("whence.diagnose").joinpath("catalog", "codes.toml").read_text(encoding="utf-8"))

    assert all(run.codes <= catalog["codes"].keys() and run.codes for run in made.faulty.values())


def test_times_look_like_production(made: Made) -> None:
    """Runs are minutes to hours apart, and no time of a run is one that was waited for."""
    starts = [made.of(run)[0].ts_ns / 1e9 for run in [*made.clean, *made.faulty.values()]]
    apart = [later - earlier for earlier, later in pairwise(starts)]

    assert min(apart) >= 60
    assert max(apart) >= 3600
    assert all(each.ts_ns >= before.ts_ns for run in made.clean for before, each in pairwise(made.of(run)))


def test_the_same_seed_makes_the_same_runs(tmp_path: Path) -> None:
    """Ids and times too, so that two versions of a detector are asked about the very same runs."""
    said = []
    for name in ("one", "other"):
        directory = tmp_path / name
        directory.mkdir()
        runs = Runs(3, directory)
        with recording(directory, runs) as runtime:
            truth = [*runs.history(1), *runs.mixed(12)]
            records = [
                (each.record_id, each.ts_ns, each.kind, each.stage, each.component)
                for each in spooled_records(runtime.settings.spool)
                if each.kind not in (CONTENT, VECTOR)
            ]
        said.append((truth, records))

    assert said[0] == said[1]
    assert Runs(3, tmp_path).one("research").trace_id != Runs(4, tmp_path).one("research").trace_id


# -- the judge -------------------------------------------------------------------------------------------------------------


def place(component: str = "", stage: str = "") -> Place:
    return Place(component, stage)


@pytest.mark.parametrize(
    ("component", "stage", "named"),
    [("Mirror/North", "", True), ("", "FETCH", True), ("mirror/east", "parse", False), ("", "", False)],
)
def test_a_cause_matches_by_component_or_stage_in_any_case(component: str, stage: str, named: bool) -> None:
    assert matches(place(component, stage), {"mirror/north", "fetch"}) is named


def test_the_position_counts_places_and_not_statements() -> None:
    """Three statements about one place are one place that somebody is sent to."""
    causes = [place(stage="gate"), place(stage="Gate"), place("gate", "gate"), place("parser", "parse")]

    assert position_of(causes, {"gate"}) == 1
    assert position_of(causes, {"parser"}) == 3
    assert position_of(causes, {"index"}) is None
    assert position_of([], {"index"}) is None


def verdict(fault: str | None, position: int | None = None, *, bad: bool = True, **said: object) -> Verdict:
    values = {"trace_id": "trc", "pipeline": "research", "place": "", "named": (), "coded": None, "findings": 0}
    return Verdict(**{**values, "fault": fault, "position": position, "bad": bad, "seconds": 0.01, **said})  # type: ignore[arg-type]


def test_a_line_counts_first_and_third_places_of_the_runs_that_went_wrong() -> None:
    some = [verdict("x", 1, coded=True), verdict("x", 3, coded=False), verdict("x", 4), verdict("x", bad=False)]

    counted = line("x", some)

    assert (counted.runs, counted.harmless) == (4, 1)
    assert (counted.first, counted.among_three, counted.coded) == (Share(1, 3), Share(2, 3), Share(1, 2))
    assert Share(0, 0).value is None


def test_one_that_was_missed_is_not_rounded_away() -> None:
    every = [*(verdict("slow_stage", 1) for _ in range(299)), verdict("slow_stage", 2)]

    text = scores.as_text(scores.scores(every, seed=7, by="a test", history=4, runs_per_s=10))

    assert "> 99% (299 of 300)  100% (300 of 300)" in text


def test_what_is_confirmed_does_not_count_for_the_confidence_of_hypotheses() -> None:
    """The rule of a confirmed cause would look as good as its proofs."""
    some = [verdict("x", 1, rules=(("", True), ("word", False))), verdict("x", 1, rules=(("word", True),))]

    measured = tomllib.loads(scores.as_measured(some, 7))

    assert measured == {"seed": 7, "first": {"word": [1, 1]}, "later": {"word": [0, 1]}}


def test_false_findings_are_those_of_clean_runs_that_went_well() -> None:
    some = [
        verdict(None, bad=False, findings=2),
        verdict(None, bad=False),
        verdict(None, bad=True, findings=5),  # it failed by itself: there is something to find
        verdict("x", 1, findings=7),
    ]

    assert false_findings(some) == (2, 2)


def test_the_table_says_which_goals_are_met(tmp_path: Path) -> None:
    every = [*(verdict("slow_stage", 1) for _ in range(9)), verdict("retry_storm", 2), verdict(None, bad=False)]
    found = scores.scores(every, seed=7, by="a test", history=4, runs_per_s=10)
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- seed 7 -->\nold\n<!-- /seed 7 -->\nend\n")

    scores.write_into(page, found)

    text = scores.as_text(found)
    assert "90% (9 of 10)" in text
    assert "first ≥ 90%: yes; among three ≥ 98%: yes; false findings ≤ 0.05: yes" in text
    assert "old" not in page.read_text()
    assert page.read_text().startswith("# Page\n<!-- seed 7 -->\n| fault |")
    with pytest.raises(ValueError, match="no block for seed 8"):
        scores.write_into(page, scores.scores(every, seed=8, by="a test", history=4, runs_per_s=10))


# -- all of it -------------------------------------------------------------------------------------------------------------


def test_a_small_benchmark_runs_from_seed_to_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--seed", "5", "--runs", "8", "--history", "2", "--json", "--temporary", str(tmp_path)]

    assert main(arguments) == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["seed"], said["history"], len(said["runs"])) == (5, 4, 8)
    assert said["by"] == latest()[0]
    assert latest()[1] in (by_causes, by_claims)
    faulty = [each for each in said["runs"] if each["fault"] is not None]
    assert said["overall"]["runs"] == len(faulty) > 0
    assert said["time_ms"]["p50"] > 0
    assert not list(tmp_path.iterdir())


def test_what_is_measured_of_each_rule() -> None:
    """First causes and later ones are counted apart, and only of runs that went wrong through a fault."""

    def judged(fault: str | None, *rules: tuple[str, bool], bad: bool = True) -> Verdict:
        return Verdict(
            trace_id="trc", pipeline="research", fault=fault, place="", bad=bad, position=1, named=(), coded=None,
            findings=0, seconds=0.01, rules=rules,
        )  # fmt: skip

    said = scores.as_measured(
        [
            judged("broken_parser", ("far", True), ("far", False), ("word", False)),
            judged("stale_source", ("far", False), ("word", True)),
            judged(None, ("far", False)),
            judged("slow_stage", ("far", False), bad=False),
        ],
        seed=9,
    )

    assert tomllib.loads(said) == {
        "seed": 9,
        "first": {"far": [1, 2]},
        "later": {"far": [0, 1], "word": [1, 2]},
    }
