"""The telemetry service: the calls of seed 0. Recording never raises and never waits for the store."""

import functools
import os
import weakref
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

from whence.clock import SystemClock, iso_utc
from whence.measure.vectors import DEFAULT, Alignment, Thresholds
from whence.model.severity import Severity
from whence.model.trace import COMPLETE
from whence.record.notice import notice
from whence.record.operation import Place
from whence.runtime.doors import refused
from whence.telemetry import comparing, recording
from whence.telemetry.recording import NOT_GIVEN
from whence.telemetry.running import Runs
from whence.telemetry.shapes import DiagnosticReport, StructuralGap, TelemetryEvent, TransformerDiff
from whence.telemetry.timer import Timer

P = ParamSpec("P")
R = TypeVar("R")

PHASE_START: Final = "phase_start"
CODE_RAISED: Final = "code_raised"
ORCHESTRATOR: Final = "Orchestrator"
SWITCHED_OFF: Final = "Nothing is recorded: whence is switched off for this project."


def never_raises(otherwise: Callable[[], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a recording call: what fails inside it is counted, and `otherwise()` is returned."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def door(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
                refused(function.__name__, exc)
                return cast(R, otherwise())

        return door

    return decorate


def nothing() -> None:
    """Return None: what a call that recorded nothing returns."""
    return


def _no_diff() -> TransformerDiff:
    return TransformerDiff(diff_id="", timestamp=_now(), status=Alignment.UNKNOWN, problem=SWITCHED_OFF)


def _now() -> str:
    return iso_utc(SystemClock().now_ns())


class TelemetryService:
    """Logs events with their vectors, finds gaps between components and drift of outputs, and reports on phases.

    It records into the trace that the running code is in. Outside any it records into a run of its own, which begins with
    the first call and ends with `end_run`, or with the program. Of a project that is switched off nothing is recorded:
    the calls return None, an UNKNOWN diff or an empty report.

    Args:
        project: of the run of its own; without it that of the settings.
        thresholds: what distances mean (`whence.measure.vectors.Thresholds`); the defaults are the seed's.
    """

    def __init__(self, *, project: str | None = None, thresholds: Thresholds = DEFAULT) -> None:
        self.thresholds = thresholds
        self._runs = Runs(project)
        weakref.finalize(self, _end_unattended, self._runs)
        _living.add(self._runs)

    # -- recording ---------------------------------------------------------------------------------------------------

    @never_raises(nothing)
    def log_event(
        self,
        component: Any = None,
        event_type: Any = None,
        input_embedding: Any = None,
        output_embedding: Any = None,
        metadata: Any = None,
        duration_ms: Any = None,
        success: Any = True,
        error_message: Any = None,
        artifact_id: Any = None,
        phase: Any = None,
    ) -> str | None:
        """Record that a component did something (R0.10, R0.11); returns the event's id, None if it was not recorded.

        Args:
            input_embedding: vector of what went in: any sequence or array of numbers; one that cannot be compared (zero,
                not finite, no numbers) is noted as such and not stored.
            output_embedding: vector of what came out. The distance between the two is recorded with the event, and that to
                the output before it in this run: the trajectory.
            metadata: anything; secrets in it are masked.
            duration_ms: milliseconds.
            success: False makes it an error: `whence why` looks for a code in `error_message`.
            phase: which phase of the pipeline; without it the one that `begin_phase` named.
        """
        place = self._runs.place()
        if place is None:
            return None
        return recording.event(
            place,
            self._runs.state(place),
            component=component,
            event_type=event_type,
            input_embedding=input_embedding,
            output_embedding=output_embedding,
            metadata=metadata,
            duration_ms=duration_ms,
            success=success,
            error_message=error_message,
            artifact_id=artifact_id,
            phase=phase,
        )

    @never_raises(nothing)
    def detect_structural_gap(
        self,
        source_component: Any = None,
        target_component: Any = None,
        artifact_type: Any = None,
        expected_schema: Any = None,
        actual_schema: Any = None,
        expected_embedding: Any = None,
        actual_embedding: Any = None,
        phase: Any = None,
    ) -> StructuralGap | None:
        """Compare what a component hands over with what the next one expects; returns the gap, None where there is none.

        A field that is expected and missing makes a gap of severity high; one that is optional, medium; fields that nobody
        asked for, low (C0.6). Vectors at least 0.2 apart make one of severity medium, more than 0.4, high (C0.7).
        The comparison is recorded in either case. A schema that is none is recorded as such, and no gap.

        Args:
            expected_schema: an example (every key required), a JSON Schema, or a pydantic model, dataclass or TypedDict;
                None: only the vectors are compared.
            actual_schema: the artifact itself, or a JSON Schema or class that declares it; None: as above.
            expected_embedding: vector of what is expected; optional, as the next (R0.18).
            actual_embedding: vector of what came.
        """
        place = self._runs.place()
        if place is None:
            return None
        return comparing.gap(
            place,
            self._runs.state(place),
            source_component=source_component,
            target_component=target_component,
            artifact_type=artifact_type,
            expected=NOT_GIVEN if expected_schema is None else expected_schema,
            actual=NOT_GIVEN if actual_schema is None else actual_schema,
            expected_embedding=expected_embedding,
            actual_embedding=actual_embedding,
            phase=phase,
            thresholds=self.thresholds,
        )

    @never_raises(nothing)
    def observe_handoff(
        self,
        source: Any,
        target: Any,
        artifact: Any,
        expects: Any = None,
        *,
        artifact_type: Any = None,
        expected_embedding: Any = None,
        actual_embedding: Any = None,
        phase: Any = None,
    ) -> StructuralGap | None:
        """Record what one component hands to another; `whence.telemetry.observe_handoff` says the rest."""
        place = self._runs.place()
        if place is None:
            return None
        return comparing.gap(
            place,
            self._runs.state(place),
            source_component=source,
            target_component=target,
            artifact_type=type(artifact).__name__ if artifact_type is None else artifact_type,
            expected=NOT_GIVEN if expects is None else expects,
            actual=artifact,
            expected_embedding=expected_embedding,
            actual_embedding=actual_embedding,
            actual_is_schema=False,
            phase=phase,
            thresholds=self.thresholds,
        )

    @never_raises(_no_diff)
    def track_transformer_diff(
        self,
        prompt_embedding: Any = None,
        generated_embedding: Any = None,
        expected_embedding: Any = None,
        generated_artifact_id: Any = None,
        prompt_id: Any = None,
        generation_id: Any = None,
        component: Any = None,
        phase: Any = None,
    ) -> TransformerDiff:
        """Compare what was generated with its prompt and with what was expected (R0.22 to R0.25); records and returns it.

        ALIGNED below a cosine distance of 0.2 from the expected, DRIFTED up to 0.4, CRITICAL_MISS above. UNKNOWN, with the
        reason in `problem`, where a vector is missing, zero, not finite, of another dimension, or none (C0.20).

        Args:
            component: which generated.
        """
        place = self._runs.place()
        if place is None:
            return _no_diff()
        return comparing.diff(
            place,
            self._runs.state(place),
            prompt_embedding=prompt_embedding,
            generated_embedding=generated_embedding,
            expected_embedding=expected_embedding,
            generated_artifact_id=generated_artifact_id,
            prompt_id=prompt_id,
            generation_id=generation_id,
            component=component,
            phase=phase,
            thresholds=self.thresholds,
        )

    @never_raises(nothing)
    def raise_code(self, code: Any, message: Any = "", component: Any = None, **freeze: Any) -> str | None:
        """Set a trouble code on purpose; returns the event's id.

        Args:
            code: of the catalog (`whence codes list`), by its code or name. One that is not in it is recorded as given,
                as of medium severity, and noted.
            message: what happened.
            freeze: the values at that moment.
        """
        from whence.diagnose.catalog import catalog

        place = self._runs.place()
        if place is None:
            return None
        found = catalog().get(code)
        more: dict[str, Any] = {"code": found.code if found is not None else recording.text(code)}
        if found is None:
            more["unknown_code"] = True
            notice(f"whence knows no code {more['code']!r}; it is recorded as given (see `whence codes list`)")
        return recording.event(
            place,
            self._runs.state(place),
            component=component,
            event_type=CODE_RAISED,
            metadata=freeze or None,
            success=False,
            error_message=message,
            severity=int(found.severity if found is not None else Severity.MEDIUM),
            more=more,
        )

    @never_raises(nothing)
    def begin_phase(self, name: Any, component: Any = ORCHESTRATOR) -> str | None:
        """Record that a phase begins (R0.50); what follows in this run belongs to it, until the next. Returns the event's id."""
        place = self._runs.place()
        if place is None:
            return None
        state = self._runs.state(place)
        state.phase = recording.text(name) or ""
        return recording.event(place, state, component=component, event_type=PHASE_START)

    def start_timer(self) -> Timer:
        """Return a running timer, for `duration_ms`."""
        return Timer()

    # -- reading ---------------------------------------------------------------------------------------------------

    def generate_diagnostic_report(
        self,
        execution_phase: Any = "",
        trigger_event: Any = "",
        structural_gaps: Any = None,
    ) -> DiagnosticReport:
        """Diagnose a phase of this run and return the report, which is recorded as well (R0.14, R0.28). Never raises.

        It covers what this run recorded since the report before, or `clear_buffer`; what is labelled with this phase, since
        the report before on this phase; nothing that is labelled with another (C0.18). Gaps, drifts and failed events are
        found by themselves. Reads the store, which takes milliseconds; an event loop calls it through `asyncio.to_thread`.

        Args:
            structural_gaps: a list of gaps to name besides, such as those of another run.
        """
        from whence.telemetry import reporting

        place: Place | None = None
        try:
            place = self._runs.place()
            if place is not None:
                state = self._runs.state(place)
                more = structural_gaps if isinstance(structural_gaps, list | tuple) else ()
                return reporting.report(place, state, execution_phase, trigger_event, more)
            return reporting.empty(execution_phase, trigger_event, SWITCHED_OFF)
        except Exception as exc:  # noqa: BLE001 - as `never_raises`; the report says so
            refused("generate_diagnostic_report", exc)
            trouble = f"No report could be made: {type(exc).__name__}. What was recorded is kept; run `whence doctor`."
            return reporting.empty(execution_phase, trigger_event, trouble)

    def events(self) -> list[TelemetryEvent]:
        """Return the events of this run since `clear_buffer`, oldest first; [] where they cannot be read. Never raises."""
        from whence.telemetry import reading

        try:
            place = self._runs.place(begin=False)
            if place is None:
                return []
            return reading.events(place, since_ns=self._runs.state(place).cleared_ns)
        except Exception as exc:  # noqa: BLE001 - as `never_raises`
            refused("events", exc)
            return []

    @property
    def embedding_trajectory(self) -> list[tuple[str, str]]:
        """(component, SHA-256 of the vector) of every output of this run since `clear_buffer`, in order of time (R0.11)."""
        return [(each.component, each.output_embedding) for each in self.events() if each.output_embedding]

    @never_raises(nothing)
    def clear_buffer(self) -> None:
        """Leave what this run has recorded so far out of its next reports. Nothing is deleted."""
        place = self._runs.place(begin=False)
        if place is not None:
            state = self._runs.state(place)
            state.cleared_ns = place.recorder.now_ns()
            with state.lock:
                state.vector, state.component = None, ""

    @never_raises(nothing)
    def end_run(self, status: str = COMPLETE, error: Any = None) -> None:
        """End the service's own run (complete, incomplete, failed), store and diagnose it; the next call begins another.

        A trace that the calls were made in is not touched.
        """
        ended = self._runs.end(status, error)
        if ended is None:
            return
        ended.recorder.spool.wake()
        for callback in ended.recorder.on_trace_end:
            callback(ended.otel_trace_id, True)

    @property
    def run_id(self) -> str:
        """The name of the run that calls outside any trace are recorded into: `whence show <run_id>`."""
        return self._runs.run_id

    def __repr__(self) -> str:
        return f"<TelemetryService {self.run_id}>"


def _end_unattended(runs: Runs) -> None:
    """End the run of a service that nobody uses any more; at the end of the program too."""
    try:
        runs.end()
    except Exception as exc:  # noqa: BLE001 - the interpreter may be ending
        refused("end", exc)


_living: "weakref.WeakSet[Runs]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for runs in list(_living):
        runs.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
