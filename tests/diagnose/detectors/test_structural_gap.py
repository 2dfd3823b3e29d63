"""Hand-overs that do not fit what was declared, or what always was."""

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.structural_gap import StructuralGap
from whence.model.severity import Severity


def found(said, before=()):
    return examined(StructuralGap(), said, before)


def gap(run, label="high", *, target="TesterAgent", artifact="generated_code", missing=("test_plan",), extra=()):
    attributes = {
        "gap_id": "g-1",
        "missing_fields": list(missing),
        "extra_fields": list(extra),
        "counts": label != "low",
    }
    fields = {"type": "interface", "component": "CoderAgent", "subject": target, "label": label}
    return run.check(artifact, False, attributes=attributes, **fields)


def handed(number, *, passed=None, **fields):
    """A run that hands fields over, and goes well."""
    run = Said(number)
    shape = {"type": "object", "properties": {name: {"type": kind} for name, kind in fields.items()}}
    run.record = run.check("report", passed, type="interface", component="writer", subject="reader", actual=shape)
    return run


def usual(n):
    runs = [handed(number, title="string", pages="integer") for number in range(1, n + 1)]
    for run in runs:
        run.end()
    return runs


def test_a_missing_field_is_a_gap_of_its_own_severity():
    run = Said()
    told = gap(run)
    (finding,) = found(run)
    assert (finding.code, finding.kind, finding.severity) == ("I01-03", "gap", Severity.HIGH)
    assert finding.title == "generated_code from CoderAgent does not fit what TesterAgent expects: test_plan missing"
    assert finding.components == ("CoderAgent", "TesterAgent")
    assert finding.evidence == (told,)
    assert finding.freeze["missing_fields"] == ["test_plan"]
    assert finding.attributes["gap_ids"] == ["g-1"]


def test_a_gap_that_fitted_later_is_low():
    run = Said()
    gap(run)
    run.check("generated_code", True, type="interface", component="CoderAgent", subject="TesterAgent")
    assert [(each.severity, each.attributes["recovered"]) for each in found(run)] == [(Severity.LOW, True)]


def test_more_than_three_gaps_and_not_three():
    run = Said()
    for n in range(3):
        gap(run, artifact=f"part-{n}")
    gap(run, "low", artifact="part-3", missing=(), extra=("note",))  # extra fields alone do not count
    assert "I01-04" not in [each.code for each in found(run)]
    gap(run, artifact="part-4")
    (finding,) = [each for each in found(run) if each.code == "I01-04"]
    assert (
        finding.title == "CoderAgent and TesterAgent do not fit together: 4 gaps between them in one run (more than 3)"
    )
    assert (finding.severity, finding.count, len(finding.evidence)) == (Severity.HIGH, 4, 4)


def test_more_than_three_gaps_between_several():
    run = Said()
    for target in "abcd":
        gap(run, target=target)
    (finding,) = [each for each in found(run) if each.code == "I01-04"]
    assert finding.title == (
        "The interfaces of this run do not fit: 4 gaps, between CoderAgent, a, b and 2 more (more than 3)"
    )


def test_a_field_that_was_always_there_is_missed_after_five_times():
    run = handed(9, title="string")
    (finding,) = found(run, usual(5))
    assert (finding.code, finding.severity, finding.basis) == ("I01-05", Severity.MEDIUM, "statistical")
    assert finding.title == "report from writer to reader changed: pages missing, against 5 earlier hand-overs"
    assert finding.confidence == 6 / 7
    assert finding.evidence == (run.record,)
    assert found(run, usual(4)) == []


def test_a_changed_type_is_high_where_the_consumer_failed():
    run = handed(9, title="string", pages="string")
    failed = run.error("reader", "cannot add")
    (finding,) = found(run, usual(6))
    assert finding.severity == Severity.HIGH
    assert finding.title == (
        "report from writer to reader changed: pages is string instead of number, against 6 earlier hand-overs; "
        "reader failed after that"
    )
    assert finding.evidence == (run.record, failed)


def test_a_new_field_is_low_and_numbers_and_nulls_are_no_change():
    assert [each.severity for each in found(handed(9, title="string", pages="integer", note="string"), usual(5))] == [1]
    assert found(handed(9, title="null", pages="number"), usual(5)) == []


def test_order_duplicates_and_hostile_payloads_change_nothing():
    records = records_of([*usual(5), handed(9, title="string"), hostile_run(20)])
    assert StructuralGap().detect(shuffled(records)) == StructuralGap().detect(records)
    assert "I01-05" in [each.code for each in StructuralGap().detect(records)]


def test_a_clean_run_has_none():
    assert found(clean_run(9), [clean_run(n) for n in range(1, 8)]) == []
