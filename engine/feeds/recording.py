"""The recorded market, once its file is read: ticks out of rows, candles out of smaller ones.

Owns the order of ticks inside a candle and what is visible when. Never reads a file, never imports polars.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Final, Protocol

import msgspec

from engine.core.errors import MarketDataError
from engine.core.market import Candle, MarketRules, Tick
from engine.core.units import ZERO
from engine.feeds.market import Reachability, ScriptedOutage, demand_rules, outage_at, place_outages, reach


class Texts(Protocol):
    """A column of exact numbers as they were written; a polars Series is one."""

    def item(self, index: int) -> str:
        """Give one text."""

    def slice(self, offset: int, length: int) -> "Texts":
        """Give a stretch of the column."""

    def to_list(self) -> list[str]:
        """Give all texts."""


class Recording(msgspec.Struct, frozen=True):
    """What a market file holds, checked: rising times, sound numbers.

    `columns` has `price`, or else `open high low close volume`; `period_ms` is the length of a candle, 0 for ticks;
    `cadence_ms` the usual time between two prices; `holes` are times (from, to) with nothing in them; `price_tick` is
    the smallest power of ten that all prices are multiples of.
    """

    path: str
    times: "array[int]"
    columns: dict[str, Texts]
    period_ms: int
    cadence_ms: int
    holes: tuple[tuple[int, int], ...]
    price_tick: Decimal


class RecordedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the `market` section of a recorded exchange may hold.

    Units: `price_tick` and `min_notional` in quote, quantities in base. Without `price_tick` it is taken from the data.
    """

    path: str
    price_tick: Decimal | None = None
    quantity_step: Decimal = Decimal("0.00001")
    min_quantity: Decimal = Decimal("0.00001")
    min_notional: Decimal = Decimal(10)
    maker_percent: Decimal = Decimal("0.1")
    taker_percent: Decimal = Decimal("0.1")
    scripted_outages: tuple[ScriptedOutage, ...] = ()


class RecordedMarket:
    """A waiting market that plays a recording, from its first price to its last.

    A candle yields its open at its opening time, low and high after one and two thirds of its period (low first if
    close ≥ open), and its close at its end; where the next candle opens at that very moment, the close comes one
    millisecond earlier, so that times rise strictly. A candle is visible from its end on, never before, so the open of
    the next one is the first price at which it counts. Larger candles are built from those parts that are there.
    Source: decisions.md, "Markets without a network".

    Raises:
        ConfigError: a setting is out of its range; names the key, the value and what is allowed.
    """

    def __init__(self, symbol: str, base: str, quote: str, settings: RecordedSettings, recording: Recording) -> None:
        assert recording.times, recording.path
        demand_rules(
            settings.price_tick,
            settings.quantity_step,
            settings.min_quantity,
            settings.min_notional,
            settings.maker_percent,
            settings.taker_percent,
        )
        self.rules: Final = MarketRules(
            symbol=symbol,
            base=base,
            quote=quote,
            price_tick=settings.price_tick or recording.price_tick,
            quantity_step=settings.quantity_step,
            min_quantity=settings.min_quantity,
            min_notional=settings.min_notional,
            maker_percent=settings.maker_percent,
            taker_percent=settings.taker_percent,
            cadence_ms=recording.cadence_ms,
        )
        self.start_ms: Final = recording.times[0]
        self.end_ms: Final[int] = max(at_ms for at_ms, _ in _prices(recording, len(recording.times) - 1))
        self.has_volume: Final = "volume" in recording.columns
        self.holes: Final = recording.holes
        self._recording = recording
        self._outages = place_outages(settings.scripted_outages, self.start_ms)

    def next_tick(self, after_ms: int) -> Tick | None:
        """Give the first price later than `after_ms` that no outage hides, or None at the end."""
        tick = self._next(after_ms)
        while tick is not None and (outage := outage_at(self._outages, tick.at_ms)) is not None:
            tick = self._next(outage.to_ms - 1)
        return tick

    def candles(self, timeframe_ms: int, since_ms: int, until_ms: int) -> list[Candle]:
        """Give the candles that open at `since_ms` or later and are closed at `until_ms`; holes are absent.

        Raises:
            MarketDataError: the timeframe is no multiple of the recording's own.
        """
        assert timeframe_ms > 0, timeframe_ms
        recording = self._recording
        if recording.period_ms and timeframe_ms % recording.period_ms:
            raise MarketDataError(
                f"{recording.path} holds candles of {recording.period_ms // 1000} s, from which a timeframe of "
                f"{timeframe_ms // 1000} s cannot be built: set timeframe to a multiple",
            )
        since_ms = -(-since_ms // timeframe_ms) * timeframe_ms
        start = bisect_left(recording.times, since_ms)
        stop = bisect_left(recording.times, until_ms // timeframe_ms * timeframe_ms)
        return list(_merged(recording, timeframe_ms, start, stop)) if start < stop else []

    def reachability(self, at_ms: int) -> Reachability:
        """Tell what a probe sent at `at_ms` finds; a recording answers at once."""
        return reach(outage_at(self._outages, at_ms), latency_ms=0)

    def _next(self, after_ms: int) -> Tick | None:
        """Give the first price later than `after_ms`, outage or not."""
        recording = self._recording
        row = max(bisect_right(recording.times, after_ms) - 1, 0)
        for here in range(row, min(row + 2, len(recording.times))):
            for at_ms, column in _prices(recording, here):
                if at_ms > after_ms:
                    return Tick(at_ms, Decimal(recording.columns[column].item(here)))
        return None


def _prices(recording: Recording, row: int) -> tuple[tuple[int, str], ...]:
    """Give the prices of one row in their order: when, and in which column."""
    at_ms = recording.times[row]
    if not recording.period_ms:
        return ((at_ms, "price"),)
    third_ms = recording.period_ms // 3
    end_ms = at_ms + recording.period_ms
    if row + 1 < len(recording.times) and recording.times[row + 1] == end_ms:
        end_ms -= 1
    rising = Decimal(recording.columns["close"].item(row)) >= Decimal(recording.columns["open"].item(row))
    first, second = ("low", "high") if rising else ("high", "low")
    return (at_ms, "open"), (at_ms + third_ms, first), (at_ms + 2 * third_ms, second), (end_ms, "close")


def _merged(recording: Recording, timeframe_ms: int, start: int, stop: int) -> Iterator[Candle]:
    """Build candles out of rows, from `start` up to but without `stop`."""

    def numbers(column: str) -> list[Decimal]:
        return [Decimal(text) for text in recording.columns[column].slice(start, stop - start).to_list()]

    if recording.period_ms:
        opens, highs, lows, closes, volumes = map(numbers, ("open", "high", "low", "close", "volume"))
    else:
        opens = highs = lows = closes = numbers("price")
        volumes = [ZERO] * len(opens)
    for bucket, members in groupby(range(start, stop), key=lambda row: recording.times[row] // timeframe_ms):
        rows = list(members)
        first, last = rows[0] - start, rows[-1] - start
        yield Candle(
            open_ms=bucket * timeframe_ms,
            open=opens[first],
            high=max(highs[first : last + 1]),
            low=min(lows[first : last + 1]),
            close=closes[last],
            volume=sum(volumes[first + 1 : last + 1], volumes[first]),
        )
