"""The embedder in use is that of the whole process: every test begins and ends without one."""

from collections.abc import Iterator

import pytest

from whence.embedding import use


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting and no embedder, and no proxy between a test and its server."""
    for name in ("WHENCE_EMBEDDING", "WHENCE_EMBEDDING_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    use(None)
    yield
    use(None)
