"""Cursors: where a page ended, as an opaque word. Keyset paging, so that what arrives meanwhile moves nothing."""

import base64
import binascii

import msgspec

from whence.errors import BadInput

_MAX_INT = 2**63 - 1


class _Position(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    of: str  # the list it belongs to
    at: int  # the last row's place: arrival number or start time
    then: str = ""  # and its id, where places can be equal


def write(of: str, at: int, then: str = "") -> str:
    """Return the cursor that goes on after this row."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Position(of, at, then))).decode().rstrip("=")


def read(of: str, cursor: str) -> tuple[int, str]:
    """Return (place, id) of the last row shown.

    Raises:
        BadInput: it is no cursor of this list.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = msgspec.json.decode(data, type=_Position)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as exc:
        raise BadInput(f"{cursor[:80]!r} is no cursor; pass on the one that the page before gave") from exc
    if position.of != of or abs(position.at) > _MAX_INT:
        raise BadInput(
            f"this cursor belongs to {position.of!r}, not to {of!r}; pass on the one that the page before gave"
        )
    return position.at, position.then
