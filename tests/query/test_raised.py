"""What `why` says of errors that are events: the exception that ended a program comes first, with type, message, place."""

import logging
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import whence
from tests.query.generated import Generation
from whence import query
from whence.generation import GenerationLogger
from whence.instrument.logging import WhenceHandler
from whence.query.raised import MOST_LOOKED_AT, MOST_STATED
from whence.runtime.runtime import Runtime

# -- what ended the program ---------------------------------------------------------------------------------------------

Program = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(data: Path, tmp_path: Path) -> Program:
    """Run a program as `whence run` does."""

    def start(code: str) -> "subprocess.CompletedProcess[str]":
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        command = [sys.executable, "-m", "whence", "run", "--quiet", "--", sys.executable, str(script)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return start


CAUGHT_THEN_FAILED = """
    import whence

    def divide(n):
        return 1 / n

    with whence.current_trace().stage("ask") as stage:
        stage.llm_call("chat", model="m-1", prompt="hi", error={"type": "APIConnectionError", "message": "no connection"})
    divide(0)
"""


def test_the_exception_that_ended_a_program_comes_first(runtime: Runtime, program: Program) -> None:
    """Whatever the program had caught and outlived before; with type, message and place."""
    assert program(CAUGHT_THEN_FAILED).returncode == 1

    answer = query.why("last")

    assert [claim.rule for claim in answer.chain] == ["uncaught", "llm", "failed"]
    assert answer.chain[0].statement.startswith("the program ended with ZeroDivisionError: division by zero at ")
    assert answer.chain[0].statement.endswith("program.py:5 in divide")
    assert answer.headline.endswith(answer.chain[0].statement)
    assert answer.first_bad_stage is None  # no stage ended it
    assert answer.chain[-1].statement == "the run failed: exit code 1"
    event = runtime.ready_store().record(answer.chain[0].record_id)
    assert event is not None
    assert event.name == "uncaught_exception"
    assert answer.next_steps[0] == f"whence show {event.record_id}"


def test_a_stage_that_it_left_is_the_bad_one(runtime: Runtime, program: Program) -> None:
    program(
        """
        import whence
        trace = whence.current_trace()
        try:
            with trace.stage("early"):
                raise ValueError("caught")
        except ValueError:
            pass
        with trace.stage("outer"), trace.stage("inner"):
            1 / 0
        """
    )

    answer = query.why("last")

    assert (answer.chain[0].rule, answer.first_bad_stage) == ("uncaught", "inner")
    assert "went wrong in inner" in answer.headline
    assert "early" in [claim.stage for claim in answer.chain]  # it is stated all the same


def test_an_exception_in_a_thread_is_stated_and_ended_nothing(runtime: Runtime, program: Program) -> None:
    done = program(
        """
        import threading
        thread = threading.Thread(target=lambda: "a".index("b"))
        thread.start()
        thread.join()
        """
    )

    answer = query.why("last")

    assert (done.returncode, answer.outcome) == (0, "good")
    assert [claim.rule for claim in answer.chain] == ["uncaught_in_thread"]
    assert answer.chain[0].statement.startswith("a thread ended with ValueError: substring not found at ")
    assert answer.headline.endswith("is complete, but: 1 thread ended with an exception")


def test_a_signal_that_killed_the_program_is_named(runtime: Runtime, program: Program) -> None:
    program("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    answer = query.why("last")

    assert answer.chain[0].statement == "the program was killed by SIGKILL (exit code 137)"
    assert answer.headline.endswith("was killed by SIGKILL (exit code 137)")


def test_another_exit_code_is_a_number(runtime: Runtime, program: Program) -> None:
    """3 by its own will, and 255, which is no signal's."""
    for code in (3, 255):
        program(f"raise SystemExit({code})")
        assert [claim.statement for claim in query.why("last").chain] == [f"the run failed: exit code {code}"]


def test_an_exception_that_the_exit_code_is_not_of_ended_only_its_process(runtime: Runtime, program: Program) -> None:
    program(
        """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "1 / 0"])
        sys.exit(4)
        """
    )

    answer = query.why("last")

    assert [claim.rule for claim in answer.chain] == ["uncaught_elsewhere", "failed"]
    assert answer.chain[0].statement.startswith("a process of the program ended with ZeroDivisionError")


# -- errors that were recorded ------------------------------------------------------------------------------------------


def test_a_logged_error_has_type_message_and_place(runtime: Runtime) -> None:
    """What its stage says of the same error is stated once, with the place that only the event knows."""
    with GenerationLogger(project="gen") as log:
        log.start_stage("generate", "todo")
        try:
            _ = "a".index("b")
        except ValueError as error:
            log.log_error("generate", "todo", error)
        log.end_stage("generate", "todo")
        log.log_error("deploy", "todo", "no such host")

    answer = query.why("last")

    assert [claim.rule for claim in answer.chain] == ["stage_error", "error"]
    of_stage, of_event = (claim.statement for claim in answer.chain)
    assert of_stage.startswith("stage generate of todo failed: ValueError: substring not found at ")
    assert "test_raised.py:" in of_stage
    assert of_event.startswith("error of todo: Error: no such host at ")
    assert answer.headline.endswith("is complete, but: 1 stage failed, 1 error recorded")


def test_a_bad_event_is_stated_and_is_the_cause_only_where_nothing_else_is(runtime: Runtime) -> None:
    with pytest.raises(ValueError, match="empty"), whence.trace("p") as trace:
        trace.event("disk", "nearly full", level="critical")
        trace.event("hello", "nothing bad", level="medium")
        with trace.stage("rank"):
            raise ValueError("empty")

    answer = query.why("last")

    assert [claim.rule for claim in answer.chain] == ["event", "stage_error", "failed"]
    assert answer.chain[0].statement == "critical event disk: nearly full"
    assert answer.first_bad_stage == "rank"
    assert "went wrong in rank: stage rank failed: ValueError: empty" in answer.headline


def test_a_log_line_says_its_exception(runtime: Runtime) -> None:
    logger = logging.Logger("shop.db")
    logger.addHandler(WhenceHandler())
    with whence.trace("p") as trace:
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            logger.exception("no answer from %s", "db-1")
        trace.mark("complete")

    statement = query.why("last").chain[0].statement
    assert statement.startswith("high event shop.db: no answer from db-1: ZeroDivisionError: division by zero at ")
    assert "test_raised.py:" in statement


def test_many_errors_are_few_statements(runtime: Runtime) -> None:
    """The same one is stated once; of different ones the first, and how many there are after them."""
    with whence.trace("p") as trace:
        for _ in range(7):
            trace.event("disk", "full", level="high")
        for n in range(MOST_STATED + 3):
            trace.event("row", f"{n} is bad", level="high")
        trace.mark("complete")

    answer = query.why("last")
    said = [claim.statement for claim in answer.chain]

    assert answer.headline.endswith(f"is complete, but: more than {MOST_STATED} bad events")
    assert said[0] == "high event disk: full (7 times)"
    assert len(said) == MOST_STATED + 1
    assert said[-1] == "4 more errors were recorded after that"


def test_the_last_error_is_found_behind_any_number_of_others() -> None:
    made = Generation()
    for _ in range(MOST_LOOKED_AT + 20):
        made.add("event", {"message": "again"}, "noise", level=3)
    error = {"type": "OSError", "message": "gone", "where": "app.py:3 in read"}
    made.add("event", {"message": "gone", "attributes": {"error": error}}, "uncaught_exception", level=4)
    exit_code = {"type": "ExitCode", "message": "exit code 1"}
    made.add("trace.end", {"status": "failed", "error": exit_code}, "run")

    answer = query.why(made.trace_id, store=made.done())

    assert answer.chain[0].statement == "the program ended with OSError: gone at app.py:3 in read"
    assert answer.chain[1].statement.startswith("high event noise: again (")
