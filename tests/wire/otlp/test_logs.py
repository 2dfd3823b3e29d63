"""What log records of OpenTelemetry mean."""

import pytest

from tests.wire.otlp.seen import logs
from whence.wire.otlp.logs import CALL, FAILURE, LINE, MESSAGE, SCORE, joined, read_log
from whence.wire.otlp.spans import OtelLog


def test_a_log_line() -> None:
    reading = read_log(
        OtelLog(body="cache is cold", severity=13, attributes={"size": 0}, resource={"service.name": "shop"})
    )

    assert (reading.kind, reading.level, reading.message, reading.project) == (LINE, "warning", "cache is cold", "shop")
    assert reading.attributes == {"size": 0}


@pytest.mark.parametrize(
    ("severity", "text", "level"),
    [
        (1, "", "debug"),
        (5, "", "debug"),
        (9, "", "info"),
        (12, "", "info"),
        (13, "", "warning"),
        (17, "", "error"),
        (24, "", "fatal"),
        (0, "WARN", "warning"),
        (0, "Information", "info"),
        (0, "", "info"),
        (99, "critical", "fatal"),
    ],
)
def test_levels(severity: int, text: str, level: str) -> None:
    assert read_log(OtelLog(severity=severity, severity_text=text)).level == level


def test_a_line_whose_body_is_an_object_is_called_by_its_event() -> None:
    reading = read_log(OtelLog(body={"a": 1}, event_name="shop.opened"))

    assert (reading.message, reading.body) == ("shop.opened", {"a": 1})


def test_a_line_with_an_exception_has_an_error() -> None:
    reading = read_log(
        OtelLog(
            body="it broke",
            severity=17,
            attributes={
                "exception.type": "builtins.ValueError",
                "exception.message": "no",
                "exception.stacktrace": 'Traceback:\n  File "a.py", line 3, in f\n    g()\nValueError: no\n',
                "x": 1,
            },
        )
    )

    assert reading.kind == LINE
    assert reading.error is not None
    assert (reading.error["type"], reading.error["message"]) == ("ValueError", "no")
    assert reading.error["where"] == "a.py:3 in f"
    assert reading.attributes == {"x": 1}


def test_an_evaluation_is_a_score_of_a_span_or_of_an_answer() -> None:
    reading = read_log(
        OtelLog(
            event_name="gen_ai.evaluation.result",
            attributes={
                "gen_ai.evaluation.name": "correct",
                "gen_ai.evaluation.score.value": 0.25,
                "gen_ai.evaluation.score.label": "fail",
                "gen_ai.evaluation.explanation": "It rains.",
                "gen_ai.response.id": "chatcmpl-1",
                "judge": "b",
            },
        )
    )

    assert reading.kind == SCORE
    assert reading.score == {"name": "correct", "score": 0.25, "label": "fail", "explanation": "It rains."}
    assert reading.response_id == "chatcmpl-1"
    assert reading.attributes == {"judge": "b"}


def test_messages_one_by_one() -> None:
    readings = [read_log(each) for each in logs("openai_v2_2_1", "chat_after_tool")]

    assert [each.kind for each in readings] == [MESSAGE] * 5
    assert readings[0].llm == {"provider": "openai", "system": "Be brief."}
    assert readings[3].llm["messages"] == [{"role": "tool", "content": "sunny", "tool_call_id": "call_1"}]
    assert readings[4].llm == {"provider": "openai", "response": "It is sunny.", "finish_reason": "stop"}


def test_traceloop_says_tools_as_a_users_message_and_an_answer_in_two_choices() -> None:
    call = joined({}, [read_log(each) for each in logs("traceloop_0_62_events", "messages_tools")])

    assert [each["name"] for each in call["tools"]] == ["get_weather"]
    assert call["messages"] == [{"role": "user", "content": "Weather in Paris?"}]
    assert call["response"] == "Let me look."
    assert call["tool_calls"] == [{"id": "toolu_1", "name": "get_weather", "arguments": {"city": "Paris"}}]


def test_a_call_said_beside_its_span() -> None:
    (reading,) = (read_log(each) for each in logs("openai_v2_2_4_events", "chat_tools"))

    assert (reading.kind, reading.response_id) == (CALL, "chatcmpl-1")
    assert reading.llm["messages"] == [{"role": "user", "content": "Weather in Paris?"}]
    assert reading.attributes == {"openai.response.system_fingerprint": "fp_1"}


def test_what_a_span_says_counts_before_what_a_log_says() -> None:
    reading = read_log(
        OtelLog(event_name="gen_ai.client.inference.operation.details", attributes={"gen_ai.request.model": "b"})
    )

    assert joined({"model": "a"}, [reading])["model"] == "a"


@pytest.mark.parametrize("name", ["gen_ai.client.operation.exception", "gen_ai.execute_tool.exception"])
def test_an_exception_of_a_call(name: str) -> None:
    reading = read_log(
        OtelLog(
            event_name=name,
            severity=13,
            attributes={"exception.type": "openai.NotFoundError", "exception.message": "no such model"},
        )
    )

    assert reading.kind == FAILURE
    assert reading.error == {"type": "NotFoundError", "module": "openai", "message": "no such model"}
