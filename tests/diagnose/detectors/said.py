"""What a run says, in the few words that a detector's test needs. Each method adds one record and returns its id."""

import random
from collections.abc import Iterable
from typing import Any

from tests.builders import SECOND_NS, START_NS, record
from whence.clock import trace_id_of
from whence.diagnose.detector import Detector, history_of
from whence.diagnose.digesting import digest_of
from whence.diagnose.run import NO_HISTORY, Run
from whence.model import record as kinds
from whence.model.digest import sorted_runs
from whence.model.finding import Finding
from whence.model.record import Record
from whence.model.severity import Severity

APART_S = 600
"""Runs of consecutive numbers begin ten minutes apart."""


class Said:
    """A run that is being told, record by record, each 0.1 s after the one before.

    Args:
        number: which run; ids and times follow from it.
        start: fields of the trace.start payload. A run is begun unless `begun` is False.
    """

    def __init__(self, number: int = 1, *, project: str = "acme", begun: bool = True, **start: Any) -> None:
        self.at_ns = START_NS + number * APART_S * SECOND_NS
        self.trace = f"{self.at_ns // SECOND_NS:08x}{number:024x}"
        self.project = project
        self.records: list[Record] = []
        self._number = number * 1_000_000
        self._spans = number * 10_000
        self._open: dict[str, dict[str, Any]] = {}
        if begun:
            said = {"trace_id": trace_id_of(self.trace, self.at_ns), "writer": "w-1", **start}
            self.add(kinds.TRACE_START, said, name="run")

    def add(self, kind: str, data: Any = None, *, after_s: float = 0.1, **fields: Any) -> str:
        """Add a record of any kind, `after_s` seconds after the last one; `ts_ns` tells another time."""
        self._number += 1
        self.at_ns += round(after_s * SECOND_NS)
        said = {"ts_ns": self.at_ns, "trace": self.trace, "project": self.project, "component": "", **fields}
        self.records.append(record(self._number, kind, data, **said))
        return self.records[-1].record_id

    def event(self, name: str, message: Any = "", *, attributes: Any = None, level: int = 0, **fields: Any) -> str:
        """Add an event."""
        data = {"message": message, **({"attributes": attributes} if attributes is not None else {})}
        return self.add(kinds.EVENT, data, name=name, level=int(level), **fields)

    def error(self, component: str, message: Any, *, name: str = "error", **fields: Any) -> str:
        """Add an event of level high."""
        return self.event(name, message, level=Severity.HIGH, component=component, **fields)

    def telemetry(
        self, component: str, name: str, *, success: bool = True, message: str = "", **attributes: Any
    ) -> str:
        """Add an event as `whence.telemetry` records it."""
        said = {"success": success, **attributes}
        level = Severity.INFO if success else Severity.HIGH
        return self.event(name, message, attributes=said, level=level, component=component)

    def begin(self, name: str, *, type: str = "stage", attempt: int = 1, **fields: Any) -> str:
        """Begin a timed part, and return its span id. A stage is its own `stage`; `parent` is the span around it."""
        self._spans += 1
        span = f"{self._spans:016x}"
        data = {"type": type, "attempt": attempt}
        fields = {"name": name, "span": span, **({"stage": name} if type == "stage" else {}), **fields}
        self._open[span] = {"data": data, "fields": fields, "at_ns": self.at_ns}
        self.add(kinds.SPAN_START, data, **fields)
        self._open[span]["at_ns"] = self.at_ns
        return span

    def finish(self, span: str, *, seconds: float | None = None, error: Any = None, **data: Any) -> str:
        """End a timed part, `seconds` after it began; without them 0.1 s after the last record."""
        begun = self._open.pop(span)
        if seconds is not None:
            self.at_ns = max(self.at_ns, begun["at_ns"] + round(seconds * SECOND_NS) - SECOND_NS // 10)
        took = round(seconds * SECOND_NS) if seconds is not None else self.at_ns + SECOND_NS // 10 - begun["at_ns"]
        said = {**begun["data"], "duration_ns": took, **({"error": error} if error else {}), **data}
        return self.add(kinds.SPAN_END, said, **begun["fields"])

    def stage(self, name: str, *, seconds: float = 1.0, error: Any = None, **fields: Any) -> str:
        """Add a whole stage: beginning and end. Returns the id of its end."""
        data = {key: fields.pop(key) for key in ("outputs", "attributes") if key in fields}
        return self.finish(self.begin(name, **fields), seconds=seconds, error=error, **data)

    def llm(self, name: str = "generate", *, seconds: float = 1.0, error: Any = None, **fields: Any) -> str:
        """Add a whole call of a language model."""
        data = {key: fields.pop(key) for key in ("outputs", "attributes") if key in fields}
        return self.finish(self.begin(name, type="llm", **fields), seconds=seconds, error=error, **data)

    def tool(self, name: str, *, seconds: float = 1.0, error: Any = None, **fields: Any) -> str:
        """Add a whole call of a tool."""
        return self.finish(self.begin(name, type="tool", **fields), seconds=seconds, error=error)

    def decision(self, name: str, what: Any, *, confidence: Any = None, inputs: Any = None, **fields: Any) -> str:
        """Add a decision."""
        data = {"what": what, "why": "", "confidence": confidence, "inputs": inputs if inputs is not None else {}}
        return self.add(kinds.DECISION, data, name=name, **fields)

    def check(self, name: str, passed: bool | None, *, type: str = "score", component: str = "", **data: Any) -> str:
        """Add a check; further keywords are fields of its payload, `after_s` and `stage` those of its record."""
        fields = {key: data.pop(key) for key in ("after_s", "stage", "span", "ts_ns", "parent") if key in data}
        return self.add(kinds.CHECK, {"type": type, "passed": passed, **data}, name=name, component=component, **fields)

    def snapshot(self, component: str, checkpoint: str, state: Any, **data: Any) -> str:
        """Add the state of a component; further keywords as for `check`."""
        fields = {key: data.pop(key) for key in ("after_s", "stage", "ts_ns") if key in data}
        return self.add(kinds.SNAPSHOT, {"state": state, **data}, name=checkpoint, component=component, **fields)

    def metric(self, component: str, name: str, value: Any, unit: str = "1", **fields: Any) -> str:
        """Add a number."""
        return self.add(kinds.METRIC, {"value": value, "unit": unit}, name=name, component=component, **fields)

    def end(self, status: str = "complete", **fields: Any) -> str:
        """End the run."""
        data = {"status": status, "duration_ns": max(0, self.at_ns - self.records[0].ts_ns), **fields}
        return self.add(kinds.TRACE_END, data, name="run")

    @property
    def run(self) -> Run:
        """What was said, prepared for detectors."""
        return Run.of(self.records, self.trace)


def examined(detector: Detector, said: Said, before: Iterable[Said] = ()) -> list[Finding]:
    """Return what a detector finds in one run, beside the runs before it."""
    earlier = list(before)
    if not earlier:
        return list(detector.examine(said.run, NO_HISTORY))
    digests = sorted_runs([digest_of(each.run) for each in earlier])
    return list(detector.examine(said.run, history_of(digest_of(said.run), digests)))


def records_of(runs: Iterable[Said]) -> list[Record]:
    """Return the records of many runs, as `Detector.detect` takes them."""
    return [each for said in runs for each in said.records]


def clean_run(number: int = 1, *, failing: str = "") -> Said:
    """Return a run in which nothing is wrong: four stages, a call, decisions, checks, a hand-over, snapshots, a gate."""
    run = Said(number, intent="exploring", domain="energy")
    run.stage("intake")
    run.decision("classify", "exploring", confidence=0.9, stage="intake", component="intake")
    run.stage("collection", outputs={"evidence_passed": 9})
    run.llm(
        stage="synthesis", component="writer", attributes={"model": "m-1", "input_tokens": 900, "output_tokens": 80}
    )
    run.check("report.md", True, type="syntax", component="writer", subject="report.md")
    shape = {
        "type": "object",
        "properties": {"code": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["code", "n"],
    }
    run.check("generated_code", True, type="interface", component="coder", subject="tester", actual=shape)
    run.telemetry("coder", "code_generation_complete", distance=0.1, trajectory_distance=0.05, trajectory_from="intake")
    for node in ("node/1", "node/2"):
        run.snapshot(node, "after_write", {"rows": 3, "version": 7}, attributes={"operation_id": "op-1"})
    run.metric("writer", "memory", 100.0, "MBy")
    run.stage("quality_gate", outputs={"passed": True, "overall_score": 2.5, "principle_scores": {"META-1": 2.5}})
    run.end()
    return run


def shuffled(records: list[Record], seed: int = 1) -> list[Record]:
    """Return records in another order, each twice: whoever reads them must not mind."""
    both = [*records, *records]
    random.Random(seed).shuffle(both)
    return both


HOSTILE: tuple[Any, ...] = (
    None,
    True,
    7,
    -1.5,
    "text",
    [],
    ["a", 1, None],
    {},
    {"type": 3},
    {"a": {"b": [1]}},
    "x" * 10_000,
)
"""What a payload's fields may hold although they should not."""


def hostile_run(number: int = 1) -> Said:
    """Return a run whose payloads hold anything anywhere."""
    run = Said(number)
    of = [kinds.EVENT, kinds.CHECK, kinds.SNAPSHOT, kinds.SPAN_START, kinds.SPAN_END, kinds.DECISION, kinds.METRIC]
    of += [kinds.TRANSFORM, kinds.EVIDENCE, kinds.OUTPUTS, kinds.ATTEMPT, kinds.COST, kinds.TRACE_END]
    names = ("message", "attributes", "error", "type", "passed", "subject", "failures", "label", "state", "expected")
    names += ("actual", "score", "inputs", "what", "confidence", "outputs", "duration_ns", "attempt", "value", "data")
    names += ("failures_total", "status", "dropped", "patch", "alternatives", "content", "phase")
    inner = (
        "success",
        "distance",
        "trajectory_distance",
        "trajectory_from",
        "scores",
        "weights",
        "approved",
        "sequence",
    )
    inner += ("final_score", "operation_id", "expected_nodes", "missing_fields", "counts", "code", "codes", "problem")
    inner += ("state_from", "state_to", "progress", "retries", "error_type", "traceback", "artifact_type")
    types = ("interface", "drift", "import", "syntax", "score", "stage", "llm")
    for kind in of:
        for n, value in enumerate(HOSTILE):
            span = f"{n + 1:016x}"
            fields = {"component": "a/b", "span": span, "level": 4, "parent": f"{n:016x}"}
            if kind in (kinds.TRACE_END, kinds.SPAN_START):
                fields["level"] = 0
            run.add(kind, dict.fromkeys(names, value), **fields)
            run.add(kind, {"attributes": dict.fromkeys(inner, value), "passed": False, "type": types[n % 7]}, **fields)
            run.add(kind, value, **fields)
    return run
