"""What lies in a spool directory, and whose it is. Reading only; the formats are in docs/formats/spool.md."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from whence.errors import BadFrame
from whence.model.record import Record
from whence.record.spool import LiveFile
from whence.wire import frames, records


class Segment(msgspec.Struct, frozen=True, order=True):
    """One file of frames. Sorted by writer, then number."""

    writer: str
    number: int
    path: Path
    bytes: int
    mtime_ns: int


def segments(directory: Path) -> list[Segment]:
    """Return the segments of a spool, each writer's in order, the writer that began first, first; [] without a spool."""
    found: list[Segment] = []
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []
    for entry in entries:
        writer, _, rest = entry.name.partition("-")
        number = rest.removesuffix(".seg")
        if rest.endswith(".seg") and number.isdigit() and entry.is_file(follow_symlinks=False):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append(Segment(writer, int(number), Path(entry.path), status.st_size, status.st_mtime_ns))
    first: dict[str, int] = {}
    for each in sorted(found):
        first.setdefault(each.writer, _started_ns(each.path))
    return sorted(found, key=lambda each: (first[each.writer], each.writer, each.number))


def _started_ns(path: Path) -> int:
    head = read_header(path)
    return head.started_ns if head is not None else 0


def read_header(path: Path) -> frames.SegmentHeader | None:
    """Return a segment's header, or None where it is damaged, of a later format, or gone."""
    try:
        with path.open("rb") as file:
            frame = frames.unpack(file.read(4096), 0)
        return frames.header(frame) if frame is not None else None
    except (OSError, BadFrame):
        return None


def locked(path: Path) -> bool:
    """True if a living process holds the file; a missing file is held by nobody.

    A file that cannot be looked at (no descriptors left, another user's) counts as held: taking a living process's
    segment for a dead one's would delete it under its owner.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def live_path(directory: Path, writer: str) -> Path:
    """Return the file that a writer holds for as long as its process lives."""
    return directory / f"{writer}.live"


def read_live(path: Path) -> LiveFile | None:
    """Return the counters of a writer as it last wrote them, or None."""
    try:
        return msgspec.json.decode(path.read_bytes().strip(), type=LiveFile)
    except (OSError, msgspec.MsgspecError):
        return None


def writers(directory: Path) -> set[str]:
    """Return every writer that has left a file in the spool."""
    try:
        names = os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return set()
    left = {name.partition("-")[0] for name in names if name.endswith(".seg")}
    return left | {name.removesuffix(".live") for name in names if name.endswith(".live")}


def spooled_records(directory: Path, *, writer: str | None = None, trace: str | None = None) -> Iterator[Record]:
    """Yield what still lies in the spool, in order per writer: for when the store cannot be reached.

    Args:
        writer: of this process only.
        trace: of this trace (OpenTelemetry id) only.
    """
    wanted = trace.encode() if trace is not None else b""
    for segment in segments(directory):
        if writer is not None and segment.writer != writer:
            continue
        try:
            data = segment.path.read_bytes()
        except OSError:
            continue
        for frame in frames.read(data, live=True):
            if isinstance(frame, frames.Frame) and frame.payload.startswith(b"[") and wanted in frame.payload:
                try:
                    record = records.decode(frame.payload)
                except BadFrame:
                    continue
                if trace is None or record.trace == trace:
                    yield record
