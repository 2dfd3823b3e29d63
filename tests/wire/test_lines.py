"""Records as JSON lines: what goes out comes back, field by field."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import record
from whence.errors import BadInput
from whence.model.record import KINDS
from whence.wire import lines, records

words = st.text(max_size=30)


@given(st.sampled_from(KINDS), words, words, words, st.integers(0, 5), st.dictionaries(words, words, max_size=4))
def test_a_record_survives_the_way_out_and_in(
    kind: str, name: str, stage: str, component: str, level: int, payload: dict[str, str]
) -> None:
    one = record(7, kind, payload, name=name, stage=stage, component=component, level=level, trace="0" * 31 + "7")

    line = lines.encode(one)

    assert line.count(b"\n") == 1
    assert lines.decode(line) == records.encode(one)


def test_a_line_is_an_object_with_the_names_of_the_fields() -> None:
    line = msgspec.json.decode(lines.encode(record(1, data={"message": "x"}, stage="s")))
    assert line["kind"] == "event"
    assert line["payload"] == {"message": "x"}


def test_the_first_line_says_what_the_file_is() -> None:
    assert lines.is_header(lines.header("whence/9"))
    assert not lines.is_header(lines.encode(record(1)))
    with pytest.raises(BadInput, match="newer whence"):
        lines.is_header(b'{"whence_records":99}')
    with pytest.raises(BadInput, match="damaged"):
        lines.is_header(b'{"whence_records":')


def test_what_is_no_record_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="no record"):
        lines.decode(b'{"a":1}')
