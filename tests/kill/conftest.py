"""The never-killed run that every killed one is compared with, and the fork server, once for each test process."""

from collections.abc import Iterator

import pytest

from tests.kill.forks import Forks
from tests.kill.reference import Reference, never_killed


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as running:
        yield running


@pytest.fixture(scope="session")
def reference(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Six hours of market, never killed."""
    return never_killed(forks, tmp_path_factory.mktemp("reference"), candles=360)


@pytest.fixture(scope="session")
def short_reference(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Eighty minutes of market, never killed."""
    return never_killed(forks, tmp_path_factory.mktemp("short_reference"), candles=80)
