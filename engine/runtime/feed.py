"""The feed of a market that waits: prices, and candles fetched only when somebody will read them.

Owns the candle cache. Candles are fetched only for a price at which some bot will read indicators, and only when the
cache is older than that bot allows; the age is a recorded fact, so a restart changes nothing.
Source: specification, "Smart Indicator Checks"; decisions 13 and 15.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from engine.core.decider import wants_indicators
from engine.core.decider.entries import awaits_candles, cache_ttl_ms
from engine.core.events import FeedEvent, PriceObserved
from engine.core.feed_view import FeedView
from engine.core.market import TIMEFRAMES_MS, Candle, Tick
from engine.feeds.candles import CandleWindow, Refreshed
from engine.feeds.market import WaitingMarket
from engine.runtime.bot import Bot
from engine.runtime.feed_stream import FeedStream, specs_of
from engine.store.port import Batch

CacheListener = Callable[[Bot, str], None]


class Feed(FeedStream):
    """The recorded side of one market that waits."""

    def __init__(self, view: FeedView, market: WaitingMarket, calls: Counter[str], on_cache: CacheListener) -> None:
        """Take the folded view, the market, the call counters, and who is told about the cache."""
        super().__init__(view)
        self.market: Final = market
        self._calls: Final = calls
        self._on_cache: Final = on_cache
        self._windows: Final[dict[str, CandleWindow]] = {}

    def open(self, at_ms: int) -> Batch | None:
        """Record what the exchange accepts, if it is new or has changed."""
        return self.learn(self.market.rules, at_ms)

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
        return self.record([*events, price], tick.at_ms)

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
        found = window.refresh(at_ms, ask_anyway=ask_anyway)
        for bot in readers:
            self._on_cache(bot, "OHLCV data cached")
        return self.refreshed(timeframe, readers, window.candles, found)

    def _completed(self, timeframe: str, readers: list[Bot], fetched_ms: int) -> list[FeedEvent]:
        """Compute what these readers need over the cached candles and nobody has computed yet; usually nothing."""
        known = self.view.indicators.get(timeframe)
        if known is None or known.refused is not None or specs_of(readers) <= set(known.values):
            return []
        return self.computed(timeframe, readers, self._window(timeframe, fetched_ms).candles, Refreshed())

    def _window(self, timeframe: str, fetched_ms: int | None) -> CandleWindow:
        window = self._windows.get(timeframe)
        if window is None:
            window = CandleWindow(TIMEFRAMES_MS[timeframe], partial(self._fetch, timeframe))
            self._windows[timeframe] = window
            if fetched_ms is not None:
                window.restore(fetched_ms)
        return window

    def _fetch(self, timeframe: str, since_ms: int, until_ms: int) -> list[Candle]:
        self._calls["fetch_ohlcv"] += 1
        return self.market.candles(TIMEFRAMES_MS[timeframe], since_ms, until_ms)
