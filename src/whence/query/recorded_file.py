"""Which recorded content a file holds, or held last, and how the lines of the one lie in the other."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

import msgspec

from whence.clock import iso_utc
from whence.errors import NotFound
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.filters import RecordFilter
from whence.model.record import Record
from whence.query.find import find
from whence.query.lineage import Lineage, Moment, Ref, decoded, moment_of, ref_of, sha256_of
from whence.query.lines import Block, aligned, changed, lines_of
from whence.record.recorder import RecorderSettings, clean_label, clean_path
from whence.redact.capture import CaptureLevel
from whence.redact.value import Limits, clean

State = Literal["as_written", "changed", "gone", "elsewhere", "unwritten", "uncompared"]
MOST_WRITES: Final = 200
"""So many times that a file was written, the last ones, are looked through for what it holds now."""
MOST_NAMES: Final = 1000
"""Among the files of so many writes, the last ones, a similar name is looked for."""
_LATEST: Final = 2**63 - 1
_LIMITS: Final[Limits] = next(
    field.default for field in msgspec.structs.fields(RecorderSettings) if field.name == "content_limits"
)


@dataclass(slots=True, frozen=True)
class Found:
    """The recorded content of a file."""

    ref: Ref
    at: Moment  # what made the content did so before
    file: Record | None  # that says so; None where only a step with this result is recorded
    recorded_path: str
    state: State
    said: str
    written_at: str | None
    shown: list[str]  # the lines of the file, or of the content where the file is gone
    places: list[int | None]  # of each line shown, its place in the content
    unwritten: str = ""  # what is said of a line without one


@dataclass(slots=True, frozen=True)
class _Write:
    record: Record
    path: str
    ref: Ref | None


def found_for(
    lineage: Lineage, path: str, text: str | None, trace: str | None, keyed: Callable[[str], str] | None = None
) -> Found:
    """Return the recorded content of a file.

    Args:
        path: as it was recorded, or absolute.
        text: what it holds now; None where it is gone.
        trace: only what this run recorded.
        keyed: makes the keyed hash of a text.

    Raises:
        NotFound: nothing is recorded of it.
    """
    only = find(trace, store=lineage.store).id if trace is not None else None
    writes = list(_writes(lineage, path, only))
    if text is None:
        if not writes:
            raise _nothing(lineage, path, only, gone=True)
        return _gone(lineage, writes[0])
    variants: list[tuple[str, list[str]]] = []
    for sha256, lines in _variants(text):
        variants.append((sha256, lines))
        for write in writes:
            if write.ref is not None and write.ref.key == sha256:
                return _same(write, lines, text, "as_written", "")
    elsewhere = _elsewhere(lineage, path, only, variants, text, known=bool(writes))
    if elsewhere is not None:
        return elsewhere
    if writes and (writes[0].ref is None or not writes[0].ref.sha256):
        return _uncompared(lineage, writes[0], text, keyed)
    if not writes:
        raise _nothing(lineage, path, only, gone=False)
    return _changed(lineage, writes[0], variants, text)


def _writes(lineage: Lineage, path: str, trace: str | None) -> Iterator[_Write]:
    """Yield when a file was written, the last time first."""
    wanted = {clean_path(each)[0] for each in (os.path.abspath(path), path)}
    seen: set[str] = set()
    for name in sorted({clean_label(each) for each in wanted}):
        asked = RecordFilter(name=name, kinds=(kinds.FILE,), trace=trace)
        for record in lineage.store.records(asked, limit=MOST_WRITES, newest_first=True).items:
            write = _write(record)
            # A name is bounded and cleaned, so that two long paths may share one: the payload has the path itself.
            if record.record_id not in seen and (write.path in wanted or write.path == name):
                seen.add(record.record_id)
                yield write


def _write(record: Record) -> _Write:
    said = decoded(record, shape.FileWrite)
    return _Write(record, (said.path if said else "") or record.name, ref_of(said.content) if said else None)


def _variants(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the text as it may have been stored, with its hash: as it is, or with what is masked, or cut."""
    seen = {sha256_of(text)}
    yield sha256_of(text), lines_of(text)
    for level in (CaptureLevel.REDACTED, CaptureLevel.FULL):
        kept, _ = clean(text, level=level, limits=_LIMITS)
        stored = kept.get("truncated") if isinstance(kept, dict) else kept
        if isinstance(stored, str) and sha256_of(stored) not in seen:
            seen.add(sha256_of(stored))
            yield sha256_of(stored), lines_of(stored)


def _same(write: _Write, stored: list[str], text: str, state: State, said: str) -> Found:
    """Return the content of a file that holds it, secrets masked."""
    shown = lines_of(text)
    return Found(
        ref=write.ref or Ref(key=""),
        at=moment_of(write.record, write.path),
        file=write.record,
        recorded_path=write.path,
        state=state,
        said=said,
        written_at=iso_utc(write.record.ts_ns),
        shown=shown,
        places=_masked_places(stored, shown, cut=write.ref is not None and write.ref.original_chars is not None),
        unwritten="it lies beyond what is kept of a text this long",
    )


def _masked_places(stored: list[str], shown: list[str], *, cut: bool = False) -> list[int | None]:
    """Return where the lines of a file are in the same text with secrets masked: a masked block may be one line there.

    Args:
        cut: the text was too long, so that what is missing at its end is not there.
    """
    if len(stored) == len(shown):
        return list(range(len(shown)))
    blocks = aligned(stored, shown)
    places = _places(blocks, len(shown))
    for a0, a1, b0, b1 in changed(blocks, len(stored), len(shown)):
        if a1 > a0 and not (cut and b1 == len(shown)):
            for n in range(b0, b1):
                places[n] = min(a0 + n - b0, a1 - 1)
    return places


def _places(blocks: list[Block], count: int) -> list[int | None]:
    places: list[int | None] = [None] * count
    for block in blocks:
        places[block.b : block.b + block.size] = range(block.a, block.a + block.size)
    return places


def _gone(lineage: Lineage, write: _Write) -> Found:
    ref = write.ref or Ref(key="")
    stored = lineage.lines(ref)
    at = _in_words(write.record.ts_ns)
    said = f"the file is gone; this is what was written to it last, at {at}"
    if stored is None:
        said = f"the file is gone; it was written last at {at}, and {lineage.no_text(write.ref)}"
    shown = stored or []
    return Found(
        ref=ref,
        at=moment_of(write.record, write.path),
        file=write.record,
        recorded_path=write.path,
        state="gone",
        said=said,
        written_at=iso_utc(write.record.ts_ns),
        shown=shown,
        places=list(range(len(shown))),
    )


def _uncompared(lineage: Lineage, write: _Write, text: str, keyed: Callable[[str], str] | None) -> Found:
    """Return what is known of a file of whose content no text was kept: nothing, or a keyed hash."""
    ref, at = write.ref or Ref(key=""), _in_words(write.record.ts_ns)
    state: State = "uncompared"
    said = f"whether the file is as it was written at {at} cannot be told: {lineage.no_text(write.ref)}"
    if keyed is not None and ref.key:
        same = keyed(text) == ref.key
        state = "as_written" if same else "changed"
        # The keyed hash is that of the text folded (`redact.capture.normalise`).
        said = (
            "but for blanks and case, which its keyed hash leaves out" if same else f"the file has changed since {at}"
        )
    shown = lines_of(text)
    return Found(
        ref=ref,
        at=moment_of(write.record, write.path),
        file=write.record,
        recorded_path=write.path,
        state=state,
        said=said,
        written_at=iso_utc(write.record.ts_ns),
        shown=shown,
        places=[None] * len(shown) if state == "changed" else list(range(len(shown))),
        unwritten=f"the file has changed since it was written at {at}, and {lineage.no_text(ref)} to compare it with",
    )


def _elsewhere(
    lineage: Lineage, path: str, trace: str | None, variants: list[tuple[str, list[str]]], text: str, *, known: bool
) -> Found | None:
    """Return where else the content of a file is recorded: under another path, or as the result of a step."""
    if not text.strip():
        return None  # nothing to recognise it by
    base = os.path.basename(path)
    for sha256, lines in variants:
        ref = Ref(key=sha256, sha256=sha256)
        writes = [_write(record) for record in lineage.uses(ref, kinds.FILE, trace or "")]
        writes = [write for write in writes if write.ref is not None and write.ref.key == sha256]
        if writes:
            best = max(writes, key=lambda write: (os.path.basename(write.path) == base, write.record.ts_ns))
            last = "; something else was written here last" if known else ""
            return _same(best, lines, text, "elsewhere", f"this content was written to {best.path}{last}")
        at = Moment(trace or "", _LATEST, "~", subject=path)
        made = lineage.maker(ref, at)
        by = made.record if made is not None else next(iter(lineage.uses(ref, kinds.SPAN_END, trace or "")), None)
        if by is not None and (trace is None or by.trace == trace):
            last = "something else was written here last" if known else "no file of this name was recorded"
            return Found(
                ref=ref,
                at=Moment(by.trace, _LATEST, "~", by.component, path),
                file=None,
                recorded_path="",
                state="unwritten",
                said=f"this content is what {by.name} made; {last}",
                written_at=None,
                shown=lines_of(text),
                places=_masked_places(lines, lines_of(text)),
            )
    return None


def _changed(lineage: Lineage, write: _Write, variants: list[tuple[str, list[str]]], text: str) -> Found:
    """Return what was written last to a file that has changed since."""
    ref, at = write.ref or Ref(key=""), _in_words(write.record.ts_ns)
    stored = lineage.lines(ref)
    shown = lines_of(text)
    # Secrets are masked in what was stored, so they are in what is compared with it.
    masked = next((lines for _, lines in variants[1:] if len(lines) == len(shown)), shown)
    said = f"the file has changed since it was written at {at}"
    unwritten = f"not written by a recorded step: changed after {at} (record {write.record.record_id})"
    if stored is None:
        unwritten = f"{said}, and of what was written {lineage.no_text(write.ref)}"
    return Found(
        ref=ref,
        at=moment_of(write.record, write.path),
        file=write.record,
        recorded_path=write.path,
        state="changed",
        said=said,
        written_at=iso_utc(write.record.ts_ns),
        shown=masked,
        places=_places(aligned(stored or [], masked), len(shown)),
        unwritten=unwritten,
    )


def _in_words(ts_ns: int) -> str:
    """Return a time as the command line says times; data has it exactly."""
    return f"{iso_utc(ts_ns)[:19].replace('T', ' ')} UTC"


def _nothing(lineage: Lineage, path: str, trace: str | None, *, gone: bool) -> NotFound:
    """Return the error for a file that nothing is recorded of, with the names of similar ones."""
    asked = RecordFilter(kinds=(kinds.FILE,), trace=trace)
    page = lineage.store.records(asked, limit=MOST_NAMES, newest_first=True)
    names = dict.fromkeys(_write(record).path for record in page.items)
    where = " in that run" if trace is not None else ""
    missing = ", and there is no such file" if gone else ""
    if not names:
        return NotFound(f"nothing is recorded of {path}{missing}: no file was recorded as written{where}")
    base = os.path.basename(path)
    near = [name for name in names if os.path.basename(name) == base]
    bases = {os.path.basename(name): name for name in reversed(names)}
    near += [bases[each] for each in get_close_matches(base, list(bases), n=3, cutoff=0.6)]
    near = list(dict.fromkeys(near))[:3]
    similar = f"similar: {', '.join(near)}" if near else f"recorded last: {', '.join(list(names)[:3])}"
    return NotFound(f"nothing is recorded of {path}{where}{missing}; {similar}")
