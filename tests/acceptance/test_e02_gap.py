"""E2: what the coder hands over lacks what the tester expects; equal schemas, and equal vectors, are no gap (C0.7)."""

import json

from tests.measure.pairs import unit_pair
from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import get_telemetry, init_telemetry

CODER_OUTPUT = {"code": "def foo(): pass", "language": "python"}
TESTER_EXPECTS = {"code": "...", "language": "...", "test_plan": "..."}


def test_the_gap_of_the_example(runtime: Runtime) -> None:
    init_telemetry()

    gap = get_telemetry().detect_structural_gap(
        source_component="CoderAgent",
        target_component="TesterAgent",
        artifact_type="code_solution",
        expected_schema=TESTER_EXPECTS,
        actual_schema=CODER_OUTPUT,
    )

    assert gap
    assert gap.missing_fields == ["test_plan"]
    assert gap.severity == "high"
    assert gap.related_dtc == "I01-03"
    (row,) = rows(runtime, "SELECT * FROM structural_gaps")
    assert (row["gap_id"], row["severity"], row["related_dtc"]) == (gap.gap_id, "high", "I01-03")
    assert (row["source_component"], row["target_component"]) == ("CoderAgent", "TesterAgent")
    assert json.loads(row["missing_fields"]) == ["test_plan"]
    assert "def foo" not in row["actual_schema"]  # the structure, never the content


def test_equal_schemas_are_no_gap_also_with_identical_vectors(runtime: Runtime) -> None:
    telemetry = init_telemetry()
    vector = unit_pair(0.0)[0]
    same = {"expected_schema": TESTER_EXPECTS, "actual_schema": {**CODER_OUTPUT, "test_plan": "one test"}}

    for more in ({}, {"expected_embedding": vector, "actual_embedding": list(vector)}):
        assert not telemetry.detect_structural_gap(
            source_component="CoderAgent", target_component="TesterAgent", artifact_type="code_solution", **same, **more
        )

    assert rows(runtime, "SELECT * FROM structural_gaps") == []
    assert len(rows(runtime, "SELECT 1 FROM records WHERE kind = 'check'")) == 2  # that they fit is recorded too
