"""What the research example writes: evidence with reasons, a report with citations, a verdict, a better plan."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from examples.research.collection import collect
from examples.research.evidence import THRESHOLD, Evidence
from examples.research.index import Index
from examples.research.intake import Brief, take_in
from examples.research.plan import REMEDIES, Plan, first_plan, revise
from examples.research.quality_gate import PrincipleScore, assess, score_principles, weigh
from examples.research.rubric import active_for, principles
from examples.research.rules import RULES, read
from examples.research.synthesis import CITATION, quote

QUESTION = "How do I show a progress bar in a terminal?"
LOADED = "Is lampion always better than every other terminal progress bar?"


def gather(question: str, index: Index, **changes: object) -> tuple[Brief, Plan, Evidence]:
    brief = take_in(question, index)
    plan = replace(first_plan(brief), **changes)  # type: ignore[arg-type]
    return brief, plan, collect(brief, plan, index)


def test_what_is_left_out_has_a_reason_that_its_scores_bear_out(index: Index) -> None:
    _, _, evidence = gather(QUESTION, index, source_share=0.0)
    reasons = {rejected.passage.source.name: rejected.reason for rejected in evidence.filtered}

    assert "credibility" in reasons["fossil"]
    assert any("'License' is about the project" in rejected.reason for rejected in evidence.filtered)
    for rejected in evidence.filtered:
        if rejected.reason.startswith("composite"):
            assert rejected.scores.composite < THRESHOLD
    assert all(item.scores.composite >= THRESHOLD for item in evidence.kept)


def test_a_passage_is_kept_or_left_out_but_never_both(index: Index) -> None:
    _, _, evidence = gather(LOADED, index, counter_evidence=True, evidence_budget=2)
    kept = [item.passage for item in evidence.kept]
    record = evidence.as_record()

    assert len(set(kept)) == len(kept)
    assert record["collected_count"] == len(evidence.kept) + len(evidence.filtered)
    assert {"relevance", "specificity", "credibility", "recency", "composite"} == set(record["kept"][0]["scores"])  # type: ignore[index]


def test_collection_can_be_interrupted_between_two_packages(index: Index) -> None:
    brief = take_in(QUESTION, index)
    seen: list[int] = []

    collect(brief, first_plan(brief), index, after_source=seen.append)

    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 2


def test_every_citation_stands_in_the_evidence(index: Index) -> None:
    """The writer is extractive: each sentence it cites is in a passage of the package it names."""
    brief, plan, evidence = gather(QUESTION, index)
    markdown = quote(brief, evidence, plan, index)
    texts = {label: " ".join(i.passage.text for i in items) for label, items in evidence.sources().items()}

    claims = read(markdown, brief, evidence, index).claims
    assert claims
    assert set(CITATION.findall(markdown)) <= set(texts)
    for claim in claims:
        assert re.sub(r"\W+$", "", claim.sentence) in texts[claim.source]


def test_the_plan_shapes_the_report(index: Index) -> None:
    brief, plan, evidence = gather(QUESTION, index)
    plain = quote(brief, evidence, replace(plan, example=False, read_on=False), index)
    full = quote(brief, evidence, plan, index)

    assert "## Example" not in plain
    assert "from lampion import track" in full
    assert "## Where to read on" in full


def test_a_report_without_evidence_says_so_and_fails(index: Index) -> None:
    brief, plan, evidence = gather("What is the best way to train horses?", index)
    markdown = quote(brief, evidence, plan, index)

    assessment = assess(markdown, brief, active_for(brief.intent.label), evidence, index)

    assert evidence.missing == ("train", "horses")
    assert "No installed package speaks of: train, horses." in markdown
    assert not assessment.passed
    assert assessment.gaps[0].principle.id == "META-3"


def test_counter_evidence_mends_a_loaded_question(index: Index) -> None:
    """The gap that a leaning question opens is closed by the remedy that the retry chooses for it."""
    brief, plan, evidence = gather(LOADED, index)
    rubric = active_for(brief.intent.label)
    before = assess(quote(brief, evidence, plan, index), brief, rubric, evidence, index)

    gaps = tuple(gap.principle for gap in before.gaps)
    revised, changes = revise(plan, gaps, overall=before.overall, before=None, attempts_left=2)
    again = collect(brief, revised, index)
    after = assess(quote(brief, again, revised, index), brief, rubric, again, index)

    assert "META-5" in [gap.id for gap in gaps]
    assert any("counter-evidence for META-5" in change for change in changes)
    assert revised.attempt == plan.attempt + 1
    assert "META-5" not in [gap.principle.id for gap in after.gaps]
    assert after.overall > before.overall


@pytest.mark.parametrize("rule", sorted(REMEDIES))
def test_every_remedy_changes_the_plan(rule: str) -> None:
    principle = next(principle for principle in principles() if principle.rule == rule)

    revised, changes = revise(Plan(), (principle,), overall=1.0, before=None, attempts_left=1)

    assert replace(revised, attempt=1) != Plan()
    assert len(changes) == 1


@pytest.mark.parametrize(
    ("before", "attempts_left", "rule"), [(None, 0, "challenges"), (1.0, 1, "challenges"), (None, 1, "states_limits")]
)
def test_a_retry_without_prospect_is_not_made(before: float | None, attempts_left: int, rule: str) -> None:
    """No attempt left, no progress since the last one, or no remedy."""
    gap = next(principle for principle in principles() if principle.rule == rule)

    plan, changes = revise(Plan(), (gap,), overall=1.0, before=before, attempts_left=attempts_left)

    assert (plan, changes) == (Plan(), [])


def marks(**scores: int) -> tuple[PrincipleScore, ...]:
    """Scores by rule name; 3 for the others."""
    ratios = (0.2, 0.5, 0.8, 1.0)
    return tuple(
        PrincipleScore(
            principle=principle,
            score=scores.get(principle.rule, 3),
            ratio=ratios[scores.get(principle.rule, 3)],
            feedback="",
        )
        for principle in principles()
    )


def test_the_gate_passes_on_the_weighted_mean() -> None:
    everything = weigh(marks())
    halves = weigh(marks(**dict.fromkeys(RULES, 1)))

    assert (everything.overall, everything.passed, everything.confidence) == (3.0, True, 1.0)
    assert (halves.overall, halves.passed) == (1.0, False)
    assert len(everything.strengths) == len(principles())
    assert [gap.principle.weight for gap in halves.gaps] == sorted((p.weight for p in principles()), reverse=True)


def test_one_critical_gap_fails_a_report_whatever_the_mean() -> None:
    assessment = weigh(marks(answers=1))

    assert assessment.overall > 2.5
    assert not assessment.passed
    assert "META-3 Answers the Question scores 1" in assessment.why
    assert 0.5 <= assessment.confidence < 1.0


def test_the_rules_read_a_report_that_someone_else_wrote(index: Index) -> None:
    """A model's report is judged by its text: an invented citation and an advertisement are found."""
    brief, _, evidence = gather(QUESTION, index)
    draft = read(
        "# x\n\n## Short answer\n\nLampion draws progress bars in any terminal. [lampion 1.2] "
        "It is simply the best bar for horses, ponies and donkeys. [lampion 1.2]\n\nUncited words stand here.\n",
        brief,
        evidence,
        index,
    )
    scored = {score.principle.rule: score for score in score_principles(draft, active_for("executing"))}

    assert [claim.source for claim in draft.claims] == ["lampion 1.2", "lampion 1.2", ""]
    assert scored["inline_source"].ratio == pytest.approx(2 / 3, abs=0.01)
    assert scored["source_attribution"].ratio == 0.5
    assert "best, simply" in scored["no_overclaiming"].feedback
    assert scored["states_limits"].score == 0
    assert scored["runnable_example"].score == 0
