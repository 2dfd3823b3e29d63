"""Intake: what is asked, with what intent, and whether the question leans towards an answer."""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from whence.tracing import TraceContext

from .index import Index
from .text import content_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One classification: every label with its confidence, best first, and the cues that spoke for the winner."""

    confidences: dict[str, float]  # sums to 1
    cues: tuple[str, ...]

    @property
    def label(self) -> str:
        """The winner."""
        return next(iter(self.confidences))

    @property
    def confidence(self) -> float:
        """The winner's share."""
        return self.confidences[self.label]

    @property
    def alternatives(self) -> list[str]:
        """The losers, as `label (0.12)`."""
        return [f"{label} ({share:.2f})" for label, share in list(self.confidences.items())[1:]]

    @property
    def why(self) -> str:
        """What decided, in words."""
        if not self.cues:
            return f"No cue in the wording, so the prior decides for {self.label}"
        return f"The wording {', '.join(map(repr, self.cues))} speaks for {self.label}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What the rest of the pipeline works from."""

    question: str
    intent: Reading
    bias: Reading
    domain: Reading
    terms: dict[str, str]  # stem -> the word in the question
    named: tuple[str, ...]  # installed packages that the question names

    @property
    def bias_flags(self) -> list[str]:
        """The bias found, or nothing."""
        return [] if self.bias.label == "no_bias" else [self.bias.label]

    @property
    def text(self) -> str:
        """The brief in one sentence."""
        about = ", ".join(self.terms.values()) or "nothing specific"
        warning = f"; beware of {self.bias.label.replace('_', ' ')}" if self.bias_flags else ""
        return f"{self.intent.label.capitalize()} {self.domain.label.replace('_', ' ')}: {about}{warning}."


def take_in(question: str, index: Index) -> Brief:
    """Return the brief for a question about the packages in `index`."""
    terms = content_words(question)
    words = set(re.findall(r"[a-z0-9]+", question.lower()))
    brief = Brief(
        question=question,
        intent=classify("intent", question),
        bias=classify("bias", question),
        domain=classify("domain", question),
        terms=terms,
        named=tuple(s.name for s in index.sources if set(re.split(r"[-_.]", s.name.lower())) <= words),
    )
    trace = TraceContext.current()
    if trace:
        asked = {"query_text": question, "terms": list(terms.values()), "packages_named": list(brief.named)}
        for decision, reading in (
            ("classified_intent", brief.intent),
            ("bias_classification", brief.bias),
            ("guessed_domain", brief.domain),
        ):
            trace.record(
                "intake",
                decision,
                {
                    "what": reading.label,
                    "why": reading.why,
                    "confidence": reading.confidence,
                    "alternatives_considered": reading.alternatives,
                    "inputs": asked,
                },
            )
    return brief


def classify(kind: str, question: str) -> Reading:
    """Return how well each label of `kind` (intent, bias or domain) fits the wording of a question."""
    text = question.lower().strip()
    points: dict[str, float] = {}
    heard: dict[str, list[str]] = {}
    for label, (prior, cues) in _cues()[kind].items():
        matches = [(match.group(0).strip(), weight) for cue, weight in cues if (match := cue.search(text))]
        points[label] = prior + sum(weight for _, weight in matches)
        heard[label] = [wording for wording, _ in matches]
    total = sum(math.exp(value) for value in points.values())
    ranked = sorted(points, key=lambda label: -points[label])
    return Reading(
        confidences={label: round(math.exp(points[label]) / total, 4) for label in ranked},
        cues=tuple(heard[ranked[0]]),
    )


@cache
def _cues() -> dict[str, dict[str, tuple[float, list[tuple[re.Pattern[str], float]]]]]:
    table = tomllib.loads(files(__package__).joinpath("cues.toml").read_text(encoding="utf-8"))
    return {
        kind: {
            label: (float(entry["prior"]), [(re.compile(pattern), float(weight)) for pattern, weight in entry["cues"]])
            for label, entry in labels.items()
        }
        for kind, labels in table.items()
    }
