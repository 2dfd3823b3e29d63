"""What a question asks for: a transparent score of its words against `lexicon.toml`. Pure, and the same everywhere.

Score of an intent = weights of its words (once each, in any inflection, or one letter off), its phrases, what named things add.
A denied word counts for what `negated` says instead.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Final

import msgspec

from whence.assist.known import Subject
from whence.assist.normalising import Word

INTENTS: Final = (
    *("health", "failure", "performance", "consistency", "error_patterns", "status"),  # the six of D4.4
    *(
        "why",
        "compare",
        "cost",
        "principles",
        "decisions",
        "drift",
        "problems",
        "explain",
        "progress",
        "blame",
        "changes",
    ),
)
TYPO: Final = 0.8
"""What a word that is one letter off counts, of its weight."""
SHORTEST_TYPO: Final = 5  # letters; of shorter words too many are one letter apart
WITHIN: Final = 3  # words from one word of a phrase to the next
FILLER: Final = frozenset(
    [
        "a",
        "about",
        "after",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "before",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "for",
        "from",
        "get",
        "give",
        "had",
        "has",
        "have",
        "he",
        "her",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "isn't",
        "it",
        "its",
        "itself",
        "just",
        "know",
        "let",
        "like",
        "list",
        "look",
        "many",
        "me",
        "might",
        "most",
        "much",
        "my",
        "no",
        "not",
        "of",
        "off",
        "on",
        "one",
        "or",
        "other",
        "our",
        "out",
        "over",
        "please",
        "run",
        "runs",
        "said",
        "say",
        "see",
        "shall",
        "she",
        "should",
        "show",
        "since",
        "so",
        "some",
        "tell",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "thing",
        "things",
        "this",
        "those",
        "to",
        "too",
        "trace",
        "traces",
        "until",
        "up",
        "us",
        "use",
        "used",
        "using",
        "very",
        "want",
        "was",
        "wasn't",
        "we",
        "were",
        "what",
        "what's",
        "when",
        "where",
        "which",
        "while",
        "who",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
        "whence",
        "component",
        "components",
        "agent",
        "workflow",
        "project",
        "during",
    ]
)
"""Words that say nothing of what is asked; none of them is another word misspelt."""
_NOT: Final = (
    "not",
    "no",
    "never",
    "without",
    "cannot",
    "isnt",
    "arent",
    "wasnt",
    "doesnt",
    "didnt",
    "dont",
    "hasnt",
    "wont",
    "cant",
    "nothing",
    "stopped",
    "stop",
)
_ENDINGS: Final = (
    ("ies", "y"),
    ("iness", "y"),
    ("ings", ""),
    ("ing", ""),
    ("edly", ""),
    ("ed", ""),
    ("ly", ""),
    ("es", ""),
    ("s", ""),
    ("e", ""),
)


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What a question may ask for."""

    ranked: tuple[tuple[str, float], ...] = ()  # the best first; those without a word are left out
    used: frozenset[str] = frozenset()  # words that counted, case folded
    denied: bool = False

    @property
    def share(self) -> float:
        """The best intent's share of the scores of the best two: 1 without a rival, 0.5 with an equal one, 0 without any."""
        if not self.ranked:
            return 0.0
        best, second = self.ranked[0][1], self.ranked[1][1] if len(self.ranked) > 1 else 0.0
        return best / (best + second)


class Lexicon:
    """The data file, its words made ready."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.irregular: Mapping[str, str] = data["irregular"]
        self.words: dict[str, dict[str, float]] = {}
        self.phrases: list[tuple[tuple[str, ...], str, float]] = []
        for intent in INTENTS:
            for word, weight in data[intent]["words"].items():
                self.words.setdefault(self.stem(word), {})[intent] = weight
            for phrase, weight in data[intent]["phrases"].items():
                self.phrases.append((tuple(self.stem(each) for each in phrase.split()), intent, weight))
        for word, weights in data["plain"].items():
            self.words.setdefault(self.stem(word), {}).update(weights)
        self.negated = {self.stem(word): weights for word, weights in data["negated"].items()}
        self.subjects: Mapping[str, Mapping[str, float]] = data["subjects"]
        self.vocabulary = sorted(each for each in {*self.words, *self.negated} if len(each) >= SHORTEST_TYPO - 1)

    def stem(self, word: str) -> str:
        """Return a word without its inflection."""
        word = word.removesuffix("'s")
        word = self.irregular.get(word, word)
        for ending, instead in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
                word = word[: -len(ending)] + instead
                break
        if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "sl":
            word = word[:-1]  # stopping -> stop
        return word.removesuffix("e") if len(word) > 3 else word

    def near(self, stem: str) -> str | None:
        """Return the one word of the lexicon that a misspelt word is one letter away from; None if it is none, or several."""
        if len(stem) < SHORTEST_TYPO - 1:
            return None
        found = [each for each in self.vocabulary if one_off(stem, each)]
        return found[0] if len(found) == 1 else None


@cache
def lexicon() -> Lexicon:
    """Return the packaged lexicon."""
    text = resources.files(__package__ or "whence.assist").joinpath("lexicon.toml").read_text(encoding="utf-8")
    return Lexicon(tomllib.loads(text))


@lru_cache(maxsize=4096)
def one_off(a: str, b: str) -> bool:
    """Return whether one letter is wrong, missing, too many, or two neighbours are swapped (Damerau 1964)."""
    if a == b or abs(len(a) - len(b)) > 1:
        return False
    start = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) == len(b):
        swapped = a[start : start + 2] == b[start : start + 2][::-1] and a[start + 2 :] == b[start + 2 :]
        return a[start + 1 :] == b[start + 1 :] or swapped
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return longer[start + 1 :] == shorter[start:]


def score(words: Iterable[Word], subjects: tuple[Subject, ...]) -> Scored:
    """Return what these words ask for, what they name being known."""
    known = lexicon()
    found: Counter[str] = Counter()
    used: set[str] = set()
    stems: list[str] = []
    seen: set[tuple[str, bool]] = set()
    denied_until, any_denied = -1, False
    for place, word in enumerate(words):
        lower = word.lower.replace("'", "")
        if lower in _NOT or word.lower.endswith("n't"):
            denied_until = place + 3
        stem, weight = known.stem(word.lower), 1.0
        if (
            stem not in known.words
            and stem not in known.negated
            and len(lower) >= SHORTEST_TYPO
            and lower not in FILLER
        ):
            near = known.near(stem)
            stem, weight = (near, TYPO) if near is not None else (stem, 1.0)
        stems.append(stem)
        denied = place <= denied_until and lower not in _NOT and stem in known.negated
        if (stem, denied) in seen:
            continue
        seen.add((stem, denied))
        any_denied = any_denied or denied
        weights = known.negated[stem] if denied else known.words.get(stem, {})
        for intent, counts in weights.items():
            found[intent] += counts * weight  # type: ignore[assignment]
        if weights:
            used.add(word.lower)
    for phrase, intent, counts in known.phrases:
        if _holds(stems, phrase):
            found[intent] += counts  # type: ignore[assignment]
    for kind in _kinds(subjects):
        for intent, counts in known.subjects.get(kind, {}).items():
            found[intent] += counts  # type: ignore[assignment]
    ranked = sorted(((intent, float(counts)) for intent, counts in found.items() if counts > 0), key=_rank)
    return Scored(ranked=tuple(ranked), used=frozenset(used), denied=any_denied)


def _rank(each: tuple[str, float]) -> tuple[float, int]:
    return -each[1], INTENTS.index(each[0])


def _kinds(subjects: tuple[Subject, ...]) -> Iterable[str]:
    yield from dict.fromkeys(each.type for each in subjects)
    counted = Counter(each.type for each in subjects)
    if counted["component"] > 1 or counted["run"] > 1:
        yield "two"
    if any(each.line is not None for each in subjects):
        yield "line"


def _holds(stems: list[str], phrase: tuple[str, ...]) -> bool:
    """Return whether the words of a phrase stand in this order, near each other."""
    for start, first in enumerate(stems):
        if first != phrase[0]:
            continue
        place = start
        for wanted in phrase[1:]:
            ahead = stems[place + 1 : place + 1 + WITHIN]
            if wanted not in ahead:
                break
            place += 1 + ahead.index(wanted)
        else:
            return True
    return False
