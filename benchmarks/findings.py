"""All runs of a time diagnosed together, and questions about what was found.

Material is that of benchmarks/material.py, with 200 records in every trace.

**of a time** `diagnose_window` over 1 million records in 5,000 traces, digests and findings stored, in a process of its
own whose peak of resident memory (VmHWM) is the second figure; then once more: nothing may be new then.

**questions** To that store, in random order of arguments, as with `read`: through the functions that the commands and
`DebugQuery` call, on a warm page cache. `diff` and `components` read the digests of all 5,000 runs, as the commands do.
"""

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks import material
from benchmarks.diagnosing import PER_TRACE, filled, runs_of
from benchmarks.material import Samples
from benchmarks.rounds import percentile
from benchmarks.table import Line, Options, number
from benchmarks.transfer import peak_mb
from benchmarks.worker import Figures, Round, Worker

if TYPE_CHECKING:
    from whence.store.interface import Store

RECORDS = {True: 10_000, False: 1_000_000}
_ASKED = {True: 3, False: 100}
_LIMIT_S = {True: 2.0, False: 10.0}
"""The most that one kind of question may take, quick or not."""


def built(config: dict[str, Any]) -> Round:
    """Make the store of the window."""

    def run(calls: int) -> Figures:
        store, samples = filled(Path(config["store"]), calls)
        store.checkpoint()
        store.close()
        Path(config["samples"]).write_bytes(msgspec.json.encode(samples))
        return {"records": samples.records, "traces": samples.traces}

    return run


def windowed(config: dict[str, Any]) -> Round:
    """Diagnose everything in the store."""
    from whence.diagnose.running import diagnose_window
    from whence.store.sqlite import SqliteStore

    store = SqliteStore.open(Path(config["store"]))

    def run(calls: int) -> Figures:
        base = peak_mb()
        before = perf_counter()
        found = diagnose_window(store)
        taken = perf_counter() - before
        if found.records < calls or found.failures or not found.findings_new + found.findings_known:
            raise RuntimeError(f"{calls} records were to be diagnosed: {found}")
        store.checkpoint()
        said = {"new": found.findings_new, "known": found.findings_known, "runs": found.runs}
        return {"seconds": taken, "mb": peak_mb(), "base_mb": base, **said}

    return run


# -- questions -------------------------------------------------------------------------------------------------------------

Question = Callable[[], object]


def questions(store: "Store", samples: Samples, chance: random.Random) -> dict[str, Question]:
    """Return each kind of question, asking with random arguments; an answer of nothing is falsy, and an error."""
    from whence.assist.asking import ask
    from whence.diagnose.causes import why
    from whence.diagnose.cohorts import differences
    from whence.diagnose.explaining import explain_error
    from whence.diagnose.health import component_health
    from whence.diagnose.insights import insights
    from whence.diagnose.progress import operation_progress
    from whence.diagnose.scoreboard import scoreboard
    from whence.model.filters import DigestFilter, FindingFilter, ProblemFilter, RecordFilter, TraceFilter

    choose, now_ns = chance.choice, samples.last_ns
    runs = [trace for _, trace in runs_of(store)]
    bad = [row.id for row in store.traces(TraceFilter(statuses=("failed", "incomplete")), limit=100).items]
    names = {row.id: row.trace_id for row in store.traces(TraceFilter(), limit=100).items}
    errors = [each.record_id for each in store.records(RecordFilter(min_level=3, kinds=("event",)), limit=500).items]
    stored = store.findings(FindingFilter(), limit=500)
    if not (bad and errors and stored):
        raise RuntimeError("there is nothing to ask for: no failed run, no error, no finding")

    def health(window: str) -> object:
        return component_health(None, choose(material.COMPONENTS), window, store=store, now_ns=now_ns)["total_events"]

    def project() -> FindingFilter:
        return FindingFilter(project=choose(material.PROJECTS))

    def digests() -> Any:
        return list(store.digests(DigestFilter(), newest_first=True, limit=10_000))

    def diff() -> object:
        every = digests()
        well, ill = ([each for each in every if each.outcome == outcome] for outcome in ("good", "bad"))
        return differences(well, ill, only_significant=False).contrasts

    def asked(question: str) -> object:
        answer = ask(question, store=store, now_ns=now_ns)
        if not answer.known:
            raise RuntimeError(f"{question!r} was not answered: {answer.answer}")
        return answer.sentences

    return {
        "health": lambda: health("24h"),
        "health, 30d": lambda: health("30d"),
        "progress": lambda: operation_progress(choose(runs), store=store, now_ns=now_ns)["total_steps"],
        "findings": lambda: store.findings(project(), limit=100),
        "problems": lambda: store.problems(ProblemFilter(), limit=50).items,
        "insights": lambda: insights(store.findings(project(), limit=100), store),
        "explain": lambda: explain_error(choose(errors), store=store)["found"],
        "explain, insight": lambda: explain_error(choose(stored).occurrence, store=store)["found"],
        "why": lambda: why(choose(bad), store=store).causes,
        "diff": diff,
        "components": lambda: scoreboard(digests(), store.problems(ProblemFilter(), limit=1000).items),
        "ask, health": lambda: asked(f"is the {choose(material.COMPONENTS)} healthy?"),
        "ask, problems": lambda: asked("what went wrong yesterday?"),
        "ask, why": lambda: asked(f"why did {names[choose(list(names))]} fail?"),
        "ask, cost": lambda: asked("what did it cost this week?"),
    }


def asked(config: dict[str, Any]) -> Round:
    """Ask a store; a round is so many of each kind."""
    from whence.store.sqlite import SqliteStore

    store = SqliteStore.open(Path(config["store"]))
    samples = msgspec.json.decode(Path(config["samples"]).read_bytes(), type=Samples)
    ask = questions(store, samples, random.Random(7))
    for question in ask.values():  # warm up
        question()

    def run(calls: int) -> Figures:
        figures: Figures = {}
        for name, question in ask.items():
            taken: list[int] = []
            while len(taken) < calls and sum(taken) < config["limit_s"] * 1e9:
                before = perf_counter_ns()
                answer = question()
                taken.append(perf_counter_ns() - before)
                if not answer:
                    raise RuntimeError(f"{name}: nothing was found, so nothing was measured")
                del answer  # now, or the next question would be charged for letting go of it
            figures[name] = percentile(taken, 0.95) / 1e6
            figures[f"{name}: p50"] = percentile(taken, 0.5) / 1e6
            figures[f"{name}: asked"] = len(taken)
        return figures

    return run


_LINES: dict[str, tuple[str, float | None]] = {
    "health": ("health of a component, 24 h", 50),
    "health, 30d": ("health of a component, everything", 50),
    "progress": (f"progress of a run of {PER_TRACE} records", 50),
    "findings": ("newest 100 findings of a project", 50),
    "problems": ("newest 50 problems", 50),
    "insights": ("newest 100 insights of a project", 50),
    "explain": ("explain an error", 50),
    "explain, insight": ("explain an insight", 50),
    "why": (f"why, of a run of {PER_TRACE} records, 100 runs before it", 500),
    "diff": ("diff good bad over {traces} runs", None),
    "components": ("components over {traces} runs", None),
    "ask, health": ("ask for the health of a component", 100),
    "ask, problems": ("ask for what went wrong yesterday", 100),
    "ask, why": ("ask why a run failed", 500),
    "ask, cost": ("ask for the cost of a week", 100),
}


def window(options: Options) -> list[Line]:
    """The lines of a time, and of the questions about it."""
    quick, folder = options.quick, options.temporary / "window"
    config = {"store": str(folder / "whence.db"), "samples": str(folder / "samples.json"), "limit_s": _LIMIT_S[quick]}
    worker = partial(Worker, data=folder / "worker", config=config)
    options.say(f"making a store of {RECORDS[quick]:,} records")
    with worker("findings:built") as builder:
        there = builder.round(RECORDS[quick])
    options.say(f"diagnosing {there['traces']:,.0f} runs")
    with worker("findings:windowed") as subject:
        first = subject.round(RECORDS[quick])
        again = subject.round(RECORDS[quick])
    if again["new"]:
        raise RuntimeError(f"{again['new']:.0f} findings were new when the same window was diagnosed again")
    options.say("asking about what was found")
    with worker("findings:asked") as subject:
        figures = subject.round(_ASKED[quick])
    shutil.rmtree(folder)
    size = f"{there['records'] / 1e6:.3g} M records in {there['traces']:,.0f} runs"
    lines = [
        Line(
            work=f"diagnose_window over {size}",
            unit="s",
            whence=first["seconds"],
            limit=30,
            note=f"{first['new']:,.0f} findings",
        ),
        Line(
            work="diagnose_window, peak memory",
            unit="MB",
            whence=max(first["mb"], again["mb"]),
            limit=500,
            note=f"{number(first['base_mb'])} before it",
        ),
        Line(work="diagnose_window once more, nothing new", unit="s", whence=again["seconds"]),
    ]
    at = f"at {there['records'] / 1e6:.3g} M records: "
    for name, (work, limit) in _LINES.items():
        times = figures[f"{name}: asked"]
        about = f"p50 {number(figures[f'{name}: p50'])}" + (f", asked {times:.0f} times" if times < 100 else "")
        shown = at + work.format(traces=f"{there['traces']:,.0f}") + ", p95"
        lines.append(Line(work=shown, unit="ms", whence=figures[name], limit=limit, note=about))
    return lines
