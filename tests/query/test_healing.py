"""What was tried to heal, what each attempt did to the failures, and the sentence that says why it was not enough."""

from typing import Any

import pytest

from tests.query.generated import Generation, sha256
from whence import query
from whence.errors import NotFound
from whence.query.healing import HealLog

SOURCE = "x = undefined\ny = 1\n"
FIRST = "x = 1\ny = 1\nfrom observability import trace\n"
SECOND = "# healed\nx = 1\ny = 1\nfrom observability import trace\n"
GONE = "no module named observability"


def heal(run: Generation, number: int, before: str, after: str, **said: Any) -> str:
    data = {"action": "heal", "attempt": number, "using": {"rule": f"rule-{number}"}, **said}
    return run.transform("healer", before, after, said=data, component="todo")


def failing(component: str | None = "todo") -> Generation:
    """Return a run in which the first attempt makes it worse, and the second does not touch what is wrong."""
    run = Generation()
    run.check("names", SOURCE, (1, "NameError: undefined"), component="todo")
    run.check("imports", SOURCE, component="todo")
    run.decision("remedy", "define it", "the name is not known", component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.check("names", FIRST, component="todo")
    run.check("imports", FIRST, (3, GONE), component="todo")
    heal(run, 2, FIRST, SECOND)
    run.check("names", SECOND, component="todo")
    run.check("imports", SECOND, (4, GONE), component="todo")
    return run


def the_log(run: Generation, component: str | None = None) -> HealLog:
    run.done()
    (log,) = query.healing(run.trace_id, component, store=run.store)
    return log


def test_why_healing_failed_is_said_attempt_by_attempt() -> None:
    log = the_log(failing())

    assert (log.component, log.outcome) == ("todo", "worse")
    assert log.why == (
        "attempt 1 (rule-1) fixed names: NameError: undefined (line 1) and introduced imports: no module named "
        "observability (line 3); attempt 2 (rule-2) did not touch line 4 (imports: no module named observability); "
        "gave up after 2 attempts with imports: no module named observability (line 4)"
    )
    assert [each.message for each in log.remaining] == [GONE]


def test_an_attempt_says_what_it_changed_and_what_checks_said_before_and_after() -> None:
    first, second = the_log(failing()).attempts

    assert (first.number, first.name, first.using) == (1, "healer", {"rule": "rule-1"})
    assert (first.before, first.after) == (sha256(SOURCE), sha256(FIRST))
    assert (first.added, first.removed) == (2, 1)
    assert first.diff.splitlines() == [
        "@@ -1,2 +1,3 @@",
        "-x = undefined",
        "+x = 1",
        " y = 1",
        "+from observability import trace",
    ]
    assert [run.passed for run in first.checks_before] == [False, True]
    assert [run.passed for run in first.checks_after] == [True, False]
    assert [each.message for each in first.fixed] == ["NameError: undefined"]
    assert [each.message for each in first.introduced] == [GONE]
    assert first.decision is not None
    assert (first.decision.what, first.decision.sure) == ("define it", "inferred")
    assert (second.fixed, second.introduced, [each.line for each in second.still]) == ((), (), [4])
    assert first.sure == second.sure == "confirmed"


def test_what_is_mended_is_healed() -> None:
    run = Generation()
    run.check("names", SOURCE, (1, "undefined"), component="todo")
    heal(run, 1, SOURCE, SECOND)
    run.check("names", SECOND, component="todo")

    log = the_log(run)

    assert log.outcome == "healed"
    assert log.why == "attempt 1 (rule-1) fixed names: undefined (line 1); healed after 1 attempt"


@pytest.mark.parametrize(
    ("before", "after", "outcome", "said"),
    [
        ([(1, "a"), (2, "b")], [(1, "a")], "better", "fixed"),
        ([(1, "a")], [(2, "a")], "unchanged", "did not touch line 2"),
        ([(1, "a")], [(1, "a")], "unchanged", "changed what still fails: names: a (line 1)"),
        ([(1, "a"), (1, "a")], [(1, "a")], "better", "fixed names: a"),
        ([(1, "a")], [(None, "a"), (None, "b")], "worse", "introduced names: b"),
        ([(1, "wrong at line 1")], [(2, "wrong at line 2")], "unchanged", "did not touch"),
        ([(1, "a")], [], "healed", "healed after 1 attempt"),
        ([], [], "not_needed", "had nothing to fix"),
        ([], [(1, "a")], "worse", "introduced"),
        ([(9, "a")], [(9, "a")], "unchanged", "left names: a (line 9)"),
    ],
)
def test_outcomes(
    before: list[tuple[int | None, str]], after: list[tuple[int | None, str]], outcome: str, said: str
) -> None:
    run, source, result = Generation(), "one\ntwo\n", "uno\ntwo\n"
    run.check("names", source, *before, component="todo")
    heal(run, 1, source, result)
    run.check("names", result, *after, component="todo")

    log = the_log(run)

    assert log.outcome == outcome
    assert said in log.why


def test_an_attempt_that_changed_nothing_says_so() -> None:
    run = Generation()
    run.check("names", SOURCE, (1, "undefined"), component="todo")
    heal(run, 1, SOURCE, SOURCE)
    run.check("names", SOURCE, (1, "undefined"), component="todo")

    log = the_log(run)

    assert log.outcome == "unchanged"
    assert "attempt 1 (rule-1) changed nothing; gave up" in log.why


@pytest.mark.parametrize(
    "error",
    [
        {"type": "TimeoutError", "message": "the model did not answer"},
        {"exception": "builtins.TimeoutError", "args": ["the model did not answer"]},  # as one is kept that was given
        "TimeoutError: the model did not answer",
    ],
)
def test_an_attempt_that_failed_itself_says_how(error: Any) -> None:
    run = Generation()
    run.check("names", SOURCE, (1, "undefined"), component="todo")
    said = {"action": "heal", "error": error}
    run.transform("mend", SOURCE, None, said=said, component="todo")

    log = the_log(run)

    assert log.outcome == "unchanged"
    assert log.attempts[0].number == 1
    assert log.why == (
        "attempt 1 failed itself: TimeoutError: the model did not answer; "
        "gave up after 1 attempt with names: undefined (line 1)"
    )
    assert [each.message for each in log.remaining] == ["undefined"]


def test_of_a_healer_that_failed_without_any_check_nothing_is_known() -> None:
    run = Generation()
    run.transform("mend", SOURCE, None, said={"action": "heal", "error": {"type": "E", "message": "m"}})

    assert the_log(run).outcome == "unknown"


def test_a_healer_that_failed_leaves_what_another_fixed_as_it_is() -> None:
    run = Generation()
    run.check("names", SOURCE, (1, "undefined"), component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.check("names", FIRST, component="todo")
    run.transform("mend", FIRST, None, said={"action": "heal", "error": "killed"}, component="todo")

    log = the_log(run)

    assert (log.outcome, log.remaining) == ("healed", ())


# -- what nothing shows to be mended ---------------------------------------------------------------------------------


def test_a_check_that_could_not_tell_mends_nothing() -> None:
    run = Generation()
    run.check("syntax", SOURCE, (1, "bad"), component="todo")
    heal(run, 1, SOURCE, SECOND)
    run.check("syntax", SECOND, component="todo", said={"passed": None, "error": "checker died"})

    log = the_log(run)

    assert (log.outcome, log.attempts[0].fixed) == ("unknown", ())
    assert [each.message for each in log.remaining] == ["bad"]
    assert log.why == (
        "attempt 1 (rule-1) could not be checked again for syntax: bad (line 1); "
        "whether that healed it is not recorded; not checked again: syntax: bad (line 1)"
    )


def test_where_nothing_was_tried_a_check_that_could_not_tell_takes_nothing_back() -> None:
    run = Generation()
    run.check("syntax", SOURCE, (1, "bad"), component="left")
    for component in ("left", "untold"):
        run.check("syntax", SOURCE, component=component, said={"passed": None, "error": "checker died"})
    run.check("style", SOURCE, component="scored", said={"passed": None, "score": 0.5})
    run.done()

    logs = {log.component: (log.outcome, log.why) for log in query.healing(run.trace_id, store=run.store)}

    assert logs == {
        "left": ("not_tried", "nothing was tried; syntax: bad (line 1) failed"),
        "untold": ("unknown", "not every check could tell"),
        "scored": ("not_needed", "every check passed"),
    }


def test_a_check_that_could_not_tell_may_still_have_found_something() -> None:
    run = Generation()
    run.check("syntax", SOURCE, (1, "bad"), (2, "worse"), component="todo")
    heal(run, 1, SOURCE, SECOND)
    run.check("syntax", SECOND, (2, "bad"), component="todo", said={"passed": None})

    log = the_log(run)

    assert (log.outcome, log.attempts[0].fixed) == ("unchanged", ())
    assert [each.message for each in log.attempts[0].still] == ["bad"]
    assert {each.message for each in log.remaining} == {"bad", "worse"}


@pytest.mark.parametrize(("syntax", "outcome"), [([], "unknown"), ([(1, "bad")], "better")])
def test_a_check_that_was_not_run_again_is_not_held_to_be_mended(
    syntax: list[tuple[int | None, str]], outcome: str
) -> None:
    """However often another one passes: what failed is carried on to the end."""
    run = Generation()
    run.check("import", SOURCE, (1, GONE), component="todo")
    run.check("syntax", SOURCE, *syntax, component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.check("syntax", FIRST, component="todo")
    heal(run, 2, FIRST, SECOND)
    run.check("syntax", SECOND, component="todo")

    log = the_log(run)

    assert (log.outcome, [each.message for each in log.remaining]) == (outcome, [GONE])
    assert f"was not checked again for import: {GONE} (line 1)" in log.sentences[0]
    assert log.sentences[-1] == f"not checked again: import: {GONE} (line 1)"
    assert "healed after" not in log.why


def test_what_is_checked_again_only_after_a_later_attempt_is_healed_then() -> None:
    run = Generation()
    run.check("import", SOURCE, (1, GONE), component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.check("syntax", FIRST, component="todo")
    heal(run, 2, FIRST, SECOND)
    run.check("import", SECOND, component="todo")

    log = the_log(run)

    assert (log.outcome, log.remaining) == ("healed", ())


def test_after_an_attempt_that_was_not_checked_what_failed_may_still_fail() -> None:
    run = Generation()
    run.check("import", SOURCE, (1, GONE), component="todo")
    heal(run, 1, SOURCE, FIRST)

    log = the_log(run)

    assert log.outcome == "unknown"
    assert [each.message for each in log.remaining] == [GONE]
    assert "attempt 1 (rule-1) was not checked afterwards" in log.why


@pytest.mark.parametrize(
    ("now", "total", "outcome", "said"),
    [
        (range(5, 105), 145, "better", "left at least 5 fewer failures of names (145 after 150)"),
        (range(5, 105), 155, "worse", "left at least 5 more failures of names (155 after 150)"),
        (range(5, 105), 150, "unchanged", "gave up after 1 attempt with names: e5; names: e6; names: e7, and 147 more"),
        (range(60, 120), 60, "better", "left at least 90 fewer failures of names (60 after 150)"),
    ],
)
def test_a_failure_that_was_not_listed_before_is_not_new(now: range, total: int, outcome: str, said: str) -> None:
    """A check lists a hundred at most, and says how many there are."""
    run = Generation()
    run.check("names", SOURCE, *((None, f"e{n}") for n in range(100)), component="todo", said={"failures_total": 150})
    heal(run, 1, SOURCE, FIRST)
    run.check("names", FIRST, *((None, f"e{n}") for n in now), component="todo", said={"failures_total": total})

    log = the_log(run)

    (attempt,) = log.attempts
    assert (log.outcome, attempt.introduced) == (outcome, ())
    assert len(attempt.fixed) == (60 if total == 60 else 0)  # those that are no longer listed, where all are
    assert said in log.why


def test_what_a_content_was_found_to_have_when_it_was_at_hand_counts_most() -> None:
    """An attempt that changed nothing is not the reason that a check fails one time and passes another."""
    run = Generation()
    run.check("names", SOURCE, (1, "undefined"), component="todo")
    heal(run, 1, SOURCE, SOURCE)
    run.check("names", SOURCE, component="todo")

    (attempt,) = the_log(run).attempts

    assert [run.passed for run in attempt.checks_before] == [False]
    assert [run.passed for run in attempt.checks_after] == [True]


def test_what_was_not_checked_again_is_neither_fixed_nor_failing() -> None:
    run = Generation()
    run.check("names", SOURCE, (1, "undefined"), component="todo")
    run.check("style", SOURCE, (2, "too short"), component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.check("names", FIRST, component="todo")

    (attempt,) = the_log(run).attempts

    assert [each.type for each in attempt.fixed] == ["names"]
    assert attempt.still == ()


def test_a_formatter_between_the_healer_and_the_checks_does_not_hide_what_they_say() -> None:
    """What is checked is what came of the attempt, up to the next one."""
    run, formatted = Generation(), FIRST.replace("\n", "  \n")
    run.check("names", "x=undefined\n", (1, "undefined"), component="todo")
    run.transform("format", "x=undefined\n", SOURCE, component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.transform("format", FIRST, formatted, component="todo")
    run.check("names", formatted, component="todo")
    run.check("imports", formatted, (3, GONE), component="todo")
    heal(run, 2, formatted, formatted + "# healed\n")
    run.check("imports", formatted + "# healed\n", (3, GONE), component="todo")

    log = the_log(run)

    assert log.sentences == (
        f"attempt 1 (rule-1) fixed names: undefined (line 1) and introduced imports: {GONE} (line 3)",
        f"attempt 2 (rule-2) did not touch line 3 (imports: {GONE})",
        f"gave up after 2 attempts with imports: {GONE} (line 3)",
    )
    assert {attempt.sure for attempt in log.attempts} == {"confirmed"}


def test_checks_that_name_no_content_are_matched_by_their_time() -> None:
    run = Generation()
    run.check("names", None, (1, "undefined"), component="todo")
    heal(run, 1, SOURCE, FIRST)
    run.check("names", None, component="todo")

    log = the_log(run)

    assert log.outcome == "healed"
    assert log.attempts[0].sure == "inferred"


def test_components_are_told_apart_and_those_without_attempts_are_told_too() -> None:
    run = failing()
    run.check("names", "ok\n", component="fine")
    run.check("names", "bad\n", (1, "undefined"), component="left")
    run.check("names", "old\n", component="todo", said={"passed": False, "explanation": "too old"})
    run.done()

    logs = {log.component: log for log in query.healing(run.trace_id, store=run.store)}

    assert {name: log.outcome for name, log in logs.items()} == {
        "todo": "worse",
        "fine": "not_needed",
        "left": "not_tried",
    }
    assert logs["left"].why == "nothing was tried; names: undefined (line 1) failed"
    assert [log.component for log in query.healing(run.trace_id, "left", store=run.store)] == ["left"]
    with pytest.raises(NotFound, match="its components: fine, left, todo"):
        query.healing(run.trace_id, "nobody", store=run.store)


def test_warnings_of_a_check_that_passed_are_no_failures() -> None:
    run = Generation()
    run.check("style", SOURCE, (1, "could be shorter"), component="todo", said={"passed": True})
    run.check("names", SOURCE, component="todo", said={"passed": False, "explanation": "no names at all"})

    log = the_log(run)

    assert [each.message for each in log.remaining] == ["no names at all"]


def test_attempts_are_known_by_action_name_or_stage() -> None:
    run = Generation()
    run.transform("healer", "a\n", "b\n", component="todo")
    run.transform("mend", "b\n", "c\n", component="todo", said={"action": "heal"})
    run.transform("mend", "c\n", "d\n", component="todo", stage="healing")
    run.transform("format", "d\n", "e\n", component="todo")

    assert [(each.number, each.name) for each in the_log(run).attempts] == [(1, "healer"), (2, "mend"), (3, "mend")]
