"""E18: five nodes, each a process of its own, hold the same state, or do not: Example 3 as printed."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from whence.debug import DebugInsight, DebugInsightEngine, get_debug_collector
from whence.runtime.runtime import Runtime

EXAMPLE = """
from core.debug_insight_engine import DebugInsightEngine

engine = DebugInsightEngine(db_session)

# Analyze state across distributed nodes
insight = await engine.analyze_state_consistency(
    operation_id="op-distributed-456",
    component_ids=["node-1", "node-2", "node-3", "node-4", "node-5"],
    component_type="agent"
)

print(f"Consistency: {insight.title}")
print(f"Summary: {insight.summary}")
print(f"Confidence: {insight.confidence_score}")

if not insight.title.startswith("State consistent"):
    print("Suggestions:")
    for suggestion in insight.suggestions:
        print(f"  - {suggestion}")
"""
OPERATION = "op-distributed-456"
NODES = [f"node-{n}" for n in range(1, 6)]
WHOLE = {"leader": "node-1", "version": 3, "shards": [1, 2, 3], "config": {"retries": 3}}
NODE = """
import asyncio, json, sys
from whence.debug import get_debug_collector

async def main(node, state):
    collector = get_debug_collector()
    await collector.collect_state_snapshot(
        component_type="agent", component_id=node, operation_id="op-distributed-456", state_data=state
    )
    await collector.aclose()

asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
"""


async def written(states: dict[str, Any]) -> None:
    """Write the states of nodes."""
    for node, state in states.items():
        await get_debug_collector().collect_state_snapshot("agent", node, OPERATION, state)


async def analysed() -> DebugInsight:
    """Ask about all five nodes."""
    return await DebugInsightEngine().analyze_state_consistency(OPERATION, NODES, "agent")


async def _example() -> None:
    body = EXAMPLE.replace("core.debug_insight_engine", "whence.debug")
    names: dict[str, Any] = {}
    exec("async def example(db_session):\n" + textwrap.indent(body, "    "), names)
    await names["example"](None)


async def test_five_processes_that_agree_are_consistent(
    runtime: Runtime, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [subprocess.Popen([sys.executable, "-c", NODE, node, json.dumps(WHOLE)]) for node in NODES]
    assert [each.wait(timeout=60) for each in nodes] == [0] * 5

    await _example()

    title, summary, confidence = capsys.readouterr().out.splitlines()
    assert title.startswith("Consistency: State consistent across 5 components")
    assert "none differs" in summary
    assert confidence == "Confidence: 1.0"


async def test_whatever_differs_is_said_with_nodes_and_values(
    runtime: Runtime, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key only on node 2, 1 beside "1", and a node without a snapshot: the original called all three consistent (C4.16)."""
    states: dict[str, Any] = {node: dict(WHOLE) for node in NODES[:4]}
    states["node-2"]["X"] = 42
    states["node-3"]["version"] = "3"
    await written(states)

    await _example()
    insight = await analysed()

    assert not insight.title.startswith("State consistent")
    said = insight.description
    assert "key X is on agent/node-2 but not on agent/node-1, agent/node-3, agent/node-4" in said
    assert 'key version is 3 on agent/node-1, agent/node-2, agent/node-4, "3" on agent/node-3 (types differ)' in said
    assert "agent/node-5 has no snapshot" in said
    for told in ("X is on agent/node-2", '"3" on agent/node-3', "agent/node-5 has no snapshot"):
        assert told in insight.summary
    assert insight.confidence_score is not None
    assert 0.0 <= insight.confidence_score <= 1.0
    assert insight.suggestions
    assert {each["id"] for each in insight.affected_components} >= {"node-2", "node-3", "node-5"}
    printed = capsys.readouterr().out
    assert "Suggestions:\n  - " in printed


@pytest.mark.parametrize(
    ("node_2", "told"),
    [
        ({**WHOLE, "X": 1}, "key X is on agent/node-2"),
        ({**WHOLE, "version": "3"}, "types differ"),
        ({**WHOLE, "version": True}, "types differ"),
        ({**WHOLE, "shards": [1, 2]}, "shards/2"),
        ({**WHOLE, "config": {"retries": 4}}, "config/retries"),
        ({key: value for key, value in WHOLE.items() if key != "leader"}, "leader"),
    ],
)
async def test_each_difference_alone_is_found(runtime: Runtime, node_2: Any, told: str) -> None:
    await written({node: node_2 if node == "node-2" else WHOLE for node in NODES})

    insight = await analysed()

    assert told in insight.summary
    assert "agent/node-2" in insight.summary
    assert insight.suggestions


async def test_a_missing_node_alone_is_found(runtime: Runtime) -> None:
    await written(dict.fromkeys(NODES[:4], WHOLE))

    insight = await analysed()

    assert not insight.title.startswith("State consistent")
    assert "agent/node-5 has no snapshot" in insight.summary


async def test_numbers_that_are_equal_are_equal(runtime: Runtime) -> None:
    """1 and 1.0 are one number in JSON."""
    await written({node: {"n": 1.0 if node == "node-2" else 1} for node in NODES})

    assert (await analysed()).title.startswith("State consistent")
