"""Questions worth asking, each for what its run shows. What they score is up to the packages installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question, and why it is here."""

    question: str
    shows: str


DEMO_QUESTIONS = {
    "passes": DemoQuestion(
        "How do I show a progress bar in a terminal?",
        "A plain question with rich documentation: the first report passes the gate.",
    ),
    "retries": DemoQuestion(
        "Is apsw always better than every other SQLite wrapper?",
        "A loaded question: the first report confirms it, the gate asks for counter-evidence, the second brings it.",
    ),
    "fails": DemoQuestion(
        "Why does mdurl decode percent-encoded addresses so slowly?",
        "A presupposition on a package that documents next to nothing: no retry can make up for missing sources.",
    ),
    "killed": DemoQuestion(
        "Which packages handle markdown?",
        "Several packages to go through, so that a process killed in the middle of collection leaves a trail.",
    ),
}
