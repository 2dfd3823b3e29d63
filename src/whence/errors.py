"""The error tree: one base, split by what the caller does next.

Recording never raises any of these into the host (it counts instead); the layers that a person calls on
purpose (query, CLI, store, settings) do, and each message says what was given, what is accepted, what to do.
"""


class WhenceError(Exception):
    """Base of everything whence raises on purpose."""

    exit_code = 1


class BadInput(WhenceError):
    """Fix the input: the message names what was given and what is accepted."""

    exit_code = 2


class NotFound(WhenceError):
    """What was asked for is not stored; the message says where to look instead."""

    exit_code = 3


class StoreUnreachable(WhenceError):
    """The store cannot be opened or read. Recording goes on into the spool; mend the cause and drain."""

    exit_code = 4


class StoreBusy(WhenceError):
    """Another process holds the writer's place. Retry, or let that process drain."""

    exit_code = 5


class StoreTooNew(StoreUnreachable):
    """The data was written by a newer whence. Upgrade this one; nothing was changed."""


class BadFrame(WhenceError):
    """Bytes that are not what the format promises (docs/formats/spool.md)."""
