"""The recorded side of one market: its stream, the view folded from it, and the indicators over its candles.

Owns how facts of a market become rows, and which of them are worth a row. Where they come from is the affair of its two
kinds: `engine.runtime.feed` asks a market that waits, `engine.runtime.live_feed` one that does not.
"""

from collections.abc import Callable, Iterable
from typing import Final

from engine.core.events import CandlesClosed, FeedEvent, IndicatorsObserved, MarketRulesObserved
from engine.core.feed_view import FeedView, apply_feed
from engine.core.market import Candle, MarketRules
from engine.feeds.candles import Refreshed
from engine.indicators.talib_backend import Indicators, Refused
from engine.runtime.bot import Bot
from engine.store.port import Batch, Entry, Head

CANDLES_IN_AN_EVENT: Final = 200


class FeedStream:
    """The stream of one market. `view` is the candidate; `durable` is what the log holds for certain, with its head."""

    def __init__(self, view: FeedView) -> None:
        """Take the folded view."""
        self.view = view
        self.durable = (view, Head(view.sequence, b"", view.at_ms))
        self._indicators: Final[dict[str, Indicators]] = {}

    def snapshot(self, head: Head) -> Callable[[], None]:
        """Take a picture of the candidate; the returned call makes it the durable one."""
        picture = (self.view, head)

        def publish() -> None:
            self.durable = picture

        return publish

    @property
    def indicator_calls(self) -> int:
        """Count the times indicators were computed."""
        return sum(each.calls for each in self._indicators.values())

    def learn(self, rules: MarketRules, at_ms: int) -> Batch | None:
        """Record what the exchange accepts, if it is new or has changed."""
        return None if self.view.rules == rules else self.record([MarketRulesObserved(rules)], at_ms)

    def record(self, events: Iterable[FeedEvent], at_ms: int) -> Batch:
        """Take facts in and give the batch that records them."""
        expected, taken = self.view.sequence, list(events)
        for event in taken:
            self.view = apply_feed(self.view, event, self.view.sequence + 1, at_ms)
        return Batch(self.view.feed, expected, tuple(Entry(event, at_ms) for event in taken))

    def refreshed(
        self, timeframe: str, readers: list[Bot], candles: tuple[Candle, ...], found: Refreshed
    ) -> list[FeedEvent]:
        """Give the facts of a fetch: the new candles, and the indicators that they change."""
        events: list[FeedEvent] = [
            CandlesClosed(timeframe, found.new[start : start + CANDLES_IN_AN_EVENT])
            for start in range(0, len(found.new), CANDLES_IN_AN_EVENT)
        ] or [CandlesClosed(timeframe, unconfirmed_ms=found.unconfirmed)]
        return events + self.computed(timeframe, readers, candles, found)

    def computed(
        self, timeframe: str, readers: list[Bot], candles: tuple[Candle, ...], found: Refreshed
    ) -> list[FeedEvent]:
        """Give the indicators that these bots read, if a candle or a reader is new."""
        specs = sorted(specs_of(readers))
        known = self.view.indicators.get(timeframe)
        if known is not None and not found.new and known.refused == found.refusal:
            if known.refused is not None or set(specs) <= set(known.values):
                return []
            specs = sorted({*specs, *known.values})
        candle_ms = candles[-1].open_ms if candles else 0
        if found.refusal:
            return [IndicatorsObserved(timeframe, candle_ms, refused=found.refusal)]
        indicators = self._indicators.setdefault(timeframe, Indicators())
        computed = indicators.compute(specs, candles)
        if isinstance(computed, Refused):
            return [IndicatorsObserved(timeframe, candle_ms, refused=computed.reason)]
        return [IndicatorsObserved(timeframe, candle_ms, computed, window=len(candles), digest=indicators.digest)]


def specs_of(readers: Iterable[Bot]) -> set[str]:
    """Name the indicators that these bots read."""
    return {spec for bot in readers for spec in bot.strategy.indicators()}
