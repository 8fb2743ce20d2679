"""One life of the engine in a simulated world, from its boot to its crash.

Owns the rule that a dead engine has no effect: whatever it still does, it gets past no point any more.
"""

import asyncio
from collections.abc import Callable
from typing import Final

CLEAN_UPS: Final = 100

Reaper = Callable[[str], bool]
"""Decides, at a point, whether the life ends there."""


class Life:
    """A life. `number` counts from 1; `ended_at` names the point at which it ended."""

    def __init__(self, number: int, reaper: Reaper) -> None:
        """Begin a life; `reaper` is asked at each point."""
        self.number: Final = number
        self.ended_at: str | None = None
        self.over: Final = asyncio.Event()
        self._reaper: Final = reaper

    @property
    def is_dead(self) -> bool:
        """Tell whether it has ended."""
        return self.ended_at is not None

    def end(self, point: str) -> None:
        """End it, at a point; only the first end counts."""
        if self.ended_at is None:
            self.ended_at = point
            self.over.set()

    def passes(self, point: str) -> bool:
        """Pass a point, unless the life is over or ends there; tell whether it was passed."""
        if self.ended_at is None and self._reaper(point):
            self.end(point)
        return self.ended_at is None

    async def cross(self, point: str) -> None:
        """Pass a point; a life that is over stays there for ever."""
        if not self.passes(point):
            await asyncio.get_running_loop().create_future()


async def clear_up(own: "asyncio.Task[object] | None") -> None:
    """Cancel whatever a dead life still has under way, all tasks but one's own; it cannot do anything any more."""
    for _ in range(CLEAN_UPS):
        left = [task for task in asyncio.all_tasks() if task is not own]
        if not left:
            return
        for task in left:
            task.cancel()
        await asyncio.sleep(0)
    raise AssertionError(f"tasks of a dead life do not end: {left}")
