"""Reports keep their bodies to the byte, and their front matter keeps what is not ours."""

from hypothesis import given
from hypothesis import strategies as st

from whence.wire import frontmatter

OURS = {"trace_id": "trc_20260213_103000_abc", "generated_at": "2026-02-13T10:34:22Z", "quality_gate": "passed"}


def test_a_report_without_front_matter_gets_one() -> None:
    merged = frontmatter.merge(b"# Report\n\nBody.\n", OURS)

    assert merged == (
        b"---\ntrace_id: trc_20260213_103000_abc\ngenerated_at: 2026-02-13T10:34:22Z\nquality_gate: passed\n---\n"
        b"# Report\n\nBody.\n"
    )
    assert frontmatter.read(merged) == OURS


def test_other_keys_and_their_order_stay() -> None:
    merged = frontmatter.merge(b"---\ntitle: A\ntrace_id: old\ntags:\n  - x\n---\nBody", OURS)

    assert merged == (
        b"---\ntitle: A\ntrace_id: trc_20260213_103000_abc\ntags:\n  - x\n"
        b"generated_at: 2026-02-13T10:34:22Z\nquality_gate: passed\n---\nBody"
    )


def test_two_rules_around_prose_are_not_front_matter() -> None:
    report = b"---\n\nSome prose, between two rules.\n\n---\nmore"

    merged = frontmatter.merge(report, OURS)

    assert merged.endswith(b"---\n" + report)


@given(st.binary(max_size=400))
def test_the_body_is_byte_identical_and_twice_is_once(body: bytes) -> None:
    once = frontmatter.merge(body, OURS)

    assert frontmatter.merge(once, OURS) == once
    assert frontmatter.read(once) == OURS
    if not body.startswith((b"---", b"\xef\xbb\xbf")):
        assert once.endswith(body)
