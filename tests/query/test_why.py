"""`why` names the first bad stage, rests every claim on a record, and keeps facts and guesses apart."""

import pytest

import whence
from tests.conftest import Run
from tests.query.generated import Generation
from whence import query
from whence.query.claims import short
from whence.runtime.runtime import Runtime
from whence.tracing import TraceContext


def research(source: str, *, passed: bool, confidence: float = 0.9, rounds: int = 1) -> str:
    with TraceContext.start(project_name="p", query="q", intent="exploring") as trace:
        trace.start_stage("collection")
        trace.record("collection", "source_selection", {"what": source, "why": "w", "confidence": confidence})
        trace.end_stage("collection", {"evidence_passed": 4})
        for n in range(rounds):
            trace.start_stage("synthesis")
            trace.record("synthesis", "prompt", {"what": "same"})
            trace.end_stage("synthesis")
            trace.start_stage("quality_gate")
            trace.record("quality_gate", "quality_assessment", {"what": "PASS" if passed else "FAIL"})
            score = {"id": "META-3", "name": "Breadth", "score": 3 if passed else 1, "feedback": "one source only"}
            trace.end_stage(
                "quality_gate",
                {
                    "passed": passed,
                    "overall_score": 2.5 if passed else 1.4,
                    "threshold": 2.0,
                    "principle_scores": [score],
                },
            )
            trace.record_iteration({"iteration": n + 1, "passed": passed})
        trace.mark_complete()
    return trace.trace_id


def test_a_good_run_is_said_to_be_good(runtime: Runtime) -> None:
    answer = query.why(research("exa", passed=True))

    assert answer.outcome == "good"
    assert answer.first_bad_stage is None
    assert answer.chain == ()
    assert "went well" in answer.headline


def test_a_failed_gate_is_traced_to_its_principles_and_to_what_changed(runtime: Runtime) -> None:
    good = research("exa", passed=True)
    bad = research("reddit", passed=False, confidence=0.4, rounds=2)

    answer = query.why(bad)

    assert (answer.outcome, answer.first_bad_stage, answer.good_run) == ("bad", "quality_gate", good)
    assert [claim.rule for claim in answer.chain] == ["gate", "principle"]
    assert answer.chain[1].statement == "principle META-3 (Breadth) scored 1: one source only"
    assert {claim.kind for claim in answer.chain} == {"confirmed"}
    assert {claim.kind for claim in answer.hypotheses} == {"hypothesis"}
    rules = [claim.rule for claim in answer.hypotheses]
    assert rules == ["idle_retry", "changed", "unsure"]
    change = next(each for each in answer.changes if each.what == "collection.source_selection")
    assert (change.before, change.now) == ("exa", "reddit")
    assert f"whence compare {good} {bad}" in answer.next_steps


def test_every_claim_rests_on_a_record_that_is_stored(runtime: Runtime) -> None:
    research("exa", passed=True)
    answer = query.why(research("reddit", passed=False, confidence=0.4, rounds=2))

    store = runtime.ready_store()
    for claim in (*answer.chain, *answer.hypotheses):
        assert store.record(claim.record_id) is not None, claim


def test_an_error_names_its_stage_and_place(runtime: Runtime) -> None:
    with pytest.raises(ZeroDivisionError), whence.trace("p") as trace, trace.stage("score") as stage:
        stage.decision("weights", what=[1, 2], confidence=0.3)
        _ = 1 / 0

    answer = query.why(trace.trace_id)

    assert answer.first_bad_stage == "score"
    assert "ZeroDivisionError: division by zero" in answer.chain[0].statement
    assert "test_why.py" in answer.chain[0].statement
    assert [claim.rule for claim in answer.chain] == ["stage_error", "failed"]
    assert [claim.rule for claim in answer.hypotheses] == ["unsure"]


def test_a_killed_process_is_named_with_its_last_record(runtime: Runtime, run: Run) -> None:
    run(
        """
        import os, signal, whence
        trace = whence.trace("p")
        stage = trace.stage("collection")
        stage.decision("score", what="passage 7", confidence=0.8)
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        check=False,
    )

    answer = query.why("last")

    assert answer.first_bad_stage == "collection"
    assert [claim.rule for claim in answer.chain] == ["unfinished", "process_lost"]
    assert "passage 7" in answer.chain[0].statement


def test_a_run_that_goes_on_is_not_judged(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        assert query.why(trace.trace_id).outcome == "in_progress"


def test_comparison_aligns_decisions_and_names_the_first_divergence(runtime: Runtime) -> None:
    found = query.comparison(research("exa", passed=True), research("reddit", passed=True))

    assert found.first_divergence is not None
    assert found.first_divergence.decision == "source_selection"
    assert [pair.same for pair in found.decisions] == [False, True, True]


def test_ids_may_be_short_and_ambiguity_is_said(runtime: Runtime) -> None:
    first = research("exa", passed=True)
    research("exa", passed=True)

    assert query.find(first[-8:]).trace_id == first
    assert query.find("last").trace_id != first
    with pytest.raises(whence.NotFound, match="could be any of"):
        query.find("trc_2026"[4:])
    with pytest.raises(whence.NotFound, match="whence traces"):
        query.find("trc_20200101_000000_ffffffffffffffff")


def test_a_retry_that_was_never_ended_is_no_recovery(runtime: Runtime) -> None:
    trace = whence.trace("p")
    with pytest.raises(ValueError, match="boom"), trace.stage("s"):
        raise ValueError("boom")
    trace.stage("s")
    trace.mark("failed", "gave up")
    trace.end()

    answer = query.why(trace.trace_id)
    assert [claim.rule for claim in answer.chain][:1] == ["stage_error"]
    assert "boom" in answer.headline


def test_a_recovered_failure_is_told_and_blamed_for_nothing(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        with pytest.raises(ValueError, match="once"), trace.stage("fetch"):
            raise ValueError("once")
        with trace.stage("fetch"):
            pass
        with trace.stage("rank") as rank:
            rank.end(error="no index")
        trace.mark("failed", "no index")

    answer = query.why(trace.trace_id)
    assert answer.first_bad_stage == "rank"
    assert "no index" in answer.headline
    assert "recovered" in [claim.rule for claim in answer.chain]


def generated(fail: str) -> str:
    with whence.trace(project="gen") as trace:
        for component in ("a", "b"):
            with trace.stage("component_generation", component=component) as stage:
                text = f"import {fail}\n" if component == "a" else "import os\n"
                stage.transform("healer", "\n", text, action="heal", attempt=1)
                found = [{"type": "import", "message": f"no module {fail}", "line": 1}] if component == "a" else []
                stage.check("imports", not found, type="import", content=text, failures=found)
                stage.wrote(f"/nowhere/{component}.py", text, verify=False)
                if found:
                    stage.end(error="it does not import")
        trace.mark("failed", "one component failed")
    return trace.trace_id


def test_a_check_that_failed_is_stated_and_the_bad_line_can_be_asked_about(runtime: Runtime) -> None:
    answer = query.why(generated("nowhere"))

    stated = {claim.rule: claim.statement for claim in answer.chain}
    assert stated["check"] == "check imports of a failed: no module nowhere (line 1)"
    assert answer.next_steps[:2] == ("whence blame /nowhere/a.py:1", f"whence heal-log {answer.trace_id}")


def test_a_component_that_went_well_is_no_later_attempt_of_one_that_failed(runtime: Runtime) -> None:
    answer = query.why(generated("nowhere"))

    assert [
        claim.rule for claim in answer.chain if claim.stage == "component_generation" and "stage" in claim.statement
    ] == ["stage_error"]


def test_a_check_that_passed_later_is_no_cause(runtime: Runtime) -> None:
    with whence.trace(project="gen") as trace:
        trace.check("syntax", False, type="syntax", failures=["bad"], component="a")
        trace.check("syntax", True, type="syntax", component="a")
        trace.mark("failed", "for another reason")

    assert [claim.rule for claim in query.why(trace.trace_id).chain if claim.rule == "check"] == []


# -- calls of models ----------------------------------------------------------------------------------------------------


def test_a_call_that_a_later_one_mended_is_no_cause(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        with trace.stage("ask") as stage:
            stage.llm_call("chat", model="m", error={"type": "Timeout", "message": "slow"})
            stage.llm_call("chat", model="m", error={"type": "Timeout", "message": "slower"})
            stage.llm_call("chat", model="m", response="yes")
        with trace.stage("rank") as rank:
            rank.end(error="no index")
        trace.mark("failed", "no index")

    answer = query.why("last")

    assert answer.first_bad_stage == "rank"
    assert (answer.chain[0].rule, answer.chain[0].statement) == (
        "recovered",
        "LLM call chat failed 2 times, the last time: Timeout: slower; a later call went well",
    )


def test_a_call_of_another_name_or_component_mends_nothing(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        with trace.stage("ask") as stage:
            stage.llm_call("chat", component="a", model="m", error=ConnectionError("down"))
            stage.llm_call("chat", component="b", model="m", response="yes")
            stage.llm_call("plan", component="a", model="m", response="yes")
        trace.mark("complete")

    answer = query.why("last")

    assert [claim.statement for claim in answer.chain] == ["LLM call chat failed: ConnectionError: down"]
    assert answer.headline.endswith("is complete, but: 1 LLM call failed")


# -- the headline -------------------------------------------------------------------------------------------------------


def test_a_complete_run_says_what_failed_in_it(runtime: Runtime) -> None:
    """Its outcome is good all the same: that is whether it came to its end and passed its gate."""
    with whence.trace(project="gen") as trace:
        with pytest.raises(LookupError), trace.stage("plan"):
            raise LookupError("no template")
        trace.check("syntax", False, type="syntax", failures=["bad"], component="a")
        trace.check("import", False, type="import", failures=["bad"], component="a")
        trace.mark("complete")

    answer = query.why("last")

    assert answer.outcome == "good"
    assert answer.headline == f"{answer.trace_id} is complete, but: 2 checks failed, 1 stage failed"
    assert answer.first_bad_stage is None


# -- what healing did ---------------------------------------------------------------------------------------------------


def healed(*, named: bool, complete: bool = False) -> tuple[Generation, str, str]:
    """A healer whose first attempt brings about what fails in the end: (run, its transformation, its decision)."""
    made = Generation()
    first, second, third = "base\n", "import x\nbase\n", "# fixed\nimport x\nbase\n"
    of = {"component": "sink", "stage": "heal"}

    def text(content: str) -> "str | None":
        return content if named else None

    made.check("name", text(first), (1, "base is not defined"), component="sink", stage="validation")
    cause = made.decision("mend", "import x", **of)
    step = made.transform("heal", first, second, said={"action": "heal", "attempt": 1}, parent=cause, **of)
    made.check("name", text(second), component="sink", stage="validation")
    made.check("import", text(second), (1, "no module x"), component="sink", stage="validation")
    made.decision("mend", "a comment", **of)
    made.transform("heal", second, third, said={"action": "heal", "attempt": 2}, **of)
    made.check("import", text(third), (2, "no module x"), component="sink", stage="validation")
    made.add("trace.end", {"status": "complete"} if complete else {"status": "failed", "error": "1 failed"}, "run")
    return made, step, cause


def test_what_healing_introduced_is_the_cause() -> None:
    """Stated by the record of the attempt, and by that of its decision, before the check that found it."""
    made, step, cause = healed(named=True)

    answer = query.why(made.trace_id, store=made.done())

    assert [claim.rule for claim in answer.chain] == ["introduced", "decided", "check", "failed"]
    assert answer.chain[0].statement == "heal attempt 1 of sink introduced it: no module x (line 1)"
    assert answer.chain[1].statement == (
        "that attempt's decision: mend chose import x with confidence 0.60; also considered: no"
    )
    assert [claim.record_id for claim in answer.chain[:2]] == [step, cause]
    assert answer.first_bad_stage == "heal"


def test_what_only_times_tell_of_healing_is_a_hypothesis() -> None:
    made, step, _ = healed(named=False)

    answer = query.why(made.trace_id, store=made.done())

    assert [claim.rule for claim in answer.chain] == ["check", "failed"]
    assert [claim.rule for claim in answer.hypotheses][:2] == ["introduced", "decided"]
    assert answer.hypotheses[0].record_id == step


def test_a_complete_run_says_so_too() -> None:
    made, _, _ = healed(named=True, complete=True)

    answer = query.why(made.trace_id, store=made.done())

    assert answer.headline.endswith("is complete, but: 1 check failed")
    assert answer.chain[0].rule == "introduced"


# -- words --------------------------------------------------------------------------------------------------------------


def test_of_a_long_error_the_message_is_cut_and_never_the_place() -> None:
    said = short({"type": "ValueError", "message": "x" * 500, "where": "/src/app.py:3 in read"}, 60)

    assert said == f"ValueError: {'x' * 47}… at /src/app.py:3 in read"
