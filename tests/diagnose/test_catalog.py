"""The catalog: what is in it, what users add to it, and what happens when they make a mistake."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from whence.cli.app import app
from whence.cli.exits import run as command
from whence.diagnose import catalog as catalogs
from whence.diagnose.catalog import catalog, check
from whence.diagnose.catalog.entry import FIELDS, Code
from whence.diagnose.catalog.page import page
from whence.model.severity import Severity
from whence.runtime import runtime as runtime_module

ORIGINAL = {  # D0.1
    "T01-01": ("LLM_INFERENCE_FAILURE", "critical"),
    "T01-02": ("CODE_GENERATION_SYNTAX_ERROR", "high"),
    "T01-03": ("TRANSFORMER_EMBEDDING_MISMATCH", "medium"),
    "I01-01": ("INTENT_PARSING_FAILURE", "high"),
    "I01-02": ("PIPELINE_STATE_CORRUPTION", "critical"),
    "I01-03": ("STRUCTURAL_GAP_DETECTED", "medium"),
    "J01-01": ("JUDGMENT_CRITERIA_WEIGHT_INVALID", "high"),
    "J01-02": ("DECISION_TIMEOUT", "medium"),
    "J01-03": ("CONFLICTING_OBJECTIVES", "low"),
    "E01-01": ("EMBEDDING_GENERATION_FAILED", "high"),
    "E01-02": ("QDRANT_CONNECTION_LOST", "critical"),
    "E01-03": ("VECTOR_NORMALIZATION_DRIFT", "medium"),
    "O01-01": ("ARTIFACT_PERSISTENCE_FAILURE", "high"),
    "O01-02": ("AGENT_DISPATCH_DEADLOCK", "critical"),
    "O01-03": ("HEALING_LOOP_EXHAUSTED", "high"),
    "W01-01": ("WORLD_MODEL_KNOWLEDGE_GRAPH_CORRUPTION", "medium"),
    "W01-02": ("VECTOR_TOKEN_COLLISION", "high"),
    "A01-01": ("AGENT_EXCEPTION_UNHANDLED", "critical"),
    "A01-02": ("RESOURCE_EXHAUSTION", "high"),
}
PROPOSED = {
    "T01-04": ("OUTPUT_DRIFTED", "medium"),
    "T01-05": ("OUTPUT_CRITICAL_MISS", "high"),
    "I01-04": ("INTERFACE_INCOMPATIBLE", "high"),
    "O01-04": ("TELEMETRY_DEGRADED", "low"),
    "A01-03": ("AGENT_TIMEOUT", "medium"),
    "T01-06": ("PROMPT_BUDGET_EXCEEDED", "medium"),
}
ADDED = """
[categories.X]
name = "Export"
description = "Writing results for others."

[codes.X01-01]
name = "EXPORT_REFUSED"
severity = "high"
description = "The receiving side refused the export."
remediation = ["Read its answer."]
raised_by = "whence.event(code=)"
aliases = ["export 7"]

[codes.T01-04]
severity = "critical"
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The path of a catalog file that WHENCE_CODES names, in a data directory that is empty."""
    path = tmp_path / "codes.toml"
    monkeypatch.setenv("WHENCE_CODES", str(path))
    monkeypatch.setenv("WHENCE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(catalogs, "_chosen", {})
    path.write_text("")
    yield path
    monkeypatch.undo()
    catalog()


# -- what is in it ------------------------------------------------------------------------------------------------------


def test_the_codes_of_the_original_have_their_names_and_severities() -> None:
    codes = catalog().codes
    found = {code: (codes[code].name, codes[code].severity.label) for code in ORIGINAL | PROPOSED}
    assert found == ORIGINAL | PROPOSED


@pytest.mark.parametrize("code", catalog().codes.values(), ids=lambda each: each.code)
def test_every_code_says_what_a_person_needs(code: Code) -> None:
    assert code.description.endswith(".")
    assert 2 <= len(code.remediation) <= 5
    assert code.references
    assert bool(code.detector) != bool(code.raised_by)
    assert code.category in catalog().categories


@pytest.mark.parametrize("code", catalog().codes.values(), ids=lambda each: each.code)
def test_every_command_in_a_remediation_is_one(code: Code) -> None:
    for words in re.findall("`whence ([^`]+)`", " ".join(code.remediation)):
        said = [re.sub("^[A-Z][A-Z:]*$", "1", each) for each in words.replace("--below 2", "--below=2").split()]
        app.parse_args(said, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("reference", sorted({each for code in catalog().codes.values() for each in code.references}))
def test_a_reference_is_an_address_a_page_or_a_requirement(reference: str) -> None:
    if reference.startswith("docs/"):
        assert (DOCS.parent / reference).is_file()
    else:
        assert re.fullmatch(r"https://\S+|[A-Z]\d+(\.\d+)?", reference)


def test_trends_and_versions_never_ask_to_stop_anything() -> None:
    late = ("P", "V", "D", "C")
    assert all(each.severity <= Severity.MEDIUM for each in catalog().codes.values() if each.category in late)


def test_a_code_is_found_by_its_alias_and_name_in_any_case() -> None:
    known = catalog()
    assert known.get("cal-01") is known.get("C01-01") is known.get("principle_keeps_failing")
    assert known.get("Z99-99") is None
    assert known.get({"code": "T01-01"}) is None
    assert known.severity("T01-01") is Severity.CRITICAL
    assert known.severity("Z99-99") is Severity.MEDIUM


def test_the_page_of_the_documentation_is_made_from_it() -> None:
    assert (DOCS / "codes.md").read_text() == page(), "run python -m whence.diagnose.catalog.page > docs/codes.md"


def test_every_field_is_explained() -> None:
    assert tuple(FIELDS) == Code.__struct_fields__


# -- what users add -----------------------------------------------------------------------------------------------------


def test_a_file_adds_codes_and_changes_only_the_fields_it_gives(own: Path) -> None:
    own.write_text(ADDED)

    known = catalog()

    assert known.trouble == ()
    added = known.codes["X01-01"]
    assert (added.category, added.insight_type, added.source) == ("X", "error", str(own))
    assert known.get("EXPORT 7") is added
    changed = known.codes["T01-04"]
    assert changed.severity is Severity.CRITICAL
    assert changed.name == "OUTPUT_DRIFTED"
    assert changed.detector == "drift"


def test_a_change_of_the_file_is_noticed(own: Path) -> None:
    before = catalog()
    assert catalog() is before
    own.write_text(ADDED)
    assert "X01-01" in catalog().codes
    own.unlink()
    assert "X01-01" not in catalog().codes


def test_the_last_file_wins_and_the_data_directory_comes_first(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = own.parent / "data"
    data.mkdir()
    (data / "codes.toml").write_text(ADDED)
    own.write_text('[codes.X01-01]\nseverity = "low"\n')
    second = own.with_name("second.toml")
    second.write_text('[codes.X01-01]\nname = "REFUSED"\n')
    monkeypatch.setenv("WHENCE_CODES", os.pathsep.join((str(own), str(second))))

    found = catalog().codes["X01-01"]

    assert (found.name, found.severity) == ("REFUSED", Severity.LOW)


WHOLE = """
name = "A"
severity = "low"
description = "d"
remediation = ["r"]
detector = "raised"
"""
MISTAKES = {
    "[codes.X01-01": "accepted: TOML",
    "[code.X01-01]\nname = 'A'": "accepted: codes, categories",
    "codes = 3": "accepted: tables",
    "[codes]\nT01-01 = 3": "line 2: codes.T01-01: is 3; accepted: a table",
    "[codes.T1-1]" + WHOLE: "accepted: one letter, two digits",
    "[codes.X01-01]" + WHOLE: "category X is not known; accepted: A, C",
    "[codes.T09-01]" + WHOLE.replace("detector", "# "): "has neither detector nor raised_by",
    "[codes.T09-01]" + WHOLE.replace('name = "A"', ""): "line 1: codes.T09-01: has no name",
    "[codes.T09-01]"
    + WHOLE.replace('"low"', '"bad"'): "line 3: codes.T09-01.severity: 'bad' is not accepted; accepted: info",
    "[codes.T09-01]" + WHOLE.replace('"low"', "3"): "severity: is 3; accepted: `info`",
    "[codes.T09-01]" + WHOLE.replace('"A"', '"a b"'): "accepted: capital letters",
    "[codes.T09-01]" + WHOLE.replace('["r"]', "[]"): "remediation: is empty",
    "[codes.T09-01]" + WHOLE.replace('["r"]', "[1]"): "accepted: a list of at least one sentence",
    "[codes.T01-01]\nseverty = 'low'": "did you mean severity?",
    "[codes.T01-01]\ncategory = 'I'": "accepted: 'T'",
    "[codes.T01-01]\ninsight_type = 'x'": "accepted: consistency",
    "[codes.T01-01]\nvector_signature = [nan]\n": "",
    "[codes.T01-01]\nvector_signature = ['a']\n": "accepted: a list of numbers",
    "[codes.T01-01]\naliases = ['T01-02']": "'T01-02' means T01-02 already",
    "[codes.T01-01]\naliases = ['CAL-01']": "means",
    "[codes.T01-01]\nname = 'OUTPUT_DRIFTED'": "is the name of",
    "[categories.XY]\nname = 'n'\ndescription = 'd'": "one capital letter",
    "[categories.X]\nname = 'n'": "has no description",
    "[categories.X]\nname = 3\ndescription = 'd'\ncolour = 'red'": "colour: is not known",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named_and_the_file_left_out(own: Path, text: str) -> None:
    own.write_text(text)

    (problem, *_) = check([own])
    known = catalog()

    assert str(own) in problem
    assert MISTAKES[text] in "\n".join(check([own]))
    assert known.trouble == tuple(check([own]))
    assert known.codes["T01-01"].source == "whence"


def test_every_mistake_of_a_file_is_named_at_once(own: Path) -> None:
    own.write_text("[codes.T01-01]\nseverity = 'bad'\nname = 'lower'\n[codes.T01-02]\nfoo = 1\n")
    lines = [re.search(r"line (\d+)", each) for each in check([own])]
    assert sorted(found[1] for found in lines if found) == ["2", "3", "5"]


@pytest.mark.parametrize("kind", ["missing", "directory", "bytes", "large", "fifo"])
def test_what_is_no_text_file_is_named_and_never_raises(own: Path, kind: str) -> None:
    own.unlink()
    if kind == "directory":
        own.mkdir()
    elif kind == "bytes":
        own.write_bytes(b"\xff\xfe")
    elif kind == "large":
        own.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    elif kind == "fifo":
        os.mkfifo(own)

    known = catalog()

    assert len(known.trouble) == 1
    assert str(own) in known.trouble[0]
    assert len(known.codes) >= 22


# -- the commands -------------------------------------------------------------------------------------------------------


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Run `whence codes …`; returns (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(runtime_module, "_made", {})
        code = command(("codes", *words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_codes_are_listed_by_category_and_severity(ask) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = ask("list", "--category", "transformer", "--severity", "high")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["T01-02", "T01-05"]
    assert ask("list", "--category", "Q")[0] == 2
    assert "accepted: info, low" in ask("list", "--severity", "bad")[2]


def test_a_code_is_explained(ask) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = ask("explain", "T01-01")
    assert code == 0
    assert "A language model gave no answer" in out
    assert "1. Read the call and its error: `whence llm last`." in out


def test_a_code_that_is_not_known_says_what_may_be_meant(ask) -> None:  # type: ignore[no-untyped-def]
    code, _, err = ask("show", "T01-O1")
    assert code == 3
    assert "T01-01" in err


def test_a_code_is_shown_with_where_it_comes_from(ask) -> None:  # type: ignore[no-untyped-def]
    code, out, _ = ask("show", "CAL-01")
    assert code == 0
    assert "the detector `calibration`" in out
    assert "Not seen yet" in out


def test_check_lists_every_mistake_and_says_so_by_its_exit_code(ask, own: Path) -> None:  # type: ignore[no-untyped-def]
    assert ask("check")[0] == 0
    own.write_text("[codes.T01-01]\nseverity = 'bad'\nname = 'lower'\n")
    code, out, _ = ask("check")
    assert code == 1
    assert len(re.findall(r"line\s\d", out)) == 2
    assert ask("check", str(own))[0] == 1
    assert "left out" in ask("list")[2]
