"""The same state on several nodes: what is on one and not on another, what differs, and how far they agree (C4.16).

Also the difference of two states as a JSON Patch (RFC 6902), and its application. Places are JSON Pointers (RFC 6901):
`/users/3/name`, with `~1` for a slash in a key and `~0` for a tilde.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from whence.errors import BadInput
from whence.measure.values import Room, fingerprint, keyed, plain, same, shown, word

LISTED = 100
MAX_DEPTH = 64
MAX_LOOKS = 500_000
"""Looks at values that one comparison takes, two for a leaf and one for what holds it; past it `partial` says so."""

NAMED = 5
"""Nodes that a sentence names before it counts the rest."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One place where nodes do not agree. Nodes are in sorted order throughout."""

    pointer: str  # "" is the state as a whole
    values: dict[str, Any]  # node -> value, where the key is there
    absent_on: tuple[str, ...] = ()
    types_differ: bool = False  # 1 beside "1"
    majority: tuple[str, ...] = ()  # the nodes that agree with most; all absent, if most lack the key


class StateComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What the nodes' states have in common and what not."""

    consistent: bool  # no difference, no node without a state, and everything was looked at
    differences: tuple[Difference, ...]  # by key, list items by index; 100 at most
    total: int  # how many differences there are
    missing_nodes: tuple[str, ...]  # expected, and no state came
    agreement: (
        float  # share of compared cells (key x node) that have the majority's value; 1.0 when nothing is compared
    )
    cells: int
    majority: dict[
        str, Any
    ]  # pointer -> value that most have, for the listed differences; a majority without the key has none
    partial: bool = False  # 64 levels or the limit of looks were reached: the rest was not looked at


def compare_states(
    states: Mapping[str, Any], expected: Sequence[str] = (), *, looks: int = MAX_LOOKS
) -> StateComparison:
    """Return where the states of several nodes differ, over the union of their keys.

    Values are compared as JSON: 1 and 1.0 are the same, 1 and "1" and true are not. A key that one node lacks is one
    difference, however much is below it. Lists are compared item by item. Where values tie, the majority is the one on
    more nodes, then a value rather than its absence, then the first in a fixed order that does not depend on the nodes'.

    Args:
        states: node -> its state, any value.
        expected: nodes that should have one; those without are `missing_nodes`, and take no part in `agreement`.
        looks: how much is looked at before it ends with `partial`.
    """
    walk = _Walk(looks)
    nodes = {str(node): state for node, state in states.items()}
    walk.look({node: nodes[node] for node in sorted(nodes)}, (), "", 0)
    listed = tuple(walk.differences)
    missing = tuple(sorted({str(node) for node in expected} - nodes.keys()))
    return StateComparison(
        consistent=not walk.total and not missing and not walk.partial,
        differences=listed,
        total=walk.total,
        missing_nodes=missing,
        agreement=walk.agreeing / walk.cells if walk.cells else 1.0,
        cells=walk.cells,
        majority={one.pointer: one.values[one.majority[0]] for one in listed if one.majority[0] in one.values},
        partial=walk.partial,
    )


def sentence(difference: Difference) -> str:
    """Return a difference in words: 'key X is on node-2 but not on node-1, node-3'."""
    name = _called(difference.pointer)
    by_value: dict[str, list[str]] = {}
    for node, value in difference.values.items():
        by_value.setdefault(fingerprint(value, Room(1000)), []).append(node)
    absent = f" but not on {_nodes(difference.absent_on)}" if difference.absent_on else ""
    containers = difference.absent_on and set(map(word, difference.values.values())) in ({"object"}, {"array"})
    if containers or len(by_value) == 1:
        return f"{name} is on {_nodes(tuple(difference.values))}{absent}"
    said = [f"{shown(difference.values[nodes[0]])} on {_nodes(tuple(nodes))}" for nodes in by_value.values()]
    more = f" and {len(said) - NAMED} other values" if len(said) > NAMED else ""
    types = " (types differ)" if difference.types_differ else ""
    return f"{name} is {', '.join(said[:NAMED])}{more}{absent}{types}"


def _called(pointer: str) -> str:
    if not pointer:
        return "the state"
    only = pointer.count("/") == 1 and pointer != "/"
    return f"key {pointer[1:].replace('~1', '/').replace('~0', '~') if only else pointer}"


def _nodes(nodes: tuple[str, ...]) -> str:
    more = len(nodes) - NAMED
    return ", ".join(nodes[:NAMED]) + (f" and {more} more" if more > 0 else "")


class _Walk:
    """One comparison under way: all nodes go down together, place by place."""

    def __init__(self, looks: int) -> None:
        self.differences: list[Difference] = []
        self.total = 0
        self.cells = 0
        self.agreeing = 0
        self.partial = False
        self.room = Room(looks)
        self.inside: set[int] = set()  # containers above this place, by id: a state may contain itself

    def look(self, values: dict[str, Any], absent: tuple[str, ...], pointer: str, depth: int) -> None:
        """Compare one place on the nodes that have it; `absent` are those that have its parent and not it."""
        self.room.left -= len(values)
        if self.room.left < 0 or depth > MAX_DEPTH:
            self.partial = True
            return
        values = {node: plain(value) for node, value in values.items()}
        objects = all(isinstance(value, dict) for value in values.values())
        lists = not objects and all(isinstance(value, list | tuple) for value in values.values())
        if not (objects or lists) or not any(values.values()):
            self.judge(values, absent, pointer)
            return
        if absent:
            self.judge(dict.fromkeys(values), absent, pointer, values)
            if len(values) == 1:  # nothing to compare it with
                return
        ids = {id(value) for value in values.values()}
        if ids <= self.inside:  # every node is inside itself here; what is below has been compared above
            return
        above, self.inside = self.inside, self.inside | ids
        if objects:
            self.keys({node: keyed(value) for node, value in values.items()}, pointer, depth)
        else:
            self.items(values, pointer, depth)
        self.inside = above

    def keys(self, values: dict[str, dict[str, Any]], pointer: str, depth: int) -> None:
        for key in sorted(set().union(*values.values())):
            there = {node: state[key] for node, state in values.items() if key in state}
            absent = tuple(node for node, state in values.items() if key not in state)
            self.look(there, absent, f"{pointer}/{_escaped(key)}", depth + 1)
            if self.room.left < 0:
                return

    def items(self, values: dict[str, Any], pointer: str, depth: int) -> None:
        for i in range(max(len(state) for state in values.values())):
            there = {node: state[i] for node, state in values.items() if i < len(state)}
            absent = tuple(node for node, state in values.items() if i >= len(state))
            self.look(there, absent, f"{pointer}/{i}", depth + 1)
            if self.room.left < 0:
                return

    def judge(
        self, values: dict[str, Any], absent: tuple[str, ...], pointer: str, said: dict[str, Any] | None = None
    ) -> None:
        """Count the cells of one place and note a difference; `said` are the values to report, where not compared."""
        if not values:
            return
        groups: dict[str, list[str]] = {}
        for node, value in values.items():
            groups.setdefault(fingerprint(value, self.room), []).append(node)
        self.partial = self.partial or self.room.left < 0
        ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
        most = tuple(ranked[0][1])
        if len(absent) > len(most):
            most = absent
        self.cells += len(values) + len(absent)
        self.agreeing += len(most)
        if len(groups) == 1 and not absent:
            return
        self.total += 1
        if len(self.differences) < LISTED:
            kinds = {word(value) for value in values.values()}
            self.differences.append(
                Difference(
                    pointer=pointer,
                    values=values if said is None else said,
                    absent_on=absent,
                    types_differ=len(kinds) > 1 and kinds != {"integer", "number"},
                    majority=most,
                )
            )


# -- JSON Patch ----------------------------------------------------------------------------------------------------------


def patch(before: Any, after: Any) -> list[dict[str, Any]]:
    """Return the RFC 6902 operations (add, remove, replace) that make `after` of `before`; none where they are the same.

    Lists are compared by index once the items common to both ends are set aside, so that one item put in is one add.

    Raises:
        BadInput: a document contains itself, or is deeper than Python's recursion goes.
    """
    try:
        found: list[dict[str, Any]] = []
        _patch(before, after, "", found)
    except RecursionError as exc:
        raise BadInput(
            "a document nested too deep for a patch (does it contain itself?); give JSON of fewer levels"
        ) from exc
    return found


def _patch(before: Any, after: Any, pointer: str, found: list[dict[str, Any]]) -> None:
    before, after = plain(before), plain(after)
    if isinstance(before, dict) and isinstance(after, dict):
        old, new = keyed(before), keyed(after)
        found += [{"op": "remove", "path": f"{pointer}/{_escaped(key)}"} for key in old if key not in new]
        for key, value in new.items():
            at = f"{pointer}/{_escaped(key)}"
            if key in old:
                _patch(old[key], value, at, found)
            else:
                found.append({"op": "add", "path": at, "value": value})
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        _patch_list(before, after, pointer, found)
    elif not same(before, after):
        found.append({"op": "replace", "path": pointer, "value": after})


def _patch_list(before: Sequence[Any], after: Sequence[Any], pointer: str, found: list[dict[str, Any]]) -> None:
    shorter = min(len(before), len(after))
    start = next((i for i in range(shorter) if not same(before[i], after[i])), shorter)
    rest = shorter - start
    end = next((i for i in range(rest) if not same(before[-1 - i], after[-1 - i])), rest)
    old, new = len(before) - end, len(after) - end
    for i in range(start, min(old, new)):
        _patch(before[i], after[i], f"{pointer}/{i}", found)
    found += [{"op": "remove", "path": f"{pointer}/{i}"} for i in range(old - 1, new - 1, -1)]
    found += [{"op": "add", "path": f"{pointer}/{i}", "value": after[i]} for i in range(old, new)]


def apply_patch(document: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """Return a document with the operations applied in order; the one given is not touched.

    Raises:
        BadInput: an operation that is not add, remove or replace, or a path that is not in the document at its turn.
    """
    root = [_copy(document)]
    for number, operation in enumerate(operations):
        kind, path = operation.get("op"), operation.get("path")
        if kind not in ("add", "remove", "replace") or not isinstance(path, str):
            raise BadInput(
                f"operation {number}: {shown(kind)} at {shown(path)}; accepted: add, remove, replace, and a JSON Pointer"
            )
        if kind != "remove" and "value" not in operation:
            raise BadInput(f"operation {number}: {kind} at {path!r} has no value; give one, null is None")
        _apply(root, kind, path, operation.get("value"), number)
    return root[0]


def _apply(root: list[Any], kind: str, path: str, value: Any, number: int) -> None:
    if path == "":
        root[0] = None if kind == "remove" else _copy(value)
        return
    if not path.startswith("/"):
        raise BadInput(
            f"operation {number}: path {path!r}; accepted: a JSON Pointer, '' or '/' and the keys on the way"
        )
    *way, last = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    holder = root[0]
    for step in way:
        holder = holder[_place(holder, step, path, number)]
    if kind == "add" and isinstance(holder, list):
        holder.insert(len(holder) if last == "-" else _index(last, len(holder) + 1, path, number), _copy(value))
    elif kind == "add" and isinstance(holder, dict):
        holder[last] = _copy(value)
    elif kind == "remove":
        del holder[_place(holder, last, path, number)]
    else:
        holder[_place(holder, last, path, number)] = _copy(value)


def _place(holder: Any, step: str, path: str, number: int) -> Any:
    """Return the key or index of a step that exists."""
    if isinstance(holder, list):
        return _index(step, len(holder), path, number)
    if isinstance(holder, dict) and step in holder:
        return step
    raise BadInput(
        f"operation {number}: {path!r} is not in the document, at {step!r}; was the patch made for another one?"
    )


def _index(step: str, length: int, path: str, number: int) -> int:
    number_like = step.isascii() and step.isdigit() and (step == "0" or step[0] != "0") and len(step) < 19
    if not number_like or int(step) >= length:
        raise BadInput(f"operation {number}: {path!r} has {step!r} for a list; accepted: an index below {length}")
    return int(step)


def _copy(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in keyed(value).items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def lag_ns(times: Mapping[str, int]) -> int:
    """Return how long the last node came after the first, in ns; 0 for one node or none."""
    return max(times.values()) - min(times.values()) if times else 0
