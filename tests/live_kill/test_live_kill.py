"""SIGKILL of live bots at every boundary of the order protocol and at random instants, under faults of all kinds.

The exchange lives in a process of its own and its ledger is the truth. Each test asserts its share of deaths; the
shares add up to more than 40 of sessions that were under way, with more than 10 with an order in flight. Long
campaigns: `python -m tests.live_kill --rounds 100`.
"""

from pathlib import Path

import pytest

from tests.kill.forks import Forks
from tests.live_kill.campaign import HASTY, Round, Tally
from tests.live_kill.wrong import WRONG

SEEDS = (11, 2, 19, 14, 5)
"""Of rounds that are unlike each other: what shows up late, how fees are taken, rich or poor, filled in parts."""

MOST_KILLS = 60
LEAST_UNDER_WAY = 8
LEAST_IN_FLIGHT = 3
CONTROL_KILLS = 12
CONTROL_ROUNDS = 8

assert len(SEEDS) * LEAST_UNDER_WAY >= 40
assert len(SEEDS) * LEAST_IN_FLIGHT >= 10


@pytest.mark.spec(
    "Killed at any instant and under any fault, live bots have one exchange order for each intent and every trade once",
    section="Order protocol",
)
@pytest.mark.parametrize("seed", SEEDS)
def test_live_bots_killed_at_any_instant_are_in_step_with_the_exchange(
    live_forks: Forks, tmp_path: Path, seed: int
) -> None:
    tally = Tally()

    def has_share() -> bool:
        return tally.under_way >= LEAST_UNDER_WAY and tally.in_flight >= LEAST_IN_FLIGHT

    Round(live_forks, tmp_path, seed, tally, pace=HASTY).run(MOST_KILLS, has_share)

    print(tally, dict(tally.kinds), dict(tally.faults))
    assert not tally.violations, "\n".join(tally.violations)
    assert has_share(), str(tally)


@pytest.mark.spec(
    "The same campaign finds out who sends again at once, takes no answer for a failure, or believes one look",
    section="Order protocol",
)
@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_protocol_is_found_out_by_the_same_campaign(live_forks: Forks, tmp_path: Path, name: str) -> None:
    tally = Tally()

    for seed in range(1, 1 + CONTROL_ROUNDS):
        Round(live_forks, tmp_path / str(seed), seed, tally, name, HASTY).run(CONTROL_KILLS)
        if tally.violations:
            break

    print(tally, tally.violations)
    assert tally.violations, str(tally)
