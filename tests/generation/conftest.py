"""What tests of the generation door share."""

from collections.abc import Iterator

import pytest

from whence.generation import observers
from whence.testing import capture
from whence.testing.capture import Captured


@pytest.fixture
def captured() -> Iterator[Captured]:
    """Everything that the test records."""
    with capture() as found:
        yield found


@pytest.fixture(autouse=True)
def no_observer_stays() -> Iterator[None]:
    """Observers belong to the process; each test leaves none."""
    yield
    for each in tuple(observers.deliveries):
        observers.remove_observer(each.observer)
        if each._thread is not None:
            each._thread.join(5)
