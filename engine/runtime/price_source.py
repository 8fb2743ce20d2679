"""Prices of a real market: the stream first, requests where it is silent, and requests as the judge of it.

Owns the watchdog: a stream that says nothing is asked around, hung up and opened again. Never decides what a price
means, never records one.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from engine.core.errors import ConfigError, RateLimitedError, UnreachableError
from engine.core.market import Tick
from engine.core.units import HUNDRED
from engine.exchanges.port import LiveMarketData
from engine.feeds.prices import PriceSlot
from engine.runtime.clock import RealTime

QUIET_S: Final = 15.0
"""While a stream is quiet for longer, prices are asked for; on a market where nothing happens that is all there is."""

SILENCE_S: Final = 60.0
"""A stream silent for longer is hung up and opened again."""

POLL_S: Final = 5.0
JUDGE_S: Final = 300.0
"""So often is the stream compared with an answer to a request."""

APART_PERCENT: Final = Decimal("0.5")
FIRST_WAIT_S: Final = 1.0
MOST_WAIT_S: Final = 60.0

Say = Callable[[str], None]


class PriceSource:
    """Keeps a slot filled with the prices of one symbol."""

    def __init__(
        self,
        data: LiveMarketData,
        symbol: str,
        slot: PriceSlot,
        *,
        real_time: RealTime,
        now_ms: Callable[[], int],
        exchange_ahead_ms: Callable[[], int],
        wake: Callable[[], None],
        is_idle: Callable[[], bool],
        doubt: Callable[[], None],
        say: Say,
    ) -> None:
        """Take the exchange and the slot; `is_idle` says that nobody wants prices now, as while checks fail.

        `doubt` is called when there is neither a stream nor an answer: the connection should be checked.
        `exchange_ahead_ms` is how far the exchange's clock is ahead of engine time.
        """
        self._data: Final = data
        self._symbol: Final = symbol
        self._slot: Final = slot
        self._real_time: Final = real_time
        self._now_ms: Final = now_ms
        self._ahead_ms: Final = exchange_ahead_ms
        self._wake: Final = wake
        self._is_idle: Final = is_idle
        self._doubt: Final = doubt
        self._say: Final = say
        self._is_streaming = False
        self._asked_s = 0.0
        self._streamed: Tick | None = None
        self._doubts = 0

    async def stream(self) -> None:
        """Follow the stream for ever, opening it again when it breaks or says nothing."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with self._real_time.timeout(SILENCE_S):
                    tick = await self._data.next_ticker(self._symbol)
            except TimeoutError:
                await self._hang_up("said nothing for a while")
            except RateLimitedError as error:
                wait_s = max((error.until_ms - self._now_ms()) / 1000, FIRST_WAIT_S)
                await self._hang_up("was refused for now")
            except (UnreachableError, ConfigError):
                await self._hang_up("broke")
            else:
                if not self._is_streaming:
                    self._is_streaming, wait_s = True, FIRST_WAIT_S
                    self._say("Price stream open")
                self._streamed = tick
                self._put(tick)
                continue
            await self._real_time.sleep(wait_s)
            while self._is_idle():
                await self._real_time.sleep(FIRST_WAIT_S)
            wait_s = min(wait_s * 2, MOST_WAIT_S)

    async def poll(self) -> None:
        """Ask for prices while the stream gives none, and now and then to judge it."""
        while True:
            silent_s = self._silent_s()
            is_due = silent_s is None or silent_s >= QUIET_S
            is_due = is_due or self._doubts > 0 or self._real_time.monotonic_s() - self._asked_s >= JUDGE_S
            if not self._is_idle() and is_due:
                await self._ask()
            await self._real_time.sleep(POLL_S)

    async def _ask(self) -> None:
        """Ask for a price, and judge the stream by it: twice apart in a row, it is hung up."""
        self._asked_s = self._real_time.monotonic_s()
        try:
            tick = await self._data.ticker(self._symbol)
        except RateLimitedError:
            return
        except (UnreachableError, ConfigError):
            if not self._is_streaming:
                self._doubt()
            return
        is_apart = self._is_streaming and self._streamed is not None and _are_apart(tick, self._streamed)
        self._doubts = self._doubts + 1 if is_apart else 0
        if self._doubts == 1:
            return  # the market may just have moved: ask once more before either of them is believed
        self._put(tick)
        if self._doubts:
            self._doubts = 0
            await self._hang_up("was off the market's price")

    def _put(self, tick: Tick) -> None:
        now_ms = self._now_ms()
        if self._slot.put(tick, now_ms, now_ms + self._ahead_ms()):
            self._wake()

    def _silent_s(self) -> float | None:
        came_ms = self._slot.came_ms
        return None if came_ms is None else (self._now_ms() - came_ms) / 1000

    async def _hang_up(self, why: str) -> None:
        if self._is_streaming:
            self._say(f"Price stream {why}; asking for prices instead and opening it again")
        self._is_streaming = False
        await self._data.drop_stream(self._symbol)


def _are_apart(one: Tick, other: Tick) -> bool:
    return abs(one.last - other.last) * HUNDRED > APART_PERCENT * other.last
