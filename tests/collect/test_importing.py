"""A file on its way in: by lines or by blocks, to its end or to where it breaks off."""

import gzip
import io
from pathlib import Path

import pytest

from whence.collect.importing import Counted

TEXT = b"".join(b"line %d of a file\n" % number for number in range(20_000))


def taken(stream: object, how: str) -> tuple[bytes, str, list[int]]:
    """Return what came, why it broke off, and the bytes that were told."""
    told: list[int] = []
    counted = Counted(stream, told.append)  # type: ignore[arg-type]
    data = b"".join(counted.lines() if how == "lines" else counted.blocks())
    return data, counted.cut, told


@pytest.mark.parametrize("how", ["lines", "blocks"])
def test_all_of_a_file_comes_and_is_counted(how: str) -> None:
    data, cut, told = taken(io.BytesIO(TEXT), how)
    assert (data, cut, told[-1]) == (TEXT, "", len(TEXT))


@pytest.mark.parametrize("how", ["lines", "blocks"])
def test_a_packed_file_that_breaks_off_comes_as_far_as_it_goes(how: str, tmp_path: Path) -> None:
    file = tmp_path / "cut.gz"
    packed = gzip.compress(TEXT)
    file.write_bytes(packed[: len(packed) // 2])
    with gzip.open(file) as stream:
        data, cut, _ = taken(stream, how)
    assert TEXT.startswith(data)
    assert len(data) > len(TEXT) // 10
    assert "breaks off" in cut
