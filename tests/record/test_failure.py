"""What is recorded of an exception is the error: what it says itself, its place, what lies behind it. And it never hurts."""

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence
from whence.record.failure import DEEPEST, MESSAGE_CHARS, MOST_ERRORS, MOST_NOTES, MOST_TOLD, describe_error
from whence.runtime.runtime import Runtime

NOTHING: dict[Any, Any] = {}
TOKEN = "ghp_" + "a1B2c3D4e5" * 4


def caught(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except BaseException as exc:
        return exc
    raise AssertionError("nothing was raised")


def told(act: Callable[[], object]) -> dict[str, Any]:
    return describe_error(caught(act))


class Strict(pydantic.BaseModel):
    size: int


class Quota(Exception):
    """As many libraries have them: no arguments, all in `__str__`."""

    def __init__(self, used: int) -> None:
        super().__init__()
        self.used = used

    def __str__(self) -> str:
        return f"{self.used} of 10 used"


# -- the message ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda: b"\xff".decode(),
        lambda: "\xff".encode("ascii"),
        lambda: Path("/nowhere/at/all.txt").read_text(),
        lambda: subprocess.run([sys.executable, "-c", "raise SystemExit(3)"], check=True),
        lambda: Strict(size="many"),  # type: ignore[arg-type]
        lambda: json.loads("{,"),
        lambda: compile("a = 1\nb c\n", "made.py", "exec"),
        lambda: jinja2.Template("one\n{% if %}"),
        lambda: __import__("nowhere_at_all"),
        lambda: NOTHING["missing"],
        lambda: NOTHING[1, "b"],
        lambda: int("x"),
        lambda: (_ for _ in ()).throw(Quota(11)),
        lambda: (_ for _ in ()).throw(ValueError("bad", 7, None, [1.5, b"x"])),
        lambda: (_ for _ in ()).throw(RuntimeError(ValueError("inner"))),
        lambda: (_ for _ in ()).throw(ValueError(True)),
        lambda: (_ for _ in ()).throw(ValueError()),
        lambda: (_ for _ in ()).throw(ExceptionGroup("several", [ValueError("one")])),
    ],
)
def test_the_message_is_what_the_exception_says_itself(act: Callable[[], object]) -> None:
    error = caught(act)

    assert describe_error(error)["message"] == str(error)
    assert describe_error(error)["type"] == type(error).__name__


@given(
    st.lists(st.none() | st.booleans() | st.integers(-(2**64) + 1, 2**64 - 1) | st.floats() | st.text() | st.binary())
)
def test_arguments_of_plain_types_are_shown_as_python_shows_them(arguments: list[Any]) -> None:
    for error in (ValueError(*arguments), KeyError(*arguments)):
        assert describe_error(error)["message"] == str(error)


def test_a_value_that_is_an_argument_is_described_and_not_asked() -> None:
    class Value:
        def __str__(self) -> str:
            raise AssertionError("a value was asked")

        __repr__ = __str__

    name = f"<{Value.__module__}.{Value.__qualname__}>"
    assert describe_error(ValueError(Value()))["message"] == name
    assert describe_error(KeyError("a", Value()))["message"] == f"('a', {name})"
    assert name in describe_error(ValueError([Value()]))["message"]


@pytest.mark.parametrize("raised", [ValueError("again"), RecursionError(), type("Odd", (BaseException,), {})()])
def test_a_message_that_cannot_be_had_is_put_together_from_the_arguments(raised: BaseException) -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise raised

    class NoText(Exception):
        def __str__(self) -> str:
            return 7  # type: ignore[return-value]

    assert describe_error(Broken("what was meant"))["message"] == "what was meant"
    assert describe_error(NoText("what was meant", 1))["message"] == "('what was meant', 1)"


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_the_program_goes_through(end: type[BaseException]) -> None:
    class Interrupted(Exception):
        def __str__(self) -> str:
            raise end

    with pytest.raises(end):
        describe_error(Interrupted())


def test_the_class_of_a_message_does_not_matter() -> None:
    class Text(str):
        def __getitem__(self, key: Any) -> str:
            raise AssertionError("a value was asked")

        __len__ = __str__ = __getitem__  # type: ignore[assignment]

    class Odd(Exception):
        def __str__(self) -> str:
            return Text("said")

    assert describe_error(Odd())["message"] == "said"
    assert describe_error(ValueError(Text("said")))["message"] == "said"


@pytest.mark.parametrize("text", ["x" * 50_000, "word " * 10_000, "\u1234" * 50_000])
def test_a_long_message_is_cut_and_shows_it(text: str) -> None:
    class Long(Exception):
        def __str__(self) -> str:
            return text

    for error in (Long(), ValueError(text), ValueError([text]), KeyError(text), ValueError(text, text)):
        message = describe_error(error)["message"]
        assert 100 < len(message) <= MESSAGE_CHARS + 1
        assert message.endswith("…") or "truncated" in message


@pytest.mark.parametrize("before", range(MESSAGE_CHARS - len(TOKEN) - 2, MESSAGE_CHARS + 2, 7))
def test_no_half_of_a_secret_is_left_where_a_message_is_cut(before: int) -> None:
    text = "." * (before - 1) + " " + TOKEN + " and more" * 10

    assert TOKEN[:8] not in describe_error(ValueError(text))["message"]


# -- its place -------------------------------------------------------------------------------------------------------------


def test_where_a_text_is_wrong_is_told_by_its_line() -> None:
    python = told(lambda: compile("a = 1\nb c\n", "made.py", "exec"))
    template = told(lambda: jinja2.Environment().parse("one\n\n{% if %}", filename="store.j2"))
    document = told(lambda: json.loads('{\n"a": ,}'))

    assert {key: python[key] for key in ("line", "column", "filename", "text")} == {
        "line": 2,
        "column": 3,
        "filename": "made.py",
        "text": "b c",
    }
    assert (template["line"], template["filename"]) == (3, "store.j2")
    assert (document["line"], document["column"]) == (2, 6)


@pytest.mark.parametrize("line", [None, "3", True, -1, 3.0, object()])
def test_a_line_that_is_no_number_is_none(line: Any) -> None:
    error = SyntaxError("wrong")
    error.lineno = line

    assert "line" not in describe_error(error)


def test_an_attribute_that_would_have_to_be_computed_is_not() -> None:
    class Computing(Exception):
        def __getattribute__(self, name: str) -> Any:
            raise AssertionError(f"{name} was asked for")

    assert describe_error(Computing("plain")) == {"type": Computing.__qualname__, "message": "plain", "where": ""}


# -- what lies behind it -----------------------------------------------------------------------------------------------------


def test_the_cause_is_told_whether_it_was_named_or_being_handled() -> None:
    def named() -> None:
        try:
            NOTHING["key"]
        except KeyError as exc:
            raise ValueError("no such order") from exc

    def handled() -> None:
        try:
            NOTHING["key"]
        except KeyError:
            raise ValueError("no such order")  # noqa: B904 - what is tested

    def hidden() -> None:
        try:
            NOTHING["key"]
        except KeyError:
            raise ValueError("no such order") from None

    for act in (named, handled):
        cause = told(act)["cause"]
        assert (cause["type"], cause["message"]) == ("KeyError", "'key'")
        assert cause["where"].endswith(f" in {act.__name__}")
    assert "cause" not in told(hidden)


def test_a_chain_of_causes_ends() -> None:
    links = [ValueError(str(number)) for number in range(100)]
    for each, behind in pairwise(links):
        each.__cause__ = behind
    ring, other = ValueError("a"), KeyError("b")
    ring.__cause__, other.__cause__ = other, ring

    depth, here = 0, describe_error(links[0])
    while "cause" in here:
        depth, here = depth + 1, here["cause"]
    assert depth == DEEPEST
    assert "cause" not in describe_error(ring)["cause"]


def test_the_exceptions_of_a_group_are_told_and_those_of_groups_in_it() -> None:
    group = ExceptionGroup("both", [ValueError("one"), ExceptionGroup("inner", [OSError(2, "gone", "a.txt")])])

    said = describe_error(group)

    assert [each["message"] for each in said["errors"]] == ["one", "inner (1 sub-exception)"]
    assert said["errors"][1]["errors"][0]["message"] == "[Errno 2] gone: 'a.txt'"
    assert "errors_total" not in said


def test_a_large_group_is_told_in_part_and_counted() -> None:
    wide = ExceptionGroup("wide", [ValueError(str(number)) for number in range(1000)])
    tree: Exception = ValueError("leaf")
    for _ in range(20):
        tree = ExceptionGroup("tree", [tree, *(ExceptionGroup("more", [ValueError("x")] * 20) for _ in range(20))])

    said = describe_error(wide)

    assert (len(said["errors"]), said["errors_total"]) == (MOST_ERRORS, 1000)
    assert json.dumps(describe_error(tree)).count('"type"') <= MOST_TOLD


def test_notes_are_told() -> None:
    error = ValueError("bad")
    for number in range(100):
        error.add_note(f"note {number}")

    assert describe_error(error)["notes"] == [f"note {number}" for number in range(MOST_NOTES)]
    error.__notes__ = [7, "kept", object()]  # type: ignore[list-item]
    assert describe_error(error)["notes"] == ["kept"]
    error.__notes__ = "no list"  # type: ignore[assignment]
    assert "notes" not in describe_error(error)


# -- in a record -----------------------------------------------------------------------------------------------------------


def test_secrets_are_masked_wherever_they_are_said(runtime: Runtime) -> None:
    class Told(Exception):
        def __str__(self) -> str:
            return f"refused: {TOKEN}"

    def fail() -> None:
        try:
            raise ExceptionGroup(f"group {TOKEN}", [ValueError(TOKEN), Told()])
        except ExceptionGroup as group:
            error = Told()
            error.add_note(f"with {TOKEN}")
            raise error from group

    with pytest.raises(Told), whence.trace("p") as trace, trace.stage("s"):
        fail()

    view = runtime.view(trace.otel_trace_id)
    error: Any = view.stages["s"].error
    assert error["message"].startswith("refused: ")
    assert [each["type"].rpartition(".")[2] for each in error["cause"]["errors"]] == ["ValueError", "Told"]
    assert len(error["notes"]) == 1
    assert TOKEN not in json.dumps(error)
    assert TOKEN not in json.dumps(view.error)


def test_a_file_that_is_missing_is_named_in_the_record(runtime: Runtime, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), whence.trace("p") as trace, trace.stage("load"):
        (tmp_path / "prices.csv").read_text()

    error: Any = runtime.view(trace.otel_trace_id).stages["load"].error
    assert "prices.csv" in error["message"]
