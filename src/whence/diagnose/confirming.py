"""Whether records themselves lead from a cause to what went wrong, link by link. Pure.

A link is a fact of the records: a failing hand-over, and a consumer that fails over a field that it lacked; a failed call
of a model, and the stage around it that failed; text that healing put in, and the check that fails over it; an error, and
the run that ended with it. Where one link is missing there is no chain, and the cause stays a hypothesis.
"""

import re
from collections.abc import Container, Iterator, Sequence

from whence.diagnose.ranking import Candidate
from whence.diagnose.run import Fact, Run, error_text, text_of
from whence.model import record as kinds
from whence.model.payload import LLM
from whence.query.claims import ENDED, Claim, fact, short


def chain_from(candidate: Candidate, run: Run) -> tuple[Claim, ...]:
    """Return the steps from a candidate to what went wrong, each with its record; nothing where they do not connect."""
    for link in (_introduced, _handed_over, _model, _raised):
        steps = tuple(link(candidate, run))
        if steps:
            return steps
    return ()


def _introduced(candidate: Candidate, run: Run) -> Iterator[Claim]:
    """Healing brought in what a check fails over in the end (`whence.query.healing` follows the text itself)."""
    made = [each for each in candidate.claims if each.rule == "introduced" and each.kind == "confirmed"]
    if not made:
        return
    yield made[0]
    yield from (each for each in candidate.claims if each.rule == "decided" and each.kind == "confirmed")
    later = [each for each in run.checks if each.ts_ns > made[0].ts_ns and _fails_over(each, made[0])]
    if later:
        yield fact(f"{_check(later[-1])} fails over it", later[-1].record.stage, later[-1].id, "check", later[-1].ts_ns)
    yield from _end(run)


def _fails_over(check: Fact, made: Claim) -> bool:
    """Return whether a check failed over what healing is said to have introduced, and not over something else."""
    failures = check.data.get("failures") if check.data.get("passed") is False else None
    listed = failures if isinstance(failures, list) else ()
    messages = [short(each["message"]) for each in listed if isinstance(each, dict) and each.get("message")]
    return any(each in made.statement for each in messages)


def _handed_over(candidate: Candidate, run: Run) -> Iterator[Claim]:
    """A hand-over lacked a field; then whoever got it failed over that field."""
    for check in _interfaces(candidate, run):
        fields = _fields(check)
        target = text_of(check.data.get("subject"))
        if not fields:
            continue
        source = check.record.component or check.record.stage
        lacks = _failures(check)
        after = [each for each in run.facts if (each.ts_ns, each.id) > (check.ts_ns, check.id)]
        stages = {each.record.stage for each in run.facts if target and each.record.component == target} - {""}
        for each in after:
            other = _consumer(each, target, fields, stages)
            if other is not None:
                said = f"{source} handed {check.record.name} over to {target or 'what came next'}: {lacks}"
                yield fact(said, check.record.stage, check.id, "hand_over", check.ts_ns)
                yield fact(other, each.record.stage, each.id, "consumer", each.ts_ns)
                if each.record.kind != kinds.TRACE_END:
                    yield from _end(run)
                return


def _consumer(each: Fact, target: str, fields: Sequence[str], stages: Container[str]) -> str | None:
    """Return how a record says that the consumer failed over a field; None where it does not.

    Args:
        stages: in which the consumer acts.
    """
    error = error_text(each.data.get("error"))
    own = each.record.stage in stages or (bool(target) and target in (each.record.component, each.record.stage))
    if error and any(_names(error, field, quoted=not own and _is_word(field)) for field in fields):
        who = each.record.component or each.record.stage or "the run"
        return f"{who} failed over it: {error}"
    if each.record.kind == kinds.CHECK and each.data.get("type") == "interface" and each.data.get("passed") is False:
        shared = sorted(set(fields) & set(_fields(each)))
        if shared and target and each.record.component == target:
            return f"{target} in turn handed {each.record.name} over without {', '.join(shared)}"
    return None


def _names(error: str, field: str, *, quoted: bool) -> bool:
    """Return whether an error names a field.

    Args:
        quoted: only as a name, in quotation marks, as KeyError and validators have it. An error of somebody else that
            holds the word `name` or `text` says nothing of the field that is called so.
    """
    word = rf"(?<!\w){re.escape(field)}(?!\w)"
    return re.search(rf"[\"'`“‘]{word}[\"'`”’]" if quoted else word, error) is not None


def _is_word(field: str) -> bool:
    """Return whether the name of a field may stand in any sentence: `text`, unlike `user_id` or `totalAmount`."""
    return field.isalpha() and field == field.lower()


def _interfaces(candidate: Candidate, run: Run) -> list[Fact]:
    def here(each: Fact) -> bool:
        return (each.record.stage, each.record.component) == (candidate.stage, candidate.component)

    return [
        each
        for each in run.checks
        if here(each) and each.data.get("type") == "interface" and each.data.get("passed") is False
    ]


def _fields(check: Fact) -> list[str]:
    failures = check.data.get("failures")
    found = [each.get("field") for each in failures if isinstance(each, dict)] if isinstance(failures, list) else []
    return [each for each in found if isinstance(each, str) and each]


def _failures(check: Fact) -> str:
    failures = check.data.get("failures")
    listed = failures[:3] if isinstance(failures, list) else []
    return "; ".join(text_of(each.get("message"), 120) for each in listed if isinstance(each, dict))


def _model(candidate: Candidate, run: Run) -> Iterator[Claim]:
    """A call of a model failed, and with it the parts around it."""
    failed = {each.record_id for each in candidate.claims if each.rule == "llm"}
    for span in run.spans.values():
        if span.type != LLM or not span.error or span.end is None or span.end.id not in failed:
            continue
        above, steps = span.parent, []
        while above is not None and above.error and above.end is not None:
            said = f"{above.type} {above.name} failed with it: {error_text(above.error)}"
            steps.append(fact(said, above.stage, above.end.id, "around", above.end.ts_ns))
            above = above.parent
        if steps and above is None:
            said = f"LLM call {span.name} failed: {error_text(span.error)}"
            yield fact(said, span.stage, span.end.id, "llm", span.end.ts_ns)
            yield from steps
            yield from _end(run)
            return


def _raised(candidate: Candidate, run: Run) -> Iterator[Claim]:
    """An error, and the run that ended with it."""
    ended = [each for each in candidate.claims if each.rule in ENDED]
    if ended:
        yield ended[0]
        return
    end = next(iter(run.of_kind(kinds.TRACE_END)), None)
    with_what = error_text(end.data.get("error")) if end is not None else ""
    for each in candidate.claims:
        record = run.by_id.get(each.record_id)
        error = error_text(record.data.get("error")) if record is not None else ""
        if each.rule == "stage_error" and error and with_what and (error in with_what or with_what in error):
            yield each
            yield from _end(run)
            return


def _end(run: Run) -> Iterator[Claim]:
    end = next(iter(run.of_kind(kinds.TRACE_END)), None)
    if end is not None and end.data.get("status") not in (None, "complete"):
        error = error_text(end.data.get("error"), 160)
        yield fact(f"the run ended {end.data['status']}{': ' + error if error else ''}", "", end.id, "end", end.ts_ns)


def _check(check: Fact) -> str:
    failures = check.data.get("failures")
    first = failures[0] if isinstance(failures, list) and failures and isinstance(failures[0], dict) else {}
    about = text_of(first.get("message"), 120)
    return f"check {check.record.name}{f' of {check.record.component}' if check.record.component else ''}" + (
        f" ({about})" if about else ""
    )
