"""What people see: every command on real runs, at 80 columns, plain when piped, safe whatever was recorded."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.cli.conftest import Whence, environment, parsed, record

COMMANDS = (
    ("traces",),
    ("traces", "--status", "failed", "--status", "incomplete"),
    ("show", "last-bad"),
    ("show", "last-bad", "--full"),
    ("why", "last-bad"),
    ("compare", "last", "last-bad"),
    ("decisions",),
    ("principles", "--min-runs", "1"),
    ("flagged",),
    ("search", "plan"),
    ("tail", "--once"),
    ("doctor",),
    ("drain",),
    ("db", "stats"),
    ("projects",),
)
Ask = Callable[..., Any]
IN_A_PROCESS = ("traces", "why", "compare", "doctor")
DANGEROUS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
LONG_PATH = re.compile(r"/\S{40,}$")
STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_command_fits_80_columns_and_is_plain_when_piped(
    whence: Whence, call: Ask, words: tuple[str, ...]
) -> None:
    """Piped output holds no escape sequence, no trailing blanks, and nothing wider than the terminal it is read on."""
    if words[0] in IN_A_PROCESS:
        done = whence(*words)
        code, shown, said = done.returncode, done.stdout, done.stderr
    else:
        code, shown, said = call(*words)

    assert code == 0, said
    assert shown.strip()
    assert not DANGEROUS.search(shown)
    for line in shown.splitlines():
        assert line == line.rstrip()
        copied = line.startswith("  $ ") or LONG_PATH.search(line) or words[0] == "tail"  # never broken
        assert cell_len(line) <= 80 or copied, line


def test_traces_lists_runs_with_outcome_and_question(whence: Whence, ask: Ask) -> None:
    """The list says at a glance which runs went wrong, and is filtered by what people ask for."""
    done = whence("traces")

    assert len([line for line in done.stdout.splitlines() if line[:1] in "✓✗◌"]) == 5
    assert "Is the gold plan" in done.stdout
    assert [row["status"] for row in ask("traces", "--status", "incomplete")] == ["incomplete"]
    assert len(ask("traces", "--principle", "META-1", "--below", "2")) == 1


def test_pages_of_json_are_arrays_and_go_on_with_the_cursor(whence: Whence) -> None:
    """A list is a JSON array; where it goes on is said on stderr, so that the array stays one document."""
    first = whence("traces", "--json", "--limit", "3")
    cursor = re.fullmatch(r"next: --cursor (\S+)\n", first.stderr)
    assert cursor is not None
    second = whence("traces", "--json", "--limit", "3", "--cursor", cursor[1])

    names = [row["trace_id"] for row in parsed(first) + parsed(second)]
    assert len(names) == len(set(names)) == 5
    assert second.stderr == ""


def test_show_draws_stages_attempts_and_decisions(whence: Whence) -> None:
    """The tree has what was decided, why, how surely, and what else was considered, for each attempt."""
    shown = whence("show", "last").stdout

    for expected in (
        "Is the gold plan always best?",
        "attempt 2",
        "source  ██░░░ 0.45",
        "why  the question names a plan",
        "not  forum",
        "40 collected → 6 passed (34 filtered)",
        "synthesis.write",
        "1,200 → 300",
        "_traces",
    ):
        assert expected in shown, expected
    assert "Write it Write it Write it" not in shown


def test_show_full_has_inputs_whole_texts_and_record_ids(call: Ask, ask: Ask) -> None:
    """`--full` leaves nothing out, and a record id found there can be shown by itself."""
    shown = call("show", "last", "--full")[1]
    assert shown.count("Write it") >= 200
    assert "inputs.words" in shown
    record_id = re.search(r"record +([0-9a-f]{32})", shown)
    assert record_id is not None

    assert "classified_intent" in call("show", record_id[1])[1]
    assert ask("show", record_id[1])["record_id"] == record_id[1]


def test_show_json_is_the_trace_document(whence: Whence, ask: Ask) -> None:
    """The same document as in the trace's file, made from the records."""
    found = ask("show", "last")

    assert found["schema_version"] == 1
    assert list(found["stages"]) == ["intake", "collection", "synthesis", "quality_gate"]


def test_why_keeps_facts_and_hypotheses_apart(whence: Whence) -> None:
    """What the records state is numbered and names its record; a cause that only may be one says so, and how sure that is."""
    shown = whence("why", "last").stdout
    head, _, rest = shown.partition("Most likely cause")
    guesses, _, rest = rest.partition("What happened")
    facts, _, after = rest.partition("Against the last good run")

    assert "went wrong in quality_gate" in head
    assert re.search(r"^  \? maybe  collection passed only 6 of 40", guesses, re.MULTILINE)
    assert re.search(r"^    record +[0-9a-f]{32}", guesses, re.MULTILINE)
    assert "was not measured" in guesses
    assert "✓ confirmed" not in shown
    assert "the quality gate failed with 1.25, 2 needed after 2 attempts" in " ".join(facts.split())
    assert re.search(r"^ +1 the quality gate failed", facts, re.MULTILINE)
    assert re.search(r"quality_gate · record [0-9a-f]{32}", facts)
    assert "maybe" not in facts
    assert re.search(r"J01-04  QUALITY_GATE_FAILED  medium", after)
    assert re.search(r"^  \$ \S*whence compare [0-9a-f]{8} [0-9a-f]{8}$", after, re.MULTILINE)


def test_why_of_other_ends(call: Ask, ask: Ask) -> None:
    """A good run is said to be good; a killed one says where it was; a failed one with what error."""
    rows: dict[str, Any] = {row["query"]: row["trace_id"] for row in ask("traces")}

    assert "went well: complete with quality 2.75" in call("why", rows["Which plan fits a family?"])[1]
    killed = " ".join(call("why", rows["What is in the box?"])[1].split())
    assert "went wrong in collection" in killed
    assert "the process ended without finishing the run" in killed
    assert "RuntimeError: catalogue unreachable" in call("why", rows["What does it cost?"])[1]
    found = ask("why", rows["What is in the box?"])
    assert found["outcome"] == "bad"
    assert all(claim["record_id"] for claim in found["chain"])


def test_compare_collapses_what_is_the_same_and_marks_the_first_divergence(whence: Whence, ask: Ask) -> None:
    """Figures with their difference, gaps by side, decisions aligned."""
    rows = {row["query"]: row["trace_id"] for row in ask("traces")}
    pair = rows["Which plan fits a family?"], rows["Is the gold plan always best?"]
    shown = whence("compare", *pair).stdout

    assert "−1.50" in shown
    assert "only in B  META-1" in shown
    assert "=  1 decision the same: intake.classified_intent" in shown
    assert re.search(r"≠  collection.source +◀ first divergence", shown)
    found = ask("compare", *pair)
    assert found["diff"]["gaps_b_only"] == ["META-1"]
    assert found["first_divergence"]["decision"] == "source"


def test_decisions_and_search(whence: Whence, ask: Ask) -> None:
    """Decisions are found by what they say; records by their words."""
    unsure = ask("decisions", "--where", "confidence<0.6", "--where", "what=forum")
    assert {each["payload"]["what"] for each in unsure} == {"forum"}
    assert len(ask("decisions", "--trace", "last", "--name", "source")) == 2

    hits = ask("search", "catalogue", "unreachable")
    assert hits
    assert all("catalogue" in json.dumps(hit) for hit in hits)


def test_other_json(whence: Whence, ask: Ask, tmp_path: Path) -> None:
    """Every other command has one JSON document too."""
    patterns = ask("principles", "--min-runs", "1")
    assert {"principle_id", "fail_count", "avg_score", "total_runs"} == set(patterns[0])
    assert ask("projects")[0]["name"] == "shop"
    assert ask("drain")["complete"] is True
    assert ask("db", "stats")["traces"] == 5
    assert ask("db", "migrate")["schema_version"] >= 1
    copy = tmp_path / "copy.db"
    assert ask("db", "backup", str(copy))["bytes"] == copy.stat().st_size
    assert ask("db", "vacuum")["bytes"] > 0
    assert ask("version")["whence"]
    assert isinstance(ask("flagged"), list)
    assert ask("tail", "--once", "--limit", "2")[1]["ts"]


def test_redact_shows_what_would_be_masked(whence: Whence) -> None:
    """From an option or from stdin."""
    assert whence("redact", "--test", "write to joe@example.com").stdout == "write to [REDACTED:email]\n"
    found = parsed(whence("redact", "--json", stdin="call joe@example.com"))
    assert found == {"text": "call [REDACTED:email]", "changed": True, "masked": ["email"]}


def test_projects_are_switched_off_and_on(whence: Whence, tmp_path: Path) -> None:
    """What is switched off is not recorded; the list and the doctor say so."""
    data = tmp_path / "data"
    assert parsed(whence("projects", "disable", "shop", "--json", data=data))["enabled"] is False
    record(data, "good")
    assert parsed(whence("traces", "--json", data=data)) == []
    assert "switched off: shop" in whence("doctor", data=data).stdout

    assert whence("projects", "enable", "shop", data=data).stdout == "shop: recorded, redacted text\n"
    assert parsed(whence("projects", "capture", "shop", "full", "--json", data=data))["capture"] == "full"
    record(data, "good")
    assert len(parsed(whence("traces", "--json", data=data))) == 1


def test_tail_follows_what_another_process_records(whence: Whence, tmp_path: Path) -> None:
    """New records appear while they are made; Ctrl-C is the normal end."""
    data = tmp_path / "data"
    record(data, "good")
    # Where SIGINT is ignored (nohup, a job in the background), a child inherits that: undo it in the child, not in whence.
    undone = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{undone}; import sys; from whence.cli import main; sys.exit(main(sys.argv[1:]))"
    with subprocess.Popen(
        [sys.executable, "-c", code, "tail", "--json", "--limit", "1"],
        env=environment(data),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tail:
        late = threading.Timer(30, tail.kill)  # so that a line that never comes is a failure and no standstill
        late.start()
        try:
            assert tail.stdout is not None
            first = json.loads(tail.stdout.readline())
            record(data, "killed")
            second = json.loads(tail.stdout.readline())
            assert second["kind"] == "trace.start"
            assert second["payload"]["query"] == "What is in the box?"
            assert second["record_id"] != first["record_id"]
            tail.send_signal(signal.SIGINT)
            _, said = tail.communicate(timeout=20)
        finally:
            late.cancel()
            tail.kill()
    assert tail.returncode == 0, said


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_hostile_text_is_inert_on_a_terminal(
    call: Ask, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """With colours on, the only escapes are our own styles: no title, no link, no direction mark, no markup."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, shown, _ = call(*words)

    assert "\x1b[" in shown or words[0] == "drain"
    assert not DANGEROUS.search(STYLES.sub("", shown))
    assert "\x1b]" not in shown


def test_hostile_text_is_readable(call: Ask, ask: Ask) -> None:
    """What is left is the text, with markup as it was typed; JSON keeps all of it, escaped."""
    rows = ask("traces", "--intent", "nothing")
    assert rows == []
    rows = ask("traces")
    name = next(row["trace_id"] for row in rows if "gnp.exe" in (row["query"] or ""))
    shown = call("show", name)[1]

    assert "red link" in shown
    assert "[bold]markup[/bold]" in shown
    raw = call("show", name, "--json")[1]
    assert not DANGEROUS.search(raw)
    assert "\u202e" in json.loads(raw)["run"]["query"]


def test_colours_on_a_terminal_only_and_never_with_no_color(call: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR wins over everything."""
    assert "\x1b" not in call("why", "last")[1]

    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in call("why", "last")[1]

    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in call("why", "last")[1]


def test_a_reader_that_leaves_is_no_error(recorded: Path) -> None:
    """`whence … | head -1` ends quietly."""
    done = subprocess.run(
        f"'{sys.executable}' -m whence show last --full | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env=environment(recorded),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_version_and_completion_are_quick(call: Ask) -> None:
    """`whence version` loads nothing it does not use."""
    code = (
        "import sys; from whence.cli import main; main(['version']); "
        "print(*[m for m in ('cyclopts', 'rich', 'msgspec', 'apsw') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert re.fullmatch(r"whence \S+\n\n", done.stdout)

    for shell, sign in (("bash", "complete "), ("zsh", "#compdef"), ("fish", "complete -c whence")):
        assert sign in call("completion", "show", shell)[1]


def test_demo_makes_three_runs_and_explains_the_worst(whence: Whence, tmp_path: Path) -> None:
    """One that passes, one that is killed, one that fails the gate: recorded, listed, explained."""
    began = time.monotonic()
    done = whence("demo", data=tmp_path / "demo", timeout_s=120)

    assert done.returncode == 0, done.stderr
    assert [line[0] for line in done.stdout.splitlines() if line[:1] in ("✓", "✗", "◌")] == ["✗", "◌", "✓", "✗"]
    assert "the quality gate failed" in done.stdout
    assert "the retry made it worse" in done.stdout  # whatever else is installed beside whence
    steps = [shlex.split(line[3:]) for line in done.stdout.splitlines() if line.startswith("  $ ")]
    assert len(steps) == 4
    for step in steps:  # they work as they are printed, whatever is on the PATH
        assert Path(shutil.which(step[0]) or "").resolve() == Path(sys.executable).with_name("whence").resolve()
        assert subprocess.run(step, capture_output=True, timeout=60, check=False).returncode == 0, step
    assert time.monotonic() - began < 60
    assert os.listdir(tmp_path / "demo" / "reports")
