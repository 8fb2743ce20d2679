"""The one place that asks what time it is or waits: real time, and the clock of a market that brings its own.

Everything else is given a time. Durations are measured on the monotonic clock; wall time only labels.
"""

import asyncio
import time
from typing import Final, Protocol


class RealTime(Protocol):
    """Real time as the engine uses it; a simulated world gives its own."""

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""
        ...

    def wall_ms(self) -> int:
        """Give the time of day as the machine has it, in epoch milliseconds; it may jump."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> bool:
        """Wait for the event, at most `timeout_s`; tell whether it came."""
        ...

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Give a context in which waiting longer raises TimeoutError."""
        ...


class SystemTime:
    """Real time from the operating system and the event loop."""

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Give the time of day as the machine has it, in epoch milliseconds; it may jump."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> bool:
        """Wait for the event, at most `timeout_s`; tell whether it came."""
        try:
            # wait_for of Python 3.11 loses a cancellation if the event comes too
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Give a context in which waiting longer raises TimeoutError."""
        return asyncio.timeout(seconds)


class EngineClock:
    """The clock of bots on a real market: wall time at the start, and what went by since on a clock that never jumps.

    Never below the last recorded time, which `not_before` tells, and never back. A machine that sleeps stops it: then
    it follows the wall clock forward. One that is ahead of the wall clock stays so; only labels depend on it.
    Source: design, "Time".
    """

    def __init__(self, real_time: RealTime) -> None:
        """Start now."""
        self.real_time: Final = real_time
        self._start_s: Final = real_time.monotonic_s()
        self._start_ms = real_time.wall_ms()
        self.steady_since_ms = self._start_ms
        """Since when it has run evenly: waiting proves nothing across a leap."""

    @property
    def now_ms(self) -> int:
        """Give engine time in epoch milliseconds."""
        return self._start_ms + int((self.real_time.monotonic_s() - self._start_s) * 1000)

    @property
    def wall_ahead_ms(self) -> int:
        """Give how far the wall clock is ahead of engine time."""
        return self.real_time.wall_ms() - self.now_ms

    def not_before(self, at_ms: int) -> None:
        """Go on from this time, if it is later than now."""
        if at_ms > self.now_ms:
            self._start_ms += at_ms - self.now_ms
            self.steady_since_ms = self.now_ms

    def follow(self) -> None:
        """Catch up with the wall clock, if that is ahead."""
        self.not_before(self.real_time.wall_ms())


class JumpWatch:
    """Notices when the wall clock jumps against the clock that never does. Each who wants to know has one."""

    JUMP_MS: Final = 1_000

    def __init__(self, real_time: RealTime) -> None:
        """Start with how the clocks stand now."""
        self._real_time: Final = real_time
        self._apart_ms = self._now_apart_ms()

    def jump_ms(self) -> int:
        """Give how far the wall clock jumped since the last call, if by more than a second; else 0."""
        apart_ms = self._now_apart_ms()
        jumped_ms = apart_ms - self._apart_ms
        if abs(jumped_ms) <= self.JUMP_MS:
            return 0
        self._apart_ms = apart_ms
        return jumped_ms

    def _now_apart_ms(self) -> int:
        return self._real_time.wall_ms() - int(self._real_time.monotonic_s() * 1000)


class MarketClock:
    """The clock of a market that waits for the bot: it stands still between two observations.

    Source: decisions.md, "Markets without a network".
    """

    def __init__(self, now_ms: int) -> None:
        """Start at the last recorded time, or at the market's first."""
        self.now_ms = now_ms

    def advance(self, to_ms: int) -> None:
        """Go on to a later or equal time."""
        assert to_ms >= self.now_ms, (to_ms, self.now_ms)
        self.now_ms = to_ms


class Pacer:
    """Maps market time to real time: `speed` market seconds a second, or as fast as it goes (None)."""

    YIELD_EVERY: Final = 64

    def __init__(self, real_time: RealTime, speed: float | None, start_ms: int, wake: asyncio.Event) -> None:
        """Start the mapping now; `wake` ends a wait early."""
        assert speed is None or speed > 0, speed
        self._real_time: Final = real_time
        self._speed: Final = speed
        self._start_ms: Final = start_ms
        self._start_s: Final = real_time.monotonic_s()
        self._wake: Final = wake
        self._steps = 0

    async def reach(self, at_ms: int) -> bool:
        """Wait until market time `at_ms`; False if woken before it."""
        if self._wake.is_set():
            return False
        if self._speed is None:
            return await self._yield()
        left_s = (at_ms - self._start_ms) / 1000 / self._speed - (self._real_time.monotonic_s() - self._start_s)
        if left_s <= 0:
            return await self._yield()
        return not await self._real_time.wait(self._wake, left_s)

    async def _yield(self) -> bool:
        """Let other tasks run now and then, although there is nothing to wait for."""
        self._steps += 1
        if self._steps % self.YIELD_EVERY == 0:
            await self._real_time.sleep(0)
        return not self._wake.is_set()
