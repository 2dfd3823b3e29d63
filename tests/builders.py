"""Encoded records as recorders write them: single ones, whole runs, and large realistic batches."""

import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from whence.clock import trace_id_of
from whence.model import record as kinds
from whence.model.record import Record
from whence.wire.records import encode, payload

START_NS: Final = 1_767_225_600_000_000_000
"""2026-01-01T00:00Z."""
SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * SECOND_NS


def hex_id(number: int) -> str:
    """Return 32 hex digits for a small number."""
    return f"{number:032x}"


def record(number: int, kind: str = kinds.EVENT, data: Any = None, **fields: Any) -> Record:
    """Return a record whose id and time count up with its number; every field can be given."""
    values: dict[str, Any] = {
        "name": kind,
        "ts_ns": START_NS + number * SECOND_NS,
        "trace": "",
        "span": "",
        "parent": "",
        "stage": "",
        "project": "acme",
        "component": "tests",
        "level": 1,
        "flags": 0,
        **fields,
    }
    return Record(record_id=hex_id(number), kind=kind, payload=payload(data if data is not None else {}), **values)


def encoded(number: int, kind: str = kinds.EVENT, data: Any = None, **fields: Any) -> bytes:
    """Return the bytes of `record`."""
    return encode(record(number, kind, data, **fields))


def content(number: int, sha256: str, text: str) -> bytes:
    """Return a text under its hash, as it travels."""
    return encoded(number, kinds.CONTENT, {"text": text}, name=sha256)


class Run:
    """The records of one trace, made one after the other.

    Args:
        number: which trace; its ids and times follow from it.
        at_ns: when it starts.
        start: fields of the trace.start payload, beside its trace_id.
    """

    def __init__(self, number: int, *, at_ns: int | None = None, project: str = "acme", **start: Any) -> None:
        self.at_ns = START_NS + number * 60 * SECOND_NS if at_ns is None else at_ns
        self.otel_trace_id = f"{self.at_ns // SECOND_NS:08x}{number:024x}"
        self.trace_id = trace_id_of(self.otel_trace_id, self.at_ns)
        self.project = project
        self.start_fields = start
        self._number = number * 1_000_000
        self._spans = 0
        self.records: list[bytes] = []

    def add(self, kind: str, data: Any = None, **fields: Any) -> "Run":
        """Add a record of any kind."""
        self._number += 1
        self.at_ns += SECOND_NS // 10
        fields = {"ts_ns": self.at_ns, "trace": self.otel_trace_id, "project": self.project, **fields}
        self.records.append(encoded(self._number, kind, data, **fields))
        return self

    def start(self) -> "Run":
        """Add its trace.start."""
        return self.add(kinds.TRACE_START, {"trace_id": self.trace_id, "writer": "writer-1", **self.start_fields})

    def stage(self, name: str, outputs: Any = None, *, seconds: float = 1.0, decisions: int = 0) -> "Run":
        """Add a stage with as many decisions."""
        self._spans += 1
        span = f"{self._spans:016x}"
        self.add(kinds.SPAN_START, {"type": "stage"}, name=name, stage=name, span=span)
        for each in range(decisions):
            what = {"what": f"option {each}", "why": f"reason {each}", "confidence": 0.5, "inputs": {"step": each}}
            self.add(kinds.DECISION, what, name=f"choose_{each}", stage=name, span=span)
        end = {"type": "stage", "duration_ns": int(seconds * SECOND_NS), "outputs": outputs}
        return self.add(kinds.SPAN_END, end, name=name, stage=name, span=span)

    def llm(self, stage: str = "synthesis", **attributes: Any) -> "Run":
        """Add an LLM call."""
        self._spans += 1
        span = f"{self._spans:016x}"
        fields = {"name": "generate", "stage": stage, "span": span}
        self.add(kinds.SPAN_START, {"type": "llm"}, **fields)
        return self.add(kinds.SPAN_END, {"type": "llm", "duration_ns": SECOND_NS, "attributes": attributes}, **fields)

    def scored(self, scores: dict[str, float], *, passed: bool = True, overall: float | None = None) -> "Run":
        """Add a quality gate that gave these scores."""
        found = {"principle_scores": scores, "passed": passed}
        return self.stage("quality_gate", found if overall is None else {**found, "overall_score": overall})

    def end(self, status: str = "complete", **fields: Any) -> "Run":
        """Add its trace.end."""
        return self.add(kinds.TRACE_END, {"status": status, "duration_ns": 5 * SECOND_NS, **fields})


def whole_run(number: int, **start: Any) -> Run:
    """Return a run of five stages as in the seed's example, ended and scored."""
    run = Run(number, **{"intent": "exploring", "domain": "energy", "project_name": "Acme", **start})
    run.start().stage("intake", decisions=2).stage("rubric", decisions=1)
    run.stage("collection", {"evidence_collected": 12, "evidence_passed": 9}, decisions=4)
    run.llm(model="m-1", input_tokens=1200, output_tokens=300, cost_usd=0.0125)
    run.stage("synthesis", {"model": "m-1"}, decisions=3)
    return run.scored({"META-12": 1.5, "CORE-1": 3.0}, overall=2.25).end()


def realistic_batches(records: int, batch_size: int, *, seed: int = 1, run_records: int = 40) -> Iterator[list[bytes]]:
    """Yield batches for measuring: runs of events, decisions of about 600 bytes, stages, and one LLM call each.

    Args:
        records: how many in all (the last run is finished nevertheless).
        batch_size: how many in a batch.
        seed: the same seed gives the same bytes.
        run_records: how many records a run has, about.
    """
    chance = random.Random(seed)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(3, 9))) for _ in range(4000)]
    stream = _stream(records, chance, words, run_records)
    batch: list[bytes] = []
    for each in stream:
        batch.append(each)
        if len(batch) == batch_size:
            yield batch
            batch = []
    if batch:
        yield batch


_STAGES: Final = ("intake", "rubric", "collection", "synthesis", "quality_gate")
_INTENTS: Final = ("exploring", "validating", "executing", "learning")


def _stream(records: int, chance: random.Random, words: list[str], run_records: int) -> Iterator[bytes]:
    made, at_ns = 0, START_NS
    each_stage = max(1, (run_records - 14) // len(_STAGES))

    def text(length: int) -> str:
        return " ".join(chance.choices(words, k=length))

    def made_id() -> str:
        return f"{at_ns // 1_000_000:012x}7{made & 0xFFF:03x}{chance.getrandbits(62) | 0x8000000000000000:016x}"

    while made < records:
        otel = f"{at_ns // SECOND_NS:08x}{chance.getrandbits(96) | 1:024x}"

        def one(kind: str, data: Any, name: str, stage: str = "", span: str = "", level: int = 1) -> bytes:
            nonlocal made, at_ns
            made, at_ns = made + 1, at_ns + chance.randint(1_000_000, 50_000_000)
            raw = msgspec.Raw(msgspec.json.encode(data))
            component = words[chance.randrange(20)]
            return encode(
                Record(made_id(), kind, name, at_ns, otel, span, "", stage, "acme", component, level, 0, raw)  # noqa: B023
            )

        yield one(
            kinds.TRACE_START,
            {
                "trace_id": trace_id_of(otel, at_ns),
                "project_name": "Acme",
                "query": text(8),
                "intent": chance.choice(_INTENTS),
                "domain": words[chance.randrange(5)],
                "writer": "writer-1",
            },
            "run",
        )
        for stage in _STAGES:
            span = f"{chance.getrandbits(64) | 1:016x}"
            yield one(kinds.SPAN_START, {"type": "stage"}, stage, stage, span)
            for _ in range(each_stage):
                if chance.random() < 0.5:
                    yield one(
                        kinds.DECISION,
                        {
                            "what": text(4),
                            "why": text(30),
                            "confidence": chance.random(),
                            "alternatives": [text(2), text(2)],
                            "inputs": {"intent": chance.choice(_INTENTS), "score": chance.random()},
                        },
                        f"choose_{words[chance.randrange(40)]}",
                        stage,
                        span,
                    )
                else:
                    message = {"message": text(40), "attributes": {"source": words[chance.randrange(50)], "n": made}}
                    level = chance.choice((1, 1, 1, 1, 2, 3))
                    yield one(kinds.EVENT, message, f"saw_{words[chance.randrange(40)]}", stage, span, level)
            if stage == "synthesis":
                call = f"{chance.getrandbits(64) | 1:016x}"
                yield one(kinds.SPAN_START, {"type": "llm"}, "generate", stage, call)
                used = {
                    "model": "m-1",
                    "input_tokens": 1200,
                    "output_tokens": 300,
                    "cost_usd": 0.01,
                    "prompt": text(150),
                }
                done = {"type": "llm", "duration_ns": SECOND_NS, "attributes": used}
                yield one(kinds.SPAN_END, done, "generate", stage, call)
            outputs = {}
            if stage == "quality_gate":
                scores = {f"META-{i}": float(chance.randint(0, 3)) for i in range(8)}
                outputs = {"principle_scores": scores, "overall_score": 2.0, "passed": chance.random() < 0.8}
            end = {"type": "stage", "duration_ns": chance.randrange(SECOND_NS), "outputs": outputs}
            yield one(kinds.SPAN_END, end, stage, stage, span)
        yield one(kinds.TRACE_END, {"status": "complete", "duration_ns": 5 * SECOND_NS}, "run")
