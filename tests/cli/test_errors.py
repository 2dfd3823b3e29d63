"""What is wrong is said in one line: what was given, what is accepted, what to do; the exit code says which kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Whence


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (("traces", "--limit", "0"), 2, "limit 0; accepted: 1 to 10000"),
        (("traces", "--limit", "many"), 2, 'unable to convert "many" into int'),
        (("traces", "--since", "fortnight"), 2, "'fortnight' is not understood; accepted: 15m, 1h"),
        (("traces", "--status", "odd"), 2, "accepted: in_progress, complete, incomplete, failed"),
        (("traces", "--gate", "maybe"), 2, 'Choose from: "passed", "failed"'),
        (("traces", "--cursor", "xx"), 2, "'xx' is no cursor"),
        (("traces", "--colour"), 2, "Unknown option: --colour"),
        (("traces", "extra"), 2, "'extra' is not accepted here; see `whence traces --help`"),
        (("show", "nothing-like-this"), 3, "no trace 'nothing-like-this'; `whence traces` lists them"),
        (("show", "trc_"), 3, "could be any of"),
        (("show",), 2, "TRACE requires an argument"),
        (("why", "nothing-like-this"), 3, "no trace 'nothing-like-this'"),
        (("compare", "last"), 2, "B requires an argument"),
        (("search",), 2, "nothing to search for"),
        (("decisions", "--where", "foo"), 2, "write PATH OP VALUE"),
        (("tail", "--once", "--limit", "-1"), 2, "limit -1; accepted: 1 to 10000"),
        (("traces", "--below", "2"), 2, "without --principle"),
        (("traces", "--principle", "META-1"), 2, "without --below"),
        (("tail", "--once", "--kind", "bogus"), 2, "kind 'bogus'; accepted: trace.start, trace.end"),
        (("decisions", "--where", "confidence<abc"), 2, "abc is no number"),
        (("decisions", "--where", "inputs.words<null"), 2, "null is neither more nor less"),
        (("decisions", "--where", "what~"), 2, "looks for nothing"),
        (("show", "780"), 3, "give at least four characters"),
        (("db", "backup", "/dev/null"), 2, "/dev/null exists already"),
        (("projects", "capture", "shop", "some"), 2, "accepted: hash, preview, redacted, full"),
        (("projects", "frob"), 2, "'frob' is not accepted here"),
        (("db", "frob"), 2, "Accepted: stats, migrate, backup, vacuum"),
        (("frobnicate",), 2, "Accepted: traces, show, decisions"),
        (("trases",), 2, 'Did you mean "traces"?'),
        (("completion", "show", "tcsh"), 2, '"bash", "zsh", "fish"'),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
def test_wrong_input_is_one_line(call: Callable[..., Any], words: tuple[str, ...], code: int, expected: str) -> None:
    """Nothing on stdout, one line on stderr, and the exit code of its kind."""
    got, out, err = call(*words)

    assert (got, out) == (code, "")
    assert err.startswith("whence: ")
    assert err.count("\n") == 1
    assert expected in err


def test_a_store_that_is_no_database(whence: Whence, tmp_path: Path) -> None:
    """Exit code 4, and what to do."""
    (tmp_path / "whence.db").write_bytes(b"this is no database, whatever its name says" * 100)
    done = whence("traces", data=tmp_path)

    assert (done.returncode, done.stdout) == (4, "")
    assert "no SQLite database" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_data_directory_that_is_a_file(whence: Whence, tmp_path: Path) -> None:
    """It cannot be used, and says why."""
    place = tmp_path / "file"
    place.write_text("not a directory")
    done = whence("traces", "--data", str(place))

    assert (done.returncode, done.stdout) == (4, "")
    assert str(place) in done.stderr
    assert done.stderr.count("\n") == 1


def test_settings_that_cannot_be_read(whence: Whence, tmp_path: Path) -> None:
    """Commands refuse; the message names file and reason."""
    (tmp_path / "whence.toml").write_text("capture = 'loud'\n")
    done = whence("traces", data=tmp_path)

    assert done.returncode == 2
    assert "whence.toml" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_empty_store_says_how_to_begin(whence: Whence, tmp_path: Path) -> None:
    """No runs is no error."""
    done = whence("traces", data=tmp_path / "new")
    assert (done.returncode, done.stdout) == (0, "")
    assert "whence demo" in done.stderr
    assert str(tmp_path / "new") in done.stderr

    done = whence("why", data=tmp_path / "new")
    assert done.returncode == 3


def test_a_bug_is_one_line_and_its_place_with_debug(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 70; `--debug` adds the traceback."""
    from whence import query

    def broken(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("oh\nno \x1b[31m")

    monkeypatch.setattr(query, "traces", broken)

    assert call("traces") == (70, "", "whence: internal error: ZeroDivisionError: oh no (a bug; --debug shows where)\n")
    code, _, err = call("traces", "--debug")
    assert code == 70
    assert "Traceback" in err


def test_ctrl_c_is_130(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As shells expect."""
    from whence import query

    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(query, "traces", interrupted)

    assert call("traces") == (130, "", "")


def test_help_tells_the_exit_codes_and_every_command(call: Callable[..., Any]) -> None:
    """`whence` alone is `whence --help`."""
    code, out, _ = call("--help")

    assert code == 0
    for word in ("traces", "why", "doctor", "demo", "--data", "Exit codes: 0 ok", "130 interrupted"):
        assert word in out
    assert call()[1] == out
    code, out, _ = call("decisions", "--help")
    assert code == 0
    assert "--where" in out
