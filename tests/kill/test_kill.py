"""SIGKILL at every boundary of a tick and at random instants: the ending is always that of the run never killed.

The deaths that count are those after the first new event of their session. Each test asserts its share of them; the
shares add up to more than 300, with far more than 30 with an order open and 30 with a trail active.
"""

import random
import shutil
from pathlib import Path

import pytest

from engine.runtime.control import SOCKET_NAME
from tests.kill.chain import Tally, die_at_endings, die_at_points, die_at_random, is_ending, sample
from tests.kill.evidence import assert_same, log_end, read_death, read_ending
from tests.kill.forks import Forks
from tests.kill.reference import Reference

BOUNDARY_SHARDS = 10
RANDOM_SHARDS = 2
LEAST_AT_BOUNDARIES = 26
LEAST_AT_RANDOM = 20
LEAST_WITH_ORDER = 12
LEAST_WITH_TRAIL = 8
SHARDS = BOUNDARY_SHARDS + RANDOM_SHARDS

assert BOUNDARY_SHARDS * LEAST_AT_BOUNDARIES + RANDOM_SHARDS * LEAST_AT_RANDOM >= 300
assert SHARDS * LEAST_WITH_ORDER >= 30
assert SHARDS * LEAST_WITH_TRAIL >= 30


RARE = {"before balances", "after balances", "before cancel", "after cancel"}
"""Boundaries of which a shard may get none."""


def has_share(tally: Tally, least: int) -> bool:
    """Tell whether a test has counted its share of deaths."""
    return tally.counted >= least and tally.order_open >= LEAST_WITH_ORDER and tally.trail_active >= LEAST_WITH_TRAIL


@pytest.mark.spec(
    "Killed at any boundary of a tick, however often, a restarted bot ends as if it had never been killed",
    section="issue: What shows it",
)
@pytest.mark.parametrize("shard", range(BOUNDARY_SHARDS))
def test_bots_killed_at_every_boundary_end_as_if_never_killed(
    forks: Forks, reference: Reference, tmp_path: Path, shard: int
) -> None:
    feed = sorted(reference.ending.feeds)[shard % 2]
    passed = [point for point in reference.trace if point.feed == feed]
    endings = sorted({point.kind for point in reference.trace if is_ending(point)})[shard::BOUNDARY_SHARDS]
    kinds = {point.kind for point in sample(passed, 1)} - RARE
    tally = Tally()

    for life, most in enumerate((30, 37, 49)):
        directory = tmp_path / f"life-{life}" / "data"
        directory.parent.mkdir()
        targets = sample(passed, most)[shard // 2 :: BOUNDARY_SHARDS // 2]
        die_at_points(forks, reference.request(directory), targets, tally)
        die_at_endings(forks, reference.request(directory), endings, tally)
        assert not forks.run(reference.request(directory))
        assert_same(read_ending(directory), reference.ending)
        if has_share(tally, LEAST_AT_BOUNDARIES) and kinds <= set(tally.kinds):
            break

    print(tally, dict(tally.kinds))
    assert has_share(tally, LEAST_AT_BOUNDARIES), str(tally)
    assert kinds <= set(tally.kinds), tally.kinds


@pytest.mark.spec(
    "Killed at random instants, a restarted bot ends as if it had never been killed", section="issue: What shows it"
)
@pytest.mark.parametrize(("seed", "speed"), [(1, None), (2, 8_000)], ids=["as-fast-as-it-goes", "paced"])
def test_bots_killed_at_random_instants_end_as_if_never_killed(
    forks: Forks, reference: Reference, tmp_path: Path, seed: int, speed: float | None
) -> None:
    chance, tally = random.Random(seed), Tally()

    for life in range(20):
        directory = tmp_path / f"life-{life}" / "data"
        directory.parent.mkdir()
        die_at_random(forks, reference.request(directory, speed=speed), chance, tally)
        assert_same(read_ending(directory), reference.ending)
        if has_share(tally, LEAST_AT_RANDOM):
            break

    print(tally)
    assert has_share(tally, LEAST_AT_RANDOM), str(tally)


@pytest.mark.spec("Killed while it starts, a bot loses nothing", section="issue: What shows it")
@pytest.mark.parametrize("part", range(2))
def test_bots_killed_while_they_begin_end_as_if_never_killed(
    forks: Forks, short_reference: Reference, tmp_path: Path, part: int
) -> None:
    boot = next(number for number, point in enumerate(short_reference.trace) if point.sequence > 1)
    assert boot > 30, "the first price comes after all that a first start does"

    for number in range(1 + part, boot + 1, 4):
        directory = tmp_path / str(number) / "data"
        directory.parent.mkdir()
        found = log_end(directory)
        assert forks.run(short_reference.request(directory, number=number))
        assert not read_death(directory, found).under_way
        forks.run(short_reference.request(directory, number=number * 7 % boot + 1))
        assert not forks.run(short_reference.request(directory))
        assert_same(read_ending(directory), short_reference.ending)


@pytest.mark.spec("Killed while it starts again, a bot loses nothing", section="issue: What shows it")
def test_bots_killed_while_they_start_again_end_as_if_never_killed(
    forks: Forks, short_reference: Reference, tmp_path: Path
) -> None:
    dead = tmp_path / "dead" / "data"
    dead.parent.mkdir()
    creates = [point for point in short_reference.trace if point.kind == "before create"]
    assert forks.run(short_reference.request(dead, target=creates[len(creates) // 2]))

    for number in range(1, 60, 3):
        directory = tmp_path / str(number) / "data"
        shutil.copytree(dead, directory, ignore=shutil.ignore_patterns(SOCKET_NAME))
        assert forks.run(short_reference.request(directory, number=number))
        assert not forks.run(short_reference.request(directory))
        assert_same(read_ending(directory), short_reference.ending)
