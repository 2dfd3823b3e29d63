"""Runs of lines on their way back through versions of a text: cut where their ways part, moved, found in other texts.

A `Task` is runs that are to be followed further, a `Verdict` what is said of them where there is no further.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from whence.query.lineage import TELLING, Call, Made, Moment, Ref, Step, Sure
from whence.query.lines import Block, aligned, changed, kept


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


@dataclass(slots=True, frozen=True)
class Verdict:
    """What is said of lines where the way ends."""

    step: Step | None
    sure: Sure
    why: str
    role: str = ""
    name: str = ""
    key: str = ""
    made: Made | Call | None = None
    call: tuple[Call, Sure] | None = None  # the call whose answer was filled in, and how sure that is


@dataclass(slots=True, frozen=True)
class Task:
    """Lines of a text to be followed back from a moment; and what is to be said if nothing made that text."""

    ref: Ref
    runs: list[Run]
    at: Moment
    otherwise: Verdict
    sure: Sure = "confirmed"
    depth: int = 0
    loosely: bool = True  # where nothing made the text by its hash, what is like it is looked for
    been: frozenset[str] = frozenset()  # where the way went, once a clock that was put back lets it go forwards too
    notes: tuple[str, ...] = ()  # what is to be said of the way so far, wherever it ends

    def before(self, made: Made) -> "Task":
        """Return the task as it is before a step was taken; its text and lines are still those after it."""
        record = made.record
        been = self.been
        if been or not self.at.after(record):
            been |= {record.record_id, *(link.step.record_id for run in self.runs[:1] for link in chain(run.path))}
        at = Moment(
            record.trace,
            record.ts_ns,
            record.record_id,
            record.component or self.at.component,
            made.said.subject or self.at.subject,
            self.at.path,
        )
        return replace(self, at=at, depth=self.depth + 1, been=been, loosely=True)

    def noted(self, note: str) -> "Task":
        """Return the task with something to be said of its way, which is no longer certain."""
        sure: Sure = "inferred" if self.sure == "confirmed" else self.sure
        return replace(self, sure=sure, notes=(*dict.fromkeys((*self.notes, note)),))

    def ends_with(self, verdict: Verdict) -> Verdict:
        """Return what is said of lines whose way ends so, with what is to be said of the way."""
        if not self.notes:
            return verdict
        sure: Sure = "inferred" if verdict.sure == "confirmed" else verdict.sure
        return replace(verdict, sure=sure, why="; ".join((verdict.why, *self.notes)))


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


def places(runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """Return every line of runs, in order: its run, and its place in the text at hand."""
    return [(run, at) for run in sorted(runs, key=lambda run: run.here) for at in range(run.here, run.here + run.count)]


def seams(lines: Sequence[str], here: Sequence[str], runs: Sequence[Run], *, moved: bool = False) -> list[Seam]:
    """Return where lines of the text at hand are in another text, word for word and in its order.

    Args:
        moved: find them moved to the right or left instead.
    """
    wanted = places(runs)
    b = [here[at].strip() if moved else here[at] for _, at in wanted]
    a = [line.strip() for line in lines] if moved else lines
    return sewn(wanted, dict(_pairs(aligned(a, b), b)))


def reblanked(lines: Sequence[str], here: Sequence[str], runs: Sequence[Run], blocks: Sequence[Block]) -> list[Seam]:
    """Return where lines that another version has not differ from its own only in blanks, as after a formatter.

    Args:
        lines: of the other version.
        blocks: which lines the two share; only what lies between two of them is compared.
    """
    wanted = places(runs)
    numbers = {at: n for n, (_, at) in enumerate(wanted)}
    pairs: dict[int, int] = {}
    for a0, a1, b0, b1 in changed(blocks, len(lines), len(here)):
        if a0 < a1 and any(at in numbers for at in range(b0, b1)):
            a = [" ".join(line.split()) for line in lines[a0:a1]]
            b = [" ".join(line.split()) for line in here[b0:b1]]
            pairs.update((numbers[b0 + m], a0 + n) for m, n in _pairs(aligned(a, b), b) if b0 + m in numbers)
    return sewn(wanted, pairs)


def sewn(wanted: Sequence[tuple[Run, int]], pairs: Mapping[int, int]) -> list[Seam]:
    """Return lines with their places in another text as seams; neighbours there and here are one.

    Args:
        wanted: lines, as `places` gives them.
        pairs: numbers of those that were found, and their places there.
    """
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
