"""What was made and decided: decisions and their reasons, who put a line into a file; and, at last, words in records."""

from typing import Any, Final

from whence.assist.answer import Clarification, Found, Query, Sentence
from whence.assist.answers import evidence as ev
from whence.assist.answers.evidence import Context
from whence.assist.normalising import key_of
from whence.diagnose.saying import named
from whence.errors import BadInput, NotFound
from whence.model import record as kinds
from whence.model.filters import RecordFilter
from whence.model.record import Record
from whence.query.blame import blame as blame_of
from whence.query.claims import short
from whence.store.derive import payload_of

MOST_DECISIONS: Final = 1_000
SEARCH_CONFIDENCE: Final = 0.3
"""That records hold the words of a question does not make them its answer."""


def decisions(query: Query, context: Context) -> Found:
    """Answer what was decided and why: the newest decisions that the other words of the question are about."""
    run, component = next(iter(query.of("run")), None), next(iter(query.of("component")), None)
    where = RecordFilter(
        kinds=(kinds.DECISION,),
        trace=run.otel if run is not None else None,
        component=component.id if component is not None else None,
        project=query.project,
        since_ns=query.since_ns,
        until_ns=query.until_ns,
    )
    told = context.store.records(where, limit=MOST_DECISIONS, newest_first=True).items
    if not told and component is not None:  # a stage's name counts as a component where nobody names one
        where = RecordFilter(kinds=(kinds.DECISION,), stage=component.id, project=query.project)
        told = context.store.records(where, limit=MOST_DECISIONS, newest_first=True).items
    wanted = {key for each in (*query.terms, *(model.id for model in query.of("model"))) if (key := key_of(each))}
    scored = [(_about(each, wanted), number, each) for number, each in enumerate(told)]
    kept = [each for each in scored if each[0]] if wanted else scored
    if not kept:
        about = f" about {' '.join(query.terms)}" if query.terms else ""
        return Found(missing=f"no decision{about} is recorded")
    kept.sort(key=lambda each: (-each[0], each[1]))
    best = [each for each in kept if each[0] == kept[0][0]]
    share = kept[0][0] / len(wanted) if wanted else 1.0
    rests = (
        f"{kept[0][0]} of the {len(wanted)} words asked for stand in the decision" if wanted else "the newest decisions"
    )
    return Found(
        sentences=tuple(_decided(each) for _, _, each in best[:3]),
        confidence=share,
        resting_on=rests,
        suggestions=(f"whence show {best[0][2].record_id}",),
    )


def _about(record: Record, wanted: set[str]) -> int:
    said = payload_of(record)
    said = said if isinstance(said, dict) else {}
    texts = (record.name, record.stage, short(said.get("what"), 400), short(said.get("alternatives"), 400))
    held = f"-{key_of(' '.join(texts))}-"
    return sum(f"-{each}-" in held for each in wanted)


def _decided(record: Record) -> Sentence:
    said = payload_of(record)
    said = said if isinstance(said, dict) else {}
    place = f"{named(record.stage)}.{named(record.name)}" if record.stage else named(record.name)
    why = f" because {ev.quoted(said['why'])}" if said.get("why") else ", and no reason is recorded"
    sure = said.get("confidence")
    how = f", with confidence {sure:.2f}" if isinstance(sure, int | float) and not isinstance(sure, bool) else ""
    others = said.get("alternatives")
    instead = f"; considered as well: {ev.quoted(others, 120)}" if isinstance(others, list) and others else ""
    return Sentence(
        text=f"{place} chose {ev.quoted(said.get('what'), 120)}{why}{how}{instead}.", evidence=(record.record_id,)
    )


def blame(query: Query, context: Context) -> Found:
    """Answer who put a line into a file, as it was last recorded."""
    file = next(iter(query.of("file")), None)
    if file is None:
        choices = ("who wrote line 3 of app/main.py", "app/main.py:3")
        return Found(ask=Clarification(question="Which line of which file is meant?", choices=choices))
    try:
        told = blame_of(file.id, file.line, store=context.store)
    except NotFound as exc:
        return Found(missing=str(exc))
    except BadInput as exc:
        return Found(missing=str(exc))
    lines = [each for each in told.lines if file.line is None or each.line == file.line]
    sentences: list[Sentence] = []
    seen: set[str] = set()
    for each in lines:
        step = each.step
        if step is None or (step.record_id in seen and file.line is None):
            continue
        seen.add(step.record_id)
        who = f" of {named(step.component)}" if step.component else ""
        line = ev.quoted(each.text.strip() or "(empty)", 80)
        text = f"Line {each.line} ({line}) was put there by {named(step.name)}{who}, {step.time}."
        sentences.append(
            Sentence(
                text=text, evidence=(step.record_id,), kind="confirmed" if each.sure == "confirmed" else "hypothesis"
            )
        )
    sentences += _stories(told)
    if not sentences:
        return Found(missing=f"no step that put it into {file.id} is recorded")
    return Found(
        sentences=tuple(sentences[: ev.MOST_SENTENCES]),
        resting_on="what was recorded of the file, not what it holds now",
        suggestions=(f"whence blame {file.id}{f':{file.line}' if file.line is not None else ''}",),
    )


def _stories(told: Any) -> list[Sentence]:
    found = []
    for story in told.stories[:1]:
        if story.decision is not None:
            chosen, because = ev.quoted(story.decision.what), ev.quoted(story.decision.why)
            text = f"The decision behind it, {named(story.decision.name)}, chose {chosen} because {because}."
            kind = "confirmed" if story.decision.sure == "confirmed" else "hypothesis"
            found.append(Sentence(text=text, evidence=(story.decision.record_id,), kind=kind))  # type: ignore[arg-type]
        for check in story.checks[:2]:
            found.append(
                Sentence(
                    text=f"The check {named(check.check)} failed on it since: {ev.quoted(check.message)}.",
                    evidence=(check.record_id,),
                )
            )
    return found


def search(query: Query, context: Context) -> Found:
    """Answer with records that hold the words of the question: the last resort."""
    hits = context.store.search(" ".join(query.terms), limit=ev.MOST_CITED).items if query.terms else ()
    if not hits:
        return Found(missing=f"no record holds all of {' '.join(query.terms)!r}")
    sentences = []
    for hit in hits:
        who = named(hit.record.component or hit.record.stage, hit.trace_id or "no run")
        text = f"A record of {who} holds the words: {ev.quoted(hit.snippet)}."
        sentences.append(Sentence(text=text, evidence=(hit.record.record_id,)))
    return Found(
        sentences=tuple(sentences),
        confidence=SEARCH_CONFIDENCE,
        resting_on="the words stand in these records, which need not be an answer",
    )
