"""The feed of a real market: prices as they come, candles fetched for bots that wait for them.

Owns the candle cache of that market. A price is never held back for candles: a bot that finds them too old says so in
the log (`indicators_awaited`), and considers its entry at the first price after they came (docs/adr/0015).
"""

from collections.abc import Generator, Iterable, Sequence
from typing import Final

from engine.core.decider.entries import awaits_candles
from engine.core.events import PriceObserved
from engine.core.feed_view import FeedView
from engine.core.market import TIMEFRAMES_MS, Candle, Tick
from engine.exchanges.port import LiveMarketData
from engine.feeds.candles import CandleWindow, Refreshed
from engine.runtime.bot import Bot
from engine.runtime.feed_stream import FeedStream
from engine.store.port import Batch

Questions = Generator[tuple[int, int], Sequence[Candle] | None, Refreshed]


class LiveFeed(FeedStream):
    """The recorded side of one real market."""

    def __init__(self, view: FeedView, data: LiveMarketData, symbol: str) -> None:
        """Take the folded view, the exchange, and the symbol there."""
        super().__init__(view)
        self.data: Final = data
        self.symbol: Final = symbol
        self._windows: Final[dict[str, CandleWindow]] = {}

    def observe(self, tick: Tick, now_ms: int) -> Batch:
        """Record a price; the gap counts in engine time."""
        gap_ms = None if self.view.price_ms is None else max(now_ms - self.view.price_ms, 0)
        price = PriceObserved(tick.last, tick.bid, tick.ask, exchange_time_ms=tick.at_ms, gap_ms=gap_ms)
        return self.record([price], now_ms)

    def awaited(self, bots: Iterable[Bot]) -> set[str]:
        """Name the timeframes whose candles some bot waits for."""
        timeframes = ((bot, bot.state.config.timeframe) for bot in bots)
        return {each for bot, each in timeframes if awaits_candles(bot.state, self.view.fetched_ms.get(each))}

    async def fetch(self, timeframe: str, now_ms: int, ahead_ms: int) -> Refreshed:
        """Bring the window of candles up to now; a window that a restart has emptied is first what it was.

        `ahead_ms` is how far the exchange's clock is ahead: candles close by that.

        Raises:
            UnreachableError: the exchange did not give candles; the window is as it was.
        """
        window = self._windows.get(timeframe)
        if window is None:
            window = CandleWindow(TIMEFRAMES_MS[timeframe], _no_source)
            fetched_ms = self.view.fetched_ms.get(timeframe)
            if fetched_ms is not None:
                await self._answered(window.refreshing(fetched_ms + ahead_ms), timeframe)
            self._windows[timeframe] = window
        return await self._answered(window.refreshing(now_ms + ahead_ms), timeframe)

    def fetched(self, timeframe: str, bots: Iterable[Bot], found: Refreshed, now_ms: int) -> Batch:
        """Record what a fetch found, with the indicators for all bots of that timeframe."""
        readers = [bot for bot in bots if bot.state.config.timeframe == timeframe]
        return self.record(self.refreshed(timeframe, readers, self._windows[timeframe].candles, found), now_ms)

    async def _answered(self, questions: Questions, timeframe: str) -> Refreshed:
        answer: Sequence[Candle] | None = None
        while True:
            try:
                since_ms, until_ms = questions.send(answer)
            except StopIteration as end:
                found: Refreshed = end.value
                return found
            answer = await self.data.candles(self.symbol, timeframe, since_ms, until_ms)


def _no_source(_since_ms: int, _until_ms: int) -> Sequence[Candle]:
    raise AssertionError("a real market is asked by the feed")
