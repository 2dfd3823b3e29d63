"""Realistic encoded records, made fast: what drains and stores are measured with.

60 % events of about 300 bytes, 25 % decisions of about 1 kB, 10 % spans, 5 % LLM calls with 8 kB of contents, in traces
of 40 to 500 records, six of which are under way at any moment; four projects, spread evenly over thirty days.
"""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from whence.clock import trace_id_of
from whence.wire import frames

START_NS: Final = 1_767_225_600_000_000_000
"""2026-01-01T00:00Z."""
DAY_NS: Final = 86_400_000_000_000
DAYS: Final = 30

PROJECTS: Final = ("atlas", "beacon", "cobalt", "delta")
INTENTS: Final = ("exploring", "validating", "executing", "learning")
DOMAINS: Final = ("energy", "health", "law", "finance", "climate")
REPORTS: Final = ("brief", "review", "memo")
STAGES: Final = ("intake", "rubric", "collection", "synthesis", "quality_gate")
COMPONENTS: Final = ("router", "retriever", "ranker", "judge", "writer", "planner", "healer", "cache")
LONG_TRACE: Final = 500
RARE_WORDS: Final = 2_000
CUSTOMERS: Final = 20_000

_WORDS: Final = 20_000
_CORPUS_WORDS: Final = 300_000
_AT_ONCE: Final = 6


class Samples(msgspec.Struct):
    """What there is to ask for in a store made of this material."""

    records: int = 0
    contents: int = 0
    traces: int = 0
    record_ids: list[str] = []
    long_traces: list[str] = []  # OpenTelemetry ids of traces with exactly LONG_TRACE records
    rare_words: list[str] = []  # each in about `records / RARE_WORDS / 200` records
    big_trace: str = ""  # "" until `big_trace` was asked for
    big_spans: int = 0
    last_ns: int = START_NS


class Material:
    """A seeded stream of encoded records; contents travel among them as they do in a spool.

    Args:
        records: how many, not counting contents; the last traces are finished nevertheless.
        seed: the same seed gives the same bytes.
        per_trace: records of every trace; 0: of most 40 to 159, of a tenth LONG_TRACE.
    """

    def __init__(self, records: int, *, seed: int = 1, per_trace: int = 0) -> None:
        self.wanted = records
        self._per_trace = per_trace
        self.samples = Samples(rare_words=[f"xq{_letters(number)}" for number in range(RARE_WORDS)])
        self._chance = random.Random(seed)
        self._step_ns = DAYS * DAY_NS // max(records, 1)
        self._every = max(records // 5_000, 1)
        vocabulary = [_word(self._chance) for _ in range(_WORDS)]
        weights = [1 / (rank + 3) for rank in range(_WORDS)]
        words = self._chance.choices(vocabulary, weights, k=_CORPUS_WORDS)
        self._corpus = " ".join(words)
        self._starts = [0]
        for word in words:
            self._starts.append(self._starts[-1] + len(word) + 1)

    # -- the stream ----------------------------------------------------------------------------------------------

    def batches(self, size: int) -> Iterator[list[bytes]]:
        """Yield everything in batches of this many members."""
        batch: list[bytes] = []
        for each in self.stream():
            batch.append(each)
            if len(batch) >= size:
                yield batch
                batch = []
        if batch:
            yield batch

    def stream(self) -> Iterator[bytes]:
        """Yield the records of the traces under way, a few of one, then a few of another."""
        pick = self._chance.randrange
        under_way = [self._trace() for _ in range(_AT_ONCE)]
        while under_way:
            place = pick(len(under_way))
            for _ in range(pick(1, 8)):
                following = next(under_way[place], None)
                if following is None:
                    under_way.pop(place)
                    if self.samples.records < self.wanted:
                        under_way.append(self._trace())
                    break
                yield from following

    def big_trace(self, spans: int, size: int) -> Iterator[list[bytes]]:
        """Yield one trace of this many spans, in batches; it begins after everything else."""
        otel, head = self._new_trace(PROJECTS[0])
        self.samples.big_trace, self.samples.big_spans = otel, spans
        batch = [self._start(otel, head, PROJECTS[0])]
        for number in range(spans):
            span = f"{number + 1:016x}"
            tail = f'"{otel}","{span}","{"f" * 16}","work","{PROJECTS[0]}","planner",0,0,'
            batch.append(self._one("span.start", "step", tail, '{"type":"tool"}'))
            batch.append(self._one("span.end", "step", tail, f'{{"type":"tool","duration_ns":{number * 977}}}'))
            if len(batch) >= size:
                yield batch
                batch = []
        yield [*batch, self._end(otel, PROJECTS[0])]

    # -- one trace -----------------------------------------------------------------------------------------------

    def _trace(self) -> Iterator[tuple[bytes, ...]]:
        chance = self._chance
        size = self._per_trace or (LONG_TRACE if chance.random() < 0.1 else chance.randrange(40, 160))
        spans = max(1, round(size * 0.05))
        rest = size - 2 - 2 * spans
        project = chance.choice(PROJECTS)
        otel, head = self._new_trace(project)
        if size == LONG_TRACE and len(self.samples.long_traces) < 5_000:
            self.samples.long_traces.append(otel)
        yield (self._start(otel, head, project),)
        for number in range(spans):
            stage = STAGES[min(number * len(STAGES) // spans, len(STAGES) - 1)]
            span = f"{chance.getrandbits(64) | 1:016x}"
            inside = f'"{otel}","{span}","","{stage}","{project}","{chance.choice(COMPONENTS)}",'
            around = f'"{otel}","{span}","{"f" * 16}","{stage}","{project}","{chance.choice(COMPONENTS)}",0,0,'
            yield (self._one("span.start", stage, around, f'{{"attempt":{number + 1}}}'),)
            for _ in range(rest * (number + 1) // spans - rest * number // spans):
                kind = chance.random()
                if kind < 0.667:
                    yield (self._event(inside),)
                elif kind < 0.944:
                    yield (self._decision(inside),)
                else:
                    yield self._llm(otel, span, stage, project)
            yield (self._one("span.end", stage, around, self._outputs(stage)),)
        yield (self._end(otel, project),)

    def _new_trace(self, project: str) -> tuple[str, str]:
        self.samples.traces += 1
        otel = f"{self.samples.last_ns // 1_000_000_000:08x}{self._chance.getrandbits(96) | 1:024x}"
        return otel, f'"trace_id":"{trace_id_of(otel, self.samples.last_ns)}","project_name":"{project}"'

    def _start(self, otel: str, head: str, project: str) -> bytes:
        choose = self._chance.choice
        about = f'"intent":"{choose(INTENTS)}","domain":"{choose(DOMAINS)}","report_type":"{choose(REPORTS)}"'
        data = f'{{{head},"query":"{self._text(12)}",{about},"writer":"00112233aabbccdd","pid":4711,"host":"bench"}}'
        return self._one("trace.start", "trace", f'"{otel}","{"f" * 16}","","","{project}","",0,0,', data)

    def _end(self, otel: str, project: str) -> bytes:
        fate = self._chance.random()
        status = "complete" if fate < 0.92 else "failed" if fate < 0.96 else "incomplete"
        data = f'{{"status":"{status}","duration_ns":{self._chance.randrange(10**9, 10**11)}}}'
        return self._one("trace.end", "trace", f'"{otel}","{"f" * 16}","","","{project}","",0,0,', data)

    def _outputs(self, stage: str) -> str:
        duration = self._chance.randrange(10**6, 10**10)
        if stage != "quality_gate":
            return f'{{"duration_ns":{duration},"outputs":{{"items":{duration % 97}}}}}'
        scores = ",".join(f'"P-{number}":{self._chance.randrange(31) / 10}' for number in range(8))
        passed = "true" if self._chance.random() < 0.8 else "false"
        found = f'"principle_scores":{{{scores}}},"overall_score":{self._chance.randrange(31) / 10},"passed":{passed}'
        return f'{{"duration_ns":{duration},"outputs":{{{found}}}}}'

    def _event(self, where: str) -> bytes:
        chance = self._chance
        words = self._text(12)
        if chance.random() < 0.008:
            words += " " + chance.choice(self.samples.rare_words)
        level = 3 if chance.random() < 0.01 else 0
        data = (
            f'{{"message":"{words}","attributes":{{"source":"s-{chance.randrange(50)}","n":{chance.randrange(999)}}}}}'
        )
        return self._one("event", f"saw_{chance.randrange(24)}", f"{where}{level},0,", data)

    def _decision(self, where: str) -> bytes:
        chance = self._chance
        inputs = (
            f'"intent":"{chance.choice(INTENTS)}","customer":"c-{chance.randrange(CUSTOMERS):05d}",'
            f'"score":{chance.random():.6f},"note":"{self._text(25)}"'
        )
        data = (
            f'{{"what":"{self._text(8)}","why":"{self._text(50)}","confidence":{chance.random():.3f},'
            f'"alternatives":["{self._text(6)}","{self._text(6)}"],"inputs":{{{inputs}}}}}'
        )
        return self._one("decision", f"choose_{chance.randrange(24)}", f"{where}0,0,", data)

    def _llm(self, otel: str, parent: str, stage: str, project: str) -> tuple[bytes, ...]:
        prompt, response = self._text(700), self._text(230)
        where = f'"{otel}","{self._chance.getrandbits(64) | 1:016x}","{parent}","{stage}","{project}","writer",0,0,'
        kept, references = [], []
        for place, words in enumerate((prompt, response)):
            text = f"{self.samples.contents + place} {words}"  # no two alike, so that each is kept
            digest = hashlib.sha256(text.encode()).hexdigest()
            kept.append(self._encoded("content", digest, where, f'{{"text":"{text}"}}'))
            references.append(f'{{"content_sha256":"{digest}","chars":{len(text)},"preview":"{text[:80]}"}}')
        self.samples.contents += 2
        used = f'"model":"m-1","input_tokens":{len(prompt) // 4},"output_tokens":{len(response) // 4},"cost_usd":0.0123'
        data = (
            f'{{"type":"llm","duration_ns":1200000000,"attributes":{{{used},'
            f'"prompt":{references[0]},"response":{references[1]}}}}}'
        )
        return (*kept, self._one("span.end", "generate", where, data))

    # -- one record ----------------------------------------------------------------------------------------------

    def _one(self, kind: str, name: str, where: str, data: str) -> bytes:
        samples = self.samples
        samples.records += 1
        samples.last_ns += self._step_ns
        encoded = self._encoded(kind, name, where, data)
        if not samples.records % self._every:
            samples.record_ids.append(encoded[2:34].decode())
        return encoded

    def _encoded(self, kind: str, name: str, where: str, data: str) -> bytes:
        ts_ns = self.samples.last_ns
        record_id = (
            f"{ts_ns // 1_000_000:012x}7{self.samples.records & 0xFFF:03x}{self._chance.getrandbits(62) | 1 << 63:016x}"
        )
        return f'["{record_id}","{kind}","{name}",{ts_ns},{where}{data}]'.encode()

    def _text(self, words: int) -> str:
        first = self._chance.randrange(_CORPUS_WORDS - words)
        return self._corpus[self._starts[first] : self._starts[first + words] - 1]


def fill_spool(
    directory: Path, records: int, *, seed: int = 1, segment_bytes: int = 4 * 1024 * 1024, per_trace: int = 0
) -> Samples:
    """Write a spool of a process that is gone: whole segments, ready to be drained."""
    directory.mkdir(parents=True, exist_ok=True)
    material = Material(records, seed=seed, per_trace=per_trace)
    writer, number = f"{seed:016x}", 0
    pending: list[bytes] = []
    size = 0

    def write() -> None:
        head = frames.SegmentHeader(frames.FORMAT_VERSION, writer, number, 1, "bench", START_NS)
        data = frames.pack(msgspec.json.encode(head), 0) + b"".join(pending)
        (directory / f"{writer}-{number:06d}.seg").write_bytes(data)

    for sequence, each in enumerate(material.stream()):
        pending.append(frames.pack(each, sequence))
        size += len(pending[-1])
        if size >= segment_bytes:
            number += 1
            write()
            pending, size = [], 0
    number += 1
    write()
    return material.samples


def _word(chance: random.Random) -> str:
    return "".join(chance.choices("etaoinshrdlucmfwypvbgk", k=chance.randrange(3, 12)))


def _letters(number: int) -> str:
    found = ""
    for _ in range(5):
        number, digit = divmod(number, 26)
        found += chr(97 + digit)
    return found
