"""Gaps between components, by what they hand over and by how far it lies from what is meant (C0.5 to C0.7)."""

import dataclasses
from typing import Any, TypedDict

import pydantic
import pytest

from tests.measure.pairs import unit_pair
from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import StructuralGap, TelemetryService, init_telemetry


@pytest.fixture
def telemetry(runtime: Runtime) -> TelemetryService:
    return init_telemetry()


def gap_of(telemetry: TelemetryService, expected: Any = None, actual: Any = None, **more: Any) -> StructuralGap | None:
    return telemetry.detect_structural_gap("CoderAgent", "TesterAgent", "code_solution", expected, actual, **more)


class Model(pydantic.BaseModel):
    code: str
    plan: str | None = None


@dataclasses.dataclass
class Data:
    code: str


class Typed(TypedDict):
    code: str


@pytest.mark.parametrize(
    "expected",
    [
        {"code": "..."},
        {"type": "object", "properties": {"code": {"type": "string"}}, "required": ["code"]},
        Model,
        Data,
        Typed,
    ],
)
def test_what_is_expected_can_be_said_in_any_of_these_ways(telemetry: TelemetryService, expected: Any) -> None:
    assert (
        gap_of(telemetry, expected, {"code": "x"}) is None or expected is Model
    )  # the model also has an optional field
    gap = gap_of(telemetry, expected, {})
    assert gap is not None
    assert (gap.missing_fields, gap.severity) == (["code"], "high")


def test_an_optional_field_makes_a_medium_gap_and_extra_fields_a_low_one_that_does_not_count(
    telemetry: TelemetryService,
) -> None:
    optional = gap_of(telemetry, Model, {"code": "x"})
    extra = gap_of(telemetry, Data, {"code": "x", "more": 1})

    assert optional is not None
    assert extra is not None
    assert (optional.severity, optional.missing_optional, optional.counts) == ("medium", ["plan"], True)
    assert (extra.severity, extra.extra_fields, extra.counts) == ("low", ["more"], False)


def test_a_field_of_another_type_is_named(telemetry: TelemetryService) -> None:
    gap = gap_of(telemetry, Data, {"code": ["x"]})

    assert gap is not None
    assert (gap.mistyped_fields, gap.severity) == (["code"], "high")


@pytest.mark.parametrize(("distance", "severity"), [(0.19, None), (0.2, "medium"), (0.4, "medium"), (0.41, "high")])
def test_vectors_alone_make_a_gap_from_drifted_on(
    telemetry: TelemetryService, distance: float, severity: str | None
) -> None:
    one, other = unit_pair(distance)

    gap = gap_of(telemetry, expected_embedding=one, actual_embedding=other)

    assert (gap.severity if gap is not None else None) == severity
    assert gap is None or gap.semantic_distance == pytest.approx(distance)


def test_the_worse_of_structure_and_meaning_counts(telemetry: TelemetryService) -> None:
    one, other = unit_pair(0.5)

    gap = gap_of(telemetry, Data, {"code": "x", "more": 1}, expected_embedding=one, actual_embedding=other)

    assert gap is not None
    assert (gap.severity, gap.extra_fields) == ("high", ["more"])


def test_more_than_three_gaps_between_two_components_are_incompatible_interfaces(telemetry: TelemetryService) -> None:
    for field in "abcd":
        gap_of(telemetry, {field: "..."}, {})

    assert "I01-04" in telemetry.generate_diagnostic_report("handing over", "done").detected_dtcs


SECRET_CONTENT = "the content itself"


def test_only_the_structure_is_recorded(runtime: Runtime, telemetry: TelemetryService) -> None:
    gap_of(telemetry, {"code": SECRET_CONTENT}, {"other": SECRET_CONTENT, "items": [{"deep": SECRET_CONTENT}]})

    (row,) = rows(runtime, "SELECT payload FROM records WHERE kind = 'check'")
    assert SECRET_CONTENT not in row["payload"]
    assert "deep" in row["payload"]


def test_a_gap_of_very_many_fields_is_recorded_and_bounded(runtime: Runtime, telemetry: TelemetryService) -> None:
    gap = gap_of(telemetry, {f"field_{i:04d}": "..." for i in range(900)}, {})

    assert gap is not None
    assert gap.record_id
    (row,) = rows(runtime, "SELECT payload ->> '$.failures_total' AS total FROM records WHERE kind = 'check'")
    assert row["total"] == 900
