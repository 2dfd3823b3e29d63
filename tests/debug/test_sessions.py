"""Cases: opened, noted, closed; every step stays, and the SQL view tells the same."""

from typing import Any

import msgspec
import pytest

from tests.debug.conftest import Rows, Stored
from whence.debug import DebugSession, add_note, close_session, get_session, list_sessions, open_session, reopen_session
from whence.errors import BadInput, NotFound, StoreUnreachable
from whence.runtime.runtime import Runtime


@pytest.fixture(autouse=True)
def own_store(runtime: Runtime) -> None:
    """Every test here has a store."""


async def test_a_case_from_its_opening_to_its_end(sql: Rows) -> None:
    case = await open_session("workflow-789 fails", filters={"component_id": "workflow-789"}, description="since noon")
    await add_note(case.id, "the pool is too small", by="kim", events=12, insights=2, queries=3)
    await add_note(case.id, "so is the other", by="ada", events=1)
    done = await close_session(case.id, note="pool of 20", by="kim")

    assert (case.active, case.closed_at, case.filters) == (True, None, {"component_id": "workflow-789"})
    assert (done.id, done.session_name, done.description) == (case.id, "workflow-789 fails", "since noon")
    assert (done.event_count, done.insight_count, done.query_count) == (13, 2, 3)
    assert (done.active, done.resolved, done.closed_at) == (False, True, done.updated_at)
    assert [(each["note"], each["by"]) for each in done.notes] == [
        ("the pool is too small", "kim"),
        ("so is the other", "ada"),
        ("pool of 20", "kim"),
    ]
    (row,) = sql("SELECT * FROM debug_sessions")
    assert set(row) == set(DebugSession.__struct_fields__) - {"notes"}
    for field, value in row.items():
        said = getattr(done, field)
        assert (msgspec.json.decode(value) if field in ("filters", "scope") else value) == said, field


async def test_a_closed_case_may_be_opened_again(stored: Stored) -> None:
    case = await open_session("again")
    await close_session(case.id)
    again = await reopen_session(case.id, note="it came back")

    assert (again.active, again.resolved, again.closed_at) == (True, False, None)
    assert len(stored(kinds=("case",))) == 3


async def test_cases_are_listed_the_last_touched_first() -> None:
    first, second = await open_session("first"), await open_session("second")
    await add_note(first.id, "n")
    await close_session(second.id)
    await add_note(first.id, "n")

    assert [each.session_name for each in await list_sessions()] == ["first", "second"]
    assert [each.session_name for each in await list_sessions(active=False)] == ["second"]
    assert [each.session_name for each in await list_sessions(active=True, limit=1)] == ["first"]


async def test_an_id_of_ones_own_choosing() -> None:
    await open_session("incident", session_id="INC-42")

    assert (await get_session("INC-42")).session_name == "incident"  # type: ignore[union-attr]
    assert await get_session("INC-4") is None
    assert await get_session("") is None


async def test_what_is_not_there_cannot_be_noted_in() -> None:
    for act in (add_note("nobody", "n"), close_session("nobody"), reopen_session("nobody")):
        with pytest.raises(NotFound, match="list_sessions"):
            await act


@pytest.mark.parametrize("name", ["", "  ", None, 7])
async def test_a_case_needs_a_name(name: Any) -> None:
    with pytest.raises(BadInput, match="name"):
        await open_session(name)


async def test_a_limit_that_is_none_is_refused() -> None:
    with pytest.raises(BadInput, match="accepted"):
        await list_sessions(limit=0)


async def test_secrets_in_notes_are_masked(runtime: Runtime) -> None:
    case = await open_session("s")
    noted = await add_note(case.id, "the key is sk-proj-" + "A1b2C3d4" * 6)

    assert "A1b2" not in noted.notes[0]["note"]


async def test_without_a_store_it_says_so(runtime: Runtime) -> None:
    runtime.settings.database.mkdir(parents=True)

    with pytest.raises(StoreUnreachable):
        await open_session("s")
