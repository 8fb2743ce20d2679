"""The pace of requests: as fast as the bucket allows, in order, and on a clock that nobody can set back.

Method: a loop whose time only moves as far as the next timer; the real ccxt against the local exchange for the clock.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import pytest

from engine.exchanges.pace import Pace
from tests.exchange_server.harness import quiet_script
from tests.exchange_server.server import running
from tests.exchanges.gateway_harness import keyless

TEN_A_SECOND = {"refillRate": 0.01, "capacity": 1, "cost": 1}


class LeapingSelector(selectors.SelectSelector):
    """A selector that does not wait but lets the time be over at once."""

    now_s = 100.0

    def select(self, timeout: float | None = None) -> Any:
        self.now_s += timeout or 0
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    """A loop that does not wait for a timer but goes to its time."""

    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now_s


def leaping(story: Callable[[LeapingLoop], Coroutine[Any, Any, None]]) -> None:
    """Run a story in a loop that leaps."""
    loop = LeapingLoop()
    try:
        loop.run_until_complete(story(loop))
    finally:
        loop.close()


def test_requests_go_in_order_and_as_fast_as_the_bucket_refills() -> None:
    async def story(loop: LeapingLoop) -> None:
        pace, gone = Pace(TEN_A_SECOND), []

        async def request(name: str, cost: float | None) -> None:
            await pace(cost)
            gone.append((name, round(loop.time() - 100, 3)))

        await asyncio.gather(request("a", None), request("b", 3), request("c", None), request("d", None))
        assert gone == [("a", 0), ("b", 0.1), ("c", 0.4), ("d", 0.5)]

    leaping(story)


def test_idle_time_saves_up_no_more_than_the_capacity() -> None:
    async def story(loop: LeapingLoop) -> None:
        pace = Pace(TEN_A_SECOND)
        await pace()
        loop.leaping.now_s += 3_600
        at_s = loop.time()
        for waited_s in (0, 0, 0.1, 0.2):
            await pace()
            assert round(loop.time() - at_s, 3) == waited_s

    leaping(story)


def test_request_given_up_while_it_waits_lets_the_next_go() -> None:
    async def story(_loop: LeapingLoop) -> None:
        pace = Pace(TEN_A_SECOND)
        await pace()
        waiting = asyncio.ensure_future(pace())
        await asyncio.sleep(0)
        waiting.cancel()
        await pace()
        assert waiting.cancelled()

    leaping(story)


@pytest.mark.spec("a clock set back while requests wait stalls no connection", section="Live trading")
def test_clock_set_back_while_requests_wait_stalls_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from ccxt.async_support.base import throttler  # type: ignore[import-untyped]

    back_s = count(0, 3_600)
    monkeypatch.setattr(throttler, "time", lambda: time.time() - next(back_s))

    async def story() -> None:
        async with running(quiet_script()) as server, keyless(server, is_paced=True) as connection:
            await connection.rules("BTC/USD")
            async with asyncio.timeout(10):
                await asyncio.gather(*(connection.time_ms() for _ in range(5)))

    asyncio.run(story())
