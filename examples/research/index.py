"""A search index over passages: BM25, and the company words keep."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from .corpus import DESCRIPTION, SUMMARY, Passage, Source
from .text import content_words, stems

_K1, _B = 1.2, 0.75  # saturation of repeated words, and how far long passages are discounted


class Index:
    """Finds passages by words. Built once per corpus, then only read."""

    def __init__(self, passages: Iterable[Passage]) -> None:
        self.passages = tuple(passages)
        self.sources: tuple[Source, ...] = tuple(dict.fromkeys(passage.source for passage in self.passages))
        self._words = [_bag(passage) for passage in self.passages]
        self._lengths = [sum(bag.values()) for bag in self._words]
        self._mean_length = sum(self._lengths) / max(len(self._lengths), 1) or 1.0
        self._containing: dict[str, list[int]] = {}
        self._spelling: dict[str, str] = {}
        for number, bag in enumerate(self._words):
            for word in bag:
                self._containing.setdefault(word, []).append(number)
            for word, spelling in content_words(self.passages[number].text).items():
                self._spelling.setdefault(word, spelling)

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a stem; highest for one that occurs nowhere."""
        count = len(self._containing.get(word, ()))
        return math.log(1 + (len(self.passages) - count + 0.5) / (count + 0.5))

    def knows(self, word: str) -> bool:
        """Say whether a stem occurs anywhere."""
        return word in self._containing

    def search(self, query: Mapping[str, float]) -> list[tuple[Passage, float]]:
        """Return the passages that hold a word of `query` (stem -> weight) with their BM25 score, best first."""
        scores: dict[int, float] = {}
        for word, weight in query.items():
            for number in self._containing.get(word, ()):
                count = self._words[number][word]
                norm = _K1 * (1 - _B + _B * self._lengths[number] / self._mean_length)
                gain = weight * self.rarity(word) * count * (_K1 + 1) / (count + norm)
                scores[number] = scores.get(number, 0.0) + gain
        # The number breaks ties, so that equal corpora give equal answers.
        ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
        return [(self.passages[number], score) for number, score in ranked]

    def coverage(self, passage_words: Iterable[str], wanted: Iterable[str]) -> float:
        """Return which share of the wanted stems is present, each counted by its rarity."""
        present, wanted = set(passage_words), set(wanted)
        total = sum(self.rarity(word) for word in wanted)
        return sum(self.rarity(word) for word in wanted & present) / total if total else 0.0

    def spelled(self, word: str) -> str:
        """Return a stem as it is written where it first occurs."""
        return self._spelling.get(word, word)

    def related(self, words: Iterable[str], limit: int) -> list[tuple[str, float]]:
        """Return stems that keep company with `words` far more often than chance, strongest first.

        The strength is the log-likelihood-like product co-occurrences * log(lift); a single meeting is no evidence.
        """
        given = set(words)
        inside = {number for word in given for number in self._containing.get(word, ())}
        inside = {number for number in inside if not self.passages[number].about_project}
        meetings = Counter(word for number in inside for word in self._words[number] if word not in given)
        strengths = {
            word: count * math.log(lift)
            for word, count in meetings.items()
            if count >= 2 and (lift := count * len(self.passages) / (len(inside) * len(self._containing[word]))) > 1
        }
        return sorted(strengths.items(), key=lambda item: (-item[1], item[0]))[:limit]


def _bag(passage: Passage) -> Counter[str]:
    """Count the stems of a passage; its heading counts twice, for a heading says what the passage is about."""
    heading = "" if passage.heading in (SUMMARY, DESCRIPTION) else passage.heading
    words = Counter(stems(f"{passage.text} {heading} {heading} {passage.code}"))
    words.update(stems(passage.source.name.replace("_", "-")))
    return words
