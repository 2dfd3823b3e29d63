"""How SQLite goes about the questions that must stay fast over millions of rows: by an index, in order, to the limit."""

import apsw
import pytest

from whence.model.filters import Condition, RecordFilter, TraceFilter
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


@pytest.mark.parametrize("name", ["record", "trace_records", "trace", "trace_by_name", "content", "open_traces"])
def test_single_things_are_looked_up(store: SqliteStore, name: str) -> None:
    assert "SCAN" not in plan(store, sql(name), ("x",))


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
    ],
)
def test_a_batch_costs_the_same_however_much_is_stored(
    store: SqliteStore, name: str, bound: dict[str, object], not_told: str
) -> None:
    """Both walked an index over everything for each batch: a quarter of a second at five million records."""
    assert not_told not in plan(store, sql(name), bound)
