"""Is recording well? Looks at settings, spool, store and documents, and sends a record down the whole road.

What it finds is told apart by what a person would do about it: nothing recorded yet, the store unreachable, records
still in the spool, records dropped (by reason), documents lost, clocks that disagree. It changes nothing but that it
drains, as every question does, and leaves one record of the project `whence-doctor`: an event outside any trace, so
that `last`, lists and averages stay as they were.
"""

import errno
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from whence.collect import segments as spool
from whence.collect.drainer import Cursor, read_ledger
from whence.errors import BadFrame, WhenceError
from whence.model import payload as shape
from whence.model import record as kinds
from whence.model.filters import RecordFilter, TraceFilter
from whence.model.severity import Severity
from whence.model.trace import COMPLETE, FAILED, INCOMPLETE
from whence.query.document import document_problem
from whence.record.recorder import place
from whence.runtime import runtime as runtimes
from whence.runtime import settings as settings_module
from whence.wire import frames

if TYPE_CHECKING:
    from whence.collect.drainer import Drained
    from whence.runtime.runtime import Runtime
    from whence.store.interface import Store

PROJECT = "whence-doctor"
DELIBERATE = ("rate_limited", "sampled_out")
"""Reasons of what a program has asked to leave out (`whence.generation.observable`)."""
DOCUMENTS_LOOKED_AT = 200
SKEW_NS = 5_000_000_000
LEAST_FREE_BYTES = 256 * 1024 * 1024
_NS = 1_000_000_000
_ABOUT = 3  # examples named in a message
_json = msgspec.json.encode
T = TypeVar("T")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    ok: bool
    checked: bool = True  # False: it could not be looked at, for a reason that another check names; then it is not ok
    severity: Severity = Severity.INFO  # how bad it is, when it is not ok
    message: str
    remedy: str = ""
    details: dict[str, Any] = {}


def healthy(checks: Sequence[Check]) -> bool:
    """Return whether nothing needs mending."""
    return all(check.ok for check in checks)


def examine(*, thorough: bool = False, progress: Callable[[int, int], None] | None = None) -> list[Check]:
    """Return what was looked at, in the order of the road; never raises for what it finds.

    Args:
        thorough: have the database read through for damage too, which takes as long as it is large.
        progress: called while the spool is drained, with (bytes done, bytes in all).
    """
    checks = _Examination(runtimes.runtime_or_default(), thorough, progress).checks()
    return [msgspec.structs.replace(each, severity=Severity.INFO) if each.ok else each for each in checks]


class _Examination:
    """One visit."""

    def __init__(self, runtime: "Runtime", thorough: bool, progress: Callable[[int, int], None] | None) -> None:
        self.runtime = runtime
        self.settings = runtime.settings
        self.thorough = thorough
        self.progress = progress
        self.store: Store | None = None
        self.store_problem = ""
        self.store_damaged = False
        self.spool_problem = ""
        self.settings_problem = ""

    def checks(self) -> Iterator[Check]:
        try:
            self.store = self.runtime.store()
        except (WhenceError, OSError) as exc:
            self._store_failed(exc)
        self.spool_problem = _unreadable(self.settings.spool)
        waiting: dict[str, int] = _or({}, self._waiting)
        ahead: dict[str, float] = _or({}, self._files_ahead)
        dropped = self.runtime.recorder.drops.snapshot()  # before the probe: a probe that fails has its own check
        probe = self._looked("road", self._probe)  # drains: what follows speaks of the state after that
        yield self._looked("settings", self._settings)
        yield self._looked("recording", self._recording)
        yield self._looked("spool", self._spool)
        yield self._looked("disk", self._disk)
        yield self._looked("store", self._store)
        yield probe
        yield self._of_spool("backlog", lambda: self._backlog(waiting))
        yield self._of_spool("drops", lambda: self._drops(dropped))
        yield self._of_spool("damage", self._damage)
        for name, look in (("records", self._records), ("documents", self._documents)):
            store = self.store
            if store is None:
                yield _not_checked(name, "the store cannot be read")
            else:
                yield self._looked(name, partial(look, store))
        yield self._of_spool("clock", lambda: self._clock(ahead))
        yield self._looked("internal errors", self._internal_errors)

    def _looked(self, name: str, look: Callable[[], Check]) -> Check:
        """Return what a look gave; what stands in its way is a problem too, and no reason to stop."""
        try:
            return look()
        except OSError as exc:
            return _blocked(name, exc)
        except WhenceError as exc:
            return Check(name=name, ok=False, severity=Severity.HIGH, message=str(exc))

    def _of_spool(self, name: str, look: Callable[[], Check]) -> Check:
        """As `_looked`, for what cannot be known without reading the spool."""
        if self.spool_problem:
            return _not_checked(name, f"the spool cannot be read: {self.spool_problem}")
        return self._looked(name, look)

    def _store_failed(self, exc: BaseException) -> None:
        self.store_problem = _reason(exc)
        self.store_damaged = type(exc.__cause__).__name__ in ("NotADBError", "CorruptError")

    # -- settings ---------------------------------------------------------------------------------------------------

    def _settings(self) -> Check:
        try:
            settings_module.load()
        except WhenceError as exc:
            self.settings_problem = str(exc)
            return Check(
                name="settings",
                ok=False,
                severity=Severity.HIGH,
                message=self.settings_problem,
                remedy="mend it; until then recording goes on with defaults",
            )
        return Check(
            name="settings",
            ok=True,
            message=f"data in {self.settings.data}",
            details={"data": str(self.settings.data), "documents": str(self.settings.documents)},
        )

    def _recording(self) -> Check:
        said = {**self.settings.projects, **self.settings.written}
        off = sorted(name for name, project in said.items() if not project.enabled)
        if not self.settings.enabled:
            return Check(
                name="recording",
                ok=False,
                severity=Severity.MEDIUM,
                message="switched off for everything (enabled = false)",
                remedy="unset WHENCE_ENABLED, or remove `enabled` from whence.toml",
            )
        return Check(
            name="recording",
            ok=True,
            message=("on" if self.settings_problem == "" else "on, with defaults")
            + (f", except for {_many(len(off), 'project')} switched off: {_some(off)}" if off else ""),
            remedy=f"`whence projects enable {off[0]}` switches one on again" if off else "",
            details={"projects_off": off},
        )

    # -- the spool ----------------------------------------------------------------------------------------------------

    def _spool(self) -> Check:
        directory = self.settings.spool
        state = self.runtime.recorder.spool.state
        if state != "open":
            return Check(
                name="spool",
                ok=False,
                severity=Severity.CRITICAL,
                message=f"cannot be written, so nothing can be recorded: {state}",
                remedy=f"make {directory} a directory that this user can write, on a disk with room",
                details={"directory": str(directory), "state": state},
            )
        if self.spool_problem:
            return Check(
                name="spool",
                ok=False,
                severity=Severity.HIGH,
                message=f"written, but cannot be read: {self.spool_problem}",
                remedy=f"make {directory} a directory that this user can read and write",
                details={"directory": str(directory)},
            )
        broken = {
            live.writer: live.state
            for path in directory.glob("*.live")
            if spool.locked(path)
            and (live := spool.read_live(path)) is not None
            and live.state not in ("open", "not opened")
        }
        if broken:
            return Check(
                name="spool",
                ok=False,
                severity=Severity.HIGH,
                message=f"{_many(len(broken), 'process')} cannot write: {_some(sorted(set(broken.values())))}",
                remedy="mend the cause; they try again every second",
                details={"writers": broken},
            )
        used = sum(each.bytes for each in spool.segments(directory))
        share = used / self.settings.spool_max_bytes
        return Check(
            name="spool",
            ok=share < 0.8,
            severity=Severity.HIGH,
            message=f"writable, {_bytes(used)} of {_bytes(self.settings.spool_max_bytes)} used",
            remedy="" if share < 0.8 else "`whence drain`, or raise spool_max_bytes: records are being left out",
            details={"directory": str(directory), "bytes": used},
        )

    def _disk(self) -> Check:
        place_ = _existing(self.settings.data)
        free = shutil.disk_usage(place_).free
        return Check(
            name="disk",
            ok=free >= LEAST_FREE_BYTES,
            severity=Severity.HIGH,
            message=f"{_bytes(free)} free",
            remedy="" if free >= LEAST_FREE_BYTES else f"free some room below {place_}, or move WHENCE_DATA",
            details={"free_bytes": free},
        )

    def _waiting(self) -> dict[str, int]:
        """Return the bytes that are not drained yet, by writer, our own left out."""
        found: dict[str, int] = {}
        for segment in spool.segments(self.settings.spool):
            if segment.writer == self.runtime.recorder.writer:
                continue
            try:
                raw = (self.settings.spool / f"{segment.writer}.cursor").read_bytes()
                done = msgspec.json.decode(raw, type=Cursor).offsets.get(str(segment.number), 0)
            except (OSError, msgspec.MsgspecError):
                done = _header_bytes(segment.path)
            if segment.bytes > done:
                found[segment.writer] = found.get(segment.writer, 0) + segment.bytes - done
        return found

    def _backlog(self, before: dict[str, int]) -> Check:
        had, left = sum(before.values()), sum(self._waiting().values())
        details = {"before_bytes": had, "left_bytes": left}
        if left and self.store is None:
            return Check(
                name="backlog",
                ok=False,
                severity=Severity.HIGH,
                message=f"the spool is not drained: {_bytes(left)} wait, and the store cannot take them",
                remedy="nothing is lost; mend the store, then `whence drain`",
                details=details,
            )
        if left:
            return Check(
                name="backlog",
                ok=False,
                severity=Severity.MEDIUM,
                message=f"the spool is not drained: {_bytes(left)} wait",
                remedy="`whence drain`; if that says busy, another process is at it",
                details=details,
            )
        if self.store is None:
            return _not_checked("backlog", "the store cannot be read")
        message = f"{_bytes(had)} were waiting and are stored now" if had else "nothing waits in the spool"
        return Check(name="backlog", ok=True, message=message, details=details)

    def _drops(self, own_drops: dict[str, dict[str, int]]) -> Check:
        accounts = self.settings.spool / "ledger.json"
        if accounts.exists() and not os.access(accounts, os.R_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(accounts))
        ledger = read_ledger(self.settings.spool)
        found: dict[str, dict[str, int]] = {reason: dict(classes) for reason, classes in ledger.dropped.items()}
        own = self.runtime.recorder.writer
        living = [own_drops]
        living += [
            live.dropped
            for path in self.settings.spool.glob("*.live")
            if path.stem != own and (live := spool.read_live(path)) is not None
        ]
        for dropped in living:
            for reason, classes in dropped.items():
                for name, count in classes.items():
                    of = found.setdefault(reason, {})
                    of[name] = of.get(name, 0) + count
        if ledger.unexplained:
            found["killed_while_dropping"] = {"unknown": ledger.unexplained}
        by_reason = {reason: sum(classes.values()) for reason, classes in found.items() if reason not in DELIBERATE}
        left_out = sum(sum(found[reason].values()) for reason in DELIBERATE if reason in found)
        total = sum(by_reason.values())
        details = {"dropped": found, "ledger": msgspec.to_builtins(ledger)}
        if not total:
            also = f"; {_many(left_out, 'call')} left out on purpose (max_per_s, sample)" if left_out else ""
            return Check(name="drops", ok=True, message=f"no record was dropped{also}", details=details)
        said = ", ".join(f"{reason} {count} ({_classes(found[reason])})" for reason, count in sorted(by_reason.items()))
        return Check(
            name="drops",
            ok=False,
            severity=Severity.HIGH,
            message=f"{_many(total, 'record')} dropped: {said}",
            remedy=f"{_REMEDIES.get(max(by_reason, key=lambda r: by_reason[r]), 'mend the cause')}; "
            f"to count anew, move {self.settings.spool / 'ledger.json'} away",
            details=details,
        )

    def _damage(self) -> Check:
        directory = self.settings.spool / "quarantine"
        files = sorted(directory.iterdir()) if directory.is_dir() else []
        stored = 0
        if self.store is not None:
            stored = int(_quietly(lambda: self.store.stats().get("quarantine", 0)) or 0)  # type: ignore[union-attr]
        details = {"segments": [file.name for file in files], "stored": stored}
        if not files and not stored and self.store is None:
            return _not_checked("damage", "nothing damaged in the spool; the store cannot be read")
        if not files and not stored:
            return Check(name="damage", ok=True, message="nothing damaged was found", details=details)
        words = [f"{_many(len(files), 'damaged segment')} in {directory}"] if files else []
        words += [f"{_many(stored, 'unreadable record')} in the store's quarantine"] if stored else []
        return Check(
            name="damage",
            ok=False,
            severity=Severity.MEDIUM,
            message="; ".join(words),
            remedy="all that could be read of them is stored; look at the disk, then delete them" if files else "",
            details=details,
        )

    # -- the store ------------------------------------------------------------------------------------------------------

    def _store(self) -> Check:
        if self.store is None:
            return self._unreachable(self.store_problem)
        try:
            stats = self.store.stats()
            wrong = self._integrity() if self.thorough else []
        except (WhenceError, OSError) as exc:
            self._store_failed(exc)
            return self._unreachable(self.store_problem)
        if wrong:
            return self._damaged(f"{self.settings.database} is damaged: {_some(wrong)}", {"integrity": wrong})
        sound = ", sound throughout" if self.thorough else ""
        return Check(name="store", ok=True, message=f"reachable, {_bytes(stats.get('bytes', 0))}{sound}", details=stats)

    def _damaged(self, problem: str, details: dict[str, Any]) -> Check:
        path = self.settings.database
        moved = path.with_name(f"{path.name}.damaged")
        moves = [f"`mv {shlex.quote(str(path))} {shlex.quote(str(moved))}`"]
        log = path.with_name(f"{path.name}-wal")
        if _or(0, lambda: log.stat().st_size):  # the newest of what was stored, which SQLite looks for under this name
            moves.append(f"`mv {shlex.quote(str(log))} {shlex.quote(f'{moved}-wal')}`")
        return Check(
            name="store",
            ok=False,
            severity=Severity.CRITICAL,
            message=f"{problem}. What was stored is in that file; new records are safe in the spool",
            remedy=f"stop the programs that record; {'; '.join(moves)}; `whence drain`",
            details=details,
        )

    def _unreachable(self, problem: str) -> Check:
        if self.store_damaged:
            # What the store proposes beside its reason is said here at length.
            said = problem.partition(";")[0]
            return self._damaged(said, {"database": str(self.settings.database)})
        return Check(
            name="store",
            ok=False,
            severity=Severity.CRITICAL,
            message=f"unreachable: {problem}",
            remedy="recording goes on into the spool and nothing is lost; mend the store, then `whence drain`"
            if self.runtime.recorder.spool.state == "open"
            else "mend the spool first, then the store",
            details={"database": str(self.settings.database)},
        )

    def _integrity(self) -> list[str]:
        from whence.store.sqlite import SqliteStore

        return self.store.integrity() if isinstance(self.store, SqliteStore) else []

    def _probe(self) -> Check:
        """Send a record down the road, read it back by its id, and say how long each step took."""
        took: dict[str, float] = {}

        def timed(step: str, action: Callable[[], Any]) -> Any:
            began = time.perf_counter()
            try:
                return action()
            finally:
                took[step] = round((time.perf_counter() - began) * 1000, 3)

        recorder = self.runtime.recorder
        where = place("", "", "", _json(""), _json(PROJECT))
        message = shape.Event("a record that the doctor sent down the road")
        record_id = timed("record_ms", lambda: recorder.emit(kinds.EVENT, "probe", where, message, recorder.now_ns()))
        if record_id is None:
            return _lost("it could not be written to the spool", took, Severity.CRITICAL)
        if self.store is None:
            return _lost("it lies in the spool; the store cannot be reached", took, Severity.HIGH)
        store = self.store
        try:
            drained: Drained = timed("drain_ms", lambda: self.runtime.drain(progress=self.progress))
            found = timed("read_ms", lambda: store.record(record_id))
        except (WhenceError, OSError) as exc:
            return _lost(_reason(exc), took, Severity.HIGH)
        except Exception as exc:  # noqa: BLE001 - a doctor who faints tells nobody what is wrong
            problem = f"the drain failed (a bug in whence; please report it): {type(exc).__name__}: {exc}"
            return _lost(problem, took, Severity.CRITICAL)
        if found is None and drained.busy:
            return _lost("another process has been draining all the while; try again", took, Severity.LOW)
        if found is None or found.project != PROJECT:
            return _lost("it was drained, yet cannot be read back (a bug in whence)", took, Severity.CRITICAL)
        steps = " → ".join(f"{name} {took[key]:.1f} ms" for name, key in _STEPS)
        return Check(
            name="road", ok=True, message=f"a record came through: {steps}", details={"record_id": record_id, **took}
        )

    def _records(self, store: "Store") -> Check:
        runs = _quietly(lambda: store.totals().total_runs)
        if runs is None:
            return _not_checked("records", "the store's totals cannot be read")
        if not runs:
            return Check(
                name="records",
                ok=True,
                message="the store works and holds no run yet",
                remedy="run a pipeline that records with the same WHENCE_DATA, or `whence demo`",
                details={"runs": 0},
            )
        newest = next(iter(store.traces(TraceFilter(), limit=1).items), None)
        last = f", the newest began {newest.started_at[:19].replace('T', ' ')} UTC" if newest is not None else ""
        return Check(name="records", ok=True, message=f"{_many(runs, 'run')}{last}", details={"runs": runs})

    def _documents(self, store: "Store") -> Check:
        try:
            rows = store.traces(TraceFilter(statuses=(COMPLETE, FAILED, INCOMPLETE)), limit=DOCUMENTS_LOOKED_AT).items
        except WhenceError as exc:
            return Check(name="documents", ok=False, severity=Severity.HIGH, message=str(exc))
        problems: dict[str, str] = {}
        for row in rows:
            if row.trace_file_path:
                problem = document_problem(row.trace_file_path)
            else:
                problem = f"not written: {row.document_error}" if row.document_error else "not written"
            if problem is not None:
                problems[row.trace_id] = problem
        if problems:
            trace, problem = next(iter(problems.items()))
            return Check(
                name="documents",
                ok=False,
                severity=Severity.MEDIUM,
                message=f"{len(problems)} of the newest {len(rows)} are missing or corrupt; {trace}: {problem}",
                remedy=f"nothing is lost: `whence show {trace} --json` makes it anew from the records",
                details={"looked_at": len(rows), "problems": problems},
            )
        place_ = _existing(self.settings.documents)
        if not place_.is_dir() or not os.access(place_, os.W_OK):
            return Check(
                name="documents",
                ok=False,
                severity=Severity.MEDIUM,
                message=f"{place_} cannot be written, so no document will be",
                remedy="make it a directory that this user can write, or set WHENCE_DOCUMENTS",
            )
        message = f"of the newest {_many(len(rows), 'run')} all are whole" if rows else "none is due yet"
        return Check(name="documents", ok=True, message=message, details={"looked_at": len(rows)})

    # -- clocks and ourselves -------------------------------------------------------------------------------------------

    def _files_ahead(self) -> dict[str, float]:
        """Return by how many seconds files of the spool are from the future."""
        now = time.time_ns()
        return {
            segment.path.name: round((segment.mtime_ns - now) / _NS, 1)
            for segment in spool.segments(self.settings.spool)
            if segment.mtime_ns > now + SKEW_NS
        }

    def _clock(self, ahead: dict[str, float]) -> Check:
        now = time.time_ns()
        if self.store is not None:
            store = self.store
            later = RecordFilter(since_ns=now + SKEW_NS)
            page = _quietly(lambda: store.records(later, limit=1, newest_first=True))
            for record in page.items if page is not None else ():
                ahead[f"record {record.record_id}"] = round((record.ts_ns - now) / _NS, 1)
        if not ahead:
            return Check(name="clock", ok=True, message="no record and no file is from the future")
        what, seconds = max(ahead.items(), key=lambda each: each[1])
        return Check(
            name="clock",
            ok=False,
            severity=Severity.MEDIUM,
            message=f"{what} is {seconds:,.0f} s ahead of this machine's clock",
            remedy="set the clocks of the recording machines and of this one by NTP; orders and durations across them are off",
            details={"ahead_s": ahead},
        )

    def _internal_errors(self) -> Check:
        errors = self.runtime.recorder.errors
        details = {"count": errors.count, "last": errors.last}
        # Broken settings are counted there too, and have their own check.
        if errors.count and not errors.last.startswith("settings:"):
            return Check(
                name="internal errors",
                ok=False,
                severity=Severity.MEDIUM,
                message=f"{errors.count} inside whence, the last one: {errors.last}",
                remedy="a bug in whence; please report it with this line",
                details=details,
            )
        return Check(name="internal errors", ok=True, message="none in this process", details=details)


_STEPS = (("spool", "record_ms"), ("drain", "drain_ms"), ("read back", "read_ms"))
_REMEDIES = {
    "spool_full": "drain more often, or raise spool_max_bytes",
    "disk_full": "free room on the disk",
    "io_error": "look at the disk and the permissions of the spool",
    "internal_error": "a bug in whence; please report it",
}


def _not_checked(name: str, why: str) -> Check:
    return Check(name=name, ok=False, checked=False, message=f"not checked: {why}")


def _blocked(name: str, exc: OSError) -> Check:
    return Check(
        name=name,
        ok=False,
        severity=Severity.HIGH,
        message=f"cannot be looked at: {_reason(exc)}",
        remedy="run the doctor as the user who records, or give this user the right to read and write there"
        if isinstance(exc, PermissionError)
        else "look at the disk",
    )


def _reason(exc: BaseException) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.strerror}: {exc.filename}" if exc.filename else exc.strerror
    return str(exc)


def _unreadable(directory: Path) -> str:
    """Return why a directory that is there cannot be read, or an empty string."""
    try:
        os.scandir(directory).close()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as exc:
        return _reason(exc)
    return ""


def _or(otherwise: T, ask: Callable[[], T]) -> T:
    """Return the answer, or something else where the system does not give it: the check of that place says why."""
    try:
        return ask()
    except OSError:
        return otherwise


def _lost(why: str, took: dict[str, float], severity: Severity) -> Check:
    return Check(
        name="road",
        ok=False,
        severity=severity,
        message=f"a record did not come through: {why}",
        remedy="see the checks beside this one; the first that fails is the cause",
        details=dict(took),
    )


def _quietly(ask: Callable[[], Any]) -> Any:
    """Return the answer, or None where the store cannot give it: the check of the store says why."""
    try:
        return ask()
    except (WhenceError, OSError):
        return None


def _header_bytes(path: Path) -> int:
    """Return how long a segment's header is: a segment with nothing else has nothing to drain."""
    try:
        with path.open("rb") as file:
            frame = frames.unpack(file.read(4096), 0)
    except (OSError, BadFrame):
        return 0
    return frame.end if frame is not None else 0


def _existing(path: Path) -> Path:
    """Return the path, or the nearest one above it that exists."""
    while path != path.parent:
        try:
            os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            path = path.parent
        else:
            break
    return path


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _ABOUT} more" if len(words) > _ABOUT else ""
    return ", ".join(words[:_ABOUT]) + more


def _many(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 'es' if noun.endswith('s') else 's'}"


def _classes(classes: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
