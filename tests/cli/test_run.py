"""`whence run`: a program that knows nothing of whence, as one run, and to the program it makes no difference."""

import contextlib
import json
import os
import shlex
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
from whence.cli import launch
from whence.cli.launch import masked, named_after
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


TYPED = "import sys; from whence.cli import launch; sys.exit(launch.main(['run', *sys.argv[1:]]))"


def typed(data: Path, *words: str, **extra: str) -> Done:
    """Run `whence run` with exactly these words."""
    return subprocess.run(
        [sys.executable, "-c", TYPED, *words],
        env=environment(data, **extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


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
        ("import logging; raise KeyboardInterrupt", 130, "incomplete"),
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


def test_a_program_that_has_nothing_to_say_is_not_held_up(program: Program, data: Path) -> None:
    """Nothing of whence is loaded into it."""
    code = "import sys; print([each for each in sys.modules if each.partition('.')[0] in ('whence', 'msgspec')])"

    assert program(code).stdout == "[]\n"
    assert view_of(data).status == "complete"


def test_a_module_of_the_programs_own_that_is_called_as_we_are(program: Program, tmp_path: Path, data: Path) -> None:
    (tmp_path / "whence.py").write_text("print('own')\n", encoding="utf-8")
    done = program("import logging\nlogging.warning('first')\nimport whence\nprint(whence.__file__)\n")

    assert done.returncode == 0
    assert done.stdout == f"own\n{tmp_path / 'whence.py'}\n"
    assert "another module is called whence here" in done.stderr


def test_a_library_that_imports_another_one_that_is_waited_for(program: Program, data: Path) -> None:
    """`openai` imports `logging`, at which recording begins, while `openai` itself is not there yet."""
    done = program(
        """
        import http.server, json, threading, openai
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m-1", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "four"}}]}
        class Answers(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.dumps(answer).encode()
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def log_message(self, *args):
                pass
        server = http.server.HTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = openai.OpenAI(api_key="x", base_url=f"http://127.0.0.1:{server.server_port}")
        said = client.chat.completions.create(model="m-1", messages=[{"role": "user", "content": "2 + 2?"}])
        print(said.choices[0].message.content)
        """,
        "--quiet",
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "four\n", "")
    (call,) = view_of(data).llm_calls
    assert call.attributes["model"] == "m-1"


def test_an_import_that_fails_and_then_does_not(program: Program, tmp_path: Path, data: Path) -> None:
    (tmp_path / "openai.py").write_text("import logging\nraise ImportError('not today')\n", encoding="utf-8")
    done = program(
        """
        import sys
        try:
            import openai
        except ImportError as exc:
            print(exc)
        del sys.path[0]
        import openai
        import whence.instrument.openai as adapter
        print(openai.OpenAI.__name__)
        """,
        "--quiet",
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "not today\nOpenAI\n", "")


def test_spans_of_opentelemetry_are_the_runs(program: Program, data: Path) -> None:
    done = program(
        """
        from opentelemetry.sdk.trace import TracerProvider
        with TracerProvider().get_tracer("app").start_as_current_span("reckon"):
            pass
        """,
        "--quiet",
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "reckon" in {each.name for each in stored(data)}


# -- a guest -------------------------------------------------------------------------------------------------------------

SAYS = "import logging, sys; logging.warning('x'); print('hi'); sys.exit(3)"


def our_lines(done: Done) -> list[str]:
    return [line for line in done.stderr.splitlines() if "whence" in line]


@pytest.mark.parametrize("where", ["below a file", "nowhere", "no permission", "link"])
def test_a_store_that_cannot_be_made_is_told_once_and_the_program_runs(
    program: Program, tmp_path: Path, where: str
) -> None:
    chosen = {"below a file": tmp_path / "file", "nowhere": Path("/proc/nope")}.get(where, tmp_path / "shut")
    (tmp_path / "file").touch()
    if where == "no permission":
        if os.geteuid() == 0:
            pytest.skip("root may write everywhere")
        chosen.mkdir(mode=0o500)
    elif where == "link":
        chosen.mkdir()
        (chosen / "spool").symlink_to(tmp_path)
    done = program(SAYS, WHENCE_DATA=str(chosen))

    assert (done.returncode, done.stdout) == (3, "hi\n")
    (line,) = our_lines(done)
    assert line.startswith("whence: this run cannot be recorded: ")
    assert "doctor" in line


def test_a_disk_that_is_full(data: Path) -> None:
    """No file may become larger than a few KiB: the spool takes the run, the store cannot be made."""
    words = shlex.join([sys.executable, "-m", "whence", "run", "--", sys.executable, "-c", SAYS])
    done = subprocess.run(
        ["bash", "-c", f"ulimit -f 16; exec {words}"],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (3, "hi\n")
    (line,) = our_lines(done)
    assert "not stored yet" in line
    assert {each.name for each in stored(data) if each.kind == kinds.EVENT} == {"root"}


def test_settings_that_cannot_be_read(program: Program, data: Path) -> None:
    """As for every program that records: it runs, hashes are kept and no text, and it is said once for all of it."""
    data.mkdir()
    (data / "whence.toml").write_text('capture = "all"\n', encoding="utf-8")
    child = "import logging; logging.warning('y')"
    done = program(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])\n{SAYS}")
    (data / "whence.toml").unlink()

    assert (done.returncode, done.stdout) == (3, "hi\n")
    settings, address = our_lines(done)
    assert "accepted: hash, preview, redacted, full" in settings
    assert "hashes only" in settings
    assert "recorded as" in address
    begun = payload(stored(data)[0])
    assert view_of(data).status == "failed"
    assert "hash" in begun["query"]
    assert "app.py" not in str(begun)


def test_one_that_is_interrupted_before_it_began_gets_the_signal(tmp_path: Path) -> None:
    """A signal that comes while we prepare is the program's, and does not end us alone."""
    before = signal.getsignal(signal.SIGTERM)
    signals = launch._Signals()
    signals.take()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(50)"])
        signals.hand_to(child)
        assert child.wait(timeout=30) == -signal.SIGTERM
    finally:
        signals.give_back()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("ignored", [True, False])
def test_a_signal_that_is_ignored_is_ignored_by_the_program_too(data: Path, ignored: bool) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGHUP).name)"
    words = shlex.join([sys.executable, "-m", "whence", "run", "--", sys.executable, "-c", code])
    trap = "trap '' HUP; " if ignored else ""
    done = subprocess.run(
        ["bash", "-c", f"{trap}exec {words}"],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == ("SIG_IGN\n" if ignored else "SIG_DFL\n")


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

    first, second, *_ = done.stderr.splitlines()
    assert (done.returncode, second) == (0, "WARNING:root:unheard")
    assert first == "whence: Python with -I does not look for us, so nothing inside this program is recorded"
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
    assert done.stderr == "whence: project 'app' is switched off (`whence projects`), so nothing is recorded\n"
    runtime = Runtime(Settings(data=data, documents=data))
    assert runtime.ready_store().traces(EVERY_TRACE, limit=10).items == ()
    runtime.close()


@pytest.mark.parametrize("by", ["variable", "file"])
def test_why_recording_is_off_is_said(program: Program, data: Path, by: str) -> None:
    data.mkdir()
    (data / "whence.toml").write_text("enabled = false\n" if by == "file" else "", encoding="utf-8")
    done = program("print('ran')", **({"WHENCE_ENABLED": "false"} if by == "variable" else {}))

    why = "WHENCE_ENABLED=false" if by == "variable" else f"`enabled` in {data / 'whence.toml'}"
    assert (done.returncode, done.stdout) == (0, "ran\n")
    assert done.stderr == f"whence: recording is switched off ({why}), so nothing is recorded\n"


def test_what_is_counted_is_what_is_found_later(program: Program, data: Path) -> None:
    done = program("import whence\nwhence.decision('a', 1)\nwhence.decision('b', 2)\nwhence.llm_call(model='m')\n")

    assert "(complete: 2 decisions, 1 LLM call)" in done.stderr
    view = view_of(data)
    assert (view.decisions, len(view.llm_calls)) == (2, 1)


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
    said, address = done.stderr.splitlines()
    view = view_of(data)
    assert name in said
    assert f"recorded as {view.trace_id} (failed)" in address
    assert view.status == "failed"


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


@pytest.mark.parametrize("words", [("--proj", "x", "--"), ("--json", "--"), ("--proj=x",), ("-q", "--")])
@pytest.mark.parametrize("start", ["-m", "-c"])
def test_an_option_that_there_is_not(data: Path, words: tuple[str, ...], start: str) -> None:
    before = ["-m", "whence", "run"] if start == "-m" else ["-c", TYPED]
    done = subprocess.run(
        [sys.executable, *before, *words, sys.executable, "-c", "print('ran')"],
        env=environment(data),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    name = words[0].partition("=")[0]
    accepted = "--project, --instrument, --quiet; the program comes after --"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"whence: Unknown option {name}; accepted: {accepted}\n"
    assert not data.exists()


@pytest.mark.parametrize("words", [("--project",), ("--project", "--", "true"), ("--instrument",), ()])
def test_words_that_are_missing(data: Path, words: tuple[str, ...]) -> None:
    done = typed(data, *words)

    assert done.returncode == 2
    assert ("needs a value" if words else "no program to run") in done.stderr
    assert not data.exists()


def test_after_the_first_word_that_is_no_option_all_are_the_programs(data: Path) -> None:
    code = "import sys; print(sys.argv[1:])"
    said = ["--project", "y", "--help", "--data", "/nowhere", "--debug", "--quiet"]
    done = typed(data, "--project=x", "--instrument", "none", sys.executable, "-c", code, *said)

    assert done.stdout == f"{said}\n"
    assert view_of(data).project == "x"


def test_a_program_whose_name_looks_like_an_option(data: Path) -> None:
    done = typed(data, "--", "-x")

    assert done.returncode == 127
    assert "'-x' is not to be found" in done.stderr


def test_the_data_directory_may_be_given_on_either_side(data: Path, tmp_path: Path) -> None:
    for number, words in enumerate((["--data", "{}", "run"], ["run", "--data={}"], ["--debug", "run", "--data", "{}"])):
        chosen = tmp_path / str(number)
        code = "import sys; from whence.cli import launch; sys.exit(launch.main(sys.argv[1:]))"
        typed_words = [word.format(chosen) for word in words]
        subprocess.run(
            [sys.executable, "-c", code, *typed_words, "true"], env=environment(data), timeout=60, check=True
        )
        assert view_of(chosen).status == "complete"
    assert not data.exists()


@pytest.mark.parametrize("words", [["search", "run"], ["run", "--help"], ["--data", "d", "run", "-h"], [], ["version"]])
def test_what_is_for_the_other_parser(words: list[str]) -> None:
    assert launch.main(words) is None


def test_help_says_how_it_is_called(call: Callable[..., Any]) -> None:
    code, out, _ = call("run", "--help")

    assert code == 0
    assert "Usage: whence run [OPTIONS] -- PROGRAM [ARGS...]" in out
    assert "--project STR     The run's project" in out
    assert "Run a program and record it as one run" in call("--help")[1]


@pytest.mark.parametrize(
    ("command", "kept"),
    [
        ("s.py --api-key LEAK --token LEAK -p X", "s.py --api-key * --token * -p X"),
        ("s.py --api-key=LEAK --clientSecret=LEAK --max-tokens=5", "s.py --api-key=* --clientSecret=* --max-tokens=5"),
        ("go -token LEAK -v", "go -token * -v"),
        ("s.py --password -LEAK --next", "s.py --password * --next"),
        ("s.py --token --api-key LEAK", "s.py --token --api-key *"),
        ("env API_KEY=LEAK prog --max-tokens 5 password", "env API_KEY=* prog --max-tokens 5 password"),
        ("s.py --password", "s.py --password"),
    ],
)
def test_what_flags_announce_is_masked(command: str, kept: str) -> None:
    assert masked(command.split()) == [word.replace("*", "[REDACTED:secret]") for word in kept.split()]


def test_secrets_on_the_command_line_are_masked(data: Path) -> None:
    said = [sys.executable, "-c", "pass", "--password=hunter2hunter2", "sk-ant-REDACTED" + "x" * 20]
    said += ["--api-key", "hunter2LEAK70", "--token", "hunter2LEAK75", "-p", "X"]
    subprocess.run(
        [sys.executable, "-m", "whence", "run", "--project", "app", "--", *said],
        env=environment(data),
        capture_output=True,
        timeout=60,
        check=True,
    )

    begun = payload(stored(data)[0])  # in the store, and in the document
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert b"hunter2" not in kept
    assert b"--api-key" in kept
    assert begun["query"].endswith("-p X")
    assert begun["attributes"]["command"][-2:] == ["-p", "X"]


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
        ("python -Wd -Xdev -um shop", "shop"),
        ("python3.14t -cpass x.py", "python3.14t"),
        ("./build.sh all", "build.sh"),
    ],
)
def test_a_program_that_nobody_named_is_called_by_its_own_name(command: str, project: str) -> None:
    assert named_after(command.split()) == project


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        ("python -I app.py", "-I"),
        ("/usr/bin/python3 -uE -m app", "-E"),
        ("python -S -c pass", "-S"),
        ("python -W I -X E app.py -I", ""),
        ("python -cI", ""),
        ("python -s -B app.py", ""),
    ],
)
def test_a_python_that_does_not_look_for_us_is_known_by_its_command_line(command: str, flag: str) -> None:
    python = launch.as_python(command.split())

    assert python is not None
    assert python.isolated == flag


def test_that_of_another_program_is_not() -> None:
    assert launch.as_python(["./build", "-I"]) is None
