"""A store with a pipeline's week in it: components, runs, decisions, errors with a cause, calls, principles, snapshots."""

from typing import Any

import pytest

from tests.builders import HOUR_NS, SECOND_NS, START_NS, Run, encoded, whole_run
from whence.model import record as kinds
from whence.store.memory import MemoryStore

NOW_NS = START_NS + 3 * HOUR_NS
CAUSE = "the connection pool of db-1 is exhausted"


def failing(number: int, component: str = "workflow/workflow-789", *, events: int = 10, bad: int = 2) -> list[bytes]:
    """Return a run of a workflow with errors "DB timeout", each caused by one earlier event of a database."""
    run = Run(number, project="shop", project_name="shop", intent="exploring", domain="telecom").start()
    run.add(kinds.EVENT, {"message": CAUSE, "attributes": {}}, name="pool", component="database/db-1", level=3)
    parent = f"{run._number:032x}"
    for each in range(events):
        if each < bad:
            data = {"message": f"DB timeout after {30 + each} s", "attributes": {}}
            run.add(kinds.EVENT, data, name="query", component=component, level=3, parent=parent)
        else:
            run.add(kinds.EVENT, {"message": "step done", "attributes": {}}, name="step", component=component)
    run.end("failed", error={"type": "RuntimeError", "message": "DB timeout"})
    return run.records


def operation(number: int) -> list[bytes]:
    """Return a run in progress: steps of three nodes whose states differ, 65 % done."""
    run = Run(number, project="shop", project_name="shop").start()
    for node, state in (("n1", {"x": 1}), ("n2", {"x": 1}), ("n3", {"x": "1"})):
        run.add(kinds.SNAPSHOT, {"state": state, "progress": 0.65}, name="checkpoint", component=f"agent/{node}")
    return run.records


@pytest.fixture(scope="session")
def store() -> MemoryStore:
    """The store that questions are put to; nobody writes into it."""
    made = MemoryStore()
    made.accept(whole_run(1, project_name="acme").records)
    made.accept(failing(2))
    decided: Any = {
        "what": "price list 2024",
        "why": "it names the plan",
        "confidence": 0.45,
        "alternatives": ["price list 2025", "forum"],
    }
    run = Run(3, project="shop", project_name="shop").start().stage("retrieval", seconds=4.0)
    run.add(kinds.DECISION, decided, name="source", stage="retrieval", component="agent/planner")
    run.llm(model="m-1", input_tokens=100, output_tokens=20, cost_usd=0.02)
    run.add(
        kinds.SPAN_END,
        {"type": "tool", "duration_ns": 2 * SECOND_NS},
        name="fetch",
        component="agent/planner",
        span="f" * 16,
    )
    made.accept(run.scored({"META-12": 1.0, "CORE-1": 3.0}, passed=False, overall=1.5).end().records)
    made.accept(operation(4))
    found = {
        "code": "P01-01",
        "title": "agent/planner took 9 s, usually 2 s",
        "severity": 3,
        "confidence": 0.8,
        "basis": "statistical",
        "basis_text": "2 of 40 runs",
        "fingerprint": "slow-planner",
        "components": ["agent/planner"],
        "evidence": [f"{3_000_001:032x}"],
        "detector": "performance/1",
        "remediation": "Look at the newest slow run.",
    }
    made.accept(
        [encoded(90, kinds.FINDING, found, name="P01-01", component="whence.performance", level=3, project="acme")]
    )
    drift = {**found, "code": "E01-03", "title": "agent/planner drifted", "fingerprint": "drift-planner"}
    made.accept([encoded(91, kinds.FINDING, drift, name="E01-03", component="whence.drift", level=3, project="acme")])
    return made
