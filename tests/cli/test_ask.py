"""`whence ask` on real runs: what people see, what programs read, how it ends."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

Call = Callable[..., tuple[int, str, str]]


def test_an_answer_shows_its_evidence_its_query_and_its_confidence(call: Call) -> None:
    code, shown, said = call("ask", "why did the last failed run fail?")

    assert (code, said) == (0, "")
    assert "• " in shown
    assert "[" in shown
    assert "Asked\n  $ " in shown
    assert "why " in shown
    assert "Confidence  0." in shown or "Confidence  1." in shown
    assert all(cell_len(line) <= 80 or line.startswith("  $ ") for line in shown.splitlines())


def test_words_need_no_quotes(call: Call) -> None:
    assert call("ask", "what", "did", "it", "cost") == call("ask", "what did it cost")


def test_json_is_one_document_with_the_typed_query(ask: Callable[..., Any]) -> None:
    found = ask("ask", "what did the calls cost per model?")

    assert found["known"] is True
    assert found["query"]["intent"] == "cost"
    assert found["command"] == "whence cost --by model"
    assert {
        "answer",
        "confidence",
        "basis",
        "evidence",
        "related_insights",
        "suggestions",
        "clarification_needed",
    } <= set(found)
    assert all(each["evidence"] for each in found["sentences"])


def test_the_command_that_is_shown_runs(call: Call) -> None:
    """Every command is accepted as it stands, times included."""
    for question in (
        "what did it cost this week",
        "which principles fall short",
        "overall status today",
        "why did the last failed run fail",
        "which components are healthy",
        "is collection healthy this week",
        "which problems are open since yesterday",
        "how far is the last run",
        "what was decided about the source",
        "what does T01-01 mean",
        "compare the last run with the previous run",
        "show the most common errors",
    ):
        code, shown, _ = call("ask", question, "--json")
        words = shlex.split(json.loads(shown)["command"])
        assert code in (0, 3), question
        assert call(*words[1:])[0] in (0, 3), words


@pytest.mark.parametrize(
    "question", ["is worker-4711 healthy", "what failed in the last fortnight", "costs of 1999-01-01"]
)
def test_what_is_asked_back_or_not_known_ends_with_3(call: Call, question: str) -> None:
    code, shown, said = call("ask", question)

    assert (code, said) == (3, "")
    assert shown.strip()


def test_choices_are_listed_where_it_asks_back(call: Call) -> None:
    assert "· last hour" in call("ask", "what failed recently")[1]


def test_without_a_question_and_a_terminal_it_is_refused(call: Call) -> None:
    code, _, said = call("ask")

    assert code == 2
    assert "no question" in said


def test_a_wrong_model_setting_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHENCE_ASK_MODEL", "nonsense")

    code, _, said = call("ask", "what did it cost")

    assert code == 2
    assert "URL#MODEL" in said
