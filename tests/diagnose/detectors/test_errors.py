"""Errors: which are the same, which led to which and how that is known, and which come again and again."""

from collections.abc import Sequence

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, shuffled
from whence.diagnose.detector import Window
from whence.diagnose.detectors.errors import Errors
from whence.diagnose.digesting import digest_of
from whence.diagnose.run import NO_HISTORY, Run
from whence.model.finding import Finding
from whence.model.severity import Severity


def only(findings: Sequence[Finding], code: str) -> Finding:
    (found,) = [each for each in findings if each.code == code]
    return found


def codes(findings: Sequence[Finding]) -> list[str]:
    return [each.code for each in findings]


def test_a_clean_run_has_none() -> None:
    assert examined(Errors(), clean_run()) == []


# -- A01-04 --


def test_one_template_twice_is_a_repeated_error() -> None:
    run = Said()
    ids = [run.error("db", f"Connection to 10.0.0.{n} failed after {n} ms") for n in (1, 2, 3)]
    run.end("failed")
    finding = only(examined(Errors(), run), "A01-04")
    assert (
        finding.title == "db failed 3 times within 200 ms with the same error: Connection to 10.0.0.1 failed after 1 ms"
    )
    assert set(finding.evidence) == set(ids)
    assert finding.evidence[0] == ids[0]
    assert finding.freeze == {"template": "Connection to <ip> failed after <dur>", "count": 3, "levels": [3]}
    assert (finding.severity, finding.basis, finding.confidence) == (Severity.MEDIUM, "derived", 1.0)


def test_other_errors_of_the_same_beginning_are_no_repetition() -> None:
    run = Said()
    run.error("db", "The connection that was requested by the caller timed out in the pool")
    run.error("db", "The disk is full")
    run.end("failed")
    assert "A01-04" not in codes(examined(Errors(), run))


def test_critical_ones_are_high_and_those_of_a_run_that_went_well_low() -> None:
    bad, good = Said(), Said()
    for run in (bad, good):
        for _ in range(2):
            run.event("down", "db is down", level=Severity.CRITICAL, component="db")
    bad.end("failed")
    good.end()
    assert only(examined(Errors(), bad), "A01-04").severity == Severity.HIGH
    assert only(examined(Errors(), good), "A01-04").severity == Severity.LOW


def test_an_exception_that_passes_through_every_part_around_it_is_one_error() -> None:
    run = Said()
    error = {"type": "TimeoutError", "message": "no answer"}
    outer = run.begin("collection", component="collector")
    inner = run.begin("get", type="tool", component="fetcher", parent=outer, stage="collection")
    first = run.finish(inner, error=error)
    last = run.finish(outer, error=error)
    run.end("failed")

    found = examined(Errors(), run)
    assert codes(found) == ["A01-05"]
    assert found[0].title == "An error of fetcher (TimeoutError: no answer) spread to collector"
    assert found[0].evidence == (first, last)
    assert found[0].attributes["by"] == "parent"


# -- A01-05 --


def test_errors_connected_by_their_parents_are_confirmed() -> None:
    run = Said()
    root = run.error("db", "DB timeout")
    step = run.event("fallback", "using the cache", component="cache", parent=root)
    effect = run.error("workflow/789", "Step 3 has no rows", parent=step)
    run.end("failed")
    finding = only(examined(Errors(), run), "A01-05")
    assert finding.title == "An error of db (DB timeout) spread to workflow/789"
    assert (finding.basis, finding.confidence) == ("derived", 1.0)
    assert finding.evidence == (root, effect)
    assert finding.freeze == {"root": root, "message": "DB timeout", "after_s": 0.2}
    assert finding.components == ("db", "workflow/789")


def test_errors_connected_by_time_alone_are_supposed_and_say_so() -> None:
    run = Said()
    root = run.error("db", "DB timeout")
    effect = run.error("workflow/789", "Step 3 has no rows")
    run.end("failed")
    finding = only(examined(Errors(), run), "A01-05")
    assert finding.title.endswith("only the order in time connects them")
    assert (finding.basis, finding.confidence) == ("measured", None)
    assert finding.attributes == {"by": "time", "root": root, "recovered": False}
    assert finding.evidence == (root, effect)


def test_one_component_spreads_nothing_nor_does_an_error_much_later() -> None:
    same, late = Said(), Said()
    same.error("db", "one")
    same.error("db", "two things")
    same.end("failed")
    late.error("db", "DB timeout")
    late.error("web", "no rows", after_s=301)
    late.end("failed")
    assert examined(Errors(), same) == []
    assert examined(Errors(), late) == []


def test_parents_in_a_circle_end() -> None:
    run = Said()
    for n in range(3):
        of = f"{1_000_000 + 2 + (n + 1) % 3:032x}"
        run.error(f"c{n}", f"error {'abc'[n]}", parent=of)
    run.end("failed")
    assert "A01-05" in codes(examined(Errors(), run))


# -- A01-06 --


def levels(critical: int, others: int) -> Said:
    run = Said()
    for n in range(critical + others):
        level = Severity.CRITICAL if n < critical else Severity.HIGH
        run.event("error", "abcd"[n % 4] * (n + 1), level=level, component="db")
    run.end("failed")
    return run


def test_too_many_errors_are_critical() -> None:
    finding = only(examined(Errors(), levels(2, 4)), "A01-06")
    assert finding.title == "2 of 6 errors (33 %) are critical: db"
    assert finding.freeze == {"critical": 2, "errors": 6, "share": 0.3333}
    assert "A01-06" not in codes(examined(Errors(), levels(3, 7)))  # 30 %
    assert "A01-06" not in codes(examined(Errors(), levels(2, 2)))  # 4 errors


# -- across runs --


def window(failing: Sequence[int]) -> Window:
    digests = []
    for number, times in enumerate(failing, 1):
        run = Said(number)
        for n in range(times):
            run.error("parser", f"line {number * 10 + n} cannot be read", stage="parse")
        run.end("failed" if times else "complete")
        digests.append(digest_of(run.run))
    return Window("acme", tuple(digests))


def test_an_error_that_recurs_in_several_runs() -> None:
    (finding,) = Errors().survey(window([2, 0, 3]))
    assert finding.title == "parser failed 5 times in 2 of 3 runs with the same error: line <num> cannot be read"
    assert finding.severity == Severity.LOW
    assert finding.freeze == {"template": "line <num> cannot be read", "count": 5, "runs": 2, "of_runs": 3}
    assert finding.stage == "parse"
    assert list(Errors().survey(window([2, 0, 2]))) == []
    assert list(Errors().survey(window([5, 0, 0]))) == []


def test_one_that_comes_ever_more_often_is_medium() -> None:
    (finding,) = Errors().survey(window([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4]))
    assert finding.severity == Severity.MEDIUM
    assert "ever more often" in finding.title
    assert finding.confidence is not None
    assert finding.confidence > 0.99


def test_order_and_repetition_change_nothing_and_hostile_payloads_raise_nothing() -> None:
    run = levels(3, 3)
    assert list(Errors().examine(Run.of(shuffled(run.records), run.trace), NO_HISTORY)) == examined(Errors(), run)
    examined(Errors(), hostile_run(30))
    list(Errors().survey(Window("acme", tuple(digest_of(hostile_run(n).run) for n in range(1, 5)))))
