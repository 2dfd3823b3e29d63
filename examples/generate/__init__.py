"""A code generation pipeline without a language model, instrumented with `whence`: see README.md."""

from __future__ import annotations

from .pipeline import FAULTS, Outcome, Result, run
from .rendering import NoTemplateEngine
from .spec import BadSpec, Spec, shipped

__all__ = ["FAULTS", "BadSpec", "NoTemplateEngine", "Outcome", "Result", "Spec", "run", "shipped"]
