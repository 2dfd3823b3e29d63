"""The same state on several nodes: what is where, what differs, who is with the majority; and a difference as a patch."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure.states import Difference, apply_patch, compare_states, lag_ns, patch, sentence
from whence.measure.values import same

NODES = ("node-1", "node-2", "node-3", "node-4", "node-5")

scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text("ab/~0", max_size=3)
names = st.text("ab/~01-", max_size=3)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
clusters = st.dictionaries(st.sampled_from(NODES), documents, max_size=5)


def only(states: dict[str, Any]) -> Difference:
    """Return the one difference of these states."""
    found = compare_states(states)
    assert found.total == len(found.differences) == 1
    return found.differences[0]


# -- several nodes -------------------------------------------------------------------------------------------------------


def test_equal_states_are_consistent() -> None:
    found = compare_states({node: {"users": [{"id": 1}], "open": True} for node in NODES}, expected=NODES)

    assert found.consistent
    assert (found.agreement, found.cells, found.differences) == (1.0, 10, ())


def test_a_key_on_one_node_only_is_a_difference() -> None:
    """ "Data X saved on Node 1 but not Node 2" (R4.19), also where the first node is the one that lacks it (C4.16)."""
    difference = only({"node-1": {}, "node-2": {"X": 5}, "node-3": {}})

    assert difference.pointer == "/X"
    assert difference.values == {"node-2": 5}
    assert difference.absent_on == ("node-1", "node-3")
    assert sentence(difference) == "key X is on node-2 but not on node-1, node-3"


def test_a_number_and_its_text_are_not_the_same() -> None:
    difference = only({"node-1": {"n": 1}, "node-2": {"n": "1"}, "node-3": {"n": 1.0}})

    assert difference.types_differ
    assert difference.majority == ("node-1", "node-3")
    assert sentence(difference) == 'key n is 1 on node-1, node-3, "1" on node-2 (types differ)'


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1, 1.0, True),
        (1, "1", False),
        (1, True, False),
        (0, False, False),
        (None, False, False),
        (float("nan"), float("nan"), True),
        (0.0, -0.0, True),
        (2**53 + 1, float(2**53), False),
        ([1, 2], (1, 2), True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({}, [], False),
        ([], None, False),
        ({"a": {}}, {"a": {"b": 1}}, False),
        pytest.param(10**5000, 10**5000 + 1, False, id="numbers of 5000 digits"),
    ],
)
def test_values_are_compared_as_json(a: Any, b: Any, equal: bool) -> None:
    assert compare_states({"x": {"key": a}, "y": {"key": b}}).consistent is equal
    assert same(a, b) is equal
    assert (patch(a, b) == []) is equal


def test_nested_places_are_json_pointers() -> None:
    """A slash in a key is ~1, a tilde ~0 (RFC 6901)."""
    found = compare_states({"x": {"a/b": {"c~d": [1, 2]}}, "y": {"a/b": {"c~d": [1, 3, 4]}}})

    assert [one.pointer for one in found.differences] == ["/a~1b/c~0d/1", "/a~1b/c~0d/2"]
    assert sentence(found.differences[0]) == "key /a~1b/c~0d/1 is 2 on x, 3 on y"
    assert sentence(only({"x": {"a/b": 1}, "y": {}})) == "key a/b is on x but not on y"


def test_what_is_below_an_absent_key_is_one_difference() -> None:
    difference = only({"x": {"cart": {"a": 1, "b": {"c": 2}}}, "y": {}})

    assert (difference.pointer, difference.absent_on) == ("/cart", ("y",))
    assert compare_states({"x": {"cart": {"a": 1, "b": {"c": 2}}}, "y": {}}).cells == 2


def test_below_a_key_that_one_node_lacks_the_others_are_still_compared() -> None:
    found = compare_states({"x": {"cart": {"a": 1}}, "y": {"cart": {"a": 2}}, "z": {}})

    assert [one.pointer for one in found.differences] == ["/cart", "/cart/a"]
    assert sentence(found.differences[0]) == "key cart is on x, y but not on z"


def test_an_expected_node_without_a_state_is_named() -> None:
    """Nothing is known of it, so it takes no part in the agreement, and the state is not called consistent (E18)."""
    found = compare_states({"node-1": {"a": 1}, "node-2": {"a": 1}}, expected=NODES[:3])

    assert found.missing_nodes == ("node-3",)
    assert not found.consistent
    assert (found.agreement, found.differences) == (1.0, ())


def test_agreement_is_the_share_of_cells_with_the_majority() -> None:
    """Four keys on three nodes: a agrees thrice, b twice, c (most lack it) twice, d once."""
    found = compare_states(
        {"x": {"a": 1, "b": 1, "c": 1, "d": 1}, "y": {"a": 1, "b": 1, "d": 2}, "z": {"a": 1, "b": 2, "d": 3}}
    )

    assert found.cells == 12
    assert found.agreement == pytest.approx(8 / 12)
    assert found.majority == {"/b": 1, "/d": 1}
    assert found.differences[1].majority == ("y", "z")


def test_where_values_tie_the_majority_is_always_the_same_one() -> None:
    """A value rather than its absence."""
    assert only({"a": {}, "b": {"k": 1}}).majority == ("b",)
    assert only({"a": {"k": 2}, "b": {"k": 1}}).majority == ("b",)
    assert only({"b": {"k": 2}, "a": {"k": 1}}).majority == ("a",)


def test_a_difference_of_the_whole_state_has_the_empty_pointer() -> None:
    assert sentence(only({"x": 1, "y": [1]})) == "the state is 1 on x, array of 1 item on y (types differ)"


def test_without_states_there_is_nothing_to_compare() -> None:
    assert compare_states({}).consistent
    assert compare_states({}, expected=["x"]).missing_nodes == ("x",)
    assert compare_states({"x": {"a": 1}}).agreement == 1.0


def test_a_long_list_of_nodes_or_values_is_cut_in_words() -> None:
    difference = only({f"n{i}": {"k": "x" * 500} if i else {} for i in range(9)})

    assert sentence(difference) == "key k is on n1, n2, n3, n4, n5 and 3 more but not on n0"
    assert len(sentence(only({f"n{i}": {"k": str(i) * 500} for i in range(9)}))) < 500


# -- hostile states ------------------------------------------------------------------------------------------------------


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_states_may_hold_anything() -> None:
    thing = Silent()
    odd = {1: {2, 3}, None: b"\x00", "o": thing, "n": float("nan"), "big": 10**5000, "\ud800": "\ud800"}

    assert compare_states({"x": odd, "y": dict(odd)}).consistent
    assert not compare_states({"x": odd, "y": {**odd, 1: {2, 4}}}).consistent


def test_a_state_that_contains_itself_comes_to_an_end() -> None:
    ring: dict[str, Any] = {"a": 1}
    ring["self"] = ring
    wide: list[Any] = []
    wide[:] = [wide] * 10
    doubled: list[Any] = [1]
    for _ in range(60):
        doubled = [doubled, doubled]

    assert compare_states({"x": ring, "y": ring}).consistent
    assert compare_states({"x": ring, "y": {"a": 1}}).differences[0].pointer == "/self"
    assert not compare_states({"x": wide, "y": ring}).consistent
    assert compare_states({"x": doubled, "y": "x"}, looks=1000).partial


def test_what_was_not_looked_at_is_not_called_consistent() -> None:
    state = {f"k{i}": i for i in range(100)}

    found = compare_states({"x": state, "y": dict(state)}, looks=100)

    assert (found.partial, found.consistent, found.total) == (True, False, 0)


def test_the_list_of_differences_is_bounded() -> None:
    found = compare_states({"x": {f"k{i:04}": i for i in range(1000)}, "y": {}})

    assert (len(found.differences), found.total, found.differences[0].pointer) == (100, 1000, "/k0000")


# -- patches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "operations"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1, "b": 1}, {"b": 1}, [{"op": "remove", "path": "/a"}]),
        ({}, {"a/b~c": 1}, [{"op": "add", "path": "/a~1b~0c", "value": 1}]),
        ([1, 2, 4], [1, 2, 3, 4], [{"op": "add", "path": "/2", "value": 3}]),
        ([1, 2, 3, 4], [1, 4], [{"op": "remove", "path": "/2"}, {"op": "remove", "path": "/1"}]),
        ({"a": [{"n": 1}]}, {"a": [{"n": 2}]}, [{"op": "replace", "path": "/a/0/n", "value": 2}]),
        (1, [1], [{"op": "replace", "path": "", "value": [1]}]),
        ({"a": 1}, {"a": True}, [{"op": "replace", "path": "/a", "value": True}]),
    ],
)
def test_a_patch_has_what_changed(before: Any, after: Any, operations: list[dict[str, Any]]) -> None:
    """RFC 6902; in lists only what is between the common ends."""
    assert patch(before, after) == operations
    assert apply_patch(before, operations) == after


@pytest.mark.parametrize(
    ("operation", "says"),
    [
        ({"op": "remove", "path": "/x"}, "'/x' is not in the document"),
        ({"op": "replace", "path": "/a/9", "value": 1}, "accepted: an index below 2"),
        ({"op": "add", "path": "/a/01", "value": 1}, "accepted: an index below 3"),
        ({"op": "add", "path": "/n/x", "value": 1}, "is not in the document"),
        ({"op": "add", "path": "a", "value": 1}, "accepted: a JSON Pointer"),
        ({"op": "add", "path": "/a"}, "has no value"),
        ({"op": "move", "from": "/a", "path": "/b"}, "accepted: add, remove, replace"),
        ({"op": "remove"}, "accepted: add, remove, replace"),
    ],
)
def test_a_patch_of_another_document_is_refused(operation: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match="operation 0") as refused:
        apply_patch({"a": [1, 2], "n": None}, [operation])

    assert says in str(refused.value)


def test_a_document_without_end_has_no_patch() -> None:
    ring: list[Any] = []
    ring.append(ring)
    other: list[Any] = []
    other.append(other)

    with pytest.raises(BadInput, match="contain itself"):
        patch(ring, other)


def test_applying_leaves_document_and_patch_as_they_were() -> None:
    document, value = {"a": [1]}, {"n": [1]}

    result = apply_patch(
        document, [{"op": "add", "path": "/b", "value": value}, {"op": "add", "path": "/b/n/-", "value": 2}]
    )

    assert result == {"a": [1], "b": {"n": [1, 2]}}
    assert (document, value) == ({"a": [1]}, {"n": [1]})


# -- lag -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("times", "lag"), [({}, 0), ({"x": 5}, 0), ({"x": 9, "y": 2, "z": 4}, 7)])
def test_lag_is_from_the_first_node_to_the_last(times: dict[str, int], lag: int) -> None:
    assert lag_ns(times) == lag


# -- laws ----------------------------------------------------------------------------------------------------------------


@given(documents, documents)
def test_a_patch_leads_from_one_document_to_the_other(a: Any, b: Any) -> None:
    operations = patch(a, b)

    assert same(apply_patch(a, operations), b)
    assert json.loads(json.dumps(operations)) == operations


@given(documents)
def test_nothing_is_to_do_between_a_document_and_its_copy(document: Any) -> None:
    assert patch(document, copy.deepcopy(document)) == []
    assert apply_patch(document, []) == document


@given(clusters, st.randoms())
def test_the_order_of_the_nodes_does_not_matter(states: dict[str, Any], random: Any) -> None:
    shuffled = list(states.items())
    random.shuffle(shuffled)

    assert compare_states(dict(shuffled), NODES) == compare_states(states, NODES)


@given(clusters)
def test_states_are_consistent_exactly_when_all_are_the_same(states: dict[str, Any]) -> None:
    found = compare_states(states)
    first = next(iter(states.values()), None)

    assert found.consistent is all(same(first, other) for other in states.values())
    assert 0.0 <= found.agreement <= 1.0
    assert (found.agreement == 1.0) is found.consistent
    assert all(sentence(difference) for difference in found.differences)


@given(documents, documents)
def test_two_nodes_agree_exactly_where_a_patch_has_nothing_to_do(a: Any, b: Any) -> None:
    assert compare_states({"x": a, "y": b}).consistent is (patch(a, b) == [])


@given(clusters)
def test_each_node_of_a_difference_has_the_key_or_lacks_it(states: dict[str, Any]) -> None:
    for difference in compare_states(states).differences:
        assert not set(difference.values) & set(difference.absent_on)
        assert set(difference.majority) <= set(difference.values) or difference.majority == difference.absent_on
        assert len(difference.values) + len(difference.absent_on) >= 2
