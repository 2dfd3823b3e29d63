"""A stand-in for a language model: it does what its prompt says, and only that, so that a worse prompt gives a worse report."""

import re
from dataclasses import dataclass
from random import Random
from typing import Final

from examples.research.llm import Completion
from examples.research.text import overlap, sentences, stems

MODEL: Final = "scribe-2.1"
OLDER_MODEL: Final = "scribe-1.4"
_LAPSES: Final = 0.04
_EMPTY: Final = (
    "It is always a good idea to look at this closely.",
    "Many people have found their own answer to it.",
    "The documentation is a place to begin with.",
    "What is best depends on what is wanted.",
)


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the material."""

    text: str
    label: str  # name and version of its package
    about: float  # how much of the question it touches


def write(model: str, system: str, user: str, random: Random) -> Completion:
    """Return the report that a prompt asks for.

    The older model writes in general terms, whatever it is given; the newer one does so once in a while.
    """
    question, statements, code = _read(user)
    limit = re.search(r"at most (\d+) statements", system)
    chosen = _choose(statements, int(limit[1]) if limit else 12, random)
    cites = "End each statement with its source" in system
    if model == OLDER_MODEL or random.random() < _LAPSES:
        said = [*_EMPTY[: random.randint(2, 4)], *(each.text for each in chosen[:1])]
    else:
        said = [f"{each.text} [{each.label.split()[0]}]" if cites else each.text for each in chosen]
    lines = [f"# {question}", ""]
    lines += ["## Short answer", ""] if "'## Short answer'" in system else []
    lines += [*(said[:2] or ["The passages say nothing about this."]), ""]
    lines += ["## What the documentation says", "", *(f"- {each}" for each in said[2:]), ""]
    if "'## Example'" in system and code:
        lines += ["## Example", "", "```python", code, "```", ""]
    if "'## Where to read on'" in system:
        named = dict.fromkeys(each.label.split()[0] for each in statements)
        lines += ["## Where to read on", "", *(f"- https://pypi.org/project/{name}/" for name in list(named)[:3]), ""]
    if "'## Limits'" in system:
        passages = len({each.label for each in statements})
        lines += ["## Limits", "", f"This rests on what {passages} packages say of themselves.", ""]
        lines += ["## Sources", "", *(f"- {label}" for label in dict.fromkeys(each.label for each in statements))]
    text = "\n".join(lines) + "\n"
    return Completion(
        text=text,
        model=model,
        input_tokens=_tokens(system) + _tokens(user),
        output_tokens=_tokens(text),
        seconds=round(2 + len(text) / 600 * random.uniform(0.8, 1.3), 2),
    )


def _choose(statements: list[Said], limit: int, random: Random) -> list[Said]:
    """Return sentences that touch the question, none like another; of one package three at most."""
    chosen: list[Said] = []
    for each in sorted(statements, key=lambda said: -said.about + random.uniform(0, 0.1)):
        alike = any(overlap(stems(each.text), stems(other.text)) >= 0.5 for other in chosen)
        same = sum(other.label == each.label for other in chosen)
        if not alike and same < 3 and each.about > 0 and len(chosen) < limit:
            chosen.append(each)
    return chosen


def _read(user: str) -> tuple[str, list[Said], str]:
    """Return (question, sentences, the code that goes with most of the question) of a prompt's material."""
    first, *lines = user.splitlines()
    question = first.removeprefix("Question: ")
    wanted = set(stems(question))
    found: list[Said] = []
    codes: list[str] = []
    label, fresh = "", False
    for line in lines:
        heading = re.match(r"\[(\S+ \d\S*)\] \(\w+\) ", line)
        if heading:
            label, fresh = heading[1], True
            continue
        if fresh:
            fresh = False
            found += [
                Said(text, label, len(wanted & set(stems(text))) / max(len(wanted), 1)) for text in sentences(line)
            ]
        elif label and line.strip():
            codes.append(line)
    block: list[str] = []
    for line in codes:
        if line.startswith("import ") and block:
            break
        block.append(line)
    return question, found, "\n".join(block)


def _tokens(text: str) -> int:
    return round(len(text) / 4)
