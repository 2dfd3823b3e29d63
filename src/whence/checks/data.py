"""Checks of JSON and TOML: does it parse, and where not."""

import json
import re
import tomllib
from typing import Any

from whence.checks.encoding import decode
from whence.checks.interface import CheckAll, Checker, CheckResult, Collected, clock, too_long, untold
from whence.checks.lines import Lines

MOST_REPEATED = 20
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class JsonSyntax:
    """Is it JSON (RFC 8259)? NaN and Infinity are not, a key that is there twice is noted."""

    name = "syntax"

    def check(self, text: str | bytes, path: str | None = None) -> CheckResult:
        return _check(text, _json)


class TomlSyntax:
    """Is it TOML 1.0?"""

    name = "syntax"

    def check(self, text: str | bytes, path: str | None = None) -> CheckResult:
        return _check(text, _toml)


def _check(text: str | bytes, parse: Any) -> CheckResult:
    start_ns = clock.monotonic_ns()
    if reason := too_long(text):
        return untold("syntax", reason)
    decoded = decode(text)
    found = Collected("syntax", decoded.lines)
    attributes: dict[str, Any] = {}
    for failure in decoded.result.failures:
        found.add(failure.code, failure.message, failure.line, failure.column, type=failure.type)
    if not found.total:
        if reason := too_long(decoded.lines.text):
            return untold("syntax", reason)
        try:
            parse(decoded.lines, found, attributes)
        except (RecursionError, MemoryError):
            found.add("E_TOO_DEEP", "nested too deeply to be parsed")
    return found.result(start_ns, attributes)


def _json(lines: Lines, found: Collected, attributes: dict[str, Any]) -> None:
    repeated: list[str] = []

    def no_constant(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for key, _ in items:
            if key in seen and len(repeated) < MOST_REPEATED:
                repeated.append(key[:100])
            seen.add(key)

    try:
        json.loads(lines.text, parse_constant=no_constant, object_pairs_hook=pairs)
    except json.JSONDecodeError as exc:
        found.add("E_SYNTAX", exc.msg, *lines.place(exc.pos))
    except ValueError as exc:  # a constant that is none, a number of too many digits
        found.add("E_SYNTAX", str(exc))
    if repeated:
        attributes["notes"] = [f"the key {key!r} is there more than once" for key in repeated]


def _toml(lines: Lines, found: Collected, attributes: dict[str, Any]) -> None:
    try:
        tomllib.loads(lines.text)
    except ValueError as exc:
        place = _TOML_PLACE.search(str(exc))
        if place is None:
            found.add("E_SYNTAX", str(exc))
        elif place[1] is None:
            found.add("E_SYNTAX", str(exc)[: place.start()], lines.last, len(lines.lines[-1]) + 1)
        else:
            found.add("E_SYNTAX", str(exc)[: place.start()], int(place[1]), int(place[2]))


JSON = JsonSyntax()
TOML = TomlSyntax()
CHECKERS: dict[str, tuple[tuple[Checker, ...], CheckAll | None]] = {".json": ((JSON,), None), ".toml": ((TOML,), None)}
