"""Candles of one market: minute by minute, lived through or made up for the time before the start, and summed up.

Owns the intervals. The past before the start follows from the price curve, so that every query meets the same history.
"""

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from tests.exchange_server.prices import PriceCurve

MINUTE_MS = 60_000
DAY_MS = 86_400_000
LISTED_BEFORE_MS = 400 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # the epoch was a Thursday
INTERVALS = {
    **{f"{count}m": count * MINUTE_MS for count in (1, 3, 5, 15, 30)},
    **{f"{count}h": count * 60 * MINUTE_MS for count in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
}


class Candle(msgspec.Struct):
    """What happened from `open_ms` on: prices, volume in base and quote, trades, and what buyers took of it."""

    open_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal = Decimal(0)
    quote_volume: Decimal = Decimal(0)
    trades: int = 0
    bought: Decimal = Decimal(0)
    bought_quote: Decimal = Decimal(0)

    def add(self, other: "Candle") -> None:
        """Take in what happened next."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.quote_volume += other.quote_volume
        self.trades += other.trades
        self.bought += other.bought
        self.bought_quote += other.bought_quote


def bucket(at_ms: int, interval: str) -> int:
    """Give the opening time of the candle that a moment belongs to."""
    length_ms = INTERVALS[interval]
    shift_ms = _MONDAY_MS if interval == "1w" else 0
    return at_ms - (at_ms - shift_ms) % length_ms


class Candles:
    """All candles of one market, by the minute."""

    def __init__(self, curve: PriceCurve, start_ms: int) -> None:
        """Take the curve that the past follows and the moment where it ends."""
        self._curve = curve
        self._start_ms = start_ms
        self._minutes: dict[int, Candle] = {}
        self._closed: dict[tuple[str, int], Candle] = {}
        self._listed_ms = (start_ms - LISTED_BEFORE_MS) // DAY_MS * DAY_MS

    def live(self, at_ms: int, price: Decimal, quantity: Decimal, *, buyer_took: bool) -> None:
        """Take in a trade of now."""
        minute_ms = at_ms - at_ms % MINUTE_MS
        cost = price * quantity
        bought, bought_quote = (quantity, cost) if buyer_took else (Decimal(0), Decimal(0))
        trade = Candle(minute_ms, price, price, price, price, quantity, cost, 1, bought, bought_quote)
        if minute_ms in self._minutes:
            self._minutes[minute_ms].add(trade)
        else:
            before = self._minutes.get(minute_ms - MINUTE_MS)
            if (
                before is not None
            ):  # the last of the minute before and the first of this one, as neighbours share a price
                trade.open = before.close
                trade.high, trade.low = max(price, before.close), min(price, before.close)
            self._minutes[minute_ms] = trade

    def last(self, interval: str, limit: int, *, since_ms: int | None, until_ms: int, now_ms: int) -> list[Candle]:
        """List candles from `since_ms` on, or the last ones up to `until_ms`; the one under way comes as it stands."""
        length_ms = INTERVALS[interval]
        newest = bucket(min(until_ms, now_ms), interval)
        first = newest - (limit - 1) * length_ms
        if since_ms is not None:  # whoever asks for the beginning of all gets the first candle that there is
            first = bucket(max(since_ms, self._listed_ms) + length_ms - 1, interval)
            newest = min(newest, first + (limit - 1) * length_ms)
        opens = range(max(first, bucket(self._listed_ms, interval)), newest + 1, length_ms)
        return [candle for open_ms in opens if (candle := self.candle(interval, open_ms, now_ms)) is not None]

    def candle(self, interval: str, open_ms: int, now_ms: int) -> Candle | None:
        """Sum up the minutes of one candle, None if there were none."""
        known = self._closed.get((interval, open_ms))
        if known is not None:
            return known
        until_ms = open_ms + INTERVALS[interval]
        total = self.total(open_ms, min(until_ms, now_ms + 1))
        if total is not None and until_ms <= now_ms:
            self._closed[interval, open_ms] = total
        return total

    def total(self, from_ms: int, until_ms: int) -> Candle | None:
        """Sum up the minutes that open from one moment until before another."""
        total: Candle | None = None
        for minute in self._range(from_ms, until_ms):
            if total is None:
                total = msgspec.structs.replace(minute)
            else:
                total.add(minute)
        return total

    def _range(self, from_ms: int, until_ms: int) -> Iterator[Candle]:
        first = max(from_ms, self._listed_ms)
        for minute_ms in range(first + -first % MINUTE_MS, until_ms, MINUTE_MS):
            minute = self._minutes.get(minute_ms)
            if minute is None and minute_ms < self._start_ms:
                minute = self._minutes[minute_ms] = self._past(minute_ms)
            if minute is not None:
                yield minute

    def _past(self, minute_ms: int) -> Candle:
        offset_ms = minute_ms - self._start_ms
        first, last = self._curve.at(offset_ms), self._curve.at(offset_ms + MINUTE_MS)
        share = Decimal(int(self._curve.unit(offset_ms) * 1000)) / 1000
        volume = 1 + share
        cost = (volume * (first + last) / 2).quantize(Decimal("1e-8"))
        high, low = max(first, last), min(first, last)
        return Candle(minute_ms, first, high, low, last, volume, cost, 20, volume / 2, cost / 2)
