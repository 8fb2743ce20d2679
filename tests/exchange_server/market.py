"""One market of the exchange as it lives: its price step by step, its book, its tape of trades and its candles.

Owns the numbering of trades. Never knows accounts or orders.
"""

from collections import deque
from decimal import Decimal

import msgspec

from tests.exchange_server.book import Book
from tests.exchange_server.candles import DAY_MS, MINUTE_MS, Candle, Candles
from tests.exchange_server.prices import PriceCurve
from tests.exchange_server.script import MarketScript, Status

AVERAGE_MINUTES = 5
_TAPE_LENGTH = 1_000


class TapeTrade(msgspec.Struct, frozen=True):
    """A trade that everybody sees."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    at_ms: int
    buyer_is_maker: bool


class Market:
    """A market between its steps."""

    def __init__(self, rules: MarketScript, seed: str, start_ms: int) -> None:
        """Start at a moment, with the price of that moment."""
        self.rules = rules
        self.status: Status = rules.status
        self.curve = PriceCurve(rules.path, f"{seed}/{rules.symbol}", rules.tick)
        self.pinned: Decimal | None = None
        self.price = self.curve.at(0)
        self.book = Book(rules, self.price)
        self.candles = Candles(self.curve, start_ms)
        self.tape: deque[TapeTrade] = deque(maxlen=_TAPE_LENGTH)
        self.steps = 0
        self.stepped_ms = start_ms
        self._start_ms = start_ms
        self._last_trade_id = 1_000_000
        self._day: tuple[int, Candle] | None = None
        self.step(start_ms)

    @property
    def symbol(self) -> str:
        """Name the market."""
        return self.rules.symbol

    def step(self, at_ms: int) -> None:
        """Move to the price of a moment: the book is whole again, and somebody trades."""
        self.price = self.pinned if self.pinned is not None else self.curve.at(at_ms - self._start_ms)
        self.book.refresh(self.price)
        self.steps += 1
        self.stepped_ms = at_ms
        share = self.curve.unit(at_ms)
        quantity = self.rules.step * (1 + int(share * 1_000))
        self.print_trade(self.price, quantity, at_ms, buyer_is_maker=share < 1 / 2)

    def print_trade(self, price: Decimal, quantity: Decimal, at_ms: int, *, buyer_is_maker: bool) -> int:
        """Put a trade on the tape and give its id."""
        self._last_trade_id += 1
        self.tape.append(TapeTrade(self._last_trade_id, price, quantity, at_ms, buyer_is_maker))
        self.candles.live(at_ms, price, quantity, buyer_took=not buyer_is_maker)
        self._day = None
        return self._last_trade_id

    def day(self, now_ms: int) -> Candle:
        """Sum up the last 24 hours, by whole minutes."""
        minute_ms = now_ms - now_ms % MINUTE_MS
        if self._day is None or self._day[0] != minute_ms:
            total = self.candles.total(minute_ms - DAY_MS + MINUTE_MS, now_ms + 1)
            assert total is not None
            self._day = (minute_ms, total)
        return self._day[1]

    def average_price(self, now_ms: int) -> Decimal:
        """Give the average price of the last minutes, weighted by volume."""
        total = self.candles.total(now_ms - now_ms % MINUTE_MS - (AVERAGE_MINUTES - 1) * MINUTE_MS, now_ms + 1)
        if total is None or not total.volume:
            return self.price
        return (total.quote_volume / total.volume).quantize(Decimal("1e-8"))
