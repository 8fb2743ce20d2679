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

    Only the main thread of a process can be broken off, and only between two steps of Python: in other threads, or in
    one call of C, a block takes as long as it takes. Blocks are not to be nested.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_over = False

    def end(_number: int, _frame: FrameType | None) -> None:
        if is_over:  # it came too late, and must not strike whoever is next
            return
        raise EndlessError(f"it computed for over {seconds:g} s and came to no end")

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        is_over = True
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
