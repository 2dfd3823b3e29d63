"""`ask`: a question in plain language, answered from the records with citations; offline, without a model."""

import time
from typing import Final

import msgspec

from whence.assist.answer import Answer, Clarification, Found, Query
from whence.assist.answers import ANSWERS
from whence.assist.answers.evidence import Context
from whence.assist.known import Known
from whence.assist.lexicon import Scored
from whence.assist.narrating import Narrator, narrated
from whence.assist.normalising import MOST_CHARS, clean
from whence.assist.parsing import EXAMPLES, Understood, understand
from whence.diagnose.saying import named
from whence.errors import NotFound
from whence.store.current import current
from whence.store.interface import Store

_NOTHING: Final = "I do not know: nothing is recorded yet."
_RECORD: Final = (
    "record a run: `with whence.trace(project=…):` around your pipeline",
    "whence run -- python your_program.py",
    "whence demo",
)
MOST_SAID: Final = 2_000
"""Characters of a sentence."""
ONLY_NAMED: Final = 0.6
"""How well a question is understood that only names something, or only holds words to look for."""


def ask(
    question: str,
    *,
    store: Store | None = None,
    now_ns: int | None = None,
    narrate: Narrator | None = None,
    project: str | None = None,
) -> Answer:
    """Return the answer to a question (R4.27, R4.66 to R4.68), every sentence with the ids it rests on.

    It asks back where two meanings are equally likely or a name is not known, and says so where nothing is recorded.

    Args:
        question: in English; of it the first 2,000 characters are read.
        store: what is asked; without it the process's own store.
        now_ns: what "today" is relative to, Unix time; without it the clock.
        narrate: a model that puts the same evidence into words, beside the answer.
        project: only of this project, unless the question names another.

    Raises:
        StoreUnreachable: the store cannot be opened.
    """
    store = store or current()
    now_ns = time.time_ns() if now_ns is None else now_ns
    said = clean(question)
    known = Known(store)
    if not known.anything():
        return Answer(
            question=said, known=False, answer=_NOTHING, confidence=0.0, basis="the store is empty", suggestions=_RECORD
        )
    understood = understand(question, known, now_ns=now_ns, project=project)
    query = understood.query
    if query is None:
        return _asked_back(
            said, understood.ask or Clarification(question="What do you want to know?", choices=EXAMPLES)
        )
    try:
        found = ANSWERS[query.intent](query, Context(store=store, now_ns=now_ns))
    except NotFound as exc:
        found = Found(missing=str(exc))
    if found.ask is not None:
        return msgspec.structs.replace(_asked_back(said, found.ask), query=query)
    cited = tuple(
        msgspec.structs.replace(each, text=named(each.text, limit=MOST_SAID))  # names in it are recorded text as well
        for each in found.sentences
        if each.evidence  # what rests on nothing is not said
    )
    found = msgspec.structs.replace(found, sentences=cited)
    if not found.sentences:
        return _unknown(said, query, found)
    answer = _told(said, query, found, understood)
    if len(question) > MOST_CHARS:
        answer = msgspec.structs.replace(
            answer, basis=f"{answer.basis}; only the first {MOST_CHARS:,} characters were read"
        )
    if narrate is not None:
        answer = msgspec.structs.replace(answer, generated=narrated(narrate, said, found.sentences))
    return answer


def _asked_back(question: str, asked: Clarification) -> Answer:
    return Answer(
        question=question,
        known=False,
        answer=named(asked.question, limit=MOST_SAID),
        confidence=0.0,
        basis="the question can be read in more than one way, or in none",
        clarification_needed=asked,
        suggestions=asked.choices[:3],
    )


def _unknown(question: str, query: Query, found: Found) -> Answer:
    missing = found.missing or "nothing is recorded that answers it"
    return Answer(
        question=question,
        known=False,
        answer=f"I do not know: {named(missing, limit=MOST_SAID)}.",
        confidence=0.0,
        basis="nothing that was recorded answers it",
        suggestions=found.suggestions or (query.command,),
        query=query,
        command=query.command,
    )


def _told(question: str, query: Query, found: Found, understood: Understood) -> Answer:
    parse, words = _parse(understood.scored)
    sample = 1.0 if found.sample is None else (found.sample + 1) / (found.sample + 2)
    counted = (
        "no rate" if found.sample is None else f"{found.sample:,} observed, by the rule of succession (n + 1) / (n + 2)"
    )
    evidence = f"evidence {found.confidence:.2f} ({found.resting_on})"
    basis = f"understanding {parse:.2f} ({words}) × {evidence} × sample {sample:.2f} ({counted})"
    return Answer(
        question=question,
        known=True,
        answer=" ".join(each.text if each.kind == "confirmed" else f"Maybe: {each.text}" for each in found.sentences),
        confidence=round(parse * found.confidence * sample, 4),
        basis=basis,
        sentences=found.sentences,
        evidence=tuple(dict.fromkeys(one for each in found.sentences for one in each.evidence)),
        related_insights=found.insights,
        suggestions=found.suggestions,
        query=query,
        command=query.command,
    )


def _parse(scored: Scored) -> tuple[float, str]:
    """Return how well a question was understood: the best intent's share of the best two scores."""
    if not scored.ranked or scored.ranked[0][1] < 1.0:
        return ONLY_NAMED, "no word says what is asked of it"
    best = scored.ranked[0]
    rival = f"next `{scored.ranked[1][0]}` {scored.ranked[1][1]:.1f}" if len(scored.ranked) > 1 else "no other"
    return scored.share, f"its words fit `{best[0]}` {best[1]:.1f}, {rival}"
