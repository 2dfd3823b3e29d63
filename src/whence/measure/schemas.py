"""Is a structure of the expected form? Missing, extra and mistyped fields, and how bad that is (R0.17-R0.21, C0.6, C0.7).

    contract = contract_of({"code": "...", "language": "...", "test_plan": "..."})
    found = compare(contract, {"code": "def foo(): pass", "language": "python"})
    found.missing                   ("test_plan",)
    found.severity                  "high"

Paths are dotted: `metadata.author`, `steps[].name` for any item of a list, `scores.*` for any key of a map, `$` for the
whole. A name that would read as something else is quoted: `["a.b"]`.
"""

import heapq
import json
import math
from typing import Any, is_typeddict

import msgspec

from whence.errors import BadInput
from whence.measure.contracts import Contract, Field, Node, contract_of, declares_schema, fits
from whence.measure.shapes import ITEMS, Shape, infer, shape_of
from whence.measure.values import keyed, plain, same, shown, word

__all__ = ["Comparison", "Contract", "Shape", "compare", "contract_of", "infer", "severity_of", "shape_of"]

LISTED = 200
MAX_DEPTH = 64
MAX_LOOKS = 20_000
"""Values looked at in one comparison; a hostile artifact or schema costs milliseconds, not a minute."""

DRIFTED = 0.2
MISSED = 0.4
TOLERANCE = 1e-9
"""A cosine distance of exactly 0.2 is computed as 0.19999999999999996 (C0.1)."""

SEVERITIES = ("", "low", "medium", "high")


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What was expected beside what came, without the content of either. False when there is no gap.

    Each tuple is in the order of the contract (extras sorted within their object), a path once, 200 at most; `totals`
    has how many there were.
    """

    missing: tuple[str, ...] = ()  # required or critical, and not there
    missing_optional: tuple[str, ...] = ()  # declared, not required, and not there
    missing_critical: tuple[str, ...] = ()  # those of `missing` that are critical
    extra: tuple[str, ...] = ()  # there, and not declared
    mistyped: tuple[tuple[str, str, str], ...] = ()  # (path, type expected, type that came)
    invalid: tuple[tuple[str, str, str], ...] = ()  # (path, values expected, type that came)
    severity: str = ""  # "high", "medium", "low"; "" without a gap
    fields: int = 0  # declared by the contract
    totals: dict[str, int] = {}
    partial: bool = False  # a limit was reached (depth, 50 items of a list, 20 000 values): the rest was not looked at

    @property
    def gap(self) -> bool:
        """Whether anything differs."""
        return self.severity != ""

    @property
    def counts(self) -> bool:
        """Whether this is a gap for DMN Table 2: extra fields alone are reported and do not count (C0.6)."""
        return self.severity in ("medium", "high")

    def __bool__(self) -> bool:
        return self.severity != ""


def compare(expected: Any, actual: Any, *, actual_is_schema: bool | None = None) -> Comparison:
    """Return how `actual` differs from `expected`.

    Args:
        expected: a `Contract`, or whatever `contract_of` takes.
        actual: the artifact itself, any value; or what declares it: a `Shape`, a `Contract`, a class, a JSON Schema.
        actual_is_schema: True: a dict declares the artifact, False: whatever it is, it is the artifact. None: a class
            declares; a dict does if it has `$schema`, or `type: object` with `properties`, unless the contract itself
            names such a field.

    A field that a declaration leaves optional while it is required here counts as missing: nobody promised it. Where a
    declaration says nothing (no type, an open object), nothing is reported.

    Severity: high for a required or critical field that is missing, mistyped or invalid; medium for an optional one; low
    for extra fields alone. An item of a list or of a map is as required as the field that holds it.

    Raises:
        BadInput: `expected`, or an `actual` that is said to be a schema, is none.
    """
    contract = contract_of(expected)
    walk = _Walk(MAX_LOOKS)
    declared = _declared(contract, actual, actual_is_schema)
    if declared is None:
        walk.value(contract.root, actual, "", True, 0)
    else:
        walk.declared(contract.root, declared.root, "", True, 0)
    return walk.result(contract.fields)


def _declared(contract: Contract, actual: Any, is_schema: bool | None) -> Contract | None:
    """Return the contract that `actual` declares, or None where it is the artifact itself."""
    if isinstance(actual, Contract):
        return actual
    if isinstance(actual, Shape):
        return contract_of(actual.schema, is_schema=True)
    if is_schema is None and isinstance(actual, dict):
        is_schema = declares_schema(actual) and not contract.root.names & {"$schema", "properties"}
    elif is_schema is None:
        is_schema = isinstance(actual, type) or is_typeddict(actual)
    return contract_of(actual, is_schema=True, produced=True) if is_schema else None


def severity_of(
    comparison: Comparison, distance: float | None, *, drifted: float = DRIFTED, missed: float = MISSED
) -> str:
    """Return the worse of the structural severity and the semantic one; "" when there is no gap (C0.7).

    Args:
        distance: cosine distance of the two embeddings, 0 to 2; None when there are none.
        drifted: from this distance on the gap is medium.
        missed: above this distance it is high.

    Raises:
        BadInput: the distance is no number from 0 to 2.
    """
    if distance is None:
        return comparison.severity
    number = not isinstance(distance, bool) and isinstance(distance, int | float) and math.isfinite(distance)
    if not number or not -TOLERANCE <= distance <= 2 + TOLERANCE:
        raise BadInput(f"distance={distance!r}; accepted: a cosine distance from 0 to 2, or None")
    semantic = "high" if distance > missed + TOLERANCE else "medium" if distance >= drifted - TOLERANCE else ""
    return max(comparison.severity, semantic, key=SEVERITIES.index)


def _join(path: str, name: str) -> str:
    if name == "" or any(mark in name for mark in '.[]*"$'):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


class _Walk:
    """One comparison under way. Sets are dicts, so that they keep the order in which things were found."""

    __slots__ = (
        "critical",
        "extra",
        "invalid",
        "level",
        "looks",
        "missing",
        "mistyped",
        "optional",
        "pairs",
        "partial",
        "unlisted",
    )

    def __init__(self, looks: int, pairs: frozenset[tuple[int, int]] = frozenset()) -> None:
        self.pairs = pairs  # of nodes being compared above: a recursive declaration is what it was assumed to be
        self.missing: dict[str, None] = {}
        self.optional: dict[str, None] = {}
        self.critical: dict[str, None] = {}
        self.extra: dict[str, None] = {}
        self.unlisted = 0  # extras of one object past what is listed
        self.mistyped: dict[str, tuple[str, str, str]] = {}
        self.invalid: dict[str, tuple[str, str, str]] = {}
        self.level = 0  # index into SEVERITIES
        self.looks = looks
        self.partial = False

    def result(self, fields: int) -> Comparison:
        return Comparison(
            missing=tuple(self.missing)[:LISTED],
            missing_optional=tuple(name for name in self.optional if name not in self.missing)[:LISTED],
            missing_critical=tuple(self.critical)[:LISTED],
            extra=tuple(self.extra)[:LISTED],
            mistyped=tuple(self.mistyped.values())[:LISTED],
            invalid=tuple(self.invalid.values())[:LISTED],
            severity=SEVERITIES[self.level],
            fields=fields,
            totals={
                "missing": len(self.missing),
                "missing_optional": len(self.optional.keys() - self.missing.keys()),
                "missing_critical": len(self.critical),
                "extra": len(self.extra) + self.unlisted,
                "mistyped": len(self.mistyped),
                "invalid": len(self.invalid),
            },
            partial=self.partial,
        )

    # -- what is found ---------------------------------------------------------------------------------------------

    def absent(self, field: Field, path: str) -> None:
        at = _join(path, field.name)
        if field.critical:
            self.critical[at] = None
        if field.required or field.critical:
            self.missing[at] = None
            self.level = 3
        elif not field.occasional:
            self.optional[at] = None
            self.level = max(self.level, 2)

    def wrong(self, path: str, expected: str, actual: str, required: bool) -> None:
        self.mistyped.setdefault(path, (path or "$", expected, actual))
        self.level = max(self.level, 3 if required else 2)

    def not_allowed(self, path: str, node: Node, came: str, required: bool) -> None:
        if path not in self.invalid:
            some = " or ".join(shown(one, 20) for one in (node.allowed or ())[:5])
            more = len(node.allowed or ()) - 5
            self.invalid[path] = (path or "$", f"{some} or {more} more" if more > 0 else some, came)
        self.level = max(self.level, 3 if required else 2)

    def others(self, names: "set[str]", path: str) -> None:
        listed = heapq.nsmallest(LISTED, names)
        self.extra.update((_join(path, name), None) for name in listed)
        self.unlisted += len(names) - len(listed)
        self.level = max(self.level, 1)

    def spent(self, depth: int) -> bool:
        self.looks -= 1
        if self.looks >= 0 and depth <= MAX_DEPTH:
            return False
        self.partial = True
        return True

    # -- a value ---------------------------------------------------------------------------------------------------

    def value(self, node: Node, value: Any, path: str, required: bool, depth: int) -> None:
        if node.anything or self.spent(depth):
            return
        value = plain(value)
        if node.never or not fits(value, node.types):
            self.wrong(path, node.words, word(value), required)
            return
        if node.allowed is not None and not any(same(one, value) for one in node.allowed):
            self.not_allowed(path, node, word(value), required)
            return
        if isinstance(value, dict):
            self.object(node, value, path, required, depth)
        elif isinstance(value, list | tuple):
            self.array(node, value, path, required, depth)
        if node.choices:
            kinds = [choice for choice in node.choices if fits(value, choice.types)]
            if kinds:
                self.nearest([(lambda w, c=c: w.value(c, value, path, required, depth + 1)) for c in kinds])
            else:
                self.wrong(path, node.words, word(value), required)

    def nearest(self, tries: list[Any]) -> None:
        """Take over what the best of several choices finds: a value fits if it fits one."""
        best = None
        for attempt in tries:
            walk = _Walk(self.looks, self.pairs)
            attempt(walk)
            self.looks = walk.looks
            found = len(walk.missing) + len(walk.mistyped) + len(walk.invalid)
            rank = (walk.level, found, len(walk.optional), len(walk.extra))
            if best is None or rank < best[0]:
                best = (rank, walk)
            if walk.level == 0 or self.looks < 0:
                break
        if best is not None:
            self.take(best[1])

    def take(self, other: "_Walk") -> None:
        self.missing.update(other.missing)
        self.optional.update(other.optional)
        self.critical.update(other.critical)
        self.extra.update(other.extra)
        self.mistyped = {**other.mistyped, **self.mistyped} if self.mistyped else other.mistyped
        self.invalid = {**other.invalid, **self.invalid} if self.invalid else other.invalid
        self.unlisted += other.unlisted
        self.level = max(self.level, other.level)
        self.partial = self.partial or other.partial

    def object(self, node: Node, value: dict[Any, Any], path: str, required: bool, depth: int) -> None:
        if not value.keys() <= node.names or len(value) < len(node.names):
            value = keyed(value)  # a key 1 is the field "1"; only looked at where names differ
        for field in node.fields:
            below = field.node
            try:
                inner = value[field.name]
            except KeyError:
                if not below.never:
                    self.absent(field, path)
                continue
            if not below.anything and type(inner) not in below.quick:
                self.value(below, inner, _join(path, field.name), field.required or field.critical, depth + 1)
        if node.rest is not None:
            at = f"{path}.*" if path else "*"
            for name in value.keys() - node.names if node.names else value:
                if self.looks < 0:
                    break
                self.value(node.rest, value[name], at, required, depth + 1)
        elif not node.open:
            extra = value.keys() - node.names
            if extra:
                self.others(extra, path)

    def array(self, node: Node, value: Any, path: str, required: bool, depth: int) -> None:
        for i, below in enumerate(node.prefix[: len(value)]):
            self.value(below, value[i], f"{path}[{i}]", required, depth + 1)
        if node.items is None or node.items.anything:
            return
        start = len(node.prefix)
        if len(value) > start + ITEMS:
            self.partial = True
        quick = node.items.quick
        for item in value[start : start + ITEMS]:
            if type(item) not in quick:
                self.value(node.items, item, f"{path}[]", required, depth + 1)

    # -- a declaration -----------------------------------------------------------------------------------------------

    def declared(self, node: Node, came: Node, path: str, required: bool, depth: int) -> None:
        """Compare what is expected with what is declared; what a declaration leaves open is not held against it."""
        pair = (id(node), id(came))
        if node.anything or came.anything or node is came or pair in self.pairs or self.spent(depth):
            return
        above, self.pairs = self.pairs, self.pairs | {pair}
        self.declared_inside(node, came, path, required, depth)
        self.pairs = above

    def declared_inside(self, node: Node, came: Node, path: str, required: bool, depth: int) -> None:
        if came.choices:
            for choice in came.choices:
                self.declared(node, choice, path, required, depth + 1)
            return
        if node.choices:
            kinds = [choice for choice in node.choices if _overlap(choice, came)] or list(node.choices)
            self.nearest([(lambda w, c=c: w.declared(c, came, path, required, depth + 1)) for c in kinds])
            return
        if node.never or (node.types and not all(_covers(node.types, one) for one in came.types)):
            self.wrong(path, node.words, came.words, required)
        if not _overlap(node, came):
            return
        if node.allowed is not None and came.allowed is not None:
            beyond = [one for one in came.allowed if not any(same(one, known) for known in node.allowed)]
            if beyond:
                self.not_allowed(path, node, came.words, required)
        self.declared_object(node, came, path, required, depth)
        for i, (below, item) in enumerate(zip(node.prefix, came.prefix, strict=False)):
            self.declared(below, item, f"{path}[{i}]", required, depth + 1)
        if node.items is not None and came.items is not None:
            self.declared(node.items, came.items, f"{path}[]", required, depth + 1)

    def declared_object(self, node: Node, came: Node, path: str, required: bool, depth: int) -> None:
        known = {field.name: field for field in came.fields}
        silent = came.truncated or came.open or came.rest is not None
        for field in node.fields:
            other = known.get(field.name)
            if other is None:
                if not silent:
                    self.absent(field, path)
                continue
            inside = field.required or field.critical
            if inside and not (other.required or other.defaulted or came.truncated):
                self.absent(field, path)
            self.declared(field.node, other.node, _join(path, field.name), inside, depth + 1)
        others = [field for field in came.fields if field.name not in node.names]
        if node.rest is not None:
            for field in others:
                self.declared(node.rest, field.node, f"{path}.*" if path else "*", required, depth + 1)
            if came.rest is not None:
                self.declared(node.rest, came.rest, f"{path}.*" if path else "*", required, depth + 1)
        elif others and not node.open:
            self.others({field.name for field in others}, path)


def _covers(types: frozenset[str], one: str) -> bool:
    return one in types or (one == "integer" and "number" in types)


def _overlap(a: Node, b: Node) -> bool:
    """Return whether some type is in both; a node without a type has every type."""
    return not a.types or not b.types or any(_covers(a.types, one) for one in b.types)
