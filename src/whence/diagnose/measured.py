"""How often causes of each rule were right on planted faults (`measured.toml`, written by benchmarks/diagnosis)."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from whence.measure.rates import wilson

FEW: Final = 5
"""Causes of a rule below which its share says nothing."""


class Precision(msgspec.Struct, frozen=True):
    """How many causes of a rule were right."""

    right: int
    of: int
    seed: int

    @property
    def share(self) -> float:
        """The lower bound of Wilson's interval (95 %) of the share that was right."""
        return wilson(self.right, self.of)[0]

    @property
    def text(self) -> str:
        """What it rests on, in words."""
        return (
            f"{self.right} of {self.of} such causes were right on planted faults (seed {self.seed}); "
            "the lower bound of Wilson's interval of that share"
        )


@cache
def _table() -> dict[tuple[str, str], Precision]:
    raw = tomllib.loads(files("whence.diagnose").joinpath("measured.toml").read_text(encoding="utf-8"))
    return {
        (place, rule): Precision(right, of, raw["seed"])
        for place in ("first", "later")
        for rule, (right, of) in raw.get(place, {}).items()
    }


def precision(rule: str, *, first: bool) -> Precision | None:
    """Return how often causes of a rule were right, where they came first or later; None where too few were measured."""
    found = _table().get(("first" if first else "later", rule))
    return found if found is not None and found.of >= FEW else None
