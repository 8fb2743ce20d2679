"""A window that grew costs what it grew by, and gives what it would give afresh."""

from decimal import Decimal

import pytest

from engine.core.market import Candle
from engine.indicators.spec import window_digest
from engine.indicators.talib_backend import Indicators, Refused

SPECS = ("close", "rsi:14", "ema:25", "macd:12:26:9", "mfi:14", "stoch_rsi:14:5:3", "drop:12")
CANDLES = tuple(
    Candle(
        open_ms=number * 60_000,
        open=Decimal(100 + number % 7),
        high=Decimal(110 + number % 5),
        low=Decimal(90 - number % 3),
        close=Decimal(101 + number % 11),
        volume=Decimal(1 + number % 4),
    )
    for number in range(120)
)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(CANDLES[:80], CANDLES[:81], id="one more"),
        pytest.param(CANDLES[:60], CANDLES[:120], id="many more"),
        pytest.param(CANDLES[:80], CANDLES[20:81], id="fewer in front"),
        pytest.param(CANDLES[:80], CANDLES[:70], id="fewer at the end"),
        pytest.param(CANDLES[:30], CANDLES[:80], id="enough at last"),
        pytest.param(CANDLES[:80], CANDLES[:30], id="no longer enough"),
    ],
)
def test_window_after_another_gives_what_it_gives_afresh(first: tuple[Candle, ...], then: tuple[Candle, ...]) -> None:
    grown, fresh = Indicators(), Indicators()
    grown.compute(SPECS, first)
    assert grown.compute(SPECS, then) == fresh.compute(SPECS, then)
    assert grown.digest == fresh.digest == window_digest(then)


def test_window_that_grew_by_an_unsound_candle_is_refused() -> None:
    indicators = Indicators()
    indicators.compute(SPECS, CANDLES[:80])
    bad = Candle(80 * 60_000, Decimal(1), Decimal(1), Decimal(0), Decimal(1), Decimal(1))
    assert isinstance(indicators.compute(SPECS, (*CANDLES[:80], bad)), Refused)
    assert indicators.compute(SPECS, CANDLES[:81]) == Indicators().compute(SPECS, CANDLES[:81])
