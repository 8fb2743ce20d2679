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
            async with asyncio.timeout(
                timeout_s
            ):  # wait_for of Python 3.11 loses a cancellation if the event comes too
                await event.wait()
        except TimeoutError:
            return False
        return True

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Give a context in which waiting longer raises TimeoutError."""
        return asyncio.timeout(seconds)


class EngineClock:
    """The clock of bots on a real market: wall time at the start, and what went by since on a clock that never jumps.

    Never below the last recorded time, which `not_before` tells. A machine that sleeps stops it, and one whose clock is
    set starts it wrong: then it is put right by the exchange's time, forwards at once, backwards by going slower until
    the difference is paid, for it never goes back. Source: design, "Time".
    """

    SLOWER: Final = 0.1
    """So much slower it goes while it has something to pay."""

    def __init__(self, real_time: RealTime) -> None:
        """Start now."""
        self.real_time: Final = real_time
        self.corrections = 0
        self._start_s = real_time.monotonic_s()
        self._start_ms = real_time.wall_ms()
        self._owed_ms = 0.0

    @property
    def now_ms(self) -> int:
        """Give engine time in epoch milliseconds."""
        elapsed_ms = (self.real_time.monotonic_s() - self._start_s) * 1000
        return self._start_ms + int(elapsed_ms - min(elapsed_ms * self.SLOWER, self._owed_ms))

    def not_before(self, at_ms: int) -> None:
        """Go on from this time, if it is later than now."""
        if at_ms > self.now_ms:
            self._start_ms += at_ms - self.now_ms

    def correct(self, ahead_ms: int) -> None:
        """Follow a clock that is so much ahead of this one: at once, or if it is behind, little by little."""
        elapsed_ms = (self.real_time.monotonic_s() - self._start_s) * 1000
        self._start_ms, self._start_s = self.now_ms + max(ahead_ms, 0), self._start_s + elapsed_ms / 1000
        self._owed_ms = float(max(-ahead_ms, 0))
        self.corrections += 1

    @property
    def ahead_ms(self) -> int:
        """Give how far engine time is ahead of the wall clock, not counting what is being paid."""
        elapsed_ms = (self.real_time.monotonic_s() - self._start_s) * 1000
        return self._start_ms + int(elapsed_ms) - self.real_time.wall_ms()


class JumpWatch:
    """Notices when the wall clock jumps against engine time. Each who wants to know has one: a jump is told once."""

    JUMP_MS: Final = 1_000

    def __init__(self, clock: EngineClock) -> None:
        """Start with how the clocks stand now."""
        self._clock: Final = clock
        self._ahead_ms = clock.ahead_ms
        self._corrections = clock.corrections

    def jump_ms(self) -> int:
        """Give how far the wall clock jumped since the last call, if by more than a second; else 0."""
        ahead_ms, corrections = self._clock.ahead_ms, self._clock.corrections
        jumped_ms = self._ahead_ms - ahead_ms
        if corrections == self._corrections and abs(jumped_ms) <= self.JUMP_MS:
            return 0
        was_corrected = corrections != self._corrections
        self._ahead_ms, self._corrections = ahead_ms, corrections
        return 0 if was_corrected else jumped_ms


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
