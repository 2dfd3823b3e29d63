"""Synthesis: the report, in the packages' own sentences, each with its source."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from whence.tracing import TraceContext

from . import llm
from .collection import contrast
from .evidence import Evidence, Item
from .index import Index
from .intake import Brief
from .plan import Plan
from .rubric import Rubric
from .text import count, details, overlap, sentences, stems

_ABSOLUTES = """always never best fastest easiest perfect guaranteed blazing blazingly beautiful effortless
    effortlessly simply intuitive amazing awesome joy magic every powerful gorgeous"""
ABSOLUTES = frozenset(_ABSOLUTES.split())
_ON_THE_POINT = 0.30  # share of the question that a sentence has to touch, unless it is of a package that is named
_DANGLING = re.compile(r"(then|see|for more|for details|here|note|this (will|generates|produces)|also|and)\b", re.I)
CITATION = re.compile(r"\[([A-Za-z0-9][\w.-]* \d[^\]\s]*)\]")  # [name version]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A written report, and who wrote it."""

    markdown: str
    writer: str  # "extractive", or the model's name
    input_tokens: int
    output_tokens: int

    @property
    def cited(self) -> list[str]:
        """The labels cited in its text, each once."""
        return list(dict.fromkeys(CITATION.findall(self.markdown.partition("\n## Sources")[0])))

    @property
    def sections(self) -> int:
        """How many second-level headings it has."""
        return sum(line.startswith("## ") for line in self.markdown.splitlines())


@dataclass(frozen=True, slots=True)
class _Statement:
    item: Item
    sentence: str
    points: float

    @property
    def cited(self) -> str:
        return f"{self.sentence} [{self.item.passage.source.label}]"


def synthesize(
    brief: Brief, rubric: Rubric, evidence: Evidence, plan: Plan, index: Index, *, model: llm.Endpoint | None = None
) -> Report:
    """Return the report on the evidence, written by the endpoint when there is one, else by quoting."""
    system, user = build_prompt(brief, rubric, evidence, plan)
    trace = TraceContext.current()
    if trace:
        trace.record(
            "synthesis",
            "prompt_construction",
            {
                "what": f"plan of attempt {plan.attempt} + rubric ({len(rubric.active)} active principles) + "
                f"{len(evidence.kept)} passages",
                "why": "The plan gives structure, the rubric guardrails, and nothing but the evidence may be said",
                "confidence": 1.0 if evidence.kept else 0.0,  # without evidence there is nothing to write from
                "alternatives_considered": [f"also show the {len(evidence.filtered)} passages left out"],
                "inputs": {"plan": asdict(plan), "rubric_injected": True, "active_principles": len(rubric.active)},
            },
        )
        trace.record_prompts("synthesis", {"system_prompt": system, "user_message": user})

    written, why = _ask(model, system, user) if model else (None, "No --model endpoint was given")
    chosen = written or Report(
        markdown=quote(brief, evidence, plan, index), writer="extractive", input_tokens=0, output_tokens=0
    )
    if trace:
        trace.record(
            "synthesis",
            "model_selection",
            {
                "what": chosen.writer,
                "why": why,
                "confidence": 1.0,
                "alternatives_considered": ["extractive"] if written else ["a language model (--model URL)"],
                "inputs": {"endpoint": model.url if model else None},
            },
        )
    return chosen


def _ask(model: llm.Endpoint, system: str, user: str) -> tuple[Report | None, str]:
    """Return the endpoint's report, or None, and why."""
    trace = TraceContext.current()
    prompt = {"system_prompt": system, "user_message": user}
    try:
        done = llm.complete(model, system, user)
    except llm.EndpointError as error:
        if trace:
            trace.llm_call("write_report", model=model.model, prompt=prompt, error=str(error), stage="synthesis")
        return None, f"{error}; quoting needs no endpoint"
    if trace:
        trace.llm_call(
            "write_report",
            model=done.model,
            prompt=prompt,
            response=done.text,
            input_tokens=done.input_tokens,
            output_tokens=done.output_tokens,
            duration_s=done.seconds,
            stage="synthesis",
        )
    report = Report(
        markdown=done.text, writer=done.model, input_tokens=done.input_tokens, output_tokens=done.output_tokens
    )
    return report, f"{model.url} answered in {done.seconds:.1f} s"


def build_prompt(brief: Brief, rubric: Rubric, evidence: Evidence, plan: Plan) -> tuple[str, str]:
    """Return (instructions, material). Both writers work from them: the extractive one follows the same plan."""
    orders = [
        f"Answer for a reader who is {brief.intent.label}, in Markdown, with at most {plan.statements} statements.",
        "Use only the passages given. End each statement with its source in brackets, as in [name 1.2].",
        "Begin with '## Short answer', close with '## Limits' (what could not be found) and '## Sources'.",
        f"No sentence has more than {plan.longest_sentence} words.",
    ]
    orders += [
        order
        for wanted, order in (
            (plan.counter_evidence, "Add '## What speaks against it'."),
            (plan.example, "Add '## Example' with code from the passages."),
            (plan.read_on, "Add '## Where to read on'."),
            (plan.definition, "Begin by saying what the thing is."),
            (plan.avoid_claims, "Avoid absolutes and advertising."),
        )
        if wanted
    ]
    orders += ["", "The report is held to:", *(f"- {p.id} {p.name}: {p.about}" for p in rubric.active)]
    material = [f"Question: {brief.question}", ""]
    for item in evidence.kept:
        material += [f"[{item.passage.source.label}] ({item.tier}) {item.passage.heading}", item.passage.text]
        material += [item.passage.code, ""] if item.passage.code else [""]
    return "\n".join(orders), "\n".join(material).rstrip()


def quote(brief: Brief, evidence: Evidence, plan: Plan, index: Index) -> str:
    """Return a report made of sentences of the evidence."""
    chosen = choose(brief, evidence, plan, index)
    opening = chosen[:2]
    lines = [f"# {brief.question}", "", "## Short answer", ""]
    lines += [statement.cited for statement in opening] or ["The installed packages say nothing about this."]

    rest = chosen[2:]
    if rest:
        lines += ["", "## What the documentation says"]
    for label in dict.fromkeys(s.item.passage.source.label for s in rest):
        lines += ["", f"### {label}", ""]
        lines += [f"- {s.cited}" for s in rest if s.item.passage.source.label == label]
    if plan.counter_evidence:
        against = _against(brief, evidence, index)
        lines += ["", "## What speaks against it", ""]
        lines += [f"- {s.cited}" for s in against] or [f"Nothing was found in {count(len(index.passages), 'passage')}."]
    if plan.example and (shown := _example(brief, evidence, index)):
        lines += ["", "## Example", "", f"From {shown.passage.source.label}, {shown.passage.heading!r}:", ""]
        lines += ["```python", shown.passage.code, "```"]
    used = dict.fromkeys(item.passage.source for item in evidence.kept)
    if plan.read_on and used:
        lines += ["", "## Where to read on", ""]
        further = {item.passage.url: item.passage for item in evidence.kept}
        lines += [f"- {passage.source.name}, {passage.heading}: {url}" for url, passage in list(further.items())[:4]]
    lines += ["", "## Limits", "", _limits(brief, evidence)]
    lines += ["", "## Sources", ""]
    lines += [
        f"- [{s.label}] credibility {s.credibility:.2f}, recency {s.recency:.2f} ({s.recency_reason})" for s in used
    ] or ["None."]
    return "\n".join(lines) + "\n"


def choose(brief: Brief, evidence: Evidence, plan: Plan, index: Index) -> list[_Statement]:
    """Return the sentences that say most about the question, best first, none like another."""
    candidates = []
    for item in evidence.kept:
        for sentence in sentences(item.passage.text):
            length = len(sentence.split())
            if sentence.endswith(":") or _DANGLING.match(sentence) or not 5 <= length <= plan.longest_sentence:
                continue
            if item.tier == "counter" and contrast(sentence, brief, index):
                continue  # it is said under what speaks against
            context = stems(f"{sentence} {item.passage.heading} {item.passage.source.name}")
            own = index.coverage(stems(sentence), brief.terms)
            touched = 0.6 * own + 0.4 * index.coverage(context, brief.terms)
            if touched < _ON_THE_POINT and item.passage.source.name not in brief.named:
                continue
            points = touched * item.scores.composite
            if plan.prefer_concrete:
                points *= 1.0 if details(sentence) else 0.4
            if plan.avoid_claims and set(sentence.lower().replace(",", " ").split()) & ABSOLUTES:
                points *= 0.2
            if points > 0:
                candidates.append(_Statement(item, sentence, points))
    candidates.sort(key=lambda candidate: -candidate.points)
    chosen = _definition(brief, evidence, candidates) if plan.definition else []
    passed_over = []
    for candidate in candidates:
        alike = any(overlap(stems(candidate.sentence), stems(other.sentence)) >= 0.5 for other in chosen)
        same = sum(other.item.passage.source == candidate.item.passage.source for other in chosen)
        if not alike and same < plan.statements_per_source and len(chosen) < plan.statements:
            chosen.append(candidate)
        else:
            passed_over.append(candidate)
    _record_choice(chosen, passed_over, plan)
    return chosen


def _record_choice(chosen: list[_Statement], passed_over: list[_Statement], plan: Plan) -> None:
    trace = TraceContext.current()
    if not trace:
        return
    last = min((statement.points for statement in chosen), default=0.0)
    following = max((statement.points for statement in passed_over), default=0.0)
    trace.record(
        "synthesis",
        "statement_selection",
        {
            "what": [statement.cited for statement in chosen] or "nothing to say",
            "why": f"They touch most of the question in the best passages; at most {plan.statements}, "
            f"{plan.statements_per_source} of one package, none like another",
            "confidence": round(last / (last + following), 2) if chosen else 1.0,  # 0.5: the next is as good
            "alternatives_considered": [f"{s.cited} ({s.points:.2f})" for s in passed_over[:4]],
            "inputs": {"candidates": len(chosen) + len(passed_over), "attempt": plan.attempt},
        },
    )


def _definition(brief: Brief, evidence: Evidence, candidates: list[_Statement]) -> list[_Statement]:
    """Return the summary of the package that the question names, else of the one that says most, as one statement."""
    wanted = brief.named or tuple(candidate.item.passage.source.name for candidate in candidates[:1])
    items = [item for item in evidence.kept if item.passage.source.name in wanted and item.passage.source.summary]
    return [_Statement(item, item.passage.source.summary.rstrip(".") + ".", 1.0) for item in items[:1]]


def _against(brief: Brief, evidence: Evidence, index: Index) -> list[_Statement]:
    found = []
    for item in evidence.kept:
        if item.tier == "counter":
            best = max(sentences(item.passage.text), key=lambda sentence: contrast(sentence, brief, index))
            found.append(_Statement(item, best, contrast(best, brief, index)))
    return found


def _example(brief: Brief, evidence: Evidence, index: Index) -> Item | None:
    """Return the item whose code touches most of the question; None when no kept passage has Python code."""
    with_code = [i for i in evidence.kept if i.passage.code and not i.passage.code.lstrip().startswith(("pip ", "$"))]
    return max(with_code, key=lambda i: index.coverage(stems(i.passage.code), brief.terms), default=None)


def _limits(brief: Brief, evidence: Evidence) -> str:
    passages, packages = count(len(evidence.kept), "passage"), count(len(evidence.sources()), "installed package")
    text = f"This rests on {passages} of {packages}, as their authors describe them."
    if evidence.missing:
        text += f" No installed package speaks of: {', '.join(evidence.missing)}."
    if brief.bias_flags and not evidence.counter_searched:
        text += " The wording of the question leans towards an answer; counter-evidence was not searched for."
    return text
