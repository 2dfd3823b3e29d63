"""Snapshots of components that hold the same state, for the detector and the digest. Pure.

Components of one type that were looked at under the same checkpoint hold the same state if they share at least half of their
keys; workers with states of their own do not. A component whose state is empty belongs to those it should be like.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from whence.diagnose.run import Fact, Run, text_of
from whence.measure.states import compare_states
from whence.model import record as kinds

LEAST_SHARED: Final = 0.5
"""Share of the smaller set of keys that two states have in common."""
IGNORED: Final = ("node", "node_id", "host", "hostname", "pid", "timestamp", "updated_at", "captured_at")
"""Keys that name a component or a moment: they may differ."""
MOST_GROUPS: Final = 20
MOST_NODES: Final = 200
NODES: Final = "nodes:"
"""Attribute of a digest: `nodes:<type>.<checkpoint>` -> the components that reported, with commas."""
LAG: Final = "lag_s:"
DIFFERENT: Final = "differing:"
"""Numbers of a digest: seconds from the first to the last of them; places where they differ."""


class Group(msgspec.Struct, frozen=True):
    """The last snapshot of each component of one type under one checkpoint, in one operation."""

    type: str
    checkpoint: str
    operation: str
    snapshots: dict[str, Fact]  # component -> its last snapshot

    @property
    def place(self) -> str:
        """What a digest calls it."""
        return f"{self.type}.{self.checkpoint}"[:70]


def groups(run: Run) -> list[Group]:
    """Return the snapshots of a run that may be of the same state, in order of type, checkpoint and operation."""
    found: dict[tuple[str, str, str], dict[str, Fact]] = {}
    for fact in run.of_kind(kinds.SNAPSHOT):
        who = fact.record.component
        if not who or "state" not in fact.data or fact.data.get("type") == "partial":
            continue
        operation = text_of(fact.attributes.get("operation_id"), 100)
        group = found.setdefault((who.partition("/")[0] if "/" in who else "", fact.record.name, operation), {})
        if who in group or len(group) < MOST_NODES:
            group[who] = fact  # facts are in order of time: the last one stays
    return [Group(*key, found[key]) for key in sorted(found)[:MOST_GROUPS]]


def replicated(group: Group) -> dict[str, Fact]:
    """Return those of a group that hold the same state; nothing where fewer than two do."""
    states = {who: fact.data.get("state") for who, fact in group.snapshots.items()}
    keyed = {who: set(state) for who, state in states.items() if isinstance(state, dict) and state}
    like = {who for who in keyed if any(_shared(keyed[who], keyed[other]) for other in keyed if other != who)}
    if not like and keyed and len(states) > 1:
        like = set(keyed) if len(keyed) == 1 else set()  # one that holds something beside those that hold nothing
    if like:
        like |= {who for who, state in states.items() if state in ({}, None)}
    if len(like) < 2:
        plain = [who for who, state in states.items() if not isinstance(state, dict)]
        like = set(plain) if len(plain) == len(states) else set()
    return {who: group.snapshots[who] for who in sorted(like)} if len(like) > 1 else {}


def _shared(keys: set[str], others: set[str]) -> bool:
    return len(keys & others) >= LEAST_SHARED * min(len(keys), len(others))


def without(state: Any, ignored: tuple[str, ...] = IGNORED) -> Any:
    """Return a state without the keys that may differ."""
    return {key: value for key, value in state.items() if key not in ignored} if isinstance(state, dict) else state


def differing(snapshots: dict[str, Fact]) -> int:
    """Return in how many places states differ."""
    return compare_states({who: without(fact.data.get("state")) for who, fact in snapshots.items()}).total


def names(text: str) -> list[str]:
    """Return the components that a digest kept."""
    return [each for each in text.split(",") if each]


def joined(nodes: Iterable[str]) -> str:
    """Return components as a digest keeps them; "" where that would be too much."""
    text = ",".join(sorted(each for each in nodes if "," not in each))
    return text if len(text) <= 3_000 else ""


def expected_of(facts: Iterable[Fact]) -> list[str]:
    """Return the components that snapshots name as those that should have one."""
    found: dict[str, None] = {}
    for fact in facts:
        for name in ("expected_nodes", "nodes", "replicas", "peers"):
            said: Any = fact.attributes.get(name)
            for each in said[:MOST_NODES] if isinstance(said, list) else ():
                if isinstance(each, str) and each:
                    found[each[:200]] = None
    return list(found)
