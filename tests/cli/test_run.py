"""`whence run`: a program that knows nothing of whence, as one run, and to the program it makes no difference."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import environment
from whence.cli.run import named_after
from whence.model import record as kinds
from whence.model.record import Record
from whence.model.trace import TraceView
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.store.interface import EVERY_TRACE

Done = subprocess.CompletedProcess[str]
Program = Callable[..., Done]


@pytest.fixture
def program(data: Path, tmp_path: Path) -> Program:
    """Run a Python program under `whence run` (or, `alone`, without it)."""

    def run(
        code: str, *words: str, alone: bool = False, python: tuple[str, ...] = (sys.executable,), **extra: str
    ) -> Done:
        script = tmp_path / "app.py"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        before = () if alone else (sys.executable, "-I", "-m", "whence", "run", *(words or ("--project", "app")), "--")
        return subprocess.run(
            [*before, *python, str(script)],
            env=environment(data, **extra),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def stored(data: Path) -> list[Record]:
    """Return all records of the one run, in order."""
    runtime = Runtime(Settings(data=data, documents=data))
    try:
        (row,) = runtime.ready_store().traces(EVERY_TRACE, limit=10).items
        return list(runtime.store().trace_records(row.id))
    finally:
        runtime.close()


def payload(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(bytes(record.payload))
    return found


def view_of(data: Path) -> TraceView:
    from whence.model.assembly import assemble

    records = stored(data)
    return assemble(records[0].trace, records)


def events(data: Path) -> dict[str, dict[str, Any]]:
    return {each.name: payload(each) for each in stored(data) if each.kind == kinds.EVENT}


# -- the program's own ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "exits", "status"),
    [
        ("print('fine')", 0, "complete"),
        ("import sys; sys.exit(3)", 3, "failed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "failed"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 143, "failed"),
        ("raise KeyboardInterrupt", 130, "incomplete"),
    ],
)
def test_the_exit_code_is_the_programs_and_the_run_has_its_outcome(
    program: Program, data: Path, code: str, exits: int, status: str
) -> None:
    done = program(code)

    view = view_of(data)
    assert done.returncode == exits, done.stderr
    assert (view.status, view.project, view.outputs) == (status, "app", {"exit_code": exits})
    assert view.trace_id in done.stderr


LOUD = """
    import asyncio, logging, os, sys, threading
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.INFO)
    log = logging.getLogger("app")
    log.info("main %s", "here", extra={"order": 7})
    log.debug("not shown")
    logging.getLogger("app.pay").warning("card %(n)d", {"n": 3})
    thread = threading.Thread(target=lambda: log.info("thread"))
    thread.start(); thread.join()
    async def task():
        log.info("task")
    async def main():
        await asyncio.gather(task(), task())
    asyncio.run(main())
    log.info("wrong %d", "arguments")
    print(sorted(each for each in sys.path if "whence" in each and "_site" in each), sys.argv, __name__)
    print(logging.getLogger().handlers, sys.flags.no_site)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("caught")
    raise RuntimeError("at the end")
"""


def test_what_a_program_says_is_exactly_what_it_says_without_us(program: Program, data: Path) -> None:
    alone = program(LOUD, alone=True)
    ours = program(LOUD, "--quiet")

    assert ours.returncode == alone.returncode == 1
    assert ours.stderr == alone.stderr
    assert ours.stdout == alone.stdout
    assert "RuntimeError: at the end" in ours.stderr


def test_log_lines_of_threads_and_tasks_are_events_of_the_run(program: Program, data: Path) -> None:
    program(LOUD)

    said = [(each.name, payload(each)) for each in stored(data) if each.kind == kinds.EVENT]
    messages = [each["message"] for name, each in said if name.startswith("app")]
    assert messages == ["main here", "card 3", "thread", "task", "task", "wrong %d", "caught"]
    assert said[0][1]["attributes"]["order"] == 7
    caught = next(each for name, each in said if each["message"] == "caught")
    assert caught["attributes"]["error"]["type"] == "ZeroDivisionError"


def test_what_ends_a_program_is_recorded_with_its_stack(program: Program, data: Path) -> None:
    done = program(
        """
        import threading
        def inner():
            raise ValueError("no such order, password=hunter2hunter2")
        thread = threading.Thread(target=inner); thread.start(); thread.join()
        stop = threading.Thread(target=lambda: exit(1)); stop.start(); stop.join()
        inner()
        """
    )

    said = events(data)
    assert done.returncode == 1
    assert done.stderr.count("ValueError: no such order") == 2
    assert sorted(said) == ["uncaught_exception", "uncaught_exception_in_thread"]
    error = said["uncaught_exception"]["attributes"]["error"]
    assert error["type"] == "ValueError"
    assert "in inner" in error["stack"]
    assert "hunter2" not in str(said)


def test_an_exception_hook_of_the_programs_own_is_left_alone(program: Program, data: Path) -> None:
    code = """
        import sys
        sys.excepthook = lambda kind, error, tb: print("own hook:", error)
        raise ValueError("x")
    """

    assert program(code, "--quiet").stdout == program(code, alone=True).stdout == "own hook: x\n"


# -- what it starts ------------------------------------------------------------------------------------------------------


def test_the_python_programs_that_it_starts_are_part_of_the_same_run(program: Program, data: Path) -> None:
    done = program(
        """
        import logging, multiprocessing, os, subprocess, sys
        def work(n):
            logging.getLogger("child").warning("work %d", n)
        if __name__ == "__main__":
            for method in ("spawn", "fork"):
                with multiprocessing.get_context(method).Pool(1) as pool:
                    pool.map(work, [1])
                    pool.close(); pool.join()
            code = "import logging; logging.getLogger('sub').warning('sub')"
            subprocess.run([sys.executable, "-c", code], check=True)
            subprocess.run([sys.executable, "-I", "-c", code], check=True)
        """
    )

    records = stored(data)
    assert done.returncode == 0, done.stderr
    said = [each.name for each in records if each.kind == kinds.EVENT]
    assert sorted(said) == ["child", "child", "sub"]
    assert len({each.trace for each in records}) == 1
    assert view_of(data).status == "complete"


def test_a_run_of_the_programs_own_is_a_child_of_it(program: Program, data: Path) -> None:
    program("import whence\nwith whence.trace('inner') as trace:\n    whence.decision('d', 1)\n")

    runtime = Runtime(Settings(data=data, documents=data))
    rows = {row.project: row for row in runtime.ready_store().traces(EVERY_TRACE, limit=10).items}
    runtime.close()
    assert set(rows) == {"app", "inner"}
    outer = rows["inner"].parent_trace_id or ""
    assert outer.rpartition("_")[2] == rows["app"].trace_id.rpartition("_")[2]


def test_a_child_that_is_killed_costs_only_what_it_had_not_said(program: Program, data: Path) -> None:
    done = program(
        """
        import os, signal, subprocess, sys
        code = "import logging, os, signal; logging.warning('last words'); os.kill(os.getpid(), signal.SIGKILL)"
        print(subprocess.run([sys.executable, "-c", code]).returncode)
        """
    )

    assert done.stdout == "-9\n"
    assert [each["message"] for each in events(data).values()] == ["last words"]
    assert view_of(data).status == "complete"


def test_an_isolated_interpreter_runs_as_ever_and_nothing_inside_is_recorded(program: Program, data: Path) -> None:
    done = program("import logging; logging.warning('unheard')", python=(sys.executable, "-I"))

    assert (done.returncode, done.stderr.splitlines()[0]) == (0, "WARNING:root:unheard")
    assert [each.kind for each in stored(data)][:1] == [kinds.TRACE_START]
    assert events(data) == {}


def test_the_environments_own_sitecustomize_still_runs(program: Program, tmp_path: Path, data: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("import sys; sys.was_here = __file__\n", encoding="utf-8")
    code = "import logging, sys, sitecustomize; print(sys.was_here, sitecustomize.__file__, sys.path); logging.warning('x')"

    ours = program(code, "--quiet", PYTHONPATH=str(own))
    alone = program(code, alone=True, PYTHONPATH=str(own))

    assert str(own) in ours.stdout
    assert ours.stdout == alone.stdout
    assert set(events(data)) == {"root"}


def test_one_that_fails_is_shown_as_ever_and_the_program_recorded(program: Program, tmp_path: Path, data: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("raise RuntimeError('own trouble')\n", encoding="utf-8")
    code = "import logging; logging.warning('x')"

    ours = program(code, "--quiet", PYTHONPATH=str(own))

    assert "own trouble" in ours.stderr
    assert ours.stderr == program(code, alone=True, PYTHONPATH=str(own)).stderr
    assert set(events(data)) == {"root"}


def test_an_interpreter_without_whence_says_so_and_runs(tmp_path: Path) -> None:
    site = Path(sys.modules["whence"].__file__ or "").parent / "instrument" / "_site"
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import sitecustomize, sys; print('ran', sys.path.count(sys.argv[1]))", str(site)],
        env={"PYTHONPATH": str(site), "TRACEPARENT": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "ran 0\n")
    assert "not installed for" in done.stderr


# -- choices -------------------------------------------------------------------------------------------------------------


def test_none_of_the_adapters_or_only_some(program: Program, data: Path) -> None:
    program("import logging; logging.warning('x')", "--instrument", "none")

    assert events(data) == {}


def test_an_adapter_that_there_is_not(program: Program, data: Path) -> None:
    done = program("print('ran')", "--instrument", "telepathy")

    assert (done.returncode, done.stdout) == (2, "")
    assert "accepted: opentelemetry, openai, anthropic, logging, none" in done.stderr


def test_a_project_that_is_switched_off_runs_unrecorded(program: Program, data: Path) -> None:
    data.mkdir()
    (data / "projects.toml").write_text("[projects.app]\nenabled = false\n", encoding="utf-8")
    done = program("import os, sys; print(os.environ.get('TRACEPARENT')); sys.exit(4)")

    assert (done.returncode, done.stdout) == (4, "None\n")
    assert "switched off" in done.stderr
    runtime = Runtime(Settings(data=data, documents=data))
    assert runtime.ready_store().traces(EVERY_TRACE, limit=10).items == ()
    runtime.close()


@pytest.mark.parametrize(("name", "code"), [("no-such-program", 127), ("plain.txt", 126)])
def test_a_program_that_cannot_be_started(data: Path, tmp_path: Path, name: str, code: int) -> None:
    (tmp_path / "plain.txt").write_text("x", encoding="utf-8")
    word = name if code == 127 else str(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "whence", "run", "--project", "app", "--", word],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == code
    assert name in done.stderr
    assert view_of(data).status == "failed"


def test_words_of_the_program_are_not_ours(data: Path) -> None:
    said = [
        sys.executable,
        "-c",
        "import sys; print(sys.argv[1:])",
        "--project",
        "x",
        "--data",
        "/nowhere",
        "--",
        "--help",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "whence", "run", "--project", "app", "--", *said],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == "['--project', 'x', '--data', '/nowhere', '--', '--help']\n"
    assert view_of(data).project == "app"


def test_secrets_on_the_command_line_are_masked(data: Path) -> None:
    said = [sys.executable, "-c", "pass", "--password=hunter2hunter2", "sk-ant-REDACTED" + "x" * 20]
    subprocess.run(
        [sys.executable, "-m", "whence", "run", "--project", "app", "--", *said],
        env=environment(data),
        capture_output=True,
        timeout=60,
        check=True,
    )

    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert b"hunter2" not in kept


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_the_programs(data: Path, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    code = (
        "import pathlib, signal, sys, time\n"
        "def stop(number, frame): print('got', number, flush=True); sys.exit(9)\n"
        f"signal.signal({int(number)}, stop)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(50)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "whence", "run", "--project", "app", "--", sys.executable, "-c", code],
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # no terminal, which would interrupt the program by itself
    )
    try:
        while not ready.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    assert (process.returncode, out) == (9, f"got {int(number)}\n")
    assert view_of(data).outputs == {"exit_code": 9}


@pytest.mark.parametrize(
    ("command", "project"),
    [
        ("python app.py --fast", "app"),
        ("/usr/bin/python3.12 -u -W error jobs/nightly.py", "nightly"),
        ("python -m shop.serve -p 80", "shop"),
        ("python -c print()", "python"),
        ("python", "python"),
        ("./build.sh all", "build.sh"),
    ],
)
def test_a_program_that_nobody_named_is_called_by_its_own_name(command: str, project: str) -> None:
    assert named_after(command.split()) == project
