"""What people type: time ranges and conditions. What is not understood names what is accepted."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.model.filters import Condition
from whence.query.timerange import parse_range
from whence.query.where import parse_condition

NOW = 1_795_000_000 * 1_000_000_000  # 2026-11-18T11:06:40Z
HOUR = 3600 * 1_000_000_000


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("15m", NOW - HOUR // 4, None),
        ("1h", NOW - HOUR, None),
        ("last_1h", NOW - HOUR, None),
        ("7d", NOW - 168 * HOUR, None),
        ("today", 1_794_960_000 * 10**9, None),
        ("yesterday", 1_794_873_600 * 10**9, 1_794_960_000 * 10**9),
        ("2026-11-18", 1_794_960_000 * 10**9, None),
        ("2026-11-18T01:00:00+01:00", 1_794_960_000 * 10**9, None),
        ("2026-11-17/2026-11-18", 1_794_873_600 * 10**9, 1_794_960_000 * 10**9),
    ],
)
def test_a_range_is_understood(text: str, since: int, until: int | None) -> None:
    assert parse_range(text, now_ns=NOW) == (since, until)


@pytest.mark.parametrize("text", ["fortnight", "", "7", "1x", "2026-13-01", "2026-11-18/2026-11-17", "٧d", "1h; DROP"])
def test_anything_else_names_the_accepted_forms(text: str) -> None:
    with pytest.raises(BadInput, match=r"accepted|ends before"):
        parse_range(text, now_ns=NOW)


@given(st.text(max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    for parse in (lambda: parse_range(text, now_ns=NOW), lambda: parse_condition(text)):
        with suppress(BadInput):
            parse()


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("inputs.intent=validating", Condition(("inputs", "intent"), "=", "validating")),
        ("confidence<0.5", Condition(("confidence",), "<", 0.5)),
        ("confidence <= 1", Condition(("confidence",), "<=", 1)),
        ("inputs.ok=true", Condition(("inputs", "ok"), "=", True)),
        ('what="5"', Condition(("what",), "=", "5")),
        ("why~too old", Condition(("why",), "~", "too old")),
        ("inputs.x!=null", Condition(("inputs", "x"), "!=", None)),
    ],
)
def test_a_condition_is_understood(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize("text", ["confidence", "secret.key=1", "a b=1", "inputs.'x'=1", "inputs..x=1", "$.x=1"])
def test_conditions_ask_only_for_listed_keys(text: str) -> None:
    with pytest.raises(BadInput, match=r"not understood|accepted"):
        parse_condition(text)
