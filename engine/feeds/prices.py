"""Prices of a market that does not wait, on their way into the log: at most one a second, plus the extremes between.

Owns what is kept of the prices that come faster than that. Never asks a clock, never drops the newest.
Source: design, "A tick, stop by stop" 1.
"""

from typing import Final

from engine.core.market import Tick

PACE_MS: Final = 1_000
OLDEST_MS: Final = 10_000
"""A price further than this from the exchange's time when it comes is no price of now."""

FORGOTTEN_MS: Final = 15_000


class PriceSlot:
    """Holds the newest price and, where they lie outside the last two, the lowest and the highest since the last look.

    Times given to it are those of the engine; a tick's own time is the exchange's. `came_ms` is when a price last came.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.came_ms: int | None = None
        self.refused = 0
        self._taken: Tick | None = None
        self._taken_ms: int | None = None
        self._since: list[Tick] = []

    def put(self, tick: Tick, now_ms: int, exchange_now_ms: int) -> bool:
        """Take a price in; False if it is too old, from the future, or older than the one before.

        That one counts no more once nothing was taken for a while: its time may have been wrong.
        """
        newest = self.newest if self.came_ms is not None and now_ms - self.came_ms <= FORGOTTEN_MS else None
        is_off = abs(exchange_now_ms - tick.at_ms) > OLDEST_MS
        if is_off or (newest is not None and tick.at_ms < newest.at_ms):
            self.refused += 1
            return False
        self.came_ms = now_ms
        self._since = _essence([*self._since, tick])
        return True

    @property
    def newest(self) -> Tick | None:
        """Give the last price that came."""
        return self._since[-1] if self._since else self._taken

    def due_ms(self) -> int | None:
        """Say when the next look is worth it; None while there is nothing to see."""
        if not self._since:
            return None
        return 0 if self._taken_ms is None else self._taken_ms + PACE_MS

    def take(self, now_ms: int) -> tuple[Tick, ...]:
        """Give what came since the last look, in order, the newest last; nothing within a second of the last look."""
        due_ms = self.due_ms()
        if due_ms is None or now_ms < due_ms:
            return ()
        *between, newest = self._since
        edges = [newest.last] if self._taken is None else [newest.last, self._taken.last]
        extremes = tuple(each for each in between if not min(edges) <= each.last <= max(edges))
        self._since, self._taken, self._taken_ms = [], newest, now_ms
        return (*extremes, newest)


def _essence(ticks: list[Tick]) -> list[Tick]:
    """Keep the first lowest, the first highest and the newest, in the order in which they came."""
    lowest = min(range(len(ticks)), key=lambda index: ticks[index].last)
    highest = max(range(len(ticks)), key=lambda index: ticks[index].last)
    return [ticks[index] for index in sorted({lowest, highest, len(ticks) - 1})]
