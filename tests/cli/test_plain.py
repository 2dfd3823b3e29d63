"""Stored text on a terminal: readable, and without power."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.cli import plain


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil\x1b\\text\x1b]8;;\x07", "text"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1bP1;2|data\x1b\\after", "after"),
        ("\x9b31mC1\x9d0;t\x9cx", "C1x"),
        ("\x1b]0;never ended", "0;never ended"),
        ("a\u202eb\u2066c\u200bd\ufeff", "abcd"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("\x00\x08\x7f\x85tab\there", "\ntab here"),
        ("häßlich 日本 🎉", "häßlich 日本 🎉"),
    ],
)
def test_text(given_text: str, shown: str) -> None:
    """Sequences go whole; single dangerous characters go; letters of all languages stay."""
    assert plain.text(given_text) == shown


@given(st.text())
def test_any_text_becomes_harmless(text: str) -> None:
    """Whatever is stored, nothing is left that a terminal obeys, and doing it twice changes nothing."""
    shown = plain.text(text)

    assert not [char for char in shown if char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160)]
    assert plain.text(shown) == shown
    assert "\n" not in plain.line(text)


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(), st.lists))
def test_json_says_the_same_and_is_harmless(value: object) -> None:
    """Escapes stand for the very characters."""
    written = plain.json({"value": value})

    assert json.loads(written) == {"value": value}
    assert not [char for char in written if char != "\n" and (ord(char) < 32 or 127 <= ord(char) < 160)]
    assert json.loads(plain.json_line({"value": value})) == {"value": value}


def test_values_that_are_no_text() -> None:
    """Short words for the usual ones."""
    assert plain.line(None) == "–"
    assert plain.line(True) == "true"
    assert plain.line(["a", "b"]) == "a, b"
    assert plain.line({"type": "ValueError", "message": "no"}) == "ValueError: no"
    assert plain.line({"content_sha256": "0" * 64, "chars": 5000, "preview": "Once"}) == "Once… (5000 characters)"
    assert plain.line("x" * 300, 10) == "xxxxxxxxx…"
