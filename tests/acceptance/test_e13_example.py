"""E13: the usage example of the original design, as printed, in an environment without third-party packages."""

import json
from pathlib import Path
from typing import Any

import pytest

import whence
from tests.conftest import Run
from whence import query

ALONE = '''
import sys

class Nobody:
    """Finds every package that is neither the standard library nor what recording may use, and refuses it."""

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in sys.stdlib_module_names or top.startswith("_sysconfigdata")
        if not known and top not in ("whence", "msgspec", "platformdirs", "__main__"):
            raise ModuleNotFoundError(f"No module named {name!r} (not to be had here)", name=name)
        return None

sys.meta_path.insert(0, Nobody())
import os
os.chdir(os.environ["HERE"])
'''

EXAMPLE = """
from whence.generation import SimpleGenerationLogger

# Create logger
logger = SimpleGenerationLogger()

# Log LLM interaction
logger.log_llm_interaction(
    component_name="todo_store",
    prompt="Generate a Store component...",
    response="class GeneratedStore_todo_store...",
    model="gpt-4",
    tokens_in=450,
    tokens_out=320
)

# Log validation error
logger.log_validation_error(
    component_name="todo_store",
    error_type="SyntaxError",
    error_message="unexpected EOF while parsing",
    line_number=178,
    code_context="async def cleanup(self):"
)

# Generate summary
summary = logger.generate_summary()
print(f"Total events: {summary['total_events']}")
print(f"Errors: {len(summary['errors'])}")
"""

AGAIN = """
logger.log_llm_interaction(
    component_name="todo_store",
    prompt="Again, with the token ghp_R4tK9vLmX2bQ7wNcJ8sYpD3fH6gA1eZ5uT0i",
    response="class GeneratedStore_todo_store: pass",
    model="gpt-4",
    tokens_in=500,
    tokens_out=20,
    duration_ms=2340.5
)
import json
print(json.dumps(logger.generate_summary()))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory the program runs in."""
    directory = tmp_path / "here"
    directory.mkdir()
    monkeypatch.setenv("HERE", str(directory))
    return directory


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_example_counts_what_it_logged(data: Path, here: Path, run: Run) -> None:
    """C3.2: the original printed 0 and 0."""
    done = run(ALONE + EXAMPLE)

    assert done.stdout == "Total events: 2\nErrors: 1\n"
    assert done.stderr == ""


def test_the_environment_is_as_bare_as_it_claims(data: Path, here: Path, run: Run) -> None:
    for package in ("apsw", "rich", "structlog", "opentelemetry"):
        assert run(f"{ALONE}\nimport {package}", check=False).returncode != 0


def test_the_files_are_there_with_the_keys_of_the_design(data: Path, here: Path, run: Run) -> None:
    """R3.26-R3.28; a second call for the same component loses nothing (C3.3); a secret in a prompt is masked."""
    done = run(ALONE + EXAMPLE + AGAIN)
    summary = json.loads(done.stdout.splitlines()[-1])
    logs, session = here / "generation_logs", summary["session_id"]

    assert summary["errors"][0]["line_number"] == 178
    assert summary["llm"]["tokens_in"] == 950
    assert sorted(path.name for path in logs.iterdir()) == [
        f"llm_{session}_todo_store.json",
        f"session_{session}.jsonl",
        f"validation_error_{session}_todo_store.json",
    ]

    first, error, second = lines(logs / f"session_{session}.jsonl")
    keys = {
        *("event", "session_id", "component", "model", "prompt_length", "response_length"),
        *("tokens_in", "tokens_out", "duration_ms"),
    }
    assert keys <= set(first)
    assert keys <= set(second)
    assert (first["event"], first["component"], first["tokens_in"]) == ("llm_interaction", "todo_store", 450)
    assert (first["prompt"], second["duration_ms"]) == ("Generate a Store component...", 2340.5)
    assert {
        *(
            "event",
            "session_id",
            "component",
            "error_type",
            "error_message",
            "line_number",
            "code_context",
            "traceback",
        ),
    } <= set(error)
    assert (error["event"], error["line_number"]) == ("validation_error", 178)

    kept = json.loads((logs / f"llm_{session}_todo_store.json").read_text())
    assert [each["response"] for each in kept] == [
        "class GeneratedStore_todo_store...",
        "class GeneratedStore_todo_store: pass",
    ]
    (wrong,) = json.loads((logs / f"validation_error_{session}_todo_store.json").read_text())
    assert wrong["error_message"] == "unexpected EOF while parsing"

    everything = b"".join(path.read_bytes() for top in (here, data) for path in top.rglob("*") if path.is_file())
    assert b"R4tK9vLmX2bQ7wNcJ8s" not in everything
    assert "Again, with the token [REDACTED" in kept[1]["prompt"]


def test_the_session_is_a_trace_that_can_be_asked(data: Path, here: Path, run: Run) -> None:
    """R3.31: what was logged is in the store, under one trace, complete although nobody closed it."""
    run(ALONE + EXAMPLE)
    whence.init(data=data)

    row = query.find("last")
    assert (row.status, row.llm_calls, row.total_tokens) == ("complete", 1, 770)
    whence.shutdown()
