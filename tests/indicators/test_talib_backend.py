"""TA-Lib is asked once per closed candle, over exactly the window, and never with a number that it misreads."""

import math
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
import talib
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import ConfigError
from engine.core.market import Candle
from engine.indicators.spec import parse_spec
from engine.indicators.talib_backend import Indicators, Refused, Values

SPECS = ("close", "rsi:14", "stoch_rsi:14:5:3", "ema:25", "macd:12:26:9", "mfi:14", "drop:12")


def candles(closes: list[float], volume: str = "2.5") -> tuple[Candle, ...]:
    found: list[Candle] = []
    for index, each in enumerate(closes):
        close = Decimal(repr(each))
        before = found[-1].close if found else close
        high, low = max(before, close), min(before, close)
        found.append(Candle(index * 300_000, before, high, low, close, Decimal(volume)))
    return tuple(found)


def wavy(count: int) -> list[float]:
    return [round(100 + 5 * math.sin(n / 7) + 2 * math.sin(n / 2.3) + n / 100, 2) for n in range(count)]


def computed(window: tuple[Candle, ...], *specs: str) -> Values:
    found = Indicators().compute(specs or SPECS, window)
    assert not isinstance(found, Refused), found
    return found


def test_values_are_those_of_the_batch_functions_over_the_whole_window() -> None:
    window = candles(wavy(600))
    close = np.array([float(each.close) for each in window])
    high = np.array([float(each.high) for each in window])
    low = np.array([float(each.low) for each in window])
    volume = np.array([float(each.volume) for each in window])
    expected: dict[str, Any] = {
        "close": close,
        "rsi:14": talib.RSI(close, 14),
        "stoch_rsi:14:5:3": talib.STOCHRSI(close, 14, 5, 3)[1],
        "ema:25": talib.EMA(close, 25),
        "macd:12:26:9": talib.MACD(close, 12, 26, 9)[2],
        "mfi:14": talib.MFI(high, low, close, volume, 14),
    }
    found = computed(window)
    assert {text: found[text] for text in expected} == {
        text: tuple(float(value) for value in series[-3:]) for text, series in expected.items()
    }


def test_drop_is_the_percentage_below_the_highest_close_of_the_last_candles() -> None:
    window = candles([200.0] * 50 + [100.0] * 12 + [80.0, 60.0, 100.0])
    assert computed(window, "drop:12")["drop:12"] == (20.0, 40.0, 0.0)


@pytest.mark.parametrize("text", ["ema:60", "rsi:60", "stoch_rsi:40:20:3", "macd:12:40:20", "mfi:60", "drop:60"])
def test_values_of_a_short_window_are_as_many_as_there_are(text: str) -> None:
    needed = parse_spec(text).candles_needed
    for candles_there, values in ((needed + 5, 3), (needed, 3), (needed - 1, 2), (needed - 2, 1), (needed - 3, 0)):
        assert len(computed(candles(wavy(candles_there)), text)[text]) == values


def with_bad(index: int, **numbers: str) -> tuple[Candle, ...]:
    window = list(candles(wavy(100)))
    window[index] = msgspec.structs.replace(window[index], **{key: Decimal(text) for key, text in numbers.items()})
    return tuple(window)


BAD = {
    "NaN inside": with_bad(40, close="NaN"),
    "NaN at the end": with_bad(-1, close="NaN"),
    "signalling NaN": with_bad(40, close="sNaN"),
    "infinity": with_bad(40, high="Infinity"),
    "zero": with_bad(40, low="0"),
    "negative": with_bad(40, open="-1"),
    "too large for a float": with_bad(40, high="1e999"),
    "too small for a float": with_bad(40, low="1e-999"),
    "volume NaN": with_bad(40, volume="NaN"),
    "volume negative": with_bad(40, volume="-1"),
}


@pytest.mark.parametrize("window", BAD.values(), ids=BAD)
@pytest.mark.spec("a NaN or a non-positive number never reaches TA-Lib", section="Strategy dca")
def test_window_with_an_unsound_number_is_refused_before_ta_lib(window: tuple[Candle, ...]) -> None:
    indicators = Indicators()
    assert isinstance(indicators.compute(SPECS, window), Refused)
    assert indicators.calls == 0


def test_ta_lib_given_a_nan_would_say_buy() -> None:
    close = np.array(wavy(100))
    close[-1] = math.nan
    assert talib.RSI(close, 14)[-1] == 0.0


@pytest.mark.parametrize("count", [0, 1, 49])
@pytest.mark.spec("fewer than 50 candles refuse the vote", section="Strategy dca")
def test_window_of_fewer_than_fifty_candles_is_refused(count: int) -> None:
    assert isinstance(Indicators().compute(SPECS, candles(wavy(count))), Refused)
    assert not isinstance(Indicators().compute(SPECS, candles(wavy(50))), Refused)


STILL = wavy(80) + [100.0] * 30


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("rsi:14", candles([100.0] * 80)),
        ("stoch_rsi:14:5:3", candles(STILL)),
        ("stoch_rsi:14:5:3", candles([*STILL[:-1], 101.0])),
        ("mfi:14", candles(STILL)),
        ("mfi:14", candles(wavy(80), volume="0")),
    ],
    ids=["RSI", "stochastic RSI", "stochastic RSI after one move", "MFI without movement", "MFI without volume"],
)
def test_market_that_stood_still_gives_no_value_where_ta_lib_would_say_zero(
    text: str, window: tuple[Candle, ...]
) -> None:
    assert computed(window, text)[text] == ()


def test_market_that_stood_still_keeps_the_values_that_mean_something() -> None:
    found = computed(candles(STILL))
    assert {text for text, values in found.items() if values} == {
        "close",
        "rsi:14",
        "ema:25",
        "macd:12:26:9",
        "drop:12",
    }


@pytest.mark.spec("indicators are computed once per closed candle and shared", section="Strategy dca")
def test_indicators_of_one_candle_are_computed_once_for_all_who_ask() -> None:
    indicators, window = Indicators(), candles(wavy(200))
    first = indicators.compute(("rsi:14", "ema:25"), window)
    assert indicators.calls == 2
    assert indicators.compute(("ema:25", "rsi:14"), tuple(window)) == first
    assert indicators.calls == 2
    indicators.compute(SPECS, window)
    assert indicators.calls == len(SPECS)
    indicators.compute(SPECS, candles(wavy(201)))
    assert indicators.calls == 2 * len(SPECS)


def test_window_that_changed_under_the_same_last_candle_is_computed_again() -> None:
    indicators, window = Indicators(), candles(wavy(200))
    indicators.compute(("ema:25",), window)
    assert indicators.compute(("ema:25",), window[100:]) == computed(window[100:], "ema:25")
    assert indicators.calls == 2


@given(st.lists(st.integers(1, 10**9), min_size=50, max_size=120))
def test_values_computed_again_or_remembered_are_equal_to_the_last_bit(cents: list[int]) -> None:
    window = candles([each / 100 for each in cents])
    indicators = Indicators()
    first = indicators.compute(SPECS, window)
    remembered = indicators.compute(SPECS, window)
    again = Indicators().compute(reversed(SPECS), tuple(window))
    assert first == remembered == again
    assert not isinstance(first, Refused)
    assert all(math.isfinite(value) for values in first.values() for value in values)


def test_text_that_is_no_indicator_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="vwap"):
        Indicators().compute(("vwap:3",), candles(wavy(60)))
