"""Prices, candles and books agree with each other, whatever is asked first."""

from decimal import Decimal
from itertools import pairwise

import pytest

from tests.exchange_server.book import Book
from tests.exchange_server.candles import DAY_MS, INTERVALS, Candle
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.prices import PriceCurve
from tests.exchange_server.script import Fixed, MarketScript, Points, Script, Waves

START_MS = 1_700_000_010_000  # ten seconds into a minute
POINTS = Points(((0, Decimal(100)), (5_000, Decimal(110)), (9_000, Decimal(90))))


def candles(exchange: Exchange, interval: str, count: int) -> list[Candle]:
    exchange.advance()
    now_ms = exchange.true_ms
    market = exchange.markets["BTCUSD"]
    return market.candles.last(interval, count, since_ms=None, until_ms=now_ms, now_ms=now_ms)


@pytest.mark.parametrize(
    ("path", "at_ms", "price"),
    [
        (Fixed(Decimal(5)), -1_000, 5),
        (POINTS, -1, 100),
        (POINTS, 4_999, 100),
        (POINTS, 5_000, 110),
        (POINTS, 99_000, 90),
        (Points(POINTS.points, repeat_ms=10_000), 16_000, 110),
    ],
)
def test_price_of_a_path_holds_until_the_next_point(path: Fixed | Points, at_ms: int, price: int) -> None:
    assert PriceCurve(path, "seed", Decimal("0.01")).at(at_ms) == price


def test_price_of_waves_stays_on_the_tick_and_within_the_swing() -> None:
    curve = PriceCurve(Waves(Decimal(1_000), swing_percent=2.0), "seed", Decimal("0.05"))
    prices = [curve.at(second * 1_000) for second in range(-2_000, 2_000)]
    assert all(price % Decimal("0.05") == 0 for price in prices)
    assert Decimal(975) < min(prices) < Decimal(990)
    assert Decimal(1_010) < max(prices) < Decimal(1_025)


def test_candles_across_the_start_are_without_gap_and_sum_up() -> None:
    exchange = Exchange(Script(start_ms=START_MS, manual_clock=True))
    exchange.clock.advance(3 * 3_600_000)
    minutes = candles(exchange, "1m", 600)
    assert len(minutes) == 600
    assert all(later.open_ms - earlier.open_ms == 60_000 for earlier, later in pairwise(minutes))
    assert all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in minutes)
    for hour in candles(exchange, "1h", 9):
        inside = [m for m in minutes if 0 <= m.open_ms - hour.open_ms < 3_600_000]
        assert (hour.open, hour.close) == (inside[0].open, inside[-1].close)
        assert (hour.high, hour.low) == (max(m.high for m in inside), min(m.low for m in inside))
        assert hour.volume == sum(m.volume for m in inside)


@pytest.mark.parametrize("interval", sorted(set(INTERVALS) - {"1d", "3d", "1w"}))
def test_candles_of_an_interval_since_a_moment_begin_at_or_after_it(interval: str) -> None:
    exchange = Exchange(Script(start_ms=START_MS, manual_clock=True))
    now_ms, since_ms = exchange.true_ms, START_MS - 10 * INTERVALS[interval]
    chosen = exchange.markets["BTCUSD"].candles.last(interval, 5, since_ms=since_ms, until_ms=now_ms, now_ms=now_ms)
    assert [c.open_ms % INTERVALS[interval] for c in chosen] == [0] * 5
    assert since_ms <= chosen[0].open_ms < since_ms + INTERVALS[interval]


def test_candles_asked_since_the_beginning_of_time_begin_with_the_first_there_is() -> None:
    exchange = Exchange(Script(start_ms=START_MS, manual_clock=True))
    market, now_ms = exchange.markets["BTCUSD"], exchange.true_ms
    for since_ms in (0, now_ms - 402 * DAY_MS):
        days = market.candles.last("1d", 2, since_ms=since_ms, until_ms=now_ms, now_ms=now_ms)
        assert [(now_ms - day.open_ms) // DAY_MS for day in days] == [400, 399]


def test_book_walked_by_an_order_gives_the_best_prices_first_until_refreshed() -> None:
    rules = MarketScript("BTC", "USD", POINTS, levels=2, level_quantity=Decimal(1), level_ticks=10)
    book = Book(rules, Decimal(100))
    fills = book.walk("BUY", quantity=Decimal("1.5"))
    assert fills == [(Decimal("100.01"), 1), (Decimal("100.11"), Decimal("0.5"))]
    book.take(fills)
    assert book.walk("BUY", quantity=Decimal(9)) == [(Decimal("100.11"), Decimal("0.5"))]
    assert book.walk("SELL", quantity=Decimal(1), limit=Decimal("99.99")) == [(Decimal("99.99"), Decimal(1))]
    assert book.walk("SELL", quantity=Decimal(1), limit=Decimal(100)) == []
    book.refresh(Decimal(100))
    assert book.walk("BUY", quote_quantity=Decimal(50)) == [(Decimal("100.01"), Decimal("0.49995"))]
