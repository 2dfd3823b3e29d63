"""Files that are nobody else's business, and that are never half written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def private_directory(path: Path) -> None:
    """Make a directory, and every missing one above it, for its owner alone; existing ones stay as they are.

    `mkdir(mode=…, parents=True)` would make the ones above with the permissions of the umask.
    """
    if path.is_dir():
        return
    private_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all (`whole_file`)."""
    with whole_file(path, mode=mode) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path, *, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes its place when the block ends well: beside it first, then by renaming.

    Raises:
        OSError: it could not be written; what was there before is still there, and nothing else is left behind.
    """
    # A name that nobody can have made before, and none that may be there already.
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # it may not have been made at all
            temporary.unlink()
        raise
