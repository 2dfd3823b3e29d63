"""The doctor tells one trouble from another, says what to do, and works when almost nothing else does."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.builders import encoded
from tests.cli.conftest import Whence, environment, parsed, record
from whence import tracing
from whence.collect.drainer import Ledger
from whence.model.filters import TraceFilter
from whence.runtime import runtime as runtime_module
from whence.runtime.doctor import Check, examine, healthy
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings


@pytest.fixture
def own(data: Path) -> Iterator[Runtime]:
    """A fresh runtime of this process, with one good run in it."""
    built = runtime_module.configure(Settings(data=data, documents=data))
    with tracing.traced_research(query="which?", project_name="shop") as trace:
        trace.record("intake", "intent", {"what": "exploring"})
    yield runtime_module.runtime()
    runtime_module.runtime().close()
    built.close()


def found() -> dict[str, Check]:
    """Return the checks by name."""
    return {check.name: check for check in examine()}


def problems() -> dict[str, Check]:
    """Return the checks that are not ok, by name; each has a remedy or says enough."""
    return {name: check for name, check in found().items() if not check.ok}


def test_a_healthy_road(own: Runtime) -> None:
    """A record goes down the whole road and is read back by its id; each step is timed."""
    checks = examine(thorough=True)

    assert healthy(checks), [check for check in checks if not check.ok]
    road = next(check for check in checks if check.name == "road")
    stored = own.store().record(road.details["record_id"])
    assert stored is not None
    assert stored.project == "whence-doctor"
    assert {"record_ms", "drain_ms", "read_ms"} <= set(road.details)


def test_the_doctor_is_no_run(own: Runtime) -> None:
    """What it records does not become the newest run, nor count in any average."""
    examine()

    assert own.store().totals().total_runs == 1


def test_no_records_yet(data: Path) -> None:
    """An empty store is well; the doctor says how to begin."""
    runtime_module.configure(Settings(data=data, documents=data))
    checks = found()

    assert checks["records"].ok
    assert "no run yet" in checks["records"].message
    assert "whence demo" in checks["records"].remedy


def test_a_store_that_is_no_database(own: Runtime, data: Path) -> None:
    """Unreachable, and the probe lies in the spool: not drained, not lost."""
    own.close()
    for path in data.glob("whence.db*"):
        path.unlink()
    (data / "whence.db").write_bytes(b"no database at all" * 200)
    record(data, "good")
    runtime_module.configure(Settings(data=data, documents=data))
    wrong = problems()

    assert {"store", "road", "backlog"} <= set(wrong)
    assert "no SQLite database" in wrong["store"].message
    assert "nothing is lost" in wrong["backlog"].remedy
    assert wrong["backlog"].details["left_bytes"] > 0


def test_a_damaged_store_is_put_aside_by_what_the_doctor_says(own: Runtime, data: Path, whence: Whence) -> None:
    """The commands of the remedy, as they are printed: nothing new is lost, and the old file is kept."""
    own.close()
    for path in data.glob("whence.db-*"):
        path.unlink()
    (data / "whence.db").write_bytes(os.urandom(9000))
    record(data, "good")
    done = whence("doctor", data=data)

    said = " ".join(done.stdout.split())
    assert done.returncode == 1
    assert "What was stored is in that file; new records are safe in the spool" in said
    assert "– records not checked: the store cannot be read" in said
    assert "✓ records" not in said
    moves = re.findall(r"`(mv [^`]*)`", done.stdout)
    assert moves[0] == f"mv {data}/whence.db {data}/whence.db.damaged"
    for move in moves:
        subprocess.run(move, shell=True, check=True)
    assert whence("drain", data=data).returncode == 0
    assert "Which plan fits a family?" in whence("traces", data=data, COLUMNS="120").stdout


@pytest.mark.parametrize("what", ["", "spool", "whence.db"])
def test_a_data_directory_of_somebody_else(own: Runtime, data: Path, what: str) -> None:
    """Nothing is called well that could not be looked at, and nothing crashes."""
    own.close()
    examine()  # loads whatever another user might not be allowed to load
    runtime_module.runtime().close()
    runtime_module.use(None)
    (data / what).chmod(0)
    try:
        with _nobody():
            checks = {check.name: check for check in examine()}
            runtime_module.runtime_or_default().close()
    finally:
        (data / what).chmod(0o700)

    wrong = {name for name, check in checks.items() if not check.ok}
    assert {"store", "road"} <= wrong
    assert {"records", "documents"} <= {name for name, check in checks.items() if not check.checked}
    if what != "whence.db":
        assert {"spool", "drops", "backlog", "damage"} <= wrong
    assert not any("bug" in check.message for check in checks.values())


@contextmanager
def _nobody() -> Iterator[None]:
    """Whom permissions bind, even where the tests are run by root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_spool_that_cannot_be_written(data: Path) -> None:
    """Here: because something else is in its place."""
    data.mkdir()
    (data / "spool").write_text("in the way")
    runtime_module.configure(Settings(data=data, documents=data))
    wrong = problems()

    assert str(data / "spool") in wrong["spool"].remedy
    assert "could not be written to the spool" in wrong["road"].message
    assert "drops" not in wrong


def test_drops_by_reason(own: Runtime) -> None:
    """Of writers that are gone, from the ledger."""
    ledger = Ledger(writers=2, emitted=20, drained=15, dropped={"disk_full": {"vital": 1, "text": 3}}, unexplained=1)
    (own.settings.spool / "ledger.json").write_bytes(msgspec.json.encode(ledger))
    check = problems()["drops"]

    assert "5 records dropped" in check.message
    assert "disk_full 4 (3 text, 1 vital)" in check.message
    assert "free room" in check.remedy


def test_documents_missing_or_corrupt(own: Runtime) -> None:
    """Each is named, with the way to make it anew."""
    row = own.store().traces(TraceFilter()).items[0]
    path = Path(row.trace_file_path or "")
    path.write_bytes(path.read_bytes()[:40])
    assert f"{row.trace_id}: corrupt" in problems()["documents"].message

    path.unlink()
    check = problems()["documents"]
    assert f"{row.trace_id}: missing" in check.message
    assert f"whence show {row.trace_id} --json" in check.remedy


def test_damaged_segments(own: Runtime) -> None:
    """What the drainer put aside is named."""
    quarantine = own.settings.spool / "quarantine"
    quarantine.mkdir()
    (quarantine / "0123456789abcdef-000001.seg").write_bytes(b"?")

    assert "1 damaged segment in" in problems()["damage"].message


def test_clock_skew(own: Runtime) -> None:
    """A record from the future, and a segment file from the future."""
    ahead = time.time_ns() + 3_600_000_000_000
    own.store().accept([encoded(1, ts_ns=ahead)])
    check = problems()["clock"]
    assert "3,600 s ahead" in check.message or "3,599 s ahead" in check.message
    assert "NTP" in check.remedy

    segment = own.settings.spool / "0123456789abcdef-000001.seg"
    segment.write_bytes(b"")
    os.utime(segment, ns=(ahead, ahead + 7_200_000_000_000))
    assert segment.name in problems()["clock"].message


def test_settings_and_switches(own: Runtime, data: Path, whence: Whence) -> None:
    """A file that cannot be read is a problem, a project switched off is a fact."""
    (data / "whence.toml").write_text("colour = 'red'\n")
    done = whence("doctor", "--json", data=data)
    report = json.loads(done.stdout)
    wrong = [check["name"] for check in report["checks"] if not check["ok"]]
    assert (done.returncode, report["healthy"], wrong) == (1, False, ["settings"])

    (data / "whence.toml").write_text("enabled = false\n[projects.shop]\nenabled = false\n")
    done = whence("doctor", data=data)
    assert done.returncode == 1
    assert "switched off for everything" in done.stdout


def test_internal_errors(own: Runtime) -> None:
    """Our own mistakes are shown, not hidden."""
    own.recorder.errors.add("emit", ValueError("secret"))
    check = problems()["internal errors"]

    assert "emit: ValueError" in check.message
    assert "secret" not in check.message


def test_a_drain_with_a_bug(own: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even then the doctor goes on, and names it."""

    def broken(*args: object, **kwargs: object) -> None:
        raise TypeError("poison")

    monkeypatch.setattr(own, "drain", broken)

    assert "TypeError: poison" in problems()["road"].message


def test_what_a_program_leaves_out_on_purpose_is_no_trouble(whence: Whence, tmp_path: Path) -> None:
    data = tmp_path / "data"
    program = """
import whence
from whence.generation import observable

@observable("tick", max_per_s=1)
def tick(): pass

with whence.trace(project="loop"):
    for _ in range(500):
        tick()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(data), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    drops = next(each for each in parsed(whence("doctor", "--json", data=data))["checks"] if each["name"] == "drops")
    assert drops["ok"]
    assert drops["details"]["dropped"]["rate_limited"]["structure"] >= 400
    assert "left out on purpose" in drops["message"]
