"""Documents stay where they belong, whatever a project calls itself, and are never half written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence
from whence import query
from whence.collect.documents import document_path, folder_of
from whence.errors import BadInput
from whence.runtime.runtime import Runtime
from whence.wire import document


@pytest.mark.parametrize("name", ["cobot", "my.project", "a_b-c", "2026"])
def test_a_safe_name_is_its_own_folder(name: str) -> None:
    assert folder_of(name) == name


@given(st.text())
def test_any_name_is_one_safe_segment(name: str) -> None:
    folder = folder_of(name)

    assert folder not in ("", ".", "..")
    assert set(folder) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert len(folder) <= 80
    assert document_path(Path("/root"), name, "trc_1").parent.parent.parent == Path("/root/projects")


def test_names_that_look_alike_once_safe_have_different_folders() -> None:
    names = ["../evil", "evil", "..evil", "evil/", "ev il", "ev/il", "\u202eevil"]

    assert len({folder_of(name) for name in names}) == len(names)


def test_a_hostile_project_name_writes_inside_and_is_kept_as_it_is(runtime: Runtime) -> None:
    with whence.trace("../../../evil") as trace:
        pass

    row = query.find(trace.trace_id)
    assert row.project_name == "../../../evil"
    assert row.trace_file_path is not None
    assert runtime.settings.documents in Path(row.trace_file_path).resolve().parents
    assert json.loads(Path(row.trace_file_path).read_bytes())["project_name"] == "../../../evil"


def test_a_symbolic_link_out_of_the_root_is_refused(runtime: Runtime, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    runtime.settings.documents.joinpath("projects").mkdir(parents=True)
    runtime.settings.documents.joinpath("projects", "p").symlink_to(outside)

    with whence.trace("p") as trace:
        pass

    row = query.find(trace.trace_id)
    assert row.trace_file_path is None
    assert "outside" in (row.document_error or "")
    assert list(outside.rglob("*.json")) == []


def test_older_documents_are_read_in_the_form_of_this_version() -> None:
    old = document.decode(b'{"trace_id":"trc_1","run":{"query":"q"},"stages":{"intake":{"decisions":[]}}}')

    assert old["schema_version"] == 1
    assert old["run"]["tracing_enabled"] is True
    assert old["stages"]["intake"]["attempts"] == []
    assert old["iteration_count"] == 1


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema_version":2}', b'{"schema_version":"x"}'])
def test_what_is_no_document_says_so(data: bytes) -> None:
    with pytest.raises(BadInput, match=r"not a trace document|upgrade"):
        document.decode(data)


def test_a_damaged_document_is_none_and_the_row_stays(runtime: Runtime) -> None:
    with whence.trace("p") as trace:
        trace.decision("d", what=1)
    path = Path(query.find(trace.trace_id).trace_file_path or "")
    path.write_bytes(path.read_bytes()[:100])

    assert query.full_trace(trace.trace_id) is None
    assert query.find(trace.trace_id).status == "complete"
    assert query.trace_document(trace.trace_id, generator="test")["trace_id"] == trace.trace_id
