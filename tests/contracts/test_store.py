"""What `whence.store.interface` promises, asked of every store."""

import msgspec
import pytest

from tests.builders import HOUR_NS, SECOND_NS, START_NS, Run, content, encoded, hex_id, record, whole_run
from whence.errors import BadInput, StoreUnreachable
from whence.model.assembly import assemble, summarise
from whence.model.filters import Condition, FindingFilter, RecordFilter, TraceFilter
from whence.sink import Accepted
from whence.store.interface import EVERY_TRACE, Store, Totals

EVERY = RecordFilter()
SHA = "ab" * 32
TRACE = "0" * 31 + "7"


def ids(page: object) -> list[int]:
    """Return the small numbers that the records of a page were made with."""
    return [int(each.record_id, 16) for each in page.items]  # type: ignore[attr-defined]


# -- writing ---------------------------------------------------------------------------------------------------------


def test_a_batch_is_there_when_accept_returns(store: Store) -> None:
    """Read your writes: no refresh, no delay."""
    made = record(1, "decision", {"what": "x", "nested": {"a": [1, 2.5, None, "é\n"]}}, trace=TRACE, stage="s", level=3)
    assert store.accept([msgspec.json.encode(made)]) == Accepted(stored=1)

    found = store.record(hex_id(1))

    assert found == msgspec.structs.replace(made, payload=found.payload if found else msgspec.Raw(b""))
    assert msgspec.json.decode(found.payload) == msgspec.json.decode(made.payload)


def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert store.accept([]) == Accepted()


def test_the_first_record_with_an_id_wins(store: Store) -> None:
    """Delivery is at least once; the project and the id make it effectively once."""
    first, again = encoded(1, name="first"), encoded(1, name="again")

    assert store.accept([first, again]) == Accepted(stored=1, duplicates=1)
    assert store.accept([again]) == Accepted(duplicates=1)
    assert store.accept([encoded(1, name="other", project="beta")]) == Accepted(stored=1)
    assert [each.name for each in store.records(EVERY).items] == ["first", "other"]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b"null",
        encoded(9) + b"," + encoded(10),
        encoded(9)[:-1],
        encoded(9).replace(b'"acme"', b"5"),
        encoded(9).replace(hex_id(9).encode(), b"no-hex"),
        encoded(9, trace="abc"),
        encoded(9, trace="z" * 32),
        encoded(9, ts_ns=-1),
        encoded(9, ts_ns=2**70),
        encoded(9, level=2**64),
        encoded(9).replace(b'"tests"', b'"\xff"'),
        encoded(9, data={"a": "@"}).replace(b"@", b"\xff"),
        encoded(9).replace(b"{}", b"{'a':1}"),
        encoded(9, "content", {"text": "x"}, name="short"),
        encoded(9, "content", {"text": 5}, name=SHA),
        encoded(9, "content", {}, name=SHA),
    ],
)
def test_what_is_no_record_is_put_aside_and_the_others_go_in(store: Store, bad: bytes) -> None:
    taken = store.accept([encoded(1), bad, encoded(2), content(3, "cd" * 32, "text")])

    assert taken == Accepted(stored=2, contents=1, quarantined=1)
    assert ids(store.records(EVERY)) == [1, 2]
    assert store.stats()["quarantine"] == 1


def test_odd_texts_come_back_as_they_were(store: Store) -> None:
    odd = "a\x00b ' \" \\ ‮ 🦒 \u2028 %s ? :x"
    store.accept([encoded(1, data={odd: odd}, name=odd, component=odd, stage=odd, project=odd, parent=odd)])

    found = store.record(hex_id(1))

    assert found is not None
    assert (found.name, found.component, found.stage, found.project, found.parent) == (odd,) * 5
    assert msgspec.json.decode(found.payload) == {odd: odd}
    assert ids(store.records(RecordFilter(name=odd, component=odd, project=odd))) == [1]


def test_ids_in_capitals_are_the_same_ids(store: Store) -> None:
    store.accept([encoded(1, trace="A" * 32).replace(hex_id(1).encode(), b"AB" * 16)])

    assert store.record("ab" * 16) is not None
    assert store.record("AB" * 16) is not None
    assert len(list(store.trace_records("a" * 32))) == 1


# -- traces ----------------------------------------------------------------------------------------------------------


def test_a_trace_is_listed_from_its_start_on(store: Store) -> None:
    """A hung or killed run is visible as such."""
    run = Run(1, intent="exploring", query="what?").start().stage("intake", decisions=3)
    assert store.accept(run.records).ended == ()

    row = store.trace(run.trace_id)

    assert row is not None
    assert (row.status, row.intent, row.query, row.writer) == ("in_progress", "exploring", "what?", "writer-1")
    assert (row.records, row.decisions) == (6, 3)
    assert row.intake_duration is None
    assert store.open_traces("writer-1") == (run.otel_trace_id,)
    assert store.open_traces("writer-2") == ()


def test_a_trace_without_a_start_is_listed_from_its_first_record(store: Store) -> None:
    run = Run(1).add("event")
    store.accept(run.records)

    row = store.trace(run.otel_trace_id)

    assert row is not None
    assert (row.trace_id, row.status, row.records) == (f"otel_{run.otel_trace_id}", "in_progress", 1)


def test_an_ended_trace_is_what_its_records_say(store: Store) -> None:
    run = whole_run(1)
    taken = store.accept(run.records)

    row = store.trace(run.trace_id)

    assert taken.ended == (run.otel_trace_id,)
    assert row is not None
    assert row.created_at is not None
    assert row.updated_at is not None
    expected = summarise(assemble(run.otel_trace_id, store.trace_records(run.otel_trace_id)))
    assert msgspec.structs.replace(row, created_at=None, updated_at=None) == expected
    assert row.gap_principles == ("META-12",)
    assert row.total_cost_usd == 0.0125
    assert store.open_traces("writer-1") == ()


def test_what_comes_after_the_end_is_told_and_counted(store: Store) -> None:
    """The end may overtake other writers' records; each late batch derives the row again."""
    run = whole_run(1)
    *body, end = run.records
    assert store.accept([end]).ended == (run.otel_trace_id,)

    assert store.accept(body).ended == (run.otel_trace_id,)

    row = store.trace(run.trace_id)
    assert row is not None
    assert (row.status, row.records, row.overall_quality_score) == ("complete", len(run.records), 2.25)
    assert store.accept(body).ended == ()  # all known: nothing came


def test_ended_traces_are_told_in_order_of_arrival(store: Store) -> None:
    runs = [whole_run(number) for number in (3, 1, 2)]

    taken = store.accept([each for run in runs for each in run.records])

    assert taken.ended == tuple(run.otel_trace_id for run in runs)


def test_a_row_remembers_when_it_was_made_and_when_it_changed(store: Store) -> None:
    run = Run(1).start()
    store.accept(run.records)
    before = store.trace(run.trace_id)
    store.accept(run.end().records)

    after = store.trace(run.trace_id)

    assert before is not None
    assert after is not None
    assert before.created_at == after.created_at
    assert before.updated_at is not None
    assert after.updated_at is not None
    assert before.updated_at < after.updated_at


def test_a_flag_and_a_document_reach_the_row(store: Store) -> None:
    run = whole_run(1)
    run.add("trace.flag", {"flagged": True, "notes": "look"}).add("trace.document", {"path": "/d/t.json"})
    store.accept(run.records)

    row = store.trace(run.trace_id)

    assert row is not None
    assert (row.flagged_for_review, row.review_notes, row.trace_file_path) == (True, "look", "/d/t.json")


def test_a_name_belongs_to_the_first_trace_that_has_it(store: Store) -> None:
    """Two traces under one name would hide each other."""
    first, second = Run(1), Run(2)
    second.trace_id = first.trace_id
    store.accept(first.start().records)
    store.accept(second.start().end().records)

    assert store.trace(first.trace_id).id == first.otel_trace_id  # type: ignore[union-attr]
    assert store.trace(second.otel_trace_id).trace_id == f"otel_{second.otel_trace_id}"  # type: ignore[union-attr]


def test_nobody_can_claim_the_name_that_another_trace_falls_back_on(store: Store) -> None:
    victim, thief = Run(1), Run(2)
    thief.trace_id = f"otel_{victim.otel_trace_id}"
    store.accept(thief.start().records)
    store.accept(victim.add("event").end().records)

    assert store.trace(thief.otel_trace_id).trace_id == f"otel_{thief.otel_trace_id}"  # type: ignore[union-attr]
    assert store.trace(victim.otel_trace_id).trace_id == f"otel_{victim.otel_trace_id}"  # type: ignore[union-attr]


def test_payloads_of_no_known_shape_do_not_stop_a_trace(store: Store) -> None:
    """A client may write anything; its trace is then as good as what can be read of it."""
    run = Run(1, intent="exploring").start()
    run.add("decision", {"what": 1, "confidence": "high", "alternatives": 7})
    run.add("span.end", {"attributes": [1]}, name="x", stage="x")
    run.add("outputs", {"data": {"evidence_paths": 5, "knowledge_paths": 1.5}})
    run.add("trace.end", {"status": 9}).add("trace.end", {"status": "failed"})

    assert store.accept(run.records).stored == 6

    row = store.trace(run.trace_id)
    assert row is not None
    assert (row.status, row.intent, row.records, row.decisions) == ("failed", "exploring", 6, 1)


def test_an_end_that_cannot_be_read_leaves_the_trace_open(store: Store) -> None:
    run = Run(1).start().add("trace.end", {"duration_ns": "long"})

    assert store.accept(run.records).ended == ()
    assert store.open_traces("writer-1") == (run.otel_trace_id,)


def test_numbers_past_64_bits_do_not_stop_a_batch(store: Store) -> None:
    run = Run(1).start().llm(input_tokens=10**30, cost_usd=1e300).end(dropped=10**25)
    store.accept(run.records)

    row = store.trace(run.trace_id)

    assert row is not None
    assert row.total_tokens == row.dropped == 2**63 - 1
    assert store.totals().total_tokens == 10**12
    store.accept(Run(2).start().llm(input_tokens=10**30, cost_usd=1e300).end().records)
    assert store.totals().total_runs == 2


# -- finding traces --------------------------------------------------------------------------------------------------


def test_a_trace_is_found_by_any_of_its_names(store: Store) -> None:
    run = Run(1).start()
    store.accept(run.records)
    otel = run.otel_trace_id
    dashed = f"{otel[:8]}-{otel[8:12]}-{otel[12:16]}-{otel[16:20]}-{otel[20:]}"

    assert {store.trace(name).id for name in (run.trace_id, otel, dashed, otel.upper(), f" {run.trace_id}\n")} == {otel}  # type: ignore[union-attr]
    assert store.trace("trc_none") is None
    assert store.trace("") is None
    assert store.trace("0" * 32) is None


def test_traces_like_finds_any_part_of_a_name(store: Store) -> None:
    runs = [Run(number).start() for number in (1, 2, 3)]
    for run in runs:
        store.accept(run.records)

    assert store.traces_like("2026") == tuple(run.trace_id for run in reversed(runs))
    assert store.traces_like("2026", limit=1) == (runs[2].trace_id,)
    assert store.traces_like(runs[0].trace_id[-4:]) == (runs[0].trace_id,)
    assert store.traces_like(runs[0].otel_trace_id[:12]) == (runs[0].trace_id,)
    assert store.traces_like("%") == ()


FILTERS = [
    (EVERY_TRACE, [4, 3, 2, 1]),
    (TraceFilter(intent="exploring"), [3, 1]),
    (TraceFilter(intent=""), [4]),
    (TraceFilter(domain="energy", intent="exploring"), [3, 1]),
    (TraceFilter(project="Acme"), [2, 1]),
    (TraceFilter(project="p-3"), [3]),
    (TraceFilter(project="acme"), [4]),
    (TraceFilter(statuses=("complete",)), [3, 1]),
    (TraceFilter(statuses=("failed", "in_progress")), [4, 2]),
    (TraceFilter(gate_passed=True), [2, 1]),
    (TraceFilter(gate_passed=False), [3]),
    (TraceFilter(flagged=True), [3]),
    (TraceFilter(flagged=False), [4, 2, 1]),
    (TraceFilter(principle="M"), [3, 1]),
    (TraceFilter(principle="M", below=2.5), [3, 1]),
    (TraceFilter(principle="M", below=1.0), [3]),
    (TraceFilter(principle="none"), []),
    (TraceFilter(parent_trace_id="trc_parent"), [4]),
    (TraceFilter(research_type="desk"), [4]),
    (TraceFilter(writer="writer-9"), [4]),
    (TraceFilter(since_ns=START_NS + 120 * SECOND_NS), [4, 3, 2]),
    (TraceFilter(since_ns=START_NS + 121 * SECOND_NS, until_ns=START_NS + 200 * SECOND_NS), [3]),
    (TraceFilter(statuses=("complete",), principle="M", below=2.0, flagged=True, project="p-3"), [3]),
]


@pytest.mark.parametrize(("where", "numbers"), FILTERS)
def test_traces_are_filtered_and_newest_first(store: Store, where: TraceFilter, numbers: list[int]) -> None:
    named = {"intent": "exploring", "domain": "energy"}
    runs = {
        1: Run(1, project_name="Acme", **named).start().scored({"M": 2.0}).end(),
        2: Run(2, intent="validating", project_name="Acme").start().scored({}, passed=True).end("failed"),
        3: Run(3, project_id="p-3", **named).start().scored({"M": 0.5}, passed=False).end().add("trace.flag", {}),
        4: Run(4, parent_trace_id="trc_parent", research_type="desk", writer="writer-9").start(),
    }
    store.accept([each for run in runs.values() for each in run.records])

    assert [row.trace_id for row in store.traces(where).items] == [runs[number].trace_id for number in numbers]
    assert store.count_traces(where) == len(numbers)
    assert store.count_traces(where, at_most=1) == min(1, len(numbers))


def test_pages_of_traces_miss_none_and_repeat_none(store: Store) -> None:
    """Several may start in the same nanosecond, and more arrive while someone reads."""
    runs = [Run(number, at_ns=START_NS + number // 3).start() for number in range(10)]
    store.accept([each for run in runs for each in run.records])
    seen, cursor = [], None
    while True:
        page = store.traces(EVERY_TRACE, limit=3, cursor=cursor)
        seen += [row.id for row in page.items]
        late = Run(100 + len(seen), at_ns=START_NS + HOUR_NS).start()
        store.accept(late.records)
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(seen) == sorted(run.otel_trace_id for run in runs)
    assert len(set(seen)) == len(seen)


# -- records ---------------------------------------------------------------------------------------------------------

RECORD_FILTERS = [
    (EVERY, [1, 2, 3, 4, 5]),
    (RecordFilter(trace=TRACE), [1, 2]),
    (RecordFilter(trace="no id"), []),
    (RecordFilter(kinds=("decision",)), [2, 3]),
    (RecordFilter(kinds=("decision", "finding")), [2, 3, 5]),
    (RecordFilter(name="pick"), [2]),
    (RecordFilter(name="pick", kinds=("event",)), []),
    (RecordFilter(stage="s1"), [1, 2]),
    (RecordFilter(component="router"), [3, 4]),
    (RecordFilter(component="router", kinds=("event",), name="event"), [4]),
    (RecordFilter(project="beta"), [4]),
    (RecordFilter(min_level=2), [3, 4]),
    (RecordFilter(min_level=3), [4]),
    (RecordFilter(since_ns=START_NS + 2 * SECOND_NS, until_ns=START_NS + 4 * SECOND_NS), [2, 3]),
    (RecordFilter(since_ns=START_NS + HOUR_NS), [5]),
    (RecordFilter(until_ns=START_NS), []),
    (RecordFilter(since_ns=-(10**30), until_ns=10**30), [1, 2, 3, 4, 5]),
    (RecordFilter(since_ns=10**30), []),
    (RecordFilter(since_ns=START_NS + 5 * HOUR_NS), []),
    (RecordFilter(trace=TRACE, kinds=("decision",), name="pick", component="tests", stage="s1"), [2]),
]


def some_records() -> list[bytes]:
    """Return five records that differ in everything a filter asks for."""
    return [
        encoded(1, trace=TRACE, stage="s1"),
        encoded(2, "decision", trace=TRACE, stage="s1", name="pick"),
        encoded(3, "decision", component="router", level=2),
        encoded(4, component="router", project="beta", level=4),
        encoded(5, "finding", {"code": "X-1", "title": "t"}, ts_ns=START_NS + HOUR_NS),
    ]


@pytest.mark.parametrize(("where", "numbers"), RECORD_FILTERS)
def test_records_are_filtered_in_order_of_arrival(store: Store, where: RecordFilter, numbers: list[int]) -> None:
    store.accept(some_records())

    assert ids(store.records(where)) == numbers
    assert ids(store.records(where, newest_first=True)) == numbers[::-1]
    assert ids(store.records(where, limit=1)) == numbers[:1]


def condition(path: str, op: str, value: object) -> Condition:
    """Return a condition on a dotted path."""
    return Condition(tuple(path.split("/")), op, value)  # type: ignore[arg-type]


CONDITIONS = [
    ("a/b", "=", "x", [1]),
    ("a/b", "!=", "x", [2, 3, 4, 5]),
    ("a/b", ">", "a", [1, 2]),
    ("a/b", "<", "x", [2]),
    ("a/b", "<=", "x", [1, 2]),
    ("n", "=", 5, [2]),
    ("n", "=", 5.0, [2]),
    ("n", ">=", 2.5, [1, 2]),
    ("n", "<", 5, [1]),
    ("n", "<", 10**30, [1, 2]),
    ("n", ">", 1, [1, 2]),
    ("n", "!=", 5, [1, 3, 4, 5]),
    ("n", "=", "5", [3]),
    ("n", "~", "5", [3]),
    ("flag", "=", True, [1]),
    ("flag", "=", False, [2]),
    ("flag", "!=", True, [2, 3, 4, 5]),
    ("flag", "=", 1, [3]),
    ("flag", "=", None, [4, 5]),
    ("flag", "!=", None, [1, 2, 3]),
    ("a/b", "=", None, [3, 4, 5]),
    ("list", "~", "et", [1, 4]),
    ("list", "~", "ET", []),
    ("list", "~", "5", []),
    ("a", "~", "x", [1]),
    ("a.b", "=", "dotted", [5]),
    ("list/0", "=", "beta", []),
]


@pytest.mark.parametrize(("path", "op", "value", "numbers"), CONDITIONS)
def test_conditions_on_payloads_compare_like_with_like(
    store: Store, path: str, op: str, value: object, numbers: list[int]
) -> None:
    payloads = [
        {"a": {"b": "x"}, "n": 2.5, "flag": True, "list": ["alpha", "beta"]},
        {"a": {"b": "abc"}, "n": 5, "flag": False, "list": [5, ["beta"]]},
        {"a": "y", "n": "5", "flag": 1},
        {"flag": None, "list": "better"},
        {"a.b": "dotted"},
    ]
    store.accept([encoded(number, data=data) for number, data in enumerate(payloads, 1)])

    found = store.records(RecordFilter(where=(condition(path, op, value),)))

    assert ids(found) == numbers
    assert ids(store.records(RecordFilter(where=(condition(path, op, value),)), newest_first=True)) == numbers[::-1]


@pytest.mark.parametrize(
    "bad",
    [
        Condition((), "=", 1),
        Condition(("a'b",), "=", 1),
        Condition(('a"',), "=", 1),
        Condition(("",), "=", 1),
        Condition(("a",), "LIKE", "x"),
        Condition(("a",), "<", None),
        Condition(("a",), "<", True),
        Condition(("a",), "~", 5),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused(store: Store, bad: Condition) -> None:
    with pytest.raises(BadInput):
        store.records(RecordFilter(where=(bad,)))


@pytest.mark.parametrize("newest_first", [False, True])
def test_pages_of_records_stay_good_while_records_arrive(store: Store, newest_first: bool) -> None:
    store.accept([encoded(number) for number in range(1, 11)])
    seen: list[int] = []
    cursor, arriving = None, 100
    for _ in range(20):
        page = store.records(EVERY, limit=3, cursor=cursor, newest_first=newest_first)
        seen += ids(page)
        cursor = page.cursor
        if cursor is None:
            break
        store.accept([encoded(arriving)])
        arriving += 1

    wanted = list(range(10, 0, -1)) if newest_first else [*range(1, 11), *range(100, arriving)]
    assert seen == wanted


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!!", "bm8", "WyJyZWNvcmRzIl0", "W10", "e30", "🦒", "WyJ0cmFjZXMiLDEsIiJd"]
)
def test_a_cursor_that_is_not_ours_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadInput, match="cursor"):
        store.records(EVERY, cursor=cursor)


def test_a_cursor_of_another_list_is_refused(store: Store) -> None:
    store.accept([encoded(1), encoded(2), *Run(1).start().records, *Run(2).start().records])
    of_records, of_traces = store.records(EVERY, limit=1).cursor, store.traces(EVERY_TRACE, limit=1).cursor

    with pytest.raises(BadInput, match="cursor"):
        store.traces(EVERY_TRACE, cursor=of_records)
    with pytest.raises(BadInput, match="cursor"):
        store.records(EVERY, cursor=of_traces)
    with pytest.raises(BadInput, match="cursor"):
        store.records(EVERY, cursor=of_records, newest_first=True)
    with pytest.raises(BadInput, match="cursor"):
        store.search("x", cursor=of_records)


def test_a_page_of_nothing_is_refused(store: Store) -> None:
    for ask in (
        lambda: store.records(EVERY, limit=0),
        lambda: store.traces(EVERY_TRACE, limit=0),
        lambda: store.findings(limit=-1),
        lambda: store.search("x", limit=0),
        lambda: store.traces(EVERY_TRACE, limit=2**63),
        lambda: store.traces_like("x", limit=0),
    ):
        with pytest.raises(BadInput, match="limit"):
            ask()


def test_the_records_of_a_trace_come_in_order_of_arrival_from_one_view(store: Store) -> None:
    run = Run(1).start().stage("intake", decisions=2)
    store.accept(run.records[::-1])
    found = store.trace_records(run.otel_trace_id)
    first = next(found)

    store.accept(run.end().records)

    assert [first.record_id, *(each.record_id for each in found)] == [
        msgspec.json.decode(each)[0] for each in run.records[-2::-1]
    ]
    assert list(store.trace_records("no id")) == []


def test_an_unknown_record_is_none(store: Store) -> None:
    assert store.record(hex_id(1)) is None
    assert store.record("no id") is None


# -- contents, findings, full text -----------------------------------------------------------------------------------


def test_a_text_is_kept_once_and_can_be_erased_for_good(store: Store) -> None:
    assert store.accept([content(1, SHA, "secret"), content(2, SHA, "secret")]) == Accepted(contents=2)
    assert store.content(SHA) == store.content(SHA.upper()) == "secret"
    assert store.stats()["contents"] == 1

    assert store.erase_content(SHA)

    assert store.content(SHA) is None
    assert not store.erase_content(SHA)
    assert not store.erase_content("no hash")
    assert store.accept([content(3, SHA, "secret")]) == Accepted(contents=1)
    assert store.content(SHA) is None
    assert store.content("no hash") is None


def test_the_records_that_use_a_text_are_found_by_its_hash(store: Store) -> None:
    """Newest first; of some kinds, of one trace; whether the text is there, was erased, or never arrived."""
    run, other = Run(1).start(), Run(2).start()
    reference, never = {"content_sha256": SHA, "chars": 4, "preview": "text"}, {"content_sha256": "cd" * 32}
    taken = store.accept(
        [
            *run.records,
            *other.records,
            encoded(1, "transform", {"source": reference, "result": never}, trace=run.otel_trace_id),
            encoded(2, "check", {"content": reference}, trace=run.otel_trace_id),
            encoded(3, "transform", {"materials": [{"content": reference}, {"content": reference}]}),
            encoded(4, "transform", {"result": {"content_sha256": SHA.upper()}}, trace=other.otel_trace_id),
            encoded(5, "event", {"message": SHA, "attributes": {"content_sha256": 5}}),
            encoded(6, "event", {"message": "nothing"}),
            content(7, SHA, "text"),
        ]
    )

    def using(sha256: str, **only: object) -> list[int]:
        return [int(each.record_id, 16) for each in store.records_using(sha256, **only)]  # type: ignore[arg-type]

    assert (taken.stored, taken.contents) == (8, 1)
    assert using(SHA) == using(SHA.upper()) == [4, 3, 2, 1]
    assert using(SHA, kinds=("transform",)) == [4, 3, 1]
    assert using(SHA, kinds=("check", "file")) == [2]
    assert using(SHA, trace=run.otel_trace_id) == using(SHA, trace=run.otel_trace_id.upper()) == [2, 1]
    assert using(SHA, trace="") == [3]
    assert using(SHA, trace="no id") == []
    assert using(SHA, limit=2) == [4, 3]
    assert using("cd" * 32) == [1]
    assert using("ef" * 32) == using("no hash") == using("") == []
    assert store.erase_content(SHA)
    assert using(SHA) == [4, 3, 2, 1]
    with pytest.raises(BadInput):
        store.records_using(SHA, limit=0)


def test_findings_are_listed_newest_first(store: Store) -> None:
    run = Run(1).start()
    store.accept(
        [
            encoded(1, "finding", {"code": "A-1", "title": "one", "fingerprint": "f"}, trace=run.otel_trace_id),
            encoded(2, "finding", {"code": "A-2", "title": "two", "severity": 3}),
            encoded(3, "finding", {"title": "no code"}),
            encoded(4, "finding", {"code": "A-1", "title": "three", "fingerprint": "f", "new": 1}),
        ]
    )

    def titles(**where: object) -> list[str]:
        return [each.finding.title for each in store.findings(FindingFilter(**where))]  # type: ignore[arg-type]

    assert titles() == ["three", "two", "one"]
    assert titles(code="A-1") == titles(fingerprint="f") == ["three", "one"]
    assert titles(trace=run.otel_trace_id) == titles(trace=run.otel_trace_id.upper()) == ["one"]
    assert titles(trace="") == ["three", "two"]
    assert titles(trace="no id") == []
    assert titles(since_ns=START_NS + 2 * SECOND_NS) == ["three", "two"]
    assert [each.finding.title for each in store.findings(limit=1)] == ["three"]
    assert store.findings(FindingFilter(code="A-2"))[0].finding.severity == 3
    assert store.stats()["records"] == 4


def test_search_finds_words_of_records_and_of_texts_they_refer_to(store: Store) -> None:
    reference = {"message": {"content_sha256": SHA, "chars": 9, "preview": "…"}}
    run = Run(1).start()
    store.accept(
        [
            encoded(1, "decision", {"what": "zebra", "why": "It was striped"}, name="choose_animal"),
            encoded(2, data={"message": "a Zébra again"}, trace=run.otel_trace_id),
            encoded(3, data=reference),
            content(4, SHA, "the giraffe is not a zebra"),
            encoded(5, "span.end", {"error": {"type": "E", "message": "collapsed"}}),
            encoded(6, "trace.start", {"query": "how tall is it"}, trace=run.otel_trace_id),
        ]
    )

    def found(text: str) -> list[int]:
        return ids(msgspec.structs.replace(store.search(text), items=tuple(h.record for h in store.search(text).items)))

    assert found("zebra") == [3, 2, 1]
    assert found("ZEBRA again") == [2]
    assert found("zeb") == [3, 2, 1]
    assert found("again zeb") == [2]
    assert found("zeb again") == found("z") == []
    assert found("giraffe") == [3]
    assert found("collapsed") == [5]
    assert found("choose_animal") == found("animal choose") == [1]
    assert found("tall how") == [6]
    assert found("nothing") == found("") == found("  ") == found("***") == []
    assert "‹again›" in store.search("again").items[0].snippet
    assert store.search("again").items[0].trace_id == f"otel_{run.otel_trace_id}"
    assert store.search("striped").items[0].trace_id == ""
    store.erase_content(SHA)
    assert found("giraffe") == []


@pytest.mark.parametrize(
    "text", ['"', "a AND", "NEAR(", "x*y", "-a", "(", "a:b", "\x00", "'; --", "🦒", "^", "½ x", "{}"]
)
def test_any_text_is_a_valid_query(store: Store, text: str) -> None:
    store.accept([encoded(1, data={"message": "unlike"})])

    assert store.search(text).items == ()


def test_pages_of_hits_stay_good_while_records_arrive(store: Store) -> None:
    store.accept([encoded(number, data={"message": "word"}) for number in range(1, 8)])
    seen, cursor = [], None
    for _ in range(10):
        page = store.search("word", limit=3, cursor=cursor)
        seen += [int(hit.record.record_id, 16) for hit in page.items]
        store.accept([encoded(100 + len(seen), data={"message": "word"})])
        cursor = page.cursor
        if cursor is None:
            break

    assert seen == [7, 6, 5, 4, 3, 2, 1]


# -- aggregates ------------------------------------------------------------------------------------------------------


def test_totals_over_nothing_are_nothing(store: Store) -> None:
    assert store.totals() == Totals()
    assert store.totals_by("intent") == ()
    assert store.principle_patterns(min_runs=0) == ()


def test_totals_count_every_status_and_average_the_complete(store: Store) -> None:
    """A run that failed because of the gate must show (C1.16), but averages are of what was finished."""
    runs = [
        Run(1, intent="a").start().llm(input_tokens=10, output_tokens=5, cost_usd=0.5).scored({}, overall=2.0).end(),
        Run(2, intent="a").start().scored({}, overall=1.0).stage("x", decisions=2).end(),
        Run(3, intent="b").start().scored({}, overall=0.1, passed=False).end("failed"),
        Run(4).start().end("incomplete"),
        Run(5, intent="a").start().stage("x", decisions=1),
    ]
    store.accept([each for run in runs for each in run.records])

    totals = store.totals()

    assert totals == Totals(
        total_runs=5,
        in_progress=1,
        complete=2,
        failed=1,
        incomplete=1,
        qg_passed=2,
        qg_failed=1,
        scored=2,
        avg_quality=1.5,
        avg_duration=5.0,
        avg_cost=0.5,
        decisions=3,
        llm_calls=1,
        total_tokens=15,
    )
    by_intent = store.totals_by("intent")
    assert [(group.key, group.totals.total_runs) for group in by_intent] == [("a", 3), ("", 1), ("b", 1)]
    assert store.totals(TraceFilter(intent="a")) == by_intent[0].totals
    assert store.totals(TraceFilter(intent="")) == by_intent[1].totals
    assert [group.key for group in store.totals_by("status")] == ["complete", "failed", "in_progress", "incomplete"]


def test_groups_of_time_are_in_order_of_time(store: Store) -> None:
    runs = [Run(number, at_ns=START_NS + number * 20 * HOUR_NS, project_name="P").start() for number in range(3)]
    store.accept([each for run in reversed(runs) for each in run.records])

    assert [group.key for group in store.totals_by("hour")] == [
        "2026-01-01T00:00Z",
        "2026-01-01T20:00Z",
        "2026-01-02T16:00Z",
    ]
    assert [(g.key, g.totals.total_runs) for g in store.totals_by("day")] == [("2026-01-01", 2), ("2026-01-02", 1)]
    assert [group.key for group in store.totals_by("project")] == ["P"]
    with pytest.raises(BadInput, match="shoe_size"):
        store.totals_by("shoe_size")


def test_a_window_is_widened_to_whole_hours_and_says_so(store: Store) -> None:
    runs = [Run(number, at_ns=START_NS + number * HOUR_NS // 2).start() for number in range(6)]
    store.accept([each for run in runs for each in run.records])
    where = TraceFilter(since_ns=START_NS + HOUR_NS + 5, until_ns=START_NS + HOUR_NS + 6)

    totals = store.totals(where)

    assert (totals.total_runs, totals.since_ns, totals.until_ns) == (2, START_NS + HOUR_NS, START_NS + 2 * HOUR_NS)
    assert store.totals(TraceFilter(until_ns=START_NS)).total_runs == 0
    assert store.totals(TraceFilter(until_ns=START_NS)).until_ns == START_NS


def test_principles_are_counted_over_complete_traces(store: Store) -> None:
    scores = [{"M": 1.0, "N": 3.0}, {"M": 1.5, "N": 0.0}, {"M": 2.0}, {"M": 0.0, 'odd "one"\\': 1.0}]
    runs = [Run(number).start().scored(each).end() for number, each in enumerate(scores)]
    runs += [Run(7).start().scored({"M": 0.0}).end("failed"), Run(8).start().scored({"M": 0.0})]
    store.accept([each for run in runs for each in run.records])

    found = store.principle_patterns(min_runs=1)

    assert [(p.principle_id, p.fail_count, p.avg_score, p.total_runs) for p in found] == [
        ("M", 3, 1.125, 4),
        ("N", 1, 1.5, 2),
        ('odd "one"\\', 1, 1.0, 1),
    ]
    assert [p.principle_id for p in store.principle_patterns()] == ["M"]
    assert store.principle_patterns(where=TraceFilter(intent="none")) == ()


def test_stats_tell_how_much_there_is(store: Store) -> None:
    assert store.stats()["last_ts_ns"] is None
    store.accept([*some_records(), content(8, SHA, "t"), b"bad"])

    stats = store.stats()

    assert {key: stats[key] for key in ("records", "traces", "contents", "findings", "quarantine")} == {
        "records": 5,
        "traces": 1,
        "contents": 1,
        "findings": 1,
        "quarantine": 1,
    }
    assert stats["last_ts_ns"] == START_NS + HOUR_NS
    assert {"bytes", "schema_version"} <= stats.keys()


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()

    with pytest.raises(StoreUnreachable, match="closed"):
        store.accept([encoded(1)])
    with pytest.raises(StoreUnreachable, match="closed"):
        store.traces(EVERY_TRACE)
