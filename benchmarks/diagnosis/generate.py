"""The code generation example as a service runs it: blueprints that come in, a cache of templates, nodes that publish.

What is made of a spec is the example's own work (`examples.generate.pipeline.generate`); its steps are timed here.
"""

import ast
import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

import whence
from benchmarks.diagnosis import around, said
from benchmarks.diagnosis.around import Parts, Ran
from benchmarks.diagnosis.clock import PlannedClock
from examples.generate import formatting, healing, imports, pipeline, rendering, validation
from examples.generate.names import Index, by_definition, undefined
from examples.generate.plan import Plan
from examples.generate.plan import plan as chosen_plan
from examples.generate.rendering import Rendered
from examples.generate.spec import HERE, Spec
from whence.record.context import current_trace
from whence.record.trace import Trace

PROJECT: Final = "component-factory"
SECONDS: Final = {
    "spec_intake": 0.4, "runtime": 0.3, "plan": 0.4, "template_render": 0.6, "import_fix": 0.7, "format": 0.5,
    "validation": 0.9, "heal": 1.2, "write": 0.2, "manifest": 0.2, "smoke": 1.0, "triage": 1.2, "spot_check": 0.8,
    "publish": 0.6,
}  # fmt: skip
"""What a stage usually takes, for each component that it is gone through for."""
COMPONENTS: Final = {
    "spec_intake": "spec_reader",
    "runtime": "runtime",
    "manifest": "manifest",
    "smoke": "smoke_test",
    "triage": "scorer",
    "spot_check": "reviewer",
    "publish": "publisher",
}
"""Stage -> who acts in it, of those that are not the example's."""
BUDGET_S: Final = 60.0
EXPECTS: Final[dict[str, dict[str, str]]] = {
    "store": {"record": "dict", "key": "str"},
    "limiter": {"capacity": "int", "refill_per_s": "float"},
    "source": {"topics": "list", "history": "int"},
    "sink": {"columns": "list", "delimiter": "str"},
    "router": {"routes": "list"},
}
"""Kind of component -> what its blueprint says: the contract between whoever writes blueprints and the spec reader."""
_ALL: Final = {"name": "str", "summary": "str"}
_WORDS: Final = ("order", "invoice", "ticket", "sensor", "parcel", "tenant", "recipe", "booking", "asset", "voucher")


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What comes in: the settings of a component, by name."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """The components that are to be made in one run."""

    blueprints: tuple[Blueprint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateParts(Parts):
    """The parts of the code generation pipeline."""

    deliver: Callable[[Blueprint], dict[str, Any]]  # what the blueprint service hands over
    read: Callable[[str], dict[str, Any]]  # the text of a spec -> its fields
    templates: Callable[[], tuple[Path, bool]]  # where templates come from; whether those in stale/ come first
    cached: Callable[[str], dict[str, Any] | None]  # what the template cache knows of a template; None: not there
    fix: Callable[[str, str, Index | None], str]
    check: Callable[[str, str, Path, str], list[Any]]
    healer_index: Callable[[], Index]


def job(random: Random, *, kinds: Sequence[str] = ()) -> Job:
    """Return some components to make, of these kinds among others."""
    wanted = [*kinds, *random.sample(sorted(EXPECTS), random.randint(2, 3))]
    random.shuffle(wanted)
    names = random.sample(_WORDS, len(wanted))
    return Job(tuple(_blueprint(kind, name, random) for kind, name in zip(wanted, names, strict=True)))


def _blueprint(kind: str, word: str, random: Random) -> Blueprint:
    parts = random.sample(("id", "title", "state", "owner", "total", "place"), 3)
    settings: dict[str, dict[str, Any]] = {
        "store": {"record": {parts[0] + "_text": "str", parts[1] + "_count": "int"}, "key": "key"},
        "limiter": {"capacity": random.randint(2, 50), "refill_per_s": random.randint(1, 40) / 4},
        "source": {"topics": parts, "history": random.randint(10, 500)},
        "sink": {"columns": parts, "delimiter": random.choice((",", ";", "|"))},
        "router": {
            "routes": [
                {"method": method, "path": f"/{word}s", "handler": f"{method.lower()}_{word}"}
                for method in random.sample(("GET", "POST", "PUT"), 2)
            ]
        },
    }
    fields = {"name": f"{word}_{kind}", "summary": f"Takes care of {word}s in a {kind}.", **settings[kind]}
    return Blueprint(kind, fields)


def good_parts(random: Random) -> GenerateParts:
    """Return the parts as they are when nothing is wrong with any of them."""

    def cached(template: str) -> dict[str, Any] | None:
        if random.random() < 0.4:
            return None
        size = (rendering.TEMPLATES / template).stat().st_size
        return {"age_h": round(random.uniform(0.1, 23), 1), "bytes": size, "holds_its_key": True}

    return GenerateParts(
        cost=around.usual_cost(SECONDS, random),
        score=around.honest_score(random),
        replicate=around.replicated,
        deliver=lambda blueprint: dict(blueprint.fields),
        read=tomllib.loads,
        templates=lambda: (rendering.TEMPLATES, False),
        cached=cached,
        fix=imports.fix,
        check=validation.validate,
        healer_index=_definitions,
    )


@cache
def _definitions() -> Index:
    return by_definition(pipeline.RUNTIME)


def run(job: Job, parts: GenerateParts, clock: PlannedClock, random: Random, target: Path) -> Ran:
    """Make the components of a job in an empty directory; the run is recorded, and says how it went."""
    names = [blueprint.fields["name"] for blueprint in job.blueprints]
    with whence.trace(PROJECT, query=f"make {', '.join(names)}", report_type="component_generation") as trace:
        began = clock.now_ns()
        try:
            good = _make(job, parts, clock, random, trace, target)
        except (KeyError, TypeError, ValueError) as exc:
            trace.mark("failed", exc)
            good = False
        good = around.in_time(began, clock, BUDGET_S) and good
    return Ran(trace.trace_id, trace.otel_trace_id, good)


def _make(job: Job, parts: GenerateParts, clock: PlannedClock, random: Random, trace: Trace, target: Path) -> bool:
    with _stage(trace, clock, parts, random, "spec_intake") as timed:
        specs = [_read(blueprint, parts) for blueprint in job.blueprints]
        timed.outputs |= {"specs": len(specs), "settings": sum(len(spec.settings) for spec in specs)}
    with _stage(trace, clock, parts, random, "runtime"):
        for path in sorted(pipeline.RUNTIME.glob("*.py")):
            pipeline.write(target / "components" / path.name, path.read_text(encoding="utf-8"))
    with _steps(parts, clock) as steps:
        outcomes = [pipeline.generate(spec, target, steps) for spec in specs]
    failed = [outcome.component for outcome in outcomes if outcome.status == "failed"]
    with _stage(trace, clock, parts, random, "manifest") as timed:
        manifest = {outcome.component: outcome.as_dict() for outcome in outcomes}
        pipeline.write(target / "manifest.json", json.dumps(manifest, indent=2) + "\n")
        timed.outputs |= {"made": len(outcomes) - len(failed), "failed": len(failed)}
    if failed:
        trace.mark("failed", f"{len(failed)} of {len(outcomes)} components failed: {', '.join(failed)}")
        return False
    with _stage(trace, clock, parts, random, "smoke"):
        texts = {outcome.file: (target / str(outcome.file)).read_text(encoding="utf-8") for outcome in outcomes}
        broken = [file for file, text in texts.items() if not _starts(text)]
        said.expectation("modules start", not broken, expected=len(texts), actual=len(texts) - len(broken))
    if broken:
        trace.mark("failed", f"{len(broken)} of {len(texts)} modules do not start")
        return False
    methods = [f"{specs[n % len(specs)].name} method {n // len(specs) + 1}" for n in range(around.REVIEWED)]
    if not around.review(methods, trace, parts, clock, random):
        trace.mark("failed", "the components were held back")
        return False
    if not around.publish("\n".join(texts.values()), len(texts), trace, parts, clock, random):
        trace.mark("failed", "the components were not published")
        return False
    return True


def _stage(trace: Trace, clock: PlannedClock, parts: Parts, random: Random, name: str) -> Any:
    return around.stage(trace, clock, parts, name, COMPONENTS[name], random)


def _read(blueprint: Blueprint, parts: GenerateParts) -> Spec:
    """Return the spec of a blueprint, as it is handed over twice: to the spec reader, and to the planner."""
    contract = _ALL | EXPECTS[blueprint.kind]
    delivered = parts.deliver(blueprint)
    said.handed_over("blueprint", "blueprints", "spec_reader", delivered, contract)
    text = _toml(delivered)
    fields = parts.read(text)
    said.handed_over("spec", "spec_reader", "planner", fields, contract)
    name, summary = fields.pop("name"), fields.pop("summary")
    return Spec(name=name, summary=summary, settings=fields, file=f"{name}.toml", text=text)


def _toml(fields: dict[str, Any]) -> str:
    lines = []
    for name, value in fields.items():
        if isinstance(value, dict):
            value = "{ " + ", ".join(f"{key} = {json.dumps(inside)}" for key, inside in value.items()) + " }"
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            tables = (
                "{ " + ", ".join(f"{key} = {json.dumps(each)}" for key, each in row.items()) + " }" for row in value
            )
            value = f"[{', '.join(tables)}]"
        else:
            value = json.dumps(value)
        lines.append(f"{name} = {value}")
    return "\n".join(lines) + "\n"


@contextmanager
def _steps(parts: GenerateParts, clock: PlannedClock) -> Iterator[pipeline.Steps]:
    """Give the example this run's parts, each of which takes its time."""

    def timed(stage: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            clock.spend(parts.cost(stage))
            return step(*arguments, **named)

        return call

    folder, stale = parts.templates()
    with patch.object(rendering, "TEMPLATES", folder):
        render = rendering.renderer(stale=stale)

    def looked_up(plan: Plan) -> Rendered:
        entry = parts.cached(plan.template)
        trace = current_trace()
        if trace:
            with trace.timed("template_lookup", "cache", "template_cache"):
                whence.decision(
                    "cache_lookup",
                    what="hit" if entry else "miss",
                    why="there is an entry" if entry else "there is no entry",
                    confidence=1.0,
                    inputs={"key": plan.template, **(entry or {})},
                )
        return render(plan)

    with ExitStack() as stack:
        for owner, name, step in (
            (pipeline, "plan", timed("plan", chosen_plan)),
            (pipeline, "tidy", timed("format", formatting.tidy)),
            (pipeline, "validate", timed("validation", parts.check)),
            (imports, "fix", timed("import_fix", parts.fix)),
            (healing, "heal", timed("heal", healing.heal)),
            (pipeline, "write", timed("write", pipeline.write)),
        ):
            stack.enter_context(patch.object(owner, name, step))
        yield pipeline.Steps(
            render=timed("template_render", looked_up),
            fixer_index=None,
            healer_index=parts.healer_index(),
            attempts=pipeline.MAX_ATTEMPTS,
        )


def _starts(text: str) -> bool:
    """Say whether a module is Python and has all the names it uses; it is not run."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return not undefined(text)


TEMPLATE_OF: Final = {
    kind: entry["file"] for kind, entry in tomllib.loads((HERE / "templates" / "catalogue.toml").read_text()).items()
}
"""Kind of component -> its template."""
