"""The generation logger: every call is an event that counts and a record of the session's trace, and none ever raises."""

import asyncio
import gc
import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import whence
from tests.conftest import Run
from tests.generation.reading import calls, of, said
from whence import query
from whence.generation import (
    GenerationEvent,
    GenerationLogger,
    SimpleGenerationLogger,
    get_generation_logger,
    observable,
)
from whence.generation.said import type_of
from whence.generation.session import COMPONENT_SPAN, MOST_EVENTS
from whence.record import context
from whence.redact.capture import CaptureLevel
from whence.runtime.runtime import Runtime
from whence.runtime.settings import ProjectConfig, write_project
from whence.testing.capture import Captured

SECRET = "ghp_R4tK9vLmX2bQ7wNcJ8sYpD3fH6gA1eZ5uT0i"


# -- a session is a trace --------------------------------------------------------------------------------------------


def test_a_session_is_a_trace_that_knows_its_session(captured: Captured) -> None:
    """R3.16, R3.31: one id for everything that was logged."""
    with GenerationLogger(project="shop") as logger:
        logger.log_llm_interaction("todo_store", "p", "r")

    assert UUID(logger.session_id).version == 4
    assert captured.trace.trace_id == logger.trace_id
    assert captured.trace.start.attributes == {"session_id": logger.session_id}
    assert captured.trace.project == "shop"
    assert captured.trace.status == "complete"
    assert {each.trace for each in captured.records} == {logger.trace.otel_trace_id}


def test_a_session_outside_any_trace_is_the_current_one_until_it_is_closed(captured: Captured) -> None:
    logger = GenerationLogger()
    whence.decision("fits", what="yes")
    logger.close()
    whence.decision("nobody", what="hears this")

    assert [each.trace for each in of(captured, "decision")] == [logger.trace.otel_trace_id]


def test_a_session_made_inside_a_run_is_its_child_and_leaves_it_the_current_one(captured: Captured) -> None:
    """A generator that makes its logger somewhere in a run must not take over what the run records after that."""
    with whence.trace("shop") as outer:
        logger = GenerationLogger()
        whence.decision("of the run")
        with logger:
            whence.decision("of the session")
        whence.decision("of the run again")

    first, second, third = (each.trace for each in of(captured, "decision"))
    assert (first, second, third) == (outer.otel_trace_id, logger.trace.otel_trace_id, outer.otel_trace_id)
    _, inner = captured.traces
    assert inner.start.parent_trace_id == outer.trace_id


async def test_the_block_is_async_as_well(captured: Captured) -> None:
    async with GenerationLogger() as logger:
        logger.start_stage("s", "c")
        logger.end_stage("s", "c")

    assert captured.trace.status == "complete"


def test_an_exception_that_leaves_the_block_fails_the_run_and_validation_errors_do_not(captured: Captured) -> None:
    with GenerationLogger() as good:
        good.log_validation_error("c", "SyntaxError", "m", 1)
    with pytest.raises(ValueError, match="boom"), GenerationLogger():
        raise ValueError("boom")

    assert [trace.status for trace in captured.traces] == ["complete", "failed"]


def test_a_session_that_nobody_closed_ends_with_its_logger(captured: Captured) -> None:
    logger = GenerationLogger()
    logger.start_stage("s", "c")
    del logger
    gc.collect()

    assert captured.trace.status == "complete"
    assert whence.current_trace() is None


def test_a_session_that_nobody_closed_ends_with_the_program(data: Path, run: Run) -> None:
    run(
        """
        from whence.generation import GenerationLogger
        logger = GenerationLogger(project="p")
        logger.log_llm_interaction("c", "prompt", "response", "m", 1, 2)
        """
    )

    whence.init(data=data)
    row = query.find("last")
    assert (row.status, row.llm_calls, row.project_name) == ("complete", 1, "p")
    whence.shutdown()


def test_a_forked_child_ends_nothing(data: Path, run: Run) -> None:
    """The child leaves by the front door, at exit handlers and all; the session goes on in its parent."""
    done = run(
        """
        import os, sys
        from whence.generation import GenerationLogger
        logger = GenerationLogger(project="p")
        logger.log_llm_interaction("c", "from the parent", "r")
        if os.fork() == 0:
            logger.log_llm_interaction("c", "from the child", "r")
            sys.exit(0)
        os.wait()
        from whence.runtime.runtime import runtime
        view = runtime().view(logger.trace.otel_trace_id)
        print(view.status, len(view.llm_calls), view.stages["component_generation"].attempts[0].ended_ns)
        """
    )

    assert done.stdout.split() == ["in_progress", "2", "None"]
    assert done.stderr == ""


def test_a_forked_child_does_not_end_a_stage_of_its_parents(data: Path, run: Run) -> None:
    """Each end is said once; what the child began itself it ends."""
    done = run(
        """
        import os
        from whence.generation import GenerationLogger
        logger = GenerationLogger(project="p")
        logger.start_stage("s", "c")
        if os.fork() == 0:
            logger.start_stage("own", "c")
            logger.end_stage("own", "c")
            logger.end_stage("s", "c", lines=3)
            os._exit(0)
        os.wait()
        logger.end_stage("s", "c")
        logger.close()
        from whence.runtime.runtime import runtime
        records = list(runtime().ready_store().trace_records(logger.trace.otel_trace_id))
        print(*sorted(f"{each.kind}:{each.name}" for each in records if each.name in ("s", "own", "end_in_child")))
        """
    )

    assert done.stdout.split() == [
        "event:end_in_child",
        *(f"span.{at}:{s}" for at in ("end", "start") for s in ("own", "s")),
    ]


def test_the_process_has_a_session_of_its_own(captured: Captured) -> None:
    """D3: one for all that asks for it; it belongs to nobody's run and is current for nobody."""
    with whence.trace("shop") as outer:
        logger = get_generation_logger()
        whence.decision("of the run")

    assert get_generation_logger() is logger
    assert [each.trace for each in of(captured, "decision")] == [outer.otel_trace_id]
    assert captured.traces[1].start.parent_trace_id is None


def test_in_a_program_that_is_recorded_as_a_whole_a_session_is_current(captured: Captured) -> None:
    """`whence run` puts everything into one trace; a session inside is its child, and still the one things belong to."""
    with whence.trace("whole") as whole:
        context.of_process(whole)
    try:
        observable("before")(lambda: None)()
        with GenerationLogger() as logger:
            observable("inside")(lambda: None)()
    finally:
        process = context._process
        context.of_process(None)
        process.left = True  # type: ignore[union-attr]

    assert calls(captured, "before")[0][0].trace == whole.otel_trace_id
    assert calls(captured, "inside")[0][0].trace == logger.trace.otel_trace_id
    assert captured.traces[-1].start.parent_trace_id == whole.trace_id


def test_what_is_known_need_not_be_said_again(captured: Captured) -> None:
    """R3.12: bound context."""
    with GenerationLogger() as logger:
        bound = logger.bind(component_name="todo_store").bind(operation="generate")
        bound.start_stage("design")
        bound.log_llm_interaction(prompt="p", response="r")
        bound.log_validation_error(error_type="SyntaxError", error_message="m", line_number=1)
        bound.end_stage("design")

        assert bound.generate_summary()["total_events"] == 4
        assert {each.component for each in logger.events} == {"todo_store"}
        assert {each.data["operation"] for each in logger.events} == {"generate"}


def test_an_event_says_what_is_bound_and_its_own_first(captured: Captured) -> None:
    with GenerationLogger() as logger:
        bound = logger.bind(component_name="todo_store", operation="generate")
        bound.emit_event(GenerationEvent("s", data={"n": 1}))
        bound.emit_event(GenerationEvent("s", "other", {"operation": "mine"}))
        bound.emit_event(GenerationEvent("s", data=[1]))
        bound.emit_event("nonsense")

    assert [(each.component, each.data) for each in logger.events] == [
        ("todo_store", {"operation": "generate", "n": 1}),
        ("other", {"operation": "mine"}),
        ("todo_store", [1]),
    ]


# -- every call counts (C3.2) ----------------------------------------------------------------------------------------


def every_call(logger: GenerationLogger, directory: Path) -> None:
    logger.start_stage("design", "todo_store", reason="first")
    logger.end_stage("design", "todo_store", lines=12)
    logger.log_error("design", "todo_store", ValueError("boom"))
    logger.log_llm_interaction(
        component_name="todo_store", prompt="p", response="r", model="m", tokens_in=3, tokens_out=4
    )
    logger.log_template_render("todo_store", "store.j2", {"name": "todo"}, "class Todo:\n    pass\n")
    logger.log_validation_error(
        component_name="todo_store", error_type="SyntaxError", error_message="bad", line_number=3
    )
    logger.log_file_write("todo_store", directory / "x.py", "x = 1\n")


def test_every_call_is_an_event_and_a_record(captured: Captured, tmp_path: Path) -> None:
    with GenerationLogger() as logger:
        every_call(logger, tmp_path)
        summary = logger.generate_summary()

    assert [each.event_type for each in logger.events] == [
        *("start", "end", "error", "llm_interaction", "template_render", "validation_error", "file_write"),
    ]
    assert summary["total_events"] == 7
    assert [each["event"] for each in summary["errors"]] == ["error", "validation_error"]
    assert summary["components_generated"] == ["todo_store"]
    assert summary["stages"]["design"]["count"] == 1
    assert summary["llm"] == {"calls": 1, "errors": 0, "tokens_in": 3, "tokens_out": 4, "duration_ms": 0.0}
    assert summary["files"] == {str(tmp_path / "x.py"): 1}
    made = [(each.kind, each.name) for each in captured.records]
    for expected in [
        *(("span.start", "design"), ("span.end", "design"), ("event", "error"), ("span.end", "llm_request")),
        *(("transform", "template_render"), ("check", "validation"), ("file", str(tmp_path / "x.py"))),
    ]:
        assert expected in made
    assert {each.component for each in captured.records if each.kind not in ("trace.start", "trace.end")} == {
        "todo_store"
    }


def test_the_summary_is_plain_json_with_the_keys_of_the_design(captured: Captured, tmp_path: Path) -> None:
    """C3.4, D3."""
    with GenerationLogger() as logger:
        every_call(logger, tmp_path)
        summary = logger.generate_summary()

    assert json.loads(json.dumps(summary)) == summary
    assert {"session_id", "total_events", "components_generated", "errors", "total_duration_ms", "stages"} <= set(
        summary
    )
    assert set(summary["stages"]["design"]) == {"count", "total_duration_ms", "errors"}


def test_an_event_has_the_fields_of_the_design(captured: Captured) -> None:
    """D3 and R3.14."""
    with GenerationLogger() as logger:
        logger.log_error("design", "todo_store", ValueError("boom"), attempt=2)

    (event,) = logger.events
    assert event.component == event.component_name == "todo_store"
    assert (event.stage, event.event_type, event.session_id) == ("design", "error", logger.session_id)
    assert (event.error, event.data) == ("boom", {"attempt": 2, "error_type": "ValueError"})
    assert event.timestamp.endswith("Z")
    assert event.duration_ms is None
    assert set(event.as_dict()) == {
        *(
            "timestamp",
            "session_id",
            "component_name",
            "stage",
            "event_type",
            "duration_ms",
            "data",
            "error",
            "traceback",
        ),
    }
    assert GenerationEvent("llm_request", "todo", {"prompt": "p"}).error is None


def test_events_are_bounded_and_counts_go_on(captured: Captured) -> None:
    with GenerationLogger() as logger:
        for number in range(MOST_EVENTS + 10):
            logger.start_stage("s", "c", number=number)

        assert len(logger.events) == MOST_EVENTS
        assert logger.events[0].data == {"number": 10}
        assert logger.generate_summary()["total_events"] == MOST_EVENTS + 10


def test_events_are_bounded_in_size_too(captured: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand prompts of a megabyte would be ten gigabytes of somebody else's memory."""
    monkeypatch.setattr("whence.generation.session.MOST_BYTES", 10_000)
    observed = observable("s")(lambda text: text)
    with GenerationLogger() as logger:
        for number in range(20):
            logger.log_llm_interaction("c", str(number) * 1000, "r")
        assert 3 < len(logger.events) < 10
        for number in range(20):
            observed(str(number) * 1000)

        assert 3 < len(logger.events) < 10
        assert logger.events[-1].data == {"result": "19" * 1000}
        assert logger.generate_summary()["total_events"] == 60


def test_an_event_of_ones_own_is_one_like_the_others(captured: Captured) -> None:
    """R3.14: emit_event."""
    with GenerationLogger() as logger:
        logger.emit_event(GenerationEvent("llm_request", "todo_store", {"prompt": "p"}))
        logger.emit_event("nonsense")  # type: ignore[arg-type]

    assert [(each.stage, each.component, each.data) for each in logger.events] == [
        ("llm_request", "todo_store", {"prompt": "p"})
    ]
    assert said(of(captured, "event", "llm_request")[0])["attributes"]["data"] == {"prompt": "p"}


# -- where records lie -----------------------------------------------------------------------------------------------


def test_what_is_said_of_a_component_lies_in_its_span(captured: Captured) -> None:
    """R3.13: component_generation is the parent of llm_request and template_render."""
    with GenerationLogger() as logger:
        logger.log_llm_interaction("a", "p", "r")
        logger.log_template_render("b", "t", {}, "out")
        logger.log_llm_interaction("a", "p2", "r2")

    spans = {start.component: (start, end) for start, _, end, _ in calls(captured, COMPONENT_SPAN)}
    assert sorted(spans) == ["a", "b"]
    assert all(end is not None for _, end in spans.values())
    assert {each.parent for each in of(captured, "span.end", "llm_request")} == {spans["a"][0].span}
    assert of(captured, "transform")[0].span == spans["b"][0].span
    assert {start.parent for start, _ in spans.values()} == {logger.trace.span}


def test_a_stage_started_by_name_holds_what_comes_in_it(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.start_stage("outer", "a")
        logger.start_stage("inner", "a")
        logger.log_llm_interaction("a", "p", "r")
        logger.end_stage("inner", "a")
        logger.log_llm_interaction("a", "p", "r")
        logger.end_stage("outer", "a")

    outer, inner = calls(captured, "outer")[0][0], calls(captured, "inner")[0][0]
    first, second = of(captured, "span.end", "llm_request")
    assert inner.parent == outer.span
    assert (first.parent, second.parent) == (inner.span, outer.span)


def test_a_current_stage_holds_what_is_said_of_its_component(captured: Captured) -> None:
    with GenerationLogger() as logger, logger.trace.stage("mine", component="a") as stage:
        logger.log_llm_interaction("a", "p", "r")
        logger.log_llm_interaction("b", "p", "r")

    first, second = of(captured, "span.end", "llm_request")
    assert first.parent == stage.span
    assert second.parent == calls(captured, COMPONENT_SPAN)[0][0].span


# -- stages and their durations (C3.9) -------------------------------------------------------------------------------


def test_nested_stages_of_the_same_name_pair_up(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.start_stage("s", "c", depth=1)
        logger.start_stage("s", "c", depth=2)
        logger.end_stage("s", "c", depth=2)
        logger.end_stage("s", "c", depth=1)

    for _, start, _, end in calls(captured, "s"):
        assert start["attributes"]["depth"] == end["outputs"]["depth"]
    durations = [each.duration_ms for each in logger.events if each.event_type == "end"]
    assert None not in durations
    assert durations[0] < durations[1]  # type: ignore[operator]


def test_parallel_stages_of_the_same_name_pair_up_by_thread(captured: Captured) -> None:
    together = threading.Barrier(8)

    def work(number: int) -> None:
        together.wait()
        logger.start_stage("s", "c", number=number)
        together.wait()  # all are open now
        logger.end_stage("s", "c", number=number)

    with GenerationLogger() as logger, ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))

    pairs = calls(captured, "s")
    assert len(pairs) == 8
    assert all(start["attributes"]["number"] == end["outputs"]["number"] for _, start, _, end in pairs)


async def test_parallel_stages_of_the_same_name_pair_up_by_task(captured: Captured) -> None:
    async def work(number: int) -> None:
        logger.start_stage("s", "c", number=number)
        await asyncio.sleep(0)
        logger.log_llm_interaction("c", "p", "r", number=number)
        await asyncio.sleep(0)
        logger.end_stage("s", "c", number=number)

    with GenerationLogger() as logger:
        await asyncio.gather(*(work(number) for number in range(50)))

    pairs = calls(captured, "s")
    assert len(pairs) == 50
    assert all(start["attributes"]["number"] == end["outputs"]["number"] for _, start, _, end in pairs)
    spans = {start["attributes"]["number"]: record.span for record, start, _, _ in pairs}
    llm = of(captured, "span.end", "llm_request")
    assert all(spans[said(each)["attributes"]["number"]] == each.parent for each in llm)


def test_a_stage_may_be_ended_elsewhere(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.start_stage("s", "c")
        assert list(logger.stage_timers) == ["c:s"]
        thread = threading.Thread(target=logger.end_stage, args=("s", "c"))
        thread.start()
        thread.join()

        assert logger.stage_timers == {}
    assert calls(captured, "s")[0][2] is not None


def test_an_end_without_a_start_is_said_and_has_no_duration(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.end_stage("s", "c", name="x")

    assert logger.events[0].duration_ms is None
    assert said(of(captured, "event", "end_without_start")[0])["attributes"] == {"name_": "x"}
    assert logger.generate_summary()["stages"]["s"]["count"] == 1


def test_a_stage_that_nobody_ended_ends_with_the_session_and_says_so(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.start_stage("s", "c")
        logger.start_stage("t", "c")
        logger.log_error("t", "c", ValueError("boom"))

    (_, _, _, forgotten), (_, _, _, failed) = calls(captured, "s")[0], calls(captured, "t")[0]
    assert "still open" in forgotten["error"]
    assert failed["error"] == {"type": "ValueError", "message": "boom"}


# -- errors (R3.19, C3.7) --------------------------------------------------------------------------------------------


def fails() -> None:
    raise ValueError("boom")


def test_the_stack_is_that_of_the_exception_wherever_it_is_logged(captured: Captured) -> None:
    kept: BaseException | None = None
    try:
        fails()
    except ValueError as exc:
        kept = exc
    with GenerationLogger() as logger:
        logger.log_error("s", "c", kept)

    stack = logger.events[0].traceback or ""
    assert "in fails" in stack
    assert stack.endswith("ValueError: boom")
    recorded = of(captured, "event", "error")[0]
    assert said(recorded)["attributes"]["traceback"] == stack
    assert recorded.level == 3


def test_a_text_has_the_stack_of_what_is_being_handled_else_of_its_caller(captured: Captured) -> None:
    with GenerationLogger() as logger:
        try:
            fails()
        except ValueError:
            logger.log_error("s", "c", "it failed")
        logger.log_error("s", "c", "just so")

    first, second = (each.traceback or "" for each in logger.events)
    assert "in fails" in first
    assert "test_a_text_has_the_stack" in second
    assert "whence/generation" not in second
    assert "NoneType: None" not in first + second


def test_causes_are_told(captured: Captured) -> None:
    with GenerationLogger() as logger:
        try:
            try:
                fails()
            except ValueError as exc:
                raise TypeError("k") from exc
        except TypeError as exc:
            logger.log_error("s", "c", exc)

    stack = logger.events[0].traceback or ""
    assert stack.index("ValueError: boom") < stack.index("direct cause") < stack.index("TypeError: k")


# -- LLM calls (R3.12, R3.20) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda log: log(
            component_name="c", prompt="p", response="r", model="m", tokens_in=1, tokens_out=2, duration_ms=5
        ),
        lambda log: log("c", "p", "r", "m", 1, 2, 5),
        lambda log: log(
            "p", "r", {"component_name": "c", "model": "m", "tokens_in": 1, "tokens_out": 2, "duration_ms": 5}
        ),
        lambda log: log(
            "p", "r", metadata={"component_name": "c", "model": "m", "tokens_in": 1, "tokens_out": 2, "duration_ms": 5}
        ),
    ],
    ids=["keywords", "positions", "prompt, response, metadata", "metadata by name"],
)
def test_an_interaction_may_be_said_in_every_form(captured: Captured, call: Any) -> None:
    with GenerationLogger() as logger:
        call(logger.log_llm_interaction)

    record = of(captured, "span.end", "llm_request")[0]
    made = said(record)
    assert record.component == "c"
    assert made["duration_ns"] == 5_000_000
    assert made["attributes"] == {
        "model": "m",
        "prompt": "p",
        "response": "r",
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
    }
    assert logger.events[0].duration_ms == 5.0


def test_an_interaction_keeps_what_else_is_said_and_its_error(captured: Captured) -> None:
    """C3.11: estimated counts are marked as such by whoever estimates; retries and the like are kept."""
    with GenerationLogger() as logger:
        logger.log_llm_interaction(
            "c", "p", None, error=TimeoutError("slow"), retries=2, tokens_estimated=True, name="odd", stage="odd too"
        )

    record = of(captured, "span.end", "llm_request")[0]
    made = said(record)
    assert made["error"] == {"type": "TimeoutError", "message": "slow"}
    assert made["attributes"] == {
        "prompt": "p",
        "retries": 2,
        "tokens_estimated": True,
        "name_": "odd",
        "stage_": "odd too",
    }
    assert record.level == 3
    summary = logger.generate_summary()
    assert (summary["llm"]["errors"], summary["total_errors"]) == (1, 1)


# -- templates, validation, files ------------------------------------------------------------------------------------


def test_a_rendering_says_what_went_in_and_what_came_out(captured: Captured) -> None:
    """R3.2, R3.21."""
    body = "def a():\n    return 1\n"
    with GenerationLogger() as logger:
        logger.log_template_render(
            "c", "store.j2", {"name": "todo", "body": body}, f"x = 1\n{body}", template="{{ body }}"
        )

    made = said(of(captured, "transform", "template_render")[0])
    assert made["action"] == "render"
    assert made["result"]["chars"] == len(body) + 6
    assert [(each["role"], each["name"]) for each in made["materials"]] == [
        ("template", "store.j2"),
        ("variable", "body"),
    ]
    assert made["using"]["variables"]["name"] == "todo"
    assert logger.events[0].data["indentation"] == [0, 4]


def test_a_template_that_fails_is_a_rendering_with_an_error(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.log_template_render("c", "store.j2", {}, None, error=TypeError("name"))

    made = said(of(captured, "transform")[0])
    assert made["error"] == {"type": "TypeError", "message": "name"}
    assert "result" not in made
    assert logger.generate_summary()["stages"]["template_render"]["errors"] == 1


@pytest.mark.parametrize(
    ("error_type", "message", "family"),
    [
        ("SyntaxError", "unexpected EOF while parsing", "syntax"),
        ("IndentationError", "expected an indented block", "indentation"),
        ("TabError", "", "indentation"),
        ("ImportError", "cannot import name 'x'", "import"),
        ("ModuleNotFoundError", "No module named 'observability'", "import"),
        ("ValidationError", "No module named 'observability'", "import"),
        ("import", "", "import"),
        ("AssertionError", "important", "logic"),
        ("ValidationError", "wrong", "logic"),
        ("", "", "logic"),
    ],
)
def test_a_validation_error_is_of_a_type(error_type: str, message: str, family: str) -> None:
    """R3.33: a wrong import line is an error of type `import`."""
    assert type_of(error_type, message) == family


def test_a_validation_error_is_a_check_that_did_not_pass(captured: Captured) -> None:
    """R3.22, R3.28: line, context, and how we came there."""
    with GenerationLogger() as logger:
        logger.log_validation_error(
            "todo_store",
            "ModuleNotFoundError",
            "No module named 'observability'",
            3,
            "from observability import X",
            phase="after",
        )

    made = said(of(captured, "check")[0])
    assert (made["type"], made["passed"], made["phase"]) == ("import", False, "after")
    assert made["failures"] == [
        {
            "type": "ModuleNotFoundError",
            "message": "No module named 'observability'",
            "line": 3,
            "context": "from observability import X",
        }
    ]
    assert "test_a_validation_error_is_a_check" in (logger.events[0].traceback or "")
    (error,) = logger.generate_summary()["errors"]
    assert (error["line_number"], error["error_type"]) == (3, "ModuleNotFoundError")


def test_a_file_that_is_there_is_read_back_and_one_that_is_not_is_announced(captured: Captured, tmp_path: Path) -> None:
    """R3.4, R3.23."""
    there, other, missing = tmp_path / "a.py", tmp_path / "b.py", tmp_path / "c.py"
    there.write_text("x = 1\n")
    other.write_text("x = 2\n")
    with GenerationLogger() as logger:
        logger.log_file_write("c", there, "x = 1\n")
        logger.log_file_write("c", other, "x = 1\n")
        logger.log_file_write("c", missing, "x = 1\n")

    right, wrong, announced = (said(each) for each in of(captured, "file"))
    assert (right["verified"], wrong["verified"]) == (True, False)
    assert "verified" not in announced
    assert "error" not in announced
    assert announced["attributes"]["announced"] is True
    assert logger.events[0].data["bytes"] == 6
    assert logger.generate_summary()["total_errors"] == 0


@pytest.mark.parametrize("content", [b"\x00\xff", bytearray(b"x"), {"a": 1}, None, 5, object()])
def test_a_file_may_hold_anything(captured: Captured, tmp_path: Path, content: Any) -> None:
    with GenerationLogger() as logger:
        logger.log_file_write("c", tmp_path / "x", content)

    assert len(of(captured, "file")) == 1
    assert len(logger.events) == 1


# -- secrets and odd values (C3.5, C3.10) ----------------------------------------------------------------------------


def test_a_secret_is_masked_in_records_events_and_summary(runtime: Runtime, tmp_path: Path) -> None:
    with GenerationLogger() as logger:
        logger.log_llm_interaction("c", f"my token is {SECRET}", f"ok, {SECRET}", api_key="hunter2-hunter2")
        logger.log_error("s", "c", ValueError(f"bad token {SECRET}"))
        logger.start_stage("s", "c", password="hunter2-hunter2")
    everything = json.dumps([each.as_dict() for each in logger.events]) + json.dumps(logger.generate_summary())
    everything += "".join(
        path.read_bytes().decode("latin-1") for path in runtime.settings.data.rglob("*") if path.is_file()
    )

    assert SECRET not in everything
    assert "hunter2" not in everything
    assert "[REDACTED" in everything


def test_the_capture_level_of_the_project_holds_for_events_too(runtime: Runtime) -> None:
    write_project(runtime.settings.data, "quiet", ProjectConfig(capture=CaptureLevel.HASH))
    whence.init(data=runtime.settings.data)
    with GenerationLogger(project="quiet") as logger:
        logger.log_llm_interaction("c", "a prompt nobody may read", "r")
        logger.log_file_write("c", "a_path_nobody_may_read.py", "x = 1")

    assert set(logger.events[0].data["prompt"]) == {"chars", "hash"}
    assert logger.events[0].data["prompt_length"] == 24
    assert list(logger.generate_summary()["files"]) == [logger.events[1].data["file_path"]["hash"]]
    whence.shutdown()


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.just(Decimal("NaN")),
    st.just(float("nan")),
    st.just("\ud800"),
    st.builds(Hostile),
    st.builds(object),
    st.just(ValueError(Hostile())),
    st.dictionaries(st.integers() | st.text(), st.floats() | st.text(), max_size=2),
    st.lists(st.text() | st.integers(), max_size=3),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(anything, min_size=6, max_size=6), st.dictionaries(st.text(max_size=4), anything, max_size=2))
def test_no_call_ever_raises_whatever_it_is_given(values: list[Any], more: dict[str, Any]) -> None:
    """C3.5."""
    from whence.testing import capture

    with capture():
        logger = GenerationLogger()
        for method in (
            *(logger.start_stage, logger.end_stage, logger.log_error, logger.log_llm_interaction),
            *(logger.log_template_render, logger.log_validation_error, logger.log_file_write, logger.emit_event),
        ):
            method(*values[:1])
            method(*values[:4])
            method(*values[: method.__wrapped__.__code__.co_argcount - 1], **more)  # type: ignore[attr-defined]
        json.dumps(logger.generate_summary())
        assert all(msg.as_dict() for msg in logger.events)
        logger.close()
        stats = whence.stats()

    assert stats["emitted"] == stats["written"] + sum(sum(each.values()) for each in stats["dropped"].values())


def test_a_call_that_is_no_call_is_counted_and_not_raised(captured: Captured) -> None:
    with GenerationLogger() as logger:
        logger.start_stage()  # type: ignore[call-arg]
        logger.log_file_write(1, 2, 3, 4)  # type: ignore[call-arg]

    assert whence.stats()["internal_errors"] == 2


class RaisingPath:
    def __fspath__(self) -> str:
        raise RuntimeError("no path today")


@pytest.mark.parametrize("log_dir", [5, "\0", object(), RaisingPath()])
def test_a_directory_that_is_none_costs_the_files_only(captured: Captured, log_dir: Any) -> None:
    with GenerationLogger(log_dir) as logger:
        logger.log_llm_interaction("c", "p", "r")

    assert captured.trace.status == "complete"
    assert len(logger.events) == 1


# -- switched off ----------------------------------------------------------------------------------------------------


def test_a_project_that_is_switched_off_gets_nothing(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whence.init(data=data, enabled=False)
    with SimpleGenerationLogger() as logger:
        every_call(logger, tmp_path)
        summary = logger.generate_summary()

    assert not logger.trace
    assert (summary["total_events"], summary["errors"], summary["stages"]) == (0, [], {})
    assert not (tmp_path / "generation_logs").exists()
    assert get_generation_logger().events == []
    assert whence.stats()["emitted"] == 0
    whence.shutdown()


def test_counts_are_exact_with_many_threads(captured: Captured) -> None:
    def work(number: int) -> None:
        for turn in range(50):
            logger.start_stage("s", f"c{number}")
            logger.log_validation_error(f"c{number}", "SyntaxError", "m", turn)
            logger.end_stage("s", f"c{number}")

    with GenerationLogger() as logger, ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
        summary = logger.generate_summary()

    assert summary["total_events"] == 8 * 50 * 3
    assert summary["stages"]["s"]["count"] == 8 * 50
    assert len(summary["errors"]) == 8 * 50
    assert len(calls(captured, COMPONENT_SPAN)) == 8
    assert os.getpid() == captured.trace.start.pid
