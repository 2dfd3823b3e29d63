"""E1: how far an output lies from its specification says if it is aligned; what cannot be compared is UNKNOWN, no miss."""

import math

import pytest

from tests.measure.pairs import unit_pair
from tests.telemetry.reading import rows
from whence.runtime.runtime import Runtime
from whence.telemetry import init_telemetry

STATUSES = {
    0.0: "ALIGNED",
    0.19: "ALIGNED",
    0.2: "DRIFTED",
    0.3: "DRIFTED",
    0.4: "DRIFTED",
    0.41: "CRITICAL_MISS",
    1.0: "CRITICAL_MISS",
}


def test_the_distances_of_the_scenario(runtime: Runtime) -> None:
    telemetry = init_telemetry()

    for distance in STATUSES:
        generated, expected = unit_pair(distance)
        diff = telemetry.track_transformer_diff(
            prompt_embedding=generated,
            generated_embedding=generated,
            expected_embedding=expected,
            generated_artifact_id=f"artifact-{distance}",
        )
        assert diff.status == STATUSES[distance]
        assert f"{diff.status}" == STATUSES[distance]

    found = rows(runtime, "SELECT * FROM transformer_diffs ORDER BY generated_to_expected_distance")
    assert [row["status"] for row in found] == list(STATUSES.values())
    assert [row["generated_artifact_id"] for row in found] == [f"artifact-{distance}" for distance in STATUSES]
    assert [row["generated_to_expected_distance"] for row in found] == pytest.approx(list(STATUSES), abs=1e-6)


UNIT = unit_pair(0.0)[0]
INCOMPARABLE = {
    "zero": ([0.0] * 768, "E01-03"),
    "nan": ([math.nan, *UNIT[1:]], "E01-03"),
    "infinite": ([math.inf, *UNIT[1:]], "E01-03"),
    "767 dimensions": (UNIT[:767], "T01-03"),
}


@pytest.mark.parametrize("name", INCOMPARABLE)
def test_a_vector_that_cannot_be_compared_is_unknown_and_has_a_code(runtime: Runtime, name: str) -> None:
    vector, code = INCOMPARABLE[name]
    telemetry = init_telemetry()

    diff = telemetry.track_transformer_diff(
        prompt_embedding=UNIT, generated_embedding=vector, expected_embedding=UNIT, generated_artifact_id="a"
    )

    assert diff.status == "UNKNOWN"
    assert diff.related_dtc == code
    assert diff.problem
    report = telemetry.generate_diagnostic_report("transformer_output", "phase_complete")
    assert report.detected_dtcs == [code]
    (row,) = rows(runtime, "SELECT * FROM transformer_diffs")
    assert (row["status"], row["generated_to_expected_distance"]) == ("UNKNOWN", None)
