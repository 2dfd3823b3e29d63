"""Log lines become events of the run they are said in; the program's own logging stays as it is."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import whence
import whence.instrument.logging as adapter
from whence.errors import BadInput
from whence.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as kept:
        yield kept
    adapter.remove()
    adapter.unlisten()


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger("shop.orders")
    logger.setLevel(logging.DEBUG)
    yield logger
    logger.setLevel(logging.NOTSET)


def events(captured: Captured) -> list[Any]:
    import msgspec

    return [(each, msgspec.json.decode(bytes(each.payload))) for each in captured.records if each.kind == "event"]


def test_a_log_line_is_an_event_of_the_stage_it_is_said_in(captured: Captured, log: logging.Logger) -> None:
    adapter.install()
    with whence.trace("p") as trace, trace.stage("payment", component="till") as stage:
        log.warning("card %s refused", "visa", extra={"order": 7})

    ((record, said),) = events(captured)
    assert (record.name, record.stage, record.component, record.span) == ("shop.orders", "payment", "till", stage.span)
    assert (record.level, said["message"]) == (2, "card visa refused")
    assert (said["attributes"]["order"], said["attributes"]["logger"]) == (7, "shop.orders")
    assert "test_logging.py" in said["attributes"]["where"]


def test_what_is_said_outside_any_run_or_below_the_level_is_not_recorded(
    captured: Captured, log: logging.Logger
) -> None:
    adapter.install()
    log.warning("before")
    with whence.trace("p"):
        log.debug("too low")
        log.info("heard")
    log.warning("after")

    assert [said["message"] for _, said in events(captured)] == ["heard"]


def test_an_exception_is_recorded_with_its_stack_and_secrets_masked(captured: Captured, log: logging.Logger) -> None:
    adapter.install()
    with whence.trace("p"):
        try:
            raise ValueError("no such card")
        except ValueError:
            log.exception("payment failed, password=hunter2hunter2", extra={"api_key": "hunter2hunter2"})

    ((record, said),) = events(captured)
    assert said["attributes"]["error"]["type"] == "ValueError"
    assert "test_an_exception_is_recorded" in said["attributes"]["error"]["stack"]
    assert record.level == 3
    assert "hunter2" not in str(said)


def test_levels_of_the_programs_own_making_have_a_place(captured: Captured, log: logging.Logger) -> None:
    adapter.install(level=1)
    with whence.trace("p"):
        for number in (5, 20, 25, 35, 45, 99):
            log.setLevel(1)
            log.log(number, "x")

    assert [record.level for record, _ in events(captured)] == [0, 0, 0, 2, 3, 4]


class Odd:
    """A message whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no")


def test_a_line_that_cannot_be_formatted_is_kept_as_far_as_it_goes(
    captured: Captured, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    adapter.install()
    with whence.trace("p"):
        log.info("order %d", "seven")
        log.info(Odd())
        log.info("%s", Odd())

    assert next(said["message"] for _, said in events(captured)) == "order %d"
    assert len(events(captured)) == 3
    assert whence.stats()["internal_errors"] == 0


def test_installing_twice_is_once_and_removing_leaves_the_loggers_as_they_were(captured: Captured) -> None:
    handlers = list(logging.getLogger().handlers)
    first, second = adapter.install(), adapter.install()
    other = adapter.install("shop.orders")

    assert first is second is not other
    adapter.remove("shop.orders")
    assert logging.getLogger("shop.orders").handlers == []
    adapter.remove()
    assert logging.getLogger().handlers == handlers


def test_a_level_that_is_none_is_refused(captured: Captured) -> None:
    with pytest.raises(BadInput, match="accepted: a number, or DEBUG"):
        adapter.install(level="LOUD")


def test_our_own_words_are_not_recorded(captured: Captured) -> None:
    adapter.install()
    with whence.trace("p"):
        logging.getLogger("whence").warning("about ourselves")

    assert events(captured) == []


# -- listening: for a program that does not know of us ---------------------------------------------------------------------


def test_listening_hears_every_logger_also_one_that_does_not_propagate(captured: Captured, log: logging.Logger) -> None:
    log.propagate = False
    try:
        adapter.listen()
        adapter.listen()
        with whence.trace("p"):
            log.info("heard once")
        adapter.unlisten()
        with whence.trace("p"):
            log.info("not heard")
    finally:
        log.propagate = True

    assert [said["message"] for _, said in events(captured)] == ["heard once"]


def test_removing_all_of_it_ends_listening_too(captured: Captured, log: logging.Logger) -> None:
    before = logging.Logger.callHandlers
    adapter.install(log)
    adapter.listen()
    adapter.remove(log)
    with whence.trace("p"):
        log.info("listened to")
    adapter.remove()
    with whence.trace("p"):
        log.info("not heard")

    assert [said["message"] for _, said in events(captured)] == ["listened to"]
    assert logging.Logger.callHandlers is before


def test_a_message_that_logs_while_it_is_made_into_text_does_not_go_round_in_circles(
    captured: Captured, log: logging.Logger
) -> None:
    class Talking:
        def __str__(self) -> str:
            log.info("thinking")
            return "answer"

    adapter.listen()
    with whence.trace("p"):
        log.info("%s", Talking())

    assert "answer" in [said["message"] for _, said in events(captured)]


def test_listening_stops_without_undoing_what_others_put_in_its_place(
    captured: Captured, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
    adapter.listen()
    ours = logging.Logger.callHandlers

    def theirs(self: logging.Logger, record: logging.LogRecord) -> None:
        ours(self, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", theirs)
    adapter.unlisten()
    with whence.trace("p"):
        log.info("not heard")

    assert logging.Logger.callHandlers is theirs
    assert events(captured) == []


def test_handlers_that_look_for_the_caller_do_not_see_us(captured: Captured, log: logging.Logger) -> None:
    """As loguru's and sentry's recipes do: frames of logging's own file are left out."""
    seen: list[str] = []

    class Looking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            frame: Any = sys._getframe(1)
            while frame is not None and frame.f_code.co_filename == logging.__file__:
                frame = frame.f_back
            seen.append(frame.f_code.co_name)

    looking = Looking()
    log.addHandler(looking)
    adapter.listen()
    try:
        log.info("x")
    finally:
        log.removeHandler(looking)

    assert seen == ["test_handlers_that_look_for_the_caller_do_not_see_us"]


def test_basic_config_of_the_program_still_works_while_we_listen() -> None:
    code = (
        "import logging, whence.instrument.logging as w; w.listen()\n"
        "logging.basicConfig(format='%(message)s!', level=logging.INFO); logging.info('hello')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stderr == "hello!\n"
