"""Records as JSON lines: one object a line, its fields by name, for people, `jq` and other programs.

The first line says what the file is. A text that records refer to by its hash (kind `content`) comes before the first of
them. Read back into an empty store the lines give the same answers (docs/formats/json-lines.md).
"""

from typing import Final

import msgspec

from whence.errors import BadInput
from whence.model.record import Record
from whence.wire import records

VERSION: Final = 1


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    whence_records: int = VERSION
    generator: str = ""


class _Line(msgspec.Struct, frozen=True):
    """A record by the names of its fields (`model.record.Record`)."""

    record_id: str
    kind: str
    name: str
    ts_ns: int
    trace: str
    span: str
    parent: str
    stage: str
    project: str
    component: str
    level: int
    flags: int
    payload: msgspec.Raw


_FIELDS: Final = Record.__struct_fields__
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Line).decode


def header(generator: str) -> bytes:
    """Return the first line, with its end."""
    return _encode(Header(generator=generator)) + b"\n"


def is_header(line: bytes) -> bool:
    """Return whether a line is the first of such a file. Raises BadInput for a version that this one cannot read."""
    if not line.lstrip().startswith(b'{"whence_records"'):
        return False
    try:
        version = msgspec.json.decode(line, type=Header).whence_records
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise BadInput(f"the first line is damaged: {exc}") from None
    if version > VERSION:
        raise BadInput(f"the file has version {version}, this whence reads up to {VERSION}; use a newer whence")
    return True


def encode(record: Record) -> bytes:
    """Return a record as a line, with its end."""
    r = record
    line = _Line(
        *(r.record_id, r.kind, r.name, r.ts_ns, r.trace, r.span, r.parent, r.stage, r.project, r.component),
        *(r.level, r.flags, r.payload),
    )
    return _encode(line) + b"\n"


def decode(line: bytes) -> bytes:
    """Return the record in a line as stores take it (`wire.records`). Raises BadInput."""
    try:
        said = _decode(line)
    except (msgspec.MsgspecError, UnicodeError) as exc:
        raise BadInput(f"no record of whence: {exc}") from None
    s = said
    return records.encode(
        Record(
            *(s.record_id, s.kind, s.name, s.ts_ns, s.trace, s.span, s.parent, s.stage, s.project, s.component),
            *(s.level, s.flags, s.payload),
        )
    )
