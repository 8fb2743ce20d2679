"""A disk whose fsync fails from one instant on: the program stops at once, sends nothing more, and later goes on."""

import errno
from pathlib import Path

import pytest

from tests.kill.forks import Forks
from tests.processes.seccomp import SYNCS, Call, is_possible
from tests.processes.story import Story, newest_sale, story, until

LIVED = 3
"""So many orders have been requested before anything breaks."""


class Breaking:
    """A disk that fails every sync from the instant at which a new sale has a status in the log and has not left."""

    def __init__(self, told: Story, status: str) -> None:
        self._told = told
        self._status = status
        self.is_armed = False  # a judge must not read a log that is just being made: its locks are held by who waits
        self.name = ""
        self.creates = 0

    def __call__(self, _: Call) -> int:
        if self.is_armed and not self.name:
            name = newest_sale(self._told.log(), self._status)
            creates = self._told.ledger().creates()
            if name and not creates[name]:
                self.name, self.creates = name, creates.total()
        return errno.EIO if self.name else 0


@pytest.mark.spec(
    "A program whose syncs begin to fail stops, sends nothing more, and goes on once the disk is well",
    section="Storage",
)
@pytest.mark.parametrize("status", ["requested", "sent"])
def test_program_whose_syncs_fail_stops_sends_nothing_and_goes_on_later(
    live_forks: Forks, tmp_path: Path, status: str
) -> None:
    with story(tmp_path) as told:
        broken = Breaking(told, status)
        with told.watch(SYNCS, broken) as program:
            until(lambda: len(told.log().intents) > LIVED)
            broken.is_armed = True
            until(lambda: broken.name)
            end = program.end()
        assert end.code == 1
        assert "could not be written" in end.err
        assert end.err.count("\n") == 1, end.err
        creates, rows = told.ledger().creates(), told.log().rows
        if is_possible():  # else the instant is only nearly the one that was meant
            assert not creates[broken.name], "an order left whose intent was not safe"
            assert creates.total() == broken.creates

        with told.watch(SYNCS, broken) as program:
            still = program.end()
        assert still.code == 1
        assert "could not be written" in still.err
        assert told.log().rows[: len(rows)] == rows
        assert told.ledger().creates() == creates

        told.die_at_syncs(2, 5, 9)
        told.goes_on()
        told.finish(live_forks)
