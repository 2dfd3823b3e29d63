"""Filters as fragments of SQL and the values bound to them. What a caller gives is only ever bound."""

from typing import Any, Final

import msgspec

from whence.model.filters import (
    Condition,
    DigestFilter,
    FindingFilter,
    ProblemFilter,
    RecordFilter,
    TraceFilter,
)
from whence.store import derive

_ORDER: Final = {"<": "below", "<=": "up_to", ">": "above", ">=": "from", "=": "equals", "!=": "differs"}


class Where:
    """A conjunction that grows: names of fragments, and their values in order."""

    def __init__(self) -> None:
        self.fragments: list[str] = []
        self.values: list[Any] = []

    def add(self, fragment: str, *values: Any) -> None:
        """Add a fragment and what is bound in it."""
        self.fragments.append(fragment)
        self.values += [_bindable(value) for value in values]

    def add_given(self, fragment: str, value: Any) -> None:
        """Add a fragment unless there is nothing to compare with."""
        if value is not None:
            self.add(fragment, value)


def _bindable(value: Any) -> Any:
    """Return the value as SQLite can take it: whole numbers past 64 bits are compared as floats."""
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def _json_list(values: tuple[str, ...]) -> str:
    return msgspec.json.encode(values).decode()


def of_records(where: RecordFilter) -> Where:
    """Return the filter over `records`: the most telling condition is looked up, the others are checked."""
    derive.check_conditions(where.where)
    found = Where()
    lookup = ""
    if where.trace is not None:
        lookup = "trace"
        found.add("record_trace", bytes.fromhex(derive.bare_id(where.trace) or "00"))
    if where.parent is not None:
        known = not lookup and len(where.parent) == 32
        found.add("record_parent" if known else "check_parent", where.parent)
        lookup = "parent" if known else lookup
    for name, value in (("name", where.name), ("component", where.component)):
        if value is not None:
            known = not lookup and (value != "" or name == "name")  # no index holds those without a component
            found.add(f"record_{name}" if known else f"check_{name}", value)
            lookup = name if known else lookup
    if where.components:
        found.add("check_components", _json_list(where.components))
    if len(where.kinds) == 1 and not lookup:
        lookup = "kind"
        found.add("record_kind", where.kinds[0])
    elif where.kinds:
        found.add("check_kinds", _json_list(where.kinds))
    if where.min_level >= derive.HIGH and not lookup:
        found.add("record_high")
    if where.min_level > 0:
        found.add("check_level", where.min_level)
    found.add_given("check_stage", where.stage)
    found.add_given("check_record_project", where.project)
    found.add_given("check_since", where.since_ns)
    found.add_given("check_until", where.until_ns)
    for condition in where.where:
        _add_condition(found, condition)
    return found


def _add_condition(found: Where, condition: Condition) -> None:
    path = "$" + "".join(f'."{key}"' for key in condition.path)  # keys are checked: letters, digits, _ . -
    op, value = condition.op, condition.value
    if op == "~":
        found.add("contains", path, value)
    elif value is None or isinstance(value, bool):
        found.add(f"type_{_ORDER[op]}", path, {None: "null", True: "true", False: "false"}[value])
    else:
        found.add(f"{'text' if isinstance(value, str) else 'number'}_{_ORDER[op]}", path, path, value)


def of_traces(where: TraceFilter) -> Where:
    """Return the filter over `traces`."""
    found = Where()
    _add_dimensions(found, where)
    for name in ("research_type", "parent_trace_id", "writer"):
        found.add_given(f"trace_{name}", getattr(where, name))
    if len(where.statuses) == 1:
        found.add("trace_status", where.statuses[0])
    elif where.statuses:
        found.add("trace_statuses", _json_list(where.statuses))
    found.add_given("trace_gate", where.gate_passed)
    if where.flagged is not None:
        found.add("trace_flagged" if where.flagged else "trace_unflagged")
    if where.principle is not None:
        if where.below is None:
            found.add("trace_principle", where.principle)
        else:
            found.add("trace_principle_below", where.principle, where.below)
    found.add_given("trace_since", where.since_ns)
    found.add_given("trace_until", where.until_ns)
    return found


def of_findings(where: FindingFilter) -> Where:
    """Return the filter over `findings`: one condition is looked up, the others are checked."""
    found = Where()
    lookup = False
    if where.trace is not None:
        lookup = True
        found.add("finding_trace", bytes.fromhex(derive.bare_id(where.trace) or ("00" if where.trace else "")))
    fingerprint = None if where.fingerprint is None else derive.fingerprint_of(where.fingerprint)
    given = {"fingerprint": fingerprint, "code": where.code, "component": where.component}
    for name, value in given.items():
        if value is not None:
            found.add(f"check_finding_{name}" if lookup else f"finding_{name}", value)
            lookup = True
    if where.codes:
        found.add("check_finding_codes", _json_list(where.codes))
    if where.min_severity > 0:
        found.add("check_severity", where.min_severity)
    found.add_given("check_record_project", where.project)
    if not where.withdrawn:
        found.add("finding_live")
    found.add_given("check_finding_since" if lookup else "finding_since", where.since_ns)
    found.add_given("check_finding_until" if lookup else "finding_until", where.until_ns)
    return found


def of_problems(where: ProblemFilter) -> Where:
    """Return the filter over `problems`, whose indexes end in the order that they are shown in."""
    found = Where()
    found.add_given("problem_project", where.project)
    found.add_given("problem_code" if where.project is None else "check_problem_code", where.code)
    if where.states:
        found.add("check_problem_states", _json_list(where.states))
    found.add_given("check_problem_component", where.component)
    if where.min_severity > 0:
        found.add("check_severity", where.min_severity)
    found.add_given("seen_since", where.since_ns)
    found.add_given("seen_until", where.until_ns)
    return found


def of_digests(where: DigestFilter) -> Where:
    """Return the filter over `digests`."""
    found = Where()
    found.add_given("digest_project", where.project)
    found.add_given("trace_since", where.since_ns)
    found.add_given("trace_until", where.until_ns)
    found.add_given("digest_ended_before", where.ended_before_ns)
    return found


def of_rollups(where: TraceFilter) -> Where:
    """Return the filter over roll-ups of traces: dimensions, and whole hours."""
    since, until = derive.window(where.since_ns, where.until_ns)
    found = Where()
    _add_dimensions(found, where)
    found.add_given("hour_since", since)
    found.add_given("hour_until", until)
    return found


def _add_dimensions(found: Where, where: TraceFilter) -> None:
    if where.project is not None:
        found.add("trace_project", *[where.project] * 4)
    for name in ("intent", "domain", "report_type"):
        value = getattr(where, name)
        if value is not None:
            # "" is what totals call "not given"; only then is the column looked at without its index.
            found.add(f"trace_{name}" if value else f"trace_no_{name}", value)


def by_component(where: RecordFilter) -> bool:
    """Return whether records are best looked up component by component: several are wanted, and nothing tells more."""
    told = (where.trace, where.name, where.component)
    by_parent = where.parent is not None and len(where.parent) == 32
    return bool(where.components) and all(where.components) and not by_parent and all(each is None for each in told)
