"""One connection to one exchange for all bots that share a key: the only door to ccxt.

Owns the instance of ccxt, its clock, its silence and its streams. A read is asked once (once more if the exchange
refused it for the clock); an order's fate is judged in ccxt_account.py, from the record of the wire. No error text and
no log line of ccxt gets out as it is: they hold addresses with signatures.
Source: design, "Order protocol".
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from engine.core.errors import ConfigError, EngineError, RateLimitedError, UnreachableError
from engine.core.market import TIMEFRAMES_MS, Candle, MarketRules, Tick
from engine.exchanges import wire
from engine.exchanges.addresses import led_to, local_origin
from engine.exchanges.ccxt_hooks import hook, settle
from engine.exchanges.credentials import Credentials
from engine.exchanges.faults import Scrubber, fault_of, is_clock_fault, refuses_key, wants_silence
from engine.exchanges.port import Silence
from engine.exchanges.readings import candle_of, is_time, rules_of, tick_of
from engine.exchanges.streams import Pump, Tap, hang_up, mend_streams
from engine.exchanges.symbols import some_symbol, spot_market
from engine.exchanges.venues import Venue

if TYPE_CHECKING:
    import aiohttp

CANDLES_A_PAGE: Final = 1_000
SETTLING_MS: Final = 1_000
"""A candle is closed this much after its end by the exchange's clock: by then its last trades are in it."""

_SIGNED_MS: Final[ContextVar[int | None]] = ContextVar("krypto_engine_signed_ms", default=None)
Closer = Callable[[], Awaitable[None]]


class CcxtConnection:
    """A ccxt instance and what the exchange says of its markets. Make it inside the loop that it is used in.

    `calls` counts what the exchange was asked, by kind. `blocked_until_ms` is engine time: until then nothing is asked;
    whoever restarts sets it again.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        clock_ms: Callable[[], int],
        credentials: Credentials | None = None,
        calls: Counter[str] | None = None,
        endpoint: str | None = None,
        session_factory: "Callable[[], aiohttp.ClientSession] | None" = None,
        timeout_ms: int = 10_000,
        is_paced: bool = True,
        silence: Silence | None = None,
    ) -> None:
        """Take the exchange, the engine's clock, keys if there are any, and a server of this machine if all goes there.

        `is_paced` off leaves out ccxt's own pauses between requests, for servers that do not mind.

        Raises:
            ConfigError: the endpoint is not on this machine.
        """
        self.venue: Final = venue
        self.credentials: Final = credentials
        self.clock_ms: Final = clock_ms
        self.calls: Final[Counter[str]] = Counter() if calls is None else calls
        self._silence: Final = silence or Silence()
        self.scrub: Final = Scrubber(*(() if credentials is None else _revealed(credentials).values()))
        self.offset_ms: int | None = None
        self.taps: Final[list[Tap]] = []
        self.closers: Final[list[Closer]] = []
        self.is_closed = False
        self._session: Final = None if session_factory is None else session_factory()
        self._tickers: dict[str, Pump[Tick]] = {}
        self._loading: Final = asyncio.Lock()
        origin = None if endpoint is None else local_origin(endpoint)
        settings: dict[str, Any] = {"timeout": timeout_ms, "enableRateLimit": is_paced}
        self.ccxt: Final = _instance(venue, settings, credentials, self._session)
        if origin is not None:
            self.ccxt.urls["api"] = led_to(self.ccxt.urls["api"], origin)
        self._hook()

    @property
    def blocked_until_ms(self) -> int:
        """Give until when nothing is asked, in engine time."""
        return self._silence.until_ms

    @blocked_until_ms.setter
    def blocked_until_ms(self, until_ms: int) -> None:
        self._silence.until_ms = until_ms

    # --- market data -----------------------------------------------------------------------------------------------

    async def rules(self, symbol: str, *, refresh: bool = False) -> MarketRules:
        """Give what the exchange accepts for a symbol, from the loaded markets.

        Raises:
            ConfigError: there is no such spot market, or it does not trade now; names near ones.
        """
        await self.load_markets(refresh=refresh)
        rules = rules_of(spot_market(self.ccxt.markets, symbol, self.venue.id))
        if not rules.active:
            raise ConfigError(
                f"symbol is {symbol!r}: {self.venue.id} does not trade it now; wait until it does, or choose another."
            )
        return rules

    @property
    def timeframes(self) -> frozenset[str]:
        """Give the lengths of candles that the exchange has; none if that is not told."""
        return frozenset(self.ccxt.timeframes or ())

    @property
    def tells_time(self) -> bool:
        """Tell whether the exchange says what time it is; else its clock is taken to be ours."""
        return bool(self.ccxt.has.get("fetchTime"))

    async def time_ms(self) -> int:
        """Ask the exchange for its time, and correct the clock that requests are signed with."""
        if not self.tells_time:
            await self.load_markets()

        async def timed() -> tuple[Any, int]:
            call = self.ccxt.fetch_time() if self.tells_time else self.ccxt.fetch_ticker(some_symbol(self.ccxt.markets))
            told, record = await call, wire.current()
            assert record is not None
            return told if self.tells_time else record.middle_ms, record.middle_ms

        told, middle_ms = await self.ask("fetch_time" if self.tells_time else "fetch_ticker", timed)
        if not is_time(told):
            raise UnreachableError(f"{self.venue.id} gave no time.")
        if self.tells_time:
            told += self.venue.time_step_ms // 2  # what is told in whole seconds is half of one behind on average
        self.offset_ms = told - middle_ms
        return told

    async def ticker(self, symbol: str) -> Tick:
        """Ask for the price."""
        await self.load_markets()
        spot_market(self.ccxt.markets, symbol, self.venue.id)
        row = await self.ask("fetch_ticker", lambda: self.ccxt.fetch_ticker(symbol))
        return tick_of(row, self.exchange_ms())

    async def candles(self, symbol: str, timeframe: str, since_ms: int, until_ms: int) -> list[Candle]:
        """Ask for the candles that open at `since_ms` or later and are closed at `until_ms`, in as many pages.

        Those that are not closed by the exchange's clock are left out, whatever ours says.
        """
        await self.load_markets()
        if self.offset_ms is None:
            await self.time_ms()
        step_ms = TIMEFRAMES_MS[timeframe]
        found: dict[int, Candle] = {}
        from_ms = since_ms
        while from_ms + step_ms <= until_ms:
            limit = min(CANDLES_A_PAGE, (until_ms - from_ms) // step_ms + 1)
            closed_ms = min(until_ms, self.exchange_ms() - SETTLING_MS)  # when it was asked: the answer is as of then
            rows = await self._candle_page(symbol, timeframe, from_ms, limit)
            page = {row[0]: candle_of(row) for row in rows if from_ms <= row[0] <= closed_ms - step_ms}
            if not page:
                break
            found |= page
            from_ms = max(page) + step_ms
        return [found[open_ms] for open_ms in sorted(found)]

    async def next_ticker(self, symbol: str) -> Tick:
        """Wait for the next price of the stream; subscribes, also again after the stream broke."""
        pump = self._tickers.get(symbol)
        if pump is None:
            await self.load_markets()
            spot_market(self.ccxt.markets, symbol, self.venue.id)
            self.refuse_while_silent()
            pump = self._tickers.setdefault(symbol, Pump(lambda: self._watch_ticker(symbol), lambda _, last: last))
        try:
            return await pump.next()
        except Exception as error:  # noqa: BLE001 - a library's streams break in any way
            fault = self.fault_of(error, wire.Record())
        if self._tickers.get(symbol) is pump:
            await self.drop_stream(symbol)
        raise fault

    async def drop_stream(self, symbol: str) -> None:
        """Hang up the price stream of a symbol, so that the next wait subscribes anew."""
        pump = self._tickers.pop(symbol, None)
        if pump is not None:
            pump.fail(ConnectionError("the stream was dropped"))
            await pump.stop()
        await self.hang_up(lambda client: any(_is_ticker_of(key, symbol) for key in client.subscriptions))

    async def close(self) -> None:
        """Hang up and let go of everything; every call fails from now on."""
        if self.is_closed:
            return
        for closer in self.closers:
            await closer()
        self.is_closed = True
        for symbol in list(self._tickers):
            await self.drop_stream(symbol)
        await self.hang_up(lambda _: True)
        await self.ccxt.close()
        if self._session is not None:
            await self._session.close()

    # --- for the account ---------------------------------------------------------------------------------------------

    def exchange_ms(self) -> int:
        """Give the time on the exchange's clock, as far as it was measured."""
        return self.clock_ms() + (self.offset_ms or 0)

    def market(self, symbol: str) -> Mapping[str, Any] | None:
        """Give a loaded market as the library has it."""
        found: Mapping[str, Any] | None = (self.ccxt.markets or {}).get(symbol)
        return found

    async def load_markets(self, *, refresh: bool = False) -> None:
        """Have the markets loaded, once for all who wait; while they are loaded again, those there are serve."""
        if self.ccxt.markets and not refresh:
            return
        async with self._loading:
            if self.ccxt.markets and not refresh:
                return
            known = self.ccxt.markets
            await self.ask("load_markets", lambda: self.ccxt.load_markets(refresh or not known))
            if not self.ccxt.markets:
                self.ccxt.markets = None
                raise UnreachableError(f"{self.venue.id} listed no markets.")

    def refuse_while_silent(self) -> None:
        """Ask nothing while the exchange wants silence. Raises RateLimitedError."""
        if self.is_closed:
            raise UnreachableError(f"The connection to {self.venue.id} is closed.")
        if self.clock_ms() < self.blocked_until_ms:
            raise RateLimitedError(
                f"{self.venue.id} wants silence for {self.blocked_until_ms - self.clock_ms()} ms more.",
                self.blocked_until_ms,
            )

    async def ask(self, kind: str, call: Callable[[], Awaitable[Any]], *, signed: bool = False) -> Any:
        """Ask the exchange something that may be asked twice, and give the answer as the library has it.

        Raises:
            UnreachableError: no sensible answer came, or (RateLimitedError) the exchange wants silence.
            CredentialsError: the exchange refused the key.
        """
        for is_last in (False, True):
            if signed and self.offset_ms is None:
                await self.time_ms()
            self.refuse_while_silent()
            self.calls[kind] += 1
            with wire.recorded() as record:
                try:
                    return await call()
                except EngineError:
                    raise
                except Exception as error:  # noqa: BLE001 - the library fails in any way on nonsense
                    fault = self.fault_of(error, record, signed=signed)
                    is_clock = is_clock_fault(error, self.told_codes(record))
            if is_clock:
                self.offset_ms = None
            if is_last or not (signed and is_clock):
                break
        raise fault

    def fault_of(self, error: BaseException, record: wire.Record, *, signed: bool = False) -> EngineError:
        """Give the fault that an error of the library means, and fall silent if the exchange wants it."""
        if isinstance(error, EngineError):
            return error
        is_key = signed and refuses_key(error, record.last, self.told_codes(record))
        if wants_silence(error) and not is_key and self.clock_ms() >= self.blocked_until_ms:
            self.blocked_until_ms = self.clock_ms() + wire.DEFAULT_SILENCE_MS
        until_ms = self.blocked_until_ms if self.clock_ms() < self.blocked_until_ms else 0
        exchange = self.venue.id
        return fault_of(error, record, self.scrub, exchange=exchange, silent_until_ms=until_ms, is_key=is_key)

    def told_codes(self, record: wire.Record) -> list[str]:
        """Give the exchange's own codes in the last answer."""
        return [] if record.last is None else self.venue.told_codes(record.last.body)

    async def hang_up(self, chosen: Callable[[Any], bool]) -> None:
        """Close the websockets that are chosen, also those whose other end says nothing any more."""
        await hang_up(self.ccxt.clients or {}, chosen)

    @contextmanager
    def signing_at(self, exchange_ms: int) -> Iterator[None]:
        """Sign with a given time within, where the library takes it from its clock and not from a parameter."""
        is_by_clock = self.venue.clock != "params"
        token = _SIGNED_MS.set(exchange_ms if is_by_clock else None)
        try:
            yield
        finally:
            _SIGNED_MS.reset(token)

    # --- inside ------------------------------------------------------------------------------------------------------

    async def _candle_page(self, symbol: str, timeframe: str, from_ms: int, limit: int) -> list[Any]:
        rows = await self.ask("fetch_ohlcv", lambda: self.ccxt.fetch_ohlcv(symbol, timeframe, from_ms, limit))
        if not isinstance(rows, list) or not all(isinstance(row, list) and row and is_time(row[0]) for row in rows):
            raise UnreachableError(f"{self.venue.id} gave no candles.")
        return rows

    async def _watch_ticker(self, symbol: str) -> Tick | None:
        params = {"name": "ticker"} if self.venue.id.startswith("binance") else {}
        return tick_of(await self.ccxt.watch_ticker(symbol, params), self.exchange_ms())

    def _signing_ms(self) -> int:
        fixed = _SIGNED_MS.get()
        return self.exchange_ms() if fixed is None else fixed

    def _hook(self) -> None:
        hook(self.ccxt, self.venue.id, self.clock_ms, self._signing_ms, self._answered, self.scrub)
        mend_streams(self.ccxt, self.taps)

    def _answered(self, answer: wire.Answer) -> None:
        """Fall silent if an answer asks for it."""
        silence_ms = answer.silence_ms(self.exchange_ms())
        if silence_ms is not None:
            self.blocked_until_ms = max(self.blocked_until_ms, self.clock_ms() + silence_ms)


def _instance(
    venue: Venue, settings: dict[str, Any], credentials: Credentials | None, session: "aiohttp.ClientSession | None"
) -> Any:
    import ccxt.pro  # type: ignore[import-untyped]  # here, because it takes a second and a half
    from ccxt.base.precise import Precise  # type: ignore[import-untyped]

    keys = {} if credentials is None else _revealed(credentials)
    with_session = {} if session is None else {"session": session}
    exchange = getattr(ccxt.pro, venue.id)({**venue.config(), **settings, **keys, **with_session})
    settle(exchange, Precise)
    return exchange


def _revealed(credentials: Credentials) -> dict[str, str]:
    keys = {"apiKey": credentials.api_key.reveal(), "secret": credentials.secret.reveal()}
    return keys if credentials.passphrase is None else {**keys, "password": credentials.passphrase.reveal()}


def _is_ticker_of(subscription: str, symbol: str) -> bool:
    return subscription.startswith("ticker") and subscription.endswith(f"@{symbol}")
