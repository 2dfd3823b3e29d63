"""Spool frames: the bytes between a process and its future (docs/formats/spool.md).

    frame   = magic(4) length(4) sequence(8) crc(4) payload(length)
    segment = header-frame record-frame*

Integers are little-endian. The CRC-32 covers magic, length, sequence and payload: a checksum over the payload alone
once let two records with a damaged sequence pass for good.
"""

import struct
from collections.abc import Iterator
from zlib import crc32

import msgspec

from whence.errors import BadFrame

MAGIC = b"WHN\x01"
FORMAT_VERSION = 1
HEAD = struct.Struct("<4sIQ")
CRC = struct.Struct("<I")
OVERHEAD = HEAD.size + CRC.size
MAX_PAYLOAD = 4 * 1024 * 1024


class SegmentHeader(msgspec.Struct, frozen=True):
    """Payload of a segment's first frame, a JSON object (records are JSON arrays)."""

    format: int
    writer: str  # 16 hex digits; one per process, a fork makes a new one
    number: int  # of this segment, from 1
    pid: int
    host: str
    started_ns: int


class Frame(msgspec.Struct, frozen=True):
    """One frame as read, and where the next one begins."""

    sequence: int
    payload: bytes
    end: int


class Skipped(msgspec.Struct, frozen=True):
    """Bytes that are no frame: damage, or the torn end of a write that a full disk cut short."""

    start: int
    end: int


def pack(payload: bytes, sequence: int) -> bytes:
    """Return the frame around a payload."""
    head = HEAD.pack(MAGIC, len(payload), sequence)
    return head + CRC.pack(crc32(payload, crc32(head))) + payload


def unpack(data: bytes, start: int) -> Frame | None:
    """Return the frame that begins at `start`, or None if no whole, sound frame does."""
    body = start + OVERHEAD
    if body > len(data):
        return None
    magic, length, sequence = HEAD.unpack_from(data, start)
    end = body + length
    if magic != MAGIC or length > MAX_PAYLOAD or end > len(data):
        return None
    payload = data[body:end]
    (crc,) = CRC.unpack_from(data, start + HEAD.size)
    if crc != crc32(payload, crc32(data[start : start + HEAD.size])):
        return None
    return Frame(sequence, payload, end)


class Sound(msgspec.Struct, frozen=True):
    """Frames that follow one another without damage."""

    payloads: list[bytes]
    max_sequence: int  # -1 without frames
    end: int  # where they end: at the end of the data, at damage, or at the limit


def sound(data: bytes, start: int, most: int, most_bytes: int) -> Sound:
    """Return the sound frames from here on: what `read` yields, at half the cost, as long as nothing is damaged."""
    payloads: list[bytes] = []
    max_sequence, limit, until = -1, len(data), start + most_bytes
    head, crc, head_size, crc_of = HEAD.unpack_from, CRC.unpack_from, HEAD.size, crc32
    while start + OVERHEAD <= limit and len(payloads) < most and start < until:
        magic, length, sequence = head(data, start)
        body = start + OVERHEAD
        end = body + length
        if magic != MAGIC or length > MAX_PAYLOAD or end > limit:
            break
        payload = data[body:end]
        if crc(data, start + head_size)[0] != crc_of(payload, crc_of(data[start : start + head_size])):
            break
        payloads.append(payload)
        max_sequence = max(max_sequence, sequence)
        start = end
    return Sound(payloads, max_sequence, start)


def read(data: bytes, start: int = 0, *, live: bool = False) -> Iterator[Frame | Skipped]:
    """Yield the frames of a segment and what lies between them, in order; never raises.

    Damage costs the frames it touches and no other: reading goes on at the next magic that begins a sound frame.

    Args:
        live: the owner may still be writing, so bytes after the last sound frame are left for later; otherwise they
            are reported as skipped.
    """
    while start < len(data):
        frame = unpack(data, start)
        if frame is not None:
            yield frame
            start = frame.end
            continue
        following = data.find(MAGIC, start + 1)
        while following >= 0 and unpack(data, following) is None:
            following = data.find(MAGIC, following + 1)
        if following < 0:
            if not live:
                yield Skipped(start, len(data))
            return
        yield Skipped(start, following)
        start = following


def header(frame: Frame) -> SegmentHeader:
    """Return a segment's header.

    Raises:
        BadFrame: the frame is no header, or of a format newer than this reader.
    """
    try:
        found = msgspec.json.decode(frame.payload, type=SegmentHeader)
    except msgspec.MsgspecError as exc:
        raise BadFrame(f"not a segment header: {frame.payload[:60]!r} ({exc})") from exc
    if found.format > FORMAT_VERSION:
        raise BadFrame(f"segment format {found.format}; this whence reads up to {FORMAT_VERSION}: upgrade it to drain")
    return found
