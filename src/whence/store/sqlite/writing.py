"""Taking a batch: records, and everything derived from them, in one transaction."""

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from whence.clock import iso_utc
from whence.errors import BadFrame
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY
from whence.model.record import Record
from whence.sink import Accepted
from whence.store import derive
from whence.store.sqlite import deriving
from whence.store.sqlite.queries import sql

QUARANTINE_BYTES: Final = 4096
QUARANTINE_ROWS: Final = 10_000
CATCH_UP: Final = 20_000
"""How many older records a batch may bring into the full-text index, after a time without one."""

_REFERENCE: Final = f'"{CONTENT_KEY}"'.encode()

_batch = msgspec.json.Decoder(list[Record])
_REFUSED = (apsw.ConstraintError, apsw.MismatchError, apsw.SQLError, apsw.TooBigError)


class Taken:
    """What became of the members of a batch, and what there is among them."""

    __slots__ = ("contents", "kinds", "members", "quarantined", "refers", "stored")

    def __init__(self, members: int) -> None:
        self.members = members
        self.stored = self.contents = self.quarantined = 0
        self.kinds: set[str] = set()
        self.refers = False  # whether any may refer to a text


def take(connection: apsw.Connection, batch: Sequence[bytes], *, now_ns: int, full_text: bool) -> Accepted:
    """Store a batch within a transaction, with everything that follows from it."""
    taken = Taken(len(batch))
    before = int(connection.execute(sql("last_n")).get)
    if not _take_whole(connection, batch, taken):
        _take_one_by_one(connection, batch, taken, now_ns)
    ended: tuple[str, ...] = ()
    if taken.stored:
        new = {"before": before}
        if taken.refers:
            connection.execute(sql("link_contents"), new)
        if kinds.FINDING in taken.kinds:
            _project_findings(connection, before)
        connection.execute(sql("roll_up_hours"), new)
        ended = deriving.derive_traces(connection, before, iso_utc(now_ns))
    if full_text and (taken.stored or taken.contents):
        _index(connection, taken.stored)
    return Accepted(
        stored=taken.stored,
        duplicates=taken.members - taken.stored - taken.contents - taken.quarantined,
        contents=taken.contents,
        quarantined=taken.quarantined,
        ended=ended,
    )


def _take_whole(connection: apsw.Connection, batch: Sequence[bytes], taken: Taken) -> bool:
    """Store the batch by one statement; False, and no record stored, when a member may be none.

    The decoding here only checks (half a microsecond a record); SQLite reads the same bytes by itself.
    """
    data = b"[" + b",".join(batch) + b"]"
    texts: list[tuple[str, int, str]] = []
    try:
        records = _batch.decode(data)
        if len(records) != len(batch):
            return False
        taken.kinds = {record.kind for record in records}
        if kinds.CONTENT in taken.kinds:
            texts = [_text(record) for record in records if record.kind == kinds.CONTENT]
            members = [each for each, record in zip(batch, records, strict=True) if record.kind != kinds.CONTENT]
            data = b"[" + b",".join(members) + b"]"
        bound = {"batch": data.decode()}
    except (msgspec.MsgspecError, UnicodeDecodeError, BadFrame):
        return False
    taken.refers = _REFERENCE in data
    try:
        if texts:
            # They may stay if the records are refused: one by one they are taken just the same.
            connection.execute(sql("insert_contents"), {"texts": msgspec.json.encode(texts).decode()})
        connection.execute(sql("insert_records"), bound)
    except _REFUSED as exc:
        _only_of_data(exc)
        return False
    taken.stored, taken.contents = connection.changes(), len(texts)
    return True


def _text(record: Record) -> tuple[str, int, str]:
    sha256, text = derive.content_of(record)
    return sha256, record.ts_ns, text


def _take_one_by_one(connection: apsw.Connection, batch: Sequence[bytes], taken: Taken, now_ns: int) -> None:
    """Store the members that are records, and put the others aside with the reason."""
    for data in batch:
        taken.refers = taken.refers or _REFERENCE in data
        try:
            record = derive.checked(data)
            taken.kinds.add(record.kind)
            if record.kind == kinds.CONTENT:
                connection.execute(sql("insert_contents"), {"texts": msgspec.json.encode([_text(record)]).decode()})
                taken.contents += 1
            else:
                connection.execute(sql("insert_records"), {"batch": f"[{data.decode()}]"})
                taken.stored += connection.changes()
        except (BadFrame, *_REFUSED) as exc:
            _only_of_data(exc)
            connection.execute(sql("quarantine"), (now_ns, str(exc), data[:QUARANTINE_BYTES]))
            taken.quarantined += 1
    if taken.quarantined:
        connection.execute(sql("shorten_quarantine"), {"most": QUARANTINE_ROWS})


def _only_of_data(exc: Exception) -> None:
    """Raise again what is not the fault of the data: a broken statement must not put good records aside."""
    if isinstance(exc, apsw.SQLError) and "JSON" not in str(exc):
        raise exc


def _project_findings(connection: apsw.Connection, before: int) -> None:
    found = []
    for n, record_id, ts_ns, trace, project, payload in connection.execute(sql("new_findings"), {"before": before}):
        finding = derive.finding_of(payload)
        if finding is not None:
            row = (finding.code, finding.severity, finding.fingerprint, payload.decode())
            found.append((n, record_id, ts_ns, trace, project, *row))
    if found:
        connection.executemany(sql("insert_finding"), found)


def _index(connection: apsw.Connection, new: int) -> None:
    """Bring the full-text index up to the last record, or nearer to it if it had fallen far behind."""
    from_n, last_n, from_c, last_c = connection.execute(sql("full_text_place")).get
    until_n, until_c = min(last_n, from_n + new + CATCH_UP), min(last_c, from_c + CATCH_UP)
    connection.execute(sql("index_records"), {"after": from_n, "until": until_n})
    if until_c > from_c:
        connection.execute(sql("index_contents"), {"after": from_c, "until": until_c})
    connection.execute(sql("full_text_reached"), (until_n, until_c))


def erase(connection: apsw.Connection, sha256: bytes) -> bool:
    """Take a text out of the table and of the index."""
    place = connection.execute(sql("erased_place"), (sha256,)).get
    if place is None:
        return False
    c, indexed = place
    if indexed:
        connection.execute(sql("unindex_content"), (c,))
    connection.execute(sql("erase_content"), (c,))
    return True
