"""`whence export` and `whence import`: out of one store and into another, with the same answers."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import whence
from tests.stubs.otlp_receiver import OtlpReceiver
from whence.runtime import runtime as runtime_module
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings


class Answer(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]


@pytest.fixture
def cli(data: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """The command line, as a process of its own would run it: on this test's data directory, or another's (--data)."""
    from whence.cli import main

    def run(*words: str) -> Answer:
        mine = runtime_module.peek()
        runtime_module.use(None)
        monkeypatch.setenv("WHENCE_DATA", str(data))
        try:
            code = main(words)
        finally:
            built = runtime_module.peek()
            if built is not None:
                built.close()
            runtime_module.use(mine)
            monkeypatch.setenv("WHENCE_DATA", str(data))
        said = capfdbinary.readouterr()
        return Answer(code, said.out.decode(), said.err.decode())

    return run


HERE_ONLY = ("trace_file_path", "created_at", "updated_at")
"""Says where or when a run was stored, and so is another one in another store."""


def runs() -> None:
    for number in range(3):
        with whence.trace(project="shop", query=f"question {number} " + "long " * 1_000, intent="asking") as trace:
            with trace.stage("generate", component="todo") as stage:
                made = stage.decision("template", what=number, why="because", confidence=number / 3)
                stage.transform("render", None, f"line\nnumber {number}\n", action="render", because=made)
                stage.check("syntax", number != 1, type="syntax", content=f"line\nnumber {number}\n")
                stage.llm_call(
                    "chat", model="gpt-4o", prompt="p " * 2_000, response="r", input_tokens=3, output_tokens=4
                )
            if number == 2:
                trace.mark("failed", "no")


def answers(cli: Cli, data: Path) -> dict[str, Any]:
    """What a store says, without what is of its own place and time."""
    found: dict[str, Any] = {}
    for words in (["traces"], ["decisions"], ["search", "number"], ["principles", "--min-runs", "1"], ["cost"]):
        found[words[0]] = json.loads(cli("--data", str(data), *words, "--json").out)
    for row in found["traces"]:
        for key in HERE_ONLY:
            row.pop(key)
        for words in (["why"], ["steps"], ["checks"], ["llm"]):
            found[f"{words[0]} {row['id']}"] = json.loads(cli("--data", str(data), *words, row["id"], "--json").out)
        shown = json.loads(cli("--data", str(data), "show", row["id"], "--json").out)
        shown["outputs"].pop("trace_file_path", None)
        found[f"show {row['id']}"] = shown
    return found


def test_an_export_read_into_an_empty_store_gives_the_same_answers(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    before = answers(cli, runtime.settings.data)
    file, elsewhere = tmp_path / "runs.jsonl", tmp_path / "elsewhere"

    assert cli("export", "-o", str(file)).code == 0
    assert cli("--data", str(elsewhere), "import", str(file)).code == 0

    assert answers(cli, elsewhere) == before
    assert before["traces"][0]["status"] == "failed"


def test_importing_twice_changes_nothing(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    file, elsewhere = tmp_path / "runs.jsonl.gz", tmp_path / "elsewhere"
    cli("export", "-o", str(file))
    assert gzip.decompress(file.read_bytes()).startswith(b'{"whence_records":1')
    first = json.loads(cli("--data", str(elsewhere), "import", str(file), "--json").out)
    before = answers(cli, elsewhere)
    second = json.loads(cli("--data", str(elsewhere), "import", str(file), "--json").out)

    assert first["stored"] == first["records"] - first["contents"] == second["duplicates"]
    assert second["stored"] == 0
    assert answers(cli, elsewhere) == before


def test_an_import_finds_nothing_that_was_not_found_where_the_runs_were(
    runtime: Runtime, cli: Cli, tmp_path: Path
) -> None:
    """Flags compare a run with those before it: told of all runs at once, runs would be flagged that never were."""
    for number in range(8):
        good = number < 4
        score = 3.0 if good else 1.0
        intent = "exploring" if good else "validating"
        with whence.trace(project="shop", intent=intent) as trace, trace.stage("quality_gate") as stage:
            stage.outputs = {"principle_scores": {"A": score}, "overall_score": score, "passed": True}
        runtime.drain()  # each is judged when it ends
    file, elsewhere = tmp_path / "runs.jsonl", tmp_path / "elsewhere"
    cli("export", "-o", str(file))
    cli("--data", str(elsewhere), "import", str(file))

    before = json.loads(cli("traces", "--json").out)
    after = json.loads(cli("--data", str(elsewhere), "traces", "--json").out)

    flagged = [row["flagged_for_review"] for row in before]
    assert sorted(flagged) == [False] * 6 + [True] * 2
    assert [row["flagged_for_review"] for row in after] == flagged


def test_single_runs_are_exported_by_name_and_to_stdout(runtime: Runtime, cli: Cli) -> None:
    runs()
    name = json.loads(cli("traces", "--json").out)[0]["id"]

    lines = [json.loads(line) for line in cli("export", name).out.splitlines()]

    assert {line["trace"] for line in lines[1:]} == {name}
    assert lines[1]["kind"] == "content"  # a text comes before what refers to it


def test_otlp_json_goes_out_and_comes_in(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    file, elsewhere = tmp_path / "runs.json", tmp_path / "elsewhere"
    cli("export", "--format", "otlp", "-o", str(file))

    assert cli("--data", str(elsewhere), "import", str(file)).code == 0
    rows = json.loads(cli("--data", str(elsewhere), "traces", "--json").out)
    again = cli("--data", str(elsewhere), "import", str(file))

    assert [row["status"] for row in rows] == ["failed", "complete", "complete"]
    assert {(row["project_name"], row["intent"], row["llm_calls"], row["total_tokens"]) for row in rows} == {
        ("shop", "asking", 1, 7)
    }
    made = json.loads(cli("--data", str(elsewhere), "decisions", "--json").out)
    assert sorted(each["payload"]["what"] for each in made) == [0, 1, 2]
    assert again.code == 0
    assert json.loads(cli("--data", str(elsewhere), "decisions", "--json").out) == made


def test_secrets_in_otlp_are_masked_on_the_way_in(cli: Cli, tmp_path: Path) -> None:
    attribute = {"key": "password", "value": {"stringValue": "hunter2hunter2"}}
    span = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "name": "login",
        "startTimeUnixNano": "1700000000000000000",
        "endTimeUnixNano": "1700000001000000000",
        "attributes": [attribute],
    }
    file = tmp_path / "otlp.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    data = tmp_path / "data"

    assert cli("--data", str(data), "import", str(file)).code == 0
    assert "hunter2" not in cli("--data", str(data), "export").out
    assert not any(b"hunter2" in path.read_bytes() for path in data.rglob("*") if path.is_file())


def test_a_trace_whose_root_is_elsewhere_is_a_run_all_the_same(cli: Cli, tmp_path: Path) -> None:
    spans = [
        {"traceId": "ab" * 16, "spanId": f"{n:016x}", "parentSpanId": "f" * 16, "name": f"part {n}"}
        | {"startTimeUnixNano": str(1_700_000_000 * 10**9 + n), "endTimeUnixNano": str(1_700_000_005 * 10**9 + n)}
        for n in (2, 1)
    ]
    file = tmp_path / "otlp.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    data = tmp_path / "data"
    cli("--data", str(data), "import", str(file), "--project", "given")

    (row,) = json.loads(cli("--data", str(data), "traces", "--json").out)
    assert (row["status"], row["reason"], row["project"]) == ("complete", "root_not_seen", "given")


def test_a_backend_gets_what_is_sent(runtime: Runtime, cli: Cli) -> None:
    runs()
    with OtlpReceiver() as receiver:
        told = json.loads(cli("export", "--to", receiver.endpoint, "--json").out)

    assert told == {"traces": 3, "spans": 12, "logs": 0}
    assert len(receiver.all_spans) == 12


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["import", "nowhere.jsonl"], 3, "nowhere.jsonl"),
        (["export", "nobody-knows"], 3, "nobody-knows"),
        (["export", "--to", "localhost:4318"], 2, "http://localhost:4318"),
        (["export", "--follow"], 2, "--to"),
        (["export", "--to", "http://localhost:1", "-o", "x.jsonl"], 2, "--output"),
        (["export", "--format", "xml"], 2, "jsonl"),
        (["export", "-o", "no/such/place.jsonl"], 4, "cannot be written"),
    ],
)
def test_bad_input_says_what_is_accepted(runtime: Runtime, cli: Cli, words: list[str], code: int, said: str) -> None:
    runs()
    answer = cli(*words)
    assert (answer.code, said in answer.err) == (code, True), answer.err


def test_a_file_that_is_none_of_ours_is_refused(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello\n")
    answer = cli("import", str(file))
    assert answer.code == 2
    assert "line 1" in answer.err


def test_a_damaged_line_is_named_and_the_others_are_taken(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    file, elsewhere = tmp_path / "runs.jsonl", tmp_path / "elsewhere"
    cli("export", "-o", str(file))
    lines = file.read_bytes().splitlines(keepends=True)
    lines[5] = b'{"record_id": "half\n'
    file.write_bytes(b"".join(lines))

    answer = cli("--data", str(elsewhere), "import", str(file), "--json")

    done = json.loads(answer.out)
    assert (answer.code, done["skipped_total"], done["records"]) == (1, 1, len(lines) - 2)
    assert done["skipped"][0].startswith("line 6")


def test_an_export_that_cannot_be_finished_leaves_the_old_file(
    runtime: Runtime, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs()
    file = tmp_path / "runs.jsonl"
    file.write_text("before")

    def broken(*args: Any, **kwargs: Any) -> Any:
        yield b"half\n"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("whence.query.exporting.json_lines", broken)
    assert cli("export", "-o", str(file)).code == 4
    assert file.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir() if "runs" in each.name] == ["runs.jsonl"]


def test_an_empty_store_exports_nothing_but_the_first_line(data: Path, cli: Cli) -> None:
    runtime_module.configure(Settings(data=data, documents=data))
    answer = cli("export")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 1
    runtime_module.use(None)


def test_a_pipe_and_a_link_stay_what_they_are(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    pipe, target, link = tmp_path / "pipe", tmp_path / "target.jsonl", tmp_path / "link.jsonl"
    os.mkfifo(pipe)
    link.symlink_to(target)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    assert cli("export", "-o", str(pipe)).code == cli("export", "-o", str(link)).code == 0
    reader.join(10)

    assert pipe.is_fifo()
    assert link.is_symlink()
    assert target.read_bytes() == read[0]


def test_a_packed_file_that_breaks_off_is_taken_as_far_as_it_goes(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    for file in (tmp_path / "runs.jsonl.gz", tmp_path / "runs.json.gz"):
        cli("export", "-o", str(file), *(("--format", "otlp") if ".json." in file.name else ()))
        file.write_bytes(file.read_bytes()[:-40])
        elsewhere = tmp_path / f"from {file.name}"

        answer = cli("--data", str(elsewhere), "import", str(file), "--json")

        assert answer.code == 1, answer.err
        assert "breaks off" in json.loads(answer.out)["skipped"][-1]
        assert json.loads(cli("--data", str(elsewhere), "traces", "--json").out)


def test_what_comes_by_stdin_is_taken(runtime: Runtime, cli: Cli, tmp_path: Path, data: Path) -> None:
    runs()
    out = cli("export").out
    done = subprocess.run(
        [sys.executable, "-m", "whence", "--data", str(tmp_path / "elsewhere"), "import", "-"],
        input=out.encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"stored" in done.stderr


def otlp_line(number: int) -> str:
    span = {"traceId": f"{number:032x}", "spanId": f"{number:016x}", "name": f"span {number}"}
    times = {"startTimeUnixNano": str(1_700_000_000 * 10**9), "endTimeUnixNano": str(1_700_000_001 * 10**9)}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "svc"}}]}
    return json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span | times]}]}]})


def test_a_bad_line_of_otlp_is_named_and_the_others_are_taken(cli: Cli, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "otlp.jsonl", tmp_path / "elsewhere"
    file.write_text("\n".join([otlp_line(1), '{"resourceSpans": 5}', otlp_line(3)]))

    answer = cli("--data", str(elsewhere), "import", str(file), "--json")

    done = json.loads(answer.out)
    assert (answer.code, done["spans"], done["skipped_total"]) == (1, 2, 1)
    assert "line 2" in done["skipped"][0]


def test_a_run_that_is_there_stays_in_its_project(cli: Cli, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "otlp.json", tmp_path / "elsewhere"
    file.write_text(otlp_line(7))
    cli("--data", str(elsewhere), "import", str(file), "--project", "given")
    answer = cli("--data", str(elsewhere), "import", str(file))

    (row,) = json.loads(cli("--data", str(elsewhere), "traces", "--json").out)
    assert (row["project"], row["records"]) == ("given", 4)
    assert "known before" in answer.err


@pytest.mark.parametrize("text", ["", "{}", "[]\n"])
def test_a_file_with_nothing_in_it_says_so(cli: Cli, tmp_path: Path, text: str) -> None:
    file = tmp_path / "empty.json"
    file.write_text(text)
    answer = cli("import", str(file))
    assert (answer.code, "nothing to take" in answer.err) == (2, True)


def test_components_and_stages_survive_opentelemetry(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    file, elsewhere = tmp_path / "runs.json", tmp_path / "elsewhere"
    cli("export", "--format", "otlp", "-o", str(file))
    cli("--data", str(elsewhere), "import", str(file))

    groups = json.loads(cli("--data", str(elsewhere), "cost", "--by", "component", "--json").out)["groups"]
    assert [(each["key"], each["calls"]) for each in groups] == [("todo", 3)]
    assert "generate  todo" in cli("--data", str(elsewhere), "show", "last").out


def test_sending_says_once_that_nobody_listens(runtime: Runtime, cli: Cli) -> None:
    runs()
    with OtlpReceiver() as receiver:
        gone = receiver.endpoint
    answer = cli("export", "last", "--to", gone)
    assert answer.code == 4
    assert answer.err.count("\n") == 1
    assert "is a backend listening" in answer.err


def test_a_run_that_comes_back_as_opentelemetry_is_not_counted_twice(
    runtime: Runtime, cli: Cli, tmp_path: Path, data: Path
) -> None:
    runs()
    with whence.trace(project="shop") as trace:
        trace.event("note", "careful")
    file = tmp_path / "runs.json"
    cli("export", "--format", "otlp", "-o", str(file))
    before = answers(cli, data)

    done = json.loads(cli("import", str(file), "--json").out)

    assert answers(cli, data) == before
    assert (done["stored"], done["skipped_total"]) == (0, 0)
    assert done["duplicates"] == done["spans"] + done["logs"] > 10


def test_log_lines_of_one_moment_are_all_kept(cli: Cli, tmp_path: Path) -> None:
    line = {"traceId": "ab" * 16, "spanId": "cd" * 8, "timeUnixNano": "1700000000000000000", "severityNumber": 9}
    lines = [line | {"body": {"stringValue": text}} for text in ("one", "two", "two", "three", "")]
    file, elsewhere = tmp_path / "logs.json", tmp_path / "elsewhere"
    file.write_text(json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": lines}]}]}))
    said = []
    for _ in range(2):
        cli("--data", str(elsewhere), "import", str(file))
        out = cli("--data", str(elsewhere), "tail", "--once", "--kind", "event", "--json").out
        said.append(sorted(each["payload"].get("message", "") for each in json.loads(out)))

    assert said == [["", "one", "three", "two", "two"]] * 2


def test_a_text_that_was_changed_is_refused_by_its_hash(runtime: Runtime, cli: Cli, tmp_path: Path) -> None:
    runs()
    file, elsewhere = tmp_path / "runs.jsonl", tmp_path / "elsewhere"
    cli("export", "-o", str(file))
    file.write_text(file.read_text().replace('"text":"line\\nnumber 1', '"text":"line\\nnumber X'))

    answer = cli("--data", str(elsewhere), "import", str(file), "--json")

    assert answer.code == 1
    assert "it was changed" in json.loads(answer.out)["skipped"][0]


def test_half_a_character_in_a_name_costs_nothing_else(cli: Cli, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "otlp.json", tmp_path / "elsewhere"
    file.write_text(otlp_line(7).replace("span 7", "half \\ud800"))

    assert cli("--data", str(elsewhere), "import", str(file)).code == 0
    (row,) = json.loads(cli("--data", str(elsewhere), "traces", "--json").out)
    assert row["status"] == "complete"


def test_a_part_of_a_run_that_is_stored_does_not_begin_it_anew(
    runtime: Runtime, cli: Cli, tmp_path: Path, data: Path
) -> None:
    runs()
    file = tmp_path / "runs.json"
    cli("export", "--format", "otlp", "-o", str(file))
    before = answers(cli, data)
    rootless = []
    for line in file.read_text().splitlines():
        request = json.loads(line)
        for resource in request.get("resourceSpans", ()):
            for scope in resource["scopeSpans"]:
                scope["spans"] = [span for span in scope["spans"] if span.get("parentSpanId")]
        rootless.append(json.dumps(request))
    file.write_text("\n".join(rootless))

    assert cli("import", str(file)).code == 0
    assert answers(cli, data) == before
