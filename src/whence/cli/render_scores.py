"""Scores of principles, as they are drawn wherever a run holds some."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from whence.cli.render import BAD, GOOD, Fitting, named, text
from whence.model.quality import GAP_BELOW, STRENGTH_FROM, number


def scores_of(raw: object) -> list[tuple[str, dict[str, Any]]]:
    """Return what was scored, as (principle, its details); nothing where it is no list or mapping of scores."""
    found: list[tuple[str, dict[str, Any]]] = []
    if isinstance(raw, dict):
        found = [(str(key), each if isinstance(each, dict) else {"score": each}) for key, each in raw.items()]
    elif isinstance(raw, list):
        found = [(str(each["id"]), each) for each in raw if isinstance(each, dict) and "id" in each]
        found = found if len(found) == len(raw) else []
    return found if all(number(each.get("score")) is not None for _, each in found) else []


def score_table(scored: Sequence[tuple[str, dict[str, Any]]]) -> RenderableType:
    """Return scores as a table: names and feedback too, where there are any."""
    names = [key for key in ("name", "feedback") if any(each.get(key) for _, each in scored)]
    widths: list[dict[str, Any]] = [
        {"header": "principle", "no_wrap": True},
        {"header": "score", "justify": "right", "no_wrap": True},
    ]
    widths += [{"header": name, "overflow": "fold", "least": 14, "drop": n} for n, name in enumerate(names)]
    rows: list[tuple[Text, ...]] = []
    for pid, each in scored:
        points = number(each.get("score")) or 0.0
        style = BAD if points < GAP_BELOW else GOOD if points >= STRENGTH_FROM else ""
        said = [text(each.get(name) or "") for name in names]
        rows.append((text(named(pid)), Text(f"{points:g}", style), *said))
    return Fitting(widths, rows)


def brief_scores(scored: Sequence[tuple[str, dict[str, Any]]]) -> Text:
    """Return scores in one line."""
    return text(", ".join(f"{pid} {number(each.get('score')) or 0.0:g}" for pid, each in scored))
