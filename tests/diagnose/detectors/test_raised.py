"""Which code an error gets, how often it counts, and when it is over."""

import pytest

from tests.diagnose.detectors.said import Said, clean_run, examined, hostile_run, records_of, shuffled
from whence.diagnose.detectors.raised import Raised
from whence.model.severity import Severity


def found(said):
    return examined(Raised(), said)


def test_a_model_that_times_out_is_an_inference_failure():
    run = Said()
    told = run.telemetry(
        "CoderAgent", "code_generation_complete", success=False, message="inference timeout", artifact_id="a-1"
    )
    (finding,) = found(run)
    assert (finding.code, finding.severity, finding.components) == ("T01-01", Severity.CRITICAL, ("CoderAgent",))
    assert finding.title == "CoderAgent failed: inference timeout"
    assert finding.evidence == (told,)
    assert finding.freeze["error"] == "inference timeout"
    assert finding.freeze["artifact_id"] == "a-1"
    assert (finding.confidence, finding.basis) == (1.0, "stated")


@pytest.mark.parametrize(
    ("component", "error", "code"),
    [
        ("worker", {"type": "MemoryError", "message": ""}, "A01-02"),
        ("store", {"type": "OSError", "message": "[Errno 28] No space left on device"}, "A01-02"),
        ("writer", {"type": "BadRequestError", "message": "maximum context length is 8192 tokens"}, "T01-06"),
        ("indexer", {"type": "ConnectError", "message": "qdrant:6333: connection refused"}, "E01-02"),
        ("embedder", {"type": "RuntimeError", "message": "no device"}, "E01-01"),
        ("Judge", {"type": "TimeoutError", "message": ""}, "J01-02"),
        ("writer", {"type": "RateLimitError", "message": "429"}, "T01-01"),
        ("index", {"type": "ValueError", "message": "token collision: t-1"}, "W01-02"),
        ("WorldModel", {"type": "ValueError", "message": "invalid edge a->b"}, "W01-01"),
        ("archive", {"type": "IntegrityError", "message": "UNIQUE constraint"}, "O01-01"),
        ("agent", {"type": "TimeoutError", "message": ""}, "A01-03"),
        ("intake", {"type": "JSONDecodeError", "message": "Expecting value"}, "I01-01"),
        ("agent", {"type": "KeyError", "message": "'x'"}, "A01-01"),
    ],
)
def test_rules_read_class_message_and_component(component, error, code):
    run = Said()
    run.stage("work", component=component, error=error)
    assert [each.code for each in found(run)] == [code]


def test_the_type_of_a_span_tells_too():
    run = Said()
    run.llm(component="writer", error={"type": "ValueError", "message": "no choices"})
    run.tool("search", component="searcher", error={"type": "ValueError", "message": "no page"})
    assert {each.components[0]: each.code for each in found(run)} == {"writer": "T01-01", "searcher": "A01-07"}


def test_a_code_that_the_error_carries_wins_and_an_unknown_one_does_not():
    run = Said()
    run.event("graph", "timed out", level=Severity.HIGH, component="graph", attributes={"code": "w01-01"})
    run.event("http", "timed out", level=Severity.HIGH, component="http", attributes={"code": "Z99-99"})
    run.event("note", "noted", level=Severity.LOW, component="note", attributes={"code": "W01-01"})
    said = {each.components[0]: each.code for each in found(run)}
    assert said == {"graph": "W01-01", "http": "A01-03", "note": "W01-01"}  # who names a code raises it, at any level


def test_an_exception_through_three_spans_is_one_error_of_the_innermost():
    run, error = Said(), {"type": "KeyError", "message": "'price'", "where": "shop.py:7 in price"}
    outer = run.begin("run_shop", component="orchestrator")
    inner = run.begin("basket", component="basket", parent=outer)
    tool = run.tool("lookup", component="catalogue", parent=inner, error=error)
    inner_end = run.finish(inner, error=error)
    outer_end = run.finish(outer, error={"type": "ShopError", "message": "no basket", "cause": error})
    logged = run.error("logger", "'price'", attributes={"error": error}, span=outer)
    end = run.end("failed", error={"type": "ShopError", "message": "no basket"})
    (finding,) = found(run)
    assert finding.title == "catalogue failed: KeyError: 'price'"
    assert (finding.code, finding.count) == ("A01-07", 1)
    assert finding.evidence[0] == tool
    assert set(finding.evidence) == {tool, inner_end, outer_end, logged, end}
    assert finding.freeze["where"] == "shop.py:7 in price"


def test_two_errors_in_sibling_spans_are_two():
    run = Said()
    outer = run.begin("fetch", component="fetcher")
    for host in ("10.0.0.1", "10.0.0.2"):
        run.tool("get", component="http", parent=outer, error={"type": "E", "message": f"{host} said no"})
    run.finish(outer)
    (finding,) = found(run)
    assert finding.count == 2
    assert finding.title == "http failed 2 times, first: E: 10.0.0.1 said no"


def test_an_error_that_a_later_attempt_mended_is_low():
    run, error = Said(), {"type": "ValueError", "message": "bad draft"}
    first = run.begin("draft", component="writer")
    run.llm(component="model", parent=first, stage="draft", error=error)
    run.finish(first, error=error)
    run.stage("draft", attempt=2, component="writer")
    (finding,) = found(run)
    assert (finding.severity, finding.attributes["recovered"]) == (Severity.LOW, True)
    run.stage("draft", attempt=3, component="writer", error=error)  # and failed once more
    assert max(each.severity for each in found(run)) == Severity.CRITICAL


def test_errors_of_a_run_that_passed_its_gate_are_low_and_of_one_that_did_not_are_not():
    for passed, severity in ((True, Severity.LOW), (False, Severity.MEDIUM)):
        run = Said()
        run.tool("search", error={"type": "ValueError", "message": "no page"})
        run.stage("quality_gate", outputs={"passed": passed})
        run.end()
        assert [each.severity for each in found(run)] == [severity]


def test_what_ended_the_run_is_named_where_nothing_else_is():
    run = Said()
    end = run.end("failed", error={"type": "ValueError", "message": "no question"})
    (finding,) = found(run)
    assert (finding.code, finding.evidence) == ("A01-01", (end,))


@pytest.mark.parametrize(
    "end",
    [
        {"error": {"type": "ExitCode", "message": "exit code 137"}},
        {"error": {"type": "CancelledError", "message": ""}, "reason": "cancelled"},
    ],
)
def test_how_a_run_was_stopped_is_for_another_detector(end):
    run = Said()
    run.begin("draft")
    run.finish(next(iter(run._open)), error="the stage was still open when the run ended")
    run.end("failed", **end)
    assert found(run) == []


def test_just_below_an_error_there_is_nothing():
    run = Said()
    run.event("warned", "inference was slow", level=Severity.MEDIUM, component="coder")
    run.telemetry("Judge", "action_evaluation", success=False, final_score=0.4)  # denied, which is no error
    assert found(run) == []


def test_a_file_that_reads_back_otherwise_was_not_stored():
    run = Said()
    run.add("file", {"path": "/srv/a.py", "verified": False}, name="a.py", component="writer")
    (finding,) = found(run)
    assert finding.code == "O01-01"
    assert finding.title == "writer failed: /srv/a.py was read back and holds something else than was written"


def test_order_duplicates_and_hostile_payloads_change_nothing():
    records = records_of([hostile_run(), clean_run(2)])
    assert Raised().detect(shuffled(records)) == Raised().detect(records)


def test_a_clean_run_has_no_errors():
    assert found(clean_run()) == []
