"""SIGKILL of live bots at every boundary of the order protocol and at random instants, under faults of all kinds.

The exchange lives in a process of its own and its ledger is the truth. Each test asserts its share of deaths; the
shares add up to more than 40 of sessions that were under way, with more than 10 with an order in flight. Long
campaigns: `python -m tests.live_kill --rounds 100`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.forks import Forks
from tests.live_kill.campaign import HASTY, SERVER, Round, Tally
from tests.live_kill.wrong import WRONG

SHARDS = 5
KILLS = 12
LEAST_UNDER_WAY = 8
LEAST_IN_FLIGHT = 3
ROUNDS = 4

assert SHARDS * LEAST_UNDER_WAY >= 40
assert SHARDS * LEAST_IN_FLIGHT >= 10


@pytest.fixture(scope="session")
def live_forks() -> Iterator[Forks]:
    with Forks(SERVER) as running:
        yield running


@pytest.mark.spec(
    "Killed at any instant and under any fault, live bots have one exchange order for each intent and every trade once",
    section="Order protocol",
)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_live_bots_killed_at_any_instant_are_in_step_with_the_exchange(
    live_forks: Forks, tmp_path: Path, shard: int
) -> None:
    tally = Tally()

    for number in range(ROUNDS):
        seed = 1 + shard + number * SHARDS
        kills = KILLS if number == 0 else KILLS // 2
        Round(live_forks, tmp_path / str(seed), seed, tally, pace=HASTY).run(kills)
        assert not tally.violations, "\n".join(tally.violations)
        if tally.under_way >= LEAST_UNDER_WAY and tally.in_flight >= LEAST_IN_FLIGHT:
            break

    print(tally, dict(tally.kinds), dict(tally.faults))
    assert tally.under_way >= LEAST_UNDER_WAY, str(tally)
    assert tally.in_flight >= LEAST_IN_FLIGHT, str(tally)


@pytest.mark.spec(
    "The same campaign finds out who sends again at once, takes no answer for a failure, or believes one look",
    section="Order protocol",
)
@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_protocol_is_found_out_by_the_same_campaign(live_forks: Forks, tmp_path: Path, name: str) -> None:
    tally = Tally()

    for seed in range(1, 1 + ROUNDS):
        Round(live_forks, tmp_path / str(seed), seed, tally, name, HASTY).run(KILLS)
        if tally.violations:
            break

    print(tally, tally.violations)
    assert tally.violations, str(tally)
