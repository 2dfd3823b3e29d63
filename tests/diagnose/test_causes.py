"""Causes, ranked: the earliest oddity that weighs, not the loudest; proven where records prove it, and else supposed."""

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.diagnose.detectors.said import Said
from whence.diagnose import measured
from whence.diagnose.causes import Cause, Why, why
from whence.diagnose.digesting import digest_of
from whence.diagnose.filing import digest_record
from whence.diagnose.oddities import Past, oddities
from whence.diagnose.run import Run
from whence.diagnose.traits import MOST_PLAIN, said_in, traits_of
from whence.errors import NotFound
from whence.store.interface import Store
from whence.store.memory import MemoryStore
from whence.wire import records as wire

GOOD = 12


class Shop:
    """A pipeline of three: a parser that reads documents, an indexer that takes all of what it found, a gate that looks.

    What a run says can be changed part by part; without changes it goes well.
    """

    def __init__(self, number: int, **changed: Any) -> None:
        self.said = Said(number, trace_id=f"trc_shop_{number:04d}", project_name="acme")
        self.how = changed
        self.random = random.Random(number)
        self.of: dict[str, str] = {}  # what → record id
        self._parse()
        self._index()
        self._gate()
        self.said.end(**({"status": "failed", "error": changed["error"]} if "error" in changed else {}))

    def _parse(self) -> None:
        said, how = self.said, self.how
        span = said.begin("parse", component="parser")
        for document in ("a.md", "b.md"):
            size = how.get("sizes", {}).get(document, {"a.md": 700, "b.md": 900}[document])
            self.of[f"read {document}"] = said.decision(
                "read", "hit", inputs={"name": document, "bytes": size}, stage="parse", component="parser", span=span
            )
        for attempt in range(how.get("retries", 0)):
            said.event("retry", "again", attributes={"attempt": attempt}, stage="parse", component="parser", span=span)
        lacks = how.get("lacks")
        self.of["hand-over"] = said.check(
            "passage", not lacks, type="interface", component="parser", stage="parse", span=span, subject="indexer",
            failures=[{"type": "missing", "field": lacks, "message": f"{lacks} is missing"}] if lacks else [],
        )  # fmt: skip
        found = how.get("found", 40 + self.random.randint(0, 8))
        self.found = found
        self.of["parse"] = said.finish(span, seconds=how.get("slow", 1.0), outputs={"documents": 2, "passages": found})

    def _index(self) -> None:
        said, how = self.said, self.how
        span = said.begin("index", component="indexer")
        indexed = how.get("indexed", self.found)
        if how.get("speaks", True):
            said.decision("built", "in memory", stage="index", component="indexer", span=span)
        self.of["index"] = said.finish(
            span, outputs={"passages": self.found, "indexed": indexed}, error=how.get("index_error")
        )

    def _gate(self) -> None:
        said, how = self.said, self.how
        span = said.begin("gate", component="gate")
        if how.get("mended"):
            said.check("shape", False, type="syntax", component="gate", stage="gate", span=span, phase="before")
        said.check("shape", True, type="syntax", component="gate", stage="gate", span=span, phase="after")
        passed = how.get("passed", True)
        self.of["verdict"] = said.check("enough", passed, type="expectation", component="gate", stage="gate", span=span)
        said.finish(span, outputs={"score": 3 if passed else 1})


def stored(*runs: Shop, digested: bool = True) -> Store:
    store = MemoryStore()
    for run in runs:
        store.accept([wire.encode(each) for each in run.said.records])
        if digested:
            store.accept([digest_record(digest_of(Run.of(run.said.records)))])
    return store


@cache
def good_runs() -> tuple[Shop, ...]:
    return tuple(Shop(n) for n in range(1, GOOD + 1))


@cache
def their_digests() -> tuple[bytes, ...]:
    return tuple(digest_record(digest_of(run.said.run)) for run in good_runs())


def after_good_runs(last: Shop) -> Store:
    """Return a store in which of the runs before the last only the digests are left."""
    store = stored(last)
    store.accept(their_digests())
    return store


def explained(
    digested: bool = True, before: Callable[[int], dict[str, Any]] = lambda n: {}, **changed: Any
) -> tuple[Why, Shop]:
    """Return why a run went as it did that comes after good ones, and the run."""
    last = Shop(GOOD + 1, **changed)
    store = stored(*(Shop(n, **before(n)) for n in range(1, GOOD + 1)), last, digested=digested)
    return why(last.said.trace, store=store), last


def places(causes: tuple[Cause, ...]) -> list[str]:
    return [cause.component for cause in causes]


def test_a_run_like_those_before_it_has_no_causes() -> None:
    answer, _ = explained()

    assert not answer.troubled
    assert answer.causes == ()
    assert answer.outcome == "good"
    assert answer.beside == GOOD


def test_the_earliest_oddity_comes_first_and_the_verdict_last() -> None:
    """The parser finds next to nothing, so the indexer has little too, and the gate says no: in this order."""
    answer, run = explained(found=3, passed=False, error="not enough")

    assert places(answer.causes)[0] == "parser"
    first = answer.causes[0]
    assert first.kind == "hypothesis"
    assert first.evidence[0] == run.of["parse"]
    assert "passages is 3; in all 12 earlier good runs it was 40 to 47" in first.statement
    assert answer.causes[-1].symptom
    assert not first.symptom
    assert answer.headline.endswith(first.statement)
    assert [step.ts_ns for step in answer.steps] == sorted(step.ts_ns for step in answer.steps)
    assert all(step.record_id for step in answer.steps)


def test_two_numbers_that_were_always_equal() -> None:
    answer, _ = explained(indexed=17, passed=False, error="not enough")

    assert answer.causes[0].component == "indexer"
    said = " ".join([answer.causes[0].statement, *answer.causes[0].because])
    assert "and indexed is 17; in all 12 earlier good runs they were equal" in said


def test_what_always_followed_from_a_name() -> None:
    """700 bytes are nothing unusual, but not for that document."""
    answer, run = explained(sizes={"b.md": 700}, passed=False, error="not enough")

    assert answer.causes[0].rule == "dependent"
    assert answer.causes[0].evidence[0] == run.of["read b.md"]
    assert (
        "bytes of decision read where name is b.md is 700; before, it was 900 (12 times)" in answer.causes[0].statement
    )


def test_a_part_that_fell_silent() -> None:
    answer, _ = explained(speaks=False, passed=False, error="not enough")

    assert (answer.causes[0].component, answer.causes[0].rule) == ("indexer", "missing")
    assert "recorded no decision built; in all 12 earlier good runs there were 1" in answer.causes[0].statement


def test_of_a_run_that_says_too_much_to_be_counted_nothing_is_missed() -> None:
    """What was not counted is not missing."""
    last = Shop(GOOD + 1, passed=False, error="not enough")
    for number in range(MOST_PLAIN):
        span = last.said.begin(f"extra {number:03d}", component="talker")
        last.said.event("said", "much", stage=f"extra {number:03d}", component="talker", span=span)
        last.said.finish(span)
    full = said_in(Run.of(last.said.records))
    # As though the shop's own had come last: its parts are known, what they held is not.
    full.counts = {key: each for key, each in full.counts.items() if key.startswith("extra") or key.endswith("|")}

    missed = oddities(full, Past(traits_of(digest_of(Run.of(each.said.records))) for each in good_runs()))

    assert len(full.counts) >= MOST_PLAIN
    assert not [each for each in missed if each.rule == "missing"]


def test_a_complete_run_is_explained_when_a_check_fails_that_passes_otherwise() -> None:
    answer, _ = explained(retries=30, slow=60.0, passed=False)

    assert answer.outcome == "good"  # it completed
    assert answer.troubled
    assert (answer.causes[0].component, answer.causes[0].rule) == ("parser", "many")
    assert "event retry 30 times; in all 12 earlier good runs 0" in answer.causes[0].statement


def test_a_delay_that_does_not_matter_to_the_whole_is_no_cause() -> None:
    """Three runs of seconds each: a parser that takes 1.1 s is far from its 1.0 s always, and explains nothing."""
    little, _ = explained(slow=1.1, passed=False)
    much, _ = explained(slow=30.0, passed=False)

    assert "parser" not in places(little.causes)
    assert places(much.causes)[0] == "parser"
    assert "took 30.0 s" in much.causes[0].statement


def test_what_is_mended_in_good_runs_as_well_is_no_cause() -> None:
    answer, _ = explained(
        before=lambda n: {"mended": n % 2 == 0}, mended=True, found=2, passed=False, error="not enough"
    )

    assert places(answer.causes)[0] == "parser"
    assert not any("shape" in cause.statement for cause in answer.causes)


def test_runs_whose_checks_failed_are_not_what_is_usual() -> None:
    """Complete, yet not well: what a third of the runs before it had in common with it is no excuse."""
    answer, _ = explained(
        before=lambda n: {"found": 3, "passed": False} if n % 3 == 0 else {}, found=3, passed=False, error="not enough"
    )

    assert places(answer.causes)[0] == "parser"
    assert answer.beside == GOOD - GOOD // 3


def test_a_hand_over_is_confirmed_where_the_consumer_fails_over_the_field() -> None:
    answer, run = explained(
        lacks="text",
        index_error={"type": "KeyError", "message": "'text'"},
        error={"type": "KeyError", "message": "'text'"},
    )

    first = answer.causes[0]
    assert (first.component, first.kind, first.confidence) == ("parser", "confirmed", 1.0)
    assert first.statement == "parser handed passage over to indexer: text is missing"
    assert [step.record_id for step in answer.steps][:2] == [run.of["hand-over"], run.of["index"]]
    assert {step.kind for step in answer.steps} == {"confirmed"}


def test_without_that_link_it_stays_a_hypothesis() -> None:
    answer, _ = explained(lacks="text", passed=False, error="not enough")

    first = answer.causes[0]
    assert (first.component, first.kind) == ("parser", "hypothesis")
    assert first.confidence is not None
    assert first.confidence < 1.0
    assert first.basis


@pytest.mark.parametrize(
    "index_error",
    [
        {"type": "TimeoutError", "message": "no answer within 2 s"},
        {"type": "OSError", "message": "no space left for the context file"},
    ],
)
def test_a_consumer_that_fails_over_something_else_confirms_nothing(index_error: dict[str, str]) -> None:
    """That it failed after a hand-over that lacked a field does not say that it failed over that field."""
    answer, _ = explained(lacks="text", index_error=index_error, error=index_error)

    assert all(cause.rule != "hand_over" for cause in answer.causes)


def test_a_word_in_the_error_of_somebody_else_confirms_nothing() -> None:
    """A field may be called as anything is: only in quotation marks it is surely the field."""
    said = {"type": "RuntimeError", "message": "the text of the answer was refused"}
    answer, _ = explained(lacks="text", error=said)
    named, _ = explained(lacks="text", error=said | {"message": "'text' is needed"})

    assert all(cause.rule != "hand_over" for cause in answer.causes)
    assert named.causes[0].rule == "hand_over"


def test_since_when_it_is_so() -> None:
    fresh, _ = explained(found=3, passed=False, error="not enough")
    old, _ = explained(
        before=lambda n: {"found": 3, "passed": False, "error": "not enough"} if n > GOOD - 2 else {},
        found=3,
        passed=False,
        error="not enough",
    )

    assert "none of the 12 earlier runs with such records shows it" in fresh.causes[0].because
    assert old.causes[0].because[-1].startswith("it is so since ")
    assert "trc_shop_0011" in old.causes[0].because[-1]
    assert "for 2 runs before this one" in old.causes[0].because[-1]


def test_where_nobody_diagnosed_the_runs_before_they_are_looked_at_now() -> None:
    with_digests, _ = explained(found=3, passed=False, error="not enough")
    without, _ = explained(digested=False, found=3, passed=False, error="not enough")

    assert without.causes == with_digests.causes


def test_without_a_history_what_the_records_state_is_all_there_is() -> None:
    run = Shop(
        1, index_error={"type": "OSError", "message": "disk full"}, error={"type": "OSError", "message": "disk full"}
    )
    answer = why(run.said.trace, store=stored(run))

    first = answer.causes[0]
    assert (first.component, first.kind) == ("indexer", "confirmed")
    assert "disk full" in first.statement
    assert answer.beside == 0


def test_an_unknown_run() -> None:
    with pytest.raises(NotFound, match="no trace"):
        why("trc_nowhere", store=MemoryStore())


@given(st.randoms(use_true_random=False))
@settings(max_examples=10, deadline=None)
def test_the_order_of_records_does_not_matter(shuffling: random.Random) -> None:
    last = Shop(GOOD + 1, found=3, lacks="text", passed=False, error="not enough")
    expected = why(last.said.trace, store=after_good_runs(last))

    shuffling.shuffle(last.said.records)

    assert why(last.said.trace, store=after_good_runs(last)) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "outputs",
    "inputs",
    "failures",
    "attributes",
    "state",
    "materials",
    "using",
    "what",
    "error",
    "type",
    "phase",
    "data",
)


KINDS = ("decision", "check", "transform", "snapshot", "event", "span.end", "metric", "evidence")
PAYLOADS = st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=4)


@given(st.lists(st.tuples(st.sampled_from(KINDS), PAYLOADS, st.text(max_size=80)), max_size=6))
@settings(max_examples=25, deadline=None)
def test_payloads_of_any_kind_are_explained(said: list[tuple[str, dict[str, Any], str]]) -> None:
    last = Shop(GOOD + 1, passed=False, error="not enough")
    for kind, payload, name in said:
        last.said.add(kind, payload, name=name, stage="parse", component=name, after_s=0.001)
    answer = why(last.said.trace, store=after_good_runs(last))

    assert answer.troubled
    msgspec.json.encode(answer)


def test_confidences_are_measured_where_enough_was_planted() -> None:
    """The table is written by the benchmark; a rule that came up too seldom has no number of its own."""
    known = measured.precision("far", first=True)

    assert known is not None
    assert 0.5 < known.share < 1.0
    assert f"{known.right} of {known.of}" in known.text
    later = measured.precision("far", first=False)
    assert later is None or later.share < known.share
    assert measured.precision("no such rule", first=True) is None
