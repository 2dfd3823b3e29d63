"""`whence doctor`, `drain`, `db`: is it well, and what keeps it so."""

import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter
from rich.text import Text

from whence.cli import reading, render
from whence.cli.options import Json
from whence.errors import BadInput, NotFound, StoreBusy, StoreUnreachable
from whence.runtime.runtime import runtime


def doctor(
    *,
    thorough: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    json: Json = False,
) -> int:
    """Check the whole road from a recording call to the store, and say what is wrong and how to mend it.

    Sends a record of its own down the road. Exit code 0: healthy; 1: problems found.

    Args:
        thorough: Have the database read through for damage too.
    """
    from whence.runtime.doctor import examine, healthy

    with render.progress("draining the spool") as tick:
        checks = examine(thorough=thorough, progress=tick)
    if json:
        found = [{**msgspec.structs.asdict(each), "severity": each.severity.label} for each in checks]
        render.as_json({"healthy": healthy(checks), "checks": found})
    else:
        from whence.cli.render_doctor import report

        render.show(report(checks))
    return 0 if healthy(checks) else 1


def drain(*, json: Json = False) -> None:
    """Move what lies in the spool into the store now."""
    with render.progress("draining the spool") as tick:
        done = runtime().drain(progress=tick)
    if json:
        render.as_json(msgspec.to_builtins(done))
    elif not done.busy:
        words = [f"{render.many(done.stored, 'record')} stored"]
        words += [render.many(done.contents, "text")] if done.contents else []
        words += [render.many(done.vectors, "vector")] if done.vectors else []
        words += [f"{done.duplicates} already there"] if done.duplicates else []
        words += [f"{done.derived} derived"] if done.derived else []
        words += (
            [f"{render.many(done.lost_owners, 'run')} of lost processes marked incomplete"] if done.lost_owners else []
        )
        words += [f"{render.many(done.quarantined, 'unreadable record')} put aside"] if done.quarantined else []
        words += [f"{render.size(done.skipped_bytes)} damaged"] if done.skipped_bytes else []
        render.show(Text(", ".join(words)))
    if done.busy:
        raise StoreBusy("another process is draining this spool; wait for it, or try again")


db = App(name="db", help="Care for the store: figures, schema, backup, room.")


@db.command
def stats(*, json: Json = False) -> None:
    """Show how much is stored."""
    store = reading.ready()
    found = {"path": str(runtime().settings.database), **store.stats()}
    if json:
        render.as_json(found)
        return
    rows = [(_LABELS.get(name, name.replace("_", " ")), _figure(name, value)) for name, value in found.items()]
    render.show(render.pairs([(name, render.text(value)) for name, value in rows]))


_LABELS = {"last_ts_ns": "last arrived", "bytes": "size"}


def _figure(name: str, value: Any) -> str:
    if name == "bytes":
        return render.size(value)
    if name == "last_ts_ns":
        return f"{render.moment(value)} UTC" if value is not None else "–"
    return f"{value:,}" if isinstance(value, int) else str(value)


@db.command
def migrate(*, json: Json = False) -> None:
    """Bring the store's schema up to this version of whence; the other commands that write do so as well."""
    store = runtime().store()
    found = {"path": str(runtime().settings.database), "schema_version": store.stats().get("schema_version")}
    if json:
        render.as_json(found)
    else:
        render.show(render.text(f"{found['path']} has schema {found['schema_version']}, the newest this whence knows"))


@db.command
def backup(dest: Path, /, *, json: Json = False) -> None:
    """Copy the store to a new file while it is in use, with everything spooled drained into it.

    Args:
        dest: The new file.
    """
    dest = dest.expanduser().absolute()
    if os.path.lexists(dest):
        raise BadInput(f"{dest} exists already; name a new file for the backup")
    store = _sqlite()
    with render.progress("copying", unit="pages") as tick:
        store.backup(dest, progress=tick)
    _said(
        json, {"path": str(dest), "bytes": dest.stat().st_size}, f"copied to {dest}, {render.size(dest.stat().st_size)}"
    )


@db.command
def vacuum(*, json: Json = False) -> None:
    """Write the store's file anew, without the room that erased texts left."""
    store = _sqlite()
    before = store.stats()["bytes"]
    store.vacuum()
    after = store.stats()["bytes"]
    found = {"path": str(store.path), "bytes_before": before, "bytes": after}
    _said(json, found, f"{store.path}: {render.size(before)} before, {render.size(after)} now")


def _sqlite() -> Any:
    from whence.store.sqlite import SqliteStore

    store = reading.ready()
    if reading.nothing_there():
        raise NotFound(reading.empty(""))
    if not isinstance(store, SqliteStore):
        raise StoreUnreachable("this store is no SQLite file; its own tools make its backups")
    return store


def _said(json: bool, data: dict[str, Any], words: str) -> None:
    if json:
        render.as_json(data)
    else:
        render.show(render.text(words))
