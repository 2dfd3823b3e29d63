"""Runs of lines on their way back through versions of a text: cut where their ways part, moved, found in other texts."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from whence.query.lineage import TELLING, Ref, Step
from whence.query.lines import Block, aligned, kept

MOST_MATCHES: Final = 100_000
"""So many comparisons of a line with a template's line, at most."""
_LONGEST: Final = 400
_GAP: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|<%.*?%>|\$\{.*?\}|\$\w+|\{\w*\}|%\(\w+\)s|%s")
_MOST_GAPS: Final = 6


@dataclass(slots=True, frozen=True)
class Link:
    """A step on the way of lines: in its result their place is their place in the file + shift."""

    step: Step
    after: Ref | None  # its result; None where that has no text
    shift: int
    later: "Link | None"


def chain(link: Link | None) -> Iterator[Link]:
    """Yield the steps of a way, in order of time."""
    while link is not None:
        yield link
        link = link.later


@dataclass(slots=True, frozen=True)
class Run:
    """Neighbouring lines with the same way behind them: their place in the file, and in the text at hand (from 0)."""

    file: int
    here: int
    count: int
    path: Link | None = None

    def part(self, at: int, count: int, here: int) -> "Run":
        """Return the part that begins at a place of the text at hand, as it lies at a place of another text."""
        return Run(self.file + at - self.here, here, count, self.path)

    def moved(self, here: int) -> "Run":
        """Return the run as it lies at a place of another text."""
        return Run(self.file, here, self.count, self.path)


def through(runs: Sequence[Run], step: Step, after: Ref | None) -> list[Run]:
    """Return runs that passed through a step, of whose result they are lines."""
    return [Run(run.file, run.here, run.count, Link(step, after, run.here - run.file, run.path)) for run in runs]


def split(runs: Sequence[Run], blocks: Sequence[Block]) -> tuple[list[tuple[Run, int]], list[Run]]:
    """Return the parts that another text has too, each with its place there, and the parts that it has not."""
    same: list[tuple[Run, int]] = []
    new: list[Run] = []
    for run in runs:
        for at, count, there in kept(blocks, run.here, run.count):
            part = run.part(at, count, at)
            if there is None:
                new.append(part)
            else:
                same.append((part, there))
    return same, new


@dataclass(slots=True, frozen=True)
class Seam:
    """A part of a run that was found in another text."""

    run: Run  # the part
    there: int

    def moved(self) -> Run:
        """Return the part as it lies there."""
        return self.run.moved(self.there)


def seams(lines: Sequence[str], here: Sequence[str], runs: Sequence[Run], *, template: bool = False) -> list[Seam]:
    """Return where lines of the text at hand are in another text, word for word and in its order.

    Args:
        template: find them moved to the right or left, and with the gaps of a template filled in, instead.
    """
    wanted = [
        (run, at) for run in sorted(runs, key=lambda run: run.here) for at in range(run.here, run.here + run.count)
    ]
    if template:
        a, b = [line.strip() for line in lines], [here[at].strip() for _, at in wanted]
        pairs = dict(_pairs(aligned(a, b), b))
        pairs.update(_filled_in(lines, b, [n for n in range(len(b)) if n not in pairs]))
    else:
        b = [here[at] for _, at in wanted]
        pairs = dict(_pairs(aligned(lines, b), b))
    found: list[Seam] = []
    for n, there in sorted(pairs.items()):
        run, at = wanted[n]
        last = found[-1] if found else None
        if last and last.run.path is run.path and _follows(last, run.file + at - run.here, at, there):
            found[-1] = Seam(replace(last.run, count=last.run.count + 1), last.there)
        else:
            found.append(Seam(run.part(at, 1, at), there))
    return found


def _follows(last: Seam, file: int, at: int, there: int) -> bool:
    run = last.run
    return (run.file + run.count, run.here + run.count, last.there + run.count) == (file, at, there)


def _pairs(blocks: Sequence[Block], b: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield places in b and in a; not those of blocks that hold nothing to recognise them by."""
    for block in blocks:
        if any(len(b[n].strip()) >= TELLING for n in range(block.b, block.b + block.size)):
            yield from ((block.b + n, block.a + n) for n in range(block.size))


def _filled_in(lines: Sequence[str], wanted: Sequence[str], left: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield lines that a line of a template may have become."""
    patterns = [(n, found) for n, line in enumerate(lines) if (found := _pattern(line.strip())) is not None]
    tried = 0
    for n in left:
        if len(wanted[n]) > _LONGEST or len(wanted[n]) < TELLING:
            continue
        for there, pattern in patterns:
            tried += 1
            if tried > MOST_MATCHES:
                return
            if pattern.fullmatch(wanted[n]):
                yield n, there
                break


def _pattern(line: str) -> "re.Pattern[str] | None":
    """Return what a template's line may become; None where it has no gap, or nothing beside it."""
    pieces = _GAP.split(line) if len(line) <= _LONGEST else []
    if not 2 <= len(pieces) <= _MOST_GAPS + 1 or sum(len(piece.strip()) for piece in pieces) < TELLING:
        return None
    return re.compile(".*?".join(re.escape(piece) for piece in pieces))


def cut_out(runs: Sequence[Run], found: Sequence[Seam]) -> list[Run]:
    """Return the runs without the parts that were found."""
    gone = sorted((seam.run.here, seam.run.count) for seam in found)
    left: list[Run] = []
    next_ = 0
    for run in sorted(runs, key=lambda run: run.here):
        at, end = run.here, run.here + run.count
        while next_ < len(gone) and gone[next_][0] < end:
            begin, count = gone[next_]
            if begin > at:
                left.append(run.part(at, begin - at, at))
            at = begin + count
            next_ += 1
        if at < end:
            left.append(run.part(at, end - at, at))
    return left
