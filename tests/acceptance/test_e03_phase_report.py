"""E3: the report on a phase names every fault of it, with what to do; it needs no trace (R0.14, R0.34, C0.18)."""

import json

import pytest

import whence
from tests.acceptance.test_e02_gap import CODER_OUTPUT, TESTER_EXPECTS
from tests.measure.pairs import unit_pair
from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import (
    DTC_CATALOG,
    DiagnosticReport,
    TelemetryService,
    export_diagnostic_report_markdown,
    generate_phase_diagnostic,
    init_telemetry,
)


def three_faults(telemetry: TelemetryService, distance: float = 0.35) -> DiagnosticReport:
    """Log what the scenario says, and report on it."""
    telemetry.log_event(
        component="CoderAgent",
        event_type="code_generation_complete",
        success=False,
        error_message="inference timeout",
        duration_ms=30_000,
    )
    telemetry.detect_structural_gap(
        source_component="CoderAgent",
        target_component="TesterAgent",
        artifact_type="code_solution",
        expected_schema=TESTER_EXPECTS,
        actual_schema=CODER_OUTPUT,
    )
    generated, expected = unit_pair(distance)
    telemetry.track_transformer_diff(
        prompt_embedding=generated,
        generated_embedding=generated,
        expected_embedding=expected,
        generated_artifact_id="artifact_xyz",
    )
    return generate_phase_diagnostic(telemetry, "transformer_output", "phase_complete")


def check(report: DiagnosticReport) -> None:
    """Look for everything that the scenario names."""
    assert {"T01-01", "I01-03", "T01-04"} <= set(report.detected_dtcs)
    assert report.detected_dtcs[0] == "T01-01"  # the worst first
    (gap,) = report.structural_gaps
    assert gap.missing_fields == ["test_plan"]
    assert [point["to"] for point in report.vector_divergence_points] == ["expected"]
    for code in report.detected_dtcs:
        assert set(DTC_CATALOG[code].remediation) <= set(report.recommendations)
        assert report.dtc_details[code]["evidence"]
    assert set(DTC_CATALOG["T01-01"].remediation) <= set(report.critical_actions)
    assert not set(DTC_CATALOG["I01-03"].remediation) & set(report.critical_actions)
    assert report.max_severity == "critical"
    assert [diff.status for diff in report.transformer_diffs] == ["DRIFTED"]
    assert "T01-01" in report.summary


@pytest.mark.parametrize("distance", [0.2, 0.35, 0.4])
def test_the_report_without_any_trace(runtime: Runtime, distance: float) -> None:
    check(three_faults(init_telemetry(), distance))


def test_the_report_inside_a_trace_is_of_that_trace(runtime: Runtime) -> None:
    with whence.trace(project="shop") as trace, trace.stage("coding"):
        report = three_faults(init_telemetry())

    check(report)
    assert report.trace_id == trace.trace_id


def test_the_markdown_has_the_five_parts(runtime: Runtime) -> None:
    text = export_diagnostic_report_markdown(three_faults(init_telemetry()))

    parts = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    assert "LLM_INFERENCE_FAILURE" in parts["Trouble codes"]
    assert DTC_CATALOG["T01-01"].description in parts["Trouble codes"]
    assert "CoderAgent → TesterAgent" in parts["Structural gaps"]
    assert "`test_plan`" in parts["Structural gaps"]
    assert "0.350" in parts["Embedding divergence"]
    assert DTC_CATALOG["I01-03"].remediation[0] in parts["Remediation"]
    assert DTC_CATALOG["T01-01"].remediation[0] in parts["Critical actions"]


def test_the_report_and_its_findings_are_stored(runtime: Runtime) -> None:
    report = three_faults(init_telemetry())

    (row,) = rows(runtime, "SELECT * FROM diagnostic_reports")
    assert row["report_id"] == report.report_id
    assert (row["execution_phase"], row["trigger_event"]) == ("transformer_output", "phase_complete")
    assert json.loads(row["detected_dtcs"]) == report.detected_dtcs
    assert json.loads(row["critical_actions"]) == report.critical_actions
    assert json.loads(row["vector_divergence_points"]) == report.vector_divergence_points
    assert row["max_severity"] == "critical"
    assert row["summary"] == report.summary
    found = {each.finding.code for each in runtime.store().findings()}
    assert found == set(report.detected_dtcs)


def test_the_end_of_the_run_finds_the_same_and_no_occurrence_twice(runtime: Runtime) -> None:
    telemetry = init_telemetry()
    report = three_faults(telemetry)
    before = {each.occurrence for each in runtime.store().findings()}

    telemetry.end_run()

    runtime.drain()
    after = runtime.store().findings()
    assert before <= {each.occurrence for each in after}
    assert {each.finding.code for each in after if each.finding.count} >= set(report.detected_dtcs)
