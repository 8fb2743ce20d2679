"""How long a world or a schedule may compute: one that turns in a circle is broken off, and the campaign goes on.

Owns the clock of processor time. What waits for ever in virtual time is found by the loop; this finds what never gives
the loop its turn.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

LONGEST_S: Final = 300.0
"""So much processor time, a hundred times what the longest worlds take."""

_AGAIN_S: Final = 1.0


class EndlessError(KeyboardInterrupt):
    """Something computed for too long. An interrupt, for asyncio hands no other exception on to whoever runs a loop."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raise EndlessError in the midst of a block that computes for so long, and again where that is swallowed.

    Only the main thread of a process can be broken off; in others a block takes as long as it takes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise EndlessError(f"it computed for over {seconds:g} s and came to no end")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
