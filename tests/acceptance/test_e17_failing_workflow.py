"""E17: a workflow of which 20 % fail with "DB timeout", caused by an earlier event of another component: Example 1 as printed."""

import textwrap
from typing import Any

import pytest

import whence
from tests.conftest import Run
from whence.debug import DebugQuery, get_debug_collector
from whence.runtime.runtime import Runtime

EXAMPLE = """
from core.debug_query import DebugQuery

query = DebugQuery(db_session)

# Check workflow health
health = await query.get_component_health("workflow", "workflow-789", "1h")
print(f"Health: {health['status']} (score: {health['health_score']})")

# Get operation progress
progress = await query.get_operation_progress("op-123")
print(f"Progress: {progress['progress']*100}%")

# Get error explanation if failed
if health['status'] == 'unhealthy':
    error_id = health['insights'][0]['id']
    explanation = await query.explain_error(error_id)
    print(f"Root cause: {explanation['root_cause']}")
    print(f"Suggestions: {explanation['suggestions']}")
"""
POOL = "connection pool exhausted: 50 of 50 in use"


async def record(share: float = 0.2, of: int = 20) -> list[str]:
    """Record runs of which this share fail, as a workflow engine would; returns the ids of the events that caused it."""
    collector, causes = get_debug_collector(), []
    failing = round(of * share)
    for n in range(of):
        cause = None
        if n < failing:
            cause = await collector.collect_event("log", "database", "db-1", f"corr-{n}", "WARNING", POOL)
            causes.append(str(cause))
        await collector.collect_event(
            event_type="error" if cause else "log",
            component_type="workflow",
            component_id="workflow-789",
            correlation_id=f"corr-{n}",
            level="ERROR" if cause else "INFO",
            message="DB timeout" if cause else "step done",
            parent_event_id=cause,
        )
    # Somebody else has troubles of their own.
    await collector.collect_event("error", "workflow", "workflow-790", "corr-other", "CRITICAL", "certificate expired")
    await collector.collect_state_snapshot("agent", "agent-123", "op-123", {"status": "running", "progress": 0.65})
    await collector.aclose()
    return causes


async def _example() -> None:
    body = EXAMPLE.replace("core.debug_query", "whence.debug")
    names: dict[str, Any] = {"db_session": object()}
    exec("async def example(db_session):\n" + textwrap.indent(body, "    "), names)
    await names["example"](names["db_session"])


async def test_the_workflow_is_degraded_and_only_its_own_insights_are_shown(runtime: Runtime) -> None:
    causes = await record()
    query = DebugQuery()

    health = await query.get_component_health("workflow", "workflow-789", "1h")

    assert health["status"] in ("degraded", "unhealthy")
    assert health["score"] == health["health_score"] == 80.0
    assert (health["total_events"], health["error_events"], health["error_rate"]) == (20, 4, 0.2)
    affected = {each["id"] for insight in health["insights"] for each in insight["affected_components"]}
    assert "workflow-789" in affected
    assert "workflow-790" not in affected
    assert all({"type": "workflow", "id": "workflow-789"} in each["affected_components"] for each in health["insights"])
    for insight in health["insights"]:
        said = await query.explain_error(insight["id"])
        assert said["found"]
        assert said["root_cause"] == f"database/db-1: {POOL}"
        assert said["root_cause_id"] in causes
        assert said["kind"] == "confirmed"
        assert said["suggestions"]


async def test_the_progress_is_that_of_the_snapshot(runtime: Runtime) -> None:
    await record()

    progress = await DebugQuery().get_operation_progress("op-123")

    assert (progress["progress"], progress["status"]) == (0.65, "in_progress")


async def test_the_example_runs_as_printed(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    """It explains nothing while the workflow is degraded; with more failures it prints all four lines."""
    await record(0.2)
    await _example()
    assert capsys.readouterr().out.splitlines() == ["Health: degraded (score: 80.0)", "Progress: 65.0%"]

    await record(0.8)
    await _example()
    health, progress, cause, suggestions = capsys.readouterr().out.splitlines()
    assert (health, progress) == ("Health: unhealthy (score: 50.0)", "Progress: 65.0%")
    assert cause == f"Root cause: database/db-1: {POOL}"
    assert suggestions.startswith("Suggestions: ['look at database/db-1 first")


async def test_it_is_known_without_anybody_asking_first_and_once(runtime: Runtime) -> None:
    """A second look, in another process too, finds the same insights under the same ids."""
    await record()
    query = DebugQuery()
    first = await query.get_component_health("workflow", "workflow-789", "1h")
    again = await DebugQuery().get_component_health("workflow", "workflow-789", "last_1h")

    assert first["insights"]
    assert [each["id"] for each in first["insights"]] == [each["id"] for each in again["insights"]]


async def test_recorded_by_one_process_it_is_asked_by_another(run: Run, runtime: Runtime) -> None:
    run(
        """
        import asyncio
        from tests.acceptance.test_e17_failing_workflow import record
        asyncio.run(record())
        """
    )

    assert (await DebugQuery().get_component_health("workflow", "workflow-789"))["score"] == 80.0


# -- asked in plain language, and from the command line (whence.assist, whence.cli) -----------------------------------------


@pytest.mark.parametrize(
    "question", ["Why is Workflow-789 failing?", "why is workflow-789 failing", "Why is WORKFLOW-789 failing?!"]
)
async def test_asked_in_plain_language_it_names_the_timeout_with_its_evidence(runtime: Runtime, question: str) -> None:
    """C4.7: case and punctuation do not matter, and the id is that of a component, whole."""
    causes = await record()

    said = await DebugQuery().ask(question)

    assert "DB timeout" in said["answer"]
    assert said["evidence"]
    known = {each.record_id for each in _records(runtime)} | set(causes)
    assert known & set(said["evidence"])
    assert 0.0 <= said["confidence"] <= 1.0


async def test_asked_on_the_command_line_it_answers_the_same(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    from whence.cli import main

    await record()
    whence.shutdown()

    assert main(["ask", "Why is Workflow-789 failing?"]) == 0
    assert "DB timeout" in capsys.readouterr().out


def _records(runtime: Runtime) -> list[Any]:
    from whence.model.filters import RecordFilter

    return list(runtime.ready_store().records(RecordFilter(), limit=1000).items)
