"""The same state on several nodes."""

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.state_consistency import StateConsistency, compare_operation
from whence.model.severity import Severity


def found(said, before=()):
    return examined(StateConsistency(), said, before)


def nodes(number, states, *, apart_s=0.1, **attributes):
    """A run with one snapshot per node, and its end."""
    run = Said(number)
    run.snapshots = {}
    for name, state in states.items():
        given = {"attributes": {"operation_id": "op-1", **attributes}}
        run.snapshots[name] = run.snapshot(f"node/{name}", "saved", state, after_s=apart_s, **given)
    run.end()
    return run


SAME = {"a": 1, "b": "x"}


def test_a_key_on_one_node_only_and_a_number_beside_a_text():
    run = nodes(1, {"1": SAME, "2": {**SAME, "X": 1}, "3": {"a": "1", "b": "x"}})
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.scope) == ("S01-01", Severity.HIGH, "distributed")
    assert finding.title == (
        "States of node/1, node/2 and node/3 differ at node.saved: "
        "key X is on node/2 but not on node/1, node/3, and 1 more place"
    )
    assert finding.evidence == (run.snapshots["2"], run.snapshots["3"], run.snapshots["1"])
    assert finding.freeze["differences"][0]["values"] == {"node/2": 1}
    assert finding.freeze["differences"][1]["types_differ"] is True


def test_equal_states_and_what_only_names_a_node_are_no_difference():
    assert found(nodes(1, {"1": {**SAME, "node_id": 1}, "2": {**SAME, "node_id": 2}})) == []


def test_a_node_that_lost_its_state():
    (finding,) = found(nodes(1, {"1": SAME, "2": SAME, "3": {}}))
    assert finding.components[0] == "node/3"


def test_the_last_snapshot_of_a_node_counts():
    run = Said()
    run.snapshot("node/1", "saved", {"a": 1})
    run.snapshot("node/2", "saved", {"a": 2})
    run.snapshot("node/1", "saved", {"a": 2})
    assert found(run) == []


def test_workers_with_states_of_their_own_are_no_replicas():
    assert found(nodes(1, {"1": {"page": 1, "url": "x"}, "2": {"table": 1, "rows": 2}})) == []


def test_states_that_usually_differ_are_low():
    before = [nodes(n, {"1": {"task": n}, "2": {"task": -n}}) for n in range(1, 6)]
    run = nodes(9, {"1": {"task": 5}, "2": {"task": 7}})
    assert [each.severity for each in found(run, before)] == [Severity.LOW]
    assert [each.severity for each in found(run, before[:4])] == [Severity.HIGH]


def test_a_node_that_others_name_has_no_state():
    run = nodes(1, {"1": SAME, "2": SAME}, expected_nodes=["1", "node/2", "node/3"])
    (finding,) = found(run)
    assert (finding.code, finding.components, finding.confidence) == ("S01-02", ("node/3",), 1.0)
    assert finding.title == "node/3 has no state at node.saved; 2 others have"


def test_a_node_that_always_reported_is_missed_after_five_runs():
    before = [nodes(n, {"1": SAME, "2": SAME, "3": SAME}) for n in range(1, 6)]
    run = nodes(9, {"1": SAME, "2": SAME})
    (finding,) = found(run, before)
    assert (finding.code, finding.components, finding.basis) == ("S01-02", ("node/3",), "statistical")
    assert finding.confidence == 6 / 7
    assert set(finding.evidence) == set(run.snapshots.values())
    assert found(run, before[:4]) == []


def test_a_state_that_comes_late():
    run = nodes(1, {"1": SAME, "2": SAME}, apart_s=5.1)
    (finding,) = found(run)
    assert finding.code == "S01-03"
    assert finding.title == "node/2 had its state at node.saved 5.1 s after the first; more than 5 s"
    assert finding.evidence == (run.snapshots["2"], run.snapshots["1"])
    assert found(nodes(1, {"1": SAME, "2": SAME}, apart_s=5.0)) == []


def test_a_lag_that_is_usual_is_none():
    before = [nodes(n, {"1": SAME, "2": SAME}, apart_s=8.0 + n / 10) for n in range(1, 9)]
    assert found(nodes(20, {"1": SAME, "2": SAME}, apart_s=8.3), before) == []
    assert [each.basis for each in found(nodes(20, {"1": SAME, "2": SAME}, apart_s=60.0), before)] == ["statistical"]


def test_whoever_asks_may_compare_what_he_likes():
    run = Said()
    run.snapshot("db/main", "written", {"id": 1})
    run.snapshot("fs/disk", "flushed", {"id": 2})
    comparison, findings = compare_operation(run.run.of_kind("snapshot"), ["db/main", "cache"])
    assert (comparison.consistent, comparison.missing_nodes) == (False, ("cache",))
    assert [each.code for each in findings] == ["S01-01", "S01-02"]
    assert compare_operation([])[1] == []


def test_order_duplicates_and_hostile_payloads_change_nothing():
    before = [nodes(n, {"1": SAME, "2": SAME, "3": SAME}) for n in range(1, 6)]
    records = records_of([*before, nodes(9, {"1": SAME, "2": {"a": 2, "b": "x"}}), hostile_run(20)])
    assert StateConsistency().detect(shuffled(records)) == StateConsistency().detect(records)


def test_a_clean_run_has_none():
    assert found(clean_run(9), [clean_run(n) for n in range(1, 8)]) == []
