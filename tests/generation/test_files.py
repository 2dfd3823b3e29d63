"""The log files of a session (R3.26-R3.28): nothing in them is overwritten, nothing escapes the directory, nothing hurts."""

import json
import os
import resource
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Run
from whence.generation import GenerationEvent, GenerationLogger, SimpleGenerationLogger
from whence.generation.files import SessionFiles, fit_for_a_file
from whence.testing.capture import Captured

SECRET = "ghp_R4tK9vLmX2bQ7wNcJ8sYpD3fH6gA1eZ5uT0i"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def event(kind: str = "llm_interaction", component: str = "c", **data: Any) -> GenerationEvent:
    return GenerationEvent("s", component, data, None, kind, "session")


def test_files_have_the_names_of_the_design(captured: Captured, tmp_path: Path) -> None:
    """R3.27, D3."""
    with GenerationLogger(tmp_path / "logs") as logger:
        logger.start_stage("s", "todo_store")
        logger.log_llm_interaction("todo_store", "p", "r")
        logger.log_template_render("todo_store", "t", {}, "out")
        logger.log_validation_error("todo_store", "SyntaxError", "m", 1)
        logger.log_file_write("todo_store", "x.py", "x = 1")

    session = logger.session_id
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {
        f"session_{session}.jsonl",
        f"llm_{session}_todo_store.json",
        f"template_{session}_todo_store.json",
        f"validation_error_{session}_todo_store.json",
        f"file_writes_{session}.jsonl",
    }
    assert [each["event"] for each in lines(tmp_path / "logs" / f"session_{session}.jsonl")] == [
        *("start", "llm_interaction", "template_render", "validation_error", "file_write"),
    ]
    assert logger.generate_summary()["log_files"]["written"] == 9


def test_without_a_directory_there_are_no_files(
    captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with GenerationLogger() as logger:
        logger.log_llm_interaction("c", "p", "r")

    assert list(tmp_path.iterdir()) == []
    assert logger.log_dir is None


def test_the_original_logger_writes_where_the_design_says(
    captured: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3.16."""
    monkeypatch.chdir(tmp_path)
    with SimpleGenerationLogger() as logger:
        logger.log_llm_interaction("c", "p", "r")

    assert logger.log_dir == Path("generation_logs")
    assert (tmp_path / "generation_logs" / f"session_{logger.session_id}.jsonl").exists()


def test_every_interaction_stays(captured: Captured, tmp_path: Path) -> None:
    """C3.3: after a retry the first prompt is still there; the file is a JSON document after every write."""
    with GenerationLogger(tmp_path) as logger:
        path = tmp_path / f"llm_{logger.session_id}_c.json"
        for number in range(5):
            logger.log_llm_interaction("c", f"prompt {number}", "r")
            assert len(json.loads(path.read_text())) == number + 1

    assert [each["prompt"] for each in json.loads(path.read_text())] == [f"prompt {number}" for number in range(5)]


def test_a_write_does_not_read_what_is_there(captured: Captured, tmp_path: Path) -> None:
    """In O(1): what is before the end of the list may be anything, and stays so."""
    files = SessionFiles(tmp_path, "s")
    files.write(event(number=1))
    path = tmp_path / "llm_s_c.json"
    before = path.read_bytes()
    path.write_bytes(b"[\n" + b" " * 1_000_000 + before[2:])
    files.write(event(number=2))

    assert [each["number"] for each in json.loads(path.read_text())] == [1, 2]
    assert path.stat().st_size > 1_000_000


def test_files_are_for_their_owner_alone(captured: Captured, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        with GenerationLogger(tmp_path / "a" / "b") as logger:
            logger.log_llm_interaction("c", "p", "r")
    finally:
        os.umask(old)

    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a" / "b").iterdir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", tmp_path / "a" / "b")} == {0o700}


def test_a_secret_is_masked_in_files(captured: Captured, tmp_path: Path) -> None:
    """C3.10: full prompts, without their secrets."""
    with GenerationLogger(tmp_path) as logger:
        logger.log_llm_interaction(
            "c", f"a long prompt with {SECRET} in it " + "x " * 2000, "r", api_key="hunter2-hunter2"
        )
        logger.log_validation_error("c", "E", f"saw {SECRET}", 1, f"TOKEN = '{SECRET}'", traceback=f"at {SECRET}")
        logger.log_file_write("c", f"/tmp/{SECRET}", f"TOKEN = '{SECRET}'")
    written = "".join(path.read_text() for path in tmp_path.iterdir())

    assert SECRET not in written
    assert "hunter2" not in written
    assert "a long prompt with [REDACTED" in written
    assert "x x x x" in written


# -- names (C3.6) ----------------------------------------------------------------------------------------------------


@given(st.text(max_size=300))
def test_any_component_can_be_part_of_a_file_name(name: str) -> None:
    fit = fit_for_a_file(name)

    assert 0 < len(fit.encode()) < 120
    assert os.path.basename(fit) == fit
    assert not fit.startswith(".")
    assert fit.isascii()


@given(st.lists(st.text("ab/._A", max_size=4), unique=True, max_size=20))
def test_two_components_have_two_files(names: list[str]) -> None:
    files = SessionFiles(Path(), "s")
    made = [files.name_of(name).casefold() for name in names]

    assert len(set(made)) == len(names)
    assert [files.name_of(name).casefold() for name in names] == made


def test_more_components_than_are_remembered_have_files_of_their_own_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.generation.files.MOST_NAMES", 2)
    files = SessionFiles(Path(), "s")
    names = ["a", "b", "c", "A", "B", "C"]
    made = [files.name_of(name) for name in names]

    assert made[:2] == ["a", "b"]
    assert len({each.casefold() for each in made}) == len(names)
    assert [files.name_of(name) for name in names] == made


@pytest.mark.parametrize("component", ["../../x", "/etc/passwd", "a\0b", "..", "", "con\nx", "x" * 1000, "\ud800"])
def test_a_component_cannot_lead_out_of_the_directory(captured: Captured, tmp_path: Path, component: str) -> None:
    with GenerationLogger(tmp_path / "in" / "logs", session_id="../../up") as logger:
        logger.log_llm_interaction(component_name=component, prompt="p", response="r")

    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["logs"]
    assert len(list((tmp_path / "in" / "logs").iterdir())) == 2
    assert logger.generate_summary()["log_files"]["lost"] == 0


# -- trouble ---------------------------------------------------------------------------------------------------------


def test_a_directory_that_cannot_be_made_costs_the_files_and_is_counted(captured: Captured, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with GenerationLogger(tmp_path / "file" / "logs") as logger:
        logger.log_llm_interaction("c", "p", "r")
        logger.log_llm_interaction("c", "p", "r")
        summary = logger.generate_summary()

    assert (summary["total_events"], summary["log_files"]["lost"]) == (2, 2)
    assert summary["log_files"]["last_error"].endswith(("Not a directory", "File exists"))
    assert len([each for each in captured.records if each.name == "llm_request"]) == 2


def test_it_is_said_once(captured: Captured, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from whence.record import notice

    notice._last = -notice.EVERY_S
    (tmp_path / "file").write_text("")
    with GenerationLogger(tmp_path / "file" / "logs") as logger:
        for _ in range(10):
            logger.log_llm_interaction("c", "p", "r")

    assert len(caplog.messages) == 1
    assert "generation logs" in caplog.messages[0]


def test_a_link_in_the_place_of_a_file_is_not_followed(captured: Captured, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("precious")
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "session_s.jsonl").symlink_to(target)
    with GenerationLogger(logs, session_id="s") as logger:
        logger.log_llm_interaction("c", "p", "r")

    assert target.read_text() == "precious"
    assert logger.generate_summary()["log_files"]["lost"] == 1


def test_a_list_that_somebody_edited_is_left_as_it_is(captured: Captured, tmp_path: Path) -> None:
    files = SessionFiles(tmp_path, "s")
    files.write(event())
    path = tmp_path / "llm_s_c.json"
    path.write_text("mine now")
    files.write(event())

    assert path.read_text() == "mine now"
    assert files.lost == 1
    assert len(lines(tmp_path / "session_s.jsonl")) == 2


def test_a_disk_that_is_full_leaves_lists_whole(data: Path, run: Run, tmp_path: Path) -> None:
    """The kernel refuses to let any file grow past a size: what fitted in stays readable, what did not is counted."""
    done = run(
        f"""
        import json, resource, signal
        from pathlib import Path
        from whence.generation import GenerationEvent
        from whence.generation.files import SessionFiles
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        files = SessionFiles(Path({str(tmp_path)!r}), "s")
        for number in range(100):
            files.write(GenerationEvent("s", "c", {{"number": number, "text": "x" * 50}}, None, "llm_interaction"))
        kept = json.loads((Path({str(tmp_path)!r}) / "llm_s_c.json").read_text())
        print([each["number"] for each in kept] == list(range(len(kept))), len(kept), files.lost, files.last_error)
        """
    )

    whole, kept, lost, *error = done.stdout.split(maxsplit=3)
    assert whole == "True"
    assert int(kept) > 10
    assert int(lost) > 100
    assert "OSError" in error[0]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096


def test_threads_and_children_write_whole_entries(data: Path, run: Run, tmp_path: Path) -> None:
    """A forked child goes on with the session, in the same files."""
    done = run(
        f"""
        import json, os, sys
        from concurrent.futures import ThreadPoolExecutor
        from pathlib import Path
        from whence.generation import GenerationLogger
        logger = GenerationLogger({str(tmp_path)!r}, session_id="s")
        logger.log_llm_interaction("c", "first", "r")
        child = os.fork()
        def work(number):
            for turn in range(20):
                logger.log_llm_interaction("c", f"{{os.getpid()}} {{number}} {{turn}}", "r" * 500)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        kept = json.loads((Path({str(tmp_path)!r}) / "llm_s_c.json").read_text())
        print(len(kept), len({{each["prompt"] for each in kept}}))
        print(len([json.loads(line) for line in (Path({str(tmp_path)!r}) / "session_s.jsonl").read_text().splitlines()]))
        """
    )

    assert done.stdout.split() == ["161", "161", "161"]


def test_many_threads_lose_nothing(captured: Captured, tmp_path: Path) -> None:
    files = SessionFiles(tmp_path, "s")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: files.write(event(number=number)), range(400)))

    assert sorted(each["number"] for each in json.loads((tmp_path / "llm_s_c.json").read_text())) == list(range(400))
    assert (files.written, files.lost) == (800, 0)
