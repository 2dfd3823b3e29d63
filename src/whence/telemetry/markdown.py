"""A report as Markdown, for people (R0.34). What was recorded can neither break its structure nor bring HTML or links into it.

Texts are put on one line and every character that CommonMark or GitHub's extensions give a meaning is escaped: backslash before
punctuation, entities for `&`, `<`, `>`, and for what would become a link by itself (`://`, `www.`, `@`). Names of fields and
ids stand in code spans, whose fence is longer than any run of backticks in them.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from whence.telemetry.shapes import DiagnosticReport, StructuralGap

_MARKS: Final = re.compile(r"[\\`*\[\]#~|$]|(?<![^\W_])_|_(?![^\W_])")  # `_` inside a word is no mark
_OF_LIST: Final = re.compile(r"^(?:(?=[-+=])|(\d+)(?=[.)]))")
"""At the beginning of an item these would begin a list, a rule or a heading inside it."""
_TICKS: Final = re.compile(r"`+")
_CODE: Final = re.compile(r"`([^`]+)`")
_ENTITIES: Final = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"))
_LINKS: Final = ((re.compile("://"), "&#58;//"), (re.compile(r"(?i)(www)\."), r"\1&#46;"), (re.compile("@"), "&#64;"))
_MOST_CHARS: Final = 2000
_NOTHING: Final = "None."


def export_diagnostic_report_markdown(report: DiagnosticReport) -> str:
    """Return a report as Markdown: critical actions, codes with descriptions, gaps, divergence points, remediation steps."""
    id_of = f" {code(report.report_id)}" if report.report_id else ""
    parts = [
        f"# Diagnostic report{id_of}",
        _list(
            f"Phase: {plain(report.execution_phase) or 'the whole run'}",
            f"Trigger: {plain(report.trigger_event) or 'none'}",
            f"Made: {plain(report.timestamp)}",
            f"Worst severity: {plain(report.max_severity)}",
            f"Run: {code(report.trace_id)}" if report.trace_id else "",
        ),
        plain(report.summary),
        "## Critical actions",
        _list(*(marked(each) for each in report.critical_actions)),
        "## Trouble codes",
        *(_of_code(each, report.dtc_details.get(each, {})) for each in report.detected_dtcs),
        "" if report.detected_dtcs else _NOTHING,
        "## Structural gaps",
        *(_of_gap(each) for each in report.structural_gaps),
        "" if report.structural_gaps else _NOTHING,
        "## Embedding divergence",
        _list(*(_of_divergence(each) for each in report.vector_divergence_points)),
        "## Remediation",
        _list(*(marked(each) for each in report.recommendations)),
    ]
    return "\n\n".join(each for each in parts if each) + "\n"


def plain(value: Any) -> str:
    """Return a value as text that Markdown shows as it is."""
    return _OF_LIST.sub(r"\g<1>\\", _escaped(_one_line(value)))


def _escaped(text: str) -> str:
    for mark, entity in _ENTITIES:
        text = text.replace(mark, entity)
    text = _MARKS.sub(r"\\\g<0>", text)
    for pattern, entity in _LINKS:
        text = pattern.sub(entity, text)
    return text


def code(value: Any) -> str:
    """Return a value as a code span."""
    text = _one_line(value)
    if not text:
        return ""
    fence = "`" * (max((len(each) for each in _TICKS.findall(text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def marked(value: Any) -> str:
    """Return a sentence whose words between backticks are commands, as the catalog writes them."""
    first, *rest = _CODE.split(_one_line(value))
    return _OF_LIST.sub(r"\g<1>\\", _escaped(first)) + "".join(
        _escaped(each) if i % 2 else code(each) for i, each in enumerate(rest)
    )


def _one_line(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else str(value)
    text = "".join(c if c.isprintable() else " " for c in text[:_MOST_CHARS])
    return " ".join(text.split())


def _list(*items: str) -> str:
    return "\n".join(f"- {each}" for each in items if each) or _NOTHING


def _of_code(name: str, detail: dict[str, Any]) -> str:
    count = detail.get("count")
    said = [
        f"### {plain(name)} {plain(detail.get('name'))}".rstrip(),
        marked(detail.get("description")),
        _list(
            f"Severity: {plain(detail.get('severity'))}",
            f"Seen: {plain(detail.get('title'))}",
            f"Times: {plain(count)}" if isinstance(count, int) and count > 1 else "",
            f"Category: {plain(detail.get('category'))}" if detail.get("category") else "",
            f"Evidence: {_codes(detail.get('evidence'))}" if detail.get("evidence") else "",
        ),
    ]
    return "\n\n".join(each for each in said if each)


def _of_gap(gap: StructuralGap) -> str:
    distance = f"{gap.semantic_distance:.3f}" if gap.semantic_distance is not None else ""
    title = f"### {plain(gap.source_component)} → {plain(gap.target_component)}: {plain(gap.artifact_type)}"
    facts = (
        f"Severity: {plain(gap.severity)}" + ("" if gap.counts else " (extra fields alone: no incompatibility)"),
        f"Missing: {_codes(gap.missing_fields)}" if gap.missing_fields else "",
        f"Missing, optional: {_codes(gap.missing_optional)}" if gap.missing_optional else "",
        f"Of another type: {_codes(gap.mistyped_fields)}" if gap.mistyped_fields else "",
        f"Not expected: {_codes(gap.extra_fields)}" if gap.extra_fields else "",
        f"Semantic distance: {distance}" if distance else "",
        f"Code: {plain(gap.related_dtc)}",
    )
    return f"{title}\n\n{_list(*facts)}"


def _of_divergence(point: dict[str, Any]) -> str:
    distance = point.get("distance")
    far = f"{distance:.3f}" if isinstance(distance, int | float) else plain(distance)
    return f"{plain(point.get('from'))} → {plain(point.get('to'))}: {far} ({plain(point.get('severity'))})"


def _codes(values: Any) -> str:
    several: Iterable[Any] = values if isinstance(values, list | tuple) else ()
    return ", ".join(code(each) for each in several)
