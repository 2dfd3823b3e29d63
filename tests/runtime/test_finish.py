"""The end of a run does not cost more the more waits in the spool."""

from pathlib import Path

import pytest

from whence.runtime import finish
from whence.runtime import runtime as runtime_module
from whence.runtime.settings import Settings
from whence.tracing import TraceContext


@pytest.mark.parametrize(("held", "looked_through"), [(16 * 1024 * 1024, True), (100, False)])
def test_a_spool_that_nobody_drains_is_looked_through_as_long_as_it_is_small(
    data: Path, monkeypatch: pytest.MonkeyPatch, held: int, looked_through: bool
) -> None:
    monkeypatch.setattr(finish, "LOOKED_THROUGH_BYTES", held)
    built = runtime_module.configure(Settings(data=data, documents=data, drain=False))
    report = data / "report.md"
    with TraceContext.start(project_name="shop", query="q") as trace:
        report.write_text("# Report\n")
        trace.set_outputs({"report_path": str(report)})
        trace.mark_complete()

    result = TraceContext.finish_sync(trace)

    assert result["file_error"].startswith("not yet")
    assert report.read_text().startswith("---") is looked_through
    built.close()
    runtime_module.use(None)
