"""The views of the original design: what goes in through records comes out by name (C0.22), whatever else is there."""

import json
from typing import Any

import apsw
import pytest

from tests.builders import Run, encoded, hex_id
from whence.model.finding import Finding
from whence.store.derive import occurrence_of
from whence.store.sqlite import SqliteStore

SHA, SHB, SHC = "ab" * 32, "cd" * 32, "ef" * 32
AT = "2026-01-01T00:00:01.000000Z"
RUN = Run(1).start()


def rows(store: SqliteStore, view: str) -> list[dict[str, Any]]:
    """Return the rows of a view, their JSON columns decoded, in order of time."""
    connection = apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        found = connection.execute(f"SELECT * FROM {view}")  # noqa: S608
        names = [name for name, *_ in found.get_description()] if found else []
        return [{name: decoded(value) for name, value in zip(names, row, strict=True)} for row in found]
    finally:
        connection.close()


def decoded(value: Any) -> Any:
    """Return JSON objects and arrays as what they mean, anything else as it is."""
    return json.loads(value) if isinstance(value, str) and value[:1] in "[{" and value else value


def only(store: SqliteStore, view: str) -> dict[str, Any]:
    """Return the one row of a view."""
    (row,) = rows(store, view)
    return row


def put(store: SqliteStore, kind: str, data: Any, number: int = 1, **fields: Any) -> None:
    """Store one record in the run RUN."""
    fields = {"trace": RUN.otel_trace_id, **fields}
    assert store.accept([*RUN.records, encoded(number, kind, data, **fields)]).quarantined == 0


def vector(sha256: str) -> dict[str, Any]:
    """Return a reference to a vector."""
    return {"vector_sha256": sha256, "dimensions": 2}


def test_telemetry_events(store: SqliteStore) -> None:
    attributes = {
        "success": False,
        "duration_ms": 12.5,
        "artifact_id": "art-1",
        "phase": "render",
        "distance": 0.25,
        "input_vector": vector(SHA),
        "output_vector": vector(SHB),
        "metadata": {"k": [1, None]},
    }
    put(store, "event", {"message": "too long", "attributes": attributes}, name="transform", component="agent/7")

    assert only(store, "telemetry_events") == {
        "event_id": hex_id(1),
        "timestamp": AT,
        "component": "agent/7",
        "event_type": "transform",
        "input_embedding": SHA,
        "output_embedding": SHB,
        "embedding_distance": 0.25,
        "metadata": {"k": [1, None]},
        "duration_ms": 12.5,
        "success": 0,
        "error_message": "too long",
        "artifact_id": "art-1",
        "trace_id": RUN.trace_id,
        "phase": "render",
    }


def test_an_event_of_another_door_is_a_telemetry_event_too(store: SqliteStore) -> None:
    """Its message is no message of an error."""
    put(store, "event", {"message": "hello"}, name="greeting", component="", stage="intake", trace="")

    row = only(store, "telemetry_events")

    assert (row["event_type"], row["phase"], row["metadata"]) == ("greeting", "intake", {})
    assert {row[name] for name in ("success", "error_message", "trace_id", "input_embedding", "duration_ms")} == {None}


def test_structural_gaps(store: SqliteStore) -> None:
    attributes = {
        "gap_id": "gap-1",
        "source_component": "parser",
        "target_component": "renderer",
        "artifact_type": "ast",
        "missing_fields": ["body"],
        "extra_fields": ["junk"],
        "related_dtc": "I01-03",
        "expected_vector": vector(SHA),
        "actual_vector": vector(SHB),
    }
    check = {
        "type": "interface",
        "passed": False,
        "subject": "renderer",
        "expected": {"type": "object", "required": ["body"]},
        "actual": {"junk": "str"},
        "score": 0.5,
        "label": "critical",
        "attributes": attributes,
    }
    put(store, "check", check, name="ast", component="parser")
    put(store, "check", {**check, "passed": True}, 2)
    put(store, "check", {**check, "passed": None}, 3)
    put(store, "check", {**check, "type": "syntax"}, 4)

    assert only(store, "structural_gaps") == {
        "gap_id": "gap-1",
        "timestamp": AT,
        "source_component": "parser",
        "target_component": "renderer",
        "artifact_type": "ast",
        "expected_schema": {"type": "object", "required": ["body"]},
        "actual_schema": {"junk": "str"},
        "missing_fields": ["body"],
        "extra_fields": ["junk"],
        "expected_embedding": SHA,
        "actual_embedding": SHB,
        "semantic_distance": 0.5,
        "related_dtc": "I01-03",
        "severity": "critical",
        "trace_id": RUN.trace_id,
    }


def test_transformer_diffs(store: SqliteStore) -> None:
    attributes = {
        "diff_id": "diff-1",
        "prompt_id": "prompt-1",
        "generation_id": "gen-1",
        "generated_artifact_id": "art-1",
        "prompt_to_generated": 0.125,
        "prompt_vector": vector(SHA),
        "generated_vector": vector(SHB),
        "expected_vector": vector(SHC),
    }
    check = {"type": "drift", "passed": False, "subject": "art-1", "score": 0.5, "label": "DRIFTED"}
    put(store, "check", {**check, "attributes": attributes}, name="transformer_output", component="transformer")

    assert only(store, "transformer_diffs") == {
        "diff_id": "diff-1",
        "timestamp": AT,
        "prompt_id": "prompt-1",
        "generation_id": "gen-1",
        "prompt_embedding": SHA,
        "generated_embedding": SHB,
        "expected_embedding": SHC,
        "prompt_to_generated_distance": 0.125,
        "generated_to_expected_distance": 0.5,
        "generated_artifact_id": "art-1",
        "status": "DRIFTED",
        "trace_id": RUN.trace_id,
    }


def test_diagnostic_reports(store: SqliteStore) -> None:
    body = {
        "detected_dtcs": ["T01-01"],
        "dtc_details": {"T01-01": {"count": 2}},
        "structural_gaps": [{"gap_id": "gap-1"}],
        "embedding_trajectory": [0.5],
        "vector_divergence_points": [{"at": 3}],
        "recommendations": ["look"],
        "critical_actions": ["stop"],
        "max_severity": "high",
        "summary": "bad",
    }
    said = {"report_id": "report-1", "phase": "render", "trigger": "on_error", "body": body}
    put(store, "report", said, name="render")

    assert only(store, "diagnostic_reports") == {
        "report_id": "report-1",
        "timestamp": AT,
        "execution_phase": "render",
        "trigger_event": "on_error",
        **body,
        "trace_id": RUN.trace_id,
    }


def test_debug_events(store: SqliteStore) -> None:
    attributes = {"event_type": "log", "log_level": "DEBUG", "data": {"a": [1]}, "metadata": {"host": "h"}}
    put(
        store,
        "event",
        {"message": "began", "attributes": attributes},
        name="log",
        component="workflow/workflow-789/b",
        parent=hex_id(9),
    )

    assert only(store, "debug_events") == {
        "id": hex_id(1),
        "event_type": "log",
        "component_type": "workflow",
        "component_id": "workflow-789/b",
        "correlation_id": RUN.trace_id,
        "parent_event_id": hex_id(9),
        "level": "DEBUG",
        "message": "began",
        "data": {"a": [1]},
        "event_metadata": {"host": "h"},
        "timestamp": AT,
    }


@pytest.mark.parametrize(
    ("level", "word"), [(0, "INFO"), (1, "INFO"), (2, "WARNING"), (3, "ERROR"), (4, "CRITICAL"), (9, "CRITICAL")]
)
def test_what_an_event_does_not_say_of_its_level_its_severity_does(store: SqliteStore, level: int, word: str) -> None:
    given = {"attributes": {"parent_event_id": "evt-1"}}
    put(store, "event", given, component="plain", level=level, parent="ab" * 8)

    row = only(store, "debug_events")

    assert row["level"] == word
    assert (row["component_type"], row["component_id"], row["parent_event_id"]) == (None, "plain", "evt-1")


def test_debug_insights(store: SqliteStore) -> None:
    told = {
        "code": "P01-01",
        "title": "slow",
        "severity": 2,
        "description": "It took long.",
        "confidence": 0.75,
        "fingerprint": "f",
        "scope": "component",
        "components": ["agent/1", "plain"],
        "evidence": [hex_id(5), hex_id(6)],
        "suggestions": ["cache it"],
    }
    put(store, "finding", {**told, "title": "slow at first"})
    put(store, "finding", told, 2)
    put(store, "finding.state", {"state": "resolved", "note": "cached"}, 3, name="f")

    assert only(store, "debug_insights") == {
        "id": occurrence_of("acme", RUN.otel_trace_id, "f", ""),
        "insight_type": "performance",
        "severity": "warning",
        "title": "slow",
        "description": "It took long.",
        "summary": "slow",
        "evidence": [hex_id(5), hex_id(6)],
        "confidence_score": 0.75,
        "suggestions": ["cache it"],
        "resolved": 1,
        "resolution_notes": "cached",
        "scope": "component",
        "affected_components": [{"type": "agent", "id": "1"}, {"type": None, "id": "plain"}],
        "source_event_id": hex_id(5),
        "generated_at": "2026-01-01T00:00:02.000000Z",
        "expires_at": None,
    }


@pytest.mark.parametrize(
    ("code", "severity", "shown"),
    [
        ("S01-01", 0, ("consistency", "info")),
        ("O01-01", 1, ("flow", "info")),
        ("P01-01", 2, ("performance", "warning")),
        ("V01-01", 3, ("anomaly", "critical")),
        ("T01-01", 4, ("error", "critical")),
        ("PLAIN", 1, ("error", "info")),
    ],
)
def test_codes_and_severities_in_words_of_insights(
    store: SqliteStore, code: str, severity: int, shown: tuple[str, str]
) -> None:
    put(store, "finding", {"code": code, "title": "t", "severity": severity})
    put(store, "finding", {"code": code, "title": "t", "attributes": {"insight_type": "flow", "summary": "s"}}, 2)

    first, second = sorted(rows(store, "debug_insights"), key=lambda row: str(row["id"]))

    assert (first["insight_type"], first["severity"]) == shown
    assert (first["evidence"], first["affected_components"], first["scope"]) == ([], [], "run")
    assert (first["resolved"], first["resolution_notes"], first["source_event_id"]) == (0, None, None)
    assert (second["insight_type"], second["summary"]) == ("flow", "s")


def test_every_field_of_an_insight_has_the_default_of_a_finding(store: SqliteStore) -> None:
    """Fields at their defaults do not travel; the view must know the same ones."""
    put(store, "finding", {"code": "T01-01", "title": "t"})
    plain = Finding(code="T01-01", title="t")

    row = only(store, "debug_insights")

    assert (row["scope"], row["confidence_score"], row["description"]) == (plain.scope, None, plain.description)
    assert row["severity"] == "info"


def test_debug_state_snapshots(store: SqliteStore) -> None:
    told = {
        "state": {"step": 3},
        "type": "incremental",
        "patch": [{"op": "replace", "path": "/step", "value": 3}],
        "attributes": {"operation_id": "op-1"},
    }
    put(store, "snapshot", told, name="after", component="agent/1")
    put(store, "snapshot", {"state": [1]}, 2, name="state", component="plain")

    assert rows(store, "debug_state_snapshots") == [
        {
            "id": hex_id(1),
            "component_type": "agent",
            "component_id": "1",
            "operation_id": "op-1",
            "checkpoint_name": "after",
            "state_data": {"step": 3},
            "diff_from_previous": [{"op": "replace", "path": "/step", "value": 3}],
            "snapshot_type": "incremental",
            "captured_at": AT,
        },
        {
            "id": hex_id(2),
            "component_type": None,
            "component_id": "plain",
            "operation_id": RUN.trace_id,
            "checkpoint_name": "state",
            "state_data": [1],
            "diff_from_previous": [],
            "snapshot_type": "full",
            "captured_at": "2026-01-01T00:00:02.000000Z",
        },
    ]


def test_debug_metrics(store: SqliteStore) -> None:
    told = {"value": 2.5, "unit": "ms", "dimensions": {"host": "h"}}
    put(store, "metric", told, name="latency", component="agent/1")

    assert only(store, "debug_metrics") == {
        "id": hex_id(1),
        "metric_name": "latency",
        "component_type": "agent",
        "component_id": "1",
        "value": 2.5,
        "unit": "ms",
        "dimensions": {"host": "h"},
        "timestamp": AT,
    }


def test_debug_sessions_are_the_sum_of_their_steps(store: SqliteStore) -> None:
    """In order of time, not of arrival."""
    steps = [
        {"action": "close", "note": "done"},
        {"action": "open", "title": "why", "description": "slow", "filters": {"a": 1}, "scope": {"s": [2]}},
        {"events": 3, "insights": 1, "queries": 2},
        {"title": "why so", "filters": {"a": 2}, "events": 1},
        {"note": "an afterthought"},
    ]
    for number, at in zip((5, 1, 2, 3, 6), range(5), strict=True):
        put(store, "case", steps[at], number, name="case-1", trace="")
    put(store, "case", {"action": "open"}, 7, name="case-2", trace="")

    first, second = sorted(rows(store, "debug_sessions"), key=lambda row: str(row["id"]))

    assert first == {
        "id": "case-1",
        "session_name": "why so",
        "description": "slow",
        "filters": {"a": 2},
        "scope": {"s": [2]},
        "event_count": 4,
        "insight_count": 1,
        "query_count": 2,
        "active": 0,
        "resolved": 1,
        "created_at": AT,
        "updated_at": "2026-01-01T00:00:06.000000Z",
        "closed_at": "2026-01-01T00:00:05.000000Z",
    }
    assert (second["session_name"], second["filters"], second["description"]) == ("case-2", {}, None)
    assert (second["active"], second["resolved"], second["closed_at"]) == (1, 0, None)
    put(store, "case", {"action": "open"}, 8, name="case-1", trace="")  # opened again
    assert rows(store, "debug_sessions")[0]["closed_at"] is None


VIEWS = {
    "telemetry_events": "event",
    "structural_gaps": "check",
    "transformer_diffs": "check",
    "diagnostic_reports": "report",
    "debug_events": "event",
    "debug_insights": "finding",
    "debug_state_snapshots": "snapshot",
    "debug_metrics": "metric",
    "debug_sessions": "case",
}
HOSTILE: list[Any] = [
    [],
    "text",
    5,
    None,
    {"attributes": [1], "body": "x", "message": {"content_sha256": SHA}, "dimensions": 3, "passed": 0},
    {"attributes": {"input_vector": 5, "success": "perhaps", "metadata": "m", "log_level": 7}, "type": 5},
    {"type": "interface", "passed": False, "attributes": "none", "expected": None},
    {"type": "drift", "attributes": [[]], "score": "high"},
    {"events": 2**62, "insights": 10**30, "queries": "many", "filters": None, "title": 5, "action": {"a": 1}},
    {"code": "T01-01", "title": "t", "attributes": {"insight_type": {"a": 1}, "summary": [1]}, "components": ["", "/"]},
    {"value": "NaN", "unit": 5, "state": None, "patch": "p"},
]


@pytest.mark.parametrize("view", VIEWS)
def test_no_payload_makes_a_view_fail(store: SqliteStore, view: str) -> None:
    kind = VIEWS[view]
    store.accept([encoded(n, kind, each, name="x", component="/") for n, each in enumerate(HOSTILE, 1)])
    store.accept([encoded(n, kind, each, name="x", ts_ns=2**63 - 1) for n, each in enumerate(HOSTILE, 50)])

    found = rows(store, view)

    assert store.stats()["records"] == 2 * len(HOSTILE)
    assert found != []
    assert all(set(row) == set(found[0]) for row in found)


def test_each_record_of_a_kind_is_one_row(store: SqliteStore) -> None:
    """However its trace is named, and whether there is one."""
    store.accept([*RUN.records, encoded(1), encoded(2, trace=RUN.otel_trace_id), encoded(3, trace=hex_id(3))])

    found = rows(store, "telemetry_events")

    assert [row["trace_id"] for row in found] == [None, RUN.trace_id, f"otel_{hex_id(3)}"]
    assert [row["timestamp"] for row in found] == [f"2026-01-01T00:00:0{n}.000000Z" for n in (1, 2, 3)]
