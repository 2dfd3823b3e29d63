"""The documentation leaves nothing out: settings, commands, exit codes, public names, kinds, tables, keys."""

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import apsw
import msgspec
import pytest

import whence
from tests.docs.pages import DOCS, ROOT, blocks, text
from whence import checks, generation, instrument, query, testing, tracing
from whence.collect.drainer import Cursor, Drained, Ledger
from whence.collect.importing import Imported
from whence.diagnose import causes, reporting
from whence.diagnose.cohorts import CohortDiff, Contrast
from whence.diagnose.lifecycle import Step
from whence.diagnose.scoreboard import ComponentScore, VersionScore
from whence.model import payload as shape
from whence.model.filters import TraceFilter
from whence.model.finding import Finding, FindingState, Problem
from whence.model.llm import LlmFields
from whence.model.record import KINDS, Record
from whence.model.severity import Severity
from whence.model.trace import TraceSummary
from whence.query.blame import Blame, LineBlame, Origin
from whence.query.compare import Comparison, Pair
from whence.query.healing import HealAttempt, HealLog
from whence.query.steps import CheckRun, Failure, TimelineStep
from whence.query.story import LineCheck, LlmCall, Reason, Story
from whence.query.where import ROOTS
from whence.query.why import Change, Claim, Why
from whence.record.spool import LiveFile
from whence.redact.capture import CaptureLevel
from whence.redact.value import Flag
from whence.runtime import settings
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Config, Policy
from whence.store.sqlite import SqliteStore
from whence.wire import frames


def _missing(names: Any, page: str) -> list[str]:
    """Return those names that do not stand in `code` on the page."""
    said = set(re.findall(r"`([^`\n]+)`", page))
    return [name for name in names if name not in said]


# -- settings -----------------------------------------------------------------------------------------------------------


class _Asked(dict[str, str]):
    """An environment that remembers what it was asked for."""

    asked: set[str]

    def get(self, key: str, default: Any = None) -> Any:
        self.asked = getattr(self, "asked", set()) | {key}
        return super().get(key, default)


def test_every_variable_is_documented(tmp_path: Any) -> None:
    environment = _Asked(WHENCE_DATA=str(tmp_path))
    settings.load(environment)
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    names = environment.asked | set(re.findall(r"\bWHENCE_[A-Z_]+[A-Z]\b", source)) | {"NO_COLOR"}

    assert "WHENCE_DRAIN" in names
    assert not _missing(sorted(names), text("guide/settings.md"))


def test_every_setting_is_documented_with_its_default() -> None:
    page = text("guide/settings.md")
    defaults = {field.name: field.default for field in msgspec.structs.fields(settings.Settings)}
    for field in Config.__struct_fields__:
        if field == "projects":
            assert "[projects." in page
            continue
        row = next((line for line in page.splitlines() if line.startswith(f"| `{field}` | ")), None)
        assert row is not None, field
        default = defaults[field]
        if default is not msgspec.NODEFAULT and default is not None:
            assert f"| `{msgspec.json.encode(default).decode()}` |" in row, row
    assert not _missing(Policy.__struct_fields__, page)


def test_the_settings_file_of_the_page_is_accepted() -> None:
    (example,) = [block.code for block in blocks(DOCS / "guide" / "settings.md") if block.language == "toml"]
    assert msgspec.convert(tomllib.loads(example), Config, strict=True).projects["chat"].capture == "preview"


def test_every_capture_level_is_documented() -> None:
    assert not _missing([level.value for level in CaptureLevel], text("guide/privacy.md"))


# -- commands -----------------------------------------------------------------------------------------------------------


def _commands(app: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Yield every command, by the words that are typed."""
    names = [name for name in app if not name.startswith("-")]
    for name in names:
        yield from _commands(app[name], *path, name)
    if path and not names:
        yield path


def _all_commands() -> list[str]:
    from whence.cli.app import app

    return sorted({" ".join(["whence", *path]) for path in _commands(app)})


def test_every_command_is_in_the_guide() -> None:
    said = re.findall(r"`(whence[^`\n]*)`", text("guide/ask.md"))
    missing = [each for each in _all_commands() if not any(f"{words} ".startswith(f"{each} ") for words in said)]
    assert "whence why" in _all_commands()
    assert not missing


def test_every_option_is_in_the_guide() -> None:
    from whence.cli.app import app

    guide, missing = text("guide/ask.md", "formats/command-output.md"), []
    for words in _all_commands():
        command = app
        for word in words.split()[1:]:
            command = command[word]
        for argument in command.assemble_argument_collection():
            missing += [f"{words} {name}" for name in argument.names[:1] if name.startswith("--") and name not in guide]
    assert not missing


def test_what_json_prints_is_documented_for_every_command() -> None:
    page = text("formats/command-output.md")
    told = [each for each in _all_commands() if not each.startswith("whence completion")]
    listed = re.findall(r"^\| (.+?) \|", page, re.M)
    cells = (
        " ".join(listed)
        .replace("`disable`", "`whence projects disable`")
        .replace("`capture`", "`whence projects capture`")
    )
    assert not [each for each in told if f"`{each}" not in cells]


def test_every_exit_code_is_documented() -> None:
    from whence.cli import exits

    def tree(kind: type[whence.WhenceError]) -> Iterator[int]:
        yield kind.exit_code
        for each in kind.__subclasses__():
            yield from tree(each)

    codes = {0, 1, exits.BAD_INPUT, exits.INTERNAL, exits.INTERRUPTED, *tree(whence.WhenceError)}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text("formats/command-output.md"), re.M)} == codes


_PRINTED = (
    *(Why, Claim, Change, Comparison, Pair, Drained, Imported),
    *(causes.Why, causes.Cause, Contrast, CohortDiff, ComponentScore, VersionScore, Problem, Step),
    *(reporting.Report, reporting.Day, reporting.Level, reporting.Series),
    *(
        Blame,
        LineBlame,
        Origin,
        Story,
        Reason,
        LlmCall,
        LineCheck,
        HealLog,
        HealAttempt,
        TimelineStep,
        CheckRun,
        Failure,
    ),
)


@pytest.mark.parametrize("kind", _PRINTED, ids=lambda kind: kind.__name__)
def test_every_key_that_json_prints_is_documented(kind: type[msgspec.Struct]) -> None:
    assert not _missing(kind.__struct_fields__, text("formats/command-output.md"))


def test_conditions_may_begin_with_what_the_guide_says() -> None:
    assert not _missing(ROOTS, text("guide/ask.md"))


# -- names --------------------------------------------------------------------------------------------------------------


def test_every_public_name_is_documented() -> None:
    page = text("guide/record.md")
    assert not [name for name in whence.__all__ if not re.search(rf"^\| `whence\.{name}\b", page, re.M)]


def test_every_name_of_the_tracing_door_is_documented() -> None:
    assert not _missing(tracing.__all__, text("guide/retrofit.md"))
    queries = [name for name in vars(tracing.TraceQuery) if not name.startswith("_")]
    assert not _missing(queries, text("guide/retrofit.md"))


def test_every_name_of_the_generation_door_and_of_the_checks_is_documented() -> None:
    page = text("guide/generate.md")
    assert not [name for name in (*generation.__all__, *checks.__all__) if not re.search(rf"\b{name}\b", page)]


def test_every_adapter_has_a_page() -> None:
    assert {path.stem for path in (DOCS / "guide" / "adapters").iterdir()} == set(instrument.names())


def test_every_field_of_an_llm_call_is_documented() -> None:
    assert not _missing(set(LlmFields.__annotations__) - {"duration_s", "error"}, text("formats/spool.md"))


def test_every_name_for_tests_is_documented() -> None:
    page = text("guide/testing.md")
    assert not [name for name in testing.__all__ if not re.search(rf"^\| `{name}\b", page, re.M)]


def test_every_query_is_documented() -> None:
    page = re.sub(r"`(\w+)\([^`]*\)`", r"`\1`", text("guide/ask.md"))
    assert not _missing(query.__all__, page)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    names = {re.match(r"[\w.-]+", each)[0] for group in groups for each in group}  # type: ignore[index]
    page = text("decisions/0005-dependencies.md")
    assert metadata.version("msgspec")
    assert not [name for name in sorted(names) if name not in page]


def test_every_calibration_code_is_documented() -> None:
    source = (ROOT / "src/whence/diagnose/calibration.py").read_text()
    codes = set(re.findall(r"C01-\d\d", source))
    assert codes
    assert not _missing(sorted(codes), text("guide/calibration.md"))


# -- formats ------------------------------------------------------------------------------------------------------------

_PAYLOADS = (
    shape.TraceStart,
    shape.TraceEnd,
    shape.SpanStart,
    shape.SpanEnd,
    shape.Decision,
    shape.Event,
    shape.Data,
    shape.Document,
    shape.TraceFlag,
    shape.Transform,
    shape.Check,
    shape.FileWrite,
    shape.Cost,
    shape.Snapshot,
    shape.Metric,
    shape.Report,
    shape.Case,
    shape.Vector,
    Finding,
    FindingState,
)


def test_every_kind_of_record_is_documented_and_no_other() -> None:
    kinds = re.findall(
        r"^\| `([a-z.]+)` \| ", text("formats/spool.md").partition("## Kinds")[2].partition("## ")[0], re.M
    )
    assert sorted(kinds) == sorted(KINDS)


@pytest.mark.parametrize(
    "kind", [*_PAYLOADS, Record, frames.SegmentHeader, LiveFile, Cursor, Ledger], ids=lambda kind: kind.__name__
)
def test_every_field_on_disk_is_documented(kind: type[msgspec.Struct]) -> None:
    assert not _missing(kind.__struct_fields__, text("formats/spool.md"))


def test_the_fields_of_a_record_are_documented_in_their_order() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", text("formats/spool.md"), re.M)
    assert rows == [(str(number), name) for number, name in enumerate(Record.__struct_fields__, 1)]


def test_flags_and_levels_are_documented_with_their_values() -> None:
    page = text("formats/spool.md")
    assert dict(re.findall(r"^\| `([A-Z]+)` \| (\d+) \|", page, re.M)) == {str(f.name): str(f.value) for f in Flag}
    assert ", ".join(f"{level.value} {level.label}" for level in Severity) in page


def test_the_frame_in_the_page_is_a_frame() -> None:
    (example,) = [block.code for block in blocks(DOCS / "formats" / "spool.md") if block.language == "hex"]
    data = bytes.fromhex(example)

    frame = frames.unpack(data, 0)
    assert frame == frames.Frame(7, b'["hello"]', len(data))
    assert frames.pack(frame.payload, 7) == data
    assert frames.MAX_PAYLOAD == 4_194_304
    assert frames.FORMAT_VERSION == 1


def test_every_table_view_and_column_of_the_store_is_documented(tmp_path: Any) -> None:
    path = tmp_path / "whence.db"
    SqliteStore.open(path).close()
    connection = apsw.Connection(str(path))
    page = text("formats/store.md")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", page, re.M))
    for name, of in re.findall(r"^\| `(\w+)`, `(\w+)` \| [^|]+ \| .+ \|$", page, re.M):
        rows[name] = rows[of] = ""
    inside = re.compile(r"(sqlite_|\w+_fts_)")
    for name, kind in connection.execute("SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view')"):
        parts = (
            "records_fts",
            "contents_fts",
            "records_text",
            "contents_text",
            "records_shown",
            "case_steps",
            "tallies",
        )
        if inside.match(name) or name in parts:
            assert inside.match(name) or f"`{name}`" in page, name
            continue
        columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')]
        if name not in rows:  # a table of its own, its columns one below the other
            sections = [
                each
                for each in page.split("\n## ")
                if each.startswith(f"{name}\n") or re.search(rf"^(`\w+` and )?`{name}`", each, re.M)
            ]
            assert sections, f"{kind} {name}"
            assert not _missing(columns, sections[0]), name
            continue
        assert re.findall(r"`(\w+)`", rows[name]) == columns, name
    connection.close()
    assert not _missing(TraceSummary.__struct_fields__, page)


def _keys(value: Any, data: frozenset[str] = frozenset()) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def test_every_key_of_a_trace_document_is_documented(runtime: Runtime) -> None:
    with whence.trace(project="shop", query="q") as trace:
        with trace.stage("synthesis") as stage:
            stage.decision("model", what="small", confidence=7)
            stage.end({})
        with trace.stage("quality_gate") as gate:
            scores = [{"id": "a", "score": 1, "feedback": "f"}, {"id": "b", "score": 3, "feedback": "f"}]
            gate.end({"passed": False, "overall_score": 1.0, "principle_scores": scores})
        trace.child_trace("trc_x", "image")
        trace.decision("plan", what="x", more="y")

    document = query.trace_document("last", generator="test")
    stages = document.pop("stages")
    own = {"synthesis", "plan", "more", "passed", "confidence"}  # what this test said, and no key of the format
    keys = {*_keys(document), *(key for stage in stages.values() for key in _keys(stage))} - own
    assert query.traces(TraceFilter()).items
    assert not _missing(sorted(keys), text("formats/trace-document.md"))
