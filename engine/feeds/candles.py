"""The window of closed candles of one market and timeframe.

Owns which candles are in force: from 500 before the last UTC midnight up to now, without a gap, holes filled only when
confirmed. Never computes an indicator, never keeps a candle that is not sound.
"""

from collections.abc import Callable, Generator, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from engine.core.instants import DAY_MS
from engine.core.market import Candle
from engine.core.units import is_sound

HISTORY: Final = 500

Source = Callable[[int, int], Sequence[Candle]]
"""Give the closed candles that open at the first time or later and are closed at the second, both in ms."""


class Refreshed(msgspec.Struct, frozen=True):
    """What a refresh found: candles new to the window, and opening times at which there is none to be trusted.

    `unconfirmed` are closed candles that the market has not shown although none later is there either; `unsound` is
    the one at which a number is not finite or not positive. While there is either, no vote may be taken.
    """

    new: tuple[Candle, ...] = ()
    unconfirmed: tuple[int, ...] = ()
    unsound: tuple[int, ...] = ()

    @property
    def refusal(self) -> str | None:
        """Say why no vote may be taken, or None."""
        if self.unsound:
            return f"the candle of {self.unsound[0]} has a number that is not finite or not positive"
        if self.unconfirmed:
            return f"the candle of {self.unconfirmed[0]} is not there, and no later one shows that it never will be"
        return None


class CandleWindow:
    """The closed candles from 500 before the last UTC midnight up to the last refresh; all of them while fewer.

    The window is a function of what the source shows at the time of the refresh: it grows without a gap, ends before
    the first candle that is not to be trusted, and never begins with a filled one. That is why a window restored after
    a crash is the one that would be there without it, as long as the source still shows the same.
    Source: decisions.md, "Strategy dca" (indicators).

    `fetches` counts the questions to the source. What the source raises passes through and changes nothing else.
    """

    def __init__(self, timeframe_ms: int, source: Source) -> None:
        assert timeframe_ms > 0, timeframe_ms
        assert DAY_MS % timeframe_ms == 0, timeframe_ms
        self.fetches = 0
        self.candles: tuple[Candle, ...] = ()
        self._timeframe_ms = timeframe_ms
        self._source = source

    def refresh(self, now_ms: int, *, ask_anyway: bool = False) -> Refreshed:
        """Bring the window up to `now_ms`, asking the source only for what is missing.

        `ask_anyway` puts the question even if nothing can be missing: the cache is switched off.
        """
        questions = self.refreshing(now_ms, ask_anyway=ask_anyway)
        answer: Sequence[Candle] | None = None
        while True:
            try:
                since_ms, until_ms = questions.send(answer)
            except StopIteration as end:
                found: Refreshed = end.value
                return found
            self.fetches += 1
            answer = self._source(since_ms, until_ms)

    def refreshing(
        self, now_ms: int, *, ask_anyway: bool = False
    ) -> Generator[tuple[int, int], Sequence[Candle] | None, Refreshed]:
        """Do what `refresh` does for a source that takes its time: yield each question, be sent its answer.

        The window changes only at the end, so that a source which fails half-way has changed nothing.
        """
        since_ms = self.since(now_ms)
        until_ms = now_ms // self._timeframe_ms * self._timeframe_ms
        next_ms = max(since_ms, self.candles[-1].open_ms + self._timeframe_ms) if self.candles else since_ms
        kept = _trimmed(self.candles, since_ms)
        if next_ms >= until_ms:
            if ask_anyway:
                yield until_ms - self._timeframe_ms, until_ms
            self.candles = kept
            return Refreshed()
        shown = self._within((yield next_ms, until_ms), next_ms, until_ms)
        holes = self._holes(kept, shown, next_ms)
        if holes:
            last_ms = holes[-1] + self._timeframe_ms
            shown |= self._within((yield holes[0], last_ms), holes[0], last_ms)
        grown, unsound = self._grow(kept, shown, next_ms)
        self.candles = _trimmed(grown, since_ms)
        new = tuple(candle for candle in self.candles if candle.open_ms >= next_ms)
        if unsound or not self.candles:
            return Refreshed(new=new, unsound=unsound)
        awaited = range(self.candles[-1].open_ms + self._timeframe_ms, until_ms, self._timeframe_ms)
        return Refreshed(new=new, unconfirmed=tuple(awaited))

    def restore(self, as_of_ms: int) -> Refreshed:
        """Fetch the window afresh, as it was after a refresh at `as_of_ms`."""
        self.candles = ()
        return self.refresh(as_of_ms)

    def since(self, now_ms: int) -> int:
        """Give the opening time of the earliest candle that a window of this moment may hold."""
        return now_ms // DAY_MS * DAY_MS - HISTORY * self._timeframe_ms

    def _within(self, shown: Sequence[Candle] | None, since_ms: int, until_ms: int) -> dict[int, Candle]:
        assert shown is not None, "a question is answered"
        return {each.open_ms: each for each in shown if since_ms <= each.open_ms <= until_ms - self._timeframe_ms}

    def _holes(self, kept: tuple[Candle, ...], shown: dict[int, Candle], next_ms: int) -> list[int]:
        """Give the times of absent candles that have one before them and one after."""
        if not shown:
            return []
        first_ms = next_ms if kept else min(shown)
        return [at_ms for at_ms in range(first_ms, max(shown), self._timeframe_ms) if at_ms not in shown]

    def _grow(
        self, kept: tuple[Candle, ...], shown: dict[int, Candle], next_ms: int
    ) -> tuple[tuple[Candle, ...], tuple[int, ...]]:
        """Add what was shown, fill confirmed holes flat, and stop at the first candle that is not sound."""
        if not shown:
            return kept, ()
        grown = list(kept)
        for at_ms in range(next_ms, max(shown) + 1, self._timeframe_ms):
            candle = shown.get(at_ms)
            if candle is not None and not is_sound_candle(candle):
                return tuple(grown), (at_ms,)
            if candle is not None:
                grown.append(candle)
            elif grown:
                grown.append(_flat(at_ms, grown[-1].close))
        return tuple(grown), ()


def _trimmed(candles: tuple[Candle, ...], since_ms: int) -> tuple[Candle, ...]:
    """Drop what is too early, and then filled candles at the front, which a restored window could not fill."""
    start = next((n for n, each in enumerate(candles) if each.open_ms >= since_ms and not each.filled), len(candles))
    return candles[start:]


def is_sound_candle(candle: Candle) -> bool:
    """Tell whether all numbers are finite and bounded, prices above 0, volume 0 or more, low ≤ open, close ≤ high."""
    numbers = (candle.open, candle.high, candle.low, candle.close, candle.volume)
    return (
        all(map(is_sound, numbers))
        and 0 < candle.low <= min(candle.open, candle.close)
        and max(candle.open, candle.close) <= candle.high
        and candle.volume >= 0
    )


def _flat(open_ms: int, close: Decimal) -> Candle:
    """Fill a hole: nothing was traded, so the price stayed where it was."""
    return Candle(open_ms, close, close, close, close, Decimal(0), filled=True)
