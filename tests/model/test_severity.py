"""One scale: its words, and what it is in levels of logging."""

import pytest

from whence.model.severity import Severity


@pytest.mark.parametrize(
    ("level", "severity", "logged"),
    [
        (-9, "info", "INFO"),
        (1, "low", "INFO"),
        (2, "medium", "WARNING"),
        (3, "high", "ERROR"),
        (2**62, "critical", "CRITICAL"),
    ],
)
def test_a_level_of_any_size_has_a_severity(level: int, severity: str, logged: str) -> None:
    nearest = Severity.nearest(level)

    assert (nearest.label, nearest.logged) == (severity, logged)
