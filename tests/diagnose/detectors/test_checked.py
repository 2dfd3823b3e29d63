"""Checks that failed, and those that were repaired."""

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.checked import Checked
from whence.model.severity import Severity


def found(said):
    return examined(Checked(), said)


def test_a_wrong_import_names_file_line_and_message():
    run = Said()
    failures = [
        {"type": "import", "message": "no module named 'utls'", "line": 3},
        {"message": "no name 'x'", "line": 9},
    ]
    told = run.check("imports", False, type="import", component="healer", subject="a.py", failures=failures)
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.evidence) == ("T01-07", Severity.MEDIUM, (told,))
    assert finding.title == "Check import of a.py of healer failed: no module named 'utls', line 3, and 1 more"
    assert finding.freeze["failures"][0] == {"type": "import", "message": "no module named 'utls'", "line": 3}


def test_codes_by_type_of_check():
    run = Said()
    for kind in ("syntax", "ast", "indentation", "import", "logic"):
        run.check(kind, False, type=kind, subject=f"{kind}.py")
    for kind in ("interface", "drift", "score"):
        run.check(kind, False, type=kind, subject=kind)
    codes = [each.code for each in found(run)]
    assert codes == ["T01-02", "T01-02", "T01-02", "T01-07", "A01-08"]


def test_a_check_that_passes_later_is_recovered_and_one_that_fails_again_is_not():
    run = Said()
    run.check("syntax", False, type="syntax", subject="a.py")
    run.check("syntax", True, type="syntax", subject="a.py")
    (finding,) = found(run)
    assert (finding.severity, finding.attributes) == (Severity.LOW, {"recovered": True})
    last = run.check("syntax", False, type="syntax", subject="a.py")
    (finding,) = found(run)
    assert (finding.severity, finding.count, finding.evidence[0]) == (Severity.HIGH, 2, last)


def test_another_subject_repairs_nothing():
    run = Said()
    run.check("syntax", False, type="syntax", subject="a.py")
    run.check("syntax", True, type="syntax", subject="b.py")
    assert [each.attributes["recovered"] for each in found(run)] == [False]


def test_what_is_no_verdict_is_none():
    run = Said()
    run.check("syntax", None, type="syntax", subject="a.py")
    run.check("syntax", False, type="syntax", subject="b.py", phase="before")
    assert found(run) == []


def test_order_duplicates_and_hostile_payloads_change_nothing():
    records = records_of([hostile_run(), clean_run(2)])
    assert Checked().detect(shuffled(records)) == Checked().detect(records)


def test_a_clean_run_has_none():
    assert found(clean_run()) == []
