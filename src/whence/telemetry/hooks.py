"""One call for each place where a pipeline is hooked up (R0.16, R0.29 to R0.32), and what is made of a phase (R0.33).

All of them take the telemetry service first; None stands for the process's own. None of them raises.
"""

from collections.abc import Mapping
from typing import Any, Final

from whence.telemetry.default import service_of
from whence.telemetry.service import TelemetryService, never_raises, nothing
from whence.telemetry.shapes import DiagnosticReport, StructuralGap, TransformerDiff

CODER: Final = "CoderAgent"
JUDGE: Final = "Judge"
STATE_FLOW: Final = "StateFlow"
LLM_SERVICE: Final = "LLMService"
GENERATED: Final = "code_generation_complete"
JUDGED: Final = "action_evaluation"
CHANGED: Final = "state_transition"
CALLED: Final = "llm_call_complete"


@never_raises(nothing)
def hook_coder_agent_telemetry(
    telemetry: TelemetryService | None = None,
    input_embedding: Any = None,
    output_embedding: Any = None,
    artifact_id: Any = None,
    duration_ms: Any = None,
    success: Any = True,
    error: Any = None,
) -> str | None:
    """Record that the coder generated, or failed to: CoderAgent / code_generation_complete. Returns the event's id."""
    return service_of(telemetry).log_event(
        component=CODER,
        event_type=GENERATED,
        input_embedding=input_embedding,
        output_embedding=output_embedding,
        artifact_id=artifact_id,
        duration_ms=duration_ms,
        success=success,
        error_message=error,
    )


@never_raises(nothing)
def hook_judge_evaluation_telemetry(
    telemetry: TelemetryService | None = None,
    action_type: Any = None,
    judgment_vector: Any = None,
    scores: Any = None,
    final_score: Any = None,
    approved: Any = True,
) -> str | None:
    """Record a judgement after MCDA: Judge / action_evaluation. Returns the event's id.

    An action that is denied is recorded with `success` false, as the original has it; that is no error.
    """
    return service_of(telemetry).log_event(
        component=JUDGE,
        event_type=JUDGED,
        output_embedding=judgment_vector,
        metadata={"action_type": action_type, "scores": scores, "final_score": final_score, "approved": approved},
        success=approved,
    )


@never_raises(nothing)
def hook_orchestrator_state_change_telemetry(
    telemetry: TelemetryService | None = None,
    state_from: Any = None,
    state_to: Any = None,
    phase: Any = None,
    success: Any = True,
) -> str | None:
    """Record a change of state, before it is performed: StateFlow / state_transition. Returns the event's id."""
    return service_of(telemetry).log_event(
        component=STATE_FLOW,
        event_type=CHANGED,
        metadata={"state_from": state_from, "state_to": state_to, "phase": phase},
        success=success,
        phase=phase,
    )


@never_raises(nothing)
def hook_transformer_output_telemetry(
    telemetry: TelemetryService | None = None,
    prompt_embedding: Any = None,
    generated_embedding: Any = None,
    expected_embedding: Any = None,
    artifact_id: Any = None,
) -> TransformerDiff | None:
    """Compare an output with its prompt and its specification; returns the diff (None only if that itself failed)."""
    return service_of(telemetry).track_transformer_diff(
        prompt_embedding=prompt_embedding,
        generated_embedding=generated_embedding,
        expected_embedding=expected_embedding,
        generated_artifact_id=artifact_id,
    )


@never_raises(nothing)
def hook_llm_call_telemetry(
    telemetry: TelemetryService | None = None,
    prompt_embedding: Any = None,
    generated_embedding: Any = None,
    expected_embedding: Any = None,
    artifact_id: Any = None,
    component: Any = LLM_SERVICE,
    model: Any = None,
    duration_ms: Any = None,
    success: Any = True,
    error: Any = None,
) -> TransformerDiff | None:
    """Record a call of a language model that has ended (R0.32): LLMService / llm_call_complete.

    With an expected vector the output's drift is tracked as well, and the diff returned; else None.
    Prompt, response and tokens of a call are recorded by `whence.llm_call`.
    """
    service = service_of(telemetry)
    service.log_event(
        component=component,
        event_type=CALLED,
        input_embedding=prompt_embedding,
        output_embedding=generated_embedding,
        artifact_id=artifact_id,
        metadata=None if model is None else {"model": model},
        duration_ms=duration_ms,
        success=success,
        error_message=error,
    )
    if expected_embedding is None:
        return None
    return service.track_transformer_diff(
        prompt_embedding=prompt_embedding,
        generated_embedding=generated_embedding,
        expected_embedding=expected_embedding,
        generated_artifact_id=artifact_id,
        component=component,
    )


@never_raises(nothing)
def hook_structural_gap_telemetry(
    telemetry: TelemetryService | None = None,
    source_agent: Any = None,
    target_agent: Any = None,
    artifact: Any = None,
    expected_schema: Any = None,
    source_embedding: Any = None,
    target_embedding: Any = None,
) -> StructuralGap | None:
    """Compare an artifact with what the next agent expects, where it is handed over; returns the gap if there is one."""
    said = artifact.get("type") if isinstance(artifact, Mapping) else getattr(artifact, "type", None)
    return service_of(telemetry).observe_handoff(
        source_agent,
        target_agent,
        artifact,
        expected_schema,
        artifact_type=said if isinstance(said, str) and said else None,
        expected_embedding=target_embedding,
        actual_embedding=source_embedding,
    )


def generate_phase_diagnostic(
    telemetry: TelemetryService | None = None,
    phase_name: Any = "",
    trigger_event: Any = "",
    structural_gaps: Any = None,
) -> DiagnosticReport:
    """Diagnose a phase of the pipeline that has come to its end (R0.33); see `TelemetryService.generate_diagnostic_report`."""
    return service_of(telemetry).generate_diagnostic_report(phase_name, trigger_event, structural_gaps)


def analyze_embedding_trajectory(
    telemetry: TelemetryService | None = None, min_divergence_threshold: float = 0.3
) -> dict[str, Any]:
    """Return how the outputs of this run follow each other (R0.11, D0.2).

    Keys: total_hops (outputs with a vector), components_traversed (theirs, in order of time), divergence_points ({from, to,
    distance, severity}, those more than the threshold apart: a cosine distance, 0 to 2), trajectory ([(component, SHA-256 of
    the vector)]), distances (from each output to the next; None where they cannot be compared).
    """
    from whence.measure.vectors import DEFAULT
    from whence.telemetry.reporting import divergence

    events = [each for each in service_of(telemetry).events() if each.output_embedding]
    limit = min_divergence_threshold + DEFAULT.tolerance
    return {
        "total_hops": len(events),
        "components_traversed": [each.component for each in events],
        "divergence_points": [
            divergence(each.trajectory_from, each.component, each.trajectory_distance)
            for each in events
            if each.trajectory_distance is not None and each.trajectory_distance > limit
        ],
        "trajectory": [(each.component, each.output_embedding) for each in events],
        "distances": [each.trajectory_distance for each in events[1:]],
    }
