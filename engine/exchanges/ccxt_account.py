"""One account at one exchange, over a connection: orders, their fate, trades, balances.

Owns the judgement of what happened to an order. Only a request that never left is "not sent", only the exchange's own
words are a refusal, only an id is an acceptance; all the rest is unknown and is looked up. Never imports ccxt.
Source: design, "Order protocol".
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from engine.core.errors import ConfigError, EngineError, UnreachableError
from engine.core.events import Balance
from engine.core.state import Order
from engine.exchanges import wire
from engine.exchanges.ccxt_gateway import CcxtConnection
from engine.exchanges.faults import OrderAbsentError, described, is_clock_fault
from engine.exchanges.fees import Fees
from engine.exchanges.hints import HintStream
from engine.exchanges.key_owner import identity_of
from engine.exchanges.order_rows import open_order_of, placed_order_of
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
    Unknown,
)
from engine.exchanges.readings import (
    RawOrder,
    RawTrade,
    balances_of,
    id_of,
    is_multiple,
    order_of,
    text_of,
    time_of,
    total,
    trade_of,
)
from engine.exchanges.trade_pages import all_trades
from engine.exchanges.venues import Call, Pages

LOOK_BACK_MS: Final = 300_000
MOST_LISTED: Final = 32_768
"""What the ids of all open orders of a market may have in characters: the log keeps them in one event."""
LINGER_S: Final = 1.0


class CcxtAccount:
    """The account that a connection's key belongs to; closes with its connection."""

    def __init__(self, connection: CcxtConnection) -> None:
        """Take a connection that has credentials."""
        assert connection.credentials is not None, "an account needs a key"
        self._connection: Final = connection
        self._ccxt: Final = connection.ccxt
        self._venue: Final = connection.venue
        self._fees: Final = Fees(connection)
        self._hints: Final = HintStream(connection)
        self._creating: Final[set[asyncio.Future[Outcome]]] = set()
        connection.closers.append(self.close)

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a signed order, in milliseconds."""
        return self._venue.valid_ms

    @property
    def grace_ms(self) -> int:
        """Give how much longer than its window an accepted order may stay invisible, in milliseconds."""
        return self._venue.grace_ms

    async def identify(self) -> AccountIdentity:
        """Say whose key it is and what it may do."""
        row = await self._ask("fetch_balance", self._ccxt.fetch_balance)
        rights = None
        if self._venue.id == "binance":
            rights = await self._ask("fetch_rights", self._ccxt.sapiGetAccountApiRestrictions)
        assert self._connection.credentials is not None
        return identity_of(self._venue.id, row, rights, self._connection.credentials.api_key)

    async def create(self, symbol: str, order: Order) -> Outcome:
        """Place the order once, signed with its `sent_ms`; never raises an operating fault, never retries.

        Cancelled, it leaves the request alone and tells nothing: the caller's log then holds a sent order without an
        outcome, which is unknown.
        """
        creating = asyncio.ensure_future(self._create(symbol, order))
        self._creating.add(creating)
        creating.add_done_callback(self._creating.discard)
        return await asyncio.shield(creating)

    async def query(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id, with its trades; None if the exchange does not know it."""
        try:
            found = await self._look_up(symbol, order)
            return None if found is None else await self._report(symbol, order, found)
        except EngineError as error:
            return Unknown(str(error))

    async def cancel(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        """Ask for cancellation and look how the order stands then; what the cancellation answered proves nothing."""
        with suppress(EngineError):
            order_id = order.exchange_order_id
            if order_id is None and self._venue.cancels_by_exchange_id:
                found = await self._look_up(symbol, order)
                if found is None:
                    return None
                order_id = found.order_id
            await self._made(self._venue.cancel(symbol, order.client_order_id, order_id))
        return await self.query(symbol, order)

    async def balances(self, assets: Collection[str] | None = None) -> dict[str, Balance]:
        """Say what the account holds, by asset; what makes no sense raises only if it is among `assets` (None: all)."""
        return balances_of(await self._ask("fetch_balance", self._ccxt.fetch_balance), assets)

    async def open_orders(self, symbol: str) -> tuple[OpenOrder, ...]:
        """List all open orders of the account in a market."""
        rows = await self._rows("fetch_open_orders", symbol)
        orders = [open_order_of(row, self._venue.own_id(text_of(row, "clientOrderId"))) for row in rows]
        listed = {order.exchange_order_id: order for order in orders}
        if sum(map(len, listed)) > MOST_LISTED:
            raise UnreachableError(f"{self._venue.id} lists {len(listed)} open orders, more than can be kept.")
        return tuple(listed.values())

    async def trades(self, symbol: str, since_ms: int) -> tuple[OwnTrade, ...]:
        """List the account's trades in a market since a time, oldest first. Those of no order are left out."""
        own, offset_ms = [], self._connection.offset_ms or 0
        for row in await self._trade_rows(symbol, max(since_ms + offset_ms, 0), None):
            order_id, told_ms = text_of(row, "order"), time_of(row)
            at_ms = since_ms if told_ms is None else told_ms - offset_ms
            if order_id is not None and at_ms >= since_ms:
                own.append(OwnTrade(order_id, id_of(row, "a trade"), at_ms, row))
        return tuple(own)

    async def fills(self, symbol: str, trades: Sequence[OwnTrade]) -> tuple[Fill, ...]:
        """Read some of the trades that were listed, with their fees valued."""
        return await self._valued(symbol, [trade.row for trade in trades])

    async def client_order_id_of(self, symbol: str, exchange_order_id: str) -> str | None:
        """Give the client order id that an order of the account was placed with, None if it has none or is gone."""
        row = await self._order_row(symbol, exchange_order_id)
        return None if row is None else self._venue.own_id(text_of(row, "clientOrderId"))

    async def placed_order(self, symbol: str, exchange_order_id: str) -> PlacedOrder | None:
        """Say what an order of the account was placed as, None if it is gone."""
        row = await self._order_row(symbol, exchange_order_id)
        if row is None:
            return None
        return placed_order_of(row, self._venue.own_id(text_of(row, "clientOrderId")), self._connection.offset_ms or 0)

    async def next_hint(self, symbol: str) -> AccountHint:
        """Wait for the account's stream to say that something happened; subscribes, also again after it broke."""
        return await self._hints.next(symbol)

    async def close(self) -> None:
        """Give orders under way a moment to be answered, then let go."""
        creating = list(self._creating)
        if creating:
            await asyncio.wait(creating, timeout=LINGER_S)
            for one in creating:
                one.cancel()
            await asyncio.wait(creating)
        await self._hints.close()

    # --- placing -----------------------------------------------------------------------------------------------------

    async def _create(self, symbol: str, order: Order) -> Outcome:
        try:
            arguments = await self._arguments(symbol, order)
        except EngineError as error:
            return NotSent(str(error))
        except asyncio.CancelledError:
            return NotSent("The connection was closed.")
        connection, row = self._connection, None
        failure: BaseException | None = None
        assert not self._ccxt.options.get("maxRetriesOnFailure"), "an order is never sent twice"
        connection.calls["create_order"] += 1
        with wire.recorded() as record, connection.signing_at(self._signed_ms(order)):
            try:
                row = await self._ccxt.create_order(*arguments)
            except asyncio.CancelledError as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - whatever happened, the order may have been placed
                failure = error
        if failure is None:
            return await self._accepted(symbol, order, row, record)
        return self._failed(failure, record)

    async def _arguments(self, symbol: str, order: Order) -> tuple[Any, ...]:
        """Give what is sent, or raise why nothing can be: after this nothing but the order leaves."""
        connection = self._connection
        await connection.load_markets()
        if connection.offset_ms is None:
            await connection.time_ms()
        connection.refuse_while_silent()
        if order.kind == "market" and order.side == "buy" and not self._venue.market_buy_by_base:
            raise ConfigError(f"{self._venue.id} cannot buy a quantity by a market order; use limit orders.")
        precision = (connection.market(symbol) or {}).get("precision") or {}
        price, quantity = order.limit_price, order.quantity
        if not is_multiple(quantity, precision.get("amount")):  # the library would cut them off silently
            raise ConfigError(f"{quantity} is no multiple of the quantity step of {symbol}.")
        if price is not None and not is_multiple(price, precision.get("price")):
            raise ConfigError(f"{price} is no multiple of the price tick of {symbol}.")
        params = self._venue.create_params(order.client_order_id, self._signed_ms(order))
        limit = None if price is None else f"{price:f}"
        return symbol, order.kind, order.side, f"{quantity:f}", limit, dict(params)

    def _signed_ms(self, order: Order) -> int:
        """Give when an order is signed, on the exchange's clock: when it was sent by ours, however late it leaves."""
        assert order.sent_ms is not None, "an order is sent after its sending is recorded"
        assert self._connection.offset_ms is not None, "the exchange's clock is measured first"
        return order.sent_ms + self._connection.offset_ms

    def _failed(self, error: BaseException, record: wire.Record) -> Outcome:
        connection, answer = self._connection, record.last
        connection.fault_of(error, record, signed=True)  # falls silent if the exchange wants it
        text = described(error, record, connection.scrub)
        if is_clock_fault(error, connection.told_codes(record)):
            connection.offset_ms = None
        if record.is_empty and not isinstance(error, asyncio.CancelledError):
            return NotSent(text)
        refusal = None if answer is None or record.writes != 1 else self._venue.refusal(answer.status, answer.body)
        if refusal is None:
            return Unknown(text)
        return msgspec.structs.replace(refusal, reason=connection.scrub(refusal.reason))

    async def _accepted(self, symbol: str, order: Order, row: Any, record: wire.Record) -> Outcome:
        try:
            order_id = id_of(row, "a new order") if isinstance(row, Mapping) else None
            own_id = self._venue.own_id(text_of(row, "clientOrderId")) if order_id is not None else None
        except UnreachableError as error:
            return self._failed(error, record)
        if order_id is None or own_id not in {None, order.client_order_id}:
            return self._failed(UnreachableError("The answer is about another order, or none."), record)
        try:
            found = order_of(row, order.quantity)
            trades = _whole([trade_of(one) for one in row.get("trades") or ()])
            if total(trades) != found.filled:
                return Accepted(order_id, is_whole=False)
            fills = [await self._fees.fill(symbol, trade) for trade in trades]
        except (EngineError, asyncio.CancelledError):
            return Accepted(order_id, is_whole=False)
        return Accepted(order_id, tuple(fills), is_whole=found.status in {"open", "filled"})

    # --- looking up --------------------------------------------------------------------------------------------------

    async def _look_up(self, symbol: str, order: Order) -> RawOrder | None:
        """Find the order by the exchange's ways in turn. Raises if one of them fails: that proves nothing."""
        since_ms = (order.sent_ms or order.requested_ms) + (self._connection.offset_ms or 0)
        own_id, order_id = order.client_order_id, order.exchange_order_id
        for call in self._venue.look_ups(symbol, own_id, order_id, since_ms):
            try:
                answer = await self._made(call)
            except OrderAbsentError:
                continue
            rows = _rows_of(answer if call.lists else [answer])
            for row in rows:
                reported = self._venue.own_id(text_of(row, "clientOrderId"))
                if reported == own_id or (order_id is not None and str(row.get("id")) == order_id):
                    return order_of(row, order.quantity)
            if not call.lists:
                raise UnreachableError(f"{self._venue.id} answered with another order than {own_id}.")
            full = getattr(call, "full", None)
            if full is not None and len(rows) >= full:
                raise UnreachableError(f"{self._venue.id} has more orders than it lists at once.")
        return None

    async def _order_row(self, symbol: str, exchange_order_id: str) -> Mapping[str, Any] | None:
        """Ask for an order by the exchange's id; None if it is gone."""
        try:
            row: Mapping[str, Any] = await self._ask(
                "fetch_order", lambda: self._ccxt.fetch_order(exchange_order_id, symbol)
            )
        except OrderAbsentError:
            return None
        if id_of(row, "an order") != exchange_order_id:
            raise UnreachableError(f"{self._venue.id} answered with another order than {exchange_order_id}.")
        return row

    async def _report(self, symbol: str, order: Order, found: RawOrder) -> OrderReport:
        fills, missing = tuple[Fill, ...](), None
        if found.filled > order.filled:
            try:
                fills = await self._valued(symbol, await self._rows_of_order(symbol, order, found.order_id))
            except EngineError as error:
                missing = str(error)
        return OrderReport(order.client_order_id, found.order_id, found.status, found.filled, fills, missing)

    async def _rows_of_order(self, symbol: str, order: Order, order_id: str) -> Sequence[Mapping[str, Any]]:
        """List the trades of an order that the exchange shows now."""
        if self._pages.order:
            rows = await self._trade_rows(symbol, None, order_id)
            return [row for row in rows if text_of(row, "order") in {None, order_id}]
        since_ms = (order.sent_ms or order.requested_ms) + (self._connection.offset_ms or 0) - LOOK_BACK_MS
        return [row for row in await self._trade_rows(symbol, since_ms, None) if text_of(row, "order") == order_id]

    async def _trade_rows(self, symbol: str, since_ms: int | None, order_id: str | None) -> list[Mapping[str, Any]]:
        async def page(*asked: Any) -> list[Mapping[str, Any]]:
            return await self._rows("fetch_my_trades", *asked)

        return await all_trades(page, self._pages, symbol, since_ms, order_id)

    async def _valued(self, symbol: str, rows: Sequence[Mapping[str, Any]]) -> tuple[Fill, ...]:
        return tuple([await self._fees.fill(symbol, trade_of(row)) for row in rows])

    @property
    def _pages(self) -> Pages:
        assert self._venue.pages is not None, self._venue.id
        return self._venue.pages

    # --- asking ------------------------------------------------------------------------------------------------------

    async def _made(self, call: Call) -> Any:
        method = getattr(self._ccxt, call.method)
        return await self._ask(call.method, lambda: method(*call.arguments, params=dict(call.params)))

    async def _rows(self, method: str, symbol: str | None, *rest: Any) -> list[Mapping[str, Any]]:
        asked = getattr(self._ccxt, method)
        return _rows_of(await self._ask(method, lambda: asked(symbol, *rest)))

    async def _ask(self, kind: str, call: Any) -> Any:
        await self._connection.load_markets()
        answer = await self._connection.ask(kind, call, signed=True)
        if not isinstance(answer, dict | list):
            raise UnreachableError(f"{self._venue.id} gave no data.")
        return answer


def _rows_of(answer: Any) -> list[Mapping[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise UnreachableError("The exchange gave no list.")
    return answer


def _whole(trades: list[RawTrade]) -> list[RawTrade]:
    """Give each trade once, oldest first."""
    once = {trade.trade_id: trade for trade in trades}
    return sorted(once.values(), key=lambda trade: (trade.at_ms or 0, len(trade.trade_id), trade.trade_id))
