"""Vectors of texts: whether they can be compared, how far apart they are, what that distance means.

Whatever holds numbers is taken: lists, tuples, arrays, memoryviews, numpy arrays and tensors, without numpy.
A vector that cannot be compared (zero, not finite, of another dimension) is said to be so and never raises, because a
cosine distance of NaN compares false with every threshold and would look like the worst result there is (C0.20).
"""

import enum
import math
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import islice
from typing import Any, Final

import msgspec

from whence.errors import BadInput

SMALLEST_NORM: Final = 1e-12
"""A shorter vector has no direction worth the name (the `eps` of torch.nn.functional.normalize)."""
LARGEST_NORM: Final = 3.4028234663852886e38
"""A longer one cannot be stored: the greatest float32 (IEEE 754 binary32)."""
LONGEST: Final = 65_536
"""Dimensions. What is longer, or never ends, is no embedding."""

NOT_NORMAL: Final = "E01-03"  # VECTOR_NORMALIZATION_DRIFT
MISMATCH: Final = "T01-03"  # TRANSFORMER_EMBEDDING_MISMATCH
DRIFTED_CODE: Final = "T01-04"  # OUTPUT_DRIFTED
CRITICAL_CODE: Final = "T01-05"  # OUTPUT_CRITICAL_MISS


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """What a distance means. All but `dimensions` are cosine distances: 0 same direction, 1 unrelated, 2 opposite."""

    aligned_below: float = 0.2  # R0.25
    critical_above: float = 0.4  # R0.25; the boundary itself is DRIFTED (C0.1)
    diverged_above: float = 0.3  # two consecutive points of a trajectory (D0.2)
    severe_above: float = 0.4  # divergence of severity high (D0.2)
    extreme_above: float = 0.6  # divergence of severity critical (D0.2)
    tolerance: float = 1e-9  # an exact pair of 0.2 is computed as 0.19999999999999996 (C0.1)
    dimensions: int | None = None  # accepted length of a vector (R0.23: 768); None: equal lengths will do


DEFAULT: Final = Thresholds()


class Alignment(enum.StrEnum):
    """What the distance from what was generated to what was expected says (R0.25)."""

    ALIGNED = "ALIGNED"
    DRIFTED = "DRIFTED"
    CRITICAL_MISS = "CRITICAL_MISS"
    UNKNOWN = "UNKNOWN"  # cannot be said: a vector is missing or cannot be compared


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How far an output is from its prompt and from its specification."""

    status: Alignment
    prompt_to_generated: float | None = None
    generated_to_expected: float | None = None
    problem: str | None = None  # which vector could not be compared, and why
    codes: tuple[str, ...] = ()  # T01-04 or T01-05 of the status, then T01-03, E01-03 of the problem
    code: str = ""  # the first of `codes`


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Two consecutive points of a trajectory that are too far apart; encoded with the keys of D0.2."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    distance: float
    severity: str  # critical, high, medium
    index: int  # place of `target` among the points given


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A point of a trajectory that could not be compared and was passed over."""

    component: str
    index: int
    problem: str
    code: str  # empty: it was missing


class Trajectory(msgspec.Struct, frozen=True, kw_only=True):
    """What was found along the points, and what could not be looked at."""

    divergences: tuple[Divergence, ...] = ()
    skipped: tuple[Skipped, ...] = ()


class _Looked(msgspec.Struct, frozen=True):
    """A vector as it was found: `values` is None exactly if there is a `problem`."""

    values: list[float] | None
    problem: str = ""
    code: str = ""

    def __len__(self) -> int:
        return len(self.values) if self.values is not None else 0


def as_vector(value: object) -> tuple[list[float] | None, str | None]:
    """Return (floats, None), or (None, why it is no vector that can be compared). Never raises."""
    looked = _look(value)
    return looked.values, looked.problem or None


def cosine_distance(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return 1 - cos(a, b), from 0 to 2; None if a vector is zero or not finite, or the lengths differ.

    Takes what `as_vector` returned. Both sums run in C and keep their precision: by the law of cosines
    |a - b|² = (|a| - |b|)² + 2|a||b|(1 - cos). The usual 1 - a·b/(|a||b|) loses half of its digits where the vectors
    are close, which is where the thresholds are.
    """
    if len(a) != len(b):
        return None
    norm_a, norm_b = math.hypot(*a), math.hypot(*b)
    if not (SMALLEST_NORM <= norm_a <= LARGEST_NORM and SMALLEST_NORM <= norm_b <= LARGEST_NORM):  # false for NaN too
        return None
    if not 0.25 <= norm_a / norm_b <= 4.0:
        # The two squares would be nearly equal, and their difference noise.
        a, b = [each / norm_a for each in a], [each / norm_b for each in b]
        norm_a, norm_b = math.hypot(*a), math.hypot(*b)
    apart, longer = math.dist(a, b), norm_a - norm_b
    distance = ((apart - longer) / norm_a) * ((apart + longer) / norm_b) / 2
    return min(max(distance, 0.0), 2.0)


def alignment(distance: float | None, thresholds: Thresholds = DEFAULT) -> Alignment:
    """Return what a distance means: ALIGNED d < 0.2, DRIFTED 0.2 <= d <= 0.4, CRITICAL_MISS d > 0.4 (C0.1)."""
    if distance is None or math.isnan(distance):
        return Alignment.UNKNOWN
    if distance < thresholds.aligned_below - thresholds.tolerance:
        return Alignment.ALIGNED
    if distance > thresholds.critical_above + thresholds.tolerance:
        return Alignment.CRITICAL_MISS
    return Alignment.DRIFTED


def drift(prompt: object, generated: object, expected: object, thresholds: Thresholds = DEFAULT) -> Drift:
    """Return how far `generated` is from `prompt` and from `expected`. Never raises.

    Any of the three may be None, for "not there". The status needs the last two; without them it is UNKNOWN.
    A prompt that cannot be compared is a problem too, and leaves the status as it is.
    """
    found: dict[str, list[float]] = {}
    problems: list[str] = []
    codes: list[str] = []
    for name, value in (("prompt", prompt), ("generated", generated), ("expected", expected)):
        if value is None:
            if name != "prompt":
                problems.append(f"no {name} vector")
            continue
        looked = _look(value, thresholds.dimensions)
        if looked.values is None:
            problems.append(f"{name}: {looked.problem}")
            codes.append(looked.code)
        else:
            found[name] = looked.values
    first, second = (
        _between(found, pair, problems, codes) for pair in (("prompt", "generated"), ("generated", "expected"))
    )
    status = alignment(second, thresholds)
    if status is Alignment.DRIFTED:
        codes.insert(0, DRIFTED_CODE)
    elif status is Alignment.CRITICAL_MISS:
        codes.insert(0, CRITICAL_CODE)
    return Drift(
        status=status,
        prompt_to_generated=first,
        generated_to_expected=second,
        problem="; ".join(problems) or None,
        codes=tuple(dict.fromkeys(codes)),
        code=codes[0] if codes else "",
    )


def trajectory(points: Iterable[tuple[str, object]], thresholds: Thresholds = DEFAULT) -> Trajectory:
    """Return where consecutive (component, vector) points are more than 0.3 apart (D0.2), and the points passed over.

    A point that cannot be compared is passed over, and its neighbours are consecutive. Where lengths differ and
    `thresholds.dimensions` says nothing, the commonest length is the right one; the earlier of two equally common.
    """
    looked = [(component, _look(value, thresholds.dimensions)) for component, value in points]
    lengths = Counter(len(each) for _, each in looked if each.values is not None)
    usual = lengths.most_common(1)[0][0] if lengths else 0
    divergences: list[Divergence] = []
    skipped: list[Skipped] = []
    before: tuple[str, list[float]] | None = None
    for index, (component, each) in enumerate(looked):
        if each.values is None or len(each) != usual:
            problem, code = each.problem, each.code
            if each.values is not None:
                problem, code = f"{len(each)} dimensions where the others have {usual}", MISMATCH
            skipped.append(Skipped(component=component, index=index, problem=problem, code=code))
            continue
        if before is not None:
            distance = cosine_distance(before[1], each.values)
            if distance is not None and distance > thresholds.diverged_above + thresholds.tolerance:
                divergences.append(
                    Divergence(
                        source=before[0],
                        target=component,
                        distance=distance,
                        severity=divergence_severity(distance, thresholds),
                        index=index,
                    )
                )
        before = (component, each.values)
    return Trajectory(divergences=tuple(divergences), skipped=tuple(skipped))


def divergence_severity(distance: float, thresholds: Thresholds = DEFAULT) -> str:
    """Return how bad a divergence is: critical above 0.6, high above 0.4, else medium (D0.2)."""
    if distance > thresholds.extreme_above + thresholds.tolerance:
        return "critical"
    return "high" if distance > thresholds.severe_above + thresholds.tolerance else "medium"


def divergences(points: Iterable[tuple[str, object]], thresholds: Thresholds = DEFAULT) -> tuple[Divergence, ...]:
    """Return the divergences alone; `trajectory` also says which points could not be compared."""
    return trajectory(points, thresholds).divergences


def pack(vector: Iterable[float]) -> bytes:
    """Return what `as_vector` returned as little-endian float32: 4 bytes a dimension, as it is stored (C0.25)."""
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def unpack(packed: bytes) -> "array[float]":
    """Return the float32 values of packed bytes.

    Raises:
        BadInput: the bytes are no whole number of values.
    """
    if len(packed) % 4:
        raise BadInput(f"{len(packed)} bytes of a vector; accepted: little-endian float32, 4 bytes a dimension")
    values = array("f")
    values.frombytes(packed)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def vector_id(packed: bytes) -> str:
    """Return the name of a packed vector: SHA-256, 64 hex digits. Equal vectors are stored once (C0.25)."""
    import hashlib  # loads OpenSSL

    return hashlib.sha256(packed).hexdigest()


def _look(value: object, dimensions: int | None = None) -> _Looked:
    if value is None:
        return _Looked(None, "missing")  # which is no fault: vectors are optional (C0.20)
    try:
        # What a vector is made of is the host's: any of these calls can be its own code, and raise anything.
        numbers = _numbers(value)
        if isinstance(numbers, str):
            return _Looked(None, numbers, MISMATCH)
        norm = math.hypot(*numbers)  # takes numbers only; NaN, infinite or zero if the vector is
        floats = list(map(float, numbers))
    except OverflowError:
        return _Looked(None, "not finite: a number beyond float64", NOT_NORMAL)
    except Exception as exc:  # noqa: BLE001
        # `str(exc)` would be the host's code once more.
        said = exc.args[0] if exc.args and type(exc.args[0]) is str else type(exc).__name__
        return _Looked(None, f"not numbers: {type(value).__name__} ({said})"[:200], MISMATCH)
    if not floats:
        return _Looked(None, "empty", MISMATCH)
    if not norm <= LARGEST_NORM:
        where = next((index for index, each in enumerate(floats) if not math.isfinite(each)), None)
        if where is None:
            return _Looked(None, f"not finite as float32: norm {norm:.3g}", NOT_NORMAL)
        return _Looked(None, f"not finite: {floats[where]} at position {where}", NOT_NORMAL)
    if norm < SMALLEST_NORM:
        return _Looked(None, f"zero: norm {norm:.3g}", NOT_NORMAL)
    if dimensions is not None and len(floats) != dimensions:
        return _Looked(None, f"{len(floats)} dimensions, expected {dimensions}", MISMATCH)
    return _Looked(floats)


def _numbers(value: Any) -> list[Any] | tuple[Any, ...] | str:
    """Return what a vector holds, not yet looked at; or why it is none."""
    if type(value) is not list and type(value) is not tuple:
        if isinstance(value, str | bytes | bytearray | Mapping | Set):
            return f"not numbers: {type(value).__name__}"
        if isinstance(value, memoryview) and value.format in ("B", "c"):
            return "not numbers: memoryview of bytes"
        if len(value) > LONGEST:  # an iterator has no length; reading it would take it from the host
            return f"more than {LONGEST} dimensions"
        if hasattr(value, "tolist"):  # array, memoryview, numpy, torch: in C, and Python's own floats come back
            value = value.tolist()
        if not isinstance(value, list | tuple):
            value = list(islice(value, LONGEST + 1))
    if len(value) > LONGEST:
        return f"more than {LONGEST} dimensions"
    return value  # type: ignore[no-any-return]


def _between(
    found: dict[str, list[float]], pair: tuple[str, str], problems: list[str], codes: list[str]
) -> float | None:
    one, other = (found.get(name) for name in pair)
    if one is None or other is None:
        return None
    if len(one) != len(other):
        problems.append(f"{pair[0]} has {len(one)} dimensions, {pair[1]} {len(other)}")
        codes.append(MISMATCH)
    return cosine_distance(one, other)
