"""Is a structure of the expected form? What is missing, what is extra, what has another type, and how bad that is."""

import dataclasses
import datetime
import subprocess
import sys
from typing import Any, Literal, Required, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from whence.errors import BadInput
from whence.measure import shapes
from whence.measure.schemas import Comparison, Shape, compare, contract_of, infer, severity_of, shape_of

CODER_OUTPUT = {"code": "def foo(): pass", "language": "python"}
TESTER_EXPECTS = {"code": "...", "language": "...", "test_plan": "..."}

ORDER = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "total": {"type": "number", "x-critical": True},
        "state": {"enum": ["open", "paid", 3]},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "n": {"type": "integer"}},
                "required": ["sku"],
            },
        },
        "note": {"type": ["string", "null"]},
    },
    "required": ["id", "lines"],
}
WHOLE = {"id": "a1", "total": 9.5, "state": "open", "lines": [{"sku": "x", "n": 1}], "note": None}

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
names = st.text(max_size=6)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)
objects = st.dictionaries(names, json_values, max_size=6)


def changed(without: str = "", **fields: Any) -> dict[str, Any]:
    """The order of the examples with something else in it."""
    return {key: value for key, value in {**WHOLE, **fields}.items() if key != without}


# -- the seed's examples ---------------------------------------------------------------------------------------------


def test_a_field_the_next_component_needs_and_does_not_get_is_a_gap() -> None:
    """Example 2 of the seed, verbatim (E2)."""
    gap = compare(TESTER_EXPECTS, CODER_OUTPUT)

    assert gap.missing == ("test_plan",)
    assert gap.severity == "high"
    assert gap.gap
    assert gap.counts
    assert gap.fields == 3


def test_without_a_difference_the_comparison_is_false() -> None:
    """`if gap:` is how the seed asks (R0.17)."""
    assert not compare(TESTER_EXPECTS, {**CODER_OUTPUT, "test_plan": "none yet"})
    assert bool(compare(TESTER_EXPECTS, CODER_OUTPUT))


def test_extra_fields_alone_are_reported_and_do_not_count() -> None:
    """C0.6."""
    gap = compare(TESTER_EXPECTS, {**TESTER_EXPECTS, "z": 1, "a": 2})

    assert gap.extra == ("a", "z")
    assert gap.severity == "low"
    assert gap.gap
    assert not gap.counts


# -- an example as the expectation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("placeholder", [None, ..., "..."])
@pytest.mark.parametrize("value", ["text", 1, None, {"author": "x"}, [1]])
def test_a_placeholder_fits_any_type(placeholder: Any, value: Any) -> None:
    """The seed writes "..." where the value does not matter; any other text stands for the type string."""
    assert not compare({"metadata": placeholder}, {"metadata": value})


@pytest.mark.parametrize(
    ("example", "value", "fits"),
    [
        ("python", "rust", True),
        ("python", 3, False),
        (1, 2, True),
        (1, 2.0, True),
        (1, 2.5, False),
        (1, True, False),
        (1.5, 2, True),
        (1.5, float("nan"), True),
        (1.5, "2", False),
        (True, False, True),
        (True, 1, False),
        ("x", None, False),
        ([], [1, "a"], True),
        ([1], ["a"], False),
        ([1, "a"], ["b", 2], True),
        ({}, {"anything": 1}, True),
        ({}, [], False),
        ("2026-01-01", datetime.date(2026, 1, 2), True),
    ],
)
def test_an_example_value_stands_for_its_type(example: Any, value: Any, fits: bool) -> None:
    """True is no number, an integer is one, 2.0 is an integer, None fits nothing but a placeholder."""
    assert bool(compare({"field": example}, {"field": value})) is not fits


def test_nested_fields_have_dotted_paths() -> None:
    expected = {"metadata": {"author": "x", "a.b": 1}, "steps": [{"name": "x", "args": {"n": 1}}]}

    gap = compare(
        expected, {"metadata": {}, "steps": [{"name": "a", "args": {"n": 1}}, {"args": {"n": "1"}}, {"args": {}}]}
    )

    assert gap.missing == ("metadata.author", 'metadata["a.b"]', "steps[].name", "steps[].args.n")
    assert gap.mistyped == (("steps[].args.n", "integer", "string"),)


def test_a_field_that_only_some_items_of_the_example_have_is_optional() -> None:
    """That it is not on every item is how the example has it, so its absence is no gap; another type is."""
    expected = contract_of({"steps": [{"a": 1, "b": 1}, {"a": 1}]})

    assert not compare(expected, {"steps": [{"a": 1}]})
    assert compare(expected, {"steps": [{}]}).missing == ("steps[].a",)
    assert compare(expected, {"steps": [{"a": 1, "b": "x"}]}).mistyped == (("steps[].b", "integer", "string"),)


# -- JSON Schema ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actual", "kind", "said", "severity"),
    [
        (changed(without="id"), "missing", ("id",), "high"),
        (changed(without="total"), "missing_critical", ("total",), "high"),
        (changed(without="note"), "missing_optional", ("note",), "medium"),
        (changed(id=7), "mistyped", (("id", "string", "integer"),), "high"),
        (changed(total=False), "mistyped", (("total", "number", "boolean"),), "high"),
        (changed(note=7), "mistyped", (("note", "string|null", "integer"),), "medium"),
        (changed(state="lost"), "invalid", (("state", '"open" or "paid" or 3', "string"),), "medium"),
        (changed(lines=[{"sku": "x", "n": 1}, {"n": 2}]), "missing", ("lines[].sku",), "high"),
        (changed(lines={}), "mistyped", (("lines", "array", "object"),), "high"),
        (changed(more=1), "extra", ("more",), "low"),
        ("order 7", "mistyped", (("$", "object", "string"),), "high"),
    ],
)
def test_each_kind_of_gap_and_how_bad_it_is(actual: Any, kind: str, said: tuple[Any, ...], severity: str) -> None:
    """High: required or critical and missing, or of another form. Medium: optional. Low: extra alone."""
    gap = compare(ORDER, actual)

    assert getattr(gap, kind) == said
    assert gap.severity == severity
    assert gap.totals[kind] == 1
    assert not compare(ORDER, WHOLE)


def test_critical_fields_may_be_listed_on_the_object() -> None:
    gap = compare({"type": "object", "properties": {"a": {}, "b": {}}, "x-critical": ["b"]}, {})

    assert (gap.missing, gap.missing_critical, gap.missing_optional) == (("b",), ("b",), ("a",))


def test_a_value_fits_a_choice_if_it_fits_one_of_it() -> None:
    """Of choices that none fits, the nearest says what is wrong."""
    cat = {
        "type": "object",
        "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}},
        "required": ["kind", "lives"],
    }
    dog = {
        "type": "object",
        "properties": {"kind": {"const": "dog"}, "owner": {"type": "string"}},
        "required": ["kind", "owner"],
    }
    pets = contract_of({"oneOf": [cat, dog, {"type": "null"}]})

    assert not compare(pets, {"kind": "dog", "owner": "Ann"})
    assert not compare(pets, None)
    assert compare(pets, {"kind": "dog"}).missing == ("owner",)
    assert compare(pets, 7).mistyped == (("$", "object|null", "integer"),)


def test_keys_of_a_map_are_data_and_not_fields() -> None:
    scores = {
        "type": "object",
        "properties": {"by_name": {"type": "object", "additionalProperties": {"type": "number"}}},
    }

    assert not compare(scores, {"by_name": {"ann": 1, "bob": 2.5}})
    assert compare(scores, {"by_name": {"ann": "1", "bob": "2"}}).mistyped == (("by_name.*", "number", "string"),)
    assert not compare({**scores, "additionalProperties": True}, {"by_name": {}, "other": 1})


def test_references_are_followed_and_may_be_recursive() -> None:
    tree = {
        "$ref": "#/$defs/Tree",
        "$defs": {
            "Tree": {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
                "required": ["kids"],
            }
        },
    }

    assert not compare(tree, {"kids": [{"kids": []}, {"kids": [{"kids": []}]}]})
    assert compare(tree, {"kids": [{"kids": [{}]}]}).missing == ("kids[].kids[].kids",)
    assert not compare(tree, tree, actual_is_schema=True)


def test_all_of_is_what_its_parts_ask_together() -> None:
    base = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    both = {
        "$schema": "s",
        "allOf": [{"$ref": "#/$defs/Base"}, {"properties": {"n": {"type": "integer"}}, "required": ["n"]}],
        "$defs": {"Base": base},
    }

    assert not compare(both, {"id": "a", "n": 1})
    assert compare(both, {"n": "1"}).missing == ("id",)


def test_a_tuple_is_compared_place_by_place() -> None:
    point = {
        "type": "object",
        "properties": {
            "at": {"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}], "items": False}
        },
    }

    assert not compare(point, {"at": [1, "m"]})
    assert compare(point, {"at": (1, 2)}).mistyped == (("at[1]", "string", "integer"),)


# -- classes -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class AsDataclass:
    code: str
    tries: int = 1


class AsTypedDict(TypedDict, total=False):
    code: Required[str]
    tries: int


class AsStruct(msgspec.Struct):
    code: str
    tries: int = 1


def as_pydantic() -> Any:
    from pydantic import BaseModel

    class AsModel(BaseModel):
        code: str
        tries: int = 1

    return AsModel


@pytest.fixture(params=[AsDataclass, AsTypedDict, AsStruct, as_pydantic])
def declaration(request: pytest.FixtureRequest) -> Any:
    """The same structure, declared in four ways: code is required, tries is not."""
    return as_pydantic() if request.param is as_pydantic else request.param


def test_a_class_declares_what_is_expected(declaration: Any) -> None:
    contract = contract_of(declaration)

    assert not compare(contract, {"code": "x", "tries": 2})
    assert compare(contract, {}).missing == ("code",)
    assert compare(contract, {}).missing_optional == ("tries",)
    assert compare(contract, {"code": 1, "tries": 2}).mistyped == (("code", "string", "integer"),)
    assert contract.source.endswith(declaration.__name__)


def test_an_instance_is_the_artifact_and_its_class_is_a_declaration(declaration: Any) -> None:
    expected = {"code": "x", "plan": "y"}

    assert compare(expected, declaration(code="x", tries=1)).missing == ("plan",)
    assert compare(expected, declaration).missing == ("plan",)
    assert compare(expected, declaration).extra == ("tries",)


def test_a_recursive_model_is_compared_with_itself() -> None:
    from pydantic import BaseModel

    class Step(BaseModel):
        name: str
        kind: Literal["ask", "act"] = "ask"
        then: "list[Step]" = []
        why: str | None = None

    assert compare(Step, Step) == Comparison(fields=4, totals=compare(Step, Step).totals)
    assert not compare(Step, Step(name="a", then=[Step(name="b")]))
    assert compare(Step, {"name": "a", "kind": "sing", "then": [], "why": None}).invalid == (
        ("kind", '"ask" or "act"', "string"),
    )


# -- a declaration as what came ------------------------------------------------------------------------------------------


def test_a_dict_that_says_it_is_a_schema_declares_the_artifact() -> None:
    produced = {
        "type": "object",
        "properties": {"code": {"type": "string"}, "language": {"type": "integer"}},
        "required": ["code"],
    }

    gap = compare({"code": "x", "language": "x", "plan": "x"}, produced)

    assert gap.missing == ("language", "plan")  # nobody promised a language
    assert gap.mistyped == (("language", "string", "integer"),)


def test_an_artifact_may_itself_be_a_schema() -> None:
    """Whoever expects the field `properties` gets an artifact; otherwise `actual_is_schema` says which it is."""
    artifact = {"type": "object", "properties": {}}

    assert not compare({"type": "...", "properties": {}}, artifact)
    assert compare({"code": "x"}, artifact, actual_is_schema=False).extra == ("properties", "type")
    assert compare({"code": "x"}, artifact).extra == ()


def test_what_a_declaration_leaves_open_is_not_held_against_it() -> None:
    assert not compare({"code": "x", "deep": {"a": 1}}, {"$schema": "s", "type": "object"})
    assert not compare(
        {"deep": {"a": 1}}, {"type": "object", "properties": {"deep": {"type": "object"}}, "required": ["deep"]}
    )


# -- shapes and inference ------------------------------------------------------------------------------------------------


def test_a_shape_has_the_structure_and_not_the_content() -> None:
    shape = shape_of({"who": "Ann Example", "steps": [{"n": 1, "t": "x"}, {"n": 2.5}], "none": None})

    assert shape == {
        "type": "object",
        "properties": {
            "who": {"type": "string"},
            "steps": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"n": {"type": "number"}, "t": {"type": "string"}},
                    "required": ["n"],
                    "x-occasional": ["t"],
                },
            },
            "none": {"type": "null"},
        },
        "required": ["who", "steps", "none"],
    }


def test_a_shape_is_bounded_and_says_so() -> None:
    """What is not listed is unknown, not missing."""
    wide = shape_of({f"k{i}": i for i in range(1000)})
    inside: dict[str, Any] = {}
    inside["self"] = inside

    assert len(wide["properties"]) == shapes.KEYS
    assert wide[shapes.TRUNCATED] is True
    assert not compare({"k999": 1}, Shape(wide)).missing
    assert len(str(shape_of(inside))) < 1000


def test_a_contract_is_inferred_from_what_a_component_handed_over() -> None:
    """Required is what every example has; artifacts and shapes of artifacts may be mixed."""
    history = [
        {"code": "x", "tries": 1},
        Shape(shape_of({"code": "y", "tries": 2.5, "plan": ["a"]})),
        {"code": None, "tries": 3},
    ]

    schema = infer(history)

    assert schema["required"] == ["code", "tries"]
    assert schema["properties"]["code"] == {"type": ["null", "string"]}
    assert compare(schema, {"code": "z", "plan": ["b"]}).missing == ("tries",)
    assert compare(schema, {"code": "z", "tries": 1, "plan": "b"}).mistyped == (("plan", "array", "string"),)
    assert not any(compare(schema, past) for past in history)


def test_inference_needs_an_example_and_genson(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="no example"):
        infer([])
    with pytest.raises(BadInput, match="example 2 is a Shape"):
        infer([{"a": 1}, Shape({"type": "no-such"})])

    monkeypatch.setitem(sys.modules, "genson", None)
    with pytest.raises(BadInput, match="pip install genson"):
        infer([{"a": 1}])


# -- the semantic distance ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("distance", "severity"),
    [
        (None, ""),
        (0.0, ""),
        (0.19, ""),
        (0.19999999999999996, "medium"),
        (0.4, "medium"),
        (0.41, "high"),
        (2.0, "high"),
    ],
)
def test_a_semantic_gap_begins_at_a_distance_of_a_fifth(distance: float | None, severity: str) -> None:
    """C0.7; the distance of a pair at exactly 0.2 is computed a little below (C0.1)."""
    assert severity_of(compare({"a": 1}, {"a": 1}), distance) == severity


def test_the_worse_of_structure_and_meaning_counts() -> None:
    extra, missing = compare({"a": 1}, {"a": 1, "b": 2}), compare({"a": 1}, {})

    assert severity_of(extra, 0.3) == "medium"
    assert severity_of(extra, 0.1) == "low"
    assert severity_of(missing, 0.3) == "high"
    assert severity_of(extra, 0.3, drifted=0.35) == "low"


@pytest.mark.parametrize("distance", [float("nan"), float("inf"), -0.5, 2.5, True, "0.3"])
def test_a_distance_that_is_none_is_refused(distance: Any) -> None:
    with pytest.raises(BadInput, match="cosine distance from 0 to 2"):
        severity_of(Comparison(), distance)


# -- what is no schema -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (5, "expected=5 is no structure; accepted: an example dict"),
        ([1], "is no structure"),
        (int, "int is a class without declared fields"),
        ({"type": "no-such"}, 'type="no-such"; accepted: array, boolean'),
        ({"$schema": "s", "type": 5}, "type=5; accepted"),
        ({"type": "object", "properties": 5}, "properties=5; accepted"),
        (
            {"type": "object", "properties": {"a": {"properties": {"b": 7}}}},
            "#/properties/a/properties/b: 7 is no schema",
        ),
        ({"type": "object", "properties": {}, "required": "a"}, 'required="a"'),
        ({"type": "object", "properties": {}, "x-critical": "a"}, 'x-critical="a"'),
        ({"$schema": "s", "enum": 3}, "enum=3"),
        ({"$schema": "s", "anyOf": []}, "anyOf=array of 0 items"),
        ({"$schema": "s", "prefixItems": 1}, "prefixItems=1"),
        ({"$schema": "s", "allOf": [7]}, "allOf holds 7"),
        ({"$schema": "s", "$ref": "https://example.org/x"}, "a place in the same schema"),
        ({"$schema": "s", "$ref": "#/$defs/None"}, "names nothing here"),
        ({"$schema": "s", "$ref": "#"}, "leads back to itself"),
        ({"$schema": "s", "anyOf": [{"$ref": "#"}]}, "leads back to itself"),
        ({"$schema": "s", "allOf": [{"$ref": "#"}]}, "leads back to itself"),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
            "leads back to itself",
        ),
        ({"type": "object", "properties": {f"f{i}": {} for i in range(10_001)}}, "more than 10000 fields"),
    ],
)
def test_a_schema_that_is_no_schema_is_refused_with_the_place_in_it(given: Any, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        contract_of(given)

    assert says in str(refused.value)


def test_an_expectation_without_end_is_refused() -> None:
    example: dict[str, Any] = {}
    example["self"] = example
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"n": schema}}

    with pytest.raises(BadInput, match="contain itself"):
        contract_of(example)
    with pytest.raises(BadInput, match="deeper than 64 levels"):
        contract_of(schema)


def test_a_field_called_type_is_told_apart_from_a_type() -> None:
    assert compare({"type": "report", "text": "x"}, {"type": "mail"}).missing == ("text",)
    assert compare(contract_of({"type": "string"}, is_schema=False), {"type": 3}).mistyped == (
        ("type", "string", "integer"),
    )
    assert compare({"type": "string"}, 3).mistyped == (("$", "string", "integer"),)


# -- hostile artifacts -----------------------------------------------------------------------------------------------------


def test_a_comparison_is_bounded() -> None:
    """200 of each kind are listed, the totals say how many there were."""
    wide = compare({"a": 1}, {f"k{i:06}": i for i in range(5_000)})
    absent = compare({f"k{i}": i for i in range(300)}, {})
    long = compare({"items": [1]}, {"items": [1] * 51 + ["x"]})

    assert (len(wide.extra), wide.totals["extra"], wide.extra[0]) == (200, 5_000, "k000000")
    assert (len(absent.missing), absent.totals["missing"]) == (200, 300)
    assert long.partial
    assert not long.gap


def test_an_artifact_that_contains_itself_comes_to_an_end() -> None:
    """Two choices at each level would be 2^64 roads without a limit."""
    node = {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}}
    choices = {
        "$schema": "s",
        "$ref": "#/$defs/N",
        "$defs": {"N": {"anyOf": [{**node, "required": ["a"]}, {**node, "required": ["b"]}]}},
    }
    artifact: dict[str, Any] = {}
    artifact["n"] = artifact

    assert compare(choices, artifact).partial


def test_keys_that_are_no_text_are_what_json_makes_of_them() -> None:
    assert not compare({"1": "x", "null": "y"}, {1: "a", None: "b"})


def test_the_room_is_light() -> None:
    """It runs in the host's process: what only some callers need is loaded when they call."""
    heavy = "genson,jsonschema,pydantic,numpy,apsw,rich"
    loaded = f"[m for m in '{heavy}'.split(',') if m in sys.modules]"
    code = f"import sys, whence.measure.schemas, whence.measure.states; print({loaded})"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


# -- laws ------------------------------------------------------------------------------------------------------------------


@given(objects)
def test_a_value_fits_itself_as_an_example(value: dict[str, Any]) -> None:
    contract = contract_of(value, is_schema=False)

    assert not compare(contract, value, actual_is_schema=False)
    assert not compare(contract, Shape(shape_of(value)))


@given(st.dictionaries(names, json_values, min_size=1, max_size=6), st.data())
def test_taking_a_required_field_away_is_exactly_one_missing(value: dict[str, Any], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(value)))
    contract = contract_of(value, is_schema=False)

    gap = compare(contract, {key: inner for key, inner in value.items() if key != gone}, actual_is_schema=False)

    assert len(gap.missing) == 1
    assert gap.severity == "high"
    assert (gap.extra, gap.mistyped, gap.invalid, gap.missing_optional) == ((), (), (), ())


@given(st.dictionaries(names, st.just(1)), st.dictionaries(names, st.just(1)))
def test_what_is_missing_one_way_is_extra_the_other_way(a: dict[str, Any], b: dict[str, Any]) -> None:
    a, b = {**a, "both": 1}, {**b, "both": 1}

    there, back = compare(contract_of(a), b), compare(contract_of(b), a)

    assert set(there.missing) == set(back.extra)
    assert set(there.extra) == set(back.missing)
    assert there.totals["missing"] == len(a.keys() - b.keys())


@given(json_values, json_values)
def test_any_value_may_come(expected: Any, actual: Any) -> None:
    """Whatever comes is compared and never refused, and severity says exactly whether anything was found."""
    gap = compare(contract_of({"field": expected}), {"field": actual}, actual_is_schema=False)

    assert gap.gap is any(gap.totals.values())
    assert gap.counts is bool(sum(gap.totals.values()) - gap.totals["extra"])


@given(st.lists(objects, min_size=1, max_size=5))
def test_every_example_fits_the_contract_inferred_from_it(history: list[dict[str, Any]]) -> None:
    contract = contract_of(infer(history), is_schema=True)

    for past in history:
        assert not compare(contract, past, actual_is_schema=False)
