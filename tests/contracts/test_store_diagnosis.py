"""What every store promises about findings, problems, digests, vectors and activity."""

import base64
import hashlib
import struct
from typing import Any

import msgspec
import pytest

from tests.builders import HOUR_NS, SECOND_NS, START_NS, Run, encoded, hex_id, whole_run
from whence.errors import BadInput
from whence.model.filters import (
    ActivityFilter,
    DigestFilter,
    FindingFilter,
    Page,
    ProblemFilter,
    RecordFilter,
    TraceFilter,
)
from whence.model.finding import Problem, problem_id
from whence.model.record import OF_OURS
from whence.sink import Accepted
from whence.store.derive import occurrence_of
from whence.store.interface import Activity, Store

MINUTE_NS = 60 * SECOND_NS
TRACE, OTHER = hex_id(7), hex_id(8)


def finding(number: int, fingerprint: str = "f", *, trace: str = TRACE, project: str = "acme", **fields: Any) -> bytes:
    """Return a finding; its time counts up with its number."""
    told = {"code": "T01-01", "title": f"title {number}", "fingerprint": fingerprint, **fields}
    return encoded(number, "finding", told, name="T01-01", trace=trace, project=project)


def word(number: int, state: str, fingerprint: str = "f", **fields: Any) -> bytes:
    """Return what somebody says of a problem."""
    return encoded(number, "finding.state", {"state": state, **fields}, name=fingerprint)


def at(number: int) -> int:
    """Return the time of the record with this number."""
    return START_NS + number * SECOND_NS


# -- findings --------------------------------------------------------------------------------------------------------


def test_a_finding_said_again_counts_once_and_as_it_was_said_last(store: Store) -> None:
    """Trace, fingerprint and anchor say which occurrence it is; what was said before stays in the records."""
    store.accept([finding(1, severity=3), finding(2, anchor="second"), finding(3, severity=1), finding(4, trace=OTHER)])

    found = store.findings()

    assert [each.finding.title for each in found] == ["title 4", "title 3", "title 2"]
    assert found[1].occurrence == occurrence_of("acme", TRACE, "f", "")
    assert len({each.occurrence for each in found}) == 3
    assert store.findings(FindingFilter(min_severity=3)) == ()  # no longer so
    assert len(store.records(RecordFilter(kinds=("finding",))).items) == 4
    assert store.stats()["findings"] == 4


def test_the_newest_is_told_by_its_time_not_by_its_arrival(store: Store) -> None:
    store.accept([finding(9)])
    store.accept([finding(3)])

    assert [each.finding.title for each in store.findings()] == ["title 9"]


def test_a_finding_without_fingerprint_is_an_occurrence_of_its_own_and_no_problem(store: Store) -> None:
    store.accept([finding(1, ""), finding(2, "")])

    assert [each.occurrence for each in store.findings()] == [hex_id(2), hex_id(1)]
    assert store.problems().items == ()


def test_a_finding_that_was_taken_back_is_not_shown_and_makes_no_problem(store: Store) -> None:
    store.accept([finding(1, anchor="a"), finding(2, anchor="b", severity=3)])
    store.accept([finding(3, anchor="b", severity=3, count=0)])
    assert [each.finding.anchor for each in store.findings()] == ["a"]
    assert (only(store).count, only(store).severity) == (1, 1)

    store.accept([finding(4, anchor="a", count=0)])
    assert store.findings() == ()
    assert store.problems().items == ()
    assert [each.finding.anchor for each in store.findings(FindingFilter(withdrawn=True))] == ["a", "b"]

    store.accept([finding(5, anchor="a")])  # and found again
    assert [each.finding.anchor for each in store.findings()] == ["a"]
    assert only(store).count == 1


def test_occurrences_of_two_projects_are_two(store: Store) -> None:
    store.accept([finding(1, ""), finding(1, "", project="beta"), finding(2), finding(2, project="beta")])

    assert len(store.findings()) == 4
    assert sorted((each.project, each.count) for each in store.problems().items) == [("acme", 1), ("beta", 1)]


def test_a_finding_is_found_by_its_record_or_by_its_occurrence(store: Store) -> None:
    store.accept([finding(1), finding(2)])
    occurrence = occurrence_of("acme", TRACE, "f", "")

    by_record, by_occurrence = store.finding(hex_id(1)), store.finding(occurrence.upper())

    assert by_record is not None
    assert by_occurrence is not None
    assert (by_record.finding.title, by_occurrence.finding.title) == ("title 1", "title 2")
    assert store.finding(hex_id(5)) is None
    assert store.finding("no id") is None


FINDINGS = [
    (FindingFilter(), [6, 5, 4, 3, 2, 1]),
    (FindingFilter(trace=TRACE), [4, 2, 1]),
    (FindingFilter(trace=""), [6]),
    (FindingFilter(project="beta"), [5]),
    (FindingFilter(code="P01-01"), [4, 3]),
    (FindingFilter(codes=("P01-01", "S01-01")), [4, 3, 2]),
    (FindingFilter(code="P01-01", codes=("S01-01",)), []),
    (FindingFilter(fingerprint="f"), [5, 1]),
    (FindingFilter(fingerprint="long" * 60), [6]),
    (FindingFilter(component="agent/1"), [3, 2]),
    (FindingFilter(component="agent/1", code="P01-01"), [3]),
    (FindingFilter(component="agent"), []),
    (FindingFilter(min_severity=3), [4, 3]),
    (FindingFilter(since_ns=at(3), until_ns=at(5)), [4, 3]),
    (FindingFilter(trace=TRACE, since_ns=at(2), until_ns=at(3), min_severity=1), [2]),
]


@pytest.mark.parametrize(("where", "numbers"), FINDINGS)
def test_findings_are_filtered(store: Store, where: FindingFilter, numbers: list[int]) -> None:
    store.accept(
        [
            finding(1),
            finding(2, "g", code="S01-01", components=["agent/2", "agent/1", "agent/1"]),
            finding(3, "h", code="P01-01", components=["agent/1"], trace=OTHER, severity=3),
            finding(4, "i", code="P01-01", severity=4),
            finding(5, project="beta", trace=OTHER),
            finding(6, "long" * 70, trace=""),
        ]
    )

    assert [int(each.record_id, 16) for each in store.findings(where)] == numbers


def test_numbers_past_64_bits_do_not_stop_a_finding(store: Store) -> None:
    store.accept([finding(1, severity=10**30, first_ns=10**30, last_ns=-(10**30), count=10**40)])

    (found,) = store.findings(FindingFilter(min_severity=4))
    (problem,) = store.problems().items

    assert found.finding.severity == 10**30
    assert (problem.severity, problem.first_ns, problem.last_ns) == (2**63 - 1, 2**63 - 1, at(1))


# -- problems --------------------------------------------------------------------------------------------------------


def only(store: Store) -> Problem:
    """Return the one problem that there is."""
    (problem,) = store.problems().items
    return problem


def test_a_problem_is_what_its_occurrences_say_together(store: Store) -> None:
    store.accept(
        [
            finding(1, severity=4, last_ns=at(50), confidence=0.25, components=["agent/1", "agent/2"]),
            finding(2, severity=2, anchor="b", first_ns=at(0)),
            finding(3, severity=1, trace=OTHER, code="T01-02"),
        ]
    )

    assert only(store) == Problem(
        id=problem_id("acme", "f"),
        project="acme",
        fingerprint="f",
        code="T01-01",
        title="title 1",  # it was seen last, though said first
        severity=4,
        state="confirmed",
        count=3,
        first_ns=at(0),
        last_ns=at(50),
        confidence=0.25,
        components=("agent/1", "agent/2"),
        trace=TRACE,
        record_id=hex_id(1),
    )


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ([finding(1)], "pending"),
        ([finding(1), finding(2)], "pending"),  # the same occurrence, said again
        ([finding(1), finding(2, anchor="b")], "confirmed"),
        ([finding(1, basis="stated")], "confirmed"),
        ([finding(1, basis="measured")], "pending"),
        ([finding(1), word(2, "confirmed")], "confirmed"),
        ([finding(1, basis="derived"), word(2, "resolved")], "resolved"),
        ([finding(1), word(2, "resolved"), finding(3, anchor="b")], "recurred"),
        ([finding(1), word(3, "resolved"), finding(2, anchor="b")], "resolved"),
        ([finding(1, basis="stated"), word(2, "pending")], "pending"),
        ([finding(1, basis="stated"), word(2, "pending"), finding(3, anchor="b")], "confirmed"),
        ([finding(1), word(2, "resolved"), word(3, "recurred"), word(4, "nonsense")], "resolved"),  # nobody says these
        ([finding(1), word(2, "resolved"), word(3, "pending")], "pending"),
    ],
)
@pytest.mark.parametrize("order", ["as told", "reversed", "one by one"])
def test_where_a_problem_stands(store: Store, told: list[bytes], state: str, order: str) -> None:
    """It follows from what is there, in whatever order and batches it came (`model.finding.standing`)."""
    told = told[::-1] if order == "reversed" else told
    for batch in [[each] for each in told] if order == "one by one" else [told]:
        store.accept(batch)

    assert only(store).state == state


def test_the_last_word_is_shown_with_who_said_it(store: Store) -> None:
    store.accept([finding(1), word(5, "resolved", by="ann", note="fixed in 1.2"), word(3, "confirmed", by="bob")])

    problem = only(store)

    assert (problem.state, problem.by, problem.note, problem.changed_ns) == ("resolved", "ann", "fixed in 1.2", at(5))


def test_a_word_counts_for_its_project_and_fingerprint_only(store: Store) -> None:
    store.accept([word(5, "resolved"), finding(1, project="beta"), finding(2, "g")])

    assert {each.state for each in store.problems().items} == {"pending"}


def test_a_long_fingerprint_means_its_beginning(store: Store) -> None:
    """In findings, in problems, in what is said of them, and in occurrences."""
    long = "x" * 200
    store.accept([finding(1, long), finding(2, long + "y", trace=OTHER), word(3, "resolved", long + "z")])

    problem = only(store)

    assert (problem.fingerprint, problem.count, problem.state) == (long, 2, "resolved")
    assert occurrence_of("p", TRACE, long + "y", "") == occurrence_of("p", TRACE, long + "z", "")


def test_a_problem_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    store.accept([finding(number, f"f{number}") for number in range(1, 400)])
    found = store.problems(limit=400).items
    wanted = found[7]

    assert store.problem(wanted.id) == wanted
    assert store.problem(f" {wanted.id[:8].upper()} ") == wanted
    assert store.problem(wanted.id[:3]) is None  # too short to mean one
    assert store.problem("") is None
    assert store.problem("zzzz") is None
    assert store.problem(problem_id("none", "none")) is None


PROBLEMS = [
    (ProblemFilter(), [5, 4, 3, 2, 1]),
    (ProblemFilter(project="acme"), [4, 3, 2, 1]),
    (ProblemFilter(code="P01-01"), [4, 3]),
    (ProblemFilter(project="acme", code="P01-01", min_severity=4), [4]),
    (ProblemFilter(states=("confirmed", "resolved")), [4, 2]),
    (ProblemFilter(component="agent/1"), [3, 2]),
    (ProblemFilter(min_severity=3), [4, 3]),
    (ProblemFilter(since_ns=at(2), until_ns=at(4)), [3, 2]),
]


@pytest.mark.parametrize(("where", "numbers"), PROBLEMS)
def test_problems_are_filtered(store: Store, where: ProblemFilter, numbers: list[int]) -> None:
    store.accept(
        [
            finding(1, "1"),
            finding(2, "2", components=["agent/2", "agent/1"]),
            finding(3, "3", code="P01-01", components=["agent/1"], severity=3),
            finding(4, "4", code="P01-01", severity=4, basis="stated"),
            finding(5, "5", project="beta"),
            word(6, "resolved", "2"),
        ]
    )

    assert [int(each.fingerprint) for each in store.problems(where).items] == numbers


def test_pages_of_problems_miss_none_and_repeat_none(store: Store) -> None:
    """Several may have been seen last at the same time."""
    store.accept([finding(number, f"f{number}", last_ns=at(number // 3)) for number in range(1, 11)])
    seen: list[str] = []
    cursor = None
    while True:
        page: Page[Problem] = store.problems(limit=3, cursor=cursor)
        seen += [each.fingerprint for each in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert sorted(seen) == sorted(f"f{number}" for number in range(1, 11))
    with pytest.raises(BadInput, match="cursor"):
        store.problems(cursor=store.records(RecordFilter(), limit=1).cursor)
    with pytest.raises(BadInput, match="limit"):
        store.problems(limit=0)


# -- digests ---------------------------------------------------------------------------------------------------------


def digest(number: int, trace: str, records: int, last_record: str = "", **fields: Any) -> bytes:
    """Return what a run was like, as it travels."""
    told = {"trace": trace, "records": records, "last_record": last_record, **fields}
    return encoded(number, "digest", told, name=trace)


def test_a_digest_takes_the_place_of_one_that_knew_less(store: Store) -> None:
    told = [digest(1, TRACE, 5, "a"), digest(2, TRACE, 7, "b"), digest(3, TRACE, 7, "a"), digest(4, TRACE, 2, "z")]
    for each in told:
        assert store.accept([each]) == Accepted(digests=1)

    found = store.digest(TRACE.upper())

    assert found is not None
    assert (found.records, found.last_record, found.project, found.started_ns) == (7, "b", "acme", at(2))
    assert store.digest(OTHER) is None
    assert store.digest("no id") is None
    assert store.records(RecordFilter()).items == ()  # they are no part of the stream
    assert store.stats()["digests"] == 1


def test_a_digest_made_anew_from_the_same_records_takes_the_place_of_the_one_before(store: Store) -> None:
    store.accept([digest(1, TRACE, 5, "a", status="failed"), digest(2, TRACE, 5, "a", status="complete")])

    assert store.digest(TRACE).status == "complete"  # type: ignore[union-attr]


DIGESTS = [
    (DigestFilter(), [1, 2, 3]),
    (DigestFilter(project="beta"), [2]),
    (DigestFilter(since_ns=at(2)), [2, 3]),
    (DigestFilter(since_ns=at(1), until_ns=at(3)), [1, 2]),
    (DigestFilter(ended_before_ns=at(20)), [1]),
]


@pytest.mark.parametrize(("where", "numbers"), DIGESTS)
def test_digests_come_in_order_of_their_start(store: Store, where: DigestFilter, numbers: list[int]) -> None:
    store.accept(
        [
            digest(9, hex_id(3), 1, started_ns=at(3)),
            digest(9, hex_id(1), 1, started_ns=at(1), ended_ns=at(19)),
            digest(9, hex_id(2), 1, started_ns=at(2), ended_ns=at(20), project="beta"),
        ]
    )

    assert [int(each.trace, 16) for each in store.digests(where)] == numbers
    assert [int(each.trace, 16) for each in store.digests(where, newest_first=True)] == numbers[::-1]
    assert [int(each.trace, 16) for each in store.digests(where, limit=1)] == numbers[:1]


@pytest.mark.parametrize(
    "bad",
    [
        encoded(9, "digest", {"trace": TRACE}, name="short"),
        encoded(9, "digest", [], name=TRACE),
        encoded(9, "digest", {}, name=TRACE),
        encoded(9, "digest", {"trace": TRACE, "records": "many"}, name=TRACE),
        encoded(9, "digest", {"trace": TRACE, "records": 10**30}, name=TRACE),
        encoded(9, "vector", {"f32": "AAAA", "dimensions": 1}, name=hashlib.sha256(b"\0\0\0").hexdigest()),
        encoded(9, "vector", {"f32": "AAAAAA=="}, name=hashlib.sha256(b"other").hexdigest()),
        encoded(9, "vector", {"f32": "AAAAAA==", "dimensions": 2}, name=hashlib.sha256(bytes(4)).hexdigest()),
        encoded(9, "vector", {"f32": "not base64!"}, name=hashlib.sha256(b"").hexdigest()),
        encoded(9, "vector", {"f32": 5}, name=hashlib.sha256(b"").hexdigest()),
        encoded(9, "vector", {"f32": "AAAAAA=="}, name="short"),
    ],
)
def test_what_is_no_digest_and_no_vector_is_put_aside(store: Store, bad: bytes) -> None:
    taken = store.accept([encoded(1), bad, digest(2, TRACE, 1)])

    assert taken == Accepted(stored=1, digests=1, quarantined=1)
    assert store.stats()["quarantine"] == 1


def test_ended_traces_that_nobody_has_looked_at_are_told(store: Store) -> None:
    runs = [whole_run(1), whole_run(2, project_name="Other"), Run(3).start(), whole_run(4)]
    store.accept([each for run in runs for each in run.records])
    one, two, _, four = (run.otel_trace_id for run in runs)
    assert store.undigested() == (four, two, one)

    assert store.undigested(limit=1) == (four,)
    assert store.undigested(TraceFilter(project="Other")) == (two,)

    store.accept([digest(1, one, 3), digest(3, four, 3)])

    assert store.undigested() == (two,)


# -- vectors ---------------------------------------------------------------------------------------------------------


def test_a_vector_is_kept_once_under_its_hash(store: Store) -> None:
    packed = struct.pack("<3f", 0.5, -1.0, 2.0)
    sha256 = hashlib.sha256(packed).hexdigest()
    told = {"f32": base64.b64encode(packed).decode(), "dimensions": 3}

    assert store.accept([encoded(n, "vector", told, name=sha256.upper()) for n in (1, 2)]) == Accepted(vectors=2)

    assert store.vector(sha256) == store.vector(sha256.upper()) == packed
    assert store.vector("ab" * 32) is None
    assert store.vector("no hash") is None
    assert store.stats()["vectors"] == 1
    assert store.records(RecordFilter()).items == ()


def test_full_text_knows_neither_vectors_nor_digests(store: Store) -> None:
    packed = base64.b64encode(bytes(8)).decode()
    taken = store.accept(
        [
            encoded(1, "vector", {"f32": packed, "message": "zebra"}, name=hashlib.sha256(bytes(8)).hexdigest()),
            digest(2, TRACE, 1, query="zebra", status="zebra"),
        ]
    )

    assert taken == Accepted(vectors=1, digests=1)
    assert store.search("zebra").items == ()
    assert store.search("digest").items == ()


# -- activity --------------------------------------------------------------------------------------------------------


def test_activity_counts_what_components_did(store: Store) -> None:
    ended = {"type": "stage", "duration_ns": 1_499_999}
    store.accept(
        [
            encoded(1, component="a", level=3),
            encoded(2, "span.end", ended, component="a"),
            encoded(
                61, "span.end", {**ended, "error": {"type": "E"}, "duration_ns": 2_500_000}, component="a", level=4
            ),
            encoded(3, component="", stage="intake"),
            encoded(4, component="", stage=""),
            encoded(5, "span.end", {"duration_ns": "long", "error": None}, component="", stage="intake"),
            encoded(6, "metric", component="b"),
            *(encoded(10 + n, kind, component="ours") for n, kind in enumerate(OF_OURS)),
            *(encoded(30 + n, component=name) for n, name in enumerate(("whence", "whence.documents"))),
        ]
    )

    assert store.activity() == (
        Activity(
            component="a",
            records=3,
            errors=2,
            spans=2,
            failed=1,
            duration_ms=4,  # 1 and 3
            first_ns=START_NS,
            last_ns=START_NS + MINUTE_NS,
        ),
        Activity(component="intake", records=2, spans=1, first_ns=START_NS, last_ns=START_NS),
        Activity(component="", records=1, first_ns=START_NS, last_ns=START_NS),
        Activity(component="b", records=1, first_ns=START_NS, last_ns=START_NS),
    )
    assert [(each.component, each.minute_ns) for each in store.activity_by_minute(ActivityFilter())] == [
        ("", START_NS),
        ("a", START_NS),
        ("b", START_NS),
        ("intake", START_NS),
        ("a", START_NS + MINUTE_NS),
    ]
    assert store.activity()[0].error_rate == 2 / 3


@pytest.mark.parametrize(
    ("since", "until", "minutes"),
    [
        (None, None, [0, 1, 59, 60, 61, 119, 120, 185]),
        (0, 60, [0, 1, 59]),
        (1, 60, [1, 59]),
        (1, 61, [1, 59, 60]),
        (59, 120, [59, 60, 61, 119]),
        (59, 121, [59, 60, 61, 119, 120]),
        (61, 62, [61]),
        (62, 62, []),
        (62, 61, []),
        (62, 100, []),
        (121, None, [185]),
        (None, 1, [0]),
    ],
)
def test_a_window_of_activity_is_widened_to_whole_minutes(
    store: Store, since: int | None, until: int | None, minutes: list[int]
) -> None:
    """Across any borders of hours, from sums over hours and minutes."""
    for number, minute in enumerate([185, 0, 1, 59, 60, 61, 119, 120]):
        store.accept([encoded(number, component="a", ts_ns=START_NS + minute * MINUTE_NS + 5 * SECOND_NS)])
    where = ActivityFilter(
        since_ns=None if since is None else START_NS + since * MINUTE_NS + SECOND_NS,
        until_ns=None if until is None else START_NS + until * MINUTE_NS - SECOND_NS,
    )

    found = store.activity_by_minute(where)

    assert [(each.minute_ns or 0) - START_NS for each in found] == [minute * MINUTE_NS for minute in minutes]
    whole = [(each.records, each.first_ns, each.last_ns) for each in store.activity(where)]
    assert whole == ([(len(minutes), found[0].minute_ns, found[-1].minute_ns)] if minutes else [])


def test_activity_of_a_project_and_of_a_component(store: Store) -> None:
    store.accept(
        [
            encoded(1, component="a"),
            encoded(2, component="b"),
            encoded(3, component="a", project="beta"),
            encoded(4, component="a", ts_ns=START_NS + 2 * HOUR_NS),
        ]
    )

    def done(**where: Any) -> list[tuple[str, int]]:
        return [(each.component, each.records) for each in store.activity(ActivityFilter(**where))]

    assert done() == [("a", 3), ("b", 1)]
    assert done(project="beta") == [("a", 1)]
    assert done(component="a", project="acme") == [("a", 2)]
    assert done(component="b", until_ns=START_NS + 1) == [("b", 1)]
    assert done(component="none") == []
    by_minute = store.activity_by_minute(ActivityFilter(component="a"))
    assert [each.records for each in by_minute] == [2, 1]  # projects together


def test_roll_ups_of_activity_made_anew_say_the_same(store: Store) -> None:
    store.accept(whole_run(1).records)
    store.accept(whole_run(2).records)
    before = store.activity(), store.activity_by_minute(ActivityFilter())
    assert before[0] != ()

    store.rebuild_rollups()

    assert (store.activity(), store.activity_by_minute(ActivityFilter())) == before


@pytest.mark.parametrize("duration", [None, True, "5", [5], -5, 10**30, 1.5e6, 10**400, {"a": 1}])
def test_durations_of_any_shape_do_not_stop_a_batch(store: Store, duration: Any) -> None:
    data = (
        b'{"duration_ns":' + msgspec.json.encode(duration) + b"}" if duration != 10**400 else b'{"duration_ns":1e400}'
    )
    made = encoded(1, "span.end", {"@": 1}, component="a").replace(b'{"@":1}', data)

    assert store.accept([made, made]).stored == 1

    (found,) = store.activity()
    assert found.spans == 1
    assert 0 <= found.duration_ms <= 10**10


# -- records ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest_first", [False, True])
def test_records_of_several_components_come_in_order(store: Store, newest_first: bool) -> None:
    components = ["a", "b", "c", "a", "b", "", "a"]
    store.accept([encoded(n, component=each, level=n % 2 + 1) for n, each in enumerate(components, 1)])

    def found(**where: Any) -> list[int]:
        numbers: list[int] = []
        cursor = None
        while True:
            page = store.records(RecordFilter(**where), limit=2, cursor=cursor, newest_first=newest_first)
            numbers += [int(each.record_id, 16) for each in page.items]
            cursor = page.cursor
            if cursor is None:
                return numbers[::-1] if newest_first else numbers

    assert found(components=("a", "b")) == [1, 2, 4, 5, 7]
    assert found(components=("a", "a", "none")) == [1, 4, 7]
    assert found(components=("a", "")) == [1, 4, 6, 7]
    assert found(components=("a", "b"), component="a", min_level=2) == [1, 7]
    assert found(components=("a",), until_ns=START_NS + HOUR_NS, since_ns=at(4)) == [4, 7]
    assert found(component="") == [6]


def test_records_are_found_by_what_caused_them(store: Store) -> None:
    """A record's id, or a span's."""
    store.accept(
        [
            encoded(1, parent=hex_id(50)),
            encoded(2, parent=hex_id(50), component="a"),
            encoded(3, parent="ab" * 8, trace=TRACE),
            encoded(4, parent=""),
        ]
    )

    def found(**where: Any) -> list[int]:
        return [int(each.record_id, 16) for each in store.records(RecordFilter(**where)).items]

    assert found(parent=hex_id(50)) == [1, 2]
    assert found(parent=hex_id(50), components=("a", "b")) == found(parent=hex_id(50), component="a") == [2]
    assert found(parent="ab" * 8) == found(parent="ab" * 8, trace=TRACE) == [3]
    assert found(parent="") == [4]
    assert found(parent=hex_id(51)) == []
