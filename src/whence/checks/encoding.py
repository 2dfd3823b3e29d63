"""Is this UTF-8? Where not: which byte, on which line. Also NUL, a byte order mark, a declared encoding (PEP 263)."""

import codecs
import re
from encodings.aliases import aliases
from typing import Any

import msgspec

from whence.checks.interface import MOST_CHARS, CheckResult, Collected, clock
from whence.checks.lines import Lines

ENCODING = "encoding"
BOM = "\ufeff"
_COOKIE = re.compile(rb"[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_BLANK = re.compile(rb"[ \t\f]*(?:#[^\r\n]*)?(?:\r\n|\r|\n|\Z)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF8 = ("utf_8", "utf8", "u8", "utf_8_sig", "ascii", "us_ascii", "646")
_NO_ALIAS = ("koi8_u", "koi8_t", "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006")
_KNOWN = frozenset(aliases).union(aliases.values(), _NO_ALIAS) - {"mbcs", "oem"}
"""Encodings of files. Others are not looked up: punycode and idna take time that grows with the square of the length, and
an unknown name would be asked of every codec search function that the host registered."""


class Decoded(msgspec.Struct, frozen=True):
    """A text as it was read, and what was found in reading it."""

    lines: Lines  # of what could be read; of bytes that could not, with escapes in their place
    readable: bool  # whether `lines` is the whole text, and such as Python takes
    result: CheckResult


def decode(text: str | bytes) -> Decoded:
    """Return the text of a source file. Never raises; the text is at most four times MOST_CHARS long."""
    start_ns = clock.monotonic_ns()
    notes: list[str] = []
    attributes: dict[str, Any] = {}
    bad: tuple[str, str, int, int] | None = None  # code, message, line, column
    if isinstance(text, str):
        decoded = text
        encoding = _declared(text[:1000].encode("utf-8", "replace"))
        if encoding is not None and _normal(encoding) not in _UTF8:
            notes.append(f"declares the encoding {encoding}: it has to be written in it, not in UTF-8")
    else:
        decoded, encoding, bad = _decoded_bytes(text, attributes)
        if bad is None and encoding is not None and _normal(encoding) not in _UTF8:
            notes.append(f"is written in {encoding}, as it declares, not in UTF-8")
    if decoded.startswith(BOM):
        notes.append("begins with a byte order mark")
        attributes["bom"] = True
        decoded = decoded[1:]
    lines = Lines(decoded)
    found = Collected(ENCODING, lines)
    if bad is not None:
        found.add(bad[0], bad[1], bad[2], bad[3])
    nuls = lines.text.count("\0")
    if nuls:
        line, column = lines.place(lines.text.index("\0"))
        found.add("E_NUL", f"{nuls} NUL character{'s' if nuls > 1 else ''}: Python reads no such text", line, column)
    # Bytes that were escaped have none; a text has them where something decoded it with "surrogateescape".
    lone = _SURROGATE.search(lines.text)
    if lone is not None:
        line, column = lines.place(lone.start())
        found.add("E_SURROGATE", f"lone surrogate U+{ord(lone[0]):04X}: UTF-8 cannot carry it", line, column)
    if encoding is not None:
        attributes["declared"] = encoding
    if notes:
        attributes["notes"] = notes
    return Decoded(lines, found.total == 0 and len(lines.text) <= MOST_CHARS, found.result(start_ns, attributes))


def _decoded_bytes(data: bytes, attributes: dict[str, Any]) -> tuple[str, str | None, tuple[str, str, int, int] | None]:
    """Return the text of bytes, the encoding they declare, and what is wrong with them."""
    encoding = _declared(data)
    name = _normal(encoding) if encoding is not None else "utf_8"
    bad: tuple[str, str, int, int] | None = None
    if name in _UTF8:
        name = "utf_8"
    elif data.startswith(codecs.BOM_UTF8):
        message = f"declares the encoding {encoding}, but begins with the byte order mark of UTF-8"
        bad, name = ("E_ENCODING_DECLARED", message, 1, 1), "utf_8"
    elif name not in _KNOWN:
        bad, name = ("E_ENCODING_DECLARED", f"declares the encoding {encoding}, which is not known", 1, 1), "utf_8"
    try:
        return data.decode(name), encoding, bad
    except UnicodeDecodeError as exc:
        before = Lines(data[: exc.start].decode(name, "replace").removeprefix(BOM))
        attributes["offset"] = exc.start
        said = "UTF-8" if name == "utf_8" else f"{encoding}, which it declares"
        message = f"byte 0x{data[exc.start]:02x} at offset {exc.start} is not {said}"
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            message += "; it looks like UTF-16"
        place = (before.last, len(before.lines[-1]) + 1)
        return data.decode("utf-8", "backslashreplace"), encoding, bad or ("E_NOT_UTF8", message, *place)
    except (LookupError, ValueError) as exc:  # an encoding that is none of text; a codec that refuses otherwise
        escaped = data.decode("utf-8", "backslashreplace")
        return escaped, encoding, ("E_ENCODING_DECLARED", f"declares the encoding {encoding}: {exc}", 1, 1)


def _declared(data: bytes) -> str | None:
    """Return the encoding named in the first two lines (PEP 263)."""
    data = data[:1000].removeprefix(codecs.BOM_UTF8)
    found = _COOKIE.match(data)
    if found is None:
        first = _BLANK.match(data)
        found = _COOKIE.match(data, first.end()) if first is not None else None
    return found[1].decode("ascii")[:60] if found is not None else None


def _normal(encoding: str) -> str:
    return encoding.lower().replace("-", "_").replace(".", "_")
