"""The pipeline: each spec becomes a module in the target directory, or a file that says where it went wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import whence
from whence.checks.interface import Failure

from . import healing, imports
from .formatting import tidy
from .names import Index, by_definition, by_mention
from .plan import Plan, plan
from .rendering import BadTemplate, Rendered, renderer
from .spec import HERE, BadSpec, Spec, shipped
from .validation import validate

FAULTS: Final = ("template", "import_fixer", "healer")
MAX_ATTEMPTS: Final = 3
RUNTIME: Final = HERE / "components"

Status = Literal["made", "healed", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one spec."""

    component: str
    status: Status
    template: str | None  # None: no text was made
    attempts: int  # of healing
    failures: tuple[Failure, ...]  # what is wrong; empty unless the status is failed
    file: str | None  # its name in the target directory; None where none was written

    def as_dict(self) -> dict[str, object]:
        """Return it as plain values."""
        return {
            "status": self.status,
            "file": self.file,
            "template": self.template,
            "attempts": self.attempts,
            "failures": [failure.as_dict() for failure in self.failures],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a run came to."""

    outcomes: tuple[Outcome, ...]
    target: Path
    trace_id: str | None  # None: nothing was recorded
    seconds: float

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Those that nobody could mend."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The steps as they are set up for one run: which of the rule tables each of them has."""

    render: Callable[[Plan], Rendered]
    fixer_index: Index | None  # where the import fixer finds what the standard library does not have
    healer_index: Index
    attempts: int


def steps(fault: str | None, *, healer: bool = True) -> Steps:
    """Return the pipeline's steps, one of them with the worse of its two rule tables. Raises NoTemplateEngine.

    Args:
        fault: the step at fault, one of FAULTS; None where each has its better table.
        healer: False leaves out healing.
    """
    if fault is not None and fault not in FAULTS:
        raise ValueError(f"fault={fault!r}; one of {', '.join(FAULTS)}, or None")
    return Steps(
        render=renderer(stale=fault == "template"),
        fixer_index=by_mention(RUNTIME) if fault == "import_fixer" else None,
        healer_index=by_mention(RUNTIME) if fault == "healer" else by_definition(RUNTIME),
        attempts=MAX_ATTEMPTS if healer else 0,
    )


def run(
    specs: Sequence[Spec] | None = None,
    target: Path = Path("generated"),
    *,
    fault: str | None = "healer",
    healer: bool = True,
    project: str = "generate",
    traced: bool = True,
) -> Result:
    """Make a module of each spec, and write them into `target`, with what they need to run.

    Args:
        specs: None takes those of the example.
        fault: which step has the rule table that spoils csv_sink: template, import_fixer, healer; None: no step has.
        healer: False leaves out healing.
        traced: whether `whence` records the run; the files are the same either way.
    """
    began = time.monotonic()
    chosen = steps(fault, healer=healer)
    specs = shipped() if specs is None else specs
    target = target.absolute()
    target.mkdir(parents=True, exist_ok=True)
    with whence.trace(
        project,
        query=f"make {', '.join(spec.name for spec in specs)}",
        report_type="component_generation",
        enabled=traced,
    ) as trace:
        with whence.stage("runtime"):
            for path in sorted(RUNTIME.glob("*.py")):
                write(target / "components" / path.name, path.read_text(encoding="utf-8"))
        outcomes = tuple(generate(spec, target, chosen) for spec in specs)
        with whence.stage("manifest"):
            manifest = {outcome.component: outcome.as_dict() for outcome in outcomes}
            write(target / "manifest.json", json.dumps(manifest, indent=2, sort_keys=True) + "\n")
        failed = [outcome.component for outcome in outcomes if outcome.status == "failed"]
        if failed:
            trace.mark("failed", f"{len(failed)} of {len(outcomes)} components failed: {', '.join(failed)}")
    return Result(
        outcomes=outcomes,
        target=target,
        trace_id=trace.trace_id if trace else None,
        seconds=time.monotonic() - began,
    )


def generate(spec: Spec, target: Path, chosen: Steps) -> Outcome:
    """Make one component, and say what became of it; that it cannot be made is no reason not to make the others."""
    with whence.stage("component_generation", component=spec.name) as whole:
        try:
            outcome = _make(spec, target, chosen)
        except (BadSpec, BadTemplate) as exc:
            failure = Failure(type="spec" if isinstance(exc, BadSpec) else "template", message=str(exc))
            outcome = Outcome(
                component=spec.name, status="failed", template=None, attempts=0, failures=(failure,), file=None
            )
        outputs = {"status": outcome.status, "attempts": outcome.attempts, "file": outcome.file}
        whole.end(outputs, error=_first_of(outcome))
    return outcome


def _make(spec: Spec, target: Path, chosen: Steps) -> Outcome:
    """Plan, render, fix imports, format, validate, heal while that may help, write. Raises BadSpec, BadTemplate."""
    with whence.stage("plan"):
        planned = plan(spec)
    with whence.stage("template_render"):
        text = _render(planned, chosen)
    with whence.stage(imports.STEP):
        text = _where_it_parses(lambda text: imports.fix(text, spec.name, chosen.fixer_index), text)
    text = _format(text, spec)
    failures = _validate(text, spec, target, "before")

    attempts, tried = 0, list[tuple[str, str]]()
    while failures and attempts < chosen.attempts:
        with whence.stage(healing.STEP):
            mend = healing.heal(text, failures, chosen.healer_index, tried, component=spec.name, attempt=attempts + 1)
        if mend is None:
            break
        attempts += 1
        tried.append(mend.key)
        text = _format(mend.text, spec)
        failures = _validate(text, spec, target, "after")

    with whence.stage("write"):
        write(target / f"{spec.name}.py", text)  # a bad one as well: somebody has to look at it
    return Outcome(
        component=spec.name,
        status="failed" if failures else "healed" if attempts else "made",
        template=planned.template,
        attempts=attempts,
        failures=tuple(failures),
        file=f"{spec.name}.py",
    )


def _render(planned: Plan, chosen: Steps) -> str:
    """Return the text of a plan. Raises BadTemplate."""
    rendered = chosen.render(planned)
    spec = planned.spec
    whence.transform(
        "template_render", None, rendered.text, action="render", subject=f"{spec.name}.py",
        materials=[
            *({"role": "template", "name": name, "content": text} for name, text in rendered.templates.items()),
            {"role": "spec", "name": spec.file, "content": spec.text},
            {"role": "variable", "name": "variables", "content": json.dumps(planned.variables, indent=2)},
        ],
        using={"template": planned.template}, because=planned.decision, error=rendered.error,
    )  # fmt: skip
    if rendered.text is None:
        raise BadTemplate(f"{spec.file} does not go with {rendered.error}")
    return rendered.text


def _format(text: str, spec: Spec) -> str:
    with whence.stage("format"):
        return _where_it_parses(lambda text: tidy(text, spec.name), text)


def _where_it_parses(step: Callable[[str], str], text: str) -> str:
    """Return what a step makes of a text, and the text itself where it is no Python: the validator says what is wrong."""
    try:
        return step(text)
    except SyntaxError as exc:
        whence.event("skipped", f"not Python: {exc}", level="medium")
        return text


def _validate(text: str, spec: Spec, target: Path, phase: str) -> list[Failure]:
    with whence.stage("validation"):
        return validate(text, spec.name, target, phase)


def _first_of(outcome: Outcome) -> str | None:
    """Return the first thing that is wrong with a component, and where; None where nothing is."""
    if not outcome.failures:
        return None
    first = outcome.failures[0]
    return f"{outcome.file}:{first.line}: {first.message}" if first.line else first.message


def write(path: Path, text: str) -> None:
    """Write one file, and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
    whence.wrote(path, text)
