"""How much of a text is kept: capture levels, keyed hashes of utterances, previews."""

import contextlib
import enum
import os
import re
import unicodedata
from pathlib import Path
from typing import Final

from whence.redact.text import redact_text

PREVIEW_CHARS: Final = 80
LONGEST_SECRET: Final = 8192


class CaptureLevel(enum.StrEnum):
    """What is kept of a string, from least to most. Secrets are masked at every level."""

    HASH = "hash"  # length and keyed hash
    PREVIEW = "preview"  # and at most 80 redacted characters
    REDACTED = "redacted"  # the whole text, secrets and personal data masked
    FULL = "full"  # the whole text, secrets masked, personal data kept


_BLANKS: Final = re.compile(r"\s+")


def normalise(text: str) -> str:
    """Return the text as it is hashed: NFKC, case-folded, white space collapsed, ends stripped."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Case folding can undo the normal form (U+0345), so it is made again.
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", folded)).strip()


class Hasher:
    """Hashes utterances so that equal texts can be joined and short ones not guessed without the key.

    A plain SHA-256 of a phone number is undone in minutes; EDPB Guidelines 01/2025 ask for a keyed code.
    """

    __slots__ = ("_key", "key_id")

    def __init__(self, key: bytes, key_id: str) -> None:
        """Keep a key of at least 16 bytes; `key_id` goes into every hash so that keys can be rotated."""
        if len(key) < 16:
            raise ValueError(f"the hash key has {len(key)} bytes; give 32 random ones (load_or_create_key makes them)")
        self._key = key
        self.key_id = key_id

    def hash(self, text: str) -> str:
        """Return `hmac-sha256:<key id>:<64 hex digits>` of the normalised text."""
        data = normalise(text).encode("utf-8", "surrogatepass")
        import hmac

        return f"hmac-sha256:{self.key_id}:{hmac.digest(self._key, data, 'sha256').hex()}"

    def __repr__(self) -> str:
        """Return the key id only: the key stays out of logs and tracebacks."""
        return f"Hasher(key_id={self.key_id!r})"


def load_or_create_key(path: str | os.PathLike[str]) -> Hasher:
    """Return the hasher whose 32-byte key is in this file; make the file (mode 0600) when there is none.

    Safe against several processes starting at once: the key is written to a private file and linked into place, so
    whoever comes second reads a whole key, the first one's.

    Raises:
        OSError: the directory is missing or not writable.
        ValueError: the file holds something else than a key.
    """
    target = Path(path)
    try:
        return _hasher_of(target.read_bytes(), target)
    except FileNotFoundError:
        pass
    draft = target.with_name(f"{target.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(32).hex().encode())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first; its key is the key
            os.link(draft, target)  # O_EXCL for a finished file: fails when the target exists
    finally:
        os.unlink(draft)
    return _hasher_of(target.read_bytes(), target)


def _hasher_of(content: bytes, path: Path) -> Hasher:
    try:
        key = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ValueError(f"{str(path)!r} holds no key (64 hex digits); move it away and a new key will be made")
    import hashlib

    return Hasher(key, hashlib.sha256(key).hexdigest()[:8])


# One grapheme, near enough to UAX 29 for cutting: a base, then what must stay with it.
_JOINS: Final = frozenset("\u200d")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def preview(text: str, limit: int = PREVIEW_CHARS) -> str:
    """Return at most `limit` characters of the redacted text, in one line, cut between graphemes."""
    if limit <= 0:
        return ""
    # A window is enough: what is cut off cannot come back, and a secret over its edge loses its last word.
    window = text if len(text) <= _WINDOW else drop_partial_word(text[:_WINDOW])
    shown = _CONTROL.sub(" ", redact_text(window))
    shown = shown.encode("utf-8", "replace").decode() if not shown.isascii() else shown
    return shown if len(shown) <= limit else shown[: grapheme_boundary(shown, limit)]


_WINDOW: Final = 2048


def drop_partial_word(text: str) -> str:
    """Return a cut text without its last, possibly incomplete word: half a secret matches no rule.

    Some scripts write without blanks, so no more than LONGEST_SECRET characters go; no secret is longer than that.
    """
    at = max(text.rfind(" "), text.rfind("\n"), text.rfind("\t"))
    return text[: max(at + 1, len(text) - LONGEST_SECRET, 0)]


def grapheme_boundary(text: str, limit: int) -> int:
    """Return the largest index <= limit at which `text` can be cut without splitting a visible character."""
    if limit >= len(text):
        return len(text)
    at = limit
    while at > 0 and not _can_cut(text, at):
        at -= 1
    return at


def _can_cut(text: str, at: int) -> bool:
    before, after = text[at - 1], text[at]
    if after < "\x80" and before < "\x80":
        return True
    if "\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff":
        return False
    if before in _JOINS or after in _JOINS or _extends(after):
        return False
    if _is_regional(before) and _is_regional(after):
        run = at
        while run > 0 and _is_regional(text[run - 1]):
            run -= 1
        return (at - run) % 2 == 0
    return True


def _extends(char: str) -> bool:
    code = ord(char)
    if 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF:  # variation selectors
        return True
    if 0x1F3FB <= code <= 0x1F3FF or 0xE0020 <= code <= 0xE007F:  # skin tones, flag tags
        return True
    return unicodedata.category(char).startswith("M")


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"
