"""E16: one run, three ways out: JSON lines, OpenTelemetry spans, an observer. Replayed, the lines give the same answers."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.stubs.otlp_receiver import OtlpReceiver
from whence.generation import GenerationEvent, GenerationLogger, add_observer, flush, remove_observer
from whence.runtime.runtime import Runtime

HERE_ONLY = ("trace_file_path", "created_at", "updated_at")


def ask(data: Path, *words: str) -> Any:
    """Return what the command line answers about a data directory."""
    done = subprocess.run(
        [sys.executable, "-m", "whence", "--data", str(data), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in words else done.stdout


@pytest.fixture
def heard(runtime: Runtime, tmp_path: Path) -> list[GenerationEvent]:
    """A session of two components, and the events that a registered observer got."""
    events: list[GenerationEvent] = []
    target = tmp_path / "todo_store.py"
    with GenerationLogger(project="generate") as logger:
        add_observer(events.append)
        for component in ("todo_store", "csv_sink"):
            logger.log_llm_interaction(
                component_name=component,
                prompt=f"Generate a component {component}",
                response=f"class {component}: ...",
                model="gpt-4o",
                tokens_in=45,
                tokens_out=12,
            )
            logger.log_template_render(
                component,
                "component.j2",
                {"name": component},
                f"class {component}:\n    pass\n",
                template="class {{ name }}",
            )
        logger.log_validation_error(
            component_name="todo_store",
            error_type="ImportError",
            error_message="No module named 'observability'",
            line_number=3,
            code_context="from observability import ComposedComponent",
        )
        target.write_text("class todo_store:\n    pass\n")
        logger.log_file_write("todo_store", str(target), target.read_text())
    flush(5)
    remove_observer(events.append)
    return events


def test_the_lines_replayed_into_an_empty_store_give_the_same_answers(
    heard: list[GenerationEvent], runtime: Runtime, tmp_path: Path
) -> None:
    data, elsewhere, file = runtime.settings.data, tmp_path / "elsewhere", tmp_path / "run.jsonl"
    runtime.close()
    ask(data, "export", "-o", str(file))
    ask(elsewhere, "import", str(file))

    (row,) = ask(data, "traces", "--json")
    (again,) = ask(elsewhere, "traces", "--json")
    assert {k: v for k, v in row.items() if k not in HERE_ONLY} == {
        k: v for k, v in again.items() if k not in HERE_ONLY
    }
    for words in (
        ["steps", row["id"]],
        ["llm", row["id"]],
        ["checks", row["id"]],
        ["search", "observability"],
        ["cost"],
    ):
        assert ask(data, *words, "--json") == ask(elsewhere, *words, "--json"), words
    blamed = [ask(each, "blame", f"{tmp_path}/todo_store.py:1", "--json") for each in (data, elsewhere)]
    assert blamed[0] == blamed[1]


def test_a_backend_shows_the_component_above_its_request_and_its_template(
    heard: list[GenerationEvent], runtime: Runtime
) -> None:
    runtime.close()
    with OtlpReceiver() as receiver:
        ask(runtime.settings.data, "export", "last", "--to", receiver.endpoint)

    of = {(each.name, each.attributes.get("component.name")): each for each in receiver.all_spans}
    for component in ("todo_store", "csv_sink"):
        above = of["component_generation", component]
        assert of["llm_request", component].parent == above.span
        assert of["template_render", component].parent == above.span
    checks = [event for event in of["component_generation", "todo_store"].events if event.name == "whence.check"]
    assert [(event.attributes["whence.check.type"], event.attributes["whence.check.passed"]) for event in checks] == [
        ("import", False)
    ]


def test_the_observer_heard_everything_in_order(heard: list[GenerationEvent]) -> None:
    said = [(event.stage, event.component) for event in heard if event.stage != "component_generation"]
    assert [stage for stage, component in said if component == "csv_sink"] == ["llm_request", "template_render"]
    assert len({event.session_id for event in heard}) == 1
    assert [event.stage for event in heard if event.error] == ["validation"]
