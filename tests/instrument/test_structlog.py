"""structlog's lines become events of the run they are said in, and go on through the chain unchanged."""

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

import whence
import whence.instrument.structlog as adapter
from whence.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as kept:
        yield kept
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    """What came out at the end of the host's own chain."""
    found: list[dict[str, Any]] = []

    def keep(logger: Any, method: str, event: Any) -> Any:
        found.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, keep])
    return found


def events(captured: Captured) -> list[Any]:
    return [(each, msgspec.json.decode(bytes(each.payload))) for each in captured.records if each.kind == "event"]


def test_a_line_is_an_event_with_what_was_bound(captured: Captured, lines: list[dict[str, Any]]) -> None:
    adapter.install()
    structlog.contextvars.bind_contextvars(request="r1")
    with whence.trace("p") as trace, trace.stage("payment"):
        structlog.get_logger().bind(order=7).warning("card_refused", card="visa")

    ((record, said),) = events(captured)
    assert (record.name, record.stage, record.level) == ("card_refused", "payment", 2)
    assert said["attributes"] == {"request": "r1", "order": 7, "card": "visa"}
    assert lines == [{"request": "r1", "order": 7, "card": "visa", "event": "card_refused", "level": "warning"}]


def test_outside_any_run_nothing_is_recorded_and_the_line_goes_on(
    captured: Captured, lines: list[dict[str, Any]]
) -> None:
    adapter.install()
    structlog.get_logger().info("alone")

    assert events(captured) == []
    assert [each["event"] for each in lines] == ["alone"]


@pytest.mark.parametrize("how", ["exception", "true", "one", "object", "tuple"])
def test_an_exception_is_recorded_however_it_was_handed_over(
    captured: Captured, lines: list[dict[str, Any]], how: str
) -> None:
    adapter.install()
    log = structlog.get_logger()
    with whence.trace("p"):
        try:
            raise ValueError("no such card, password=hunter2hunter2")
        except ValueError as exc:
            if how == "exception":
                log.exception("failed")
            else:
                given = {"true": True, "one": 1, "object": exc, "tuple": (ValueError, exc, exc.__traceback__)}[how]
                log.error("failed", exc_info=given)

    ((record, said),) = events(captured)
    assert record.level == 3
    assert said["attributes"]["error"]["type"] == "ValueError"
    assert "test_an_exception_is_recorded" in said["attributes"]["error"]["stack"]
    assert "hunter2" not in str(said)


def test_a_sentence_is_no_name(captured: Captured, lines: list[dict[str, Any]]) -> None:
    adapter.install()
    with whence.trace("p"):
        for said in ("x" * 80, "x" * 81, "", 7):
            structlog.get_logger().info(said)

    assert [record.name for record, _ in events(captured)] == ["x" * 80, "log", "log", "log"]


def test_lines_that_the_host_drops_are_not_recorded(captured: Captured) -> None:
    """With structlog over logging, its level decides, in the first processor of the chain."""
    kept: list[Any] = []

    def keep(logger: Any, method: str, event: Any) -> Any:
        kept.append(event)
        raise structlog.DropEvent

    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, keep],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    adapter.install()
    logging.getLogger("shop").setLevel(logging.WARNING)
    with whence.trace("p"):
        log = structlog.get_logger("shop")
        log.info("not shown")
        log.warning("shown")

    assert [record.name for record, _ in events(captured)] == [each["event"] for each in kept] == ["shown"]


def test_installing_twice_is_once_and_removing_leaves_the_chain_as_it_was(
    captured: Captured, lines: list[dict[str, Any]]
) -> None:
    before = list(structlog.get_config()["processors"])
    adapter.install()
    adapter.install()

    assert structlog.get_config()["processors"].count(adapter.processor) == 1
    adapter.remove()
    adapter.remove()
    assert structlog.get_config()["processors"] == before


class Hostile:
    """An object whose every protocol fails."""

    def __repr__(self) -> str:
        raise RuntimeError("repr")

    __str__ = __repr__


def test_whatever_is_bound_the_host_logs_on(captured: Captured, lines: list[dict[str, Any]]) -> None:
    adapter.install()
    with whence.trace("p"):
        structlog.get_logger().info("odd", value=Hostile(), number=10**400, nan=float("nan"), level=Hostile())
        structlog.get_logger().info(Hostile())

    assert len(lines) == 2
    stats = whence.stats()
    assert stats["emitted"] == stats["written"] + sum(sum(each.values()) for each in stats["dropped"].values())
