"""The fork server of the last sessions, once for each test process."""

from collections.abc import Iterator

import pytest

from tests.kill.forks import Forks
from tests.live_kill.campaign import SERVER


@pytest.fixture(scope="session")
def live_forks() -> Iterator[Forks]:
    with Forks(SERVER) as running:
        yield running
