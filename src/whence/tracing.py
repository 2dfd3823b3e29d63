"""The tracing door: decision traces of research runs, under the names of the seed (seed 1, R1.29-R1.60).

    async with TraceContext.start(project_name="cobot", query="…") as trace:
        trace.record("intake", "classified_intent", {"what": "validating", "why": "…", "confidence": 0.85})

A component deep in the pipeline takes the trace from the context, without a parameter: `trace = TraceContext.current()`,
then `if trace: trace.record(…)`. Recording never raises and never waits.
"""

from __future__ import annotations

import contextvars
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from whence.model import record as kinds
from whence.model.quality import passed_of
from whence.model.trace import COMPLETE, FAILED, IN_PROGRESS, INCOMPLETE, Decision, StageTrace, TraceResult
from whence.record import context
from whence.record.disabled import NoTrace
from whence.record.failure import describe_error
from whence.record.guard import guarded, not_started
from whence.record.normalise import as_label, as_object
from whence.record.notice import notice
from whence.record.trace import Trace as RecordedTrace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from whence.model.trace import TraceView

__all__ = [
    "Decision",
    "StageTrace",
    "Trace",
    "TraceContext",
    "TraceQuery",
    "TraceResult",
    "TracingComponent",
    "check_calibration_flags",
    "get_registered_components",
    "register_component",
    "traced_research",
    "validate_trace_schema",
]

_USUAL = frozenset(("what", "why", "confidence", "alternatives_considered", "inputs"))


class Trace(RecordedTrace):
    """A research run being recorded (R1.35). What it has recorded so far is read back from the store on demand."""

    unmarked = IN_PROGRESS  # a run that nobody marked ends as incomplete (C1.15)

    def record(self, stage_name: str, decision_type: str, data: dict[str, Any] | None = None) -> None:
        """Record a decision within a stage, which is made if it was not started (R1.37).

        Args:
            data: what, why, confidence (0 to 1), alternatives_considered, inputs; anything else is kept too.
        """
        try:  # as `guarded`, whose call this spares: this is what is called most
            stage = self._stages.get(stage_name) if type(stage_name) is str else None
            where = stage.where if stage is not None else self._named(stage_name).where
            extra = None
            if type(data) is not dict:  # a dict of another kind may answer with what is not in it, and keep that
                data = as_object(data if not isinstance(data, dict) else dict(data))
            try:  # the five usual fields and no other: the common case, and the quickest way to find out
                what, why, confidence = data["what"], data["why"], data["confidence"]
                alternatives, inputs = data["alternatives_considered"], data["inputs"]
                usual = len(data) == 5
            except KeyError:
                usual = False
            if not usual:
                what, why, confidence = data.get("what"), data.get("why", ""), data.get("confidence", 1.0)
                alternatives, inputs = data.get("alternatives_considered"), data.get("inputs")
                extra = {key: value for key, value in data.items() if key not in _USUAL} or None
            self.decide(where, decision_type, what, why, confidence, alternatives, inputs, extra)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is not the host's
            self.refused("record", exc)

    def start_stage(self, stage_name: str) -> None:
        """Mark the start of a stage, or of its next attempt; what it recorded before stays (C1.7)."""
        self.stage(stage_name)

    @guarded
    def end_stage(self, stage_name: str, outputs: dict[str, Any] | None = None, error: Any = None) -> None:
        """Mark the end of a stage's current attempt (R1.36). A stage that was not started is a warning, not an error."""
        stage = self._stages.get(self.recorder.label(stage_name)[0])
        if stage is None or not stage.open:
            notice(f"end_stage called for a stage that was not started: {stage_name!r}")
            return
        stage.end(outputs if outputs is None else as_object(outputs), error)

    @guarded
    def record_evidence(self, stage_name: str, data: dict[str, Any]) -> None:
        """Record what was collected, filtered and kept (R1.14)."""
        self.keep(kinds.EVIDENCE, stage_name, data)

    @guarded
    def record_prompts(self, stage_name: str, prompts: dict[str, Any]) -> None:
        """Record the full prompts of a stage (system_prompt, user_message)."""
        self.keep(kinds.PROMPTS, stage_name, prompts)

    @guarded
    def record_iteration(self, data: dict[str, Any]) -> None:
        """Record one round through the quality gate (R1.28). Both spellings of its result are understood (C1.6)."""
        data = as_object(data)
        self._iterations += 1
        self.iteration_count = self._iterations
        passed = passed_of(data)
        if passed is None:
            notice(
                "record_iteration: neither 'passed' (bool) nor 'quality_gate_result' (PASS or FAIL) is given; "
                "not counted as a failure"
            )
        elif not passed:
            self.quality_gate_failures += 1
        self.keep(kinds.ATTEMPT, None, data)

    @guarded
    def set_outputs(self, outputs: dict[str, Any]) -> None:
        """Add to the outputs of the run: report_path, evidence_paths, knowledge_paths, … Merged, not replaced (C1.8)."""
        self.keep(kinds.OUTPUTS, None, as_object(outputs))

    @guarded
    def add_child_trace(self, trace_id: str, output_type: str, path: str | None = None) -> None:
        """Record that another trace made one of this run's outputs (R1.27)."""
        self.child_trace(trace_id, output_type, path)

    def mark_complete(self) -> None:
        """Say that the run did what it should."""
        self.mark(COMPLETE)

    @guarded
    def mark_failed(self, error: Any) -> None:
        """Say that the run failed, and why."""
        self.mark(FAILED, error)
        self.keep(kinds.OUTPUTS, None, {"error": describe_error(error) if isinstance(error, BaseException) else error})

    def mark_incomplete(self) -> None:
        """Say that the run ended before its end."""
        self.mark(INCOMPLETE)

    # -- what has been recorded -------------------------------------------------------------------------------------

    def view(self) -> TraceView:
        """Return everything recorded so far."""
        from whence.runtime.runtime import runtime_or_default

        return runtime_or_default().view(self.otel_trace_id)

    @property
    def stages(self) -> dict[str, StageTrace]:
        """The stages recorded so far, by name."""
        return self.view().stages

    @property
    def iterations(self) -> list[dict[str, Any]]:
        """The rounds recorded so far."""
        return self.view().iterations

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs recorded so far, merged."""
        return self.view().outputs

    @property
    def child_traces(self) -> list[dict[str, Any]]:
        """The child traces recorded so far."""
        return self.view().child_traces

    @property
    def started_at(self) -> str:
        """When the run began, ISO 8601 UTC."""
        from whence.clock import iso_utc

        return iso_utc(self.started_ns)

    @property
    def completed_at(self) -> str | None:
        """When the run was marked, ISO 8601 UTC."""
        from whence.clock import iso_utc

        return None if self.status == IN_PROGRESS else iso_utc(self.started_ns + self.duration_ns)

    @property
    def duration_seconds(self) -> float | None:
        """How long the run took, once marked."""
        return None if self.status == IN_PROGRESS else self.duration_ns / 1e9

    @property
    def tracing_overhead_ms(self) -> float:
        """Time spent in recording calls so far (R1.70)."""
        return self.overhead_ns / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Return the trace document as of now (R1.40)."""
        from whence.model.content import resolve
        from whence.runtime.runtime import generator, runtime_or_default
        from whence.wire.document import document

        runtime = runtime_or_default()
        view = runtime.view(self.otel_trace_id)
        whole: dict[str, Any] = resolve(document(view, generator=generator()), runtime.content)
        return whole


class _NoOpTrace(NoTrace):
    """The trace of a disabled project: takes every call in every form, does nothing, and is falsy (R1.41, C1.2, C1.3)."""

    trace_id = "noop"
    project_id = project_name = query = intent = domain = report_type = research_type = None
    started_at = completed_at = duration_seconds = parent_trace_id = error = None
    iteration_count = 1
    quality_gate_failures = 0
    tracing_overhead_ms = 0.0

    def record(self, stage_name: str, decision_type: str, data: dict[str, Any] | None = None) -> None:
        """Do nothing."""

    def start_stage(self, stage_name: str) -> None:
        """Do nothing."""

    def end_stage(self, stage_name: str, outputs: dict[str, Any] | None = None, error: Any = None) -> None:
        """Do nothing."""

    def record_evidence(self, stage_name: str, data: dict[str, Any]) -> None:
        """Do nothing."""

    def record_prompts(self, stage_name: str, prompts: dict[str, Any]) -> None:
        """Do nothing."""

    def record_iteration(self, data: dict[str, Any]) -> None:
        """Do nothing."""

    def set_outputs(self, outputs: dict[str, Any]) -> None:
        """Do nothing."""

    def add_child_trace(self, trace_id: str, output_type: str, path: str | None = None) -> None:
        """Do nothing."""

    def mark_complete(self) -> None:
        """Do nothing."""

    def mark_failed(self, error: Any) -> None:
        """Do nothing."""

    def mark_incomplete(self) -> None:
        """Do nothing."""

    @property
    def stages(self) -> dict[str, StageTrace]:
        """None were recorded."""
        return {}

    @property
    def iterations(self) -> list[dict[str, Any]]:
        """None were recorded."""
        return []

    @property
    def outputs(self) -> dict[str, Any]:
        """None were recorded."""
        return {}

    @property
    def child_traces(self) -> list[dict[str, Any]]:
        """None were recorded."""
        return []

    def to_dict(self) -> dict[str, Any]:
        """Return what there is to say of a disabled trace."""
        return {"trace_id": "noop", "run": {"status": "disabled", "tracing_enabled": False}, "stages": {}}


class TraceContext:
    """Starts, finds and finishes the trace of the running code."""

    @staticmethod
    def start(
        project_id: str | None = None,
        project_name: str | None = None,
        query: str | None = None,
        intent: str | None = None,
        domain: str | None = None,
        report_type: str | None = None,
        research_type: str | None = None,
        enabled: bool = True,
        *,
        parent_trace_id: str | None = None,
        traceparent: str | None = None,
    ) -> Trace:
        """Begin a trace, make it current and return it: use it as `with`, as `async with`, or `finish` it yourself.

        With `enabled=False`, or for a project that is switched off, the trace is a falsy one that does nothing.
        """
        try:
            from whence.runtime.runtime import runtime_or_default

            runtime = runtime_or_default()
            if project_name is None and project_id is None:
                project_name = runtime.settings.project
            if not enabled or not runtime.records(as_label(project_name) or as_label(project_id)):
                return _NoOpTrace()  # type: ignore[return-value]
            return Trace(
                runtime.recorder,
                project_id=project_id,
                project_name=project_name,
                query=query,
                intent=intent,
                domain=domain,
                report_type=report_type,
                research_type=research_type,
                parent_trace_id=parent_trace_id,
                traceparent=traceparent,
            )
        except Exception as exc:  # noqa: BLE001 - a run that cannot be recorded is a run all the same
            not_started(exc)
            return _NoOpTrace()  # type: ignore[return-value]

    @staticmethod
    def current() -> Trace | None:
        """Return the trace of the running code, or None outside any."""
        return context.current_trace()  # type: ignore[return-value]

    @staticmethod
    async def finish(trace: Trace | None, verbose: bool = False) -> dict[str, Any]:
        """End a trace that is not used as a context manager: write its file and its row (R1.33, D1).

        Returns trace_id, status, file_path or file_error, supabase "saved" or supabase_error, calibration_flags,
        flagged_for_review, summary_file; for a disabled trace {"saved": False, "reason": "tracing_disabled"}.
        """
        if trace is None:
            return {"saved": False, "reason": "no_trace"}
        trace.end()  # here, because it restores the context of the task
        return await _in_thread(_finished, trace, verbose)

    @staticmethod
    def finish_sync(trace: Trace | None, verbose: bool = False) -> dict[str, Any]:
        """As `finish`, for code without an event loop."""
        if trace is None:
            return {"saved": False, "reason": "no_trace"}
        trace.end()
        return _finished(trace, verbose)


def _finished(trace: Trace, verbose: bool) -> dict[str, Any]:
    """Do what follows a trace's end and return what came of it. Never raises: the host's run is over and good."""
    if not trace:
        return {"saved": False, "reason": "tracing_disabled"}
    result = {"trace_id": trace.trace_id, "status": trace.status, **trace.announce()}
    try:
        from whence.runtime.runtime import runtime_or_default
        from whence.runtime.scorecard import print_scorecard, write_summary

        if "file_path" in result:
            summary = write_summary(runtime_or_default().view_of_stored(trace.otel_trace_id))
            result["summary_file"] = str(summary) if summary is not None else None
        if verbose:
            print_scorecard(trace.otel_trace_id)
    except Exception as exc:  # noqa: BLE001 - a summary is not worth an exception in somebody's program
        trace.recorder.errors.add("finish", exc)
    return result


class traced_research:
    """A whole research run as one block, sync or async: complete on exit, failed on an exception, always finished (D1).

    After the block, `.result` holds what `finish` returned.
    """

    def __init__(
        self,
        query: str | None = None,
        project_id: str | None = None,
        project_name: str | None = None,
        intent: str | None = None,
        domain: str | None = None,
        report_type: str | None = None,
        research_type: str | None = None,
        verbose: bool = False,
        enabled: bool = True,
    ) -> None:
        self._start = (project_id, project_name, query, intent, domain, report_type, research_type, enabled)
        self._verbose = verbose
        self._trace: Trace | None = None
        self.result: dict[str, Any] = {}

    def __enter__(self) -> Trace:
        self._trace = TraceContext.start(*self._start)
        return self._trace

    def _close(self, error: BaseException | None) -> Trace | None:
        trace = self._trace
        if trace:
            trace.end(trace.close(error) if error is not None else self._complete(trace))
        return trace

    @staticmethod
    def _complete(trace: Trace) -> None:
        if trace.status == IN_PROGRESS:
            trace.mark_complete()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        trace = self._close(error)
        if trace is not None:
            self.result = TraceContext.finish_sync(trace, self._verbose)
        return False

    async def __aenter__(self) -> Trace:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> Literal[False]:
        trace = self._close(error)
        if trace is not None:
            self.result = await TraceContext.finish(trace, self._verbose)
        return False


T = TypeVar("T")


class TraceQuery:
    """The seed's ten queries (R1.43-R1.53), each an awaitable. From plain code call `whence.query`, which these call."""

    @staticmethod
    async def by_intent(intent: str, limit: int = 50) -> list[TraceResult]:
        """Return complete runs with this intent, newest first."""
        return await _in_thread(_query().by_intent, intent, limit)

    @staticmethod
    async def low_scoring_principle(principle_id: str, threshold: float = 2, limit: int = 50) -> list[TraceResult]:
        """Return complete runs in which the principle scored below the threshold, newest first."""
        return await _in_thread(_query().low_scoring_principle, principle_id, threshold, limit)

    @staticmethod
    async def quality_gate_failures(limit: int = 50) -> list[TraceResult]:
        """Return runs of any finished status that failed the gate (C1.16), newest first."""
        return await _in_thread(_query().quality_gate_failures, limit)

    @staticmethod
    async def by_domain(domain: str, limit: int = 50) -> list[TraceResult]:
        """Return complete runs of this domain, newest first."""
        return await _in_thread(_query().by_domain, domain, limit)

    @staticmethod
    async def by_project(project_name: str, limit: int = 50) -> list[TraceResult]:
        """Return runs of this project, by its name or id (C1.17), newest first."""
        return await _in_thread(_query().by_project, project_name, limit)

    @staticmethod
    async def principle_patterns(min_runs: int = 3) -> list[dict[str, Any]]:
        """Return {principle_id, fail_count, avg_score, total_runs} of principles that failed at least so often."""
        return await _in_thread(_query().principle_patterns, min_runs)

    @staticmethod
    async def compare(trace_id_a: str, trace_id_b: str) -> dict[str, Any]:
        """Return two runs side by side and the difference of their figures (R1.50)."""
        return await _in_thread(_query().compare, trace_id_a, trace_id_b)

    @staticmethod
    async def full_trace(trace_id: str) -> dict[str, Any] | None:
        """Return the whole trace document, or None where it is missing or damaged (C1.20)."""
        return await _in_thread(_query().full_trace, trace_id)

    @staticmethod
    async def flagged_for_review(limit: int = 20) -> list[TraceResult]:
        """Return runs that were flagged for calibration review, newest first."""
        return await _in_thread(_query().flagged_for_review, limit)

    @staticmethod
    async def summary() -> dict[str, Any]:
        """Return counts and averages over all runs."""
        return await _in_thread(_query().summary)


async def _in_thread(function: Callable[..., T], *args: Any) -> T:
    """Return what the function returns, without blocking the event loop meanwhile."""
    import asyncio  # late: a program without an event loop need not load it

    loop = asyncio.get_running_loop()
    try:
        running = loop.run_in_executor(None, contextvars.copy_context().run, function, *args)
    except RuntimeError:  # the loop's executor is shut down: the program is ending, nobody else waits
        return function(*args)
    return await asyncio.shield(running)


def _query() -> ModuleType:
    from whence import query

    return query


async def check_calibration_flags(trace: Trace) -> list[str]:
    """Return the calibration messages that a finished trace raises (R1.55)."""

    def ask() -> list[str]:
        from whence.diagnose.calibration import flags_of
        from whence.errors import WhenceError
        from whence.runtime.runtime import runtime_or_default

        try:
            store = runtime_or_default().ready_store()
            row = store.trace(trace.otel_trace_id)
            return [] if row is None else [each.title for each in flags_of(row, store)]
        except WhenceError as exc:  # D1: trouble with the store is no flag, and no exception
            notice(f"whence could not check calibration: {exc}")
            return []

    return await _in_thread(ask) if trace else []


class TracingComponent(ABC):
    """The contract of a component that emits decisions (R1.29): for documentation, and for checks in tests.

    A component need not inherit from this to record.
    """

    @property
    @abstractmethod
    def component_name(self) -> str:
        """Unique name in traces, such as `rubric_loader`."""
        ...

    @abstractmethod
    def get_trace_schema(self) -> dict[str, Any]:
        """Return what it can emit: {"decisions": [names], "outputs": [names]}."""
        ...


_components: dict[str, TracingComponent] = {}


def validate_trace_schema(component: TracingComponent) -> dict[str, Any]:
    """Return {valid, errors} for a component's name and schema (D1)."""
    errors: list[str] = []
    try:
        name: object = component.component_name
        schema: object = component.get_trace_schema()
    except Exception as exc:  # noqa: BLE001 - a component of the user's; its mistake is the answer
        return {"valid": False, "errors": [f"asking the component raised {type(exc).__name__}: {exc}"]}
    if not isinstance(name, str) or not name.strip():
        errors.append(f"component_name is {name!r}; a non-empty string is needed")
    if not isinstance(schema, dict):
        return {"valid": False, "errors": [*errors, f"get_trace_schema() gave {type(schema).__name__}, not a dict"]}
    for key in ("decisions", "outputs"):
        names = schema.get(key)
        if not isinstance(names, list):
            errors.append(f"schema[{key!r}] is {names!r}; a list of names is needed")
        elif not all(isinstance(each, str) and each for each in names):
            errors.append(f"schema[{key!r}] holds something that is no name: {names!r}")
        elif len(set(names)) != len(names):
            errors.append(f"schema[{key!r}] names something twice: {names!r}")
    return {"valid": not errors, "errors": errors}


def register_component(component: TracingComponent) -> None:
    """Add a component to the registry; registering the same name again replaces it.

    Raises:
        BadInput: its schema is not valid; the message says what is wrong.
    """
    checked = validate_trace_schema(component)
    if not checked["valid"]:
        from whence.errors import BadInput

        raise BadInput("; ".join(checked["errors"]))
    _components[component.component_name] = component


def get_registered_components() -> dict[str, TracingComponent]:
    """Return a copy of the registry, by name."""
    return dict(_components)
