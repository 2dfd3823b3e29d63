"""Recording is a guest: what the host holds, decides and has open stays as it is, whatever is recorded."""

import asyncio
import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import whence
from tests.conftest import Run
from whence import query
from whence.model.payload import Decision
from whence.record.recorder import is_plain
from whence.redact.capture import CaptureLevel
from whence.redact.value import Flag, clean
from whence.runtime import runtime as process
from whence.runtime.runtime import Runtime
from whence.runtime.settings import ProjectConfig, Settings, write_project
from whence.tracing import TraceContext, traced_research


def stored(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())


# -- values ---------------------------------------------------------------------------------------------------------


def test_bytes_are_described_and_never_encoded_past_the_prefilter(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("s") as stage:
        stage.decision("d", what=b"password=hunter2-secret", inputs={"blob": [b"password=hunter2-secret"]})
        stage.event("e", blob=b"password=hunter2-secret")

    made = runtime.view(trace.otel_trace_id).stages["s"].decisions[0]
    assert set(made.what) == {"bytes", "sha256"}
    assert b"cGFzc3dvcmQ9aHVudGVyMi1zZWNyZXQ" not in stored(runtime.settings.data)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates() | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=4)
        | st.tuples(inner)
        | st.frozensets(st.integers(), max_size=3)
    ),
)


@given(anything)
def test_what_takes_the_short_road_is_what_the_long_one_would_have_made(value: Any) -> None:
    if is_plain(value):
        cleaned, flags = clean(value, level=CaptureLevel.FULL)
        unchanged = not flags & (Flag.REDACTED | Flag.NORMALISED | Flag.TRUNCATED)
        assert not unchanged or cleaned == (list(value) if isinstance(value, tuple) else value) or "(" in repr(value)
    else:
        assert not isinstance(value, str | int | float | None)


def test_a_huge_field_does_not_crowd_out_the_others(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("s") as stage:
        stage.decision("d", what=list(range(200_000)), why="because", alternatives=["a"], inputs={"n": 1})
        stage.end(outputs={"big": list(range(200_000))}, error="exploded")

    view = runtime.view(trace.otel_trace_id).stages["s"]
    assert (view.decisions[0].why, view.decisions[0].alternatives_considered) == ("because", ["a"])
    assert view.error == "exploded"


def test_a_huge_error_leaves_the_facts_of_the_end(runtime: Runtime) -> None:
    with TraceContext.start(project_name="p") as trace:
        trace.mark("failed", ["x" * 1000] * 2000)

    row = query.find(trace.trace_id)
    assert (row.status, row.project_name) == ("failed", "p")
    assert row.duration_seconds is not None


@pytest.mark.parametrize(
    ("level", "severity", "odd"),
    [("medium", 2, None), ("WARNING", 2, None), ("error", 3, None), (4, 4, None), ("loud", 0, "loud"), (99, 0, 99)],
)
def test_levels_go_by_many_names(runtime: Runtime, level: Any, severity: int, odd: Any) -> None:
    with whence.trace("p"):
        record_id = whence.event("e", "m", level=level)

    record = runtime.ready_store().record(record_id or "")
    assert record is not None
    assert record.level == severity
    assert (b'"given"' in bytes(record.payload)) is (odd is not None)


def test_an_odd_number_costs_the_number_and_not_the_call(runtime: Runtime) -> None:
    with whence.trace("p") as trace, trace.stage("s") as stage:
        stage.llm_call("a", model="m", input_tokens="12", output_tokens="many", cost_usd=Decimal("0.5"))  # type: ignore[typeddict-item]
        stage.llm_call("b", duration_s=timedelta(seconds=2))  # type: ignore[typeddict-item]

    first, second = runtime.view(trace.otel_trace_id).llm_calls
    assert (first.attributes["input_tokens"], first.attributes["cost_usd"]) == (12, 0.5)
    assert first.attributes["given"] == {"output_tokens": "many"}
    assert second.duration_ns == 2_000_000_000


def test_the_callers_dict_stays_as_it_is(runtime: Runtime) -> None:
    data: defaultdict[str, Any] = defaultdict(list, what=1)
    with TraceContext.start(project_name="p") as trace:
        trace.record("s", "d", data)

    assert dict(data) == {"what": 1}


# -- processes, threads, loops -----------------------------------------------------------------------------------------


def test_a_forked_child_that_leaves_the_block_does_not_end_its_parents_run(data: Path, run: Run) -> None:
    run(
        """
        import os, sys, whence
        try:
            with whence.trace("p"):
                if os.fork() == 0:
                    sys.exit(0)
                os.wait()
                raise ValueError("the parent failed")
        except ValueError:
            pass
        """
    )

    assert (
        query.find("last", store=process.configure(Settings(data=data, documents=data)).ready_store()).status
        == "failed"
    )


def test_a_trace_begun_before_init_survives_a_fork(data: Path, run: Run) -> None:
    done = run(
        """
        import os, whence
        trace = whence.trace("p")
        whence.init()
        ids = [trace.event("e", n) for n in range(3)]
        if os.fork() == 0:
            for n in range(10):
                trace.event("child", n)
            os._exit(0)
        os.wait()
        for n in range(10):
            trace.event("parent", n)
        trace.end()
        import whence.query as query
        from whence.runtime.runtime import runtime
        print(sum(1 for _ in runtime().ready_store().trace_records(trace.otel_trace_id)))
        """
    )

    assert int(done.stdout) >= 1 + 3 + 10 + 10 + 1


def test_threads_that_begin_stages_do_not_keep_a_trace_from_ending(runtime: Runtime) -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            trace = whence.trace("p")
            work = [pool.submit(lambda t=trace: [t.stage(f"s{n}") for n in range(50)]) for _ in range(4)]
            trace.end()
            [each.result() for each in work]

    runtime.drain()
    assert runtime.store().totals().in_progress == 0


def test_a_loop_whose_executor_is_shut_down_can_finish(runtime: Runtime) -> None:
    async def main() -> dict[str, Any]:
        await asyncio.get_running_loop().shutdown_default_executor()
        async with traced_research("q", project_name="p"):
            pass
        return await TraceContext.finish(TraceContext.start(project_name="p"))

    assert asyncio.run(main())["supabase"] == "saved"
    assert asyncio.run(TraceContext.finish(None)) == {"saved": False, "reason": "no_trace"}


async def test_carry_takes_a_coroutine_function_along(runtime: Runtime) -> None:
    async def inside() -> object:
        await asyncio.sleep(0)
        return whence.current_trace()

    with whence.trace("p") as trace:
        carried = whence.carry(inside)
    assert await carried() is None  # the run is over

    with whence.trace("p") as trace:
        carried = whence.carry(inside)
        assert await asyncio.create_task(carried(), context=__import__("contextvars").Context()) is trace


def test_after_shutdown_no_write_meets_a_file_of_the_hosts(runtime: Runtime, tmp_path: Path) -> None:
    with whence.trace("p"):
        pass
    number = runtime.recorder.spool._fd
    whence.shutdown()

    with open(tmp_path / "host.bin", "wb") as host:
        assert host.fileno() != number
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(number, b"a late frame")
    assert (tmp_path / "host.bin").read_bytes() == b""


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_report_that_is_still_being_written_is_left_alone(runtime: Runtime, tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    block = traced_research("q", project_name="p")
    with path.open("w") as out:
        out.write("# My report\n")
        out.flush()
        with block as trace:
            trace.set_outputs({"report_path": str(path)})
        out.write("conclusion\n")

    assert path.read_text() == "# My report\nconclusion\n"
    assert "still open" in block.result["report_error"]


def test_a_link_to_a_report_stays_a_link(runtime: Runtime, tmp_path: Path) -> None:
    target, link = tmp_path / "r1.md", tmp_path / "latest.md"
    target.write_text("body\n")
    link.symlink_to(target)
    with traced_research("q", project_name="p") as trace:
        trace.set_outputs({"report_path": str(link)})

    assert link.is_symlink()
    assert target.read_text().startswith("---\ntrace_id: ")


def test_a_store_that_was_moved_away_is_not_written_to_any_more(runtime: Runtime) -> None:
    with whence.trace("p"):
        pass
    database = runtime.settings.database
    for suffix in ("", "-wal", "-shm"):
        if (old := database.with_name(database.name + suffix)).exists():
            old.rename(database.with_name(f"old{suffix}"))

    with whence.trace("p") as after:
        pass

    assert query.find(after.trace_id).status == "complete"
    assert database.exists()


# -- settings -----------------------------------------------------------------------------------------------------------


def test_unreadable_settings_keep_hashes_only(data: Path) -> None:
    data.mkdir()
    (data / "whence.toml").write_text('capture = "hashed"')
    write_project(data, "private", ProjectConfig(enabled=False))
    process.use(None)

    with whence.trace("p") as trace, whence.trace("private") as private:
        trace.decision("d", what="a text of some length that nobody wanted kept")

    assert not private
    assert b"nobody wanted kept" not in stored(data)
    whence.shutdown()


def test_settings_given_in_code_hold_for_projects_too(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.runtime.runtime.POLICY_RECHECK_S", 0.0)
    write_project(data, "a", ProjectConfig(enabled=True))
    whence.init(data=data, capture="hash")
    built = process.runtime()

    assert built._policy("a").capture is CaptureLevel.HASH
    write_project(data, "b", ProjectConfig(enabled=False))
    assert not built.records("b")
    whence.shutdown()


def test_a_decision_struct_is_plain_only_all_through() -> None:
    assert is_plain(Decision("a", "b", 0.5, ["c"], {"d": [1, {"e": None}]}))
    assert not is_plain(Decision("a", "b", 0.5, ["c"], {"d": [1, {"e": b""}]}))
    assert not is_plain({1: "a"})


@pytest.mark.parametrize("key", [b"sk-ant-api03-AAAAAAAAAAAAAAAA", 1])
def test_keys_that_are_no_text_take_the_long_road(runtime: Runtime, key: Any) -> None:
    with whence.trace("p") as trace, trace.stage("s") as stage:
        stage.decision("d", "x", "why", 0.5, inputs={key: "a", "1": "b"})
        stage.outputs[key] = 1

    assert b"c2stYW50LWFwaTAz" not in stored(runtime.settings.data)
    assert len(runtime.view(trace.otel_trace_id).stages["s"].decisions[0].inputs) == 2


def test_a_write_that_meets_a_closed_spool_is_made_again(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """`init` closes the old spool while its traces go on, and a thread may hold its number already."""
    spool = runtime.recorder.spool
    write, done = os.write, []

    def close_first(fd: int, data: bytes) -> int:
        if not done:
            done.append(fd)
            spool.close()
        return write(fd, data)

    with whence.trace("p") as trace:
        monkeypatch.setattr("whence.record.spool._write", close_first)
        record_id = trace.event("e")

    assert record_id is not None
    assert runtime.ready_store().record(record_id) is not None
    assert runtime.recorder.drops.total() == 0


def test_beginning_again_and_again_leaks_no_descriptor(data: Path, run: Run) -> None:
    done = run(
        """
        import gc, os, whence
        def cycle():
            whence.init()
            with whence.trace("p"):
                pass
            gc.collect()
            return len(os.listdir("/proc/self/fd"))
        first = [cycle() for _ in range(3)][-1]
        print(max(cycle() for _ in range(12)) - first)
        """
    )

    assert int(done.stdout) <= 2


def test_an_entry_that_goes_from_projects_toml_no_longer_holds(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("whence.runtime.runtime.POLICY_RECHECK_S", 0.0)
    write_project(data, "off", ProjectConfig(enabled=False))
    whence.init(data=data)
    assert not process.runtime().records("off")

    write_project(data, "off", None)

    assert process.runtime().records("off")
    whence.shutdown()
