"""`whence export`, `import`: runs out of this store, and into it."""

import gzip
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import IO, Annotated, Any, Literal, cast

import msgspec
from cyclopts import Parameter

from whence import query
from whence.cli import reading, render
from whence.cli.options import Json, Project, Since, Until
from whence.errors import BadInput, NotFound, StoreUnreachable
from whence.files import whole_file
from whence.model.filters import RecordFilter, TraceFilter
from whence.query import exporting
from whence.runtime.runtime import Runtime, generator, runtime
from whence.store.interface import Store

FOLLOW_S = 1.0
_STDIO = "-"


def export(
    *traces: Annotated[str, Parameter(help="Runs (name, unique part, `last`); without any, all that match.")],
    output: Annotated[
        str, Parameter(name=("--output", "-o"), help="A file (.gz is compressed), or - for stdout.")
    ] = _STDIO,
    format: Annotated[
        Literal["jsonl", "otlp"] | None,
        Parameter(help="jsonl (unless told otherwise): records, to be imported again; otlp: OTLP JSON."),
    ] = None,
    to: Annotated[str | None, Parameter(help="Send by OTLP/HTTP to this address: http://localhost:4318.")] = None,
    follow: Annotated[bool, Parameter(negative="", show_default=False)] = False,
    project: Project = None,
    since: Since = None,
    until: Until = None,
    json: Json = False,
) -> None:
    """Write runs to a file, as JSON lines or OTLP JSON, or send them to a backend that speaks OpenTelemetry.

    Args:
        follow: With --to: go on, and send every run as it ends, until interrupted.
    """
    store = reading.ready()
    since_ns, until_ns = reading.window(since, until)
    where = TraceFilter(project=project, since_ns=since_ns, until_ns=until_ns)
    chosen = [query.find(each, store=store).id for each in traces]
    if to is not None and (output != _STDIO or format is not None):
        raise BadInput("--to sends; it goes with neither --output nor --format, which write a file")
    if to is not None:
        _send(store, to, chosen, where, follow=follow, json=json)
        return
    if follow:
        raise BadInput("--follow without --to; say where to send: --to http://localhost:4318")
    if format == "otlp":
        lines: Iterable[bytes] = _otlp_lines(store, chosen or exporting.matching(store, where))
    elif chosen or where != TraceFilter():
        picked = chosen or list(exporting.matching(store, where))
        if not picked:
            raise NotFound(reading.empty("no run matches"))
        lines = exporting.json_lines(store, RecordFilter(), generator=generator(), traces=picked)
    else:
        lines = exporting.json_lines(store, RecordFilter(), generator=generator())
    total = int(store.stats().get("records", 0))
    written = 0
    with _written(output) as out, render.progress("exporting", unit="records") as tick:
        for line in lines:
            out.write(line)
            written += 1
            if written % 1000 == 0:
                tick(written, max(total, written))
    if json and output != _STDIO:
        render.as_json({"file": output, "lines": written})
    elif output != _STDIO:
        render.note(f"whence: {render.many(written, 'line')} in {output}")


def _otlp_lines(store: Store, traces: Iterable[str]) -> Iterator[bytes]:
    """Yield a line per request, as the collector's file exporter writes them: spans of a trace, then its logs."""
    from whence.wire.otlp import otlp_json

    for trace in traces:
        for out in exporting.opentelemetry(store, [trace]):
            if out.spans:
                yield otlp_json.encode(out.spans) + b"\n"
            if out.logs:
                yield otlp_json.encode(out.logs) + b"\n"


@contextmanager
def _written(output: str) -> Iterator[IO[bytes]]:
    """Yield the file to write to; one that could not be written whole is taken away again."""
    if output == _STDIO:
        yield sys.stdout.buffer
        return
    path = Path(os.path.realpath(output))  # a link stays one: what it leads to is written
    try:
        if path.exists() and not path.is_file():  # a pipe, a device: nothing to be replaced
            with path.open("wb") as stream:
                yield stream
            return
        with whole_file(path) as raw:
            if path.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3) as packed:
                    yield packed  # type: ignore[misc]
            else:
                yield raw
    except OSError as exc:
        raise StoreUnreachable(f"{output} cannot be written: {exc.strerror or exc}") from None


def _send(store: Store, to: str, chosen: list[str], where: TraceFilter, *, follow: bool, json: bool) -> None:
    import logging

    from whence.instrument import exporting as out

    for chatty in ("opentelemetry", "urllib3"):  # what went wrong is said once, at the end
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    spans, logs = out.http_exporters(to)
    sent: dict[str, None] = {}
    told = {"traces": 0, "spans": 0, "logs": 0}

    def deliver(traces: Iterable[str]) -> None:
        for trace in traces:
            made, logged = out.hand_over(exporting.opentelemetry(store, [trace]), spans, logs)
            sent[trace] = None
            told["traces"] += 1
            told["spans"] += made
            told["logs"] += logged

    try:
        deliver(chosen or exporting.matching(store, where))
        while follow:
            time.sleep(FOLLOW_S)
            began = time.time_ns() - 3_600_000_000_000
            store = reading.ready(quiet=True)
            newest = exporting.matching(store, msgspec.structs.replace(where, since_ns=began))
            deliver([each for each in newest if each not in sent and _ended(store, each)])
    finally:
        spans.shutdown()
        logs.shutdown()
    if json:
        render.as_json(told)
    else:
        parts = [render.many(told[key], key.removesuffix("s")) for key in ("traces", "spans", "logs")]
        render.note(f"whence: sent {', '.join(parts)} to {to}")


def _ended(store: Store, trace: str) -> bool:
    row = store.trace(trace)
    return row is not None and row.status != "in_progress"


def import_(
    file: Annotated[
        str,
        Parameter(help="JSON lines of `whence export`, or OTLP JSON; .gz too; - is stdin.", allow_leading_hyphen=True),
    ],
    /,
    *,
    project: Annotated[
        str | None, Parameter(help="OTLP: the project of the runs; otherwise their service.name.")
    ] = None,
    json: Json = False,
) -> int:
    """Take runs from a file into the store. What is there already stays as it is; a second time changes nothing.

    JSON lines of whence are taken as they were recorded; OTLP is redacted like everything that is recorded here.
    """
    from whence.collect import importing

    own = runtime()
    with _read(file) as (stream, size), render.progress("importing") as tick:
        counted = importing.Counted(stream, lambda done: tick(done, max(size, done)))
        first = counted.head
        if importing.is_json_lines(first):
            done = importing.json_lines(counted.lines(), _into(own))
        else:
            from whence.record.foreign import Foreign
            from whence.wire.otlp import otlp_json

            foreign = Foreign(own.recorder, project or own.settings.project, stored=importing.Stored(own.store()))
            done = importing.otlp(lambda on_bad: otlp_json.read(counted.blocks(), file, on_bad), foreign, own.drain)
        importing.note_cut(done, counted.cut)
    if not (done.records or done.spans or done.logs or first.startswith(b'{"whence_records"')):
        why = "; ".join(done.skipped) or "there is no record and no span in it"
        raise BadInput(f"nothing to take from {file}: {why}; accepted: what `whence export` wrote, OTLP JSON")
    if json:
        render.as_json(msgspec.to_builtins(done))
    else:
        _tell(done, file)
    return 1 if done.skipped_total else 0


def _into(own: Runtime) -> Any:
    """Return a drainer that writes documents, and finds nothing: what was found is in the file."""
    from whence.collect.documents import DocumentWriter
    from whence.collect.drainer import Drainer, DrainSettings

    store = own.store()
    writer = DocumentWriter(own.settings.documents, store, generator())
    return Drainer(DrainSettings(spool=own.settings.spool), store, (writer,))


@contextmanager
def _read(file: str) -> Iterator[tuple[BufferedIOBase, int]]:
    """Yield a stream of a file's bytes, unpacked, and its size in bytes (0: not known)."""
    if file == _STDIO:
        yield cast("BufferedIOBase", sys.stdin.buffer), 0
        return
    path = Path(file)
    try:
        with path.open("rb") as raw:
            if raw.peek(2)[:2] == b"\x1f\x8b":
                with gzip.GzipFile(fileobj=raw) as unpacked:
                    yield unpacked, 0
            else:
                yield raw, path.stat().st_size
    except (FileNotFoundError, IsADirectoryError) as exc:
        raise NotFound(f"{file}: {exc.strerror}; give a file of `whence export` or of OTLP JSON") from None
    except gzip.BadGzipFile as exc:
        raise BadInput(f"{file} is damaged: {exc}") from None


def _tell(done: Any, file: str) -> None:
    if done.spans or done.logs:
        parts = [render.many(done.spans, "span"), render.many(done.logs, "log record"), render.many(done.traces, "run")]
        parts += [f"{done.duplicates} records known before"] if done.duplicates else []
    else:
        parts = [f"{render.many(done.stored, 'record')} stored", f"{done.duplicates} known before"]
        parts.append(render.many(done.contents, "text"))
    render.note(f"whence: {', '.join(parts)} from {file}")
    for each in done.skipped:
        render.note(f"whence: skipped {each}")
    if done.skipped_total > len(done.skipped):
        render.note(f"whence: {done.skipped_total - len(done.skipped)} more were skipped")
