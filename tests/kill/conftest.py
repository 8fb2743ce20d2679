"""The never-killed run that every killed one is compared with, and the fork server, once for each test process."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.kill.evidence import Ending, read_ending
from tests.kill.forks import Forks
from tests.kill.points import Point
from tests.kill.scenario import bot_texts, write_recordings
from tests.kill.session import Request


class Reference(msgspec.Struct, frozen=True):
    """A never-killed run: its bots, its state directory, how it ended, and the boundaries it passed."""

    bots: dict[str, str]
    directory: Path
    ending: Ending
    trace: list[Point]

    def request(self, directory: Path, **details: object) -> Request:
        """Ask for a session of the same bots in another directory."""
        return msgspec.structs.replace(Request(str(directory), tuple(self.bots.values())), **details)


def _never_killed(forks: Forks, folder: Path, candles: int) -> Reference:
    bots = bot_texts(write_recordings(folder, candles))
    directory, trace = folder / "data", folder / "trace.json"
    assert not forks.run(Request(str(directory), tuple(bots.values()), trace=str(trace)))
    passed = msgspec.json.decode(trace.read_bytes(), type=list[Point])
    return Reference(bots, directory, read_ending(directory), passed)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as running:
        yield running


@pytest.fixture(scope="session")
def reference(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Six hours of market, never killed."""
    return _never_killed(forks, tmp_path_factory.mktemp("reference"), candles=360)


@pytest.fixture(scope="session")
def short_reference(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Eighty minutes of market, never killed."""
    return _never_killed(forks, tmp_path_factory.mktemp("short_reference"), candles=80)
