"""What every detector promises, as a test of yours: `check_detector(YourDetector(), records)`.

    from whence.testing.detectors import check_detector

    def test_my_detector() -> None:
        check_detector(MyDetector(), records_of_a_run_in_which_it_finds_something)

The records given, and whatever can be made of them that a program could record by mistake or on purpose, are put to the
detector: nothing at all, one record, all at one time, clocks an hour apart, parents that do not exist or form a circle,
payloads of any type and shape. It must never raise, find the same whatever the order and however often a record comes, and
say nothing that cannot be stored or proved.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from whence.diagnose.catalog import catalog
from whence.diagnose.detector import FINGERPRINT_CHARS, Detector
from whence.model import record as kinds
from whence.model.finding import Finding
from whence.model.record import Record

HOUR_NS: Final = 3_600_000_000_000
MOST_CHANGED: Final = 150
"""So many of the records, the last ones, are given other payloads."""
_encode = msgspec.json.encode


def _deep(levels: int) -> Any:
    value: Any = "end"
    for number in range(levels):
        value = [value] if number % 2 else {"deeper": value}
    return value


HOSTILE: Final[dict[str, Any]] = {
    "null": None,
    "true": True,
    "zero": 0,
    "negative": -1,
    "huge number": 2**62,
    "beyond 64 bits": 10**30,
    "almost infinite": 1.7e308,
    "empty text": "",
    "number as text": "0.5",
    "not a number": "NaN",
    "long text": "x" * 50_000,
    "control characters": "\x00\x1b[31m\u202e\u2028|`<b>",
    "list": [],
    "list of anything": [None, 1, "a", {}, [[]]],
    "object": {},
    "object of anything": {"": None, "a": {"type": 3, "message": []}, "type": [], "code": {}},
    "deep": _deep(100),
    "767 dimensions": [0.5] * 767,
    "reference of 767 dimensions": {"vector_sha256": "0" * 64, "dimensions": 767},
    "schema that is none": {"type": "nonsense", "properties": 3, "required": "all", "$ref": "#"},
    "content that is none": {"content_sha256": 5, "preview": [], "chars": "many"},
}
"""Values that take the place of every value in every payload, in turn."""
NO_OBJECTS: Final[dict[str, bytes]] = {
    "nothing": b"",
    "no JSON": b"{nonsense",
    "NaN": b'{"score": NaN, "confidence": Infinity}',
    "half a surrogate": b'{"message": "\\ud800", "error": {"type": "\\udfff"}}',
    "not UTF-8": b'{"message": "\xff\xfe"}',
    "null": b"null",
    "a text": b'"text"',
    "a list": b"[1, 2, 3]",
    "too deep": b"[" * 100_000,
}
"""Payloads that are no objects, or no JSON at all."""


def check_detector(detector: Detector, records: Iterable[Record] = (), *, seed: int = 1) -> list[Finding]:
    """Put a detector to the test; returns what it finds in the records as they are.

    Args:
        records: of runs that it is made for; what it finds there is what its other answers are compared with.
        seed: of the shuffling.

    Raises:
        AssertionError: it breaks a promise; the message says with what input.
    """
    given = list(records)
    for name, case in cases(given):
        _checked(detector, case, name)
    found = _checked(detector, given, "the records given")
    chance = random.Random(seed)
    for turn in range(3):
        shuffled = chance.sample(given, len(given))
        _same(detector, shuffled, found, f"the records given, shuffled ({turn})")
        _same(detector, [*shuffled, *given[::3]], found, f"the records given, some of them twice ({turn})")
    _same(detector, given, found, "the records given, a second time")
    return found


def cases(records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Yield inputs, each with its name, from nothing at all to what nobody would record on purpose."""
    yield "no record", []
    if not records:
        return
    yield "one record", [records[0]]
    yield "the last record alone", [records[-1]]
    yield "three records", list(records[:3])
    yield "no run", [_with(each, trace="") for each in records]
    yield "no ends", [each for each in records if each.kind not in (kinds.SPAN_END, kinds.TRACE_END)]
    yield "no starts", [each for each in records if each.kind not in (kinds.SPAN_START, kinds.TRACE_START)]
    yield "one time", [_with(each, ts_ns=records[0].ts_ns) for each in records]
    yield "the beginning of time", [_with(each, ts_ns=0) for each in records]
    yield (
        "clocks an hour apart",
        [_with(each, ts_ns=each.ts_ns + HOUR_NS * (len(each.component or each.stage) % 2)) for each in records],
    )
    yield "time backwards", [_with(each, ts_ns=records[0].ts_ns + records[-1].ts_ns - each.ts_ns) for each in records]
    yield "parents that never came", [_with(each, parent=each.record_id[::-1]) for each in records]
    yield "parents in a circle", _circles(records)
    yield "no component", [_with(each, component="", stage="") for each in records]
    yield "one span", [_with(each, span="0" * 15 + "1", parent="0" * 15 + "1") for each in records]
    yield "a kind of the future", [_with(each, kind="future") for each in records]
    yield "levels beyond the scale", [_with(each, level=(-5, 99)[n % 2]) for n, each in enumerate(records)]
    records = records[-MOST_CHANGED:]
    for name, payload in NO_OBJECTS.items():
        yield f"payloads: {name}", [_with(each, payload=msgspec.Raw(payload)) for each in records]
    for name, value in HOSTILE.items():
        yield f"every payload: {name}", [_with(each, payload=msgspec.Raw(_encode(value))) for each in records]
        yield f"every value: {name}", _replaced(records, partial(_instead, value))
        yield f"every inner value: {name}", _replaced(records, partial(_inside, value))


def _with(record: Record, **fields: Any) -> Record:
    return msgspec.structs.replace(record, **fields)


def _circles(records: Sequence[Record]) -> list[Record]:
    """Each record is caused by the next, the last by the first; each span lies in the next."""
    following = [*records[1:], records[0]]
    return [_with(each, parent=after.span or after.record_id) for each, after in zip(records, following, strict=True)]


def _replaced(records: Sequence[Record], new: Callable[[Any], Any]) -> list[Record]:
    found = []
    for record in records:
        data = msgspec.json.decode(record.payload)
        changed = {key: new(value) for key, value in data.items()} if isinstance(data, dict) else new(data)
        found.append(_with(record, payload=msgspec.Raw(_encode(changed))))
    return found


def _instead(value: Any, _: Any) -> Any:
    return value


def _inside(value: Any, old: Any) -> Any:
    if isinstance(old, dict):
        return dict.fromkeys(old, value) or {"inside": value}
    return [value for _ in old] if isinstance(old, list) else old


def _checked(detector: Detector, records: list[Record], name: str) -> list[Finding]:
    before = [_state(each) for each in records]
    try:
        found = detector.detect(records)
    except Exception as exc:
        raise AssertionError(f"{detector.name}, {name}: raised {type(exc).__name__}: {exc}") from exc
    assert [_state(each) for each in records] == before, f"{detector.name}, {name}: changed what it was given"
    ids = {each.record_id for each in records} | {each.trace for each in records}
    for each in found:
        problem = problem_of(each, detector, ids)
        assert problem is None, f"{detector.name}, {name}: {problem}: {each.title!r}"
    return found


def _state(record: Record) -> tuple[Any, ...]:
    return (*msgspec.structs.astuple(record)[:-1], bytes(record.payload))


def _same(detector: Detector, records: list[Record], expected: list[Finding], name: str) -> None:
    found = _checked(detector, records, name)
    assert [_encode(each) for each in found] == [_encode(each) for each in expected], (
        f"{detector.name}, {name}: found {[each.title for each in found]}, not {[each.title for each in expected]}"
    )


def problem_of(finding: Finding, detector: Detector, ids: "set[str] | None" = None) -> str | None:
    """Return what is wrong with a finding as such; None if nothing is.

    Args:
        ids: of the records and runs that there are; evidence must be among them.
    """
    try:
        _encode(finding)
    except Exception as exc:  # noqa: BLE001 - whatever the reason, it cannot be stored
        return f"cannot be stored: {type(exc).__name__}: {exc}"
    if finding.code not in detector.codes:
        return f"code {finding.code!r} is not among the detector's: {', '.join(detector.codes)}"
    if catalog().get(finding.code) is None:
        return f"code {finding.code!r} is not in the catalog"
    if not finding.title.strip() or "\n" in finding.title:
        return "its title is not one line"
    if not 0 <= finding.severity <= 4:
        return f"severity {finding.severity} is not 0 to 4"
    if not 0 < len(finding.fingerprint) <= FINGERPRINT_CHARS:
        return f"its fingerprint has {len(finding.fingerprint)} characters, not 1 to {FINGERPRINT_CHARS}"
    if finding.confidence is None and finding.basis != "measured":
        return "it has no confidence, and is not one of those that are measured"
    if finding.confidence is not None and not 0 <= finding.confidence <= 1:
        return f"confidence {finding.confidence} is not 0 to 1"
    if finding.first_ns > finding.last_ns:
        return "it ends before it begins"
    if finding.count < 1:
        return f"it was seen {finding.count} times"
    if finding.detector.partition("/")[0] != detector.name:
        return f"it says that it is of {finding.detector!r}"
    missing = [each for each in finding.evidence if ids is not None and each not in ids]
    if missing:
        return f"its evidence {missing[0]!r} does not exist"
    if not finding.evidence:
        return "it has no evidence"
    return None
