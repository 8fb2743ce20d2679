"""Duties: work that takes its time and is done again and again, one run at a time.

Owns when a duty is due next, after success and after failure. Never knows what the work is.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from engine.core.errors import RateLimitedError, UnreachableError

RETRY_MS: Final = (2_000, 5_000, 10_000, 20_000, 40_000, 60_000)
"""After the n-th failure in a row the next try waits so long; the last one holds from then on."""


class Duty:
    """One piece of recurring work. `due_ms` is when it is wanted next, None while it is not."""

    def __init__(self, work: Callable[[], Awaitable[None]], now_ms: Callable[[], int], due_ms: int | None) -> None:
        """Take the work, the clock, and when it is wanted first."""
        self._work: Final = work
        self._now_ms: Final = now_ms
        self._failures = 0
        self.due_ms = due_ms
        self.is_running = False

    def want(self, at_ms: int) -> None:
        """Want the work done at a time, unless it is wanted earlier anyway."""
        self.due_ms = at_ms if self.due_ms is None else min(self.due_ms, at_ms)

    def begins(self, now_ms: int) -> bool:
        """Tell whether a run is to begin now; then it counts as running."""
        if self.is_running or self.due_ms is None or now_ms < self.due_ms:
            return False
        self.is_running, self.due_ms = True, None
        return True

    async def run(self) -> None:
        """Do the work once; if the exchange did not answer, want it again later."""
        try:
            await self._work()
        except RateLimitedError as error:
            self.want(max(error.until_ms, self._now_ms() + RETRY_MS[0]))
        except UnreachableError:
            self.want(self._now_ms() + RETRY_MS[min(self._failures, len(RETRY_MS) - 1)])
            self._failures += 1
        else:
            self._failures = 0
        finally:
            self.is_running = False
