"""The machine that the engine runs on in a simulated world: its clocks, and the times it stands still.

Owns the difference between true time, which the exchange lives in, and what this machine's clocks show.
"""

import asyncio
from typing import Final

from engine.testing.simulation.loop import VirtualLoop

START_MS: Final = 1_767_225_600_000
"""The true time at which every simulated world begins: 2026-01-01T00:00:00Z."""


class Machine:
    """Clocks of a machine, as `engine.runtime.clock.RealTime` wants them, on a virtual loop."""

    def __init__(self, loop: VirtualLoop) -> None:
        """Start with a wall clock that is right."""
        self._loop: Final = loop
        self._slept_s = 0.0
        self.wall_ahead_ms = 0
        """How far the wall clock is ahead of true time."""

    @property
    def true_ms(self) -> int:
        """Give true time in epoch milliseconds."""
        return START_MS + int(self._loop.time() * 1000)

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back, and that stands still while the machine sleeps."""
        return self._loop.time() - self._slept_s

    def wall_ms(self) -> int:
        """Give the time of day as the machine has it."""
        return self.true_ms + self.wall_ahead_ms

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> bool:
        """Wait for the event, at most `timeout_s`; tell whether it came."""
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Give a context in which waiting longer raises TimeoutError."""
        return asyncio.timeout(seconds)

    def stand_still(self, seconds: float) -> None:
        """Let time pass at once, as when the process is stopped: no task runs meanwhile."""
        self._loop.skip(seconds)

    def fall_asleep(self, seconds: float) -> None:
        """Let time pass at once with the machine asleep: its monotonic clock does not see that."""
        self._slept_s += seconds
        self._loop.skip(seconds)
