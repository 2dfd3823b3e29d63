"""Any records, in any order, any number of times, in any batches: every store derives the same from them."""

import base64
import hashlib
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import HOUR_NS, START_NS, encoded, hex_id
from whence.model.assembly import assemble, summarise
from whence.model.filters import (
    ActivityFilter,
    DigestFilter,
    FindingFilter,
    ProblemFilter,
    RecordFilter,
    TraceFilter,
)
from whence.model.trace import IN_PROGRESS
from whence.store.interface import DIMENSIONS, EVERY_TRACE, Store
from whence.store.memory import MemoryStore
from whence.store.sqlite import SqliteStore

QUIET = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

small = st.integers(0, 40).map(lambda n: n / 4)
loose = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), small, st.text(max_size=3), st.lists(st.text(max_size=2))
)
principles = st.dictionaries(st.sampled_from(["A", "B", 'c"\\', "é"]), st.one_of(small, loose), max_size=3)
outputs = st.one_of(
    loose,
    st.fixed_dictionaries(
        {},
        optional={
            "principle_scores": principles,
            "overall_score": st.one_of(small, loose),
            "passed": st.one_of(st.booleans(), loose),
            "evidence_collected": st.integers(0, 9),
            "token_usage": st.one_of(loose, st.just({"input_tokens": 5})),
            "cost_usd": small,
            "report_path": st.sampled_from(["/a", "/b"]),
            "evidence_paths": loose,
        },
    ),
)
fingerprints = st.sampled_from(["", "f", "g", "g" * 250, "g" * 251])
findings = st.fixed_dictionaries(
    {"code": st.sampled_from(["T01-01", "T02-01"]), "title": st.sampled_from(["t", "u"])},
    optional={
        "fingerprint": fingerprints,
        "anchor": st.sampled_from(["", "1", "2"]),
        "severity": st.one_of(st.integers(-1, 5), st.just(10**30), loose),
        "basis": st.sampled_from(["stated", "measured", None, "guessed"]),
        "confidence": st.one_of(small, loose),
        "components": st.lists(st.sampled_from(["a", "b/1", ""]), max_size=3),
        "first_ns": st.sampled_from([0, START_NS, 10**30]),
        "last_ns": st.sampled_from([0, START_NS + HOUR_NS, START_NS + 2 * HOUR_NS]),
    },
)
digests = st.fixed_dictionaries(
    {"trace": st.sampled_from([hex_id(1), "another"])},
    optional={
        "records": st.one_of(st.integers(0, 5), st.just(10**30)),
        "last_record": st.sampled_from(["", "a", "b"]),
        "started_ns": st.sampled_from([0, START_NS, START_NS + 1]),
        "ended_ns": st.sampled_from([0, START_NS + 2]),
        "project": st.sampled_from(["", "acme"]),
        "status": st.sampled_from(["complete", "failed", 5]),
    },
)
PACKED = [struct.pack("<2f", 0.5, each) for each in range(3)]
HASHES = [hashlib.sha256(each).hexdigest() for each in PACKED]
stages = st.sampled_from(["", "collection", "synthesis", "quality_gate", "other"])
durations = st.one_of(st.none(), st.integers(0, 10**10))


def payloads(kind: str) -> st.SearchStrategy[Any]:
    """Return payloads of a kind: well-formed, half-formed, and of no known form."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "trace.start": st.fixed_dictionaries(
            {},
            optional={
                "trace_id": st.sampled_from(["trc_1", "trc_2", ""]),
                "intent": st.sampled_from(["x", "y"]),
                "project_name": st.sampled_from(["P", "Q"]),
                "project_id": st.sampled_from(["P", "i"]),
                "domain": loose,
            },
        ),
        "trace.end": st.fixed_dictionaries(
            {"status": st.sampled_from(["complete", "failed", "incomplete", "odd"])},
            optional={"duration_ns": durations, "reason": st.sampled_from(["process_lost", "x"]), "error": loose},
        ),
        "span.start": st.fixed_dictionaries({"type": st.sampled_from(["stage", "llm", "tool"])}),
        "span.end": st.fixed_dictionaries(
            {"type": st.sampled_from(["stage", "stage", "llm"])},
            optional={
                "duration_ns": durations,
                "outputs": outputs,
                "attributes": st.fixed_dictionaries(
                    {}, optional={"input_tokens": st.integers(0, 99), "cost_usd": small}
                ),
            },
        ),
        "decision": st.fixed_dictionaries({}, optional={"what": loose, "confidence": loose, "attributes": outputs}),
        "finding": findings,
        "finding.state": st.fixed_dictionaries(
            {"state": st.sampled_from(["pending", "confirmed", "resolved", "recurred"])},
            optional={"by": st.sampled_from(["ann", "bob"]), "note": loose},
        ),
        "trace.flag": st.fixed_dictionaries({}, optional={"flagged": st.booleans(), "notes": loose}),
        "trace.document": st.fixed_dictionaries({}, optional={"path": st.one_of(st.just("/d"), loose)}),
    }
    data = st.fixed_dictionaries({"data": outputs})
    return st.one_of(
        fields.get(kind, data), fields.get(kind, data), st.dictionaries(st.text(max_size=3), loose, max_size=2)
    )


KINDS = [
    "trace.start",
    "trace.end",
    "trace.flag",
    "trace.document",
    "span.start",
    "span.end",
    "span.end",
    "decision",
    "evidence",
    "prompts",
    "attempt",
    "outputs",
    "child",
    "event",
    "finding",
    "finding",
    "finding.state",
    "of another day",
]


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """Draw a member of a batch: a record, a text, or something that is neither."""
    number = draw(st.integers(1, 60))
    odd = draw(st.integers(0, 19))
    if odd == 0:
        return draw(st.one_of(st.binary(max_size=5), st.just(encoded(number)[:-2]), st.just(b"[1,2]")))
    if odd == 1:
        return encoded(number, "content", {"text": "t"}, name=hex_id(number % 3) * 2)
    if odd == 2:
        packed = base64.b64encode(PACKED[draw(st.integers(0, 2))]).decode()
        name = draw(st.sampled_from([*HASHES, HASHES[0].upper(), "short"]))
        return encoded(number, "vector", {"f32": packed, "dimensions": draw(st.sampled_from([0, 2, 3]))}, name=name)
    if odd == 3:
        name = draw(st.sampled_from([hex_id(1), hex_id(2), "short"]))
        return encoded(number, "digest", draw(digests), name=name, project=draw(st.sampled_from(["", "acme"])))
    kind = draw(st.sampled_from(KINDS))
    return encoded(
        number,
        kind,
        draw(payloads(kind)),
        name=draw(fingerprints if kind == "finding.state" else st.sampled_from(["a", "collection", "quality_gate"])),
        component=draw(st.sampled_from(["", "a", "b/1"])),
        stage=draw(stages),
        span=draw(st.sampled_from(["", "1" * 16, "2" * 16])),
        trace=draw(st.sampled_from(["", hex_id(1), hex_id(2), hex_id(2)])),
        project=draw(st.sampled_from(["", "acme", "beta"])),
        ts_ns=START_NS + draw(st.integers(0, 3)) * (HOUR_NS // 2) + number,
        level=draw(st.integers(0, 4)),
    )


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[bytes]]:
    """Draw batches: members in any order, some twice, cut anywhere."""
    some = draw(st.lists(members(), max_size=30))
    again = draw(st.lists(st.sampled_from(some), max_size=6)) if some else []
    stream = draw(st.permutations([*some, *again]))
    batches: list[list[bytes]] = [[]]
    for each in stream:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(each)
    return batches


@contextmanager
def sqlite_store() -> Iterator[SqliteStore]:
    """Give a new SQLite store, in a folder that goes away."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore.open(Path(folder) / "store.db")
        try:
            yield store
        finally:
            store.close()


def traces_of(store: Store) -> list[Any]:
    """Return the rows of all traces, without the times of the store's own doing."""
    rows = store.traces(EVERY_TRACE, limit=1000).items
    return [msgspec.structs.replace(row, created_at=None, updated_at=None) for row in rows]


def derived(store: Store) -> dict[str, Any]:
    """Return everything that a store derives."""
    windows = [
        EVERY_TRACE,
        TraceFilter(since_ns=START_NS + HOUR_NS),
        TraceFilter(project="P"),
        TraceFilter(project="acme"),
    ]
    return {
        "traces": traces_of(store),
        **diagnosis(store),
        "totals": [store.totals(where) for where in windows],
        "groups": [store.totals_by(dimension) for dimension in DIMENSIONS],
        "principles": [store.principle_patterns(min_runs=0, where=where) for where in windows],
        "contents": [store.content(hex_id(number) * 2) for number in range(3)],
        "stats": {k: v for k, v in store.stats().items() if k not in ("bytes", "schema_version")},
    }


MINUTE_NS = HOUR_NS // 60
WINDOWS = [
    ActivityFilter(),
    ActivityFilter(since_ns=START_NS + MINUTE_NS, until_ns=START_NS + HOUR_NS + 30 * MINUTE_NS + 1),
    ActivityFilter(since_ns=START_NS + HOUR_NS // 2, until_ns=START_NS + HOUR_NS // 2 + 1),
    ActivityFilter(since_ns=START_NS, until_ns=START_NS + HOUR_NS, project="acme"),
    ActivityFilter(component="a", until_ns=START_NS + 91 * MINUTE_NS),
]


def diagnosis(store: Store) -> dict[str, Any]:
    """Return what a store says of findings, problems, digests and activity."""
    found = store.findings(limit=1000)
    return {
        "findings": found,
        "some findings": [
            store.findings(where)
            for where in (
                FindingFilter(component="b/1"),
                FindingFilter(codes=("T01-01", "X"), min_severity=2),
                FindingFilter(project="acme", fingerprint="g" * 300),
                FindingFilter(since_ns=START_NS + HOUR_NS // 2, until_ns=START_NS + HOUR_NS),
                FindingFilter(trace=hex_id(2), component="a"),
            )
        ],
        "each finding": [(store.finding(each.record_id), store.finding(each.occurrence)) for each in found],
        "problems": store.problems(limit=1000),
        "some problems": [
            store.problems(where).items
            for where in (
                ProblemFilter(project="acme", states=("confirmed", "recurred")),
                ProblemFilter(component="a", min_severity=2),
                ProblemFilter(code="T01-01", since_ns=START_NS + HOUR_NS),
            )
        ],
        "vectors": [store.vector(each) for each in HASHES],
        "digests": [store.digest(hex_id(number)) for number in (1, 2)],
        "some digests": [
            list(store.digests(DigestFilter(project="acme", ended_before_ns=START_NS + 3))),
            list(store.digests(DigestFilter(since_ns=START_NS + 1), newest_first=True, limit=1)),
        ],
        "undigested": store.undigested(),
        "activity": [store.activity(where) for where in WINDOWS],
        "minutes": [store.activity_by_minute(where) for where in WINDOWS],
    }


def plain(store: Store) -> list[tuple[Any, ...]]:
    """Return all records in order of arrival, their payloads decoded."""
    records = store.records(RecordFilter(), limit=1000).items
    return [(*msgspec.structs.astuple(each)[:-1], msgspec.json.decode(each.payload)) for each in records]


@QUIET
@given(deliveries())
def test_every_store_derives_the_same(batches: list[list[bytes]]) -> None:
    memory = MemoryStore()
    with sqlite_store() as sqlite:
        for batch in batches:
            taken = memory.accept(batch)

            assert sqlite.accept(batch) == taken
            beside = taken.contents + taken.vectors + taken.digests
            assert taken.stored + taken.duplicates + beside + taken.quarantined == len(batch)
        assert derived(sqlite) == derived(memory)
        assert plain(sqlite) == plain(memory)


@QUIET
@given(deliveries())
def test_batches_do_not_matter(batches: list[list[bytes]]) -> None:
    """One at a time, or all at once: the rows are the same, and an ended trace is exactly what its records say."""
    stream = [each for batch in batches for each in batch]
    with sqlite_store() as cut, sqlite_store() as whole:
        for batch in batches:
            cut.accept(batch)
        whole.accept(stream)

        assert derived(cut) == derived(whole)
        for row in traces_of(cut):
            records = list(cut.trace_records(row.id))
            expected = summarise(assemble(row.id, records))
            if row.status != IN_PROGRESS and row.trace_id == expected.trace_id:
                assert row == expected


TABLES = ("rollup_hours", "rollup_traces", "rollup_principles", "rollup_activity", "rollup_activity_hours")


def tables(store: SqliteStore) -> list[list[Any]]:
    """Return the roll-ups, row by row."""
    connection = apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return [sorted(connection.execute(f"SELECT * FROM {table}")) for table in TABLES]  # noqa: S608
    finally:
        connection.close()


@QUIET
@given(deliveries())
def test_roll_ups_made_anew_are_the_same_tables(batches: list[list[bytes]]) -> None:
    with sqlite_store() as store:
        for batch in batches:
            store.accept(batch)
        kept = tables(store)

        store.rebuild_rollups()

        assert tables(store) == kept


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """Draw what was found and said, and the same in another order."""
    numbers = draw(st.lists(st.integers(1, 99), min_size=1, max_size=20, unique=True))
    told = []
    for number in numbers:
        kind = draw(st.sampled_from(["finding", "finding", "finding.state"]))
        told.append(
            encoded(
                number,
                kind,
                draw(payloads(kind)),
                name=draw(fingerprints),
                trace=draw(st.sampled_from(["", hex_id(1)])),
                project=draw(st.sampled_from(["acme", "beta"])),
                ts_ns=START_NS + draw(st.integers(0, 2)) * HOUR_NS,
            )
        )
    return told, draw(st.permutations(told))


@QUIET
@given(stories(), st.integers(1, 20))
def test_problems_do_not_depend_on_the_order_in_which_anything_arrives(
    story: tuple[list[bytes], list[bytes]], size: int
) -> None:
    """A problem follows from the set of records about it: drained late, imported, or said before it was found."""
    told, shuffled = story
    with sqlite_store() as once, sqlite_store() as again:
        once.accept(told)
        for start in range(0, len(shuffled), size):
            again.accept(shuffled[start : start + size])

        assert again.problems(limit=100) == once.problems(limit=100)
        assert set(map(repr, again.findings(limit=100))) == set(map(repr, once.findings(limit=100)))
