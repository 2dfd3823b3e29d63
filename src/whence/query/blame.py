"""Who put a line into a file: followed back, by the hashes of the contents, through every step that had it in hand.

A line that a step's result shares with its source passed through that step; one that only the result has is looked for in
the other contents that went in (a template, a variable, a prompt), and those are followed back in turn. Where there is no
more to follow, the step at hand put the line there. What rests on hashes alone is *confirmed*; where a text was merely
found within another (a response, a template with its gaps filled in) it is *inferred*; the rest says why it is *unknown*.
Of a gap that a model's answer was filled into, the call is told as well.
A line of which a step changed no more than the blanks goes on to who wrote it, and so does a text that only another run made:
both are inferred, and said.

Lines that repeat are told apart by their place between those that do not (`whence.query.lines`).
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from whence.errors import BadInput
from whence.query.filling import GIVEN, Answers, Value, filled, holding, materials_of, templates_of, values_of
from whence.query.lineage import TELLING, Call, Lineage, Made, Ref, Step, Sure
from whence.query.lines import aligned
from whence.query.recorded_file import Found, State, found_for
from whence.query.segments import (
    Run,
    Seam,
    Task,
    Verdict,
    chain,
    cut_out,
    places,
    reblanked,
    seams,
    sewn,
    split,
    through,
)
from whence.query.story import Story, tell
from whence.store.current import current
from whence.store.interface import Store

MOST_STEPS: Final = 10_000
"""So many steps back are followed."""
MOST_CALLS: Final = 50
"""In so many responses, the newest, lines are looked for that nothing else explains."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The content that a step took a line from, where it is not the step's source."""

    role: str  # template, variable, prompt, response, …
    name: str
    sha256: str
    line: int  # in that content, from 1


class LineBlame(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a file, and who put it there."""

    line: int  # from 1
    text: str
    sure: Sure
    step: Step | None  # the step that put it there; None where none is recorded that did
    why: str  # what this rests on, or why nothing is known
    origin: Origin | None = None
    passed: tuple[str, ...] = ()  # records of the steps it passed through unharmed since, the first one first


class Blame(msgspec.Struct, frozen=True, kw_only=True):
    """A file, line by line."""

    path: str
    recorded_path: str  # the path it was last written under; "" where only its content is recorded
    state: State
    said: str  # the state in words
    trace_id: str
    file_record: str
    written_at: str | None
    sha256: str  # of the last recorded content (or its keyed hash)
    lines: tuple[LineBlame, ...]
    steps: tuple[Step, ...]  # every step that the lines came from or passed through, the last one first
    stories: tuple[Story, ...] = ()  # of the lines that were asked for


def blame(
    path: str,
    line: "int | range | tuple[int, int] | None" = None,
    *,
    store: Store | None = None,
    text: str | None = None,
    trace: str | None = None,
    keyed: Callable[[str], str] | None = None,
) -> Blame:
    """Return who put each line into a file; of the lines asked for, the whole story.

    Args:
        path: of the file, absolute, or as it was recorded.
        line: a line from 1, or the first and the last of several.
        text: what the file holds now; None where it is gone: then the last recorded content is taken.
        trace: only what this run recorded of it (name or OpenTelemetry id).
        keyed: makes the keyed hash of a text, to tell whether a file changed whose text was not kept.

    Raises:
        NotFound: nothing is recorded of that file; the message names files of similar names.
        BadInput: the file has no such line.
    """
    store = store or current()
    return _blame(Lineage(store), path, line, text=text, trace=trace, keyed=keyed)


def blame_many(
    texts: Mapping[str, str | None], *, store: Store | None = None, trace: str | None = None
) -> dict[str, Blame]:
    """Return `blame` of several files, by path: what they have in common is read once. Raises as `blame` does."""
    lineage = Lineage(store or current())
    return {path: _blame(lineage, path, None, text=text, trace=trace) for path, text in texts.items()}


def _blame(
    lineage: Lineage,
    path: str,
    line: Any,
    *,
    text: str | None,
    trace: str | None,
    keyed: Callable[[str], str] | None = None,
) -> Blame:
    found = found_for(lineage, path, text, trace, keyed)
    asked = _asked(line, len(found.shown), path)
    follower = _Follower(lineage, found)
    lines = follower.follow()
    stories: tuple[Story, ...] = ()
    if asked is not None:
        stories = tuple(follower.stories(lines, asked))
    return Blame(
        path=path,
        recorded_path=found.recorded_path,
        state=found.state,
        said=found.said,
        trace_id=lineage.trace_name(found.at.trace),
        file_record=found.file.record_id if found.file is not None else "",
        written_at=found.written_at,
        sha256=found.ref.key,
        lines=lines,
        steps=tuple(sorted(follower.steps.values(), key=lambda step: (step.ts_ns, step.record_id), reverse=True)),
        stories=stories,
    )


def _asked(line: Any, count: int, path: str) -> range | None:
    """Return the lines asked for, from 0."""
    if line is None:
        return None
    first, last = (line, line) if isinstance(line, int) else (line[0], line[-1])
    if not 1 <= first <= last or first > count:
        has = f"{count} line{'' if count == 1 else 's'}"
        raise BadInput(f"{path} has {has}, not {first if first == last else f'{first}-{last}'}; lines count from 1")
    return range(first - 1, min(last, count))


class _Follower:
    """Follows the lines of one file back."""

    def __init__(self, lineage: Lineage, found: Found) -> None:
        self.lineage, self.found = lineage, found
        self.steps: dict[str, Step] = {}
        self.ended: dict[int, tuple[Run, Verdict]] = {}  # by place in the content
        self._passed: dict[int, tuple[str, ...]] = {}
        self.answers = Answers(lineage)

    def follow(self) -> tuple[LineBlame, ...]:
        """Return every line of the file, each with where its way ends."""
        found = self.found
        stored = self.lineage.lines(found.ref)
        at = replace(found.at, path=found.file.name if found.file is not None else "")
        written: Step | None = None
        if found.file is not None:
            written = self._noted(self.lineage.step_of_file(found.file, found.ref))
        if stored is None:
            task = Task(found.ref, [Run(0, 0, len(found.shown))], at, Verdict(None, "unknown", ""))
            self._end(task, task.runs, self._by_hashes(task))
        elif stored:
            runs = [Run(0, 0, len(stored))]
            runs = through(runs, written, found.ref) if written is not None else runs
            said = "no recorded step made this content"
            unmade = Verdict(written, "confirmed" if written is not None else "unknown", said)
            waiting = [Task(found.ref, runs, at, unmade)]
            while waiting:
                waiting += self._back(waiting.pop())
        return tuple(self._line(n, stored) for n in range(len(found.shown)))

    def _back(self, task: Task) -> Iterator[Task]:
        """Take lines one step back: end their way, or yield what is to be followed further."""
        made = self.lineage.maker(task.ref, task.at, not_again=task.been) if task.depth < MOST_STEPS else None
        if made is not None:
            yield from self._through(self._crossed(task, made), made)
            return
        call = self.lineage.answer(task.ref, task.at)
        if call is not None:
            self._end_in_call(
                self._crossed(task, call), task.runs, call, task.sure, "it is what the model answered, by its hash"
            )
            return
        task = replace(task, runs=self._in_responses(task, whole=True))
        near = self.lineage.nearest(task.ref, task.at) if task.runs and task.loosely else None
        if near is not None and near.result is not None:
            yield from self._unrecorded(task, near, near.result)
            return
        self._end(task, self._in_responses(task) if task.loosely else task.runs, task.otherwise)

    def _crossed(self, task: Task, made: Made | Call) -> Task:
        """Return the task as it goes on in what made its text: that may be of another run, and no more than the same text."""
        strange = self.lineage.strange(made, task.ref, task.at)
        return task.noted(strange) if strange else task

    def _unrecorded(self, task: Task, near: Made, result: Ref) -> Iterator[Task]:
        """Go on from the step whose result is most like a text: what made the one of the other was not recorded."""
        same, new = split(task.runs, self.lineage.blocks(result, task.ref))
        said = f"it came after {near.record.name}, by a step that is not recorded"
        sure: Sure = "unknown" if task.otherwise.step is None else "inferred"
        self._end(task, new, replace(task.otherwise, sure=sure, why=said))
        runs = [run.moved(there) for run, there in same]
        yield replace(task, ref=result, runs=runs, sure="inferred", depth=task.depth + 1, loosely=False)

    def _through(self, task: Task, made: Made) -> Iterator[Task]:
        step = self._noted(self.lineage.step_of(made))
        if made.source is None:
            yield from self._brought_in(task, made, step)
            return
        unknown = f"it was there already in what {step.name} was given, and nothing recorded made that"
        further = replace(task.before(made), ref=made.source, otherwise=Verdict(None, "unknown", unknown))
        if made.source.key == task.ref.key:
            yield replace(further, runs=through(task.runs, step, task.ref))
            return
        if self.lineage.lines(made.source) is None:
            yield from self._over_gap(task, made)
            return
        blocks = self.lineage.blocks(made.source, task.ref)
        same, new = split(task.runs, blocks)
        if same:
            runs = through([run for run, _ in same], step, task.ref)
            yield replace(further, runs=[run.moved(there) for run, (_, there) in zip(runs, same, strict=True)])
        lines, here = self.lineage.lines(made.source) or [], self.lineage.lines(task.ref) or []
        taken = reblanked(lines, here, through(new, step, task.ref), blocks) if new else []
        if taken:
            runs = [seam.moved() for seam in taken]
            yield replace(further.noted(f"{step.name} changed its blanks only"), runs=runs)
            new = cut_out(new, taken)
        if new:
            yield from self._brought_in(replace(task, runs=new), made, step)

    # -- lines that a step brought in ----------------------------------------------------------------------------

    def _brought_in(self, task: Task, made: Made, step: Step) -> Iterator[Task]:
        """Look for lines that the source has not in the other contents that went in; the others are the step's own."""
        here = self.lineage.lines(task.ref) or []
        runs = through(task.runs, step, task.ref)
        materials = [(each, ref, self.lineage.lines(ref) or []) for each, ref in materials_of(made)]
        for moved in (False, True):
            for material, ref, lines in materials:
                taken = seams(lines, here, runs, moved=moved) if lines and runs else []
                if taken:
                    how = ", moved" if moved else ""
                    verdict = _taken_from(material, ref, made, step, task.sure if not moved else "inferred", how)
                    yield _further(task, made, ref, taken, verdict)
                    runs = cut_out(runs, taken)
        if runs and (materials or made.said.using):
            runs = yield from self._filled_in(task, made, step, runs)
        said = "it is in what the step made, and was not recognised in anything that went in"
        verdict = Verdict(step, task.sure, said, made=made)
        if made.source is None and not made.said.materials:
            verdict = replace(verdict, why="the step made it, and nothing is recorded of what went in")
            runs = self._in_responses(replace(task.before(made), runs=runs))
        self._end(task, runs, verdict)

    def _filled_in(self, task: Task, made: Made, step: Step, runs: list[Run]) -> Generator[Task, None, list[Run]]:
        """Look for lines in which a gap of a template was filled in, or in which a value is that went in; return the rest."""
        here = self.lineage.lines(task.ref) or []
        values = values_of(self.lineage, made)
        at = task.before(made).at
        for material, ref in templates_of(made):
            wanted = places(runs)
            shown = [here[place].strip() for _, place in wanted]
            others = [value for value in values if value.ref.key != ref.key]
            by_values: dict[tuple[Value, ...], dict[int, int]] = {}
            for n, fill in filled(self.lineage.lines(ref) or [], others, shown, range(len(shown))):
                by_values.setdefault(fill.values, {})[n] = fill.there
            for inside, pairs in by_values.items():
                taken = sewn(wanted, pairs)
                words, call = self.answers.in_words(inside, at)
                verdict = _taken_from(material, ref, made, step, "inferred", f", with {words or 'its gaps filled in'}")
                verdict = replace(verdict, call=call)
                if call is not None:
                    self._end(task, [seam.moved() for seam in taken], verdict)
                else:
                    yield _further(task, made, ref, taken, verdict)
                runs = cut_out(runs, taken)
        wanted = places(runs)
        shown = [here[place].strip() for _, place in wanted]
        for n, value, there in holding(values, shown, range(len(shown))):
            words, call = self.answers.in_words((value,), at)
            said = f"{step.name} made it, with {words} in it"
            sure = task.sure if call is None else "inferred"
            verdict = Verdict(step, sure, said, value.role, value.name, value.ref.key, made, call)
            taken = sewn(wanted, {n: there})
            self._end(task, [seam.moved() for seam in taken], verdict)
            runs = cut_out(runs, taken)
        return runs

    def _in_responses(self, task: Task, *, whole: bool = False) -> list[Run]:
        """Look for lines in what models answered before in the same run; return those that are in none of it.

        Args:
            whole: only in an answer that holds the whole text.
        """
        here = self.lineage.lines(task.ref)
        if here is None or not task.runs:
            return task.runs
        runs, text = task.runs, "\n".join(here).strip()
        calls = [call for call in self.lineage.calls_before(task.at) if call.response is not None]
        if whole:
            calls = [c for c in calls if len(text) >= TELLING and text in (self.lineage.text(c.response) or "")]
        for call in calls[:MOST_CALLS]:
            lines = self.lineage.lines(call.response)
            taken = seams(lines, here, runs) if lines and runs else []
            said = "it is contained in what the model answered"
            self._end_in_call(task, [seam.moved() for seam in taken], call, "inferred", said)
            runs = cut_out(runs, taken)
        return runs

    def _end_in_call(self, task: Task, runs: list[Run], call: Call, sure: Sure, said: str) -> None:
        step = self.lineage.step_of(call)
        key = call.response.key if call.response is not None else ""
        verdict = Verdict(step, sure, said, "response", call.record.name, key, call)
        self._end(task, through(runs, step, call.response), verdict)

    # -- where texts are missing ---------------------------------------------------------------------------------

    def _over_gap(self, task: Task, made: Made) -> Iterator[Task]:
        """Go back over steps whose texts are missing to the next text there is; what differs, one of them did."""
        gap, at = [made], task.before(made)
        missing = made.source
        while missing is not None and self.lineage.lines(missing) is None and at.depth < MOST_STEPS:
            further = self.lineage.maker(missing, at.at, not_again=at.been)
            if further is None:
                break
            at = self._crossed(replace(at, ref=missing), further)
            gap.append(further)
            at, missing = at.before(further), further.source
        steps = [self._noted(self.lineage.step_of(each)) for each in gap]
        names, reason = ", ".join(step.name for step in reversed(steps)), self.lineage.no_text(made.source)
        said = f"one of these steps put it there: {names}; between them {reason}"
        one_of = Verdict(steps[0], "inferred", said, made=made)
        runs = through(task.runs, steps[0], task.ref)
        if missing is None:
            self._end(at, runs, one_of)
            return
        stored = self.lineage.lines(missing)
        if stored is None:
            said = f"it came through {names}; of what {steps[-1].name} was given, {reason}"
            self._end(at, runs, Verdict(None, "unknown", said))
            return
        same, new = split(runs, aligned(stored, self.lineage.lines(task.ref) or []))
        self._end(at, new, one_of)
        moved = [run for run, _ in same]
        for step in steps[1:]:  # where in between a line stood is not known
            moved = through(moved, step, None)
        moved = [run.moved(there) for run, (_, there) in zip(moved, same, strict=True)]
        unknown = f"it was there already in what {steps[-1].name} was given, and nothing recorded made that"
        if moved:
            yield replace(at, ref=missing, runs=moved, sure="inferred", otherwise=Verdict(None, "unknown", unknown))

    def _by_hashes(self, task: Task) -> Verdict:
        """Say what can be said where the content itself has no text: which steps it went through, by their hashes."""
        reason, chain_ = self.lineage.no_text(task.ref), list[Made]()
        while task.depth < MOST_STEPS and (made := self.lineage.maker(task.ref, task.at, not_again=task.been)):
            task = self._crossed(task, made)
            self._noted(self.lineage.step_of(made))
            chain_.append(made)
            if made.source is None:
                break
            task = replace(task.before(made), ref=made.source)
        did = [each for each in chain_ if each.source is None or each.source.key != _result_key(each)]
        if len(did) == 1 and did[0].source is None:
            said = f"{reason}, and {did[0].record.name} is the only step that made it"
            return task.ends_with(Verdict(self.lineage.step_of(did[0]), "confirmed", said, made=did[0]))
        names = ", ".join(each.record.name for each in reversed(did))
        through_ = f"by the hashes it went through {names}" if names else "no recorded step made this content"
        return task.ends_with(Verdict(None, "unknown", f"{reason}; {through_}"))

    # -- what came out -------------------------------------------------------------------------------------------

    def _noted(self, step: Step) -> Step:
        return self.steps.setdefault(step.record_id, step)

    def _end(self, task: Task, runs: Sequence[Run], verdict: Verdict) -> None:
        verdict = task.ends_with(verdict)
        if verdict.step is not None and runs:
            self._noted(verdict.step)
        if verdict.call is not None:
            self._noted(self.lineage.step_of(verdict.call[0]))
        for run in runs:
            self.ended.update(dict.fromkeys(range(run.file, run.file + run.count), (run, verdict)))

    def _line(self, n: int, stored: Sequence[str] | None) -> LineBlame:
        found = self.found
        place = found.places[n]
        if place is None:
            return LineBlame(line=n + 1, text=found.shown[n], sure="unknown", step=None, why=found.unwritten)
        run, verdict = self.ended[place]
        step, way = verdict.step, self._passed.get(id(run.path))
        if way is None:
            way = tuple(link.step.record_id for link in chain(run.path))
            self._passed[id(run.path)] = way
        if step is not None and way and way[0] == step.record_id:
            way = way[1:]
        origin = None
        if verdict.role:
            at = run.here + place - run.file + 1
            origin = Origin(role=verdict.role, name=verdict.name, sha256=verdict.key, line=at)
        return LineBlame(
            line=n + 1,
            text=found.shown[n] if stored is None else stored[place],
            sure=verdict.sure,
            step=step,
            why=verdict.why,
            origin=origin,
            passed=way,
        )

    def stories(self, lines: Sequence[LineBlame], asked: range) -> Iterator[Story]:
        """Yield the whole story of lines: of neighbours that have the same one, together."""
        stored = self.lineage.lines(self.found.ref)
        together: list[int] = []
        for n in (*asked, -1):
            if together and (n < 0 or not _same_story(lines[together[-1]], lines[n])):
                yield self._story(lines, together, stored)
                together = []
            together.append(n)

    def _story(self, lines: Sequence[LineBlame], numbers: list[int], stored: Sequence[str] | None) -> Story:
        first, last = lines[numbers[0]].line, lines[numbers[-1]].line
        places = [place for n in numbers if (place := self.found.places[n]) is not None]
        if not places:
            return Story(first=first, last=last)
        run, verdict = self.ended[places[0]]
        way = list(chain(run.path)) if stored is not None else []
        return tell(
            self.lineage,
            first,
            last,
            verdict.made,
            [lines[n].text for n in numbers] if stored is not None else [],
            range(places[0], places[-1] + 1),
            [(link.after, link.shift) for link in way if link.after is not None],
            verdict.call,
        )


def _same_story(a: LineBlame, b: LineBlame) -> bool:
    return (a.step, a.sure, a.why, a.passed) == (b.step, b.sure, b.why, b.passed)


def _taken_from(material: dict[str, Any], ref: Ref, made: Made, step: Step, sure: Sure, how: str) -> Verdict:
    """Return what is said of lines that a step took from something that went in."""
    role, name = str(material.get("role") or "material"), str(material.get("name") or "")
    said = f"{step.name} took it from {f'the {role} {name}'.rstrip() if role != GIVEN else 'what it was given'}{how}"
    return Verdict(step, sure, said, role, name, ref.key, made)


def _further(task: Task, made: Made, ref: Ref, taken: Sequence[Seam], verdict: Verdict) -> Task:
    """Return the task to follow lines further back, in a text that a step took them from."""
    runs = [seam.moved() for seam in taken]
    return replace(task.before(made), ref=ref, runs=runs, sure=verdict.sure, otherwise=verdict, loosely=False)


def _result_key(made: Made) -> str | None:
    return made.result.key if made.result is not None else None
