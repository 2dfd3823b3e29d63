"""E8: the failure table (R1.61-R1.66). In each case the host's program gives what it gives without whence, nothing is
lost in silence, and `whence doctor` names the problem.

The program is run twice in processes of its own, with and without whence; compared are its output, its exit code, and
what it wrote to stderr, but for the one line that whence may log.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import whence
from whence import query
from whence.model.record import Record
from whence.redact.value import Flag
from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime
from whence.runtime.settings import ProjectConfig, write_project
from whence.tracing import TraceContext, TraceQuery

PROGRAM = """
import asyncio, contextlib, json, os, signal, sys

how, traced, side = sys.argv[1], sys.argv[2] == "with", sys.argv[3]
if traced:
    import whence
    from whence.tracing import TraceContext


async def score(passage: str) -> int:
    trace = TraceContext.current() if traced else None
    await asyncio.sleep(0)
    value = sum(passage.encode()) % 7
    if trace:
        trace.record("collection", "scored", {"what": value, "why": "its bytes say so", "confidence": 0.8})
    return value


async def work(trace) -> list[int]:
    if trace:
        trace.start_stage("collection")
    values = await asyncio.gather(*(score(text) for text in ("one", "two", "three")))
    print("values", values)
    if how == "exception":
        raise ValueError("no passage is good enough")
    if how == "cancel":
        await asyncio.sleep(30)
    if how == "kill":
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    if trace:
        trace.end_stage("collection", {"evidence_collected": len(values)})
        trace.mark_complete()
    return values


async def main() -> int:
    options = {"enabled": how != "disabled-call"}
    if how == "finish":
        trace = TraceContext.start(project_name="cobot", query="which?") if traced else None
        values = await work(trace)
        if traced:
            with open(side, "w") as file:
                json.dump(await TraceContext.finish(trace), file)
    else:
        block = TraceContext.start(project_name="cobot", query="which?", **options) if traced else contextlib.nullcontext()
        async with block as trace:
            if how == "cancel":
                asyncio.get_running_loop().call_later(0.2, asyncio.current_task().cancel)
            values = await work(trace)
    print("best", max(values))
    return max(values)


try:
    code = asyncio.run(main())
except asyncio.CancelledError:
    print("cancelled")
    code = 75
if traced and how not in ("finish", "kill"):
    with open(side, "w") as file:
        json.dump(whence.stats(), file)
sys.exit(code)
"""


class Host:
    """The program, as it runs without whence and with it."""

    def __init__(self, side: Path) -> None:
        self.side = side

    def _run(self, how: str, traced: str) -> tuple[int, str, list[str]]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, how, traced, str(self.side)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if not line.startswith("whence ")]
        assert len(said) >= len(done.stderr.splitlines()) - 1, done.stderr
        return done.returncode, done.stdout, said

    def __call__(self, how: str = "plain") -> Any:
        """Run it both ways, assert that nobody can tell the difference, and return what it wrote aside."""
        self.side.unlink(missing_ok=True)
        without = self._run(how, "without")
        with_ = self._run(how, "with")
        assert with_ == without
        return json.loads(self.side.read_text()) if self.side.exists() else None


@pytest.fixture
def host(tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """The host's program; questions are asked by this process, of the same data directory, as the environment says."""
    monkeypatch.setattr(runtime_module, "_made", {})
    yield Host(tmp_path / "side.json")
    whence.shutdown()


def doctor() -> tuple[int, str]:
    """Return the exit code and the words of `whence doctor`."""
    done = subprocess.run(
        [sys.executable, "-m", "whence", "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A documents directory that nobody can write to, not even root."""
    kind = getattr(request, "param", "file")
    if kind == "file":
        (tmp_path / "documents").write_text("a file in the place of the directory")
        place = tmp_path / "documents"
    elif kind == "in-a-file":
        place = tmp_path / "documents"
        (place / "projects").mkdir(parents=True)
        (place / "projects" / "cobot").write_text("a file in the place of the project's directory")
    else:
        place = Path("/proc/whence-documents")  # a file system that takes no files
    monkeypatch.setenv("WHENCE_DOCUMENTS", str(place))
    return place


def no_database(data: Path) -> Path:
    """Put something in the place of the store that no store can be made of; returns it."""
    (data / "whence.db").mkdir(parents=True)
    return data / "whence.db"


# -- R1.61 to R1.63 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("documents", ["file", "in-a-file", "proc"], indirect=True)
def test_r1_61_the_trace_file_cannot_be_written(host: Host, documents: Path) -> None:
    """The run continues; the row has no path, and says why."""
    result = host("finish")

    assert result["supabase"] == "saved"
    assert "file_path" not in result
    assert str(documents) in result["file_error"]
    row = query.find("last")
    assert (row.status, row.trace_file_path, row.decisions) == ("complete", None, 3)
    assert row.document_error is not None
    assert str(documents) in row.document_error
    assert query.full_trace("last") is None
    code, words = doctor()
    assert code == 1
    assert str(documents) in words


def test_r1_62_the_store_cannot_be_reached(host: Host, data: Path) -> None:
    """The run continues, the file is still saved, the spool keeps the records; a later drain stores them."""
    database = no_database(data)

    result = host("finish")

    assert str(database) in result["supabase_error"]
    assert "supabase" not in result
    document = json.loads(Path(result["file_path"]).read_bytes())
    assert document["trace_id"] == result["trace_id"]
    assert len(document["stages"]["collection"]["decisions"]) == 3
    code, words = doctor()
    assert code == 1
    assert str(database) in words
    with pytest.raises(whence.StoreUnreachable):
        query.find("last")

    database.rmdir()
    drained = subprocess.run([sys.executable, "-m", "whence", "drain"], capture_output=True, check=False)

    assert drained.returncode == 0, drained.stderr
    row = query.find(result["trace_id"])
    assert (row.status, row.decisions, row.trace_file_path) == ("complete", 3, result["file_path"])
    assert query.full_trace("last") is not None


def test_r1_63_neither_can(host: Host, data: Path, documents: Path) -> None:
    """The run continues and both are said; the records wait in the spool."""
    database = no_database(data)

    result = host("finish")

    assert str(database) in result["supabase_error"]
    assert str(documents) in result["file_error"]
    assert "file_path" not in result
    code, words = doctor()
    assert code == 1
    assert str(database) in words
    database.rmdir()
    assert query.find(result["trace_id"]).decisions == 3


def test_nothing_at_all_can_be_written(host: Host, data: Path) -> None:
    """The data directory is a file: every record is counted as dropped, and the host does not notice."""
    data.write_text("a file")

    result = host("finish")
    stats = host("plain")

    assert result["supabase_error"]
    assert result["file_error"]
    assert (stats["written"], stats["emitted"]) == (0, 7)
    assert sum(stats["dropped"]["io_error"].values()) == 7
    assert data.read_text() == "a file"
    code, words = doctor()
    assert code == 1
    assert str(data) in words


@pytest.mark.parametrize(
    "setting",
    [
        {"WHENCE_DATA": "~nobody-of-this-name/data"},
        {"WHENCE_DOCUMENTS": "~nobody-of-this-name/documents"},
        {"WHENCE_DATA": "/proc/1/whence"},
        {"WHENCE_DATA": "/dev/null"},
        {"WHENCE_CAPTURE": "nonsense"},
        {"WHENCE_ENABLED": "perhaps"},
    ],
    ids=lambda setting: "=".join(*setting.items()),
)
def test_settings_that_make_no_sense(host: Host, monkeypatch: pytest.MonkeyPatch, setting: dict[str, str]) -> None:
    """A mistake in the environment is told to whoever asks the doctor; the program runs as ever."""
    for name, value in setting.items():
        monkeypatch.setenv(name, value)

    host("finish")
    host("exception")

    code, words = doctor()
    assert code != 0
    assert "Traceback" not in words


# -- R1.64: the run ends in the middle ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "status", "reason", "decisions"),
    [
        ("exception", "failed", None, 3),
        ("cancel", "incomplete", "cancelled", 3),
        ("kill", "incomplete", "process_lost", 3),
    ],
)
def test_r1_64_a_run_that_ends_in_the_middle(
    host: Host, how: str, status: str, reason: str | None, decisions: int
) -> None:
    """Everything before the end is there, and the document too; a killed run is found by the next question."""
    host(how)

    row = query.find("last")
    assert (row.status, row.reason, row.decisions) == (status, reason, decisions)
    document = query.full_trace("last")
    assert document is not None
    assert len(document["stages"]["collection"]["decisions"]) == decisions
    if how == "exception":
        assert "no passage is good enough" in json.dumps(document)
    if how == "kill":
        *_, last, end = [
            each
            for each in query.records(whence_records(row.id)).items
            if each.kind not in ("trace.document", "finding")  # what follows from its end
        ]
        assert json.loads(bytes(end.payload))["last_record"] == last.record_id


def whence_records(trace: str) -> Any:
    from whence.model.filters import RecordFilter

    return RecordFilter(trace=trace)


# -- R1.65 and R1.66 ----------------------------------------------------------------------------------------------------


async def test_r1_65_a_truncated_document(host: Host) -> None:
    """The row can be queried as ever, the document is None, and the doctor names it."""
    host()
    row = query.find("last")
    path = Path(str(row.trace_file_path))
    path.write_bytes(path.read_bytes()[:-200])

    assert await TraceQuery.full_trace(row.trace_id) is None
    assert [each.trace_id for each in await TraceQuery.by_project("cobot")] == [row.trace_id]
    assert query.view("last").stages["collection"].decisions  # the records are where they were
    code, words = doctor()
    assert code == 1
    assert row.trace_id in words
    assert "corrupt" in words


@pytest.mark.parametrize("how", ["disabled-project", "disabled-call", "disabled-everything"])
def test_r1_66_a_disabled_project(host: Host, data: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Nothing is stored, and the run is what it is."""
    if how == "disabled-project":
        write_project(data, "cobot", ProjectConfig(enabled=False))
    elif how == "disabled-everything":
        monkeypatch.setenv("WHENCE_ENABLED", "0")

    stats = host(how)

    assert stats["emitted"] == 0
    assert query.traces().items == ()
    assert not list(data.rglob("_traces"))
    if how == "disabled-project":
        result = host("finish")
        assert result == {"saved": False, "reason": "tracing_disabled"}


# -- what callers pass --------------------------------------------------------------------------------------------------


def tree(place: Path) -> list[str]:
    """Return every file and folder below, by its relative path."""
    return sorted(str(path.relative_to(place)) for path in place.rglob("*"))


def decision_records(trace: str) -> list[Record]:
    return [each for each in query.records(whence_records(trace), limit=1000).items if each.kind == "decision"]


@pytest.mark.parametrize(
    "name",
    [
        "../../evil",
        "/etc/evil",
        "..",
        ".",
        "",
        "a\0b",
        "x" * 300,
        "\u202egnp.exe\u202d",
        "a/b\\c:d",
        "CON",
        "\ud800",
        "emoji 🦊 and ümlaut",
        "-rf",
        "~root",
        "a\nb",
        "%2e%2e%2fevil",
    ],
    ids=repr,
)
def test_no_project_name_leads_out_of_the_data_directory(runtime: Runtime, tmp_path: Path, name: str) -> None:
    """It becomes one harmless path segment; the name itself is kept inside, made fit to be shown (C1.23)."""
    with TraceContext.start(project_name=name) as trace:
        trace.record("s", "d", {"what": 1})
        trace.mark_complete()

    row = query.find("last")
    assert row.status == "complete"
    path = Path(str(row.trace_file_path))
    assert path.is_file()
    root = runtime.settings.documents.resolve() / "projects"
    assert path.resolve().parents[2] == root
    assert path.parent.parent.name not in (".", "..", "")
    assert len(path.parent.parent.name) <= 80
    assert path.parent.parent.name.isascii()
    assert path.parent.parent.name.isprintable()
    assert tree(tmp_path) == [each for each in tree(tmp_path) if each == "data" or each.startswith("data/")]
    shown = row.project_name or ""
    assert shown.isprintable()
    assert len(shown) <= 200
    if name.isprintable() and 0 < len(name) <= 200:
        assert shown == name


def test_two_names_that_look_alike_have_two_folders(runtime: Runtime) -> None:
    """Making a name harmless must not put two projects into one folder."""
    names = ["a/b", "a\\b", "a-b", "../a-b", "a b"]
    for name in names:
        with whence.trace(name):
            pass

    folders = {Path(str(row.trace_file_path)).parent for row in query.traces().items}
    assert len(folders) == len(names)


def cyclic() -> dict[str, Any]:
    found: dict[str, Any] = {"list": []}
    found["self"] = found
    found["list"].append(found["list"])
    return found


class Hostile:
    """An object whose every protocol fails."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError("repr")


class StuckProperty(dict):  # type: ignore[type-arg]
    """A dict with a mind of its own."""

    def __iter__(self) -> Any:
        raise RuntimeError("iter")

    def items(self) -> Any:
        raise RuntimeError("items")

    def __getitem__(self, key: object) -> Any:
        raise RuntimeError("getitem")


VALUES: dict[str, tuple[Callable[[], dict[str, Any]], Flag]] = {
    "confidence-high": (lambda: {"what": 1, "confidence": "high"}, Flag.CLAMPED),
    "confidence-nan": (lambda: {"what": 1, "confidence": math.nan}, Flag.CLAMPED),
    "confidence-7": (lambda: {"what": 1, "confidence": 7}, Flag.CLAMPED),
    "confidence-list": (lambda: {"what": 1, "confidence": [0.5]}, Flag.CLAMPED),
    "confidence-huge": (lambda: {"what": 1, "confidence": 10**400}, Flag.CLAMPED),
    "alternatives-none": (lambda: {"what": 1, "alternatives_considered": None}, Flag(0)),
    "alternatives-hostile": (lambda: {"what": 1, "alternatives_considered": [Hostile()]}, Flag.DESCRIBED),
    "inputs-cyclic": (lambda: {"what": 1, "inputs": cyclic()}, Flag.DESCRIBED),
    "inputs-hostile-dict": (lambda: {"what": 1, "inputs": StuckProperty(a=1)}, Flag(0)),
    "inputs-none": (lambda: {"what": 1, "inputs": None}, Flag(0)),
    "text-50-mb": (lambda: {"what": "word " * 10_000_000}, Flag.TRUNCATED),
    "text-50-mb-of-control": (lambda: {"what": "\x01" * 50_000_000}, Flag.TRUNCATED),
    "text-8-mb-of-emoji": (lambda: {"what": "🦊" * 2_000_000}, Flag.TRUNCATED),
    "bytes-50-mb": (lambda: {"what": bytes(50_000_000)}, Flag.DESCRIBED),
    "list-of-a-million": (lambda: {"what": list(range(1_000_000))}, Flag.TRUNCATED),
    "lone-surrogate": (lambda: {"what": "a\ud800b", "inputs": {"k\udfff": 1}}, Flag.NORMALISED),
    "integer-2**63": (lambda: {"what": 2**63, "inputs": {"n": -(2**80)}}, Flag.NORMALISED),
    "integer-2**64": (lambda: {"what": 2**64}, Flag.NORMALISED),
    "integer-huge": (lambda: {"what": 10**5000}, Flag.NORMALISED),
    "nul": (lambda: {"what": "a\0b", "inputs": {"k\0": "v\0"}}, Flag.NORMALISED),
    "infinity": (lambda: {"what": math.inf, "inputs": {"n": -math.inf}}, Flag.NORMALISED),
    "keys-of-every-kind": (lambda: {"what": {1: 1, None: 2, (1, 2): 3, 1.5: 4}}, Flag.DESCRIBED),
    "why-is-no-text": (lambda: {"what": 1, "why": {"an": ["object"]}}, Flag(0)),
}


@pytest.mark.parametrize("what", VALUES)
def test_any_value_is_stored_normalised_and_flagged(runtime: Runtime, tmp_path: Path, what: str) -> None:
    """Never refused, never raised, never written outside; the records around it are whole, and so is the document."""
    make, flag = VALUES[what]
    value = make()
    began = time.perf_counter()
    with TraceContext.start(project_name="p") as trace:
        trace.record("s", "before", {"what": "fine"})
        trace.record("s", "odd", value)
        trace.record("s", "after", {"what": "fine"})
        trace.mark_complete()
    took = time.perf_counter() - began

    assert took < 10, f"{took:.1f} s"
    records = decision_records(trace.otel_trace_id)
    assert [each.name for each in records] == ["before", "odd", "after"]
    assert [records[0].flags, records[2].flags] == [0, 0]
    assert Flag(records[1].flags) & flag == flag, Flag(records[1].flags)
    confidence = json.loads(bytes(records[1].payload)).get("confidence")
    assert confidence is None or 0 <= confidence <= 1
    document = query.full_trace("last")
    assert document is not None
    assert len(document["stages"]["s"]["decisions"]) == 3
    assert len(records[1].payload) <= 1024 * 1024
    stats = whence.stats()
    assert (stats["internal_errors"], stats["last_internal_error"]) == (0, "")
    assert stats["emitted"] == stats["written"] + sum(sum(each.values()) for each in stats["dropped"].values())
    assert stats["dropped"] == {}, "it was too much for a record"
    assert all(each == "data" or each.startswith("data/") for each in tree(tmp_path))


def test_hostile_outputs_do_not_stop_the_drain(runtime: Runtime, tmp_path: Path) -> None:
    """What a run says of its quality, costs and files is whatever a program handed over. None of it may keep this run,
    or those after it, from being stored, documented and listed."""
    odd: list[Any] = [None, "x", -1, 1e308, math.nan, True, [], {}, [[]], {"a": {"b": []}}, "../../evil", "\0", 2**70]
    fields = [
        "overall_score",
        "overall_quality_score",
        "quality_score",
        "passed",
        "quality_gate_passed",
        "principle_scores",
        "gap_principles",
        "gaps",
        "report_path",
        "report_file_path",
        "evidence_paths",
        "knowledge_paths",
        "output_file_paths",
        "cost_usd",
        "total_cost_usd",
        "model",
        "evidence_collected",
        "evidence_passed",
        "iteration",
        "iterations",
        "error",
        "duration_seconds",
        "input_tokens",
        "output_tokens",
    ]
    for value in odd:
        with TraceContext.start(project_name="odd", query=value, intent=value, domain=value) as trace:  # type: ignore[arg-type]
            for stage in ("quality_gate", "collection", "synthesis"):
                trace.start_stage(stage)
                trace.record_evidence(stage, dict.fromkeys(fields, value))
                trace.record_prompts(stage, dict.fromkeys(fields, value))
                trace.end_stage(stage, dict.fromkeys(fields, value), value)
            trace.record_iteration(dict.fromkeys((*fields, "quality_gate_result"), value))
            trace.set_outputs(dict.fromkeys(fields, value))
            trace.add_child_trace(value, value, value)  # type: ignore[arg-type]
            trace.mark_complete()
            if value is not None:
                trace.mark_failed(value)

    rows = query.traces().items
    assert len(rows) == len(odd)
    assert all(row.document_error is None and Path(str(row.trace_file_path)).is_file() for row in rows)
    assert runtime.recorder.errors.count == 0, runtime.recorder.errors.last
    assert query.summary()["total_runs"] == len(odd)
    assert all(each == "data" or each.startswith("data/") for each in tree(tmp_path))


def test_a_report_is_never_made_and_never_broken(runtime: Runtime, tmp_path: Path) -> None:
    """A run may name any report: one that is missing, a folder, or not writable. That is said and nothing else happens."""
    folder = tmp_path / "folder.md"
    folder.mkdir()
    for path in (tmp_path / "missing.md", folder, Path("/proc/version.md"), Path("/dev/null.md")):
        trace = TraceContext.start(project_name="p")
        trace.set_outputs({"report_path": str(path)})
        trace.mark_complete()
        result = TraceContext.finish_sync(trace)
        assert result["supabase"] == "saved"
        assert str(path) in result["report_error"]
    assert not (tmp_path / "missing.md").exists()
    assert os.listdir(folder) == []
    shutil.rmtree(folder)
