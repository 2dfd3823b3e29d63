"""Findings → records, so that what was said already is not said again, and what no longer holds is taken back.

A finding is one occurrence (project, trace, fingerprint, anchor); of several sayings the newest counts, by time and then by
id. So a saying that differs from the one that is stored is dated just after it, and one that is equal is left out: asking
again changes nothing. An occurrence that its detector does not find any more, because more is known of the run now, is
said with `count` 0.
"""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from whence.clock import derived_id
from whence.model import record as kinds
from whence.model.digest import RunDigest
from whence.model.finding import Finding
from whence.model.record import Record
from whence.store.derive import occurrence_of
from whence.store.interface import StoredFinding
from whence.wire import records

OURS: Final = "whence."
WITHDRAWN: Final = 0
_encode: Final = msgspec.json.Encoder().encode


class Filed(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be stored, and what it is."""

    records: tuple[bytes, ...] = ()
    new: int = 0  # occurrences nobody had said before, or whose saying changed
    known: int = 0  # said already, in these words
    withdrawn: int = 0


def file(
    findings: Iterable[Finding],
    stored: Iterable[StoredFinding],
    *,
    project: str,
    trace: str = "",
    ts_ns: int,
    ran: Collection[str] = (),
) -> Filed:
    """Return findings as records, those left out that are stored already.

    Args:
        stored: what the store has of this trace, or of these fingerprints: of each occurrence the newest.
        ts_ns: of findings that do not say when, Unix time.
        ran: detectors that have said all they had to say: what is stored of theirs and not among the findings is withdrawn.
    """
    before = {each.occurrence: each for each in stored}
    said: dict[str, bytes] = {}
    new = known = withdrawn = 0
    for finding in findings:
        occurrence = occurrence_of(project, trace, finding.fingerprint, finding.anchor)
        if occurrence in said:
            continue
        old = before.pop(occurrence, None)
        if old is not None and _encode(old.finding) == _encode(finding):
            said[occurrence] = b""
            known += 1
        else:
            said[occurrence] = _saying(finding, old, project, trace, ts_ns)
            new += 1
    for occurrence, old in before.items():
        if old.finding.count != WITHDRAWN and old.finding.detector.partition("/")[0] in ran:
            taken_back = msgspec.structs.replace(old.finding, count=WITHDRAWN)
            said[occurrence] = _saying(taken_back, old, project, trace, ts_ns)
            withdrawn += 1
    return Filed(records=tuple(each for each in said.values() if each), new=new, known=known, withdrawn=withdrawn)


def _saying(finding: Finding, old: StoredFinding | None, project: str, trace: str, ts_ns: int) -> bytes:
    payload = _encode(finding)
    at_ns = finding.last_ns if finding.last_ns > 0 else ts_ns
    if old is not None:
        at_ns = max(at_ns, old.ts_ns + 1)
    seed = "\x00".join((project, trace, finding.fingerprint, finding.anchor, str(at_ns)))
    return records.encode(
        Record(
            record_id=derived_id(at_ns, seed.encode(errors="surrogatepass") + payload),
            kind=kinds.FINDING,
            name=finding.code,
            ts_ns=at_ns,
            trace=trace,
            span="",
            parent="",
            stage=finding.stage,
            project=project,
            component=OURS + (finding.detector.partition("/")[0] or "diagnosis"),
            level=finding.severity,
            flags=0,
            payload=msgspec.Raw(payload),
        )
    )


def digest_record(digest: RunDigest) -> bytes:
    """Return a digest as a record."""
    payload = _encode(digest)
    return records.encode(
        Record(
            record_id=derived_id(digest.started_ns, digest.trace.encode() + payload),
            kind=kinds.DIGEST,
            name=digest.trace,
            ts_ns=digest.started_ns,
            trace="",
            span="",
            parent="",
            stage="",
            project=digest.project,
            component="whence.digesting",
            level=0,
            flags=0,
            payload=msgspec.Raw(payload),
        )
    )
