"""Vectors: what can be compared, how far apart two are, and what a distance means at its boundaries."""

import json
import math
import subprocess
import sys
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.measure.pairs import unit_pair
from whence.errors import BadInput
from whence.measure import vectors
from whence.measure.vectors import Alignment, Thresholds, as_vector, cosine_distance, drift, trajectory

numbers = st.floats(min_value=-1e6, max_value=1e6).map(lambda each: round(each, 6))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Two vectors of equal length that can be compared."""
    size = draw(st.integers(min_value=1, max_value=40))
    pair = tuple(draw(st.lists(numbers, min_size=size, max_size=size)) for _ in range(2))
    assume(all(math.hypot(*each) > 1e-3 for each in pair))
    return pair[0], pair[1]


def distance(a: list[float], b: list[float]) -> float:
    found = cosine_distance(a, b)
    assert found is not None
    return found


# --- laws of the distance


@given(pairs())
def test_it_is_what_the_definition_says(pair: tuple[list[float], list[float]]) -> None:
    """1 - a·b / (|a||b|), summed exactly."""
    a, b = pair
    naive = 1 - math.fsum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))

    assert distance(a, b) == pytest.approx(naive, abs=1e-9)


@given(pairs())
def test_it_is_symmetric_and_within_0_and_2(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair

    assert 0.0 <= distance(a, b) <= 2.0
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-12)


@given(pairs(), st.floats(min_value=1e-6, max_value=1e30))
def test_length_does_not_matter(pair: tuple[list[float], list[float]], factor: float) -> None:
    """Also not where one vector is far longer than the other, and squares would swallow the difference."""
    a, b = pair

    assert distance([x * factor for x in a], b) == pytest.approx(distance(a, b), abs=1e-9)


@given(pairs(), st.randoms(use_true_random=False))
def test_the_order_of_dimensions_does_not_matter(pair: tuple[list[float], list[float]], random: Any) -> None:
    a, b = pair
    order = list(range(len(a)))
    random.shuffle(order)

    assert distance([a[i] for i in order], [b[i] for i in order]) == pytest.approx(distance(a, b), abs=1e-12)


@given(pairs())
def test_a_vector_is_at_0_from_itself_and_at_2_from_its_opposite(pair: tuple[list[float], list[float]]) -> None:
    a, _ = pair

    assert distance(a, list(a)) == 0.0
    assert distance(a, [3.7 * x for x in a]) == pytest.approx(0.0, abs=1e-12)
    assert distance(a, [-x for x in a]) == pytest.approx(2.0, abs=1e-12)


@pytest.mark.parametrize("apart", [0.0, 1e-6, 0.2, 0.4, 1.0, 1.7, 2.0])
def test_known_pairs(apart: float) -> None:
    a, b = unit_pair(apart)

    assert distance(a, b) == pytest.approx(apart, abs=1e-12)


def test_what_cannot_be_compared_has_no_distance() -> None:
    assert cosine_distance([1.0, 0.0], [1.0]) is None
    assert cosine_distance([0.0, 0.0], [1.0, 0.0]) is None
    assert cosine_distance([math.nan, 1.0], [1.0, 0.0]) is None
    assert cosine_distance([1.0, 0.0], [math.inf, 1.0]) is None
    assert cosine_distance([], []) is None


# --- what is a vector


class OwnSequence:
    """What a host may have: neither list nor array."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> float:
        return (3.0, 4.0)[index]


@pytest.mark.parametrize(
    "value",
    [
        [3.0, 4.0],
        (3, 4),
        array("f", [3.0, 4.0]),
        memoryview(array("d", [3.0, 4.0])),
        OwnSequence(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_holds_numbers_is_taken(value: object) -> None:
    assert as_vector(value) == ([3.0, 4.0], None)


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8"])
def test_numpy_arrays_are_taken(kind: str) -> None:
    numpy = pytest.importorskip("numpy")

    found, problem = as_vector(numpy.array([3, 4], dtype=kind))

    assert (found, problem) == ([3.0, 4.0], None)
    assert found is not None
    assert {type(each) for each in found} == {float}


def test_a_matrix_is_no_vector() -> None:
    numpy = pytest.importorskip("numpy")

    assert as_vector(numpy.ones((1, 768))) == (None, "not numbers: ndarray (must be real number, not list)")


class Hostile:
    """Every question to it fails."""

    def __len__(self) -> int:
        raise RuntimeError(self)

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class Endless:
    """Says that it is short, and never ends."""

    def __len__(self) -> int:
        return 3

    def __iter__(self) -> Iterator[float]:
        while True:
            yield 1.0


@pytest.mark.parametrize(
    ("value", "problem", "code"),
    [
        ([0.0] * 768, "zero: norm 0", "E01-03"),
        ([1e-14] * 4, "zero: norm 2e-14", "E01-03"),
        ([1.0, math.nan], "not finite: nan at position 1", "E01-03"),
        ([-math.inf, math.nan], "not finite: -inf at position 0", "E01-03"),
        ([1e39, 1.0], "not finite as float32: norm 1e+39", "E01-03"),
        ([10**400, 1], "not finite: a number beyond float64", "E01-03"),
        ([], "empty", "T01-03"),
        (["1.0", "2.0"], "not numbers: list (must be real number, not str)", "T01-03"),
        ([[1.0, 2.0]], "not numbers: list (must be real number, not list)", "T01-03"),
        ([1.0, None], "not numbers: list (must be real number, not NoneType)", "T01-03"),
        ("12", "not numbers: str", "T01-03"),
        (b"\x01\x02", "not numbers: bytes", "T01-03"),
        (memoryview(b"\x01\x02"), "not numbers: memoryview of bytes", "T01-03"),
        ({0: 1.0}, "not numbers: dict", "T01-03"),
        ({1.0, 2.0}, "not numbers: set", "T01-03"),
        (7, "not numbers: int (object of type 'int' has no len())", "T01-03"),
        (iter([1.0]), "not numbers: list_iterator (object of type 'list_iterator' has no len())", "T01-03"),
        (range(100_000), "more than 65536 dimensions", "T01-03"),
        (Endless(), "more than 65536 dimensions", "T01-03"),
        (Hostile(), "not numbers: Hostile (RuntimeError)", "T01-03"),
    ],
    ids=lambda value: "" if not isinstance(value, str) else value[:24],
)
def test_what_is_no_vector_is_said_and_never_raised(value: object, problem: str, code: str) -> None:
    assert as_vector(value) == (None, problem)
    assert drift([1.0], value, [1.0]) == vectors.Drift(
        status=Alignment.UNKNOWN, problem=f"generated: {problem}", codes=(code,), code=code
    )


def test_a_missing_vector_is_no_fault() -> None:
    assert as_vector(None) == (None, "missing")


# --- what a distance means


@pytest.mark.parametrize(
    ("apart", "status", "code"),
    [
        (0.0, "ALIGNED", ""),
        (0.19, "ALIGNED", ""),
        (0.2, "DRIFTED", "T01-04"),
        (0.3, "DRIFTED", "T01-04"),
        (0.4, "DRIFTED", "T01-04"),
        (0.41, "CRITICAL_MISS", "T01-05"),
        (1.0, "CRITICAL_MISS", "T01-05"),
    ],
)
def test_the_boundaries_of_e1(apart: float, status: str, code: str) -> None:
    expected, generated = unit_pair(apart)

    found = drift(expected, generated, expected)

    assert (found.status, found.code, found.problem) == (status, code, None)
    assert found.generated_to_expected == pytest.approx(apart, abs=1e-12)
    assert found.prompt_to_generated == pytest.approx(apart, abs=1e-12)


def test_a_boundary_is_compared_with_tolerance() -> None:
    """C0.1: 1 - 0.8 is 0.19999999999999996, and still 0.2."""
    assert vectors.alignment(1 - 0.8) is Alignment.DRIFTED
    assert vectors.alignment(0.4 + 1e-12) is Alignment.DRIFTED
    assert vectors.alignment(0.2 - 1e-8) is Alignment.ALIGNED
    assert vectors.alignment(0.4 + 1e-8) is Alignment.CRITICAL_MISS


def test_other_thresholds_are_obeyed() -> None:
    strict = Thresholds(aligned_below=0.05, critical_above=0.1)

    assert [vectors.alignment(each, strict) for each in (0.04, 0.05, 0.1, 0.11)] == [
        Alignment.ALIGNED,
        Alignment.DRIFTED,
        Alignment.DRIFTED,
        Alignment.CRITICAL_MISS,
    ]


def test_no_distance_has_no_meaning() -> None:
    assert vectors.alignment(None) is Alignment.UNKNOWN
    assert vectors.alignment(math.nan) is Alignment.UNKNOWN


def test_a_status_prints_as_a_bare_word() -> None:
    assert f"Status: {Alignment.DRIFTED}" == "Status: DRIFTED"
    assert str(Alignment.CRITICAL_MISS) == "CRITICAL_MISS"
    assert json.dumps(Alignment.ALIGNED) == '"ALIGNED"'


def test_a_vector_of_767_dimensions_is_a_mismatch() -> None:
    right = unit_pair(0.0)[0]

    known = drift(right, right[1:], right, Thresholds(dimensions=768))
    unknown = drift(right, right[1:], right)

    assert (known.status, known.code, known.problem) == (
        Alignment.UNKNOWN,
        "T01-03",
        "generated: 767 dimensions, expected 768",
    )
    assert (unknown.status, unknown.code) == (Alignment.UNKNOWN, "T01-03")
    assert unknown.problem == "prompt has 768 dimensions, generated 767; generated has 767 dimensions, expected 768"


def test_the_status_is_from_what_is_there() -> None:
    a, b = unit_pair(0.3)

    assert drift(None, a, b).status is Alignment.DRIFTED
    assert drift(None, a, b).problem is None
    assert drift(a, b, None) == vectors.Drift(
        status=Alignment.UNKNOWN,
        prompt_to_generated=drift(a, b, None).prompt_to_generated,
        problem="no expected vector",
    )
    assert drift(a, b, None).prompt_to_generated == pytest.approx(0.3)
    assert drift(None, None, None).problem == "no generated vector; no expected vector"


def test_a_bad_prompt_leaves_the_status_and_is_said() -> None:
    a, b = unit_pair(0.5)

    missed = drift([0.0] * 768, a, b)
    fine = drift([math.nan] * 768, a, a)

    assert (missed.status, missed.code, missed.codes) == (Alignment.CRITICAL_MISS, "T01-05", ("T01-05", "E01-03"))
    assert (fine.status, fine.code, fine.problem) == (
        Alignment.ALIGNED,
        "E01-03",
        "prompt: not finite: nan at position 0",
    )


def test_two_vectors_with_one_fault_give_its_code_once() -> None:
    found = drift(None, [0.0, 0.0], [math.inf, 1.0])

    assert found.problem == "generated: zero: norm 0; expected: not finite: inf at position 0"
    assert found.codes == ("E01-03",)


# --- trajectories


def turned(*apart: float) -> list[list[float]]:
    """Vectors in a plane, each this cosine distance from the one before it."""
    angle, found = 0.0, [[1.0, 0.0]]
    for each in apart:
        angle += math.acos(1 - each)
        found.append([math.cos(angle), math.sin(angle)])
    return found


def test_consecutive_points_too_far_apart_diverge() -> None:
    """More than 0.3: medium; more than 0.4: high; more than 0.6: critical. A boundary is not passed (D0.2)."""
    points = list(zip("abcdefgh", turned(0.1, 0.3, 0.31, 0.4, 0.41, 0.6, 0.61), strict=True))

    found = vectors.divergences(points)

    assert [(each.source, each.target, each.severity, each.index) for each in found] == [
        ("c", "d", "medium", 3),
        ("d", "e", "medium", 4),
        ("e", "f", "high", 5),
        ("f", "g", "high", 6),
        ("g", "h", "critical", 7),
    ]
    assert [each.distance for each in found] == pytest.approx([0.31, 0.4, 0.41, 0.6, 0.61])


def test_a_point_that_cannot_be_compared_is_passed_over_and_reported() -> None:
    points = [("intent", [1.0, 0.0]), ("coder", [0.0, 0.0]), ("judge", [1.0]), ("healer", [0.0, 1.0]), ("end", None)]

    found = trajectory(points)

    assert [(each.source, each.target) for each in found.divergences] == [("intent", "healer")]
    assert [(each.component, each.index, each.problem, each.code) for each in found.skipped] == [
        ("coder", 1, "zero: norm 0", "E01-03"),
        ("judge", 2, "1 dimensions where the others have 2", "T01-03"),
        ("end", 4, "missing", ""),
    ]


def test_one_odd_vector_at_the_start_does_not_hide_the_rest() -> None:
    found = trajectory([("odd", [1.0]), ("a", [1.0, 0.0]), ("b", [0.0, 1.0])])

    assert [each.component for each in found.skipped] == ["odd"]
    assert [(each.source, each.target) for each in found.divergences] == [("a", "b")]


def test_no_point_and_one_point_have_nothing_to_say() -> None:
    assert trajectory([]) == trajectory([("a", [1.0])]) == vectors.Trajectory()


def test_a_divergence_is_written_with_the_keys_of_the_report() -> None:
    (found,) = vectors.divergences([("a", [1.0, 0.0]), ("b", [0.0, 1.0])])

    assert msgspec.to_builtins(found) == {
        "from": "a",
        "to": "b",
        "distance": pytest.approx(1.0),
        "severity": "critical",
        "index": 1,
    }


@given(st.lists(st.tuples(st.sampled_from("abc"), st.lists(numbers, max_size=3)), max_size=12))
def test_every_point_is_either_compared_or_reported(points: list[tuple[str, list[float]]]) -> None:
    found = trajectory(points)

    passed_over = {each.index for each in found.skipped}
    assert passed_over.isdisjoint(each.index for each in found.divergences)
    assert len(found.divergences) <= max(0, len(points) - len(passed_over) - 1)
    assert passed_over >= {index for index, (_, vector) in enumerate(points) if as_vector(vector)[0] is None}


# --- as it is stored


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_packed_float32_comes_back_as_it_was(values: list[float]) -> None:
    packed = vectors.pack(values)

    assert len(packed) == 4 * len(values)
    assert list(vectors.unpack(packed)) == values


@given(pairs())
def test_packing_costs_less_than_the_thresholds_see(pair: tuple[list[float], list[float]]) -> None:
    a, b = pair

    stored = cosine_distance(vectors.unpack(vectors.pack(a)), vectors.unpack(vectors.pack(b)))

    assert stored == pytest.approx(distance(a, b), abs=1e-6)


def test_bytes_on_disk_are_little_endian() -> None:
    assert vectors.pack([1.0, -2.0]) == bytes.fromhex("0000803f 000000c0")


def test_everything_that_is_a_vector_can_be_packed() -> None:
    """The greatest norm that is taken is the greatest float32."""
    greatest, problem = as_vector([vectors.LARGEST_NORM])

    assert problem is None
    assert list(vectors.unpack(vectors.pack(greatest or []))) == [vectors.LARGEST_NORM]


def test_equal_vectors_have_one_name() -> None:
    """The name is SHA-256 of the bytes, so other programs can make it too."""
    assert vectors.vector_id(vectors.pack([1.0])) == vectors.vector_id(vectors.pack(array("f", [1.0])))
    assert vectors.vector_id(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_torn_bytes_are_refused() -> None:
    with pytest.raises(BadInput, match="7 bytes of a vector; accepted: little-endian float32"):
        vectors.unpack(b"1234567")


def test_it_loads_no_numpy_and_no_hashes() -> None:
    program = "import sys, whence.measure.vectors; print({'numpy', 'hashlib'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
