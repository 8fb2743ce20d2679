"""The fork server of sessions of live bots, once for each process of tests."""

from collections.abc import Iterator

import pytest

from tests.kill.forks import Forks
from tests.live_kill.campaign import SERVER


@pytest.fixture(scope="session")
def live_forks() -> Iterator[Forks]:
    with Forks(SERVER) as running:
        yield running
