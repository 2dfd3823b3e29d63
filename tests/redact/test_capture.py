"""Keyed hashes, the key file, previews."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.redact.capture import Hasher, load_or_create_key, preview


def test_a_hash_names_its_algorithm_and_key() -> None:
    algorithm, key_id, digest = Hasher(b"k" * 32, "kid").hash("hello").split(":")

    assert (algorithm, key_id, len(digest)) == ("hmac-sha256", "kid", 64)


@pytest.mark.parametrize(
    "other", ["HELLO world", "  hello   world ", "hello\n\tworld", "ｈｅｌｌｏ world", "hello\u00a0world"]
)
def test_texts_that_read_alike_hash_alike(other: str) -> None:
    hasher = Hasher(b"k" * 32, "kid")

    assert hasher.hash(other) == hasher.hash("hello world")


def test_another_key_gives_another_hash() -> None:
    assert Hasher(b"a" * 32, "x").hash("t") != Hasher(b"b" * 32, "x").hash("t")


def test_a_lone_surrogate_can_be_hashed() -> None:
    assert Hasher(b"k" * 32, "kid").hash("\ud800")


def test_the_key_stays_out_of_the_repr() -> None:
    assert repr(Hasher(b"k" * 32, "kid")) == "Hasher(key_id='kid')"


def test_the_key_file_is_private_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "hash.key"

    first, second = load_or_create_key(path), load_or_create_key(path)

    assert first.hash("t") == second.hash("t")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["hash.key"]


def test_all_who_start_at_once_get_one_key(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_or_create_key(tmp_path / "k").hash("t"))) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == 1


def test_a_broken_key_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("nonsense")

    with pytest.raises(ValueError, match="holds no key"):
        load_or_create_key(path)


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("short", 80, "short"),
        ("abcdef", 3, "abc"),
        ("abe\u0301f", 3, "ab"),
        ("ab\U0001f44d\U0001f3fdc", 3, "ab"),
        ("a\U0001f469\u200d\U0001f469\u200d\U0001f467b", 3, "a"),
        ("a\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", 4, "a\U0001f1e9\U0001f1ea"),
        ("a\u2764\ufe0fb", 2, "a"),
        ("a\nb\x1b[31m", 10, "a b [31m"),
        ("mail joe@example.com now", 80, "mail [REDACTED:email] now"),
        ("anything", 0, ""),
    ],
)
def test_previews_are_cut_between_graphemes(text: str, limit: int, shown: str) -> None:
    assert preview(text, limit) == shown


def test_a_preview_redacts_before_it_cuts() -> None:
    assert "4111" not in preview("x" * 70 + " 4111 1111 1111 1111", 80)


@settings(max_examples=300, deadline=None)
@given(st.text(), st.integers(0, 100))
def test_a_preview_is_never_longer_than_asked(text: str, limit: int) -> None:
    shown = preview(text, limit)

    assert len(shown) <= limit
    shown.encode()
