"""`whence diagnose`: look at a run, or at all of a time, and say what is wrong. Usable as a check in CI."""

import time
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from whence.cli import reading, render
from whence.cli.findings import severity_of
from whence.cli.options import Json, Project, Since, Until
from whence.diagnose.reporting import worst_first
from whence.errors import BadInput
from whence.model.filters import DigestFilter, FindingFilter, ProblemFilter
from whence.model.finding import Problem, problem_id
from whence.store.interface import Store

SHOWN = 10
MOST_PROBLEMS = 1000
"""Of a window that are counted and judged."""
FOUND = 1
"""The exit code where something of `--fail-on` is open."""


def diagnose(
    run: Annotated[str | None, Parameter(help="A run (name, unique part, `last`, `last-bad`); else a window.")] = None,
    /,
    *,
    since: Since = None,
    until: Until = None,
    project: Project = None,
    fail_on: Annotated[
        str | None, Parameter(help="Exit with 1 if something this bad or worse is open: low, medium, high, critical.")
    ] = None,
    json: Json = False,
) -> int:
    """Run every detector over a run, or over the runs of a window (default: 7d), store what they find, and sum it up."""
    from whence.cli import render_diagnose

    level = severity_of(fail_on, "--fail-on") if fail_on is not None else None
    if run is not None and (since is not None or until is not None or project is not None):
        raise BadInput(f"run {run!r} together with --since, --until or --project; give the run, or a window")
    window = (None, None) if run is not None else reading.window(since or "7d", until)
    store = reading.ready()
    if reading.nothing_there():
        render.as_json(_data({}, [], run)) if json else render.note(reading.empty(""))
        return 0
    if run is not None:
        done, problems = _of_run(run, store)
    else:
        done, problems = _of_window(store, project, *window)
    still = [each for each in problems if each.state != "resolved"]
    failing = [each for each in still if level is not None and each.severity >= level]
    if json:
        render.as_json({**_data(done, still, run), "failing": len(failing)})
    elif not done["runs"]:
        render.note(reading.empty("no run began in that time; --since 30d looks further back"))
    else:
        render.show(render_diagnose.summary(done, still, most=SHOWN, since=since or "7d"))
    if failing and level is not None:
        many = render.many(len(failing), "open problem")
        render.note(f"whence: {many} of severity {level.label} or worse")
    return FOUND if failing else 0


def _data(done: dict[str, Any], problems: list[Problem], run: str | None) -> dict[str, Any]:
    shown = [msgspec.structs.asdict(each) for each in problems[:SHOWN]]
    by: dict[str, int] = {}
    for each in problems:
        by[each.label] = by.get(each.label, 0) + 1
    empty = {"runs": 0, "records": 0, "findings_new": 0, "findings_known": 0, "findings_withdrawn": 0}
    return {
        "run": run,
        **empty,
        "failures": [],
        "seconds": 0.0,
        **done,
        "open": len(problems),
        "open_by_severity": by,
        "worst": shown,
    }


def _of_run(name: str, store: Store) -> tuple[dict[str, Any], list[Problem]]:
    from whence.diagnose.examining import diagnose_open
    from whence.diagnose.filing import digest_record
    from whence.diagnose.running import say

    row = reading.find(name, store)
    began = time.monotonic()
    diagnosis = diagnose_open(store, row.id)
    last_ns = max((each.last_ns for each in diagnosis.findings), default=0) or row.started_ns
    filed = say(store, diagnosis.findings, project=row.project, trace=row.id, ts_ns=last_ns, ran=diagnosis.ran)
    if diagnosis.digest is not None:
        store.accept([digest_record(diagnosis.digest)])
    stored = store.findings(FindingFilter(trace=row.id), limit=MOST_PROBLEMS)
    ids = dict.fromkeys(problem_id(each.project, each.finding.fingerprint) for each in stored)
    problems = [found for found in map(store.problem, ids) if found is not None]
    done = {
        "run": row.trace_id,
        "runs": 1,
        "records": row.records,
        "findings_new": filed.new,
        "findings_known": filed.known,
        "findings_withdrawn": filed.withdrawn,
        "failures": [msgspec.structs.asdict(each) for each in diagnosis.failures],
        "seconds": time.monotonic() - began,
    }
    return done, sorted(problems, key=worst_first)


def _of_window(
    store: Store, project: str | None, since_ns: int | None, until_ns: int | None
) -> tuple[dict[str, Any], list[Problem]]:
    from whence.diagnose.running import diagnose_window

    with render.progress("diagnosing", unit="records") as tick:
        done = diagnose_window(store, project=project, since_ns=since_ns, until_ns=until_ns, progress=tick)
    where = ProblemFilter(project=project, since_ns=since_ns, until_ns=until_ns)
    problems = reading.problems(where, store, most=MOST_PROBLEMS)
    outcomes: dict[str, int] = {}
    for each in store.digests(DigestFilter(project=project, since_ns=since_ns, until_ns=until_ns)):
        outcomes[each.outcome] = outcomes.get(each.outcome, 0) + 1
    return {**msgspec.to_builtins(done), "outcomes": outcomes}, sorted(problems, key=worst_first)
