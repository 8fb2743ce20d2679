"""The streams of the simulated exchange: prices as they come, and hints that something happened to an order.

Owns what a stream leaves out, repeats, delays or breaks. Waits for the next moment at which something can happen, and
never looks in between.
"""

import asyncio
from typing import Final

from engine.core.errors import UnreachableError
from engine.core.market import Tick
from engine.exchanges.port import AccountHint
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.line import pause
from engine.testing.simulation.exchange.orders import Placed
from engine.testing.simulation.life import Life

_LONGEST_MS: Final = 300_000
_LATENCY_MS: Final = 40
_HINT_LATE_S: Final = (1, 5, 20, 90)
_SILENT_S: Final = (20, 70, 300, 1_200)
_TROUBLES: Final = ("repeated", "old", "stale", "silent", "broken")
_OLD_MS: Final = 6_000
_STALE_MS: Final = 45_000


class HintStream:
    """The stream of the account, for one life and all its markets."""

    def __init__(self, exchange: SimulatedExchange, life: Life) -> None:
        """Take the exchange and the life; it opens with the first wait."""
        self.is_open = False
        self._exchange: Final = exchange
        self._life: Final = life
        self._kept: Final[dict[str, list[Placed]]] = {}
        self._wake: Final = asyncio.Event()

    async def next(self, symbol: str) -> AccountHint:
        """Wait until something happened in a market. Raises UnreachableError if the stream broke."""
        self._open()
        while True:
            self._exchange.advance()
            if not self.is_open or self._breaks():
                self.close()
                raise UnreachableError("The account's stream broke.")
            if self._kept.get(symbol):
                await pause(_LATENCY_MS)
                await self._life.cross("exchange/hint")
                orders = self._kept.pop(symbol, None)
                if orders is None:
                    continue  # it was hung up meanwhile
                return AccountHint(
                    frozenset(order.exchange_order_id for order in orders),
                    frozenset(order.wish.client_order_id for order in orders),
                )
            self._wake.clear()
            try:
                async with asyncio.timeout(self._wait_ms() / 1_000):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        self._kept.clear()
        self._wake.set()
        if self._moved in self._exchange.moved:
            self._exchange.moved.remove(self._moved)
            self._exchange.stirred.remove(self._wake.set)

    def _open(self) -> None:
        if not self.is_open:
            self.is_open = True
            self._exchange.moved.append(self._moved)
            self._exchange.stirred.append(self._wake.set)

    def _wait_ms(self) -> int:
        next_ms = self._exchange.next_ms
        if next_ms is None:
            return _LONGEST_MS
        return min(max(next_ms - self._exchange.at_ms, 1), _LONGEST_MS)

    def _breaks(self) -> bool:
        exchange = self._exchange
        if exchange.cut_off() is not None or exchange.is_down():
            return True
        return exchange.befalls("hint_broken", "hint/broken")

    def _moved(self, order: Placed) -> None:
        """Be told of a change; tell it now, late, twice or not at all."""
        exchange, name = self._exchange, order.wish.client_order_id
        if self._life.is_dead:
            self.close()
        elif exchange.befalls("hint_lost", "hint/lost", client_order_id=name):
            return
        elif exchange.happens("hint_late", "hint/late"):
            late_ms = exchange.chance.choose("exchange/hint/late/wait", _HINT_LATE_S) * 1_000
            exchange.fault("hint_late", client_order_id=name, late_ms=late_ms)
            exchange.later(exchange.at_ms + late_ms, lambda: self._keep(order))
        else:
            self._keep(order)
            if exchange.befalls("hint_repeated", "hint/repeated", client_order_id=name):
                exchange.later(exchange.at_ms + 1_500, lambda: self._keep(order))

    def _keep(self, order: Placed) -> None:
        if self.is_open:
            self._kept.setdefault(order.wish.symbol, []).append(order)
            self._wake.set()


class PriceStream:
    """The prices of one market, one every so often; whoever comes late gets the newest."""

    def __init__(self, exchange: SimulatedExchange, life: Life, symbol: str) -> None:
        """Take the exchange, the life and the market."""
        self._exchange: Final = exchange
        self._life: Final = life
        self._market: Final = exchange.markets[symbol]
        self._beat = 0
        self._again: Tick | None = None

    async def next(self) -> Tick:
        """Wait for the next price. Raises UnreachableError if the stream broke."""
        exchange, tick_ms = self._exchange, self._exchange.terms.tick_ms
        if self._again is not None:
            tick, self._again = self._again, None
            return tick
        at_ms = exchange.at_ms
        if at_ms // tick_ms <= self._beat:
            await pause((self._beat + 1) * tick_ms - at_ms)
        await self._life.cross("exchange/price")
        exchange.advance()
        self._beat = max(exchange.at_ms // tick_ms, self._beat + 1)
        trouble = self._trouble()
        while trouble == "silent":
            await pause(exchange.chance.choose("exchange/price/silent/wait", _SILENT_S) * 1_000)
            exchange.advance()
            trouble = self._trouble()
        if trouble == "broken" or exchange.cut_off() is not None or exchange.is_down():
            raise UnreachableError("The price stream broke.")
        return self._told(trouble)

    def _told(self, trouble: str | None) -> Tick:
        exchange = self._exchange
        at_ms, skew_ms = exchange.at_ms, exchange.skew_ms
        if trouble == "stale":
            return self._market.tick(at_ms - _STALE_MS, at_ms - _STALE_MS + skew_ms)
        tick = self._market.tick(at_ms, at_ms + skew_ms)
        if trouble == "repeated":
            self._again = tick
        elif trouble == "old":
            self._again = self._market.tick(at_ms - _OLD_MS, at_ms - _OLD_MS + skew_ms)
        return tick

    def _trouble(self) -> str | None:
        """Tell what befalls the stream now; a tenth as likely as what befalls a call, for prices come often."""
        exchange = self._exchange
        rate = exchange.terms.ticker_trouble / 10
        if rate <= 0.0 or not exchange.chance.happens("exchange/price/trouble", rate):
            return None
        trouble = exchange.chance.choose("exchange/price/trouble/what", _TROUBLES)
        exchange.fault("ticker_trouble", sort=trouble)
        return trouble
