"""Ids of events that a caller chooses: the same id is the same record, however often and by whichever process it is said."""

import re
from typing import Final

from whence.clock import derived_id

_ID: Final = re.compile(r"[0-9a-f]{32}")
ID_CHARS: Final = 500


def plain_id(text: str) -> str | None:
    """Return an id of 32 hex digits (a UUID too) in its plain form; None if it is none."""
    plain = text.strip().replace("-", "").lower()
    return plain if _ID.fullmatch(plain) else None


def record_id_of(project: str, event_id: object) -> str | None:
    """Return the id of the record that an event of this id is; None for no id, or one that is no text or number."""
    if isinstance(event_id, int) and not isinstance(event_id, bool):
        event_id = str(event_id) if abs(event_id) < 10**100 else ""
    if not isinstance(event_id, str) or not event_id.strip():
        return None
    known = plain_id(event_id)
    return known or derived_id(0, f"event:{project}:{event_id[:ID_CHARS]}".encode(errors="surrogatepass"))
