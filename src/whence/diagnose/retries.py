"""How often something was tried again in a run, by whom: attempts of stages, retries of LLM calls, events that say so.

Written into the digest (`numbers`, `retries:<component>`), so that a run can be put beside earlier ones.
"""

from typing import Final

import msgspec

from whence.diagnose.run import Fact, Run
from whence.model.payload import LLM, STAGE

MOST: Final = 100_000
_WORDS: Final = ("retry", "retried", "retries")
"""What the name of an event begins with that says so."""


class Retries(msgspec.Struct, frozen=True):
    """What was tried again by one component: how often, and the records that say so, in order of time."""

    count: int
    facts: tuple[Fact, ...]


def retries_of(run: Run) -> dict[str, Retries]:
    """Return component (or stage) → its retries; those that tried nothing again are left out.

    The second and later attempts of a stage count one each, an LLM call's `retries` as many as it names.
    """
    counts: dict[str, int] = {}
    facts: dict[str, list[Fact]] = {}

    def add(who: str, fact: Fact, count: int = 1) -> None:
        counts[who] = min(MOST, counts.get(who, 0) + count)
        facts.setdefault(who, []).append(fact)

    for span in run.spans.values():
        if span.type == STAGE and span.attempt > 1:
            add(span.who, span.fact)
        elif span.type == LLM and span.end is not None:
            said = span.end.attributes.get("retries")
            if isinstance(said, int) and not isinstance(said, bool) and said > 0:
                add(span.who, span.end, said)
    for fact in run.events:
        if fact.record.name.lower().startswith(_WORDS):
            add(fact.who, fact)
    order = {who: sorted(facts[who], key=lambda each: (each.ts_ns, each.id)) for who in sorted(facts)}
    return {who: Retries(counts[who], tuple(found)) for who, found in order.items()}
