"""Faults of the research pipeline only: sources, parser, index, prompt, context, model."""

from dataclasses import replace
from typing import Any, Final

from benchmarks.diagnosis import library, research, writer
from benchmarks.diagnosis.planting import Fault, Planting, Site
from benchmarks.diagnosis.research import Entry, Paragraph, ResearchParts
from examples.research.corpus import Passage
from examples.research.evidence import Evidence


def _fetched(site: Site, packages: tuple[str, ...]) -> ResearchParts:
    """Return the parts with a cache that has none of these packages: they are fetched."""
    parts: ResearchParts = site.parts
    usual = parts.lookup
    return replace(parts, lookup=lambda package: None if package in packages else usual(package))


def stale_source(site: Site) -> Planting:
    """The mirror of the packages that matter serves releases from years ago."""
    subject = site.job.subject
    mirror = subject.mirror
    parts = _fetched(site, subject.packages)
    usual = parts.serve

    def serve(asked: str, package: str) -> dict[str, Any]:
        if asked != mirror:
            return usual(asked, package)
        return library.old_document(package, site.clock.now_ns(), site.random)

    return Planting(
        replace(parts, serve=serve), mirror, frozenset({mirror, "fetch", "fetcher"}), frozenset({"D01-03", "D01-04"})
    )


def schema_change(site: Site) -> Planting:
    """The mirror of the packages that matter has renamed a field, or gives it as another type."""
    subject = site.job.subject
    mirror = subject.mirror
    parts = _fetched(site, subject.packages)
    usual = parts.serve
    change = site.random.choice(("content", "text", "released"))

    def serve(asked: str, package: str) -> dict[str, Any]:
        document = usual(asked, package)
        if asked != mirror:
            return document
        if change == "released":
            return document | {"released": site.clock.now_ns() // 1_000_000_000}
        return {change if name == "body" else name: value for name, value in document.items()}

    accepted = frozenset({mirror, "fetch", "fetcher"})
    return Planting(
        replace(parts, serve=serve), f"{mirror}: {change}", accepted, frozenset({"I01-03", "I01-04", "I01-05"})
    )


def poisoned_cache(site: Site) -> Planting:
    """The cache gives documents of other packages under the keys that matter, or what was left of a write cut short."""
    subject = site.job.subject
    parts: ResearchParts = site.parts
    usual = parts.lookup
    swapped = site.random.random() < 0.5
    others = [name for other in library.SUBJECTS if other != subject for name in other.packages]
    given = dict(zip(subject.packages, site.random.sample(others, len(subject.packages)), strict=True))

    def lookup(package: str) -> Entry | None:
        if package not in given:
            return usual(package)
        document = library.document(given[package] if swapped else package, site.clock.now_ns())
        if not swapped:
            document["body"] = document["body"][: site.random.randint(5, 30)]
        return Entry(document, round(site.random.uniform(0.2, 47), 1))

    place = "swapped" if swapped else "cut short"
    accepted = frozenset({"document_cache", "lookup"})
    return Planting(replace(parts, lookup=lookup), place, accepted, frozenset({"D01-01", "D01-03"}))


def broken_parser(site: Site) -> Planting:
    """The parser stops after the title, keeps headings for texts, or keeps only what is about the project."""
    parts: ResearchParts = site.parts
    usual = parts.parse
    how = site.random.choice(("title", "headings", "end"))

    def parse(body: str) -> list[Paragraph]:
        if how == "title":
            return usual(body.split("\n\n")[0])
        found = usual(body)
        if how == "headings":
            return [(text, heading, "") for heading, text, _ in found]
        return found[-1:]

    return Planting(replace(parts, parse=parse), how, frozenset({"parse", "parser"}), frozenset({"D01-03"}))


def missing_shard(site: Site) -> Planting:
    """The index is built without the passages of some packages, among them those that matter."""
    wanted = set(site.job.subject.packages)

    def load(passages: list[Passage]) -> list[Passage]:
        return [passage for passage in passages if passage.source.name not in wanted]

    return Planting(replace(site.parts, load=load), "index", frozenset({"indexing", "indexer"}), frozenset({"D01-03"}))


def truncated_context(site: Site) -> Planting:
    """What the model is given is cut to the beginning of one passage."""
    length = site.random.randint(8, 30)

    def pack(evidence: Evidence) -> Evidence:
        first = research.with_kept(evidence, 1)
        return replace(
            first,
            kept=tuple(
                replace(item, passage=replace(item.passage, text=item.passage.text[:length], code=""))
                for item in first.kept
            ),
        )

    accepted = frozenset({"packing", "packer"})
    return Planting(replace(site.parts, pack=pack), f"{length} characters", accepted, frozenset({"D01-03"}))


_ORDERS: Final = (
    ("End each statement with its source in brackets, as in [name 1.2].", "Mention sources where it reads well."),
    ("Begin with '## Short answer', close with '## Limits'", "Begin with a greeting, close with a friendly word"),
    ("Use only the passages given.", "Use what you know, and the passages where they help."),
    ("The report is held to:", "Some ideas for a good report:"),
)


def drifting_prompt(site: Site) -> Planting:
    """The instructions of the writing prompt have been reworded: that of sources, and one or two others."""
    changed = (_ORDERS[0], *site.random.sample(_ORDERS[1:], site.random.randint(1, 2)))

    def prompt(system: str, user: str) -> tuple[str, str]:
        for order, now in changed:
            system = system.replace(order, now)
        return system, user

    accepted = frozenset({"synthesis", "writer", "prompt_builder", "prompt_construction"})
    return Planting(
        replace(site.parts, prompt=prompt),
        f"{len(changed)} orders",
        accepted,
        frozenset({"T01-04", "T01-05", "D01-04"}),
    )


def wrong_model_version(site: Site) -> Planting:
    """The endpoint answers with an older model than the one that was asked for."""

    def complete(system: str, user: str) -> Any:
        return writer.write(writer.OLDER_MODEL, system, user, site.random)

    accepted = frozenset({"synthesis", "writer", "write_report", writer.OLDER_MODEL})
    return Planting(
        replace(site.parts, complete=complete), writer.OLDER_MODEL, accepted, frozenset({"D01-01", "D01-04"})
    )


def silent_linker(site: Site) -> Planting:
    """The linker gives back what it got, and says nothing."""
    parts = replace(site.parts, link=lambda markdown, evidence: markdown)
    return Planting(parts, "linker", frozenset({"linking", "linker"}), frozenset({"V01-02", "D01-02"}))


ONLY_RESEARCH: Final = (
    Fault("broken_parser", "The parser loses most of what it reads.", {"research": broken_parser}),
    Fault("missing_shard", "The index lacks the packages that matter.", {"research": missing_shard}),
    Fault("truncated_context", "The model is given next to nothing.", {"research": truncated_context}),
    Fault("drifting_prompt", "The instructions of a prompt were reworded.", {"research": drifting_prompt}),
    Fault("wrong_model_version", "An older model answers.", {"research": wrong_model_version}),
)
