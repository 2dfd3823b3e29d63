"""The healer: what the validator found, mended by rules, each tried once for the same failure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import whence
from whence.checks.interface import Failure

from .imports import Candidate, insert, standard
from .names import Index

STEP = "heal"


@dataclass(frozen=True, slots=True)
class Mend:
    """A change that one rule proposes for one failure."""

    rule: str
    failure: Failure
    text: str  # the whole module, mended
    what: str
    why: str
    confidence: float
    alternatives: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by once it was tried."""
        return self.rule, self.failure.message


Rule = Callable[[str, Failure, Index], "Mend | None"]


def heal(
    text: str,
    failures: Sequence[Failure],
    index: Index,
    tried: Collection[tuple[str, str]],
    *,
    component: str,
    attempt: int,
) -> Mend | None:
    """Return the first mend that was not tried before; None where no rule has any. Both are recorded.

    Args:
        index: where names of the project come from.
        tried: keys of the mends that did not help.
        component: the component's name, for the record.
        attempt: which one of healing this is, from 1.
    """
    found = [mend for failure in failures for rule in RULES if (mend := rule(text, failure, index)) is not None]
    mends = [mend for mend in found if mend.key not in tried]
    if not mends:
        whence.decision(
            "mend",
            what="give up",
            why="every rule that fits was tried" if found else "no rule fits",
            confidence=1.0,
            inputs={"failures": [failure.message for failure in failures], "tried": [rule for rule, _ in tried]},
        )
        return None
    chosen, *others = mends
    because = whence.decision(
        "mend",
        what=chosen.what,
        why=chosen.why,
        confidence=round(chosen.confidence, 2),
        alternatives=[*chosen.alternatives, *(other.what for other in others)],
        inputs={"failure": chosen.failure.message, "line": chosen.failure.line},
    )
    whence.transform(
        STEP, text, chosen.text, action="heal", subject=f"{component}.py", attempt=attempt,
        using={"rule": chosen.rule, "failure": chosen.failure.message}, because=because,
    )  # fmt: skip
    return chosen


def import_what_is_undefined(text: str, failure: Failure, index: Index) -> Mend | None:
    """An undefined name is imported, from where the standard library or the index says it lives."""
    if failure.type != "name":
        return None
    name = _word_at(text, failure)
    found = standard(name) or [Candidate(f"from {module} import {name}", share) for module, share in index.find(name)]
    if not found:
        return None
    best, *others = found
    return Mend(
        rule="import_what_is_undefined",
        failure=failure,
        text=insert(text, best.line),
        what=best.line,
        why=f"{name} is not defined; first of the {index.how}",
        confidence=best.share,
        alternatives=tuple(f"{other.line} ({other.share:.2f})" for other in others),
    )


def look_beside_the_file(text: str, failure: Failure, index: Index) -> Mend | None:
    """A module that is not found may lie beside the file: its directory is put on the path."""
    if failure.type != "import" or failure.line is None:
        return None
    line = text.splitlines()[failure.line - 1]
    before = text
    for needed in ("import sys", "from pathlib import Path"):
        before = insert(before, needed)
    lines = before.splitlines(keepends=True)
    at = lines.index(f"{line}\n")
    lines.insert(at, "sys.path.insert(0, str(Path(__file__).parent))\n")
    return Mend(
        rule="look_beside_the_file",
        failure=failure,
        text="".join(lines),
        what="put the file's own directory on the path",
        why=f"{line!r} is not found; the module may lie beside the file",
        confidence=0.3,  # it is what is left to try
        alternatives=("leave it",),
    )


def _word_at(text: str, failure: Failure) -> str:
    line = text.splitlines()[(failure.line or 1) - 1]
    found = re.compile(r"\w+").match(line, (failure.column or 1) - 1)
    return found[0] if found else ""


RULES: Final[tuple[Rule, ...]] = (import_what_is_undefined, look_beside_the_file)
