"""A record as bytes: a JSON array of thirteen fields (`whence.model.record.Record`)."""

import msgspec

from whence.errors import BadFrame
from whence.model.record import Record

_decoder = msgspec.json.Decoder(Record)
_encoder = msgspec.json.Encoder()


def encode(record: Record) -> bytes:
    """Return the record as the JSON array that spool, stores and network carry."""
    return _encoder.encode(record)


def decode(data: bytes) -> Record:
    """Return the record; its payload stays encoded.

    Raises:
        BadFrame: the bytes are no record.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise BadFrame(f"not a record: {exc}; first bytes: {data[:60]!r}") from exc


def payload(value: object) -> msgspec.Raw:
    """Return a value as the encoded payload of a record."""
    return msgspec.Raw(_encoder.encode(value))
