"""Times, names and intents of a question, each by itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.assist.conftest import NOW_NS
from tests.builders import encoded
from whence.assist.known import Known
from whence.assist.lexicon import lexicon, one_off
from whence.assist.normalising import MOST_CHARS, clean, key_of, words_of
from whence.assist.parsing import Understood, understand
from whence.assist.timewords import times_of
from whence.query.timerange import parse_range
from whence.store.memory import MemoryStore


def asked(question: str, store: MemoryStore) -> Understood:
    return understand(question, Known(store), now_ns=NOW_NS)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("in the last hour", "1h"),
        ("last_1h", "last_1h"),
        ("in the last 15 minutes", "15m"),
        ("over the past couple of days", "2d"),
        ("24 hours", "24h"),
        ("3 days ago", "3d"),
        ("last half an hour", "30m"),
        ("today", "today"),
        ("yesterday?", "yesterday"),
        ("since Monday", "2025-12-29"),
        ("since Thursday", "2026-01-01"),
        ("this week", "2025-12-29"),
        ("this month", "2026-01-01"),
        ("last week", "7d"),
        ("last month", "30d"),
        ("on 2026-11-20", "2026-11-20/2026-11-21"),
        ("since 2025-12-31T10:30Z", "2025-12-31T10:30Z"),
        ("2025-11-01/2025-11-20", "2025-11-01/2025-11-20"),
    ],
)
def test_words_of_time_become_ranges_of_the_one_grammar(said: str, expected: str) -> None:
    """Whatever comes out is accepted by `--since` and means the same there (C4.6)."""
    times = times_of(words_of(clean(f"what failed {said}")), now_ns=NOW_NS)

    assert times.window is not None, times
    assert times.window.range == expected
    assert (times.window.since_ns, times.window.until_ns) == parse_range(expected, now_ns=NOW_NS)
    assert [each.lower for each in times.rest] == ["what", "failed"]


@pytest.mark.parametrize(
    "said",
    [
        "recently",
        "last fortnight",
        "this afternoon",
        "last year",
        "today and yesterday",
        "on 2026-02-31",
        "last half day",
    ],
)
def test_a_time_that_is_not_understood_is_asked_back(said: str, store: MemoryStore) -> None:
    """No unknown time silently means an hour, or for ever."""
    back = asked(f"what failed {said}", store).ask

    assert back is not None
    assert "time" in back.question
    assert "last hour" in back.choices


@pytest.mark.parametrize(
    "said",
    ["Workflow-789?", "workflow-789", "WORKFLOW_789", "(workflow 789)", "workflow/workflow-789", "“Workflow-789”'s"],
)
def test_a_component_is_found_in_any_case_and_punctuation(said: str, store: MemoryStore) -> None:
    """C4.7: ids are matched whole against those that are known."""
    query = asked(f"is {said} healthy", store).query

    assert query is not None
    assert [each.id for each in query.subjects] == ["workflow/workflow-789"]


@pytest.mark.parametrize("said", ["workflow-78", "workflow-7890", "orkflow-789"])
def test_a_part_of_an_id_is_never_taken_for_it(said: str, store: MemoryStore) -> None:
    back = asked(f"why is {said} failing", store).ask

    assert back is not None
    assert "did you mean workflow/workflow-789" in back.question


def test_an_id_that_two_components_have_is_asked_back() -> None:
    store = MemoryStore()
    store.accept([encoded(1, component="agent/a-1"), encoded(2, component="browser/a-1")])

    back = asked("is a-1 healthy", store).ask
    one = asked("is agent a-1 healthy", store).query

    assert back is not None
    assert set(back.choices) == {"component agent/a-1", "component browser/a-1"}
    assert one is not None
    assert one.subjects[0].id == "agent/a-1"


def test_two_intents_that_are_equally_likely_are_asked_back(store: MemoryStore) -> None:
    even = asked("drift or decision", store)

    assert even.query is None
    assert even.scored.share == 0.5
    assert even.ask is not None
    assert len(even.ask.choices) == 2


def test_a_denied_word_asks_for_the_opposite(store: MemoryStore) -> None:
    """“Not failing” is about health, “not healthy” about failure."""
    well, bad = asked("db-1 is not failing", store).query, asked("db-1 is not healthy", store).query

    assert well is not None
    assert bad is not None
    assert (well.intent, bad.intent) == ("health", "failure")


@pytest.mark.parametrize(
    ("question", "command"),
    [
        ("is workflow-789 healthy in the last hour", "whence health workflow workflow-789 --range 1h"),
        ("what does t01-01 mean", "whence codes explain T01-01"),
        ("cost per day this week in project shop", "whence cost --by day --since 2025-12-29 --project shop"),
        ("who wrote app/main.py:3", "whence blame app/main.py:3"),
    ],
)
def test_the_query_is_shown_as_a_command(question: str, command: str, store: MemoryStore) -> None:
    query = asked(question, store).query

    assert query is not None
    assert query.command == command


def test_one_letter_off_is_a_misspelling_and_two_are_not() -> None:
    near = ("failng", "fialing", "faiiling", "fauling")
    assert all(one_off(each, "failing") for each in near)
    assert not any(one_off(each, "failing") for each in ("failing", "fail", "faulinx"))


def test_an_inflected_word_has_the_stem_of_its_word() -> None:
    stem = lexicon().stem
    for word, forms in {
        "fail": ("fails", "failed", "failing", "failure"),
        "choose": ("chose", "chosen", "choosing"),
        "slow": ("slower", "slowly"),
    }.items():
        assert {stem(each) for each in forms} == {stem(word)}


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_a_question(text: str) -> None:
    """Cleaning is idempotent, bounded, and leaves no control; every word has a key."""
    cleaned = clean(text)

    assert clean(cleaned) == cleaned
    assert len(cleaned) <= MOST_CHARS
    assert cleaned.isprintable()
    assert all(key_of(each.text) for each in words_of(cleaned))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                "last",
                "past",
                "hour",
                "15",
                "minutes",
                "days",
                "since",
                "monday",
                "this",
                "week",
                "a",
                "half",
                "of",
                "0",
                "ago",
                "today",
                "99999999",
                "2026-01-01",
            ]
        ),
        max_size=7,
    )
)
def test_any_words_of_time_give_a_window_or_are_unclear(words: list[str]) -> None:
    """Never both, and a window is one that the grammar accepts."""
    times = times_of(words_of(" ".join(words)), now_ns=NOW_NS)

    assert not (times.window and times.unclear)
    if times.window is not None:
        assert parse_range(times.window.range, now_ns=NOW_NS)[0] == times.window.since_ns
