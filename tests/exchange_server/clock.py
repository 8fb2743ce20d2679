"""The clock of a local exchange: real, faster than real, or moved by hand; and the skew that it claims.

Owns the only reading of real time in this folder. Never runs backwards, except in what it claims through the skew.
"""

import asyncio
import time


class Clock:
    """Tell the time of the exchange in milliseconds since the epoch."""

    def __init__(
        self, start_ms: int | None = None, speed: float = 1.0, *, manual: bool = False, skew_ms: int = 0
    ) -> None:
        """Start at an instant (now, if None), at a speed; a manual clock stands still until it is moved."""
        self.start_ms = wall_ms() if start_ms is None else start_ms
        self.skew_ms = skew_ms
        self._speed = 0.0 if manual else speed
        self._moved_ms = 0
        self._origin_s = time.monotonic()
        self._moved = asyncio.Event()

    def market_ms(self) -> int:
        """Give the true time: what prices, lags and limits go by."""
        return self.start_ms + self._moved_ms + int((time.monotonic() - self._origin_s) * 1_000 * self._speed)

    def now_ms(self) -> int:
        """Give the time that the exchange claims: the true time plus its skew."""
        return self.market_ms() + self.skew_ms

    def advance(self, by_ms: int) -> None:
        """Jump forward."""
        assert by_ms >= 0, "the true time never runs backwards"
        self._moved_ms += by_ms
        self._moved.set()
        self._moved = asyncio.Event()

    def set_speed(self, speed: float) -> None:
        """Go on from here at another speed."""
        self._moved_ms = self.market_ms() - self.start_ms
        self._speed, self._origin_s = speed, time.monotonic()
        self.advance(0)  # whoever waits has to wait for another time now

    async def sleep(self, for_ms: int) -> None:
        """Wait until so much of the exchange's time has passed, by itself or by a jump."""
        until_ms = self.market_ms() + for_ms
        while (left_ms := until_ms - self.market_ms()) > 0:
            pause_s = left_ms / 1_000 / self._speed if self._speed else None
            try:
                await asyncio.wait_for(self._moved.wait(), pause_s)
            except TimeoutError:
                continue


def wall_ms() -> int:
    """Give the time of this machine, for comparing the ledger with what other processes noted."""
    return time.time_ns() // 1_000_000
