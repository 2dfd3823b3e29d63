"""A SQLite store keeps digests that it decoded lately; nobody can tell, but by the clock."""

from pathlib import Path

import pytest

from tests.builders import hex_id
from whence.diagnose.filing import digest_record
from whence.model.digest import RunDigest
from whence.model.filters import DigestFilter
from whence.store.sqlite import SqliteStore, diagnosing


def digest(number: int, **said: object) -> RunDigest:
    return RunDigest(trace=hex_id(number), project="p", started_ns=number, ended_ns=number + 1, **said)  # type: ignore[arg-type]


def history(store: SqliteStore) -> list[RunDigest]:
    return list(store.digests(DigestFilter(project="p"), newest_first=True, limit=100))


def test_a_digest_that_another_process_replaced_is_read_anew(tmp_path: Path) -> None:
    """What is kept is used only while the text is the same, whoever wrote another."""
    ours, theirs = SqliteStore.open(tmp_path / "whence.db"), SqliteStore.open(tmp_path / "whence.db")
    ours.accept([digest_record(digest(1, codes={"A01-04": 3})), digest_record(digest(2))])
    assert [each.codes for each in history(ours)] == [{}, {"A01-04": 3}]

    theirs.accept([digest_record(digest(1, codes={"A01-04": 2}))])

    assert [each.codes for each in history(ours)] == [{}, {"A01-04": 2}]


def test_what_is_kept_is_decoded_once(tmp_path: Path) -> None:
    """The hundred runs before each that ends are mostly those before the last one."""
    store = SqliteStore.open(tmp_path / "whence.db")
    store.accept([digest_record(digest(number)) for number in (1, 2)])
    first = history(store)
    store.accept([digest_record(digest(3))])

    assert [each is kept for each, kept in zip(history(store)[1:], first, strict=True)] == [True, True]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those used least lately go first, and a large one is not kept at all."""
    monkeypatch.setattr(diagnosing, "DECODED", 2)
    decoded = diagnosing.Decoded()
    texts = {number: b'{"trace":"%032x"}' % number for number in range(3)}
    first = decoded.decode(b"0", texts[0])
    decoded.decode(b"1", texts[1])
    assert decoded.decode(b"0", texts[0]) is first
    decoded.decode(b"2", texts[2])
    large = b'{"trace":"","query":"%s"}' % (b"x" * diagnosing.DECODED_BYTES)

    assert decoded.decode(b"0", texts[0]) is first
    assert decoded.decode(b"3", large) is not decoded.decode(b"3", large)
    assert len(decoded._known) == 2  # the bound itself is what is tested
