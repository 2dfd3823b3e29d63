"""The detectors, one per module, all alike (`whence.diagnose.detector`)."""

from functools import cache
from importlib import import_module
from typing import Final

from whence.diagnose.detector import Detector

_MODULES: Final = (
    "raised",
    "checked",
    "judgement",
    "structural_gap",
    "drift",
    "state_consistency",
    "flow",
    "performance",
    "volume",
    "errors",
    "deviation",
    "calibration",
    "telemetry",
)
"""Each defines one class with `name` = its module's name. In this order they run, and their findings of one moment are listed."""


@cache
def detectors() -> tuple[type[Detector], ...]:
    """Return every detector's class."""
    found = []
    for name in _MODULES:
        module = import_module(f"{__name__}.{name}")
        found += [
            each
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, Detector) and each.name == name
        ]
    return tuple(found)
