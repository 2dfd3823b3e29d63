"""The contract of detectors: what `whence.testing.detectors` asks holds for every one of them, and its catalog with it."""

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

import pytest

from tests.builders import SECOND_NS, Run
from whence.diagnose.catalog import catalog
from whence.diagnose.detector import Detector, Settings
from whence.diagnose.detectors import detectors
from whence.diagnose.run import History
from whence.diagnose.run import Run as Prepared
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.record import Record
from whence.testing.detectors import check_detector
from whence.wire.records import decode


def busy_run(number: int, *, bad: bool = False) -> Run:
    """A run in which every kind of record occurs, as the doors record them; where it is bad, everything is."""
    seconds = 50.0 if bad else 1.0 + number % 3 / 10
    run = Run(number, intent="exploring", domain="energy", project_name="Acme", query="q").start()
    run.stage("intake", {"intent": "exploring"}, decisions=2)
    run.add(
        kinds.SPAN_END,
        {
            "type": "tool",
            "duration_ns": SECOND_NS,
            "error": {"type": "Timeout", "message": "no answer"} if bad else None,
        },
        name="search",
        stage="collection",
        component="collector",
    )
    run.stage("collection", {"evidence_passed": 0 if bad else 9}, seconds=seconds, decisions=1)
    run.add(kinds.EVIDENCE, {"data": {"collected": 3 if bad else 40}}, stage="collection", component="collector")
    versions: dict[str, Any] = {"model": "m-2" if bad else "m-1", "prompt_name": "write", "prompt_version": "3"}
    run.llm(component="writer", input_tokens=1200, output_tokens=300, cost_usd=0.0125, **versions)
    vectors = {
        "input_vector": {"vector_sha256": "a" * 64, "dimensions": 768},
        "output_vector": {"vector_sha256": "b" * 64, "dimensions": 767 if bad else 768},
    }
    outcome = {"success": not bad, "duration_ms": seconds * 1000, "distance": 0.9 if bad else 0.1}
    message = "inference timeout" if bad else ""
    run.add(
        kinds.EVENT,
        {"message": message, "attributes": {**outcome, **vectors, "artifact_id": "a-1"}},
        name="code_generation_complete",
        component="CoderAgent",
        level=3 if bad else 1,
    )
    for state_from, state_to in (("A", "B"), ("C" if bad else "B", "D")):
        moved = {"metadata": {"state_from": state_from, "state_to": state_to}, "state_from": state_from}
        run.add(
            kinds.EVENT,
            {"message": "", "attributes": {**moved, "state_to": state_to, "success": True}},
            name="state_transition",
            component="StateFlow",
        )
    gaps = [{"type": "missing", "message": "no field title", "field": f"title{n}"} for n in range(4 if bad else 0)]
    interface = {"source_component": "coder", "target_component": "judge", "artifact_type": "plan", "counts": True}
    run.add(
        kinds.CHECK,
        {
            "type": "interface",
            "passed": not bad,
            "subject": "judge",
            "expected": {"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}},
            "actual": {
                "type": "object",
                "properties": {"name": {"type": "string"}} if bad else {"title": {"type": "string"}},
            },
            "failures": gaps,
            "score": 0.6 if bad else 0.1,
            "label": "high" if bad else None,
            "attributes": {**interface, "missing_fields": ["title"] if bad else [], "related_dtc": "I01-03"},
        },
        name="plan",
        component="coder",
    )
    of_output = {"vector_sha256": "c" * 64, "dimensions": 768}
    run.add(
        kinds.CHECK,
        {
            "type": "drift",
            "passed": not bad,
            "label": "CRITICAL_MISS" if bad else "ALIGNED",
            "score": 0.7 if bad else 0.05,
            "subject": "a-1",
            "attributes": {"prompt_to_generated": 0.4, "generated_to_expected": 0.7, "generated_vector": of_output},
        },
        name="transformer_output",
        component="transformer",
    )
    failures = [{"type": "syntax", "message": "invalid syntax", "line": 3}] if bad else []
    run.add(kinds.CHECK, {"type": "syntax", "passed": not bad, "failures": failures}, name="parse", component="coder")
    for node in ("node/1", "node/2"):
        state = {"leader": "b" if bad and node == "node/2" else "a", "term": number}
        run.add(kinds.SNAPSHOT, {"state": state, "type": "full"}, name="election", component=node)
    run.add(
        kinds.METRIC, {"value": 99.0 if bad else 40.0, "unit": "percent"}, name="memory_percent", component="writer"
    )
    for attempt in range(6 if bad else 1):
        span, failed = f"{0xABC0 + attempt:016x}", {"type": "ValueError", "message": f"item {attempt} not found"}
        run.add(
            kinds.SPAN_START, {"type": "stage", "attempt": attempt + 1}, name="synthesis", stage="synthesis", span=span
        )
        end = {"type": "stage", "attempt": attempt + 1, "duration_ns": SECOND_NS, "error": failed if bad else None}
        run.add(kinds.SPAN_END, end, name="synthesis", stage="synthesis", span=span)
    run.scored({"META-12": 0.5 if bad else 3.0}, passed=not bad, overall=0.5 if bad else 2.75)
    return run.end("failed" if bad else "complete", error="no answer" if bad else None)


@cache
def material() -> tuple[Record, ...]:
    """Ten runs that go well and two that do not."""
    runs = [busy_run(number) for number in range(10)] + [busy_run(number, bad=True) for number in (10, 11)]
    return tuple(decode(each) for run in runs for each in run.records)


@pytest.mark.parametrize("kind", detectors(), ids=lambda each: each.name)
def test_every_detector_keeps_its_promises(kind: type[Detector]) -> None:
    check_detector(kind(), material())


def test_the_material_gives_most_detectors_something_to_find() -> None:
    finding = [kind.name for kind in detectors() if kind().detect(material())]
    assert len(finding) >= 8, finding


def test_every_code_has_a_detector_or_a_call_behind_it() -> None:
    raised = {kind.name: set(kind.codes) for kind in detectors()}
    without = [
        code
        for code, entry in catalog().codes.items()
        if (code not in raised.get(entry.detector, ()) if entry.detector else not entry.raised_by)
    ]
    assert without == []


def test_every_code_of_a_detector_is_in_the_catalog_and_names_it() -> None:
    codes = catalog().codes
    wrong = [
        (kind.name, code)
        for kind in detectors()
        for code in kind.codes
        if code not in codes or codes[code].detector != kind.name
    ]
    assert wrong == []


# -- the suite itself finds who breaks a promise --------------------------------------------------------------------------


class Honest(Detector):
    """Finds every failed check."""

    name, codes = "checked", ("A01-08",)

    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        for fact in run.checks:
            if fact.data.get("passed") is False:
                yield self.of(fact)

    def of(self, fact: Any, **changed: Any) -> Finding:
        said: dict[str, Any] = {"same": (fact.who,), "anchor": fact.id, "evidence": (fact.id,), "first_ns": fact.ts_ns}
        return self.finding("A01-08", "A check failed.", **{**said, "last_ns": fact.ts_ns, **changed})


class Late(Honest):
    """Believes in the order of records as they come."""

    def detect(self, records: Iterable[Record]) -> list[Finding]:
        return super().detect(list(records))[:1] if next(iter(records), None) == material()[0] else []


class Fragile(Honest):
    def examine(self, run: Prepared, history: History) -> Iterable[Finding]:
        return [self.of(fact) for fact in run.checks if fact.data["type"] == "drift"]


class Changing(Honest):
    def detect(self, records: Iterable[Record]) -> list[Finding]:
        assert isinstance(records, list)
        found = super().detect(records)
        records.clear()
        return found


def saying(**changed: Any) -> type[Detector]:
    class Saying(Honest):
        Settings: ClassVar[type[Settings]] = Settings

        def of(self, fact: Any, **_: Any) -> Finding:
            return super().of(fact, **changed)

    return Saying


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Late, "shuffled"),
        (Fragile, "raised KeyError"),
        (Changing, "changed what it was given"),
        (saying(evidence=("f" * 32,)), "does not exist"),
        (saying(evidence=()), "no evidence"),
        (saying(severity=7), "severity 7"),
        (saying(confidence=2.0), "confidence 2.0"),
        (saying(basis="statistical"), "no confidence"),
        (saying(first_ns=2, last_ns=1), "ends before it begins"),
        (saying(freeze={"o": object()}), "cannot be stored"),
        (saying(count=0), "seen 0 times"),
    ],
)
def test_whoever_breaks_a_promise_is_told_which(kind: type[Detector], promise: str) -> None:
    with pytest.raises(AssertionError, match=promise):
        check_detector(kind(), material()[:120] + material()[-60:])


def test_whoever_keeps_them_is_told_what_was_found() -> None:
    assert {each.code for each in check_detector(Honest(), material())} == {"A01-08"}
