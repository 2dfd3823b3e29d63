"""Specs: what a component should be, one TOML file each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class BadSpec(Exception):
    """A spec that nothing can be made from; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a component should be."""

    name: str  # a Python name: that of the module
    summary: str
    settings: dict[str, Any]  # whatever else the file says
    file: str  # its name, without a directory
    text: str


def load(path: Path) -> Spec:
    """Read one spec. Raises BadSpec."""
    text = path.read_text(encoding="utf-8")
    try:
        said = tomllib.loads(text)
        name, summary = said.pop("name"), said.pop("summary")
    except tomllib.TOMLDecodeError as exc:
        raise BadSpec(f"{path}: {exc}") from exc
    except KeyError as exc:
        raise BadSpec(f"{path}: it does not say its {exc.args[0]}") from exc
    if not isinstance(name, str) or not name.isidentifier():
        raise BadSpec(f"{path}: name = {name!r}; give a Python name, such as todo_store")
    return Spec(name=name, summary=str(summary), settings=said, file=path.name, text=text)


def shipped(names: Iterable[str] = ()) -> tuple[Spec, ...]:
    """Return the specs of this example, by name; all of them where none is named. Raises BadSpec for an unknown one."""
    specs = {path.stem: load(path) for path in sorted((HERE / "specs").glob("*.toml"))}
    unknown = [name for name in names if name not in specs]
    if unknown:
        raise BadSpec(f"no spec {unknown[0]!r}; there is {', '.join(specs)}")
    return tuple(spec for name, spec in specs.items() if not names or name in names)
