"""DEBUG_* variables: each is read in one place, has an effect, and says what it accepts."""

import logging
import re
from pathlib import Path

import pytest

from whence.debug.settings import VARIABLES, DebugSettings, careful, load
from whence.errors import BadInput
from whence.record import notice

SOURCE = Path(__file__).parents[2] / "src" / "whence"


def test_without_variables_the_defaults_of_the_design_hold() -> None:
    assert load({}) == DebugSettings(
        enabled=True, cache_ttl_s=300.0, cache_max_size=1000, insight_confidence=0.7, auto_generate=True, ai_query=True
    )


def test_each_variable_says_one_setting() -> None:
    environment = {
        "DEBUG_SYSTEM_ENABLED": "off",
        "DEBUG_CACHE_TTL_SECONDS": " 12.5 ",
        "DEBUG_CACHE_MAX_SIZE": "7",
        "DEBUG_INSIGHT_CONFIDENCE_THRESHOLD": "0.9",
        "DEBUG_INSIGHT_AUTO_GENERATE": "No",
        "DEBUG_AI_QUERY_ENABLED": "0",
    }

    assert set(environment) == set(VARIABLES)
    assert load(environment) == DebugSettings(
        enabled=False, cache_ttl_s=12.5, cache_max_size=7, insight_confidence=0.9, auto_generate=False, ai_query=False
    )
    assert load(dict.fromkeys(VARIABLES, "")) == DebugSettings()


@pytest.mark.parametrize(
    ("variable", "word"),
    [
        ("DEBUG_SYSTEM_ENABLED", "maybe"),
        ("DEBUG_CACHE_TTL_SECONDS", "-1"),
        ("DEBUG_CACHE_TTL_SECONDS", "nan"),
        ("DEBUG_CACHE_TTL_SECONDS", "five"),
        ("DEBUG_CACHE_MAX_SIZE", "0"),
        ("DEBUG_CACHE_MAX_SIZE", "1.5"),
        ("DEBUG_CACHE_MAX_SIZE", "9" * 5000),
        ("DEBUG_INSIGHT_CONFIDENCE_THRESHOLD", "70"),
        ("DEBUG_AI_QUERY_ENABLED", "2"),
    ],
)
def test_what_is_not_accepted_is_named_with_what_is(variable: str, word: str) -> None:
    with pytest.raises(BadInput, match=rf"{variable}=.*accepted:"):
        load({variable: word})


def test_where_something_is_recorded_a_bad_variable_counts_as_not_given(caplog: pytest.LogCaptureFixture) -> None:
    notice._last = -notice.EVERY_S
    with caplog.at_level(logging.WARNING, "whence"):
        said = careful({"DEBUG_CACHE_TTL_SECONDS": "soon", "DEBUG_CACHE_MAX_SIZE": "5"})

    assert said == DebugSettings(cache_max_size=5)
    assert "DEBUG_CACHE_TTL_SECONDS" in caplog.text


def test_no_other_module_of_the_door_reads_the_environment() -> None:
    for path in (SOURCE / "debug").glob("*.py"):
        if path.name not in ("settings.py", "wiring.py"):
            assert not re.search(r"os\.environ|getenv", path.read_text()), path.name
