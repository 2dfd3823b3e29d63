"""Messages that differ only in what varies have one template, in any order; messages that say different things have two."""

import random
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.measure import templates as module
from whence.measure.templates import ANY, MAX_TEMPLATE, Templates, mine, template_of

words = st.sampled_from(
    ["cache", "miss", "for", "key", "node17", "10.0.0.1", "'x'", "5", "ms", "/tmp/a.txt", "failed", "=", "a=1"]
)
lines = st.lists(words, max_size=8).map(" ".join)


# --- one message ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("Connection to 10.0.0.1 failed", "Connection to <ip> failed"),
        (
            "Connection to 10.0.0.2:8080 failed after 5 ms, retry 3",
            "Connection to <ip> failed after <dur>, retry <num>",
        ),
        ("bind [2001:db8::2]:80 or ::1", "bind [<ip>]:<num> or <ip>"),
        ("can't open '/tmp/x y.txt' or \"b\"", "can't open <str> or <str>"),
        ("KeyError: 'title'", "KeyError: <str>"),
        ("GET /api/v1/users/123 took 1.5s, 12MB", "GET <path> took <dur>, <size>"),
        ("see src/app/main.py:12:5 and C:\\Users\\ann\\a.log", "see <path>:<num> and <path>"),
        ("2026-01-31 10:00:00,123 ERROR disk at 93%", "<time> ERROR disk at <num>%"),
        ("2026-01-31T10:00:00.5Z from ann@example.org", "<time> from <email>"),
        ("get https://example.org/a?b=1 -> 404", "get <url> -> <num>"),
        ("id=550e8400-e29b-41d4-a716-446655440000, n=-5", "id=<uuid>, n=<num>"),
        ("commit deadbeef12 at 0xFFE0", "commit <hex> at <hex>"),
        ("run trace_8f3a9b2c11aa of chatcmpl-9xYzAbCdEfGh1234567", "run trace_<hex> of chatcmpl-<id>"),
        ("scores [0.1, 0.2, 0.3, 0.4, 1e-5] 1,2,3", "scores [<num>, <num>, <num>] <num>"),
        ('{"a":["x","y"],"b":[1,2,3]}', "{<str>:[<str>],<str>:[<num>]}"),
        ("worker-3 lost", "worker-<num> lost"),
        ("five\tspaces \n and lines", "five spaces and lines"),
    ],
)
def test_what_varies_becomes_a_placeholder(message: str, template: str) -> None:
    assert template_of(message) == template


@pytest.mark.parametrize(
    "message",
    [
        "node17 of gpt-4o speaks utf8 and v2",
        "std::vector is not a/b",
        "and/or n/a",
        "don't, won't, can't",
        "deadbeef feeds",
        "/ - = !",
    ],
)
def test_names_and_words_are_no_variables(message: str) -> None:
    assert template_of(message) == message


def test_the_same_duration_and_list_however_written() -> None:
    assert template_of("took 5ms") == template_of("took 3 seconds") == template_of("took 1.5 s") == "took <dur>"
    assert template_of("ids 1, 2, 3, 4") == template_of("ids 1, 2, 3") == "ids <num>, <num>"
    assert len({template_of(f"dim {','.join(map(str, range(n)))}") for n in range(2, 30)}) == 1


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("", "<empty>"),
        (" \t\r\n ", "<empty>"),
        ("\x00\x1b", "<empty>"),
        ("\x1b[31mred\x1b[0m \x00alert\x07 \u202eright\ud800", "red alert right"),
        (None, "<NoneType>"),
        (b"bytes", "<bytes>"),
        ({"a": 1}, "<dict>"),
        (ValueError("x"), "<ValueError>"),
    ],
)
def test_what_is_no_message_is_described(message: object, template: str) -> None:
    assert template_of(message) == template


def test_foreign_code_is_never_asked() -> None:
    class Hostile(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise RuntimeError("asked")

        __repr__ = __len__ = __getitem__ = __contains__ = __str__  # type: ignore[assignment]

    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("asked")

        __repr__ = __str__

    assert template_of(Hostile("lost 5")) == "lost <num>"
    assert mine([Mute(), Hostile("lost 5"), "lost 6"]) == {"<Mute>": [0], "lost <num>": [1, 2]}


def test_long_messages_stay_apart_behind_the_cut() -> None:
    """Fifty characters made one of two; two hundred would too, but for the mark of the whole."""
    first, second = "lost " * 60 + "in the parser", "lost " * 60 + "in the store"

    assert template_of(first) != template_of(second)
    assert template_of(first)[:190] == template_of(second)[:190]
    assert len(template_of(first)) == MAX_TEMPLATE
    assert template_of("lost " * 60 + "at 5") == template_of("lost " * 60 + "at 6")


@given(st.text() | st.text(string.digits + string.punctuation + "ab “”\\"))
def test_a_template_is_bounded_printable_and_stable(message: str) -> None:
    template = template_of(message)

    assert 0 < len(template) <= MAX_TEMPLATE
    assert template == template_of(message) == template_of(f"  {message}\n")
    template.encode()
    assert not any(ord(each) < 32 for each in template)


@pytest.mark.parametrize(
    "unit",
    [
        "'",
        "\"'`",
        "“",
        "/",
        "1.",
        "1,",
        "a:",
        "1:",
        "a@",
        "a-",
        "a/b",
        "a/=",
        "a/.a",
        "1s",
        "1",
        "a",
        "a1",
        "\x1b[",
        "a://",
        "c:\\",
        "<num>",
        "é",
    ],
)
def test_long_hostile_lines_are_cut_and_end(unit: str) -> None:
    """100 kB of what the patterns begin with. That each character is read a bounded number of times is argued in the module."""
    line = unit * (100_000 // len(unit))

    assert len(template_of(line)) <= MAX_TEMPLATE
    assert mine([line, line + "!", line]) == {next(iter(mine([line]))): [0, 1, 2]}


# --- many messages --------------------------------------------------------------------------------------------------


def test_one_pattern_is_one_template_and_two_are_two() -> None:
    """What the first fifty characters got wrong both ways."""
    prefix = "The quality gate of stage synthesis was not passed because"
    messages = [
        "Connection to 10.0.0.1 failed",
        f"{prefix} no source supports claim 3 of the report",
        "Connection to 10.0.0.2 failed",
        f"{prefix} too much was paid",
    ]

    assert mine(messages) == {
        "Connection to <ip> failed": [0, 2],
        f"{prefix} no source supports claim <num> of the report": [1],
        f"{prefix} too much was paid": [3],
    }


def test_what_no_mask_knows_is_found_by_comparing() -> None:
    messages = [
        f"Tool search refused user {name} of team {team}" for name in ("ann", "bob", "eve") for team in ("red", "blue")
    ]

    assert mine([*messages, "node17 is down", "node18 is down"]) == {
        "Tool search refused user <*> of team <*>": [0, 1, 2, 3, 4, 5],
        "<*> is down": [6, 7],
    }


def test_nothing_to_mine() -> None:
    assert mine([]) == {}
    assert mine(["", None, " "]) == {"<NoneType>": [1], "<empty>": [0, 2]}


@given(st.lists(lines, max_size=40), st.randoms(use_true_random=False))
def test_the_same_messages_give_the_same_templates_in_any_order(messages: list[str], dice: random.Random) -> None:
    order = list(range(len(messages)))
    dice.shuffle(order)
    here = mine(messages)
    there = mine(messages[i] for i in order)

    assert list(there) == list(here)
    assert {text: sorted(order[i] for i in found) for text, found in there.items()} == here


@given(st.lists(lines, min_size=1, max_size=20), st.lists(st.integers(1, 4), min_size=20, max_size=20))
def test_how_often_a_message_comes_changes_no_template(messages: list[str], times: list[int]) -> None:
    repeated = [each for each, n in zip(messages, times, strict=False) for _ in range(n)]

    assert list(mine(repeated)) == list(mine(messages))


@given(st.lists(lines, max_size=40))
def test_every_message_has_one_template_that_covers_it(messages: list[str]) -> None:
    found = mine(messages)

    assert sorted(index for members in found.values() for index in members) == list(range(len(messages)))
    for template, members in found.items():
        assert members == sorted(members)
        for index in members:
            masked = template_of(messages[index]).split(" ")
            assert len(masked) == len(template.split(" "))
            assert all(want in (ANY, got) for want, got in zip(template.split(" "), masked, strict=True))


def test_a_shuffled_log_of_fifty_templates_is_fifty_templates() -> None:
    dice = random.Random(1)
    vocabulary = [first + second for first in string.ascii_lowercase for second in string.ascii_lowercase]
    known = [" ".join(dice.sample(vocabulary, dice.randint(6, 12))) for _ in range(50)]
    log = [
        f"{dice.choice(known)} took {dice.randint(1, 9999)} ms from 10.0.0.{dice.randint(1, 255)}" for _ in range(2_000)
    ]

    assert list(mine(log)) == sorted(f"{each} took <dur> from <ip>" for each in known)


def test_more_distinct_messages_than_any_leaf_holds() -> None:
    """Beyond 100 first tokens share a node, beyond 256 clusters share one: bounded work, and order still counts for nothing."""
    dice = random.Random(2)
    messages = [" ".join("".join(dice.choices(string.ascii_lowercase, k=6)) for _ in range(5)) for _ in range(3_000)]
    found = mine(messages)

    assert len(found) < 1_000
    assert sum(map(len, found.values())) == 3_000
    dice.shuffle(messages)
    assert list(mine(messages)) == list(found)


def test_thousands_of_distinct_tokens_in_one_message() -> None:
    tokens = ["".join(each) for each in zip(*[iter(string.ascii_lowercase * 200)] * 3, strict=False)]
    (template,) = mine([" ".join(tokens)])

    assert template.endswith(module.REST)
    assert len(template.split(" ")) == module.MAX_TOKENS + 1


def test_the_caches_are_bounded() -> None:
    for n in range(9_000):
        template_of(f"key{n}x {'y' * 100}{n}")
    info = module._mask_short.cache_info()

    assert info.currsize <= info.maxsize == 8_192  # type: ignore[operator]
    assert sys.getsizeof(template_of("z" * 5_000)) < 1_000


# --- as they come ---------------------------------------------------------------------------------------------------


def test_templates_online() -> None:
    templates = Templates()

    assert templates.of("user ann logged in from 10.0.0.1") is None
    assert templates.add("user ann logged in from 10.0.0.1") == 0
    assert templates.add("disk is full") == 1
    assert templates.of("user ann logged in from 10.9.9.9") == "user ann logged in from <ip>"
    assert templates.add("user ann logged out from 10.0.0.3") == 0
    assert [tuple(each) for each in templates.clusters] == [
        (0, "user ann logged <*> from <ip>", 2),
        (1, "disk is full", 1),
    ]
    assert templates.of("disk is gone and burnt") is None


def test_a_message_joins_the_most_similar_cluster() -> None:
    templates = Templates()

    assert templates.add("p q a b c d e f g h") == 0
    assert templates.add("p q r s t u v w x y") == 1
    assert templates.add("p q a b t u v w x y") == 1  # 8 of 10 tokens, where the first cluster shares 4


def test_a_full_leaf_puts_what_is_unlike_all_into_one_cluster() -> None:
    templates = Templates()
    for first in string.ascii_lowercase:
        for second in string.ascii_lowercase:
            templates.add(f"p q {' '.join([first + second] * 8)}")

    assert len(templates.clusters) == module.MAX_LEAF + 1
    assert templates.clusters[-1].template == "p q" + " <*>" * 8
    assert templates.clusters[-1].size == 26 * 26 - module.MAX_LEAF


@settings(max_examples=50)
@given(st.lists(lines, min_size=1, max_size=30))
def test_what_was_added_is_found_again(messages: list[str]) -> None:
    templates = Templates()
    ids = [templates.add(each) for each in messages]
    known = {each.template for each in templates.clusters}

    assert all(templates.of(each) in known for each in messages)
    assert sum(each.size for each in templates.clusters) == len(messages)
    assert set(ids) == {each.cluster_id for each in templates.clusters} == set(range(len(known) or 1)) | set(ids)
    again = [templates.add(each) for each in messages]
    assert len(templates.clusters) == len(set(ids) | set(again)) == len(set(ids))
