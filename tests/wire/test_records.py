"""A record as bytes; whatever else the bytes are, is said."""

import pytest

from tests.builders import record
from whence.errors import BadFrame
from whence.wire.records import decode, encode


def test_a_record_survives() -> None:
    one = record(1, data={"message": "x"})
    assert decode(encode(one)) == one


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[" * 200_000 + b"]" * 200_000, b'{"a":' * 200_000 + b"1" + b"}" * 200_000]
)
def test_a_payload_that_cannot_be_read_is_no_record(payload: bytes) -> None:
    """One that nests too deep as well: it must be put aside, not stop whoever drains."""
    data = encode(record(1, data=7))
    assert data.endswith(b",7]")

    with pytest.raises(BadFrame, match="not a record"):
        decode(data[:-2] + payload + b"]")
