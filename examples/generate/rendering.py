"""Templates and variables become text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .plan import Plan
from .spec import HERE

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = HERE / "templates"
REMEDY = "pip install 'whence[demo]'"


class NoTemplateEngine(Exception):
    """Jinja is not installed; the message says how to get it."""


class BadTemplate(Exception):
    """A template raised, given what the spec says; the message names both."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a plan."""

    text: str | None  # None: the template raised
    templates: dict[str, str]  # that it was made of: file name -> text, the plan's own first
    error: str | None = None


def renderer(*, stale: bool = False) -> Callable[[Plan], Rendered]:
    """Return a function that renders plans. Raises NoTemplateEngine.

    Args:
        stale: templates in templates/stale come before those of the same name in templates/.
    """
    try:
        import jinja2
    except ImportError as exc:
        raise NoTemplateEngine(f"the code generation example needs Jinja: {REMEDY}") from exc

    used: dict[str, str] = {}
    folders = [TEMPLATES / "stale", TEMPLATES] if stale else [TEMPLATES]

    def load(name: str) -> str | None:
        path = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if path is None:
            return None
        used[name] = path.read_text(encoding="utf-8")
        return used[name]

    environment: Environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        undefined=jinja2.StrictUndefined,  # a variable that is not given is an error, not a hole in the code
        autoescape=False,  # what comes out is Python, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=0,  # so that every template that is used is read, and noted
    )
    environment.filters |= {"as_pattern": _as_pattern, "as_tuple": lambda values: repr(tuple(values))}

    def render(plan: Plan) -> Rendered:
        used.clear()
        try:
            text = environment.get_template(plan.template).render(plan.variables)
        except Exception as exc:  # noqa: BLE001 - a template, given what it does not expect, may raise anything
            return Rendered(None, dict(used), f"{plan.template}: {type(exc).__name__}: {exc}")
        return Rendered(text, dict(used))

    return render


def _as_pattern(path: str) -> str:
    """Return a path with names in braces as a regular expression: /todos/{id} becomes /todos/(?P<id>[^/]+)."""
    return re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
