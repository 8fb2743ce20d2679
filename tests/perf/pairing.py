"""How to compare on a machine that is busy with other things: in pairs, within one run.

Every round runs all contenders and the floor, in another order each time; each contender is compared with the floor of
the same round, and the median of these ratios counts. Owns that. Never names an absolute bar.
"""

import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec

LEAST_PAIRS: Final = 9
FLOOR: Final = "floor"

Clock = Callable[[], float]


class Paired(msgspec.Struct, frozen=True):
    """The samples of one contender and of the floor, round by round."""

    samples: tuple[float, ...]
    floor: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Give contender ÷ floor for each round."""
        return [sample / floor for sample, floor in zip(self.samples, self.floor, strict=True)]

    @property
    def ratio(self) -> float:
        """Give the median ratio."""
        return statistics.median(self.ratios)

    @property
    def of_minima(self) -> float:
        """Give the ratio of the two quickest samples: what is left when nothing else disturbs."""
        return min(self.samples) / min(self.floor)

    @property
    def span(self) -> str:
        """Say how far the pairs lie apart: the middle half of them."""
        low, _, high = statistics.quantiles(self.ratios, n=4)
        return f"{len(self.samples)} pairs, half of them {low:.2f} to {high:.2f}"


def shuffled(names: Sequence[str], seed: int) -> list[str]:
    """Give the names in the order of one round."""
    return random.Random(seed).sample(list(names), len(names))


def in_pairs(
    jobs: Mapping[str, Callable[[], object]], rounds: int, clock: Clock = time.process_time
) -> dict[str, Paired]:
    """Run jobs, one of them called `FLOOR`, round after round; give each contender with the floor."""
    assert rounds >= LEAST_PAIRS, rounds
    samples: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():
        job()  # nobody pays for being first
    for turn in range(rounds):
        for name in shuffled(list(jobs), turn):
            start = clock()
            jobs[name]()
            samples[name].append(clock() - start)
    return paired(samples)


async def in_pairs_async(
    jobs: Mapping[str, Callable[[], Awaitable[object]]], rounds: int, clock: Clock
) -> dict[str, Paired]:
    """Do as `in_pairs` for jobs of the event loop."""
    assert rounds >= LEAST_PAIRS, rounds
    samples: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():
        await job()
    for turn in range(rounds):
        for name in shuffled(list(jobs), turn):
            start = clock()
            await jobs[name]()
            samples[name].append(clock() - start)
    return paired(samples)


def paired(samples: Mapping[str, Sequence[float]]) -> dict[str, Paired]:
    """Put every contender's samples beside those of the floor."""
    floor = tuple(samples[FLOOR])
    return {name: Paired(tuple(values), floor) for name, values in samples.items() if name != FLOOR}
