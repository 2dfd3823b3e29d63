"""From a question to a typed query, or to a question back: times, then names, then what is asked for."""

from typing import Final

import msgspec

from whence.assist.answer import Clarification, Query
from whence.assist.commands import command_of
from whence.assist.known import Known, Mentioned, Subject
from whence.assist.lexicon import FILLER, INTENTS, Scored, score
from whence.assist.normalising import clean, words_of
from whence.assist.timewords import ACCEPTED, times_of

EQUAL: Final = 0.52
"""Up to this share of the best two scores, two intents are equally likely, and it is asked back."""
LEAST: Final = 1.0
"""A score below this is no intent: a hint such as `time` or `run` alone."""
MOST_TERMS: Final = 8
_GROUPS: Final = {
    "model": "model",
    "models": "model",
    "component": "component",
    "components": "component",
    "agent": "component",
    "agents": "component",
    "project": "project",
    "projects": "project",
    "day": "day",
    "daily": "day",
    "run": "trace",
    "runs": "trace",
}
_ASKED: Final = {
    "health": "how healthy it is",
    "failure": "why it fails",
    "performance": "how fast it is",
    "consistency": "whether its states agree",
    "error_patterns": "which errors there are",
    "status": "how things stand",
    "why": "why a run went wrong",
    "compare": "how two differ",
    "cost": "what it cost",
    "principles": "which principles fall short",
    "decisions": "what was decided, and why",
    "drift": "what drifted or does not fit",
    "problems": "which problems are open",
    "explain": "what a code means",
    "progress": "how far it is",
    "blame": "who put a line there",
    "changes": "what is unusual or changed",
}
EXAMPLES: Final = (
    "why did the last run fail?",
    "is agent/planner healthy today?",
    "which errors keep coming back this week?",
    "what did the calls cost yesterday?",
    "what does T01-01 mean?",
)


class Understood(msgspec.Struct, frozen=True, kw_only=True):
    """What a question was taken for."""

    query: Query | None = None
    scored: Scored = Scored()
    ask: Clarification | None = None


def understand(question: object, known: Known, *, now_ns: int, project: str | None = None) -> Understood:
    """Return the query that a question stands for; or what is to be asked back."""
    words = words_of(clean(question))
    if not words:
        return Understood(ask=Clarification(question="What do you want to know?", choices=EXAMPLES))
    times = times_of(words, now_ns=now_ns)
    if times.unclear:
        asked = f"Which time is meant by {times.unclear[:80]!r}?"
        return Understood(ask=Clarification(question=asked, choices=ACCEPTED))
    named = known.mentioned(times.rest)
    back = _names(named)
    if back is not None:
        return Understood(ask=back)
    projects = [each for each in named.subjects if each.type == "project"]
    subjects = tuple(each for each in named.subjects if each.type != "project")
    scored = _one_family(score(named.rest, subjects), subjects)
    ranked = scored.ranked
    if scored.share <= EQUAL and len(ranked) > 1 and ranked[0][1] >= LEAST:
        first, second = ranked[0][0], ranked[1][0]
        asked = f"Do you want to know {_ASKED[first]}, or {_ASKED[second]}?"
        return Understood(scored=scored, ask=Clarification(question=asked, choices=(_ASKED[first], _ASKED[second])))
    intent = ranked[0][0] if ranked and ranked[0][1] >= LEAST else _by_subject(subjects)
    intent = _settled(intent, subjects)
    terms = _terms(intent, named, scored)
    if intent == "search" and not terms:
        return Understood(
            scored=scored, ask=Clarification(question="What about it do you want to know?", choices=EXAMPLES)
        )
    query = Query(
        intent=intent,
        subjects=subjects,
        window=times.window,
        project=projects[0].id if projects else project,
        terms=terms,
    )
    return Understood(query=msgspec.structs.replace(query, command=command_of(query)), scored=scored)


def _names(named: Mentioned) -> Clarification | None:
    """Return what is to be asked back of names that are none, or that are several."""
    if named.ambiguous:
        said, may = named.ambiguous[0]
        choices = tuple(f"{each.type} {each.id}" for each in may[:6])
        return Clarification(question=f"Which {said[:80]!r} is meant?", choices=choices)
    if named.unknown:
        said, near = named.unknown[0]
        hint = f"; did you mean {' or '.join(near[:3])}?" if near else "."
        return Clarification(question=f"Nothing that is recorded is called {said[:80]!r}{hint}", choices=near)
    return None


def _by_subject(subjects: tuple[Subject, ...]) -> str:
    """Return what is asked of a thing that is only named."""
    kinds = {each.type for each in subjects}
    for kind, intent in (
        ("code", "explain"),
        ("file", "blame"),
        ("record", "why"),
        ("problem", "problems"),
        ("run", "status"),
    ):
        if kind in kinds:
            return intent
    return "health" if "component" in kinds else "principles" if "principle" in kinds else "search"


def _settled(intent: str, subjects: tuple[Subject, ...]) -> str:
    """Return the intent that fits what is named: a component fails, of a run one asks why."""
    kinds = {each.type for each in subjects}
    if intent == "why" and "component" in kinds and "run" not in kinds:
        return "failure"
    if intent == "failure" and kinds & {"run", "record"} and "component" not in kinds:
        return "why"
    if intent == "explain" and "code" not in kinds:
        return "failure" if "component" in kinds else "why"
    return intent


def _one_family(scored: Scored, subjects: tuple[Subject, ...]) -> Scored:
    """Return the scores with `why` and `failure` as one, and without what nothing named fits.

    Which of the two it is, is told by what is named and not by the words: a component fails, of a run one asks why.
    """
    scores = dict(scored.ranked)
    kinds = {each.type for each in subjects}
    if "code" not in kinds and len(scores) > 1:
        scores.pop("explain", None)  # only a code has a meaning to explain
    if not {"why", "failure"} <= set(scores):
        return msgspec.structs.replace(scored, ranked=tuple(each for each in scored.ranked if each[0] in scores))
    first = "failure" if "component" in kinds else "why"
    if not kinds & {"component", "run", "record"} and scores["failure"] > scores["why"] and "why" not in scored.used:
        first = "failure"
    scores[first] = scores.pop("why") + scores.pop("failure")
    ranked = sorted(scores.items(), key=lambda each: (-each[1], INTENTS.index(each[0])))
    return msgspec.structs.replace(scored, ranked=tuple(ranked))


def _terms(intent: str, named: Mentioned, scored: Scored) -> tuple[str, ...]:
    """Return the words that are looked for in what was recorded; of cost, what it is grouped by."""
    if intent == "cost":
        return tuple(
            dict.fromkeys(
                _GROUPS[each.lower] for each in named.rest if each.lower in _GROUPS and _per(each.lower, named)
            )
        )[:1]
    if intent not in ("decisions", "search"):
        return ()
    left = [each.text for each in named.rest if each.lower not in FILLER and each.lower not in scored.used]
    return tuple(dict.fromkeys(left))[:MOST_TERMS]


def _per(word: str, named: Mentioned) -> bool:
    """Return whether a word says by what costs are summed: `per day`, `which model`, `by run`."""
    words = [each.lower for each in named.rest]
    place = words.index(word)
    return word == "daily" or (
        place > 0 and words[place - 1] in ("per", "by", "each", "every", "which", "what", "expensive")
    )


assert set(_ASKED) == set(INTENTS)
