"""Oddities in sentences: who, what is odd, what is usual, in how many runs. Pure."""

from typing import Any, Final

from whence.diagnose.oddities import Oddity
from whence.diagnose.saying import named, took
from whence.diagnose.traits import AGREES, SECONDS, STANDS
from whence.model import record as kinds
from whence.model.quality import number

_NS: Final = 1_000_000_000
_WHAT: Final = {
    "stage": "stage", "tool": "call", "llm": "LLM call", "decision": "decision", "check": "check",
    "transform": "step", "event": "event", "snapshot": "snapshot", "metric": "metric", "evidence": "evidence",
    "prompts": "prompts", "outputs": "outputs",
}  # fmt: skip


def who_of(odd: Oddity) -> tuple[str, str]:
    """Return (component, stage) of an oddity."""
    record = odd.fact.record
    stage, _, component = odd.place.partition(">")
    return record.component or component, record.stage or stage


def sentence(odd: Oddity) -> str:
    """Return an oddity as one sentence without a full stop."""
    component, stage = who_of(odd)
    at = named(component or stage, "the run")
    if stage and stage != component and component:
        at += f" (stage {named(stage)})"
    return f"{at}: {_said(odd)}"


def _said(odd: Oddity) -> str:
    runs = before(odd)
    record = record_name(odd.what)
    if odd.field == "#":
        usual = _between(odd.usual)
        if odd.rule == "missing":
            return f"it recorded no {record}; {runs} there were {usual}"
        return f"it recorded {record} {times(int(float(odd.value or 0)))}; {runs} {usual}"
    if odd.field == SECONDS:
        low, high = (float(each) * _NS for each in odd.usual)
        return f"{record} took {took(float(odd.value or 0) * _NS)}; {runs} it took {took(low)} to {took(high)}"
    if odd.field == AGREES:
        state = named(odd.what.partition(":")[2])
        return f"its state “{state}” differs from that of most components that hold it; {runs} they agreed"
    if odd.field == STANDS or (odd.field == "passed" and odd.what.startswith(kinds.CHECK)):
        return f"{record} failed{_instead(odd.fact.data)}; {runs} it passed"
    of = "" if odd.what == f"stage:{odd.place}" else f" of {record}"
    of += f" where {named(odd.about).replace('=', ' is ', 1)}" if odd.about else ""
    field = odd.field
    if odd.rule == "ratio":
        one, _, other = field.partition("/")
        a, b = _number_in(odd, one), _number_in(odd, other)
        seen = f"{one}{of} is {a} and {other} is {b}" if a is not None else f"{field}{of} is {_shown(odd.value)}"
        if odd.usual[0] == 1:
            return f"{seen}; {runs} they were equal"
        return f"{seen}; {runs} the former divided by the latter was {_between(odd.usual)}"
    if field.endswith("#"):
        field = f"the number of {field[:-1]}"
    if odd.rule == "dependent":
        return f"{field}{of} is {_shown(odd.value)}; before, it was {_between(odd.usual)} ({times(odd.same)})"
    return f"{field}{of} is {_shown(odd.value)}; {runs} it was {_between(odd.usual)}"


def times(count: int) -> str:
    """Return how often in words."""
    return "once" if count == 1 else f"{count:,} times"


def _instead(check: dict[str, Any]) -> str:
    """Return what a check expected and found, where both are short."""
    expected, actual = check.get("expected"), check.get("actual")
    if isinstance(expected, str | int | float) and isinstance(actual, str | int | float):
        return f" ({_shown(actual)} instead of {_shown(expected)})"
    return ""


def before(odd: Oddity) -> str:
    """Return in how many earlier runs it was as usual."""
    if odd.same == odd.support:
        return f"in all {odd.support} earlier good runs"
    return f"in {odd.same} of {odd.support} earlier good runs"


def record_name(what: str) -> str:
    """Return what records are called: “decision cache_lookup”."""
    kind, _, name = what.partition(":")
    kind, _, rest = kind.partition(" ")
    name, _, role = name.partition(" ") if kind == kinds.TRANSFORM else (name, "", "")
    of = f"the {role} of " if role else ""
    when = f" ({rest})" if rest else ""
    return f"{of}{_WHAT.get(kind, kind)} {named(name)}{when}" if name != kind else f"its {kind}"


def _number_in(odd: Oddity, field: str) -> str | None:
    data = odd.fact.data
    for group in (data.get("outputs"), data.get("inputs"), data.get("data"), data):
        value = number(group.get(field)) if isinstance(group, dict) else None
        if value is not None:
            return _shown(value)
    return None


def _between(usual: tuple[object, ...]) -> str:
    if usual and isinstance(usual[0], str):
        shown = [named(each) for each in usual[:3]]
        return " or ".join(shown) + (f" or {len(usual) - 3} others" if len(usual) > 3 else "")
    low, high = usual[0], usual[-1]
    return _shown(low) if low == high else f"{_shown(low)} to {_shown(high)}"


def _shown(value: object) -> str:
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{int(value):,}" if value == int(value) else f"{value:.4g}"
    return named(value, "empty")
