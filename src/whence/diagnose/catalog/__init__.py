"""The catalog of trouble codes: what each means, how bad it is, what to do, and who raises it.

`codes.toml` comes with whence. A user adds codes, or changes fields of ours, in `<data>/codes.toml` and in the files
that WHENCE_CODES names (docs/codes.md). Whatever is wrong with those never reaches the host: the file in question is left
out, `catalog().trouble` says why, and so does `whence codes check`.
"""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from whence.diagnose.catalog.entry import Category, Code
from whence.diagnose.catalog.reading import Tables, added, packaged, read
from whence.errors import WhenceError
from whence.model.severity import Severity

__all__ = ["FILE", "Catalog", "Category", "Code", "catalog", "check", "files", "use"]

FILE: Final = "codes.toml"
_chosen: dict[str, Path] = {}
_cached: "dict[tuple[tuple[str, int, int], ...], Catalog]" = {}


class Catalog:
    """Codes by their name.

    Args:
        tables: what is known.
        trouble: what is wrong with files that were left out, a sentence each.
    """

    def __init__(self, tables: Tables, trouble: tuple[str, ...] = ()) -> None:
        self.codes: Mapping[str, Code] = tables.codes
        self.categories: Mapping[str, Category] = tables.categories
        self.trouble = trouble
        self._other = {name.upper(): each for each in self.codes.values() for name in (each.name, *each.aliases)}

    def get(self, code: object) -> Code | None:
        """Return what is known of a code, which may be given by an alias, by its name and in any case; None if nothing.

        Whatever a program recorded as a code may be asked for.
        """
        if not isinstance(code, str):
            return None
        plain = code.strip().upper()
        return self.codes.get(plain) or self._other.get(plain)

    def severity(self, code: str) -> Severity:
        """Return how bad a code is; medium where it is not known."""
        found = self.get(code)
        return found.severity if found is not None else Severity.MEDIUM

    def close_to(self, code: str) -> list[str]:
        """Return the codes that may have been meant."""
        plain = code.strip().upper()
        names = {**{each: each for each in self.codes}, **{name: each.code for name, each in self._other.items()}}
        near = get_close_matches(plain, names, 5, 0.6) or [each for each in names if plain and plain in each][:5]
        return list(dict.fromkeys(names[each] for each in near))


def use(data: Path) -> None:
    """Say where the data directory is, whose codes.toml counts."""
    _chosen["data"] = data


def files(data: Path | None = None) -> list[Path]:
    """Return the user's catalog files, in the order in which they count: the last one wins.

    Args:
        data: the data directory; without it the one given to `use`, else WHENCE_DATA, else none.
    """
    given = os.environ.get("WHENCE_DATA", "").strip()
    place = data or _chosen.get("data") or (Path(os.path.expanduser(given)) if given else None)
    own = [place / FILE] if place is not None and os.path.lexists(place / FILE) else []
    return [
        *own,
        *(Path(os.path.expanduser(each)) for each in os.environ.get("WHENCE_CODES", "").split(os.pathsep) if each),
    ]


def catalog(data: Path | None = None) -> Catalog:
    """Return whence's catalog with the user's; read again when one of the files changes. Never raises for what is in them."""
    paths = files(data)
    state = tuple(_state(path) for path in paths)
    found = _cached.get(state)
    if found is None:
        found = _built(paths)
        _cached.clear()
        _cached[state] = found
    return found


def check(paths: list[Path]) -> list[str]:
    """Return everything that is wrong with these files, put on top of whence's own in this order."""
    tables, trouble = _packaged(), []
    for path in paths:
        try:
            tables, problems = added(tables, read(path), str(path))
        except WhenceError as exc:
            problems = [str(exc)]
        trouble += problems
    return trouble


def _built(paths: list[Path]) -> Catalog:
    tables, trouble = _packaged(), []
    for path in paths:
        try:
            more, problems = added(tables, read(path), str(path))
        except WhenceError as exc:
            problems = [str(exc)]
        else:
            tables = tables if problems else more
        trouble += problems
    return Catalog(tables, tuple(trouble))


@cache
def _packaged() -> Tables:
    return packaged()


def _state(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except (OSError, ValueError):  # gone, or no path at all (a NUL in it)
        return (str(path), 0, -1)
    return (str(path), found.st_mtime_ns, found.st_size)
