"""One life's connection to the simulated exchange: what it says of its markets, and how it is asked anything.

Owns the measured clock, the silence that the exchange wants, and the faults that a lost answer means, after the manner
of `engine.exchanges.ccxt_gateway`. A read is asked once, and once more if the exchange refused it for the clock.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from engine.core.errors import ConfigError, EngineError, RateLimitedError, UnreachableError
from engine.core.market import TIMEFRAMES_MS, Candle, MarketRules, Tick
from engine.exchanges.credentials import Credentials
from engine.exchanges.faults import Scrubber
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.line import Line, LostError
from engine.testing.simulation.exchange.orders import CLOCK, Refusal
from engine.testing.simulation.exchange.shows import Shows
from engine.testing.simulation.exchange.streams import PriceStream
from engine.testing.simulation.life import Life

T = TypeVar("T")

CANDLES_A_PAGE: Final = 1_000


class MarketClient:
    """What one life of the engine sees of the markets. `calls` counts what was asked, by kind."""

    def __init__(
        self, exchange: SimulatedExchange, life: Life, engine_now_ms: Callable[[], int], credentials: Credentials
    ) -> None:
        """Take the exchange, the life, the engine's clock, and the keys of the account."""
        self.calls: Final[Counter[str]] = Counter()
        self.blocked_until_ms = 0
        self.offset_ms: int | None = None
        self.exchange: Final = exchange
        self.shows: Final = Shows(exchange)
        self.credentials: Final = credentials
        self.scrub: Final = Scrubber(credentials.api_key.reveal(), credentials.secret.reveal())
        self.line: Final = Line(exchange, life, credentials)
        self.life: Final = life
        self.engine_ms: Final = engine_now_ms
        self._rules: dict[str, MarketRules] = {}
        self._prices: Final[dict[str, PriceStream]] = {}

    @property
    def timeframes(self) -> frozenset[str]:
        """Give the lengths of candles that the exchange has."""
        return frozenset(TIMEFRAMES_MS)

    async def rules(self, symbol: str, *, refresh: bool = False) -> MarketRules:
        """Give what the exchange accepts for a symbol. Raises ConfigError if it has no such market."""
        await self._load(refresh=refresh)
        return self._known(symbol)

    async def time_ms(self) -> int:
        """Ask for the time, and correct the clock that requests are signed with."""
        asked_ms = self.engine_ms()
        told_ms = await self.ask("fetch_time", "time", lambda: self.exchange.clock_ms)
        self.offset_ms = told_ms - (asked_ms + self.engine_ms()) // 2
        return told_ms

    async def ticker(self, symbol: str) -> Tick:
        """Ask for the price."""
        await self._load()
        self._known(symbol)
        exchange, market = self.exchange, self.exchange.markets[symbol]
        return await self.ask("fetch_ticker", "ticker", lambda: market.tick(exchange.at_ms, exchange.clock_ms))

    async def candles(self, symbol: str, timeframe: str, since_ms: int, until_ms: int) -> list[Candle]:
        """Ask for closed candles, in as many pages as it takes."""
        await self._load()
        self._known(symbol)
        if self.offset_ms is None:
            await self.time_ms()
        step_ms, found = TIMEFRAMES_MS[timeframe], list[Candle]()
        from_ms = since_ms
        while from_ms + step_ms <= until_ms:
            page = await self._page(symbol, step_ms, from_ms, min(until_ms, from_ms + CANDLES_A_PAGE * step_ms))
            if not page:
                break
            found += page
            from_ms = page[-1].open_ms + step_ms
        return found

    async def _page(self, symbol: str, step_ms: int, from_ms: int, until_ms: int) -> list[Candle]:
        return await self.ask("fetch_ohlcv", "candles", lambda: self.shows.candles(symbol, step_ms, from_ms, until_ms))

    async def next_ticker(self, symbol: str) -> Tick:
        """Wait for the next price of the stream; subscribes, also again after the stream broke."""
        stream = self._prices.get(symbol)
        if stream is None:
            await self._load()
            self._known(symbol)
            self._refuse_while_silent()
            stream = self._prices[symbol] = PriceStream(self.exchange, self.life, symbol)
        try:
            return await stream.next()
        except UnreachableError:
            if self._prices.get(symbol) is stream:
                del self._prices[symbol]
            raise

    async def drop_stream(self, symbol: str) -> None:
        """Hang up the price stream of a symbol."""
        self._prices.pop(symbol, None)

    def hang_up(self) -> None:
        """Hang up all price streams."""
        self._prices.clear()

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _load(self, *, refresh: bool = False) -> None:
        if not self._rules or refresh:
            exchange = self.exchange
            self._rules = await self.ask(
                "load_markets", "markets", lambda: {symbol: exchange.rules(symbol) for symbol in exchange.markets}
            )

    def _known(self, symbol: str) -> MarketRules:
        """Give the rules of a market as they were when they were loaded."""
        rules = self._rules.get(symbol)
        if rules is None:
            known = ", ".join(self._rules)
            raise ConfigError(f"symbol is {symbol!r}: the simulated exchange has no such market; it has {known}.")
        return rules

    async def ready(self, *, signed: bool) -> None:
        """Have the markets and, to sign, the exchange's time; raise if nothing may be asked now."""
        await self._load()
        if signed and self.offset_ms is None:
            await self.time_ms()
        self._refuse_while_silent()

    def _refuse_while_silent(self) -> None:
        if self.engine_ms() < self.blocked_until_ms:
            left_ms = self.blocked_until_ms - self.engine_ms()
            raise RateLimitedError(f"The exchange wants silence for {left_ms} ms more.", self.blocked_until_ms)

    async def ask(self, kind: str, verb: str, run: Callable[[], T], *, signed: bool = False) -> T:
        """Ask something that may be asked twice; once more if the exchange refused it for the clock.

        Raises:
            UnreachableError: no sensible answer came, or (RateLimitedError) the exchange wants silence.
        """
        for _ in range(2):
            if signed:
                await self.ready(signed=True)
            self._refuse_while_silent()
            self.calls[kind] += 1
            signed_ms = self.engine_ms() + (self.offset_ms or 0)

            def answered(signed_ms: int = signed_ms) -> T | Refusal:
                return (self.exchange.untimely(signed_ms) if signed else None) or run()

            try:
                answer = await self.line.ask(verb, answered)
            except LostError as lost:
                raise self.fault_of(lost) from lost
            if not isinstance(answer, Refusal):
                return answer
            self.offset_ms = None
        raise UnreachableError(f"The exchange gave no sensible answer: code {CLOCK}.")

    def fault_of(self, lost: LostError) -> EngineError:
        """Give the fault that it means, without secrets, and fall silent if the exchange wants it."""
        text = self.scrub(str(lost))
        if lost.trouble == "limited":
            self.blocked_until_ms = max(self.blocked_until_ms, self.engine_ms() + lost.silence_ms)
            return RateLimitedError(f"The exchange wants silence: {text}.", self.blocked_until_ms)
        if lost.trouble == "nonsense":
            return UnreachableError(f"The exchange gave no sensible answer: {text}.")
        return UnreachableError(f"The exchange did not answer: {text}.")
