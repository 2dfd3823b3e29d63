"""Python text is checked for its encoding, syntax, indentation and tree; every failure says where."""

import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.checks.environment import Environment
from whence.checks.interface import MOST_CHARS, MOST_FAILURES, CheckResult
from whence.checks.python import TYPES, check_python

NOWHERE = Environment(paths=())


def checked(text: str | bytes, **options: Any) -> dict[str, CheckResult]:
    options.setdefault("environment", NOWHERE)
    return {each.type: each for each in check_python(text, **options)}


def codes(result: CheckResult) -> list[tuple[str, int | None, int | None]]:
    return [(each.code, each.line, each.column) for each in result.failures]


def test_what_is_right_passes_all_five() -> None:
    results = checked("class Todo:\n    def add(self) -> None:\n        pass\n")

    assert {name: each.passed for name, each in results.items()} == dict.fromkeys(TYPES, True)
    assert all(each.duration_ns is not None for each in results.values())


# -- encoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "line", "column"),
    [
        (b"a = 1\nb = '\xff'\n", "E_NOT_UTF8", 2, 6),
        (b"a\r\nb\r\xc3\xa9\xe9", "E_NOT_UTF8", 3, 2),
        ("x = 1\n".encode("utf-16"), "E_NOT_UTF8", 1, 1),
        (b"a\0b", "E_NUL", 1, 2),
        ("a\n b\0c", "E_NUL", 2, 3),
        ("x = '\ud800'", "E_SURROGATE", 1, 6),
        (b"# coding: klingon\n", "E_ENCODING_DECLARED", 1, 1),
        (b"# coding: zlib_codec\n", "E_ENCODING_DECLARED", 1, 1),
        (b"\xef\xbb\xbf# coding: latin-1\n", "E_ENCODING_DECLARED", 1, 1),
    ],
)
def test_the_first_byte_that_does_not_belong_is_named(data: str | bytes, code: str, line: int, column: int) -> None:
    results = checked(data)

    assert codes(results["encoding"])[0] == (code, line, column)
    assert results["syntax"].passed is None
    assert (results["import"].error or "").startswith("not checked: ")


@pytest.mark.parametrize("encoding", ["punycode", "idna", "unicode_escape", "undefined"])
def test_encodings_that_are_none_of_files_are_never_tried(encoding: str) -> None:
    """To decode punycode takes time that grows with the square of its length."""
    result = checked(f"# coding: {encoding}\n{'a-' * 100}".encode())["encoding"]

    assert result.failures[0].message == f"declares the encoding {encoding}, which is not known"


@pytest.mark.parametrize("encoding", ["latin-1", "koi8-u", "cp1252", "Shift_JIS", "iso-8859-15", "UTF-8"])
def test_a_text_is_read_in_the_encoding_it_declares(encoding: str) -> None:
    results = checked(f"# vim: set fileencoding={encoding} :\nx = '~'\ny = (\n".encode(encoding))

    assert results["encoding"].passed is True
    assert codes(results["syntax"]) == [("E_SYNTAX", 3, 5)]


def test_a_bad_byte_has_its_offset_and_is_shown_escaped() -> None:
    result = checked(b"a = 1\nb = '\xff'\n")["encoding"]

    assert result.attributes["offset"] == 11
    assert result.failures[0].message == "byte 0xff at offset 11 is not UTF-8"
    assert r"> 2 | b = '\xff'" in result.failures[0].context


def test_a_byte_order_mark_and_a_declared_encoding_are_noted() -> None:
    marked = checked(b"\xef\xbb\xbfx = 1\n")
    latin = checked(b"# -*- coding: latin-1 -*-\nx = '\xe9'\nx = (")

    assert marked["encoding"].attributes["notes"] == ["begins with a byte order mark"]
    assert marked["syntax"].passed is True
    assert latin["encoding"].passed is True
    assert latin["encoding"].attributes["declared"] == "latin-1"
    assert codes(latin["syntax"]) == [("E_SYNTAX", 3, 5)]


# -- syntax -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_numbers_are_those_of_an_editor(end: str) -> None:
    text = end.join(["a = 1", "b = '\x0c'", "c = '\u2028\x85'", "'''", "  ", "'''", "def f(:", "    pass"])

    failure = checked(text)["syntax"].failures[0]

    assert (failure.line, failure.column) == (7, 7)
    assert "> 7 | def f(:" in failure.context


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["x = 1", "", "# \x0c \u2028", "s = 'é\x0b'", "t = '''a", "if x: pass"]), max_size=30),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_a_wrong_line_is_found_under_all_line_ends(before: list[str], end: str) -> None:
    lines = [f"{each}{end}b'''" if "'''" in each else each for each in before]
    text = end.join([*lines, "é = 1 +* 2", "y = 2"])

    failure = checked(text)["syntax"].failures[0]

    assert failure.line == sum(2 if "'''" in each else 1 for each in before) + 1
    assert failure.column == 8


@pytest.mark.parametrize(
    ("text", "line"),
    [("if a:\nb\n", 2), ("a\n  b\n", 2), ("if a:\n        b\n\tc\n", 3), ("if a:\n  b\n c\n", 3)],
)
def test_wrong_indentation_is_a_failure_of_type_indentation(text: str, line: int) -> None:
    failure = checked(text)["syntax"].failures[0]

    assert (failure.type, failure.code, failure.line) == ("indentation", "E_INDENTATION", line)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "[" * 150 + "]" * 150 + "(" * 10_000,
        "-" * 100_000 + "1",
        "a" + ".a" * 100_000,
        "1" + "+1" * 100_000,
        "a" + "()" * 100_000,
        "lambda:" * 50_000 + "1",
        "if a:\n pass\n" + "elif a:\n pass\n" * 20_000,
        "".join(" " * each + "if a:\n" for each in range(500)),
        "{0:" * 5_000,
        "x = " + "9" * 10_000,
    ],
)
def test_hostile_nesting_is_a_failure_and_not_a_crash(text: str) -> None:
    results = checked(text)

    assert results["syntax"].passed is False
    assert results["import"].passed is None


def test_a_host_with_a_high_recursion_limit_is_not_brought_down() -> None:
    """With the limit raised, Python itself would build a tree 200,000 deep, on a stack that is not."""
    limit = sys.getrecursionlimit()
    results: list[CheckResult] = []

    def check() -> None:
        sys.setrecursionlimit(1_000_000)
        try:
            results.append(checked("a" + ".a" * 200_000)["syntax"])
        finally:
            sys.setrecursionlimit(limit)

    thread = threading.Thread(target=check)
    thread.start()
    thread.join()

    assert results[0].failures[0].code == "E_TOO_DEEP"


def test_a_text_above_the_limit_is_not_checked_and_says_so() -> None:
    for text in ("x = 1\n" * 1_700_000, b"x = 1\n" * 1_700_000, "é".encode() * (MOST_CHARS + 1)):
        results = checked(text)

        assert {each.passed for each in results.values()} == {None}
        assert all(str(MOST_CHARS) in (each.error or "") or "bytes" in (each.error or "") for each in results.values())
    assert checked("#" * MOST_CHARS)["syntax"].passed is True


def test_long_lines_that_nest_nothing_pass() -> None:
    assert checked("x = [" + "1, " * 100_000 + "]")["syntax"].passed is True
    assert checked("x = '" + "a" * 200_000 + "'" + " " * 200_000)["syntax"].passed is True


def test_what_python_would_warn_of_reaches_nobody() -> None:
    r"""The text has an invalid escape, `\d`: a warning as an error would make it a syntax error."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("error")
        result = checked("x = '\\d'\n1 is 1\n")["syntax"]

    assert result.passed is True
    assert seen == []


# -- indentation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("if a:\n    b\nif c:\n\td\nif e:\n    f\n", [("E_TABS_AND_SPACES", 4, 1)]),
        ("if a:\n \tb\n", [("E_TABS_AND_SPACES", 2, 3)]),
        ("if a:\n    b\nif c:\n  d\nif e:\n    f\n", [("E_INDENT_WIDTH", 4, 1)]),
        ("if a:\n    b\n  c\n", [("E_DEDENT", 3, 3)]),
        ("if a:\n\tif b:\n\t\tc\n", []),
        ("x = [\n   1,\n\t2,\n ]\ny = '''\n \t z\n'''\nz = 1 + \\\n   2\n", []),
        ("# a\n\n   # b\nif a:\n    # (\n    b\n    '(' ; c\n", []),
        ("if a:\n    b = (\nif c:\n  d\n", []),  # what follows an open bracket cannot be told
    ],
)
def test_indentation_that_is_mixed_or_uneven(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert codes(checked(text)["indentation"]) == expected


def test_indentation_is_looked_at_where_the_syntax_is_wrong_too() -> None:
    results = checked("x = = 1\nif a:\n    b\nif c:\n\tb\nif d:\n    e\n")

    assert results["syntax"].passed is False
    assert [each.line for each in results["indentation"].failures] == [5]


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(sorted(Path(__file__).parent.parent.rglob("*.py"))))
def test_our_own_files_are_evenly_indented(path: Path) -> None:
    result = checked(path.read_bytes())["indentation"]

    assert result.passed is True, result.failures[0]
    assert result.attributes["unit"] in (4, None)


# -- ast --------------------------------------------------------------------------------------------------------------


def test_the_inventory_says_what_was_parsed() -> None:
    text = "import os\n\nclass A:\n    def f(self): pass\n    async def g(self): pass\n\ndef h():\n    class B: pass\n"

    assert checked(text)["ast"].attributes == {
        "classes": 2,
        "functions": 3,
        "imports": 1,
        "statements": 9,
        "names": ["A", "h"],
        "lines": 9,
    }


def test_a_definition_that_is_lost_is_found() -> None:
    text = "def f(): pass\n\nclass A:\n    def g(self): pass\n    def g(self): pass\n\ndef f(): pass\n"

    result = checked(text)["ast"]

    assert codes(result) == [("E_DUPLICATE_DEFINITION", 5, 5), ("E_DUPLICATE_DEFINITION", 7, 1)]
    assert "line 4 is lost" in result.failures[0].message


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    @property\n    def f(self): ...\n    @f.setter\n    def f(self, x): ...\n",
        "@overload\ndef f(x: int): ...\n@overload\ndef f(x: str): ...\ndef f(x): ...\n",
        "@f.register\ndef _(x): ...\n@f.register\ndef _(y): ...\n",
        "def f(): ...\ng = f\ndef f(): ...\n",
        "if a:\n    def f(): ...\nelse:\n    def f(): ...\n",
        "def f():\n    def g(): ...\ndef g(): ...\n",
    ],
)
def test_a_definition_that_is_made_again_on_purpose_is_none(text: str) -> None:
    assert checked(text)["ast"].passed is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return 1\n", [("E_OUTSIDE_FUNCTION", 1, 1)]),
        ("class A:\n    return 1\n", [("E_OUTSIDE_FUNCTION", 2, 5)]),
        ("def f():\n    if a: return 1\n", []),
        ("é = 1; break\n", [("E_OUTSIDE_LOOP", 1, 8)]),
        ("for a in b:\n    def f():\n        continue\n", [("E_OUTSIDE_LOOP", 3, 9)]),
        ("while a:\n    try: break\n    finally: pass\nelse:\n    continue\n", [("E_OUTSIDE_LOOP", 5, 5)]),
    ],
)
def test_statements_that_python_refuses_where_they_stand(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert codes(checked(text)["ast"]) == expected


def test_failures_are_listed_up_to_a_limit_and_all_are_counted() -> None:
    result = checked("def f(): pass\n" * 10_001)["ast"]

    assert (len(result.failures), result.failures_total) == (MOST_FAILURES, 10_000)


# -- any text ---------------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["import a", "from . import b", "from a import *", "def f():", "try:", "except:", "match x:", "# coding: utf-7"]  # noqa: RUF005
    + list("'\"\\\n\r\t ([{}])\0#é;:=.\ufeff\ud800\x0c\u2028")
    + ['"""', "f'{", "if x:\n  "]
)


@settings(deadline=None)
@given(st.text() | st.binary() | st.lists(PIECES).map("".join))
def test_no_text_makes_it_raise(text: str | bytes) -> None:
    results = check_python(text, path="/nowhere/a.py", environment=NOWHERE)

    assert [each.type for each in results] == list(TYPES)
    for each in results:
        assert (each.passed is None) == (each.error is not None)
        assert not (each.error or "").startswith("the check broke")
        for failure in each.failures:
            assert failure.line is None or failure.line >= 1
            assert failure.column is None or failure.column >= 1
            failure.context.encode()
