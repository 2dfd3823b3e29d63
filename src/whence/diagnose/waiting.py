"""Who waits for whom at the end of a run, and whether that forms a circle. Pure."""

from typing import Any, Final

from whence.diagnose.run import Fact, Run
from whence.model import record as kinds
from whence.model.trace import NOT_ENDED

_WAITS: Final = ("waiting_for", "waits_for", "waiting_on")
"""Attributes that name a component, or several, that a component waits for."""
QUIET: Final = frozenset((*kinds.OF_OURS, kinds.METRIC))
"""Kinds that tell nothing of the pipeline getting on."""
_MOST_WAITS: Final = 100  # of one component


def left_open(fact: Fact) -> bool:
    """Return whether a part's end was recorded only because the run ended."""
    return bool(fact.data.get("error") == NOT_ENDED)


def waits_of(run: Run) -> dict[str, tuple[list[str], Fact]]:
    """Return component → whom it waits for, and the record that says so: where that is the last it said."""
    found: dict[str, tuple[list[str], Fact]] = {}
    for fact in run.facts:
        who = fact.who
        if not who or fact.record.kind in QUIET or left_open(fact):
            continue
        said: Any = next((fact.attributes[key] for key in _WAITS if fact.attributes.get(key)), None)
        targets = [each for each in (said if isinstance(said, list) else [said]) if isinstance(each, str) and each]
        if targets:
            found[who] = (targets[:_MOST_WAITS], fact)
        else:
            found.pop(who, None)  # it went on
    return found


def circles(waits: dict[str, tuple[list[str], Fact]]) -> list[tuple[str, ...]]:
    """Return the circles of two and more that waiting forms, each once, beginning with its first name."""
    short: dict[str, list[str]] = {}
    for who in waits:
        short.setdefault(who.rpartition("/")[2], []).append(who)

    def called(name: str) -> str | None:
        alike = short.get(name, [])
        return name if name in waits else alike[0] if len(alike) == 1 else None

    edges = {who: sorted({n for each in waits[who][0] if (n := called(each)) and n != who}) for who in sorted(waits)}
    found: set[tuple[str, ...]] = set()
    done: set[str] = set()
    for start in edges:
        path = {start: 0}  # in order of the walk
        ways = [iter(edges[start])]
        while ways:
            if (step := next(ways[-1], None)) is None:
                done.add(path.popitem()[0])
                ways.pop()
            elif step in path:
                circle = list(path)[path[step] :]
                at = circle.index(min(circle))
                found.add(tuple(circle[at:] + circle[:at]))
            elif step not in done:
                path[step] = len(path)
                ways.append(iter(edges[step]))
    return sorted(found)
