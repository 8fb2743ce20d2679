"""Indicators by name: which there are, their numbers and bounds, and how many candles they need.

Owns the canonical text of an indicator (`rsi:14`) and the digest that names a window of candles. Pure: never computes
a value, never imports TA-Lib.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final

import msgspec

from engine.core.errors import ConfigError
from engine.core.market import Candle

MIN_CANDLES: Final = 50
"""Fewer closed candles than this, and no indicator is computed."""

MAX_CANDLES: Final = 500
"""The window of closed candles holds at least this many once the market is old enough."""

VALUES: Final = 3
"""How many values an indicator gives: of the candle before the last two, the one before the last, and the last."""


class IndicatorSpec(msgspec.Struct, frozen=True, gc=False):
    """One indicator with its numbers, all of them counts of candles."""

    name: str
    numbers: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """Give the canonical text, such as `macd:12:26:9`: the key in logs and the wish of a strategy."""
        return ":".join((self.name, *map(str, self.numbers)))

    @property
    def candles_needed(self) -> int:
        """Tell how many closed candles give all three values."""
        return _KINDS[self.name].first_value(self.numbers) + VALUES

    @property
    def needs_volume(self) -> bool:
        """Tell whether the indicator means nothing on a market without volume."""
        return self.name == "mfi"


class _Kind(msgspec.Struct, frozen=True):
    """What an indicator asks for: its numbers' names and bounds, and how many candles come before its first value."""

    numbers: tuple[str, ...]
    bounds: tuple[tuple[int, int], ...]
    first_value: Callable[[tuple[int, ...]], int]


_KINDS: Final = {
    "close": _Kind((), (), lambda _: 0),
    "rsi": _Kind(("period",), ((2, 200),), lambda n: n[0]),
    "stoch_rsi": _Kind(
        ("period", "k_period", "smoothing"), ((2, 200), (2, 100), (1, 50)), lambda n: n[0] + n[1] + n[2] - 2
    ),
    "ema": _Kind(("period",), ((2, 400),), lambda n: n[0] - 1),
    "macd": _Kind(("fast", "slow", "signal"), ((2, 200), (3, 200), (1, 100)), lambda n: n[1] + n[2] - 2),
    "mfi": _Kind(("period",), ((2, 200),), lambda n: n[0]),
    "drop": _Kind(("candles",), ((2, MAX_CANDLES - VALUES),), lambda n: n[0] - 1),
}

KINDS: Final = tuple(_KINDS)
"""The indicators there are: closing price, RSI, stochastic RSI, EMA, MACD histogram, MFI, drop from the highest."""


def parse_spec(text: str) -> IndicatorSpec:
    """Read an indicator from its text, such as `rsi:14`.

    Raises:
        ConfigError: no such indicator, or a number that is missing, out of bounds or not whole; says what is allowed.
    """
    name, *texts = text.split(":")
    kind = _KINDS.get(name)
    if kind is None:
        raise ConfigError(f"indicator {text!r} is unknown: there are {', '.join(KINDS)}")
    if len(texts) != len(kind.numbers):
        form = ":".join((name, *(number.upper() for number in kind.numbers)))
        raise ConfigError(f"indicator {text!r} must have the form {form}")
    for number, given, (least, most) in zip(kind.numbers, texts, kind.bounds, strict=True):
        if given not in map(str, range(least, most + 1)):
            raise ConfigError(f"indicator {text!r}: {number} is {given!r}, and must be from {least} to {most}")
    numbers = tuple(map(int, texts))
    if name == "macd" and numbers[0] >= numbers[1]:
        raise ConfigError(f"indicator {text!r}: fast must be smaller than slow")
    return IndicatorSpec(name, numbers)


def window_digest(candles: Sequence[Candle]) -> str:
    """Name a window of candles by 16 hex digits of BLAKE2b over its exact text: times, numbers as written, marks."""
    return WindowDigest().of(candles)


class WindowDigest:
    """Names one window after the other; one that grew out of the last one costs what it grew by."""

    def __init__(self) -> None:
        self._window: Sequence[Candle] = ()
        self._hash = blake2b(digest_size=8)

    def of(self, candles: Sequence[Candle]) -> str:
        """Give the `window_digest` of these candles."""
        known = len(self._window)
        if candles[:known] != self._window:
            known, self._hash = 0, blake2b(digest_size=8)
        for each in candles[known:]:
            numbers = f"{each.open},{each.high},{each.low},{each.close},{each.volume}"
            self._hash.update(f"{each.open_ms},{numbers},{each.filled:d}\n".encode())
        self._window = candles
        return self._hash.hexdigest()
