"""What is recorded of an exception of the host's, told without calling code that could do more than that."""

import sys
import traceback

STACK_FRAMES = 200
"""Of a longer stack the innermost frames are kept."""


def is_cancellation(error: BaseException) -> bool:
    """Return whether asyncio cancelled the task; without asyncio loaded nothing can have been cancelled."""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and isinstance(error, asyncio.CancelledError)


def describe_error(error: BaseException) -> dict[str, str]:
    """Return {type, message, where} of an exception, without calling code of the host's that could do more than that."""
    where = ""
    tb = error.__traceback__
    while tb is not None:
        where = f"{tb.tb_frame.f_code.co_filename}:{tb.tb_lineno} in {tb.tb_frame.f_code.co_name}"
        tb = tb.tb_next
    # Through the slot of the base class: a subclass may have made `args` anything.
    args = BaseException.__dict__["args"].__get__(error)
    message = next((arg for arg in args if type(arg) is str), None)
    if message is None:
        message = ", ".join(str(arg) for arg in args if type(arg) in (int, float, bool))
    return {"type": type(error).__qualname__, "message": message, "where": where}


def stack_of(error: BaseException) -> str:
    """Return the stack of an exception as Python prints it, innermost frame last, with the source lines it knows.

    Without the message: that is redacted on its own (`describe_error`).
    """
    frames = traceback.extract_tb(error.__traceback__, limit=-STACK_FRAMES)
    return "".join(traceback.format_list(frames)).rstrip()
