"""Indicator values by TA-Lib's batch functions; the only module that imports it.

Owns the door before TA-Lib (a NaN inside reads as RSI 0.0, which reads as "buy") and the one behind it (TA-Lib answers
0.0 where a market without movement or volume has no answer). Never fetches, never votes.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
import talib
from msgspec import structs
from numpy.typing import NDArray

from engine.core.market import Candle
from engine.indicators.spec import MIN_CANDLES, VALUES, IndicatorSpec, WindowDigest, parse_spec

Floats = NDArray[np.float64]
Values = dict[str, tuple[float, ...]]


class Refused(msgspec.Struct, frozen=True):
    """No values: why TA-Lib was not asked."""

    reason: str


class _Columns(msgspec.Struct, frozen=True):
    """A window of candles as columns of floats, all finite; prices above 0."""

    high: Floats
    low: Floats
    close: Floats
    volume: Floats


class Indicators:
    """The indicators of one market and timeframe, each computed once per closed candle and shared by all bots.

    `calls` counts the batch computations, `digest` names the window of the last one.
    Source: decisions.md, "Strategy dca" (indicators).
    """

    def __init__(self) -> None:
        self.calls = 0
        self.digest = ""
        self._digests = WindowDigest()
        self._window: tuple[Candle, ...] = ()
        self._columns: _Columns | Refused = Refused("no candle was seen")
        self._values: Values = {}

    def compute(self, specs: Iterable[str], candles: tuple[Candle, ...]) -> Values | Refused:
        """Give the last three values of each indicator, oldest first, over exactly these closed candles.

        There are fewer values, perhaps none, where the window is too short or the market stood still.

        Raises:
            ConfigError: a text that is no indicator.
        """
        if candles is not self._window and candles != self._window:
            self._columns, self._values = self._admitted(candles), {}
            self._window, self.digest = candles, self._digests.of(candles)
        if isinstance(self._columns, Refused):
            return self._columns
        return {text: self._value(text, self._columns) for text in specs}

    def _admitted(self, candles: tuple[Candle, ...]) -> _Columns | Refused:
        """Turn a window into columns; one that grew out of the last one costs what it grew by."""
        known, columns = self._window, self._columns
        if isinstance(columns, Refused) or candles[: len(known)] != known:
            return _admit(candles)
        grown = candles[len(known) - 1 :]  # the last known one with them, for the order of times
        refused = _refusal(grown)
        return refused or _Columns(*map(_joined, structs.astuple(columns), structs.astuple(_columns(grown[1:]))))

    def _value(self, text: str, columns: _Columns) -> tuple[float, ...]:
        known = self._values.get(text)
        if known is None:
            spec = parse_spec(text)
            self.calls += 1
            known = self._values[text] = _last_values(spec, columns)
        return known


def _admit(candles: Sequence[Candle]) -> _Columns | Refused:
    """Turn candles into columns, or refuse what must never reach TA-Lib."""
    if len(candles) < MIN_CANDLES:
        return Refused(f"there are fewer than {MIN_CANDLES} closed candles")
    return _refusal(candles) or _columns(candles)


def _refusal(candles: Sequence[Candle]) -> Refused | None:
    """Find a candle that must never reach TA-Lib."""
    for earlier, later in pairwise(candles):
        assert earlier.open_ms < later.open_ms, (earlier.open_ms, later.open_ms)
    for candle in candles:
        for price in (candle.open, candle.high, candle.low, candle.close):
            if not (price.is_finite() and 0.0 < float(price) < math.inf):
                return Refused(f"the candle of {candle.open_ms} has a price that is not a number above 0")
        if not (candle.volume.is_finite() and 0.0 <= float(candle.volume) < math.inf):
            return Refused(f"the candle of {candle.open_ms} has a volume that is not a number of 0 or more")
    return None


def _columns(candles: Sequence[Candle]) -> _Columns:
    return _Columns(
        high=np.array([float(candle.high) for candle in candles]),
        low=np.array([float(candle.low) for candle in candles]),
        close=np.array([float(candle.close) for candle in candles]),
        volume=np.array([float(candle.volume) for candle in candles]),
    )


def _joined(known: Floats, grown: Floats) -> Floats:
    return np.concatenate((known, grown))


def _last_values(spec: IndicatorSpec, columns: _Columns) -> tuple[float, ...]:
    """Give the last values, up to three, back to the first that is no number or that nothing stands behind."""
    series = _COMPUTE[spec.name](columns, *spec.numbers)
    values: list[float] = []
    for back in range(1, min(VALUES, len(series)) + 1):
        value = float(series[-back])
        if not math.isfinite(value) or _stood_still(spec, columns, len(series) + 1 - back):
            break
        values.append(value)
    return tuple(reversed(values))


def _stood_still(spec: IndicatorSpec, columns: _Columns, end: int) -> bool:
    """Tell whether an oscillator up to candle `end` would be made of no movement, or of no volume, at all.

    TA-Lib divides nothing by nothing there and answers 0.0, or what rounding left over.
    """
    close = columns.close[:end]
    match spec.name:
        case "rsi":
            return _flat(close)
        case "stoch_rsi":
            _, k_period, smoothing = spec.numbers
            return any(_flat(close[: end - back][-k_period:]) for back in range(smoothing))
        case "mfi":
            typical = (columns.high[:end] + columns.low[:end] + close) / 3.0
            moved = typical[1:] != typical[:-1]
            return not bool((moved & (columns.volume[1:end] > 0.0))[-spec.numbers[0] :].any())
        case _:
            return False


def _flat(values: Floats) -> bool:
    return bool((values == values[0]).all())


def _close(columns: _Columns) -> Floats:
    return columns.close


def _rsi(columns: _Columns, period: int) -> Floats:
    return talib.RSI(columns.close, period)


def _stoch_rsi(columns: _Columns, period: int, k_period: int, smoothing: int) -> Floats:
    return talib.STOCHRSI(columns.close, period, k_period, smoothing)[1]


def _ema(columns: _Columns, period: int) -> Floats:
    return talib.EMA(columns.close, period)


def _macd(columns: _Columns, fast: int, slow: int, signal: int) -> Floats:
    return talib.MACD(columns.close, fast, slow, signal)[2]


def _mfi(columns: _Columns, period: int) -> Floats:
    return talib.MFI(columns.high, columns.low, columns.close, columns.volume, period)


def _drop(columns: _Columns, candles: int) -> Floats:
    """Tell by how many percent each close lies below the highest close of that many candles, itself included."""
    highest = talib.MAX(columns.close, candles)
    return (highest - columns.close) * 100.0 / highest


_COMPUTE: Final[dict[str, Callable[..., Floats]]] = {
    "close": _close,
    "rsi": _rsi,
    "stoch_rsi": _stoch_rsi,
    "ema": _ema,
    "macd": _macd,
    "mfi": _mfi,
    "drop": _drop,
}
