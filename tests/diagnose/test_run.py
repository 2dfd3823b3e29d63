"""One run prepared for detectors: spans in a tree, whatever their parents say."""

import time
from typing import Any

import pytest

from tests.builders import record
from whence.diagnose.run import Run, error_text

TRACE = "a" * 32


def span(number: int, name: str, parent: str) -> Any:
    return record(number, "span.end", {"type": "stage", "duration_ns": 5}, trace=TRACE, span=name, parent=parent)


def test_a_parent_that_would_close_a_circle_is_dropped() -> None:
    run = Run.of([span(1, "a", "c"), span(2, "b", "a"), span(3, "c", "b"), span(4, "d", "d")])

    parents = {each.id: each.parent.id if each.parent else None for each in run.spans.values()}
    assert parents == {"a": "c", "b": "a", "c": None, "d": None}
    assert len(run.broken_parents) == 2


def test_a_chain_of_twenty_thousand_spans_is_hung_up_in_no_time() -> None:
    """Each in the one before: to walk up from every one of them would be 200 million steps."""
    records = [span(number, f"s{number}", f"s{number - 1}") for number in range(1, 20_001)]
    began = time.process_time()
    spans = Run.of(records).spans

    assert spans["s20000"].parent is spans["s19999"]
    assert time.process_time() - began < 5.0


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"type": "ValueError", "message": "no"}, "ValueError: no"),
        ({"type": "ValueError"}, "ValueError"),
        ({"type": {"chars": 3, "hash": "h"}, "message": {"preview": "no"}}, "no"),
        ({"type": "X" * 1000}, "X" * 100),
        ("plain", "plain"),
        (None, ""),
    ],
)
def test_an_error_is_its_type_and_message(error: Any, text: str) -> None:
    assert error_text(error) == text
