"""Taking a batch: records, and everything derived from them, in one transaction."""

from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from whence.clock import iso_utc
from whence.errors import BadFrame
from whence.model import record as kinds
from whence.model.content import CONTENT_KEY
from whence.model.digest import RunDigest
from whence.model.record import Record
from whence.sink import Accepted
from whence.store import derive
from whence.store.sqlite import deriving, projecting
from whence.store.sqlite.queries import sql

QUARANTINE_BYTES: Final = 4096
QUARANTINE_ROWS: Final = 10_000
CATCH_UP: Final = 20_000
"""How many older records a batch may bring into the full-text index, after a time without one."""

_REFERENCE: Final = f'"{CONTENT_KEY}"'.encode()

_BESIDE: Final = (kinds.CONTENT, kinds.VECTOR, kinds.DIGEST)
_PROJECTED: Final = (kinds.FINDING, kinds.FINDING_STATE)

_batch = msgspec.json.Decoder(list[Record])
_REFUSED = (apsw.ConstraintError, apsw.MismatchError, apsw.SQLError, apsw.TooBigError)


class Taken:
    """What became of the members of a batch, and what there is among them."""

    __slots__ = ("contents", "digests", "kinds", "members", "quarantined", "refers", "stored", "vectors")

    def __init__(self, members: int) -> None:
        self.members = members
        self.stored = self.contents = self.vectors = self.digests = self.quarantined = 0
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
        if not taken.kinds.isdisjoint(_PROJECTED):
            projecting.project(connection, before, int(connection.execute(sql("last_n")).get))
        connection.execute(sql("roll_up_records"), new)
        ended = deriving.derive_traces(connection, before, iso_utc(now_ns))
    if full_text and (taken.stored or taken.contents):
        _index(connection, taken.stored)
    return Accepted(
        stored=taken.stored,
        duplicates=taken.members - (taken.stored + taken.contents + taken.vectors + taken.digests + taken.quarantined),
        contents=taken.contents,
        vectors=taken.vectors,
        digests=taken.digests,
        quarantined=taken.quarantined,
        ended=ended,
    )


def _take_whole(connection: apsw.Connection, batch: Sequence[bytes], taken: Taken) -> bool:
    """Store the batch by one statement; False, and no record stored, when a member may be none.

    The decoding here only checks (half a microsecond a record); SQLite reads the same bytes by itself.
    """
    data = b"[" + b",".join(batch) + b"]"
    beside = _Beside()
    try:
        records = _batch.decode(data)
        if len(records) != len(batch):
            return False
        taken.kinds = {record.kind for record in records}
        if not taken.kinds.isdisjoint(_BESIDE):
            members = [each for each, record in zip(batch, records, strict=True) if not beside.holds(record)]
            data = b"[" + b",".join(members) + b"]"
        bound = {"batch": data.decode()}
    except (msgspec.MsgspecError, UnicodeDecodeError, BadFrame):
        return False
    taken.refers = _REFERENCE in data
    try:
        beside.keep(connection)  # it may stay if the records are refused: one by one it is taken just the same
        connection.execute(sql("insert_records"), bound)
    except _REFUSED as exc:
        _only_of_data(exc)
        return False
    taken.stored = connection.changes()
    beside.count(taken)
    return True


class _Beside:
    """The members of a batch that are kept beside the stream, as rows of their tables."""

    def __init__(self) -> None:
        self.contents: list[tuple[str, int, str]] = []
        self.vectors: list[tuple[str, int, str]] = []
        self.digests: list[tuple[str, int, int, str, int, str, RunDigest]] = []

    def holds(self, record: Record) -> bool:
        """Take the record if it is one of these; return whether it is. Raises BadFrame when it is malformed."""
        if record.kind == kinds.CONTENT:
            sha256, text = derive.content_of(record)
            self.contents.append((sha256, record.ts_ns, text))
        elif record.kind == kinds.VECTOR:
            sha256, packed = derive.vector_of(record)
            self.vectors.append((sha256, record.ts_ns, packed.hex()))
        elif record.kind == kinds.DIGEST:
            run = derive.digest_of(record)
            of = (run.trace, run.started_ns, run.ended_ns, run.project, run.records, run.last_record, run)
            self.digests.append(of)
        else:
            return False
        return True

    def keep(self, connection: apsw.Connection) -> None:
        """Write them down, a statement for each table: each row of its own is one more wait for Python's lock."""
        for name, table in (("contents", self.contents), ("vectors", self.vectors), ("digests", self.digests)):
            if table:
                connection.execute(sql(f"insert_{name}"), {name: msgspec.json.encode(table).decode()})

    def count(self, taken: Taken) -> None:
        """Count them."""
        taken.contents += len(self.contents)
        taken.vectors += len(self.vectors)
        taken.digests += len(self.digests)


def _take_one_by_one(connection: apsw.Connection, batch: Sequence[bytes], taken: Taken, now_ns: int) -> None:
    """Store the members that are records, and put the others aside with the reason."""
    for data in batch:
        taken.refers = taken.refers or _REFERENCE in data
        try:
            record, beside = derive.checked(data), _Beside()
            taken.kinds.add(record.kind)
            if beside.holds(record):
                beside.keep(connection)
                beside.count(taken)
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
