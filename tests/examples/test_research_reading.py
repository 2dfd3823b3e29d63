"""What the research example reads: documentation into passages, passages into an index, questions into a brief."""

from __future__ import annotations

import re
from datetime import date

import pytest

from examples.research.corpus import installed, needed_by, paragraphs
from examples.research.index import Index
from examples.research.intake import classify, take_in
from examples.research.questions import DEMO_QUESTIONS
from examples.research.rubric import INTENTS, active_for, principles
from examples.research.rules import RULES
from examples.research.text import sentences, stem, stems


def test_the_forms_of_a_word_meet_in_one_stem() -> None:
    """A question says "validate" where the documentation says "validation"."""
    assert {stem(word) for word in ("validate", "validates", "validating", "validation")} == {"valid"}
    assert stem("sqlite3") == stem("sqlite")
    assert stems("The progress of progress bars") == ["progress", "progress", "bar"]


def test_a_library_is_a_package_and_what_it_needs_whatever_else_is_installed() -> None:
    names = needed_by("whence")

    assert {"whence", "rich", "msgspec", "mdurl"} <= names  # mdurl by way of rich
    assert not {"pytest", "jinja2", "openai"} & names  # of the development group, or an extra
    assert {re.sub(r"[-_.]+", "-", each.source.name).lower() for each in installed(date(2026, 1, 1), "whence")} <= names
    assert needed_by("no-such-package") == frozenset()


def test_sentences_survive_abbreviations_and_line_breaks() -> None:
    assert sentences("Use it, e.g. For lists. Then stop.\nA bullet") == [
        "Use it, e.g. For lists.",
        "Then stop.",
        "A bullet",
    ]


def test_markup_is_taken_off_and_code_stays_with_its_paragraph() -> None:
    readme = (
        "<p>\n![logo](a.png)\n</p>\n\n# Title\n\nSome **bold** text with a [link](http://x) in it.\n\n"
        "```python\nrun()\n```\n\n<summary>More</summary>\n\nAnother paragraph of five words."
    )

    assert list(paragraphs(readme)) == [
        ("Title", "Some bold text with a link in it.", "run()"),
        ("More", "Another paragraph of five words.", ""),
    ]


def test_restructured_text_is_read_as_well() -> None:
    readme = (
        "Title\n=====\n\n.. image:: a.png\n   :alt: x\n\nThe `documentation\n<http://x>`__, says ``run()`` and more.\n"
    )

    assert list(paragraphs(readme)) == [("Title", "The documentation, says `run()` and more.", "")]


def test_a_source_is_judged_by_what_it_declares(index: Index) -> None:
    """Maturity counts for credibility; the newest Python that a release declares dates it."""
    sources = {source.name: source for source in index.sources}

    assert sources["lampion"].credibility > sources["gleam"].credibility > sources["fossil"].credibility
    assert sources["lampion"].recency > sources["gleam"].recency > 0.5 > sources["fossil"].recency
    assert "Python 3.4" in sources["fossil"].recency_reason


def test_bm25_prefers_rare_words_and_short_passages(index: Index) -> None:
    found = index.search({"progress": 1.0, "bar": 1.0})
    scores = [score for _, score in found]

    assert scores == sorted(scores, reverse=True)
    assert "ledger" not in {passage.source.name for passage, _ in found}
    assert index.rarity("double") > index.rarity("progress")
    assert index.rarity("unheard") >= index.rarity("double")
    assert index.search({"unheard": 1.0}) == []


def test_related_words_are_those_that_keep_company(index: Index) -> None:
    related = dict(index.related(["progress"], 5))

    assert "bar" in related
    assert "account" not in related


@pytest.mark.parametrize("kind", ["intent", "bias", "domain"])
@pytest.mark.parametrize("question", [demo.question for demo in DEMO_QUESTIONS.values()] + ["", "Whatever"])
def test_the_confidences_of_a_reading_sum_to_one(kind: str, question: str) -> None:
    reading = classify(kind, question)

    assert sum(reading.confidences.values()) == pytest.approx(1.0, abs=0.001)
    assert reading.confidence == max(reading.confidences.values())
    assert len(reading.alternatives) == len(reading.confidences) - 1


@pytest.mark.parametrize(
    ("question", "intent", "bias"),
    [
        ("How do I show a progress bar?", "executing", "no_bias"),
        ("How does validation work?", "learning", "no_bias"),
        ("Which packages render tables?", "exploring", "no_bias"),
        ("Is this always better than all other wrappers?", "validating", "confirmation_bias"),
        ("Why is it so slow?", "learning", "presupposition"),
        ("What is the best wrapper?", "learning", "superlative_framing"),
    ],
)
def test_the_wording_tells_intent_and_bias(question: str, intent: str, bias: str) -> None:
    assert (classify("intent", question).label, classify("bias", question).label) == (intent, bias)


def test_a_brief_knows_the_packages_it_names(index: Index) -> None:
    brief = take_in("Is lampion better than gleam?", index)

    assert set(brief.named) == {"lampion", "gleam"}
    assert "Lampion" not in brief.terms.values()


def test_the_rubric_follows_the_intent() -> None:
    """Every principle is active for some intent, and every rule it names exists."""
    active = {intent: set(active_for(intent).ids()) for intent in INTENTS}

    assert "META-5" in active["validating"]
    assert "META-5" not in active["executing"]
    assert "RS-1" in active["executing"]
    assert set.union(*active.values()) == {principle.id for principle in principles()}
    assert {principle.rule for principle in principles()} == set(RULES)
    assert len(principles()) >= 12
