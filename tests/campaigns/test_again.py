"""A recorded campaign run again: what came out alike, and that what did not is told."""

import msgspec

from engine.testing.simulation.campaign import Work, run_block
from engine.testing.simulation.report import StorageSum, Sum
from tests.campaigns.again import repeated, spread


def test_blocks_run_again_in_other_processes_come_to_the_same() -> None:
    blocks = [run_block(Work("worlds", 3, 1)), run_block(Work("schedules", 5, 2))]
    result = repeated(blocks, most=4, jobs=2)
    assert (result["worlds"], result["schedules"], result["differ"]) == (1, 2, [])


def test_block_whose_traces_were_others_is_told() -> None:
    came = run_block(Work("worlds", 3, 1))
    assert isinstance(came, Sum)
    result = repeated([msgspec.structs.replace(came, digest="0" * 64)], most=4, jobs=1)
    assert result["differ"] == [{"kind": "worlds", "first": 3, "count": 1}]


def test_sample_reaches_from_the_first_block_to_the_last() -> None:
    blocks = [StorageSum(first=first, schedules=1) for first in range(10)]
    assert [came.first for came in spread(blocks, 4)] == [0, 3, 6, 9]
    assert spread(blocks, 99) == blocks
    assert spread(blocks[:1], 4) == blocks[:1]
    assert spread([], 4) == []
