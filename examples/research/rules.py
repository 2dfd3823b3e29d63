"""The rules behind the principles: each reads the report as text and says how well it does, and why.

A rule sees the Markdown, not the writer's bookkeeping, so that a report from a language model is judged the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .evidence import Evidence
from .index import Index
from .intake import Brief
from .synthesis import ABSOLUTES, CITATION
from .text import count, details, overlap, sentences, stem, stems

_OVERVIEW = ("limits", "sources", "where to read on", "example")
AGAINST = "what speaks against it"


@dataclass(frozen=True, slots=True)
class Mark:
    """How well a rule is met, 0..1, and what to say about it."""

    ratio: float
    feedback: str


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of the report, with the label of its source, or "" when it has none."""

    sentence: str
    source: str
    section: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A report as a rule sees it."""

    brief: Brief
    evidence: Evidence
    index: Index
    sections: dict[str, str]  # lower-case heading -> its text, subsections included
    claims: tuple[Claim, ...]

    @property
    def cited(self) -> list[str]:
        """The labels cited, each once."""
        return list(dict.fromkeys(claim.source for claim in self.claims if claim.source))


def read(markdown: str, brief: Brief, evidence: Evidence, index: Index) -> Draft:
    """Take a report apart into sections and claims."""
    sections: dict[str, str] = {}
    heading, fenced = "", False
    for line in markdown.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("## ") and not fenced:
            heading = line[3:].strip().lower()
            sections[heading] = ""
        elif heading:
            sections[heading] += line + "\n"
    claims = [
        Claim(sentence, source, name)
        for name, text in sections.items()
        if name not in _OVERVIEW
        for line in text.splitlines()
        if line.strip() and not line.startswith(("#", "```"))
        for sentence, source in _claims(line)
    ]
    return Draft(brief=brief, evidence=evidence, index=index, sections=sections, claims=tuple(claims))


def _claims(line: str) -> list[tuple[str, str]]:
    """Return (sentence, source) for a line; a citation covers what stands between it and the one before."""
    found, start = [], 0
    for match in CITATION.finditer(line):
        found += [(s, match.group(1)) for s in sentences(line[start : match.start()].strip(" -*."))]
        start = match.end()
    return found + [(s, "") for s in sentences(line[start:].strip(" -*.")) if len(s.split()) > 2]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def concrete(draft: Draft) -> Mark:
    """Three statements in five with a detail are enough: not every sentence needs a number."""
    names = {stem(source.name.lower()) for source in draft.index.sources}
    bare = [c for c in draft.claims if not details(c.sentence) and not names & set(stems(c.sentence))]
    ratio = min(_share(len(draft.claims) - len(bare), len(draft.claims)) / 0.6, 1.0)
    return Mark(ratio, f"{len(draft.claims) - len(bare)} of {len(draft.claims)} statements name something concrete")


def inline_source(draft: Draft) -> Mark:
    sourced = sum(bool(claim.source) for claim in draft.claims)
    return Mark(_share(sourced, len(draft.claims)), f"{sourced} of {len(draft.claims)} statements carry a source")


def answers(draft: Draft) -> Mark:
    said = stems(" ".join(f"{claim.sentence} {claim.source}" for claim in draft.claims))
    ratio = draft.index.coverage(said, draft.brief.terms)
    silent = [word for root, word in draft.brief.terms.items() if root not in said]
    feedback = f"Nothing is said about: {', '.join(silent)}" if silent else "Every term of the question is taken up"
    return Mark(ratio, feedback)


def independent_sources(draft: Draft) -> Mark:
    cited = draft.cited
    return Mark(min(len(cited) / 3, 1.0), f"{count(len(cited), 'package')} cited: {', '.join(cited) or 'none'}")


def challenges(draft: Draft) -> Mark:
    """An unbiased question still deserves a second side; a leaning one must get it."""
    against = [claim for claim in draft.claims if claim.section == AGAINST and claim.source]
    if against:
        return Mark(min(0.4 + 0.3 * len(against), 1.0), f"{count(len(against), 'statement')} against the premise")
    if AGAINST in draft.sections:
        return Mark(0.7, "Counter-evidence was searched for and not found, and the report says so")
    lean = ", ".join(draft.brief.bias_flags).replace("_", " ")
    return Mark(0.0 if lean else 0.5, f"No counter-evidence{f' although the question shows {lean}' if lean else ''}")


def _mean_over_cited(draft: Draft, quality: str) -> tuple[float, int]:
    values = {i.passage.source.label: float(getattr(i.scores, quality)) for i in draft.evidence.kept}
    known = [values[label] for label in draft.cited if label in values]
    return (sum(known) / len(known) if known else 0.0), len(known)


def credible_sources(draft: Draft) -> Mark:
    mean, known = _mean_over_cited(draft, "credibility")
    return Mark(mean, f"Mean credibility {mean:.2f} over {count(known, 'cited package')}")


def recent_sources(draft: Draft) -> Mark:
    mean, known = _mean_over_cited(draft, "recency")
    return Mark(min(mean / 0.8, 1.0), f"Mean recency {mean:.2f} over {count(known, 'cited package')}")


def states_limits(draft: Draft) -> Mark:
    text = draft.sections.get("limits", "").lower()
    if not text.strip():
        return Mark(0.0, "The report does not state its limits")
    unnamed = [word for word in draft.evidence.missing if word not in text]
    if unnamed:
        return Mark(0.5, f"The limits do not mention that nothing was found on: {', '.join(unnamed)}")
    return Mark(1.0, "The limits are stated")


def short_sentences(draft: Draft) -> Mark:
    long = [claim for claim in draft.claims if len(claim.sentence.split()) > 28]
    ratio = 1 - _share(len(long), len(draft.claims))
    return Mark(ratio, f"{len(long)} of {len(draft.claims)} statements have more than 28 words")


def no_repetition(draft: Draft) -> Mark:
    roots = [stems(claim.sentence) for claim in draft.claims]
    twins = sum(any(overlap(one, other) >= 0.6 for other in roots[:n]) for n, one in enumerate(roots))
    return Mark(1 - _share(twins, len(roots)), f"{twins} of {len(roots)} statements repeat another")


def no_overclaiming(draft: Draft) -> Mark:
    loud = {w for c in draft.claims for w in re.findall(r"[a-z]+", c.sentence.lower()) if w in ABSOLUTES}
    claiming = sum(bool(loud & set(re.findall(r"[a-z]+", claim.sentence.lower()))) for claim in draft.claims)
    feedback = f"{claiming} of {len(draft.claims)} statements overclaim{': ' if loud else ''}{', '.join(sorted(loud))}"
    return Mark(1 - _share(claiming, len(draft.claims)), feedback)


def source_attribution(draft: Draft) -> Mark:
    texts = {
        label: set(stems(" ".join(f"{i.passage.text} {i.passage.source.summary} {i.passage.code}" for i in items)))
        for label, items in draft.evidence.sources().items()
    }
    sourced = [claim for claim in draft.claims if claim.source]
    borne = [c for c in sourced if overlap_within(stems(c.sentence), texts.get(c.source, set())) >= 0.7]
    return Mark(_share(len(borne), len(sourced)), f"{len(borne)} of {len(sourced)} citations stand in their source")


def overlap_within(words: list[str], text: set[str]) -> float:
    """Return the share of `words` found in `text`; 1 for no words."""
    return sum(word in text for word in words) / len(words) if words else 1.0


def runnable_example(draft: Draft) -> Mark:
    blocks = re.findall(r"```\w*\n(.*?)```", draft.sections.get("example", ""), re.DOTALL)
    if not blocks:
        return Mark(0.0, "There is no code to start from")
    touched = draft.index.coverage(stems(" ".join(blocks)), draft.brief.terms)
    return Mark(0.5 + 0.5 * min(touched / 0.5, 1.0), f"The example touches {touched:.0%} of the question")


def read_on(draft: Draft) -> Mark:
    links = len(re.findall(r"https?://\S+", draft.sections.get("where to read on", "")))
    return Mark(min(links / 2, 1.0), f"{count(links, 'place')} to read on")


def compares(draft: Draft) -> Mark:
    for_it = [claim for claim in draft.claims if claim.source and claim.section != AGAINST]
    speaking = {c.source for c in for_it if draft.index.coverage(stems(c.sentence), draft.brief.terms) > 0}
    named = ", ".join(sorted(speaking)) or "none"
    return Mark(min(len(speaking) / 2, 1.0), f"Options described in their own words: {named}")


def says_what_it_is(draft: Draft) -> Mark:
    opening = [claim for claim in draft.claims if claim.section == "short answer"]
    summaries = [stems(item.passage.source.summary) for item in draft.evidence.kept]
    near = max((overlap(stems(c.sentence), s) for c in opening for s in summaries), default=0.0)
    feedback = "It opens with what the thing is" if near >= 0.6 else "It does not open with what the thing is"
    return Mark(min(near / 0.6, 1.0), feedback)


RULES: dict[str, Callable[[Draft], Mark]] = {
    rule.__name__: rule
    for rule in (
        concrete,
        inline_source,
        answers,
        independent_sources,
        challenges,
        credible_sources,
        recent_sources,
        states_limits,
        short_sentences,
        no_repetition,
        no_overclaiming,
        source_attribution,
        runnable_example,
        read_on,
        compares,
        says_what_it_is,
    )
}
