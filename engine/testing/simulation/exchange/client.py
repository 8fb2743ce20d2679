"""One life's connection to the simulated exchange: market data and account of the port, as the real ones answer.

Owns the judgement of what came back, after the manner of `engine.exchanges.ccxt_account`: only a request that never
left is "not sent", only the exchange's own words are a refusal, all the rest is unknown.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

from engine.core.errors import ConfigError, EngineError, RateLimitedError, UnreachableError
from engine.core.events import Balance
from engine.core.market import TIMEFRAMES_MS, Candle, MarketRules, Tick
from engine.core.state import Order
from engine.exchanges.port import (
    Accepted,
    AccountHint,
    AccountIdentity,
    Fill,
    NotSent,
    OpenOrder,
    OrderReport,
    Outcome,
    OwnTrade,
    Rejected,
    Unknown,
)
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.line import Line, LostError
from engine.testing.simulation.exchange.orders import Placed, Refusal, Wish
from engine.testing.simulation.exchange.shows import Shows
from engine.testing.simulation.exchange.streams import HintStream, PriceStream
from engine.testing.simulation.life import Life

T = TypeVar("T")

CANDLES_A_PAGE: Final = 1_000
LINGER_S: Final = 1.0
_CLOCK: Final = "-1021"


class ExchangeClient:
    """What one life of the engine has of the exchange. `calls` counts what was asked, by kind."""

    def __init__(self, exchange: SimulatedExchange, life: Life, engine_now_ms: Callable[[], int]) -> None:
        """Take the exchange, the life, and the engine's clock."""
        self.calls: Final[Counter[str]] = Counter()
        self.blocked_until_ms = 0
        self._exchange: Final = exchange
        self._shows: Final = Shows(exchange)
        self._line: Final = Line(exchange, life)
        self._engine_ms: Final = engine_now_ms
        self._offset_ms: int | None = None
        self._has_markets = False
        self._creating: Final[set[asyncio.Future[Outcome]]] = set()
        self._hints: Final = HintStream(exchange, life)
        self._prices: Final[dict[str, PriceStream]] = {}
        self._life: Final = life

    # --- market data -------------------------------------------------------------------------------------------------

    @property
    def timeframes(self) -> frozenset[str]:
        """Give the lengths of candles that the exchange has."""
        return frozenset(TIMEFRAMES_MS)

    async def rules(self, symbol: str, *, refresh: bool = False) -> MarketRules:
        """Give what the exchange accepts for a symbol. Raises ConfigError if it has no such market."""
        await self._load(refresh=refresh)
        return self._rules(symbol)

    async def time_ms(self) -> int:
        """Ask for the time, and correct the clock that requests are signed with."""
        asked_ms = self._engine_ms()
        told_ms = await self._ask("fetch_time", "time", lambda: self._exchange.clock_ms)
        self._offset_ms = told_ms - (asked_ms + self._engine_ms()) // 2
        return told_ms

    async def ticker(self, symbol: str) -> Tick:
        """Ask for the price."""
        await self._load()
        self._rules(symbol)
        exchange, market = self._exchange, self._exchange.markets[symbol]
        return await self._ask("fetch_ticker", "ticker", lambda: market.tick(exchange.at_ms, exchange.clock_ms))

    async def candles(self, symbol: str, timeframe: str, since_ms: int, until_ms: int) -> list[Candle]:
        """Ask for closed candles, in as many pages as it takes."""
        await self._load()
        self._rules(symbol)
        if self._offset_ms is None:
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
        return await self._ask(
            "fetch_ohlcv", "candles", lambda: self._shows.candles(symbol, step_ms, from_ms, until_ms)
        )

    async def next_ticker(self, symbol: str) -> Tick:
        """Wait for the next price of the stream; subscribes, also again after the stream broke."""
        stream = self._prices.get(symbol)
        if stream is None:
            await self._load()
            self._rules(symbol)
            self._refuse_while_silent()
            stream = self._prices[symbol] = PriceStream(self._exchange, self._life, symbol)
        try:
            return await stream.next()
        except UnreachableError:
            if self._prices.get(symbol) is stream:
                del self._prices[symbol]
            raise

    async def drop_stream(self, symbol: str) -> None:
        """Hang up the price stream of a symbol."""
        self._prices.pop(symbol, None)

    # --- the account -------------------------------------------------------------------------------------------------

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a signed order, in milliseconds."""
        return self._exchange.terms.valid_ms

    @property
    def grace_ms(self) -> int:
        """Give how much longer than its window an accepted order may stay invisible, in milliseconds."""
        return self._exchange.terms.grace_ms

    async def identify(self) -> AccountIdentity:
        """Say whose key it is and what it may do."""
        identity = AccountIdentity("simulated", "account", may_trade=True, may_withdraw=False)
        return await self._ask("fetch_balance", "identify", lambda: identity, signed=True)

    async def create(self, symbol: str, order: Order) -> Outcome:
        """Place the order once, signed with its `sent_ms`; cancelled, it leaves the request alone."""
        creating = asyncio.ensure_future(self._create(symbol, order))
        self._creating.add(creating)
        creating.add_done_callback(self._creating.discard)
        return await asyncio.shield(creating)

    async def query(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id, with its trades."""
        try:
            found = await self._ask(
                "fetch_order", "query", lambda: self._shows.order(order.client_order_id), signed=True
            )
            if found is None:
                return None
            placed, standing = found
            fills: tuple[Fill, ...] = ()
            if standing.filled > order.filled:
                fills = await self._fills_of(symbol, placed)
        except EngineError as error:
            return Unknown(str(error))
        name = order.client_order_id
        return OrderReport(name, placed.exchange_order_id, standing.status, standing.filled, fills)

    async def cancel(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Ask for cancellation and look how the order stands then; what the cancellation answered proves nothing."""
        exchange, name = self._exchange, order.client_order_id
        try:
            await self._ready(signed=True)
            signed_ms = self._engine_ms() + (self._offset_ms or 0)
            self.calls["cancel_order"] += 1
            refusal = await self._line.send("cancel", lambda: exchange.cancel(name, signed_ms), name)
            if refusal is not None and refusal.code == _CLOCK:
                self._offset_ms = None
        except EngineError:
            pass
        except LostError as lost:
            self._fault_of(lost)
        return await self.query(symbol, order)

    async def balances(self, assets: Collection[str] | None = None) -> dict[str, Balance]:
        """Say what the account holds, by asset."""
        del assets  # the numbers always make sense here
        return await self._ask("fetch_balance", "balances", self._shows.balances, signed=True)

    async def open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """List all open orders of the account in a market."""
        return await self._ask("fetch_open_orders", "open_orders", lambda: self._shows.open_orders(symbol), signed=True)

    async def trades(self, symbol: str, since_ms: int) -> tuple[OwnTrade, ...]:
        """List the account's trades in a market since a time, oldest first."""
        await self._ready(signed=True)
        ahead_ms = self._offset_ms or 0

        def shown() -> tuple[OwnTrade, ...]:
            told_ms = self._exchange.skew_ms - ahead_ms
            found = self._shows.trades(symbol, since_ms - told_ms)
            return tuple(
                OwnTrade(each.exchange_order_id, each.trade_id, each.at_ms + told_ms, {"trade": each}) for each in found
            )

        return await self._ask("fetch_my_trades", "trades", shown, signed=True)

    async def fills(self, symbol: str, trades: Sequence[OwnTrade]) -> tuple[Fill, ...]:
        """Read some of the trades that were listed, with their fees valued."""
        return tuple(self._shows.fill(symbol, trade.row["trade"]) for trade in trades)

    async def client_order_id_of(self, symbol: str, exchange_order_id: str) -> str | None:
        """Give the client order id that an order was placed with, None if it is not to be seen."""
        del symbol
        found = await self._ask("fetch_order", "whose", lambda: self._shows.order_by_id(exchange_order_id), signed=True)
        return None if found is None else found[0].wish.client_order_id

    async def next_hint(self, symbol: str) -> AccountHint:
        """Wait for the account's stream to say that something happened; subscribes, also again after it broke."""
        if not self._hints.is_open:
            await self._ready(signed=True)
            await self._ask("listen", "listen", lambda: None, signed=True)
        return await self._hints.next(symbol)

    async def close(self) -> None:
        """Give orders under way a moment to be answered, then let go of everything."""
        creating = list(self._creating)
        if creating:
            await asyncio.wait(creating, timeout=LINGER_S)
            for one in creating:
                one.cancel()
            await asyncio.wait(creating)
        self._hints.close()
        self._prices.clear()

    # --- placing -----------------------------------------------------------------------------------------------------

    async def _create(self, symbol: str, order: Order) -> Outcome:
        try:
            await self._ready(signed=True)
        except EngineError as error:
            return NotSent(str(error))
        assert order.sent_ms is not None, "an order is sent after its sending is recorded"
        assert self._offset_ms is not None, "the exchange's clock is measured first"
        wish = Wish(
            client_order_id=order.client_order_id,
            symbol=symbol,
            side=order.side,
            kind=order.kind,
            quantity=order.quantity,
            price=order.limit_price,
            signed_ms=order.sent_ms + self._offset_ms,
            life=self._life.number,
        )
        self.calls["create_order"] += 1
        try:
            answer = await self._line.send("create", lambda: self._placed(wish), wish.client_order_id)
        except LostError as lost:
            return self._failed(lost)
        if isinstance(answer, Refusal):
            if answer.code == _CLOCK:
                self._offset_ms = None
            if "Duplicate" in answer.reason:  # the order behind it may be live
                return Unknown(f"InvalidOrder: HTTP 400, code {answer.code} ({answer.reason})")
            return Rejected(answer.code, answer.reason)
        return answer

    def _placed(self, wish: Wish) -> Accepted | Refusal:
        """Place an order and write the answer, as it is when it leaves the exchange."""
        placed = self._exchange.place(wish)
        if isinstance(placed, Refusal):
            return placed
        return Accepted(placed.exchange_order_id, *self._told_at_once(placed))

    def _told_at_once(self, placed: Placed) -> tuple[tuple[Fill, ...], bool]:
        """Give the trades that the answer to an order names, and whether they are all there is to say."""
        name = placed.wish.client_order_id
        if placed.trades and self._exchange.befalls("bare_answer", "create/bare_answer", client_order_id=name):
            return (), False
        fills = tuple(self._shows.fill(placed.wish.symbol, trade) for trade in placed.trades)
        return fills, placed.status in {"open", "filled"}

    def _failed(self, lost: LostError) -> Outcome:
        fault = self._fault_of(lost)
        match lost.trouble:
            case "not_sent":
                return NotSent(str(lost))
            case "limited":
                return Rejected("-1003", "Too many requests.")
            case _:
                return Unknown(str(fault))

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _fills_of(self, symbol: str, placed: Placed) -> tuple[Fill, ...]:
        trades = await self._ask(
            "fetch_my_trades", "order_trades", lambda: self._shows.trades_of(placed.exchange_order_id), signed=True
        )
        return tuple(self._shows.fill(symbol, trade) for trade in trades)

    async def _load(self, *, refresh: bool = False) -> None:
        if not self._has_markets or refresh:
            await self._ask("load_markets", "markets", lambda: None)
            self._has_markets = True

    def _rules(self, symbol: str) -> MarketRules:
        market = self._exchange.markets.get(symbol)
        if market is None:
            known = ", ".join(self._exchange.markets)
            raise ConfigError(f"symbol is {symbol!r}: the simulated exchange has no such market; it has {known}.")
        return market.rules

    async def _ready(self, *, signed: bool) -> None:
        """Have the markets and, to sign, the exchange's time; raise if nothing may be asked now."""
        await self._load()
        if signed and self._offset_ms is None:
            await self.time_ms()
        self._refuse_while_silent()

    def _refuse_while_silent(self) -> None:
        if self._engine_ms() < self.blocked_until_ms:
            left_ms = self.blocked_until_ms - self._engine_ms()
            raise RateLimitedError(f"The exchange wants silence for {left_ms} ms more.", self.blocked_until_ms)

    async def _ask(self, kind: str, verb: str, run: Callable[[], T], *, signed: bool = False) -> T:
        """Ask something that may be asked twice; once more if the exchange refused it for the clock.

        Raises:
            UnreachableError: no sensible answer came, or (RateLimitedError) the exchange wants silence.
        """
        for _ in range(2):
            if signed:
                await self._ready(signed=True)
            self._refuse_while_silent()
            self.calls[kind] += 1
            signed_ms = self._engine_ms() + (self._offset_ms or 0)

            def answered(signed_ms: int = signed_ms) -> T | Refusal:
                return (self._exchange.untimely(signed_ms) if signed else None) or run()

            try:
                answer = await self._line.ask(verb, answered)
            except LostError as lost:
                raise self._fault_of(lost) from lost
            if not isinstance(answer, Refusal):
                return answer
            self._offset_ms = None
        raise UnreachableError(f"The exchange gave no sensible answer: code {_CLOCK}.")

    def _fault_of(self, lost: LostError) -> EngineError:
        """Give the fault that it means, and fall silent if the exchange wants it."""
        if lost.trouble == "limited":
            self.blocked_until_ms = max(self.blocked_until_ms, self._engine_ms() + lost.silence_ms)
            return RateLimitedError(f"The exchange wants silence: {lost}.", self.blocked_until_ms)
        if lost.trouble == "nonsense":
            return UnreachableError(f"The exchange gave no sensible answer: {lost}.")
        return UnreachableError(f"The exchange did not answer: {lost}.")
