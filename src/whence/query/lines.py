"""Lines of two versions of a text, put side by side. Pure functions.

Lines end with "\\n" and nothing else; whether the last one ends so does not count. A line that occurs once in both versions
is the same line wherever its neighbours went; lines that repeat are told apart by their place between those, so of
several equal lines it may be another one that is said to be new.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, NamedTuple

MOST_WORK: Final = 4_000_000
"""Steps at most to align lines that repeat (about a second); beyond that they are said to be changed."""
CONTEXT: Final = 3


class Block(NamedTuple):
    """Lines that are the same in two versions: where they begin in each, from 0, and how many."""

    a: int
    b: int
    size: int


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, without their ends."""
    if not text:
        return []
    return (text[:-1] if text.endswith("\n") else text).split("\n")


def aligned(a: Sequence[str], b: Sequence[str]) -> list[Block]:
    """Return the blocks of lines that are the same in two versions, in order in both."""
    head = _common_head(a, b)
    tail = _common_tail(a, b, head)
    blocks = [Block(0, 0, head)] if head else []
    blocks += _between(a, b, head, len(a) - tail, head, len(b) - tail)
    if tail:
        blocks.append(Block(len(a) - tail, len(b) - tail, tail))
    return _merged(blocks)


def _common_head(a: Sequence[str], b: Sequence[str]) -> int:
    low, high = 0, min(len(a), len(b))
    if a[:high] == b[:high]:
        return high
    while high - low > 1:  # slices are compared in C: ten times as fast as a loop here
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _common_tail(a: Sequence[str], b: Sequence[str], head: int) -> int:
    low, high = 0, min(len(a), len(b)) - head
    if high <= 0 or a[len(a) - high :] == b[len(b) - high :]:
        return max(high, 0)
    while high - low > 1:
        middle = (low + high) // 2
        if a[len(a) - middle : len(a) - low] == b[len(b) - middle : len(b) - low]:
            low = middle
        else:
            high = middle
    return low


def _between(a: Sequence[str], b: Sequence[str], a0: int, a1: int, b0: int, b1: int) -> Iterator[Block]:
    """Yield the blocks within two ranges: between the lines that are unique in both; what is left by difflib."""
    waiting = [(a0, a1, b0, b1)]
    while waiting:
        a0, a1, b0, b1 = waiting.pop()
        if a0 >= a1 or b0 >= b1:
            continue
        anchors = _anchors(a, b, a0, a1, b0, b1)
        if not anchors:
            yield from _repeating(a[a0:a1], b[b0:b1], a0, b0)
            continue
        below_a, below_b, size = a0, b0, 0  # the end of the block before, and how many lines the one at hand has
        for at_a, at_b in (*anchors, (a1, b1)):
            if size and (at_a, at_b) == (below_a + size, below_b + size) and at_a < a1:
                size += 1
                continue
            if size:
                yield Block(below_a, below_b, size)
                below_a, below_b = below_a + size, below_b + size
            waiting.append((below_a, at_a, below_b, at_b))
            below_a, below_b, size = at_a, at_b, 1


def _anchors(a: Sequence[str], b: Sequence[str], a0: int, a1: int, b0: int, b1: int) -> list[tuple[int, int]]:
    """Return the longest series of lines, in order in both, that occur once in both ranges (patience diff)."""
    in_a, in_b = _once(a, a0, a1), _once(b, b0, b1)
    pairs = [(at, in_b[line]) for line, at in in_a.items() if at >= 0 and in_b.get(line, -1) >= 0]
    places = [at_b for _, at_b in pairs]
    if places == sorted(places):
        return pairs
    ends: list[int] = []  # the smallest place in b that a series of each length ends with
    last: list[int] = []  # of that series, which pair ends it
    before: list[int] = []
    for number, (_, at_b) in enumerate(pairs):
        length = bisect_left(ends, at_b)
        ends[length : length + 1] = [at_b]
        last[length : length + 1] = [number]
        before.append(last[length - 1] if length else -1)
    found: list[tuple[int, int]] = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Return the places of lines in a range, in order; -1 for one that repeats."""
    places: dict[str, int] = {}
    for at in range(start, end):
        line = lines[at]
        places[line] = -1 if line in places else at
    return places


def _repeating(a: Sequence[str], b: Sequence[str], a0: int, b0: int) -> Iterator[Block]:
    counts: dict[str, int] = {}
    for line in a:
        counts[line] = counts.get(line, 0) + 1
    pairs = sum(counts.get(line, 0) for line in b)
    if not pairs or pairs * min(len(a), len(b)) > MOST_WORK:
        return
    for at_a, at_b, count in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
        if count:
            yield Block(a0 + at_a, b0 + at_b, count)


def _merged(blocks: Iterable[Block]) -> list[Block]:
    found: list[Block] = []
    for block in sorted(blocks):
        if found and (found[-1].a + found[-1].size, found[-1].b + found[-1].size) == (block.a, block.b):
            found[-1] = Block(found[-1].a, found[-1].b, found[-1].size + block.size)
        else:
            found.append(block)
    return found


def kept(blocks: Sequence[Block], start: int, count: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield the parts of a range of b, in order: (place in b, count, place in a or None where it is new)."""
    at, end = start, start + count
    nearest = max(bisect_right(blocks, start, key=lambda block: block.b) - 1, 0)
    for n in range(nearest, len(blocks)):
        block = blocks[n]
        if block.b >= end:
            break
        first, last = max(block.b, at), min(block.b + block.size, end)
        if first >= last:
            continue
        if first > at:
            yield at, first - at, None
        yield first, last - first, block.a + first - block.b
        at = last
    if at < end:
        yield at, end - at, None


def changed(blocks: Sequence[Block], a: int, b: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield what is between the blocks of two versions of a and b lines: (a start, a end, b start, b end)."""
    at_a = at_b = 0
    for block in (*blocks, Block(a, b, 0)):
        if block.a > at_a or block.b > at_b:
            yield at_a, block.a, at_b, block.b
        at_a, at_b = block.a + block.size, block.b + block.size


def counts(blocks: Sequence[Block], a: int, b: int) -> tuple[int, int]:
    """Return how many lines of b are new, and how many of a are gone."""
    same = sum(block.size for block in blocks)
    return b - same, a - same


def unified(
    a: Sequence[str],
    b: Sequence[str],
    blocks: Sequence[Block],
    *,
    around: range | None = None,
    most: int | None = None,
) -> str:
    """Return the difference as unified hunks ("" where there is none).

    Args:
        around: only the hunks in which these lines of b (from 0) lie, and of those only what is near them.
        most: so many lines at most; how many were left out is said in the last one.
    """
    shown: list[str] = []
    for changes in _hunks(list(changed(blocks, len(a), len(b)))):
        begin, end = changes[0][2] - CONTEXT, changes[-1][3] + CONTEXT
        if around is not None and (around.stop <= begin or around.start >= end):
            continue
        shown += _hunk(a, b, changes, around)
    if most is not None and len(shown) > most:
        shown[most:] = [f"… {len(shown) - most:,} more lines"]
    return "\n".join(shown)


def _hunks(changes: list[tuple[int, int, int, int]]) -> Iterator[list[tuple[int, int, int, int]]]:
    """Yield changes that are so near each other that their contexts meet, together."""
    near: list[tuple[int, int, int, int]] = []
    for change in changes:
        if near and change[2] - near[-1][3] > 2 * CONTEXT:
            yield near
            near = []
        near.append(change)
    if near:
        yield near


def _hunk(
    a: Sequence[str], b: Sequence[str], changes: list[tuple[int, int, int, int]], around: range | None
) -> list[str]:
    first, last = changes[0], changes[-1]
    before = min(CONTEXT, first[0], first[2])
    after = min(CONTEXT, len(a) - last[1], len(b) - last[3])
    rows: list[tuple[int, int, str]] = []  # (place in a, place in b, line)
    at_a, at_b = first[0] - before, first[2] - before
    for a0, a1, b0, b1 in (*changes, (last[1] + after, last[1] + after, last[3] + after, last[3] + after)):
        rows += [(at_a + n, at_b + n, f" {b[at_b + n]}") for n in range(b0 - at_b)]
        rows += [(n, b0, f"-{a[n]}") for n in range(a0, a1)]
        rows += [(a1, n, f"+{b[n]}") for n in range(b0, b1)]
        at_a, at_b = a1, b1
    if around is not None:
        rows = [row for row in rows if around.start - CONTEXT <= row[1] < around.stop + CONTEXT]
    old = sum(row[2][0] != "+" for row in rows)
    new = sum(row[2][0] != "-" for row in rows)
    start_a, start_b = (rows[0][0] + (1 if old else 0), rows[0][1] + (1 if new else 0)) if rows else (0, 0)
    return [f"@@ -{start_a},{old} +{start_b},{new} @@", *(line for _, _, line in rows)] if rows else []
