"""The slow path: any object in, JSON types out, nothing of the caller's is run, nothing is raised."""

import collections
import dataclasses
import datetime
import decimal
import enum
import math
import pathlib
import sys
import types
import uuid

import msgspec
import pytest
from corpus_lines import positives
from hypothesis import given, settings
from hypothesis import strategies as st

from whence.redact.capture import CaptureLevel, Hasher
from whence.redact.value import DROPPED, MASKED_KEY, Flag, Limits, clean


def _boom(*_: object, **__: object) -> object:
    raise AssertionError("code of a recorded object was run")


class Meta(type):
    """A class that objects to being looked at."""

    __getattribute__ = _boom  # type: ignore[assignment]
    __instancecheck__ = __subclasscheck__ = __repr__ = __eq__ = __hash__ = _boom  # type: ignore[assignment]


class Hostile:
    """Every hook raises."""

    __repr__ = __str__ = __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __getattribute__ = _boom
    __class__ = property(_boom)  # type: ignore[assignment]
    __dict__ = property(_boom)  # type: ignore[assignment]


class HostileStr(str):
    """A string that lies."""

    __slots__ = ()
    __str__ = __repr__ = __eq__ = __hash__ = __len__ = __iter__ = __getitem__ = encode = isascii = _boom


class HostileDict(dict):  # type: ignore[type-arg]
    """A dict that lies."""

    __iter__ = __len__ = __getitem__ = items = keys = values = _boom  # type: ignore[assignment]


class HostileList(list):  # type: ignore[type-arg]
    """A list that lies."""

    __iter__ = __len__ = __getitem__ = _boom  # type: ignore[assignment]


class HostileInt(int):
    """A number that lies."""

    __str__ = __repr__ = __add__ = __index__ = __le__ = __eq__ = __hash__ = bit_length = _boom


class HostileZone(datetime.tzinfo):
    """A time zone that lies."""

    utcoffset = tzname = dst = _boom  # type: ignore[assignment]


class HostileError(Exception):
    """An exception that lies."""

    __str__ = __repr__ = _boom  # type: ignore[assignment]
    args = property(_boom)  # type: ignore[assignment]


@dataclasses.dataclass
class Point:
    """A dataclass whose property shadows nothing."""

    x: int
    password: str = "hunter2"


@dataclasses.dataclass(slots=True)
class Slotted:
    """A dataclass without a __dict__."""

    x: int


class Record(msgspec.Struct):
    """A struct."""

    name: str
    tags: list[str] = []


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


_HOSTILE = [
    Hostile(),
    Meta("Odd", (), {})(),
    HostileStr("x"),
    HostileDict(a=1),
    HostileList([1]),
    HostileInt(3),
    datetime.datetime(2024, 11, 20, tzinfo=HostileZone()),
    HostileError("x"),
    types.MappingProxyType(HostileDict(a=1)),
    types.MappingProxyType(collections.ChainMap({"a": 1})),
    lambda: None,
    type,
    Hostile,
    sys,
    (i for i in range(3)),
    memoryview(b"abcdef")[::2],
    collections.UserDict({"a": 1}),
    "\ud800",
    {Hostile: 1, (1, 2): 2, None: 3, 1.5: 4, b"k": 5},
    float("nan"),
    10**5000,
    -(2**63) - 1,
]


@pytest.mark.parametrize("index", range(len(_HOSTILE)))  # by index: pytest itself would run their code
@pytest.mark.parametrize("level", list(CaptureLevel))
def test_hostile_objects_are_described(index: int, level: CaptureLevel) -> None:
    value = _HOSTILE[index]

    cleaned, flags = clean({"before": 1, "it": [value], "after": 2}, level=level)

    msgspec.json.encode(cleaned)
    assert isinstance(cleaned, dict)
    assert (cleaned["before"], cleaned["after"]) == (1, 2)
    assert Flag.DROPPED not in flags or type(value) is types.MappingProxyType


def test_what_cannot_be_encoded_is_described() -> None:
    cleaned, flags = clean([Hostile(), b"abc", ValueError("bad", 1), 10**5000])

    assert cleaned == [
        "<test_value.Hostile>" if __name__ == "test_value" else f"<{__name__}.Hostile>",
        {"bytes": 3, "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"exception": "builtins.ValueError", "args": ["bad", 1]},
        f"<integer of {(10**5000).bit_length()} bits>",
    ]
    assert flags == Flag.DESCRIBED | Flag.NORMALISED


def test_known_types_become_json() -> None:
    value = {
        "tuple": (1, 2),
        "deque": collections.deque([1]),
        "proxy": types.MappingProxyType({"a": 1}),
        "counter": collections.Counter("aa"),
        "point": Point(1),
        "slotted": Slotted(2),
        "record": Record("n", ["t"]),
        "colour": Colour.RED,
        "path": pathlib.PurePosixPath("/a/b"),
        "uuid": uuid.UUID(int=0),
        "time": datetime.datetime(2024, 11, 20, tzinfo=datetime.timezone.utc),  # noqa: UP017
        "day": datetime.date(2024, 11, 20),
        "span": datetime.timedelta(seconds=90),
        "money": decimal.Decimal("1.50"),
    }

    cleaned, flags = clean(value)

    assert cleaned == {
        "tuple": [1, 2],
        "deque": [1],
        "proxy": {"a": 1},
        "counter": {"a": 2},
        "point": {"x": 1, "password": MASKED_KEY},
        "slotted": {"x": 2},
        "record": {"name": "n", "tags": ["t"]},
        "colour": "red",
        "path": "/a/b",
        "uuid": "00000000-0000-0000-0000-000000000000",
        "time": "2024-11-20T00:00:00Z",
        "day": "2024-11-20",
        "span": "PT90S",
        "money": "1.50",
    }
    assert flags == Flag.REDACTED


def test_pydantic_models_are_read_without_pydantic() -> None:
    base = type("BaseModel", (), {"__module__": "pydantic.main", "model_fields": {"name": 1, "token": 2}})
    model = type("User", (base,), {})()
    model.__dict__.update(name="ada", token="t0ken", other=1)

    assert clean(model)[0] == {"name": "ada", "token": MASKED_KEY}


def test_secret_keys_hide_their_value_whole() -> None:
    cleaned, flags = clean({"password": {"a": [1]}, "token": None, "api_key": "", "secret": True, "pin": 1234, "x": 1})

    assert cleaned == {"password": MASKED_KEY, "token": None, "api_key": "", "secret": True, "pin": MASKED_KEY, "x": 1}
    assert flags == Flag.REDACTED
    assert clean(cleaned) == (cleaned, Flag(0))


def test_keys_are_redacted_too_and_stay_apart() -> None:
    cleaned, flags = clean({"joe@example.com": 1, "ann@example.com": 2})

    assert cleaned == {"[REDACTED:email]": 1, "[REDACTED:email]#2": 2}
    assert flags == Flag.REDACTED


def test_numbers_json_cannot_hold() -> None:
    cleaned, flags = clean([math.nan, math.inf, -math.inf, 2**63, -(2**63), 1.5])

    assert cleaned == ["NaN", "Infinity", "-Infinity", "9223372036854775808", -(2**63), 1.5]
    assert flags == Flag.NORMALISED


def test_text_json_cannot_hold() -> None:
    assert clean("a\ud800b\0") == ("a\ufffdb\u2400", Flag.NORMALISED)


def test_cycles_end() -> None:
    loop: list[object] = [1]
    loop.append({"again": loop})

    assert clean(loop) == ([1, {"again": "<cycle>"}], Flag.DESCRIBED)


def test_a_value_used_twice_is_no_cycle() -> None:
    shared = [1]

    assert clean([shared, shared]) == ([[1], [1]], Flag(0))


def test_limits() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]

    assert clean([1, 2, 3], limits=Limits(items=3)) == ([1, 2], Flag.TRUNCATED)
    assert clean([[[1]]], limits=Limits(depth=2)) == ([["<too deep>"]], Flag.TRUNCATED)
    assert clean(deep)[1] == Flag.TRUNCATED


def test_long_text_is_cut_before_it_is_searched() -> None:
    """What straddles the cut goes with it: half a key matches no rule."""
    secret = "sk-" + "aB3" * 16
    text = "word " * 20 + secret + " tail"

    cleaned, flags = clean(text, limits=Limits(string_chars=110))

    assert cleaned["truncated"] == "word " * 20  # type: ignore[index]
    assert cleaned["original_chars"] == len(text)  # type: ignore[index]
    assert flags == Flag.TRUNCATED


def test_a_failing_redactor_drops_the_value_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.redact.value.redact_text", lambda text, families: _boom() if text == "bad" else text)

    assert clean({"a": "good", "b": "bad"}) == ({"a": "good", "b": DROPPED}, Flag.DROPPED)


def test_hash_keeps_length_and_hash_only() -> None:
    hasher = Hasher(b"k" * 32, "kid")

    cleaned, flags = clean({"q": "joe@example.com", "n": 1}, level=CaptureLevel.HASH, hasher=hasher)

    assert cleaned == {"q": {"chars": 15, "hash": hasher.hash("joe@example.com")}, "n": 1}
    assert flags == Flag.REDACTED
    assert clean("abc", level=CaptureLevel.HASH)[0] == {"chars": 3}


def test_preview_keeps_eighty_characters() -> None:
    hasher = Hasher(b"k" * 32, "kid")
    text = "mail joe@example.com " + "word " * 30

    cleaned, _ = clean([text, "short joe@example.com"], level=CaptureLevel.PREVIEW, hasher=hasher)

    long, short = cleaned  # type: ignore[misc]
    assert long["preview"].startswith("mail [REDACTED:email] word")
    assert len(long["preview"]) <= 80
    assert (long["chars"], long["hash"]) == (len(text), hasher.hash(text))
    assert short == "short [REDACTED:email]"


def test_full_keeps_personal_data_and_masks_secrets() -> None:
    text = "joe@example.com, password=hunter2"

    assert clean(text, level=CaptureLevel.FULL)[0] == "joe@example.com, password=[REDACTED:secret]"


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5) | st.dates()
_ANY = st.recursive(
    _LEAVES | st.sampled_from([line.text for line in positives()]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=400, deadline=None)
@given(_ANY, st.sampled_from([CaptureLevel.REDACTED, CaptureLevel.FULL]))
def test_cleaning_twice_is_cleaning_once(value: object, level: CaptureLevel) -> None:
    once, _ = clean(value, level=level)
    msgspec.json.encode(once)

    assert clean(once, level=level) == (once, Flag(0))
