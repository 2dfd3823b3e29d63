"""Faults of the code generation pipeline only: healer, templates, specs, steps that do nothing."""

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from benchmarks.diagnosis import generate
from benchmarks.diagnosis.generate import Blueprint, GenerateParts
from benchmarks.diagnosis.planting import Fault, Planting, Site
from examples.generate import pipeline, rendering
from examples.generate.names import Index, by_mention

NEEDS_HEALING: Final = "sink"
"""The kind of component whose template forgot an import, which the healer mends when all is well."""
_RENAMED: Final = {
    "record": "fields", "key": "id_field", "capacity": "burst", "refill_per_s": "refill_rate", "topics": "channels",
    "history": "keep_last", "columns": "header", "delimiter": "separator", "routes": "endpoints",
}  # fmt: skip


@cache
def _mentions() -> Index:
    return by_mention(pipeline.RUNTIME)


def wrong_import_healer(site: Site) -> Planting:
    """The healer looks names up by who mentions them most, and imports from a module that does not exist."""
    return Planting(
        replace(site.parts, healer_index=_mentions), "heal", frozenset({"heal", "healer"}), frozenset({"T01-07"})
    )


def stale_template(site: Site) -> Planting:
    """A template from before the package had its name is rendered."""
    parts: GenerateParts = site.parts
    template = generate.TEMPLATE_OF[NEEDS_HEALING]
    usual = parts.cached
    stale = replace(
        parts,
        templates=lambda: (rendering.TEMPLATES, True),
        cached=lambda name: None if name == template else usual(name),
    )
    return Planting(stale, template, frozenset({"template_render", template}), frozenset({"D01-04"}))


def poisoned_template_cache(site: Site) -> Planting:
    """The cache gives a template of another kind under a key, or what was left of a write cut short."""
    parts: GenerateParts = site.parts
    kind = site.random.choice([blueprint.kind for blueprint in site.job.blueprints])
    template = generate.TEMPLATE_OF[kind]
    usual = parts.cached
    swapped = site.random.random() < 0.5
    other = site.random.choice(sorted(set(generate.TEMPLATE_OF.values()) - {template}))
    text = (rendering.TEMPLATES / (other if swapped else template)).read_text(encoding="utf-8")
    if not swapped:
        text = text[: int(len(text) * site.random.uniform(0.5, 0.7))].rpartition("\n")[0] + "\n        return (\n"
    folder = _templates_with(template, text)

    def cached(name: str) -> dict[str, Any] | None:
        if name != template:
            return usual(name)
        size = len(text.encode())
        return {"age_h": round(site.random.uniform(0.1, 23), 1), "bytes": size, "holds_its_key": not swapped}

    changed = replace(parts, templates=lambda: (folder, False), cached=cached)
    accepted = frozenset({"template_cache", "template_lookup", "template_render"})
    return Planting(changed, template, accepted, frozenset({"D01-01", "D01-03", "D01-04"}))


def _templates_with(name: str, text: str) -> Path:
    """Return a directory with the example's templates, one of which has another text."""
    folder = Path(tempfile.mkdtemp(prefix="whence-templates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for path in rendering.TEMPLATES.glob("*.j2"):
        shutil.copy(path, folder)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def schema_change_of_blueprints(site: Site) -> Planting:
    """Whoever writes blueprints has renamed a field, or gives it as a text."""
    parts: GenerateParts = site.parts
    usual = parts.deliver
    kind = site.random.choice([blueprint.kind for blueprint in site.job.blueprints])
    field = site.random.choice(sorted(generate.EXPECTS[kind]))

    def deliver(blueprint: Blueprint) -> dict[str, Any]:
        fields = usual(blueprint)
        if blueprint.kind != kind:
            return fields
        return {_RENAMED[field] if name == field else name: value for name, value in fields.items()}

    accepted = frozenset({"blueprints", "spec_intake", "spec_reader"})
    return Planting(
        replace(parts, deliver=deliver), f"{kind}: {field}", accepted, frozenset({"I01-03", "I01-04", "I01-05"})
    )


def spec_reader_loses_fields(site: Site) -> Planting:
    """The spec reader reads lines, and loses what is no plain value: lists and tables."""
    parts: GenerateParts = site.parts
    usual = parts.read

    def read(text: str) -> dict[str, Any]:
        return {name: value for name, value in usual(text).items() if not isinstance(value, list | dict)}

    accepted = frozenset({"spec_intake", "spec_reader"})
    return Planting(replace(parts, read=read), "lists and tables", accepted, frozenset({"I01-03", "I01-04", "I01-05"}))


def silent_step(site: Site) -> Planting:
    """A step does nothing and says nothing: the validator finds no fault, or the import fixer no name to import."""
    place = site.random.choice(("validation", "import_fix"))
    if place == "validation":
        parts = replace(site.parts, check=lambda text, component, target, phase: [])
    else:
        parts = replace(site.parts, fix=lambda text, component, index: text)
    return Planting(parts, place, frozenset({place}), frozenset({"V01-02", "D01-02"}))


ONLY_GENERATION: Final = (
    Fault(
        "wrong_import_healer",
        "The healer imports from where a name is mentioned, not defined.",
        {"generate": wrong_import_healer},
        kinds=(NEEDS_HEALING,),
    ),
    Fault(
        "lossy_spec_reader",
        "The spec reader loses lists and tables.",
        {"generate": spec_reader_loses_fields},
        kinds=("source",),
    ),
)
