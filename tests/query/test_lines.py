"""Lines of two versions side by side: what is the same is the same, and the difference makes the one of the other."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from whence.query.lines import Block, aligned, changed, counts, kept, lines_of, unified

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "d", "", "}", "e", "f"]), max_size=30)
UNIQUE = st.lists(st.integers(0, 60).map(str), max_size=40, unique=True)


@given(st.one_of(st.tuples(TEXTS, TEXTS), st.tuples(UNIQUE, UNIQUE)))
def test_blocks_are_the_same_in_both_and_in_order(texts: tuple[list[str], list[str]]) -> None:
    a, b = texts
    blocks = aligned(a, b)

    for block in blocks:
        assert block.size > 0
        assert a[block.a : block.a + block.size] == b[block.b : block.b + block.size]
    for one, following in pairwise(blocks):
        assert one.a + one.size <= following.a
        assert one.b + one.size <= following.b
        assert (one.a + one.size, one.b + one.size) != (following.a, following.b)
    added, removed = counts(blocks, len(a), len(b))
    assert len(a) - removed == len(b) - added == sum(block.size for block in blocks)


@given(UNIQUE, st.data())
def test_lines_that_stayed_in_order_are_all_found(a: list[str], data: st.DataObject) -> None:
    stay = [line for line in a if data.draw(st.booleans())]
    b = list(stay)
    for n in range(data.draw(st.integers(0, 5))):
        b.insert(data.draw(st.integers(0, len(b))), f"new {n}")

    assert sum(block.size for block in aligned(a, b)) == len(stay)


def test_of_lines_that_changed_places_the_longest_series_is_kept() -> None:
    a = ["head", "one", "two", "three", "four", "tail"]
    b = ["head", "four", "one", "two", "three", "tail"]

    assert aligned(a, b) == [Block(0, 0, 1), Block(1, 2, 3), Block(5, 5, 1)]


@given(TEXTS, TEXTS, st.data())
def test_the_parts_of_a_range_cover_it_once(a: list[str], b: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(b)))
    count = data.draw(st.integers(0, len(b) - start))

    parts = list(kept(aligned(a, b), start, count))

    assert [n for at, size, _ in parts for n in range(at, at + size)] == list(range(start, start + count))
    assert all(b[at : at + size] == a[there : there + size] for at, size, there in parts if there is not None)


@given(TEXTS, TEXTS)
def test_the_difference_makes_the_one_of_the_other(a: list[str], b: list[str]) -> None:
    hunks = unified(a, b, aligned(a, b))

    made, at = list[str](), 0
    for line in hunks.split("\n") if hunks else []:
        head = re.fullmatch(r"@@ -(\d+),(\d+) \+(\d+),(\d+) @@", line)
        if head is not None:
            begin = int(head[1]) - (1 if int(head[2]) else 0)
            made += a[at:begin]
            at = begin
            assert len(made) == int(head[3]) - (1 if int(head[4]) else 0)
        elif line.startswith("+"):
            made.append(line[1:])
        else:
            assert a[at] == line[1:]
            made += [a[at]] if line.startswith(" ") else []
            at += 1
    assert made + a[at:] == b
    assert (hunks == "") == (a == b)


@given(TEXTS, TEXTS)
def test_what_is_between_the_blocks_is_all_that_changed(a: list[str], b: list[str]) -> None:
    made, at = list[str](), 0
    for a0, a1, b0, b1 in changed(aligned(a, b), len(a), len(b)):
        made += a[at:a0] + b[b0:b1]
        at = a1

    assert made + a[at:] == b


def test_a_hunk_may_be_only_what_is_near_a_line() -> None:
    a = [str(n) for n in range(40)]
    b = [*a[:5], "new", *a[5:30], "newer", *a[30:]]

    assert unified(a, b, aligned(a, b), around=range(5, 6)).splitlines() == [
        "@@ -3,6 +3,7 @@", " 2", " 3", " 4", "+new", " 5", " 6", " 7"
    ]  # fmt: skip
    assert "+newer" not in unified(a, b, aligned(a, b), around=range(5, 6))
    assert unified(a, b, aligned(a, b), around=range(20, 21)) == ""
    assert unified([], a, [], around=range(20, 21)).splitlines()[0] == "@@ -0,0 +18,7 @@"
    assert unified([], a, [], most=3).splitlines() == ["@@ -0,0 +1,40 @@", "+0", "+1", "… 38 more lines"]


def test_lines_end_with_a_line_feed_and_nothing_else() -> None:
    assert lines_of("") == []
    assert lines_of("\n") == [""]
    assert lines_of("a\nb") == lines_of("a\nb\n") == ["a", "b"]
    assert lines_of("a\r\n\x0b\u2028b\n\n") == ["a\r", "\x0b\u2028b", ""]
