"""OTLP JSON in and out: what is written is read back, what others write is read, what is broken is named by its line."""

import base64
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from tests.wire.otlp.seen import SPAN, TRACE, plain_span
from whence.errors import BadInput
from whence.wire.otlp import otlp_json, pull
from whence.wire.otlp.otlp_json import decode, encode, read
from whence.wire.otlp.spans import OtelEvent, OtelLink, OtelLog, OtelSpan

BOM = b"\xef\xbb\xbf"

keys = st.text(max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys.filter(str.isprintable), inner, max_size=3),
    max_leaves=6,
)
attributes = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), values, max_size=4)
times = st.integers(0, 2**63)
trace_ids = st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}")
span_ids = st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
resources = st.sampled_from([{}, {"service.name": "a"}, {"service.name": "b", "n": 1}])
spans = st.builds(
    OtelSpan,
    trace=trace_ids,
    span=span_ids,
    parent=st.just("") | span_ids,
    name=texts,
    kind=st.integers(0, 5),
    start_ns=times,
    end_ns=st.none() | st.integers(1, 2**63),
    attributes=attributes,
    events=st.lists(st.builds(OtelEvent, name=texts, ts_ns=times, attributes=attributes), max_size=2),
    links=st.lists(st.builds(OtelLink, trace=trace_ids, span=span_ids, attributes=attributes), max_size=2),
    status=st.integers(0, 2),
    status_message=texts,
    resource=resources,
    scope=st.sampled_from(["", "x", "y"]),
    dropped=st.integers(0, 3),
)
records = st.builds(
    OtelLog,
    trace=st.just("") | trace_ids,
    span=st.just("") | span_ids,
    ts_ns=times,
    severity=st.integers(0, 24),
    severity_text=texts,
    body=values,
    event_name=texts,
    attributes=attributes,
    resource=resources,
    scope=st.sampled_from(["", "x"]),
)


@settings(deadline=None)
@given(st.lists(spans, max_size=5), st.lists(records, max_size=5), st.integers(1, 40))
def test_what_is_written_is_read_back_whole_or_in_pieces(many: list[OtelSpan], said: list[OtelLog], size: int) -> None:
    written = encode([*many, *said])
    pieces = [written[at : at + size] for at in range(0, len(written), size)]

    assert list(decode(json.loads(written))) == [*many, *said]
    assert list(read([written])) == [*many, *said]
    assert list(read(pieces)) == [*many, *said]


def in_blocks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


layouts = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 1, 4, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" , ", " : ")]),
        "ensure_ascii": st.booleans(),
    }
)
line_ends = st.sampled_from(["\n", "\r\n"])


@settings(deadline=None)
@given(
    st.lists(spans | records, max_size=4),
    layouts,
    line_ends,
    st.sampled_from(["", "\n\n", "\ufeff"]),
    st.integers(1, 50) | st.just(10**9),
    st.sampled_from([1, 7, 64 * 1024]),
)
def test_a_document_laid_out_in_any_way_and_cut_anywhere_is_read_the_same(
    many: list[OtelSpan | OtelLog],
    layout: dict[str, Any],
    line_end: str,
    before: str,
    size: int,
    at_once: int,
) -> None:
    many.sort(key=lambda item: isinstance(item, OtelLog))
    written = (before + json.dumps(otlp_json.request(many), **layout)).replace("\n", line_end).encode()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pull, "_AT_ONCE", at_once)  # what is read on at least would hide the edges of the blocks

        assert list(read(in_blocks(written, size))) == many
        assert list(pull.read(in_blocks(written.removeprefix(BOM), size), "", otlp_json._Found())) == many


@pytest.mark.parametrize(
    "number", ["1", "-0.5", "1e+5", "1E-5", "-1.25e-05", "true", "null", '"\\ud83d\\ude00"', "[1.5]"]
)
def test_values_that_are_passed_over_may_be_cut_anywhere(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull, "_AT_ONCE", 1)
    document = b'{"version": %s, ' % number.encode() + GOOD[1:]

    assert list(pull.read(in_blocks(document, 1), "", otlp_json._Found())) == [plain_span({})]


def test_an_item_of_any_size_is_read() -> None:
    large = plain_span({"text": '\\"é{[' * 400_000})
    written = json.dumps(otlp_json.request([plain_span({}), large, plain_span({})]), indent=1).encode()

    assert list(read(in_blocks(written, 4096))) == [plain_span({}), large, plain_span({})]


def protobuf_value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        return AnyValue(array_value=ArrayValue(values=[protobuf_value(each) for each in value]))
    if isinstance(value, dict):
        return AnyValue(kvlist_value=KeyValueList(values=protobuf_attributes(value)))
    return AnyValue()


def protobuf_attributes(given: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=protobuf_value(value)) for key, value in given.items()]


ODD = {"n": 2**62, "f": 0.5, "nan": float("inf"), "b": True, "raw": b"\x00\xff", "l": [1, "a", None], "o": {"k": [{}]}}
READ = {**ODD, "raw": "AP8="}


def protobuf_spans() -> ExportTraceServiceRequest:
    span = Span(
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(SPAN),
        parent_span_id=bytes.fromhex(SPAN[::-1]),
        name="chat",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=1_700_000_000_000_000_001,
        end_time_unix_nano=1_700_000_000_000_000_002,
        attributes=protobuf_attributes(ODD),
        dropped_attributes_count=2,
        events=[Span.Event(time_unix_nano=5, name="e", attributes=protobuf_attributes({"a": 1}))],
        links=[Span.Link(trace_id=bytes.fromhex(TRACE), span_id=bytes.fromhex(SPAN))],
        status=Status(code=Status.STATUS_CODE_ERROR, message="no"),
    )
    scope = ScopeSpans(scope=InstrumentationScope(name="lib"), spans=[span])
    resource = Resource(attributes=protobuf_attributes({"service.name": "shop"}))
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])


def with_hex_ids(document: dict[str, Any]) -> dict[str, Any]:
    """OTLP's JSON differs from protobuf's own in this."""
    return json.loads(
        json.dumps(document),
        object_hook=lambda made: {
            key: base64.b64decode(value).hex() if key in ("traceId", "spanId", "parentSpanId") else value
            for key, value in made.items()
        },
    )


@pytest.mark.parametrize("camel", [True, False])
@pytest.mark.parametrize("numbers", [True, False])
def test_protobufs_own_json_is_read(camel: bool, numbers: bool) -> None:
    """Ids in base64, 64-bit numbers as texts, enums by name or number, fields in either case."""
    document = json_format.MessageToDict(
        protobuf_spans(), preserving_proto_field_name=not camel, use_integers_for_enums=numbers
    )

    (span,) = decode(document)

    assert span == OtelSpan(
        trace=TRACE,
        span=SPAN,
        parent=SPAN[::-1],
        name="chat",
        kind=3,
        start_ns=1_700_000_000_000_000_001,
        end_ns=1_700_000_000_000_000_002,
        attributes=READ,
        events=[OtelEvent(name="e", ts_ns=5, attributes={"a": 1})],
        links=[OtelLink(trace=TRACE, span=SPAN)],
        status=2,
        status_message="no",
        resource={"service.name": "shop"},
        scope="lib",
        dropped=2,
    )
    assert list(decode(with_hex_ids(document) if camel else document)) == [span]


def test_what_is_written_is_what_protobuf_reads() -> None:
    sent = protobuf_spans()
    (span,) = decode(json_format.MessageToDict(sent))
    assert isinstance(span, OtelSpan)
    span.attributes["raw"] = b"\x00\xff"
    written = json.loads(encode([span]))
    for found in written["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for each in (found, *found["links"]):  # protobuf's parser wants base64, OTLP's writes hex
            for key in ("traceId", "spanId", "parentSpanId"):
                if key in each:
                    each[key] = base64.b64encode(bytes.fromhex(each[key])).decode()

    assert json_format.ParseDict(written, ExportTraceServiceRequest()) == sent


def test_log_records() -> None:
    record = LogRecord(
        observed_time_unix_nano=7,
        severity_number=SeverityNumber.SEVERITY_NUMBER_WARN,
        severity_text="WARN",
        body=protobuf_value({"content": "hi"}),
        attributes=protobuf_attributes({"a": 1}),
        trace_id=bytes.fromhex(TRACE),
        span_id=bytes.fromhex(SPAN),
        event_name="gen_ai.user.message",
    )
    sent = ExportLogsServiceRequest(
        resource_logs=[
            ResourceLogs(scope_logs=[ScopeLogs(scope=InstrumentationScope(name="lib"), log_records=[record])])
        ]
    )

    (log,) = decode(json_format.MessageToDict(sent, use_integers_for_enums=True))

    assert log == OtelLog(
        trace=TRACE,
        span=SPAN,
        ts_ns=7,
        severity=13,
        severity_text="WARN",
        body={"content": "hi"},
        event_name="gen_ai.user.message",
        attributes={"a": 1},
        scope="lib",
    )


def test_attributes_as_an_object_and_missing_fields() -> None:
    item = {"traceId": TRACE, "spanId": SPAN, "attributes": {"a": 1}, "parentSpanId": "0" * 16}

    (span,) = decode({"resourceSpans": [{"scopeSpans": [{"spans": [item]}]}]})

    assert span == plain_span({"a": 1})


def test_lines_as_the_collector_writes_them() -> None:
    lines = b"\n".join(
        [encode([plain_span({"n": 1})]), b"", b'{"resourceMetrics": []}', encode([plain_span({"n": 2})])]
    )

    assert [each.attributes for each in read([lines])] == [{"n": 1}, {"n": 2}]


def test_a_resource_that_comes_after_its_spans_is_still_theirs() -> None:
    document = (
        '{\n"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "%s", "spanId": "%s"}], "scope": {"name": "lib"}}],'
        '"resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}}]}' % (TRACE, SPAN)
    )

    (span,) = read([document.encode()])

    assert (span.scope, span.resource) == ("lib", {"service.name": "shop"})


GOOD = encode([plain_span({})])


def wrapped(**fields: Any) -> bytes:
    item = {"traceId": TRACE, "spanId": SPAN, **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [item]}]}]}).encode()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b"{", "input data was truncated"),
        (b"[1]", "a request is an object, not a number or bool"),
        (b'{"spans": []}', "no resourceSpans and no resourceLogs, but spans"),
        (b'{"resourceSpans": {}}', "resourceSpans is an array of objects, not an object"),
        (b'{"resourceSpans": [{"scopeSpans": [7]}]}', "scopeSpans is an array of objects"),
        (wrapped(traceId="xyz"), "traceId is 32 hex digits or the base64 of 16 bytes, not 'xyz'"),
        (wrapped(traceId="0" * 32), "a span without traceId"),
        (wrapped(spanId=5), "spanId is 16 hex digits or the base64 of 8 bytes, not 5"),
        (wrapped(startTimeUnixNano="noon"), "startTimeUnixNano is nanoseconds since 1970, not 'noon'"),
        (b'{"a": "\xff"}', "utf-8"),
        (b"[" * 100_000, "nested too deep|recursion|truncated"),
    ],
)
def test_a_broken_line_is_named(broken: bytes, reason: str) -> None:
    found: list[Any] = []

    with pytest.raises(BadInput, match=f"(?i)a.jsonl, line 3: .*({reason}).*accepted: OTLP JSON"):
        for each in read([GOOD + b"\n\n" + broken + b"\n" + GOOD], "a.jsonl"):
            found.append(each)

    assert len(found) == 1


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (b'{\n"resourceSpans": [\n{"scopeSpans": 7}]}', "line 3: expected"),
        (b'{\n"resourceSpans": [\n{"scopeSpans": [{"spans": [7]}]}]}', "line 3: an item is an object"),
        (b'{\n"resourceSpans": [\n{"resource": {"a" 1}}]}' + b" " * 99, "line 3: expecting"),
        (b'{\n"resourceSpans": [\n', "line 3: expected .*found the end"),
        (b'{\n"spans": []}', "line 2: no resourceSpans and no resourceLogs"),
        (b'{\n"resourceSpans": "\xff"}', "not UTF-8"),
        (b"nothing of the kind", "line 1: expected '{', found 'n'"),
        (b'{\n"resourceSpans": ' + b"[" * 100_000, "line 2: (nested too deep|expected '{')"),
        (b'{\n"resourceMetrics": [' + b"[" * 100_000, "line 2: nested too deep"),
    ],
)
def test_a_broken_document_is_named(broken: bytes, reason: str) -> None:
    with pytest.raises(BadInput, match=reason):
        list(read([broken]))


@settings(deadline=None)
@given(
    st.binary(max_size=60) | st.sampled_from([GOOD, b"\n", b"{", b'{"resourceSpans":', b"[]", b"null", b"0"]).map(bytes)
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for one in ([data], [data, b"\n", data], [b"{\n" + data], [data[:7], data[7:]]):
        try:
            list(read(one))
        except BadInput as refused:
            assert "line" in str(refused)  # noqa: PT017 - either is right


def test_nothing_is_nothing() -> None:
    assert list(read([])) == []
    assert list(read([b"", b" \n", b"\n"])) == []
    assert list(read([b"\xef\xbb\xbf{}\n"])) == []
    assert encode([]) == b'{"resourceSpans":[]}'


def peak_of_reading(chunks: Iterator[bytes]) -> tuple[int, int]:
    tracemalloc.start()
    try:
        count = sum(1 for _ in read(chunks))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_long_file_of_lines_needs_the_memory_of_its_longest_line() -> None:
    line = encode([plain_span({"text": "x" * 1000})] * 20) + b"\n"

    count, peak = peak_of_reading(line for _ in range(1000))

    assert count == 20_000
    assert peak < 3_000_000 < 1000 * len(line)


def test_a_large_document_is_read_span_by_span() -> None:
    """The document is some 22 MB, in one line."""
    whole = encode([plain_span({"text": "x" * 1000})])
    start, end = whole.index(b'{"traceId"'), whole.rindex(b"]}]}]}")
    item = whole[start:end]

    def chunks() -> Iterator[bytes]:
        yield whole[:start]
        for _ in range(1999):
            yield (item + b",") * 10
        yield item + whole[end:]

    count, peak = peak_of_reading(chunks())

    assert count == 19_991
    assert peak < 3 * otlp_json.WHOLE_LINE + 8_000_000


def test_a_document_that_names_no_requests_is_refused_however_large() -> None:
    with pytest.raises(BadInput, match="no resourceSpans"):
        list(read([b'{"spans": [' + b'"' + b"x" * (9 * 1024 * 1024), b'"]}']))


LONG = 9 * 1024 * 1024


@pytest.mark.parametrize("first", [GOOD, encode([plain_span({"text": "x" * LONG})])], ids=["short", "long"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_every_bad_line_is_told_of_however_long_the_lines_are(first: bytes, end: bytes) -> None:
    broken = [b'{"resourceSpans": 5}', GOOD[:-4], b"{", b"7", GOOD[:-1] + b'"', wrapped(traceId="xyz")]
    text = end.join([first, b"", *(each for pair in zip(broken, [GOOD] * 6, strict=True) for each in pair)])
    told: list[BadInput] = []

    found = list(read(in_blocks(text, 4096), "a.jsonl", told.append))

    assert sum(each == plain_span({}) for each in found) >= 6
    assert [str(each).partition(":")[0] for each in told] == [f"a.jsonl, line {at}" for at in (3, 5, 7, 9, 11, 13)]


def test_a_document_that_is_damaged_is_read_up_to_there() -> None:
    whole = json.dumps(otlp_json.request([plain_span({"n": n}) for n in range(9)]), indent=1).encode()
    told: list[BadInput] = []
    for damaged in (whole[: whole.rindex(b"traceId")], whole[: whole.rindex(b"traceId")] + b"\xff" + whole):
        found = []

        with pytest.raises(BadInput):
            for each in read(in_blocks(damaged, 100), "a.json", told.append):
                found.append(each.attributes)

        assert found == [{"n": n} for n in range(8)]
    assert told == []


def test_a_document_of_many_lines_is_read_span_by_span_too() -> None:
    """The document is some 24 MB."""
    span = otlp_json.request([plain_span({"text": "x" * 1000})])["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    item = json.dumps(span, indent=1).encode()

    def chunks() -> Iterator[bytes]:
        yield b'{\n"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [\n'
        for _ in range(19_999):
            yield item + b",\n"
        yield item + b"]}]}]}"

    count, peak = peak_of_reading(chunks())

    assert count == 20_000
    assert peak < 2_000_000
