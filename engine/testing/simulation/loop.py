"""An event loop on virtual time: when nothing is ready, time jumps to the next timer.

Owns time in a simulated world. Nothing here waits for anything real; a loop on which nothing is scheduled any more is
a hang, and is said to be one, and so is one that never comes to the end of a moment.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

MOST_TURNS: Final = 300_000
"""So many turns may pass at one moment."""


class HangError(RuntimeError):
    """Nothing is ready and no timer runs, or something is always ready: whoever waits would wait for ever."""


class _NoSelector:
    """Stands where an event loop watches sockets: there are none, so it lets time pass instead."""

    def __init__(self, advance: Callable[[float | None], None]) -> None:
        self._advance = advance

    def select(self, timeout: float | None) -> list[Any]:
        """Let so much time pass at once."""
        self._advance(timeout)
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop whose clock is a number.

    Executors run their work at once, in the loop's own thread. Callbacks run in the order in which they became ready,
    as on every asyncio loop.
    """

    def __init__(self) -> None:
        """Start at second 0."""
        super().__init__()
        self._now_s = 0.0
        self._turns = 0
        self._clock_resolution = 1e-9
        self._selector = _NoSelector(self._advance)

    def time(self) -> float:
        """Give virtual seconds since the start."""
        return self._now_s

    def skip(self, seconds: float) -> None:
        """Let time pass without running anything; what was due meanwhile runs late."""
        assert seconds >= 0, seconds
        self._now_s += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Do the work now; the future is done when this returns."""
        del executor
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            done.set_exception(error)
        return done

    def _advance(self, timeout: float | None) -> None:
        if timeout is None:
            raise HangError("nothing is ready and no timer runs")
        if timeout > 0:
            self._now_s += timeout
            self._turns = 0
            return
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise HangError(f"time stands still at {self._now_s} s: something begins the same work again and again")

    def _process_events(self, event_list: list[Any]) -> None:
        """Have no events: there are no sockets."""

    def _write_to_self(self) -> None:
        """Need no waking: nobody is on another thread."""
