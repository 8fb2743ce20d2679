"""What decides in the stories of the simulated exchange: faults that a test orders, and a price that it sets.

Owns no time: what is ordered comes when somebody asks for it next.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, TypeVar

from engine.core.market import Tick
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.exchange.markets import TICK, Market, half_spread

T = TypeVar("T")

_GLANCE_MS: Final = 2_000


class Fate(Chance):
    """Chance that brings what a test has ordered, the next time that somebody asks for it, and else nothing."""

    def __init__(self) -> None:
        super().__init__(1)
        self._ordered: Final[defaultdict[str, deque[int]]] = defaultdict(deque)

    def bring(self, site: str, *choices: int) -> None:
        """Order something at a site: to happen, once or as often as there are choices, or so chosen."""
        self._ordered[f"exchange/{site}"].extend(choices or (1,))

    def cancel(self, site: str) -> None:
        """Take back what is still ordered at a site."""
        self._ordered[f"exchange/{site}"].clear()

    def happens(self, site: str, rate: float) -> bool:
        return rate > 0 and self._next(site) == 1

    def choose(self, site: str, options: Sequence[T]) -> T:
        return options[self._next(site)]

    def between(self, site: str, least: int, most: int) -> int:
        return min(least + self._next(site), most)

    def _next(self, site: str) -> int:
        ordered = self._ordered[site]
        return ordered.popleft() if ordered else 0


class SteeredMarket(Market):
    """A market whose price is what the test says; a resting order that it reaches is met within two seconds."""

    middle = 5_000_000

    def tick(self, at_ms: int, told_ms: int) -> Tick:
        del at_ms
        half = half_spread(self.middle)
        return Tick(told_ms, self.middle * TICK, (self.middle - half) * TICK, (self.middle + half) * TICK)

    def best(self, side: str, at_ms: int) -> int:
        del at_ms
        half = half_spread(self.middle)
        return self.middle + half if side == "buy" else self.middle - half

    def crossing(self, side: str, limit: Decimal, from_ms: int) -> tuple[int, bool]:
        ticks = int(limit / TICK)
        half = half_spread(ticks)
        is_met = self.middle <= ticks - half if side == "buy" else self.middle >= ticks + half
        return (from_ms, True) if is_met else (from_ms + _GLANCE_MS, False)
