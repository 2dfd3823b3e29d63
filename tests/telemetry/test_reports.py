"""Which records a report covers (C0.18), and that hostile text stays text in its Markdown."""

from pathlib import Path

import pytest

import whence
from tests.telemetry.reading import rows
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.telemetry import (
    DTC_CATALOG,
    DiagnosticReport,
    StructuralGap,
    TelemetryService,
    export_diagnostic_report_markdown,
    generate_phase_diagnostic,
    init_telemetry,
    raise_code,
)
from whence.testing.clock import CountingClock


@pytest.fixture
def telemetry(runtime: Runtime) -> TelemetryService:
    return init_telemetry()


def fail(telemetry: TelemetryService, message: str, phase: str | None = None) -> None:
    telemetry.log_event(component="A", event_type="work", success=False, error_message=message, phase=phase)


def codes(telemetry: TelemetryService, phase: str) -> list[str]:
    return generate_phase_diagnostic(telemetry, phase_name=phase, trigger_event="done").detected_dtcs


def test_faults_of_other_phases_are_not_mixed_in(telemetry: TelemetryService) -> None:
    fail(telemetry, "inference failed", "coding")
    fail(telemetry, "could not be parsed", "planning")

    assert codes(telemetry, "planning") == ["I01-01"]
    assert codes(telemetry, "coding") == ["T01-01"]


def test_a_second_report_covers_what_came_after_the_first(telemetry: TelemetryService) -> None:
    """Else a phase that was healed would stay broken for ever."""
    fail(telemetry, "inference failed", "coding")
    fail(telemetry, "could not be parsed")
    assert set(codes(telemetry, "coding")) == {"T01-01", "I01-01"}

    telemetry.log_event(component="A", event_type="work", phase="coding")
    assert codes(telemetry, "coding") == []


def test_what_was_cleared_is_in_no_report_and_still_stored(runtime: Runtime, telemetry: TelemetryService) -> None:
    fail(telemetry, "inference failed")
    telemetry.clear_buffer()

    assert codes(telemetry, "coding") == []
    assert telemetry.events() == []
    assert len(rows(runtime, "SELECT * FROM telemetry_events")) == 1


def test_gaps_can_be_given_besides(telemetry: TelemetryService) -> None:
    other = StructuralGap(
        gap_id="g", timestamp="", source_component="A", target_component="B", artifact_type="c", severity="high"
    )

    assert telemetry.generate_diagnostic_report("coding", "done", structural_gaps=[other]).structural_gaps == [other]


def test_a_code_is_raised_on_purpose(telemetry: TelemetryService) -> None:
    assert raise_code("O01-03", "three tries were not enough", component="Healer", attempts=3)
    assert raise_code("HEALING_LOOP_EXHAUSTED", "by its name", component="Healer")

    report = telemetry.generate_diagnostic_report("healing", "gave up")
    assert "O01-03" in report.detected_dtcs


def test_a_code_that_nobody_knows_is_recorded_as_given(runtime: Runtime, telemetry: TelemetryService) -> None:
    assert raise_code("X99-99", "something of our own")

    (row,) = rows(runtime, "SELECT payload ->> '$.attributes.code' AS code, level FROM records WHERE kind = 'event'")
    assert (row["code"], row["level"]) == ("X99-99", 2)
    assert telemetry.generate_diagnostic_report("coding", "done").detected_dtcs


def test_the_catalog_has_the_seeds_fields_and_at_least_22_codes() -> None:
    gap = DTC_CATALOG["I01-03"]

    assert len(DTC_CATALOG) >= 22
    assert (gap.code, gap.name, gap.severity) == ("I01-03", "STRUCTURAL_GAP_DETECTED", "medium")
    assert gap.remediation
    assert gap.description
    assert "I01-03" in DTC_CATALOG
    assert "X99-99" not in DTC_CATALOG
    with pytest.raises(KeyError):
        DTC_CATALOG["X99-99"]


HOSTILE = (
    "</p><script>alert(1)</script> [x](http://evil.example) ![i](//e) https://evil.example www.evil.example me@evil.example "
    "\n# heading\n- item\n```\ncode\n``` `a` *b* __c__ ~~d~~ | e | &lt; <https://evil.example> 1. x"
)


def test_hostile_text_stays_text() -> None:
    markdown_it = pytest.importorskip("markdown_it")
    report = DiagnosticReport(
        report_id=HOSTILE,
        timestamp=HOSTILE,
        execution_phase=HOSTILE,
        trigger_event="1. " + HOSTILE,
        detected_dtcs=[HOSTILE],
        dtc_details={HOSTILE: {"name": HOSTILE, "description": HOSTILE, "title": HOSTILE, "evidence": [HOSTILE]}},
        structural_gaps=[
            StructuralGap(
                gap_id="g",
                timestamp="",
                source_component=HOSTILE,
                target_component=HOSTILE,
                artifact_type=HOSTILE,
                severity="- high",
                missing_fields=[HOSTILE, "`", "``a"],
            )
        ],
        vector_divergence_points=[{"from": HOSTILE, "to": HOSTILE, "distance": 0.5, "severity": HOSTILE}],
        recommendations=[HOSTILE, "+ more", "= more"],
        critical_actions=["# " + HOSTILE],
        summary=HOSTILE,
        trace_id=HOSTILE,
    )

    parser = markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(export_diagnostic_report_markdown(report))

    inline = [child for token in tokens for child in token.children or ()]
    assert {token.type for token in inline} <= {"text", "text_special", "code_inline"}
    headings = [
        tokens[i + 1].content for i, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"
    ]
    assert headings == ["Critical actions", "Trouble codes", "Structural gaps", "Embedding divergence", "Remediation"]
    assert {token.type for token in tokens} <= {
        *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline"),
        *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close"),
    }
    assert max(token.level for token in tokens if token.type == "bullet_list_open") == 0  # no list inside a list


def test_a_command_of_the_catalog_is_a_code_span() -> None:
    text = export_diagnostic_report_markdown(
        DiagnosticReport(
            report_id="", timestamp="", execution_phase="", trigger_event="", recommendations=["Run `whence why last`."]
        )
    )
    assert "- Run `whence why last`." in text


class Clock(CountingClock):
    """A clock that can be put forward."""

    ahead_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.ahead_ns


def test_a_phase_was_not_silent_while_another_one_worked(data: Path) -> None:
    """A report on the second sees none of the first's events, and a stage that has been open for all of that time."""
    clock = Clock()
    runtime = process.configure(Settings(data=data, documents=data), clock)
    telemetry = init_telemetry()
    try:
        with whence.trace("q"), whence.stage("work"):
            for _ in range(60):
                clock.ahead_ns += 10 * 10**9
                telemetry.log_event(component="A", event_type="work", phase="coding")
            telemetry.log_event(component="B", event_type="work", phase="testing")
            busy = codes(telemetry, "testing")
        with whence.trace("q"), whence.stage("work"):
            clock.ahead_ns += 600 * 10**9
            telemetry.log_event(component="B", event_type="work", phase="testing")
            silent = codes(telemetry, "testing")
    finally:
        runtime.close()
        process.use(None)

    assert "O01-06" not in busy
    assert "O01-06" in silent
