"""The plan: which template a spec is for, and what it is given."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

import whence

from .spec import HERE, BadSpec, Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a component is going to be made."""

    spec: Spec
    template: str  # file in templates/
    variables: dict[str, Any]
    decision: str | None  # the record that says why this template; None: nothing is recorded


def plan(spec: Spec) -> Plan:
    """Choose the template whose needs are most like what the spec gives. Raises BadSpec where none is served whole."""
    catalogue = tomllib.loads((HERE / "templates" / "catalogue.toml").read_text(encoding="utf-8"))
    given = set(spec.settings)
    fits = {kind: _alike(given, set(entry["needs"])) for kind, entry in catalogue.items()}
    best, *others = sorted(fits, key=lambda kind: (-fits[kind], kind))
    lacking = sorted(set(catalogue[best]["needs"]) - given)
    if lacking or not fits[best]:
        raise BadSpec(f"{spec.file}: the likeliest template, {best}, needs {', '.join(lacking)} as well")
    rival = fits[others[0]]
    decision = whence.decision(
        "template",
        what=catalogue[best]["file"],
        why=f"the spec gives {', '.join(sorted(given))}, all that the {best} template needs",
        confidence=round(fits[best] / (fits[best] + rival), 2),
        alternatives=[f"{catalogue[kind]['file']} ({fits[kind]:.2f})" for kind in others],
        inputs={"spec": spec.file, "given": sorted(given)},
    )
    name = "".join(word.capitalize() for word in spec.name.split("_"))
    variables = {
        "name": spec.name,
        "summary": spec.summary,
        "class_name": name,
        "record_class": f"{name}Record",
        "spec_file": spec.file,
        "template": catalogue[best]["file"],
        **spec.settings,
    }
    return Plan(spec=spec, template=catalogue[best]["file"], variables=variables, decision=decision)


def _alike(given: set[str], needs: set[str]) -> float:
    """Return the share that two sets of settings have in common, 0 to 1."""
    return len(given & needs) / len(given | needs)
