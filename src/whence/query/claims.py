"""What `why` says, statement by statement: a claim names the record it rests on. And the words that it quotes with."""

import re
import signal
from typing import Any, Final, Literal

import msgspec

from whence.model.trace import COMPLETE, IN_PROGRESS, NOT_ENDED, Attempt, TraceSummary

EXIT_CODE: Final = "ExitCode"
"""The type of the error of a program that was run as a whole, and ended with another exit code than 0."""
NO_CAUSE: Final = ("recovered", "dropped")
"""Rules whose claims are true, and not why the run went wrong."""
ENDED: Final = ("uncaught", "killed")
"""Rules whose claims say what ended the program: whatever else is recorded, it lived on after that."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about the run, and the record it rests on."""

    statement: str
    stage: str
    record_id: str
    kind: Literal["confirmed", "hypothesis"]
    rule: str  # which rule made it
    ts_ns: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was in the last good run."""

    what: str
    before: Any
    now: Any
    record_id: str = ""


def fact(statement: str, stage: str, record_id: str, rule: str, ts_ns: int) -> Claim:
    """Return a claim that the records state."""
    return Claim(statement=statement, stage=stage, record_id=record_id, kind="confirmed", rule=rule, ts_ns=ts_ns)


def guess(statement: str, stage: str, record_id: str, rule: str, ts_ns: int = 0) -> Claim:
    """Return a claim that would explain others."""
    return Claim(statement=statement, stage=stage, record_id=record_id, kind="hypothesis", rule=rule, ts_ns=ts_ns)


def outcome_of(row: TraceSummary) -> Literal["good", "bad", "in_progress"]:
    """Return whether a run went well: complete, and its quality gate (if it has one) passed.

    A run that is complete is good, whatever failed in it: the headline names that.
    """
    if row.status == IN_PROGRESS:
        return "in_progress"
    return "good" if row.status == COMPLETE and row.quality_gate_passed is not False else "bad"


def nth(attempt: Attempt) -> str:
    """Return which attempt of a stage it is, where it is not the first."""
    return f" (attempt {attempt.attempt})" if attempt.attempt > 1 else ""


def still_open(attempt: Attempt) -> bool:
    """Return whether nobody ended an attempt: what ended the run ended it."""
    return bool(attempt.error == NOT_ENDED)


def exit_code(error: Any) -> int | None:
    """Return the exit code of a program that was run as a whole; None where the error tells of none."""
    if not isinstance(error, dict) or error.get("type") != EXIT_CODE:
        return None
    found = re.fullmatch(r"exit code (\d{1,3})", str(error.get("message")))
    return int(found[1]) if found is not None else None


def ending_signal(code: int | None) -> str | None:
    """Return the signal that ended a program, by its exit code as a shell counts."""
    try:
        return signal.Signals(code - 128).name if code is not None and code > 128 else None
    except ValueError:
        return None


def ending(error: Any, limit: int = 160) -> str:
    """Return how a run ended, in words: its exit code, the signal that killed it, or its error."""
    code = exit_code(error)
    if code is None:
        return short(error, limit)
    by = ending_signal(code)
    return f"killed by {by} (exit code {code})" if by is not None else f"exit code {code}"


def short(value: Any, limit: int = 160) -> str:
    """Return a value in a few words: an error with its place, a long text by its beginning, a list by its first items."""
    if isinstance(value, dict) and set(value) == {"exception", "args"}:  # one that was given where any value may be
        said = value["args"][0] if isinstance(value["args"], list) and value["args"] else ""
        value = {"type": str(value["exception"]).rpartition(".")[2], "message": said}
    if isinstance(value, dict) and set(value) >= {"type", "message"}:
        message, where = value["message"], value.get("where")
        said = f"{value['type']}: {short(message, limit)}" if message else str(value["type"])
        # The place is what one goes on with, so it is not cut.
        return _cut(said, limit) + (f" at {where}" if isinstance(where, str) and where else "")
    if isinstance(value, dict) and isinstance(value.get("preview"), str):  # a text that is stored by its hash
        return _cut(f"{value['preview']}…", limit)
    if isinstance(value, list):
        return _first(value, limit)
    return _cut(value if isinstance(value, str) else msgspec.json.encode(value).decode(), limit)


def _cut(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _first(items: list[Any], limit: int) -> str:
    """Return as many items as fit, and how many more there are."""
    shown: list[str] = []
    for item in items:
        text = short(item, limit // 2)
        if shown and sum(map(len, shown)) + len(text) > limit:
            return f"{', '.join(shown)}, … {len(items) - len(shown)} more"
        shown.append(text)
    return ", ".join(shown) if shown else "nothing"
