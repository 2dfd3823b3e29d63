"""How SQLite goes about the questions that must stay fast over millions of rows: by an index, in order, to the limit."""

import apsw
import pytest

from whence.model.filters import Condition, DigestFilter, FindingFilter, ProblemFilter, RecordFilter, TraceFilter
from whence.store.sqlite import SqliteStore, filters
from whence.store.sqlite.queries import filtered, sql

JSON = Condition(("inputs", "intent"), "=", "exploring")
RECORDS = [
    (RecordFilter(), ""),
    (RecordFilter(where=(JSON,)), ""),
    (RecordFilter(since_ns=1, until_ns=2, where=(JSON,)), ""),
    (RecordFilter(kinds=("decision", "event"), project="acme", stage="s"), ""),
    (RecordFilter(trace="0" * 32, kinds=("decision",), name="x", component="c", min_level=3), "records_trace"),
    (RecordFilter(name="x", kinds=("decision",), component="c", min_level=4, since_ns=1), "records_name"),
    (RecordFilter(component="c", kinds=("event",), where=(JSON,)), "records_component"),
    (RecordFilter(kinds=("finding",), min_level=3, until_ns=1), "records_kind"),
    (RecordFilter(min_level=3, project="acme"), "records_high"),
    (RecordFilter(parent="0" * 32, name="x", component="c", kinds=("event",)), "records_parent"),
    (RecordFilter(parent="0" * 32, components=("a", "b")), "records_parent"),
    (RecordFilter(trace="0" * 32, parent="0" * 32, components=("a", "b")), "records_trace"),
]
FINDINGS = [
    (FindingFilter(), ""),
    (FindingFilter(project="acme", codes=("A", "B"), min_severity=3), ""),
    (FindingFilter(trace="0" * 32, code="A", fingerprint="f", component="c"), "findings_trace"),
    (FindingFilter(fingerprint="f", code="A", component="c", since_ns=1), "findings_fingerprint"),
    (FindingFilter(code="A", component="c", until_ns=1), "findings_code"),
]
PROBLEMS = [
    (ProblemFilter(), "problems_last"),
    (ProblemFilter(states=("pending",), component="c", min_severity=3), "problems_last"),
    (ProblemFilter(project="acme", code="A", since_ns=1, until_ns=2), "problems_of_project"),
    (ProblemFilter(code="A", since_ns=1), "problems_code"),
]
DIGESTS = [
    (DigestFilter(), "digests_started"),
    (DigestFilter(since_ns=1, until_ns=2, ended_before_ns=3), "digests_started"),
    (DigestFilter(project="acme", since_ns=1), "digests_of_project"),
]
TRACES = [
    (TraceFilter(), "idx_traces_started"),
    (TraceFilter(intent="x"), "idx_traces_intent"),
    (TraceFilter(domain="x"), "idx_traces_domain"),
    (TraceFilter(report_type="x"), "idx_traces_report_type"),
    (TraceFilter(statuses=("complete",)), "idx_traces_status"),
    (TraceFilter(statuses=("complete", "failed"), since_ns=1, until_ns=2), "idx_traces_started"),
    (TraceFilter(gate_passed=False), "idx_traces_quality_gate"),
    (TraceFilter(flagged=True), "idx_traces_flagged"),
    (TraceFilter(principle="M", below=2.0), "idx_traces_started"),
    (TraceFilter(statuses=("complete",), principle="M", below=2.0), "idx_traces_status"),
]


def plan(store: SqliteStore, query: str, values: object = None) -> str:
    """Return what SQLite says it will do."""
    connection = apsw.Connection(str(store.path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        steps = connection.execute("EXPLAIN QUERY PLAN " + query, values)  # type: ignore[arg-type]
        return "; ".join(str(step) for *_, step in steps)
    finally:
        connection.close()


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(("where", "index"), RECORDS)
def test_records_are_found_in_order(store: SqliteStore, where: RecordFilter, index: str, newest_first: bool) -> None:
    found = filters.of_records(where)
    found.add("before_n" if newest_first else "after_n", 5)
    query = filtered("records_newest_first" if newest_first else "records", found.fragments)

    told = plan(store, query, (*found.values, 10))

    assert "TEMP B-TREE" not in told
    assert (f"INDEX {index} " in told + " ") if index else "SEARCH records USING INTEGER PRIMARY KEY" in told


@pytest.mark.parametrize(("where", "index"), TRACES)
def test_traces_are_found_in_order(store: SqliteStore, where: TraceFilter, index: str) -> None:
    found = filters.of_traces(where)
    found.add("trace_after", 1, b"x")

    told = plan(store, filtered("traces", found.fragments), (*found.values, 10))

    assert "TEMP B-TREE" not in told
    assert f"INDEX {index} " in told + " "


@pytest.mark.parametrize(("where", "index"), FINDINGS)
def test_findings_are_found_in_order(store: SqliteStore, where: FindingFilter, index: str) -> None:
    """And whether each was said again is looked up."""
    found = filters.of_findings(where)

    told = plan(store, filtered("findings", found.fragments), (*found.values, 10))

    assert "TEMP B-TREE" not in told
    assert (f"INDEX {index} " in told + " ") if index else "SCAN findings" in told
    assert "SEARCH l USING INDEX findings_occurrence (occurrence=? AND (ts_ns,record_id)>(?,?))" in told


def test_findings_of_a_component_and_of_a_time_are_looked_up(store: SqliteStore) -> None:
    for where, step in (
        (FindingFilter(component="c"), "SEARCH c USING PRIMARY KEY (component=?)"),
        (FindingFilter(since_ns=1, until_ns=2), "SEARCH findings USING INDEX findings_ts (ts_ns>? AND ts_ns<?)"),
    ):
        found = filters.of_findings(where)

        assert step in plan(store, filtered("findings", found.fragments), (*found.values, 10))


@pytest.mark.parametrize(("where", "index"), PROBLEMS)
def test_problems_are_found_in_order(store: SqliteStore, where: ProblemFilter, index: str) -> None:
    found = filters.of_problems(where)
    found.add("problem_after", 1, "x")

    told = plan(store, filtered("problems", found.fragments), (*found.values, 10))

    assert "TEMP B-TREE" not in told
    assert f"INDEX {index} " in told + " "


@pytest.mark.parametrize("name", ["digests", "digests_newest_first"])
@pytest.mark.parametrize(("where", "index"), DIGESTS)
def test_digests_are_read_in_order(store: SqliteStore, where: DigestFilter, index: str, name: str) -> None:
    found = filters.of_digests(where)

    told = plan(store, filtered(name, found.fragments), (*found.values, 10))

    assert "TEMP B-TREE" not in told
    assert f"INDEX {index}" in told


def test_the_facts_of_a_problem_are_counted_from_an_index(store: SqliteStore) -> None:
    """Those of one with very many occurrences are counted whenever it is seen again."""
    told = plan(store, sql("problem_facts"), {"problems": "[]"})

    assert "SEARCH f USING COVERING INDEX findings_problem (project=? AND fingerprint=?)" in told
    assert "SEARCH l USING COVERING INDEX findings_problem" in told
    assert "SCAN f" not in told


@pytest.mark.parametrize("name", ["activity", "activity_by_minute"])
@pytest.mark.parametrize("of", [(), ("project",), ("component", "project")])
def test_activity_is_read_from_hours_and_the_minutes_they_lead_to(
    store: SqliteStore, name: str, of: tuple[str, ...]
) -> None:
    fragments = [f"{'minute' if name == 'activity_by_minute' else 'activity'}_{each}" for each in of]

    told = plan(store, filtered(name, fragments), _Nothing())

    assert "SCAN rollup" not in told
    assert "SCAN h" not in told
    assert "SCAN m" not in told
    assert "SEARCH m USING PRIMARY KEY (component=? AND project=? AND minute_ns>? AND minute_ns<?)" in told
    assert "records" not in told


class _Nothing(dict[str, None]):
    """Something bound to every name."""

    def __missing__(self, key: str) -> None:
        return None


@pytest.mark.parametrize(
    "name", ["record", "trace_records", "trace", "trace_by_name", "content", "vector", "digest", "open_traces"]
)
def test_single_things_are_looked_up(store: SqliteStore, name: str) -> None:
    assert "SCAN" not in plan(store, sql(name), ("x",))


def test_a_finding_and_a_problem_are_looked_up(store: SqliteStore) -> None:
    told = plan(store, sql("finding"), {"id": b"x"}) + plan(store, sql("problem"), ("a", "b"))

    assert "SCAN" not in told
    assert "SEARCH problems USING INDEX problems_id" in told


def test_whether_a_trace_was_looked_at_is_looked_up(store: SqliteStore) -> None:
    told = plan(store, filtered("undigested", ("trace_since",)), (1, 10))

    assert "INDEX idx_traces_started" in told
    assert "SEARCH d USING COVERING INDEX" in told
    assert "TEMP B-TREE" not in told


@pytest.mark.parametrize("fragments", [(), ("check_kinds",), ("check_kinds", "check_trace")])
def test_the_records_that_use_a_text_are_looked_up_in_order(store: SqliteStore, fragments: tuple[str, ...]) -> None:
    """From the text to its records: never over all records of a kind or a trace, however few the text has."""
    values = {"check_kinds": '["transform"]', "check_trace": b"x"}

    told = plan(store, filtered("records_using", fragments), (b"x", *(values[each] for each in fragments), 10))

    assert "SEARCH u USING PRIMARY KEY (sha256=?)" in told
    assert "SEARCH r USING INTEGER PRIMARY KEY" in told
    assert "TEMP B-TREE" not in told


@pytest.mark.parametrize("name", ["totals", "principle_patterns"])
def test_sums_never_read_the_records(store: SqliteStore, name: str) -> None:
    found = filters.of_rollups(TraceFilter(project="p", intent="i", since_ns=1, until_ns=2))
    query = filtered(name, found.fragments)

    told = plan(store, query, [None] * query.count("?"))

    assert "rollup" in told
    assert "records" not in told
    assert "SEARCH rollup" in told  # by the window


@pytest.mark.parametrize(
    ("name", "bound", "not_told"),
    [
        ("touched_traces", {"before": 10**6}, "USING INDEX records_trace"),
        ("measure_principles", {"ids": "[]", "sign": 1}, "idx_traces_status"),
        ("roll_up_records", {"before": 10**6}, "SCAN records"),
        ("roll_up_records", {"before": 10**6}, "USING INDEX"),
        ("new_findings", {"after": 10**6, "until": 10**7}, "SCAN"),
    ],
)
def test_a_batch_costs_the_same_however_much_is_stored(
    store: SqliteStore, name: str, bound: dict[str, object], not_told: str
) -> None:
    """Both walked an index over everything for each batch: a quarter of a second at five million records."""
    assert not_told not in plan(store, sql(name), bound)
