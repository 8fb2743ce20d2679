"""One life's connection to the simulated exchange: market data and account of the port, as the real ones answer.

Owns the judgement of what came back, after the manner of `engine.exchanges.ccxt_account`: only a request that never
left is "not sent", only the exchange's own words are a refusal, all the rest is unknown.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Final

from msgspec.structs import replace

from engine.core.errors import EngineError
from engine.core.events import Balance
from engine.core.state import Order
from engine.exchanges.credentials import Credentials
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
    PlacedOrder,
    Rejected,
    Unknown,
)
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.line import LostError
from engine.testing.simulation.exchange.market_client import MarketClient
from engine.testing.simulation.exchange.orders import CLOCK, DUPLICATE, Placed, Refusal, Wish
from engine.testing.simulation.exchange.streams import HintStream
from engine.testing.simulation.life import Life

LINGER_S: Final = 1.0


class ExchangeClient(MarketClient):
    """What one life of the engine has of the exchange: the markets and the account."""

    def __init__(
        self, exchange: SimulatedExchange, life: Life, engine_now_ms: Callable[[], int], credentials: Credentials
    ) -> None:
        """Take the exchange, the life, the engine's clock, and the keys of the account."""
        super().__init__(exchange, life, engine_now_ms, credentials)
        self._creating: Final[set[asyncio.Future[Outcome]]] = set()
        self._hints: Final = HintStream(exchange, life)

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a signed order, in milliseconds."""
        return self.exchange.terms.valid_ms

    @property
    def grace_ms(self) -> int:
        """Give how much longer than its window an accepted order may stay invisible, in milliseconds."""
        return self.exchange.terms.grace_ms

    async def identify(self) -> AccountIdentity:
        """Say whose key it is and what it may do."""
        identity = AccountIdentity("simulated", "account", may_trade=True, may_withdraw=False)
        return await self.ask("fetch_balance", "identify", lambda: identity, signed=True)

    async def create(self, symbol: str, order: Order) -> Outcome:
        """Place the order once, signed with its `sent_ms`; cancelled, it leaves the request alone."""
        creating = asyncio.ensure_future(self._create(symbol, order))
        self._creating.add(creating)
        creating.add_done_callback(self._creating.discard)
        return await asyncio.shield(creating)

    async def query(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id, with its trades."""
        try:
            found = await self.ask("fetch_order", "query", lambda: self.shows.order(order.client_order_id), signed=True)
            if found is None:
                return None
        except EngineError as error:
            return Unknown(str(error))
        placed, standing = found
        report = OrderReport(order.client_order_id, placed.exchange_order_id, standing.status, standing.filled)
        if standing.filled <= order.filled:
            return report
        try:
            return replace(report, fills=await self._fills_of(symbol, placed))
        except EngineError as error:
            return replace(report, missing=str(error))

    async def cancel(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Ask for cancellation and look how the order stands then; what the cancellation answered proves nothing."""
        try:
            if await self._cancelled(order.client_order_id) == CLOCK:
                await self._cancelled(order.client_order_id)
        except EngineError:
            pass
        return await self.query(symbol, order)

    async def _cancelled(self, name: str) -> str | None:
        """Send a cancellation; give the code if it was refused."""
        await self.ready(signed=True)
        signed_ms = self.engine_ms() + (self.offset_ms or 0)
        self.calls["cancel_order"] += 1
        try:
            refusal = await self.line.send("cancel", lambda: self.exchange.cancel(name, signed_ms), name)
        except LostError as lost:
            raise self.fault_of(lost) from lost
        if refusal is None:
            return None
        self.offset_ms = None if refusal.code == CLOCK else self.offset_ms
        return refusal.code

    async def balances(self, assets: Collection[str] | None = None) -> dict[str, Balance]:
        """Say what the account holds, by asset."""
        del assets  # the numbers always make sense here
        return await self.ask("fetch_balance", "balances", self.shows.balances, signed=True)

    async def open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """List all open orders of the account in a market."""
        rows = await self.ask("fetch_open_orders", "open_orders", lambda: self.shows.open_orders(symbol), signed=True)
        self.exchange.looked.add((self.life.number, symbol))
        return rows

    async def trades(self, symbol: str, since_ms: int) -> tuple[OwnTrade, ...]:
        """List the account's trades in a market since a time, oldest first."""
        await self.ready(signed=True)
        ahead_ms = self.offset_ms or 0

        def shown() -> tuple[OwnTrade, ...]:
            told_ms = self.exchange.skew_ms - ahead_ms
            found = self.shows.trades(symbol, since_ms - told_ms)
            return tuple(
                OwnTrade(each.exchange_order_id, each.trade_id, each.at_ms + told_ms, {"trade": each}) for each in found
            )

        return await self.ask("fetch_my_trades", "trades", shown, signed=True)

    async def fills(self, symbol: str, trades: Sequence[OwnTrade]) -> tuple[Fill, ...]:
        """Read some of the trades that were listed, with their fees valued."""
        return tuple(self.shows.fill(symbol, trade.row["trade"]) for trade in trades)

    async def client_order_id_of(self, symbol: str, exchange_order_id: str) -> str | None:
        """Give the client order id that an order was placed with, None if it is not to be seen."""
        del symbol
        found = await self.ask("fetch_order", "whose", lambda: self.shows.order_by_id(exchange_order_id), signed=True)
        return None if found is None else found[0].wish.client_order_id

    async def placed_order(self, symbol: str, exchange_order_id: str) -> PlacedOrder | None:
        """Say what an order was placed as, None if it is not to be seen."""
        del symbol
        found = await self.ask("fetch_order", "whose", lambda: self.shows.order_by_id(exchange_order_id), signed=True)
        if found is None:
            return None
        order, wish = found[0], found[0].wish
        return PlacedOrder(
            exchange_order_id,
            wish.client_order_id,
            side=wish.side,
            kind=wish.kind,
            quantity=wish.quantity,
            limit_price=wish.price,
            placed_ms=order.at_ms + self.exchange.skew_ms - (self.offset_ms or 0),
        )

    async def next_hint(self, symbol: str) -> AccountHint:
        """Wait for the account's stream to say that something happened; subscribes, also again after it broke."""
        if not self._hints.is_open:
            await self.ready(signed=True)
            await self.ask("listen", "listen", lambda: None, signed=True)
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
        self.hang_up()

    # --- placing -----------------------------------------------------------------------------------------------------

    async def _create(self, symbol: str, order: Order) -> Outcome:
        try:
            await self.ready(signed=True)
        except EngineError as error:
            return NotSent(str(error))
        assert order.sent_ms is not None, "an order is sent after its sending is recorded"
        assert self.offset_ms is not None, "the exchange's clock is measured first"
        wish = Wish(
            client_order_id=order.client_order_id,
            symbol=symbol,
            side=order.side,
            kind=order.kind,
            quantity=order.quantity,
            price=order.limit_price,
            signed_ms=order.sent_ms + self.offset_ms,
            life=self.life.number,
        )
        self.calls["create_order"] += 1
        self.exchange.signed[order.client_order_id] = order.sent_ms
        try:
            answer = await self.line.send("create", lambda: self._placed(wish), wish.client_order_id)
        except LostError as lost:
            return self._failed(lost)
        if isinstance(answer, Refusal):
            if answer.code == CLOCK:
                self.offset_ms = None
            if answer.reason.startswith(DUPLICATE.reason):  # the order behind it may be live
                return Unknown(self.scrub(f"InvalidOrder: HTTP 400, code {answer.code} ({answer.reason})"))
            return Rejected(answer.code, self.scrub(answer.reason))
        return answer

    def _placed(self, wish: Wish) -> Accepted | Refusal:
        """Place an order and write the answer, as it is when it leaves the exchange."""
        placed = self.exchange.place(wish)
        if isinstance(placed, Refusal):
            return placed
        return Accepted(placed.exchange_order_id, *self._told_at_once(placed))

    def _told_at_once(self, placed: Placed) -> tuple[tuple[Fill, ...], bool]:
        """Give the trades that the answer to an order names, and whether they are all there is to say."""
        name = placed.wish.client_order_id
        if placed.trades and self.exchange.befalls("bare_answer", "create/bare_answer", client_order_id=name):
            return (), False
        fills = tuple(self.shows.fill(placed.wish.symbol, trade) for trade in placed.trades)
        return fills, placed.status in {"open", "filled"}

    def _failed(self, lost: LostError) -> Outcome:
        fault = self.fault_of(lost)
        match lost.trouble:
            case "not_sent":
                return NotSent(self.scrub(str(lost)))
            case "limited":
                return Rejected("-1003", "Too many requests.")
            case _:
                return Unknown(str(fault))

    async def _fills_of(self, symbol: str, placed: Placed) -> tuple[Fill, ...]:
        trades = await self.ask(
            "fetch_my_trades", "order_trades", lambda: self.shows.trades_of(placed.exchange_order_id), signed=True
        )
        return tuple(self.shows.fill(symbol, trade) for trade in trades)
