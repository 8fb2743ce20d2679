"""The pace of requests: a leaky bucket in the place of ccxt's own, which stalls when the wall clock is set back.

Owns when a request may go, by the clock of the event loop, which never goes back. Never drops or reorders one.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final


class Pace:
    """Lets requests go in the order they came, as fast as a bucket of ccxt allows: call it, and wait.

    `loop` is there for ccxt, which sets it.
    """

    def __init__(self, bucket: Mapping[str, Any]) -> None:
        """Take ccxt's bucket: tokens a millisecond, how many may be saved up, and what a request costs by itself."""
        self.loop: asyncio.AbstractEventLoop | None = None
        self._rate_s: Final[float] = bucket["refillRate"] * 1_000
        self._capacity: Final[float] = bucket["capacity"]
        self._cost: Final[float] = bucket["cost"]
        self._tokens = 0.0
        self._at_s: float | None = None

    async def __call__(self, cost: float | None = None) -> None:
        """Wait until a request of this cost may go."""
        loop = asyncio.get_running_loop()
        ready_s = self._reserve(loop.time(), self._cost if cost is None else cost)
        if ready_s > loop.time():
            ready = loop.create_future()
            timer = loop.call_at(ready_s, ready.set_result, None)
            try:
                await ready
            finally:
                timer.cancel()

    def _reserve(self, now_s: float, cost: float) -> float:
        """Say when the bucket is not in debt any more, and take the cost out of it then."""
        at_s = now_s if self._at_s is None else self._at_s
        ready_s = max(now_s, at_s + max(-self._tokens, 0) / self._rate_s)
        self._tokens = min(self._tokens + (ready_s - at_s) * self._rate_s, self._capacity) - cost
        self._at_s = ready_s
        return ready_s
