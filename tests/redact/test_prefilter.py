"""The prefilter may be wrong in one direction only."""

import msgspec
import pytest
from corpus_lines import negatives, positives
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.redact.prefilter import MAX_BYTES, suspicious
from whence.redact.value import Flag, clean

_SECRETS = [line.text[start:end] for line in positives() for start, end in line.spans]
_LINES = [line.text for line in positives()] + negatives()
_NAMES = [
    "password",
    "token",
    "secret",
    "api_key",
    "apiKey",
    "pin",
    "ssn",
    "dsn",
    "otp",
    "jwt",
    "cvv",
    "pwd",
    "auth",
    "cookie",
    "credentials",
    "authorization",
    "passphrase",
    "connection_string",
    "client-secret",
    "API_KEY",
    "key",
    "keys",
    "tokens",
    "max_tokens",
    "name",
    "value",
    "x1",
    "phone",
    "tel",
    "mobile",
    "card",
    "iban",
]
_GLUE = [*list(" .,-/+()[]{}\"'`\\:=@_;\n\t\r\x0b\x1f|<>~$"), "\xa0", "\u200b", "\xad", "é", "…", "—", "：", "１"]
_BITS = [
    *"0123456789ABTZXeyk",
    "415",
    "555",
    "2671",
    "4111",
    "1111",
    "0171",
    "12345678",
    "0.8512345678901234",
    "Bearer",
]

# By index: a strategy that shows all lines in its repr is slow to build.
_line = st.integers(0, len(_LINES) - 1).map(lambda index: _LINES[index])
_secret = st.integers(0, len(_SECRETS) - 1).map(lambda index: _SECRETS[index])
_fragments = _secret | st.sampled_from(_NAMES) | st.sampled_from(_GLUE) | st.sampled_from(_BITS)
_texts = (
    st.lists(_fragments, max_size=8).map("".join)
    | st.lists(st.sampled_from(_BITS + _GLUE), max_size=30).map("".join)
    | _line
    | st.tuples(_line, st.sampled_from(_GLUE), _line).map("".join)
    | st.text(max_size=40)
)
_keys = (
    st.sampled_from(_NAMES)
    | st.lists(st.sampled_from([*_NAMES, "_", "-", " ", "2", "."]), max_size=4).map("".join)
    | _texts
)
_numbers = st.integers() | st.integers(-(2**65), 2**65) | st.floats(allow_nan=False, allow_infinity=False)
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=8,
)


def _encoded(value: object) -> bytes | None:
    try:
        return msgspec.json.encode(value)
    except (UnicodeEncodeError, OverflowError):  # a lone surrogate, an integer beyond 64 bits: not JSON for msgspec
        return None


@settings(max_examples=1500, deadline=None)
@given(_values)
def test_what_is_not_suspicious_would_not_change(value: object) -> None:
    body = _encoded(value)
    if body is not None and not suspicious(body):
        assert clean(value) == (value, Flag(0))


@settings(max_examples=600, deadline=None)
@given(_texts)
def test_a_lone_string_that_is_not_suspicious_would_not_change(text: str) -> None:
    body = _encoded(text)
    if body is not None and not suspicious(body):
        assert clean(text) == (text, Flag(0))


@pytest.mark.parametrize(
    "record",
    [
        {"what": "select_model", "confidence": 0.8512345678901234, "inputs": {"input_tokens": 812, "max_tokens": 4096}},
        {"id": "550e8400-e29b-41d4-a716-446655440000", "sha256": "9f86d081884c7d659a2feaa0c55ad015" * 2},
        {"at": "2024-11-20T14:30:20.123456Z", "start_ns": 1732113020123456789, "took_ms": 812.347},
        {"at": "2024-11-20 14:30:20", "day": "2024-11-20", "offset": "2024-11-20T14:30:20+00:00"},
        {"trace_id": "trc_20241120_143020_ab12cd34", "principle": "least_privilege", "version": "1.26.4"},
        {"path": "src/app/main.py", "url": "https://example.com/a?page=2", "note": 'he said "no",\nthen left'},
        {"why": "— “quoted” — and so on… naïve café"},
        {"big": 9223372036854775807 - 10**18, "small": -9223372036854775807 + 10**18},
    ],
)
def test_everyday_records_are_clean(record: dict[str, object]) -> None:
    assert not suspicious(msgspec.json.encode(record))


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, "a\0b", "x" * (MAX_BYTES + 1)])
def test_values_the_walk_normalises_are_suspicious(value: object) -> None:
    assert suspicious(msgspec.json.encode({"v": value}))
