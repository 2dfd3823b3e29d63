"""The research example as a service runs it: documents from mirrors and a cache, a model that writes, nodes that publish.

The stages that decide are the example's own (`examples.research`); those around them are made here, and say of each run
the same things: what the cache gave, how much the parser found, what was handed over, what the nodes hold.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from random import Random
from typing import Any, Final
from unittest.mock import patch

import whence
from benchmarks.diagnosis import around, library, said, writer
from benchmarks.diagnosis.around import Parts, Ran
from benchmarks.diagnosis.clock import SECOND_NS, PlannedClock
from examples.research import collection, corpus, intake, llm, quality_gate, rubric, synthesis
from examples.research.corpus import Passage, Source
from examples.research.evidence import Evidence
from examples.research.index import Index
from examples.research.plan import first_plan, revise
from examples.research.text import overlap, stems
from whence.tracing import Trace, TraceContext

PROJECT: Final = "research-service"
COMPONENTS: Final = {
    "lookup": "document_cache",
    "fetch": "fetcher",
    "parse": "parser",
    "indexing": "indexer",
    "intake": "intake",
    "rubric": "rubric",
    "collection": "collector",
    "packing": "packer",
    "synthesis": "writer",
    "linking": "linker",
    "quality_gate": "gate",
    "triage": "scorer",
    "spot_check": "reviewer",
    "publish": "publisher",
}
"""Stage -> who acts in it, in order."""
SECONDS: Final = {
    "lookup": 0.2, "fetch": 1.2, "parse": 0.8, "indexing": 0.6, "intake": 0.3, "rubric": 0.1, "collection": 1.5,
    "packing": 0.1, "synthesis": 0.5, "linking": 0.3, "quality_gate": 1.8, "triage": 1.2, "spot_check": 0.8, "publish": 0.6,
}  # fmt: skip
"""What a stage usually takes; the model's answer comes on top of its own."""
BUDGET_S: Final = 60.0
MAX_ATTEMPTS: Final = 2
CITED: Final = 2
"""Packages that a report has to cite before it is published, whatever the gate says."""
DOCUMENT: Final = {
    "name": "str", "version": "str", "released": "str", "summary": "str", "links": "int", "body": "str",
}  # fmt: skip
PASSAGE: Final = {"heading": "str", "text": "str", "code": "str"}

Paragraph = tuple[str, str, str]
"""Heading, prose, code."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the cache has for a package."""

    document: dict[str, Any]
    age_h: float


@dataclass(frozen=True, slots=True)
class Job:
    """One question, and the packages that are looked through for it."""

    question: str
    subject: library.Subject
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResearchParts(Parts):
    """The parts of the research pipeline."""

    lookup: Callable[[str], Entry | None]
    serve: Callable[[str, str], dict[str, Any]]  # mirror, package -> document; may raise TimeoutError
    parse: Callable[[str], list[Paragraph]]
    load: Callable[[list[Passage]], list[Passage]]  # what of the passages is in the index
    pack: Callable[[Evidence], Evidence]
    prompt: Callable[[str, str], tuple[str, str]]
    complete: Callable[[str, str], llm.Completion]
    link: Callable[[str, Evidence], str]


def job(random: Random) -> Job:
    """Return something to ask, and where to look: the packages of its subject, and others."""
    subject = random.choice(library.SUBJECTS)
    others = [name for other in library.SUBJECTS if other != subject for name in other.packages]
    packages = [*subject.packages, *random.sample(others, 4)]
    random.shuffle(packages)
    return Job(question=library.question(subject, random), subject=subject, packages=tuple(packages))


def good_parts(random: Random, clock: PlannedClock) -> ResearchParts:
    """Return the parts as they are when nothing is wrong with any of them."""

    def lookup(package: str) -> Entry | None:
        if random.random() < 0.5:
            return None
        age_h = round(random.uniform(0.2, 47), 1)
        return Entry(library.document(package, clock.now_ns() - int(age_h * 3600) * SECOND_NS), age_h)

    return ResearchParts(
        cost=around.usual_cost(SECONDS, random),
        score=around.honest_score(random),
        replicate=around.replicated,
        lookup=lookup,
        serve=lambda mirror, package: library.document(package, clock.now_ns()),
        parse=lambda body: list(corpus.paragraphs(body)),
        load=list,
        pack=lambda evidence: evidence,
        prompt=lambda system, user: (system, user),
        complete=lambda system, user: writer.write(writer.MODEL, system, user, random),
        link=link,
    )


def run(job: Job, parts: ResearchParts, clock: PlannedClock, random: Random) -> Ran:
    """Answer a question; the run is recorded, and says how it went."""
    trace = TraceContext.start(
        project_name=PROJECT,
        query=job.question,
        intent=intake.classify("intent", job.question).label,
        domain=job.subject.name,
        report_type="package_research",
        research_type="documentation",
    )
    with trace:
        began = clock.now_ns()
        in_stage = partial(_stage, trace, clock, parts, random)
        try:
            good = _answer(job, parts, clock, random, trace, in_stage)
        except (KeyError, TypeError, ValueError) as exc:
            trace.mark_failed(exc)
            good = False
        good = around.in_time(began, clock, BUDGET_S) and good
        if trace.status == "in_progress":
            trace.mark_complete()
    return Ran(trace.trace_id, trace.otel_trace_id, good)


def _stage(trace: Trace, clock: PlannedClock, parts: Parts, random: Random, name: str) -> Any:
    return around.stage(trace, clock, parts, name, COMPONENTS[name], random)


def _answer(
    job: Job, parts: ResearchParts, clock: PlannedClock, random: Random, trace: Trace, in_stage: Callable[[str], Any]
) -> bool:
    documents = _documents(job, parts, clock, random, trace, in_stage)
    passages = _passages(documents, parts, clock, in_stage)
    with in_stage("indexing") as timed:
        loaded = parts.load(passages)
        index = Index(loaded)
        timed.outputs |= {"passages": len(passages), "indexed": len(loaded), "packages": len(index.sources)}
    with in_stage("intake") as timed:
        brief = intake.take_in(job.question, index)
        timed.outputs |= {"research_brief": brief.text, "intent": brief.intent.label}
    with in_stage("rubric") as timed:
        held_to = rubric.load(brief)
        timed.outputs |= {"activated_count": len(held_to.active)}
    plan, changes, before = first_plan(brief), list[str](), None
    while True:
        with in_stage("collection") as timed:
            evidence = collection.collect(brief, plan, index)
            timed.outputs |= {"evidence_passed": len(evidence.kept), "evidence_filtered": len(evidence.filtered)}
        with in_stage("packing") as timed:
            packed = parts.pack(evidence)
            size = sum(len(item.passage.text) for item in packed.kept)
            timed.outputs |= {"offered": len(evidence.kept), "packed": len(packed.kept), "characters": size}
        with in_stage("synthesis") as timed:
            report = _write(brief, held_to, packed, plan, index, parts, clock)
            timed.outputs |= {"report_length_chars": len(report.markdown), "model": report.writer}
        with in_stage("linking") as timed:
            markdown = parts.link(report.markdown, evidence)
            timed.outputs |= {"report_length_chars": len(markdown)}
        with in_stage("quality_gate") as timed:
            gate = quality_gate.assess(markdown, brief, held_to, evidence, index)
            cited = len(set(synthesis.CITATION.findall(markdown.partition("\n## Sources")[0])))
            said.expectation("packages cited", cited >= CITED, expected=f"at least {CITED}", actual=cited)
            timed.outputs |= gate.as_record() | {"iteration": plan.attempt}
        verdict = "PASS" if gate.passed else "FAIL"
        trace.record_iteration(
            {
                "iteration": plan.attempt,
                "quality_gate_result": verdict,
                "overall_score": gate.overall,
                "changes": changes,
            }
        )
        if gate.passed and cited >= CITED:
            break
        plan, changes = revise(
            plan,
            tuple(gap.principle for gap in gate.gaps),
            overall=gate.overall,
            before=before,
            attempts_left=MAX_ATTEMPTS - plan.attempt,
        )
        before = gate.overall
        if not changes:
            if gate.passed:
                trace.mark_failed("the report was held back")
            return False
    if not around.review([f"statement {n}" for n in range(1, around.REVIEWED + 1)], trace, parts, clock, random):
        trace.mark_failed("the report was held back")
        return False
    if not around.publish(markdown, len(evidence.kept), trace, parts, clock, random):
        trace.mark_failed("the report was not published")
        return False
    return True


def _documents(
    job: Job, parts: ResearchParts, clock: PlannedClock, random: Random, trace: Trace, in_stage: Callable[[str], Any]
) -> list[dict[str, Any]]:
    """Return the documents of a job's packages, from the cache where it has them."""
    found: dict[str, dict[str, Any]] = {}
    with in_stage("lookup") as timed:
        for package in job.packages:
            entry = parts.lookup(package)
            inputs: dict[str, Any] = {"key": package}
            if entry is not None:
                found[package] = entry.document
                holds = entry.document.get("name") == package
                inputs |= {"age_h": entry.age_h, "bytes": len(str(entry.document.get("body"))), "holds_its_key": holds}
            whence.decision(
                "cache_lookup",
                what="hit" if entry is not None else "miss",
                why="there is an entry" if entry is not None else "there is no entry",
                confidence=1.0,
                inputs=inputs,
            )
        timed.outputs |= {"hits": len(found), "misses": len(job.packages) - len(found)}
    with in_stage("fetch") as timed:
        for package in job.packages:
            if package in found:
                continue
            mirror = library.subject_of(package).mirror

            def serve(mirror: str = mirror, package: str = package) -> dict[str, Any]:
                return parts.serve(mirror, package)

            with trace.timed("get_document", "tool", mirror) as call:
                clock.spend(random.lognormvariate(-1.6, 0.3))
                document = around.persistently(around.flaky(serve, random), mirror, clock, random)
                age = _age_days(document.get("released"), clock)
                call.outputs |= {"package": package, "version": document.get("version"), "age_days": age}
            found[package] = document
            said.handed_over("document", mirror, "parser", document, DOCUMENT)
        timed.outputs |= {"documents": len(found)}
    return [found[package] for package in job.packages]


def _age_days(released: object, clock: PlannedClock) -> int | None:
    """Return how old a release is; None where that cannot be told."""
    if not isinstance(released, str):
        return None
    return (datetime.fromtimestamp(clock.now_ns() / 1e9, UTC).date() - date.fromisoformat(released)).days


def _passages(
    documents: list[dict[str, Any]], parts: ResearchParts, clock: PlannedClock, in_stage: Callable[[str], Any]
) -> list[Passage]:
    passages: list[Passage] = []
    with in_stage("parse") as timed:
        for document in documents:
            source = _source(document, clock)
            found = parts.parse(str(document.get("body", "")))
            passages.append(Passage(source=source, heading=corpus.SUMMARY, text=source.summary, code="", position=0))
            passages += [
                Passage(source=source, heading=heading, text=text, code=code, position=position)
                for position, (heading, text, code) in enumerate(found, 1)
            ]
        last = passages[-1]
        shown = {"heading": last.heading, "text": last.text, "code": last.code}
        said.handed_over("passage", "parser", "indexer", shown, PASSAGE)
        timed.outputs |= {
            "documents": len(documents),
            "passages": len(passages),
            "examples": sum(bool(each.code) for each in passages),
            "characters": sum(len(each.text) for each in passages),
        }
    return passages


def _source(document: dict[str, Any], clock: PlannedClock) -> Source:
    """Return a document's source, rated as the example rates. Raises ValueError for a date that is none."""
    years = (datetime.fromtimestamp(clock.now_ns() / 1e9, UTC).date() - date.fromisoformat(document["released"])).days
    return Source(
        name=document["name"],
        version=document["version"],
        summary=document["summary"],
        credibility=round(
            0.6 + 0.1 * min(document["links"], 3) / 3 + 0.2 * min(len(document.get("body", "")), 800) / 800, 3
        ),
        credibility_signals=(f"{document['links']} project links",),
        recency=round(0.5 ** (max(years, 0) / 365.25 / 3), 3),
        recency_reason=f"released {document['released']}",
    )


def _write(
    brief: intake.Brief, held_to: rubric.Rubric, evidence: Evidence, plan: Any, index: Index, parts: ResearchParts,
    clock: PlannedClock,
) -> synthesis.Report:  # fmt: skip
    """Return what the model writes, by the example's synthesis."""
    made = synthesis.build_prompt
    specified, _ = made(brief, held_to, evidence, plan)
    given: list[str] = []

    def build_prompt(*arguments: Any) -> tuple[str, str]:
        system, user = parts.prompt(*made(*arguments))
        given[:] = [system, user]
        return system, user

    def complete(endpoint: llm.Endpoint, system: str, user: str) -> llm.Completion:
        done = parts.complete(system, user)
        clock.spend(done.seconds)
        return done

    endpoint = llm.Endpoint(url="http://models.internal/v1", model=writer.MODEL)
    with patch.object(synthesis, "build_prompt", build_prompt), patch.object(llm, "complete", complete):
        report = synthesis.synthesize(brief, held_to, evidence, plan, index, model=endpoint)
    said.output_compared(
        "prompt_builder",
        "prompt",
        to_prompt=_apart(brief.question, given[0]),
        to_expected=_apart(specified, given[0]),
    )
    wanted = [part for part in _PARTS if f"'{part}'" in specified]
    there = sum(part in report.markdown for part in wanted)
    said.output_compared(
        "writer",
        "report",
        to_prompt=_apart(" ".join(given), report.markdown),
        to_expected=1 - there / len(wanted) if wanted else 0.0,
    )
    return report


def _apart(one: str, other: str) -> float:
    """Return how far two texts are apart by their words: 0 with the same words, 1 with none in common."""
    return 1 - overlap(stems(one), stems(other))


_PARTS: Final = ("## Short answer", "## Limits", "## Sources", "## Example", "## Where to read on")


def link(markdown: str, evidence: Evidence) -> str:
    """Return a report whose citations carry the version of what they cite."""
    labels = {item.passage.source.name: item.passage.source.label for item in evidence.kept}
    linked = 0
    for name, label in labels.items():
        linked += markdown.count(f"[{name}]")
        markdown = markdown.replace(f"[{name}]", f"[{label}]")
    whence.decision(
        "citations",
        what=f"{linked} citations of {len(labels)} packages",
        why="each name stands for the release that was read",
        confidence=1.0,
        inputs={"citations": linked, "packages": len(labels)},
    )
    return markdown


def with_kept(evidence: Evidence, count: int) -> Evidence:
    """Return evidence of which only the first items are kept."""
    return replace(evidence, kept=evidence.kept[:count])
