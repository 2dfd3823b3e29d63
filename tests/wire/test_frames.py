"""Frames survive damage: what is whole is read, what is not is skipped, nothing wrong is ever believed."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadFrame
from whence.wire import frames

payloads = st.lists(st.binary(min_size=1, max_size=200), max_size=20)


def packed(members: list[bytes]) -> bytes:
    return b"".join(frames.pack(each, n) for n, each in enumerate(members))


@given(payloads)
def test_what_is_packed_is_read_back_in_order(members: list[bytes]) -> None:
    found = [each for each in frames.read(packed(members)) if isinstance(each, frames.Frame)]

    assert [(each.sequence, each.payload) for each in found] == list(enumerate(members))


@given(payloads, st.integers(min_value=0))
def test_a_torn_end_costs_only_the_last_frame(members: list[bytes], cut: int) -> None:
    data = packed(members)
    cut = cut % (len(data) + 1)

    found = [each.payload for each in frames.read(data[:cut]) if isinstance(each, frames.Frame)]

    assert found == members[: len(found)]
    assert len(packed(members[: len(found) + 1])) > cut or len(found) == len(members)


def test_one_flipped_bit_costs_one_frame_at_most_and_yields_no_wrong_one() -> None:
    rng = random.Random(7)
    members = [rng.randbytes(rng.randrange(1, 300)) for _ in range(40)]
    data = packed(members)
    for _ in range(400):
        bit = rng.randrange(len(data) * 8)
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8

        found = [each for each in frames.read(bytes(damaged)) if isinstance(each, frames.Frame)]

        assert len(found) >= len(members) - 1
        assert all(each.payload == members[each.sequence] for each in found)


def test_frames_after_damage_are_found_again() -> None:
    data = frames.pack(b"[1]", 0) + b"\x00" * 100 + frames.pack(b"[2]", 1)

    found = list(frames.read(data))

    assert [each.payload for each in found if isinstance(each, frames.Frame)] == [b"[1]", b"[2]"]
    assert [each.end - each.start for each in found if isinstance(each, frames.Skipped)] == [100]


def test_the_end_of_a_live_segment_is_left_for_later() -> None:
    data = frames.pack(b"[1]", 0) + frames.pack(b"[2]", 1)[:10]

    assert [type(each) for each in frames.read(data, live=True)] == [frames.Frame]
    assert [type(each) for each in frames.read(data, live=False)] == [frames.Frame, frames.Skipped]


def test_a_header_of_a_later_format_says_what_to_do() -> None:
    later = frames.Frame(0, b'{"format":99,"writer":"w","number":1,"pid":1,"host":"h","started_ns":1}', 0)

    with pytest.raises(BadFrame, match="upgrade"):
        frames.header(later)
    with pytest.raises(BadFrame, match="not a segment header"):
        frames.header(frames.Frame(0, b"[]", 0))


@given(payloads, st.integers(min_value=0), st.integers(min_value=1, max_value=8))
def test_the_quick_way_reads_what_the_careful_one_reads(members: list[bytes], bit: int, most: int) -> None:
    data = bytearray(packed(members))
    if data:
        data[bit // 8 % len(data)] ^= 1 << bit % 8
    careful = []
    for each in frames.read(bytes(data)):
        if not isinstance(each, frames.Frame):
            break
        careful.append(each.payload)

    found = frames.sound(bytes(data), 0, most, 1 << 30)

    assert found.payloads == careful[:most]
    assert found.end == sum(len(each) + frames.OVERHEAD for each in found.payloads)
