"""The telemetry door: what agents did, what they handed over, how far outputs drifted, and a report on each phase (seed 0).

    from whence.telemetry import get_telemetry, generate_phase_diagnostic, export_diagnostic_report_markdown

    telemetry = get_telemetry()
    telemetry.log_event(component="CoderAgent", event_type="code_generation_complete", output_embedding=vector)
    report = generate_phase_diagnostic(telemetry, "transformer_output", "phase_complete")
    print(export_diagnostic_report_markdown(report))

Recording never raises and never waits. It needs no trace; inside one it records there.
"""

from typing import Any

from whence.embedding import embed_text
from whence.measure.vectors import Alignment, Thresholds
from whence.telemetry.codes import DTC, DTC_CATALOG
from whence.telemetry.default import get_telemetry, get_telemetry_service, init_telemetry, quickstart_telemetry
from whence.telemetry.handoff import observe_handoff
from whence.telemetry.hooks import (
    analyze_embedding_trajectory,
    generate_phase_diagnostic,
    hook_coder_agent_telemetry,
    hook_judge_evaluation_telemetry,
    hook_llm_call_telemetry,
    hook_orchestrator_state_change_telemetry,
    hook_structural_gap_telemetry,
    hook_transformer_output_telemetry,
)
from whence.telemetry.markdown import export_diagnostic_report_markdown
from whence.telemetry.service import TelemetryService
from whence.telemetry.shapes import DiagnosticReport, StructuralGap, TelemetryEvent, TransformerDiff
from whence.telemetry.timer import Timer

__all__ = [
    "DTC",
    "DTC_CATALOG",
    "Alignment",
    "DiagnosticReport",
    "StructuralGap",
    "TelemetryEvent",
    "TelemetryService",
    "Thresholds",
    "Timer",
    "TransformerDiff",
    "analyze_embedding_trajectory",
    "embed_text",
    "export_diagnostic_report_markdown",
    "generate_phase_diagnostic",
    "get_telemetry",
    "get_telemetry_service",
    "hook_coder_agent_telemetry",
    "hook_judge_evaluation_telemetry",
    "hook_llm_call_telemetry",
    "hook_orchestrator_state_change_telemetry",
    "hook_structural_gap_telemetry",
    "hook_transformer_output_telemetry",
    "init_telemetry",
    "observe_handoff",
    "quickstart_telemetry",
    "raise_code",
]


def raise_code(code: Any, message: Any = "", component: Any = None, **freeze: Any) -> str | None:
    """Set a trouble code on purpose, with the process's own service; see `TelemetryService.raise_code`."""
    return get_telemetry().raise_code(code, message, component, **freeze)
