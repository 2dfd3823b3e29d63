"""What text is kept is the project's choice; facts and structure are kept at every level, secrets at none."""

from pathlib import Path

import pytest

import whence
from whence import query
from whence.redact.capture import CaptureLevel
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import Settings
from whence.tracing import TraceContext

NAME = "Ms Alexandra Featherstonehaugh"
QUERY = f"{NAME}, reach me at a.f@example.org: " + "is the warranty of the blue kettle still good? " * 4


def run(data: Path, level: CaptureLevel) -> Runtime:
    built = process.configure(Settings(data=data, documents=data, capture=level))
    with TraceContext.start(project_name="p", query=QUERY, intent="learning", domain="kettles") as trace:
        trace.record(
            "s", "d", {"what": "blue kettle", "why": QUERY, "confidence": 0.5, "inputs": {"password": "pw1", "n": 3}}
        )
        trace.record_prompts("s", {"user_message": QUERY * 10})
        trace.start_stage("quality_gate")
        trace.end_stage("quality_gate", {"passed": True, "overall_score": 2.5})
        trace.mark_complete()
    return built


def kept(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("level", "word", "name", "mail"),
    [
        ("hash", False, False, False),
        ("preview", True, True, False),
        ("redacted", True, True, False),
        ("full", True, True, True),
    ],
)
def test_each_level_keeps_what_it_says(data: Path, level: str, word: bool, name: bool, mail: bool) -> None:
    built = run(data, CaptureLevel(level))
    row = query.find("last")
    decision = built.view(row.id).stages["s"].decisions[0]
    stored = kept(data)
    built.close()

    assert (row.intent, row.domain, row.status, row.overall_quality_score) == ("learning", "kettles", "complete", 2.5)
    assert (decision.decision, decision.confidence, decision.inputs["n"]) == ("d", 0.5, 3)
    assert whence.stats()["internal_errors"] == 0
    assert (b"blue kettle" in stored) is word
    assert (NAME.encode() in stored) is name
    assert (b"a.f@example.org" in stored) is mail
    assert b"pw1" not in stored


def test_the_same_text_has_the_same_keyed_hash_and_another_installation_another(data: Path, tmp_path: Path) -> None:
    def hashed(directory: Path) -> tuple[str, str]:
        built = run(directory, CaptureLevel.HASH)
        why = [
            built.view(row.id).stages["s"].decisions[0].why
            for row in query.traces(limit=2, store=built.ready_store()).items
        ]
        built.close()
        return why[0]["hash"], why[-1]["hash"]

    first = hashed(data)
    again = hashed(data)
    other = hashed(tmp_path / "other")

    assert len({*first, *again}) == 1
    assert other[0] != first[0]
    assert first[0].startswith("hmac-sha256:")
