"""The never-killed run that every killed one is compared with.

Owns what is kept of it. Whoever starts one keeps its folder for as long as it is used.
"""

from pathlib import Path

import msgspec

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


def never_killed(forks: Forks, folder: Path, candles: int) -> Reference:
    """Run so many minutes of market to their end."""
    bots = bot_texts(write_recordings(folder, candles))
    directory, trace = folder / "data", folder / "trace.json"
    assert not forks.run(Request(str(directory), tuple(bots.values()), trace=str(trace)))
    passed = msgspec.json.decode(trace.read_bytes(), type=list[Point])
    return Reference(bots, directory, read_ending(directory), passed)
