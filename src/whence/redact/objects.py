"""Read objects of unknown classes without running their code.

Only descriptors of the interpreter are called (slots, `__dict__`, methods of builtin types), never an attribute look-up
on the object or its class: both can be overridden, by `__getattribute__`, properties or a metaclass.
"""

import dataclasses
import datetime
import decimal
import gc
import pathlib
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any, Final

import msgspec

from whence.redact.text import redact_text

_TIMES: Final = frozenset({datetime.datetime, datetime.time})
_PATHS: Final = frozenset(
    {pathlib.PurePosixPath, pathlib.PureWindowsPath, pathlib.PosixPath, pathlib.WindowsPath, pathlib.Path}
)
# Written as text: exact types only, a subclass may lie.
SCALARS: Final = frozenset(
    {*_TIMES, *_PATHS, datetime.date, datetime.timedelta, uuid.UUID, decimal.Decimal, range, complex}
)

# A subclass of a builtin is read through the builtin, so that its own overrides do not run.
SUBCLASSED: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, lambda value: str.__getitem__(value, slice(None))),
    (int, lambda value: int.__add__(value, 0)),
    (float, lambda value: float.__add__(value, 0.0)),
    (dict, lambda value: dict(list(dict.items(value)))),
    (list, lambda value: list.__getitem__(value, slice(None))),
    (tuple, lambda value: tuple.__getitem__(value, slice(None))),
    (set, lambda value: list(set.__iter__(value))),
    (frozenset, lambda value: list(frozenset.__iter__(value))),
)

_MRO: Final = type.__dict__["__mro__"]
_SPACE: Final = type.__dict__["__dict__"]
_QUALNAME: Final = type.__dict__["__qualname__"]
_STRUCT_FIELDS: Final = type(msgspec.Struct).__dict__["__struct_fields__"]


def mro_of(kind: type) -> tuple[type, ...]:
    """Return the class and its bases, in order."""
    bases: tuple[type, ...] = _MRO.__get__(kind)
    return bases


def derives(mro: tuple[type, ...], base: type) -> bool:
    """Return whether `base` is among them, by identity: `in` would call a metaclass's `__eq__`."""
    return any(one is base for one in mro)


def is_one_of(kind: type, exact: frozenset[type]) -> bool:
    """Return whether `kind` is one of these plain classes; a metaclass's `__hash__` does not run."""
    return type(kind) is type and kind in exact


def module_of(kind: type) -> str:
    """Return the name of the module of a class, `?` if it is not text."""
    module = _SPACE.__get__(kind).get("__module__", "builtins")
    return module if type(module) is str else "?"


def name_of(kind: type) -> str:
    """Return `module.Class`, at most 200 characters, redacted."""
    text = f"{module_of(kind)}.{_QUALNAME.__get__(kind)}"
    return redact_text(text[:200].encode("utf-8", "replace").decode().replace("\0", ""))


def scalar_text(value: Any) -> str:
    """Return the text of a value of one of the SCALARS; times as RFC 3339, durations as ISO 8601."""
    kind = type(value)
    if is_one_of(kind, _PATHS) or kind is decimal.Decimal or kind is range or kind is complex:
        return str(value)
    if is_one_of(kind, _TIMES) and type(value.tzinfo) not in (type(None), datetime.timezone, zoneinfo.ZoneInfo):
        value = value.replace(tzinfo=None)  # a time zone class of the caller's would run to tell its offset
    return str(msgspec.to_builtins(value))


def behind_proxy(proxy: types.MappingProxyType[Any, Any]) -> dict[Any, Any]:
    """Return the dict a mapping proxy shows; raise TypeError if it shows something else, which may run code."""
    for seen in gc.get_referents(proxy):
        if derives(mro_of(type(seen)), dict):
            return dict(list(dict.items(seen)))
    raise TypeError("the proxy shows no dict")


def stored(value: object, mro: tuple[type, ...], name: str) -> object:
    """Return what an instance stores under a name, in a slot or its `__dict__`.

    Raises:
        KeyError: nothing is stored there.
    """
    for base in mro:
        space = _SPACE.__get__(base)
        found = space.get(name)
        if type(found) is types.MemberDescriptorType:
            try:
                return found.__get__(value)
            except AttributeError:  # an empty slot
                raise KeyError(name) from None
    for base in mro:
        holder = _SPACE.__get__(base).get("__dict__")
        if type(holder) is types.GetSetDescriptorType:
            return dict.__getitem__(holder.__get__(value), name)
    raise KeyError(name)


def fields_of(value: object, kind: type, mro: tuple[type, ...]) -> dict[str, object] | None:
    """Return the stored fields of a dataclass, msgspec struct or pydantic model; None for anything else."""
    names = _field_names(kind, mro)
    if names is None:
        return None
    fields: dict[str, object] = {}
    for name in names:
        try:
            fields[name] = stored(value, mro, name)
        except KeyError:  # declared, never set
            continue
    return fields


def _field_names(kind: type, mro: tuple[type, ...]) -> list[str] | None:
    if derives(mro, msgspec.Struct):
        return list(_STRUCT_FIELDS.__get__(kind))
    for base in mro:
        space = _SPACE.__get__(base)
        declared = space.get("__dataclass_fields__")
        if type(declared) is dict and all(type(field) is dataclasses.Field for field in declared.values()):
            return [name for name in declared if type(name) is str]
        if any(module_of(other).partition(".")[0] == "pydantic" for other in mro):
            for where in ("__pydantic_fields__", "model_fields", "__fields__"):
                if type(space.get(where)) is dict:
                    return [name for name in space[where] if type(name) is str]
    return None
