"""The slow path: turn any object into redacted JSON types, without running its code and without raising."""

import array
import collections
import enum
import math
import re
import sys
import types
from typing import Any, Final

import msgspec

from whence.redact.capture import PREVIEW_CHARS, CaptureLevel, Hasher, drop_partial_word, preview
from whence.redact.keys import is_secret_key
from whence.redact.objects import (
    SCALARS,
    SUBCLASSED,
    behind_proxy,
    derives,
    fields_of,
    is_one_of,
    mro_of,
    name_of,
    scalar_text,
    stored,
)
from whence.redact.rules import Family
from whence.redact.text import DEFAULT, redact_text


class Flag(enum.IntFlag):
    """What was changed on the way from the caller's value to the recorded one."""

    TRUNCATED = 1  # too long, too deep or too many
    REDACTED = 2  # a secret or personal data was masked, or the capture level keeps less than the text
    NORMALISED = 4  # NaN, infinity, an integer beyond 64 bits, a lone surrogate, NUL
    DESCRIBED = 8  # a value that cannot be encoded is described instead
    DROPPED = 16  # the redactor failed on a value, so it is not kept
    CLAMPED = 32  # set elsewhere: a number was brought into its range


class Limits(msgspec.Struct, frozen=True):
    """How much of one value is kept."""

    depth: int = 32  # containers inside each other
    items: int = 10_000  # nodes in one value, keys not counted
    string_chars: int = 65_536  # of one string


DROPPED: Final = "[DROPPED:redactor]"
MASKED_KEY: Final = "[REDACTED:key]"
_KEY_CHARS: Final = 256
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**63 - 1
_INT_BITS: Final = 4096  # str() of a larger one is slow, and refused by the interpreter from 4300 digits
_SEQUENCES: Final = (list, tuple, set, frozenset, collections.deque, array.array, types.MappingProxyType)


def clean(
    value: object,
    *,
    level: CaptureLevel = CaptureLevel.REDACTED,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    hasher: Hasher | None = None,
) -> tuple[object, Flag]:
    """Return the value as dict[str], list, str, int, float, bool and None only, redacted, and what was changed.

    Never raises. Never calls code of an object it does not know: no `__repr__`, `__str__`, `__eq__`, `__hash__`,
    property or iterator of it; such an object becomes `"<module.Class>"`.

    Args:
        value: anything.
        level: how much of each string is kept.
        limits: depth, nodes and characters kept.
        hasher: makes the hashes at the levels `hash` and `preview`; without one the hash is left out.
    """
    walk = _Walk(level, limits, hasher)
    try:
        return walk.node(value, 0), walk.flags
    except Exception:  # noqa: BLE001 - fail closed, whatever it was
        return DROPPED, walk.flags | Flag.DROPPED


class _Walk:
    """One pass over one value."""

    __slots__ = ("_families", "_hasher", "_inside", "_left", "_level", "_limits", "flags")

    def __init__(self, level: CaptureLevel, limits: Limits, hasher: Hasher | None) -> None:
        self._level = level
        self._limits = limits
        self._hasher = hasher
        self._families = Family.SECRET if level is CaptureLevel.FULL else DEFAULT
        self._left = limits.items
        self._inside: set[int] = set()  # ids of the containers above this node
        self.flags = Flag(0)

    # --- dispatch ---------------------------------------------------------------------------------------------------

    def node(self, value: object, depth: int) -> object:
        self._left -= 1
        if self._left < 0:
            self.flags |= Flag.TRUNCATED
            return "<truncated>"
        try:
            return self._convert(value, depth)
        except Exception:  # noqa: BLE001 - RecursionError too; one bad value must not cost its neighbours
            self.flags |= Flag.DROPPED
            return DROPPED

    def _convert(self, value: object, depth: int) -> object:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._string(value)  # type: ignore[arg-type]
        if kind is int:
            return self._integer(value)  # type: ignore[arg-type]
        if kind is float:
            return self._float(value)  # type: ignore[arg-type]
        if is_one_of(kind, _CONTAINERS):
            return self._container(value, depth)
        return self._other(value, kind, depth)

    def _other(self, value: Any, kind: type, depth: int) -> object:
        # The real type's line of bases: `isinstance` would ask a hostile `__class__`.
        mro = mro_of(kind)
        if derives(mro, enum.Enum):
            return self._convert(stored(value, mro, "_value_"), depth)
        for base, convert in SUBCLASSED:
            if derives(mro, base):
                return self._convert(convert(value), depth)
        if is_one_of(kind, SCALARS):
            return self._string(scalar_text(value))
        if kind is bytes or kind is bytearray or kind is memoryview:
            return self._bytes(value)
        if derives(mro, BaseException):
            return self._exception(value, kind, depth)
        fields = fields_of(value, kind, mro)
        if fields is not None:
            return self._container(fields, depth, identity=id(value))
        return self._describe(value, kind)

    # --- scalars ----------------------------------------------------------------------------------------------------

    def _string(self, text: str) -> object:
        limit = self._limits.string_chars
        original = text
        if len(text) > limit:
            self.flags |= Flag.TRUNCATED
            text = drop_partial_word(text[:limit])
        text = self._wellformed(text)
        if self._level is CaptureLevel.HASH:
            self.flags |= Flag.REDACTED
            return self._hashed({"chars": len(original)}, original)
        if self._level is CaptureLevel.PREVIEW and len(original) > PREVIEW_CHARS:
            self.flags |= Flag.REDACTED
            return self._hashed({"preview": preview(text), "chars": len(original)}, original)
        masked = redact_text(text, self._families)
        if masked is not text and masked != text:
            self.flags |= Flag.REDACTED
        if len(original) <= limit:
            return masked
        import hashlib

        digest = hashlib.sha256(original.encode("utf-8", "surrogatepass")).hexdigest()
        return {"truncated": masked, "original_chars": len(original), "sha256": digest}

    def _hashed(self, about: dict[str, object], text: str) -> dict[str, object]:
        if self._hasher is not None:
            about["hash"] = self._hasher.hash(text)
        return about

    def _wellformed(self, text: str) -> str:
        if text.isascii():
            fixed = text.replace("\0", "\u2400") if "\0" in text else text
        else:
            fixed = _LONE.sub("\ufffd", text).replace("\0", "\u2400")
        if fixed is not text and fixed != text:
            self.flags |= Flag.NORMALISED
        return fixed

    def _integer(self, number: int) -> object:
        if _INT_MIN <= number <= _INT_MAX:
            return number
        self.flags |= Flag.NORMALISED
        if number.bit_length() > _INT_BITS:
            self.flags |= Flag.DESCRIBED
            return f"<integer of {number.bit_length()} bits>"
        return str(number)

    def _float(self, number: float) -> object:
        if math.isfinite(number):
            return number
        self.flags |= Flag.NORMALISED
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"

    def _bytes(self, data: bytes | bytearray | memoryview) -> object:
        self.flags |= Flag.DESCRIBED
        view = memoryview(data)
        content = view if view.c_contiguous else view.tobytes()
        import hashlib

        return {"bytes": view.nbytes, "sha256": hashlib.sha256(content).hexdigest()}

    def _exception(self, error: BaseException, kind: type, depth: int) -> object:
        args = BaseException.__dict__["args"].__get__(error)
        shown = self._container(args, depth) if args else []
        self.flags |= Flag.DESCRIBED
        return {"exception": name_of(kind), "args": shown}

    def _describe(self, value: Any, kind: type) -> object:
        self.flags |= Flag.DESCRIBED
        numpy = sys.modules.get("numpy")  # never imported here; if the value is an array, the host has
        if numpy is not None and kind is getattr(numpy, "ndarray", None):
            return f"<numpy.ndarray shape={tuple(value.shape)} dtype={value.dtype.name}>"
        if numpy is not None and type(kind) is type and kind.__module__ == "numpy" and issubclass(kind, numpy.generic):
            plain = value.item()
            if type(plain) in (bool, int, float, str):
                return self._convert(plain, 0)
        return f"<{name_of(kind)}>"

    # --- containers -------------------------------------------------------------------------------------------------

    def _container(self, value: Any, depth: int, *, identity: int | None = None) -> object:
        if depth >= self._limits.depth:
            self.flags |= Flag.TRUNCATED
            return "<too deep>"
        identity = id(value) if identity is None else identity
        if identity in self._inside:
            self.flags |= Flag.DESCRIBED
            return "<cycle>"
        self._inside.add(identity)
        try:
            if type(value) is types.MappingProxyType:
                value = behind_proxy(value)
            if isinstance(value, dict):
                return self._mapping(value, depth + 1)
            return self._sequence(value, depth + 1)
        finally:
            self._inside.discard(identity)

    def _mapping(self, mapping: Any, depth: int) -> dict[str, object]:
        kept: dict[str, object] = {}
        for key, item in list(dict.items(mapping)):  # a copy: another thread may still write
            if self._left <= 0:
                self.flags |= Flag.TRUNCATED
                break
            name, secret = self._key(key)
            if secret and _hideable(item):
                self._left -= 1
                self.flags |= Flag.REDACTED
                kept[_unused(name, kept)] = MASKED_KEY
            else:
                kept[_unused(name, kept)] = self.node(item, depth)
        return kept

    def _sequence(self, items: Any, depth: int) -> list[object]:
        kept: list[object] = []
        for item in list(items):
            if self._left <= 0:
                self.flags |= Flag.TRUNCATED
                break
            kept.append(self.node(item, depth))
        return kept

    def _key(self, key: object) -> tuple[str, bool]:
        """Return the key as text, and whether it announces a secret."""
        kind = type(key)
        if kind is not str and derives(mro_of(kind), str):
            key, kind = str.__getitem__(key, slice(None)), str  # type: ignore[index]
        if kind is str:
            name: str = key  # type: ignore[assignment]
        else:
            self.flags |= Flag.DESCRIBED
            if key is None or kind is bool or kind is int or kind is float:
                name = str(self._convert(key, 0))
            elif is_one_of(kind, SCALARS):
                name = scalar_text(key)
            else:
                return f"<{name_of(kind)}>", False
        secret = is_secret_key(name)
        name = self._wellformed(name)
        if len(name) > _KEY_CHARS:
            self.flags |= Flag.TRUNCATED
            name = f"{drop_partial_word(name[:_KEY_CHARS])}<{len(name)} chars>"
        masked = redact_text(name, self._families)
        if masked != name:
            self.flags |= Flag.REDACTED
        return masked, secret


_DICTS: Final = (dict, collections.OrderedDict, collections.defaultdict, collections.Counter)
_CONTAINERS: Final[frozenset[type]] = frozenset({*_DICTS, *_SEQUENCES})
_LONE: Final = re.compile("[\ud800-\udfff]")

_SIZED: Final = frozenset({str, bytes, list, tuple, dict})


def _hideable(item: object) -> bool:
    if item is None or item is True or item is False:
        return False
    kind = type(item)
    if is_one_of(kind, _SIZED):
        return len(item) > 0 and not (kind is str and item == MASKED_KEY)  # type: ignore[arg-type]
    return True


def _unused(name: str, taken: dict[str, object]) -> str:
    """Return the name, numbered if two keys became one."""
    if name not in taken:
        return name
    number = len(taken) + 1  # not 2: ten thousand equal names must not cost a quadratic search
    while f"{name}#{number}" in taken:
        number += 1
    return f"{name}#{number}"
