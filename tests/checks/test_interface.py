"""What a check says, and who checks what. Languages other than Python are added by their file suffix."""

import json
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.checks import interface
from whence.checks.interface import MOST_CHARS, CheckResult, Failure, check_text, checkers_for, register
from whence.checks.lines import Lines
from whence.errors import BadInput


@pytest.fixture
def register_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(interface, "_checkers", dict(interface._checkers))
    monkeypatch.setattr(interface, "_together", dict(interface._together))


class NoTabs:
    """A checker of a language of one's own: three lines."""

    name = "tabs"

    def check(self, text: str | bytes, path: str | None = None) -> CheckResult:
        return CheckResult(type=self.name, passed="\t" not in str(text))


class Broken:
    name = "broken"

    def check(self, text: str | bytes, path: str | None = None) -> CheckResult:
        raise RuntimeError("no idea")


def test_another_language_is_added_by_its_suffix(register_kept: None) -> None:
    register(".sql", NoTabs())

    assert [each.name for each in checkers_for("query.SQL")] == ["tabs"]
    assert check_text("select\t1", "query.sql")[0].passed is False


def test_a_checker_that_breaks_is_a_check_that_could_not_be_made(register_kept: None) -> None:
    register(".sql", Broken(), NoTabs())

    broken, tabs = check_text("select 1", Path("query.sql"))

    assert (broken.type, broken.passed) == ("broken", None)
    assert broken.error is not None
    assert "RuntimeError: no idea" in broken.error
    assert tabs.passed is True


def test_a_suffix_without_its_dot_is_refused() -> None:
    with pytest.raises(BadInput, match="with its dot"):
        register("sql", NoTabs())
    with pytest.raises(BadInput, match="at least one"):
        register(".sql")


def test_nobody_checks_a_language_that_is_not_known() -> None:
    assert checkers_for("picture.png") == ()
    assert check_text("whatever", "picture.png") == ()


def test_python_is_checked_by_five_checks_and_a_stub_by_three() -> None:
    types = [each.type for each in check_text("import os\n", "a.py")]

    assert (
        types == ["encoding", "syntax", "indentation", "ast", "import"] == [each.name for each in checkers_for("a.py")]
    )
    assert [each.type for each in check_text("import os\n", "a.pyi")] == types[:3]
    assert [each.check("import os\n").type for each in checkers_for("a.py")] == types


def test_a_result_is_plain_values_that_json_carries() -> None:
    result = check_text('{"a": \ud800}', "a.json")[0]

    plain = msgspec.json.decode(msgspec.json.encode(result.as_dict()))

    assert plain["failures"][0]["line"] == 1
    assert "end_line" not in plain["failures"][0]
    assert Failure(type="x", message="m").as_dict() == {"type": "x", "message": "m"}


# -- JSON and TOML ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "line", "column"),
    [
        (
            "a.json",
            '{\n  "a": 1,\n}',
            *((2, 9) if sys.version_info >= (3, 13) else (3, 1)),
        ),  # the comma, or what follows
        ("a.json", '{\r\n  "a": 1,\r\n  b}', 3, 3),
        ("a.json", '{\r"a": tru}', 2, 6),
        ("a.toml", "a = 1\nb = \n", 2, 5),
        ("a.toml", 'a = 1\r\nb = "', 2, 6),
    ],
)
def test_data_says_where_it_is_wrong(path: str, text: str, line: int, column: int) -> None:
    result = check_text(text, path)[0]

    assert result.passed is False
    assert (result.failures[0].line, result.failures[0].column) == (line, column)
    assert result.failures[0].code == "E_SYNTAX"
    assert f"> {line} | " in result.failures[0].context


@pytest.mark.parametrize(
    ("path", "text"), [("a.json", '{"a": [1, 2.5, null]}'), ("a.json", b'\xef\xbb\xbf{"a": 1}'), ("a.toml", "a = 1\n")]
)
def test_data_that_is_right_passes(path: str, text: str | bytes) -> None:
    assert check_text(text, path)[0].passed is True


def test_json_is_strict_and_notes_a_key_that_is_there_twice() -> None:
    twice = check_text('{"a": 1, "a": 2}', "a.json")[0]

    assert check_text("[NaN]", "a.json")[0].passed is False
    assert twice.passed is True
    assert twice.attributes["notes"] == ["the key 'a' is there more than once"]


def test_hostile_data_is_a_failure_and_not_a_crash() -> None:
    assert check_text("[" * 100_000, "a.json")[0].failures[0].code == "E_TOO_DEEP"
    assert check_text("a = " + "[" * 100_000, "a.toml")[0].failures[0].code == "E_TOO_DEEP"
    assert check_text("1" * 10_000, "a.json")[0].passed is False
    assert check_text(b"\xff", "a.json")[0].failures[0].code == "E_NOT_UTF8"
    assert check_text("1" * (MOST_CHARS + 1), "a.json")[0].passed is None


@given(st.text() | st.binary())
def test_data_never_raises(text: str | bytes) -> None:
    for path in ("a.json", "a.toml"):
        assert check_text(text, path)[0].error is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=10))
def test_whatever_json_writes_passes(value: object) -> None:
    assert check_text(json.dumps(value), "a.json")[0].passed is True


# -- lines ------------------------------------------------------------------------------------------------------------


def test_lines_are_those_an_editor_shows() -> None:
    assert Lines("a\nb\r\nc\rd\x0ce\u2028f\x85g\x1ch").lines == ["a", "b", "c", "d\x0ce\u2028f\x85g\x1ch"]


def test_the_context_marks_the_line_and_is_bounded() -> None:
    lines = Lines("\n".join(f"line {each}" for each in range(1, 201)))

    assert lines.context(100) == "\n".join(
        ["   98 | line 98", "   99 | line 99", "> 100 | line 100", "  101 | line 101", "  102 | line 102"]
    )
    long = Lines("x" * 5_000 + "HERE" + "y" * 5_000).context(1, 5_001)
    assert "HERE" in long
    assert len(long) < 200
