"""A small research pipeline without a language model, instrumented with `whence`: see README.md."""

from __future__ import annotations

from .llm import Endpoint
from .pipeline import STAGES, Fault, Result, run
from .questions import DEMO_QUESTIONS, DemoQuestion

__all__ = ["DEMO_QUESTIONS", "STAGES", "DemoQuestion", "Endpoint", "Fault", "Result", "run"]
