"""A feed: one market's prices, candles and indicators, recorded once for all its bots.

Owns the feed stream and the candle cache. Candles are fetched only for a price at which some bot will read indicators,
and only when the cache is older than that bot allows; the age is a recorded fact, so a restart changes nothing.
Source: specification, "Smart Indicator Checks"; decisions 13 and 15.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from engine.core.decider import wants_indicators
from engine.core.decider.entries import awaits_candles, cache_ttl_ms
from engine.core.events import CandlesClosed, FeedEvent, IndicatorsObserved, MarketRulesObserved, PriceObserved
from engine.core.feed_view import FeedView, apply_feed
from engine.core.market import TIMEFRAMES_MS, Candle, Tick
from engine.feeds.candles import CandleWindow, Refreshed
from engine.feeds.market import WaitingMarket
from engine.indicators.talib_backend import Indicators, Refused
from engine.runtime.bot import Bot
from engine.store.port import Batch, Entry, Head

CANDLES_IN_AN_EVENT: Final = 200
CacheListener = Callable[[Bot, str], None]


class Feed:
    """The recorded side of one market.

    `view` is the candidate; `durable` is what the log holds for certain, with its head.
    """

    def __init__(self, view: FeedView, market: WaitingMarket, calls: Counter[str], on_cache: CacheListener) -> None:
        """Take the folded view, the market, the call counters, and who is told about the cache."""
        self.view = view
        self.durable = (view, Head(view.sequence, b"", view.at_ms))
        self.market: Final = market
        self._calls: Final = calls
        self._on_cache: Final = on_cache
        self._windows: dict[str, CandleWindow] = {}
        self._indicators: dict[str, Indicators] = {}

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

    def open(self, at_ms: int) -> Batch | None:
        """Record what the exchange accepts, if it is new or has changed."""
        if self.view.rules == self.market.rules:
            return None
        return self._record([MarketRulesObserved(self.market.rules)], at_ms)

    def observe(self, tick: Tick, bots: Iterable[Bot]) -> Batch:
        """Record a price, ahead of it the candles and indicators that some bot will read at it."""
        gap_ms = None if self.view.price_ms is None else tick.at_ms - self.view.price_ms
        price = PriceObserved(last=tick.last, bid=tick.bid, ask=tick.ask, gap_ms=gap_ms)
        readers: dict[str, list[Bot]] = {}
        for bot in bots:
            awaits = awaits_candles(bot.state, self.view.fetched_ms.get(bot.state.config.timeframe))
            if awaits or wants_indicators(bot.strategy, bot.state, price, tick.at_ms, self.view.rules):
                readers.setdefault(bot.state.config.timeframe, []).append(bot)
        events: list[FeedEvent] = []
        for timeframe, readers_of_it in readers.items():
            events += self._refreshed(timeframe, readers_of_it, tick.at_ms)
        return self._record([*events, price], tick.at_ms)

    def _record(self, events: list[FeedEvent], at_ms: int) -> Batch:
        expected = self.view.sequence
        for event in events:
            self.view = apply_feed(self.view, event, self.view.sequence + 1, at_ms)
        return Batch(self.view.feed, expected, tuple(Entry(event, at_ms) for event in events))

    def _refreshed(self, timeframe: str, readers: list[Bot], at_ms: int) -> list[FeedEvent]:
        """Fetch candles if a reader finds the cache too old, and compute what a new candle changes."""
        fetched_ms = self.view.fetched_ms.get(timeframe)
        if fetched_ms is not None:
            impatient = [bot for bot in readers if at_ms - fetched_ms >= cache_ttl_ms(bot.state)]
            if not impatient:
                for bot in readers:
                    self._on_cache(bot, f"Using cached OHLCV data (age: {(at_ms - fetched_ms) // 1000}s)")
                return self._completed(timeframe, readers, fetched_ms)
        window = self._window(timeframe, fetched_ms)
        ask_anyway = any(cache_ttl_ms(bot.state) == 0 for bot in readers)
        refreshed = window.refresh(at_ms, ask_anyway=ask_anyway)
        for bot in readers:
            self._on_cache(bot, "OHLCV data cached")
        events: list[FeedEvent] = [
            CandlesClosed(timeframe, refreshed.new[start : start + CANDLES_IN_AN_EVENT])
            for start in range(0, len(refreshed.new), CANDLES_IN_AN_EVENT)
        ] or [CandlesClosed(timeframe, unconfirmed_ms=refreshed.unconfirmed)]
        return events + self._computed(timeframe, readers, window.candles, refreshed)

    def _completed(self, timeframe: str, readers: list[Bot], fetched_ms: int) -> list[FeedEvent]:
        """Compute what these readers need over the cached candles and nobody has computed yet; usually nothing."""
        known = self.view.indicators.get(timeframe)
        if known is None or known.refused is not None or _specs(readers) <= set(known.values):
            return []
        return self._computed(timeframe, readers, self._window(timeframe, fetched_ms).candles, Refreshed())

    def _window(self, timeframe: str, fetched_ms: int | None) -> CandleWindow:
        window = self._windows.get(timeframe)
        if window is None:
            window = CandleWindow(TIMEFRAMES_MS[timeframe], partial(self._fetch, timeframe))
            self._windows[timeframe] = window
            self._indicators[timeframe] = Indicators()
            if fetched_ms is not None:
                window.restore(fetched_ms)
        return window

    def _fetch(self, timeframe: str, since_ms: int, until_ms: int) -> list[Candle]:
        self._calls["fetch_ohlcv"] += 1
        return self.market.candles(TIMEFRAMES_MS[timeframe], since_ms, until_ms)

    def _computed(
        self, timeframe: str, readers: list[Bot], candles: tuple[Candle, ...], refreshed: Refreshed
    ) -> list[FeedEvent]:
        specs = sorted(_specs(readers))
        known = self.view.indicators.get(timeframe)
        if known is not None and not refreshed.new and known.refused == refreshed.refusal:
            if known.refused is not None or set(specs) <= set(known.values):
                return []
            specs = sorted({*specs, *known.values})
        candle_ms = candles[-1].open_ms if candles else 0
        if refreshed.refusal:
            return [IndicatorsObserved(timeframe, candle_ms, refused=refreshed.refusal)]
        indicators = self._indicators[timeframe]
        computed = indicators.compute(specs, candles)
        if isinstance(computed, Refused):
            return [IndicatorsObserved(timeframe, candle_ms, refused=computed.reason)]
        return [IndicatorsObserved(timeframe, candle_ms, computed, window=len(candles), digest=indicators.digest)]


def _specs(readers: list[Bot]) -> set[str]:
    """Name the indicators that these bots read."""
    return {spec for bot in readers for spec in bot.strategy.indicators()}
