"""The matching engine: new orders, fills, cancellations and expiries, and the balances that go with them.

Owns every order and trade of all accounts. Orders meet the scripted book and, resting, the scripted price; never each
other. Who may ask, and how late the answer shows, is decided elsewhere.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal

import msgspec

from tests.exchange_server.accounts import ZERO, Account
from tests.exchange_server.book import Level
from tests.exchange_server.errors import ApiError, cancel_rejected, rejected
from tests.exchange_server.fees import commission, fee_on_top, received_asset, spent_asset
from tests.exchange_server.filters import check_filters
from tests.exchange_server.market import Market
from tests.exchange_server.orders import Order, OrderRecord, Trade, Wish
from tests.exchange_server.rows import Row, account_position, execution_report

Emit = Callable[[Account, Row], None]
_FIRST_ORDER_ID = 5_000_000


class Matching:
    """All orders of the exchange. The caller says what time it is, in `true_ms` and `skew_ms`, before each call."""

    def __init__(self, markets: Mapping[str, Market], accounts: Mapping[str, Account], emit: Emit) -> None:
        """Start with no orders; `emit` takes the events of user streams."""
        self.true_ms = 0
        self.skew_ms = 0
        self.records: dict[int, OrderRecord] = {}
        self.trades: list[Trade] = []
        self._markets = markets
        self._accounts = accounts
        self._emit = emit
        self._open: dict[str, dict[int, OrderRecord]] = defaultdict(dict)
        self._by_market: dict[tuple[str, str], list[OrderRecord]] = defaultdict(list)
        self._by_client_id: dict[tuple[str, str, str], list[OrderRecord]] = defaultdict(list)

    def open_of(self, account: Account, symbol: str | None = None) -> list[OrderRecord]:
        """List the open orders of an account, on one market or all."""
        symbols = [symbol] if symbol is not None else sorted(self._open)
        return [r for name in symbols for r in self._open[name].values() if r.now.account == account.name]

    def of(self, account: Account, symbol: str) -> list[OrderRecord]:
        """List all orders of an account on a market, the oldest first."""
        return self._by_market[account.name, symbol]

    def find(
        self, account: Account, symbol: str, order_id: int | None, client_order_id: str | None
    ) -> OrderRecord | None:
        """Find an order by one of its ids, or both; a client id means the open order of that id, or the newest one."""
        if order_id is not None:
            record = self.records.get(order_id)
            if record is None or (record.now.account, record.now.wish.symbol) != (account.name, symbol):
                return None
            return record if client_order_id in {None, record.now.wish.client_order_id} else None
        known = self._by_client_id.get((account.name, symbol, client_order_id or ""), [])
        return next((record for record in known if record.now.is_open), known[-1] if known else None)

    def check(self, account: Account, wish: Wish) -> None:
        """Raise what the gateway says of an order before the matching engine sees it: filters, closed markets."""
        market = self._markets[wish.symbol]
        average = market.average_price(self.true_ms)
        check_filters(wish, market.rules, average, len(self.open_of(account, wish.symbol)))
        if market.status != "TRADING":
            raise ApiError(-1013, "Market is closed.")

    def place(self, account: Account, wish: Wish) -> OrderRecord:
        """Take a new order, fill what can be filled, and let the rest rest or expire. Raises the refusals."""
        self.check(account, wish)
        market = self._markets[wish.symbol]
        if any(record.now.is_open for record in self._by_client_id[account.name, wish.symbol, wish.client_order_id]):
            raise rejected("Duplicate order sent.")
        fills = self._fills_at_once(market, wish)
        quantity = wish.quantity if wish.quantity is not None else sum((part for _, part in fills), ZERO)
        need = self._need(account, market, wish, quantity, fills)
        spent = spent_asset(market, wish.side)
        if account.has(spent) < need:
            raise rejected("Account has insufficient balance for requested action.")
        account.lock(spent, need)
        now_ms = self.true_ms + self.skew_ms
        order_id = _FIRST_ORDER_ID + len(self.records)
        order = Order(order_id, account.name, wish, quantity, now_ms, now_ms, self.true_ms, locked=need)
        record = self._remember(order)
        self._report(record, "NEW")
        market.book.take(fills)
        for price, part in fills:
            self._fill(record, market, price, part, is_maker=False)
        if record.now.is_open and (wish.kind == "MARKET" or wish.time_in_force in {"IOC", "FOK"}):
            self._end(record, "EXPIRED")
        self._tell_balances(account, market)
        return record

    def cancel(self, record: OrderRecord, cancel_id: str) -> Order:
        """Take an open order off the book. Raises the refusal if it is not open."""
        if not record.now.is_open:
            raise cancel_rejected()
        self._end(record, "CANCELED", cancel_id)
        self._tell_balances(self._accounts[record.now.account], self._markets[record.now.wish.symbol])
        return record.now

    def expire(self, record: OrderRecord) -> None:
        """Take an open order off the book as the exchange itself does."""
        assert record.now.is_open, record.now
        self._end(record, "EXPIRED")
        self._tell_balances(self._accounts[record.now.account], self._markets[record.now.wish.symbol])

    def fill(self, record: OrderRecord, price: Decimal, quantity: Decimal) -> None:
        """Fill a part of a resting order."""
        assert record.now.is_open, record.now
        assert 0 < quantity <= record.now.remaining, record.now
        market = self._markets[record.now.wish.symbol]
        self._fill(record, market, price, quantity, is_maker=True)
        self._tell_balances(self._accounts[record.now.account], market)

    def step(self, market: Market) -> None:
        """Fill what rests on a market whose price has moved."""
        if market.status != "TRADING":
            return
        for record in list(self._open[market.symbol].values()):
            order = record.now
            best = market.book.best(order.wish.side)
            crossed = best <= order.price if order.wish.side == "BUY" else best >= order.price
            if crossed:
                part = order.remaining if market.rules.resting_fill is None else market.rules.resting_fill
                self.fill(record, order.price, min(order.remaining, part))

    def _fills_at_once(self, market: Market, wish: Wish) -> list[Level]:
        fills = market.book.walk(
            wish.side, quantity=wish.quantity, quote_quantity=wish.quote_quantity, limit=wish.price
        )
        if wish.kind == "LIMIT_MAKER" and fills:
            raise rejected("Order would immediately match and take.")
        if wish.time_in_force == "FOK" and sum(part for _, part in fills) != wish.quantity:
            return []
        return fills

    def _need(self, account: Account, market: Market, wish: Wish, quantity: Decimal, fills: list[Level]) -> Decimal:
        if wish.side == "SELL":
            principal = quantity
        elif wish.price is not None:
            principal = quantity * wish.price
        else:
            principal = sum((price * part for price, part in fills), ZERO)
        return principal + fee_on_top(account, market, wish.side, principal)

    def _remember(self, order: Order) -> OrderRecord:
        record = self.records[order.order_id] = OrderRecord(order)
        wish = order.wish
        self._open[wish.symbol][order.order_id] = record
        self._by_market[order.account, wish.symbol].append(record)
        self._by_client_id[order.account, wish.symbol, wish.client_order_id].append(record)
        return record

    def _fill(self, record: OrderRecord, market: Market, price: Decimal, quantity: Decimal, *, is_maker: bool) -> None:
        order = record.now
        account, side = self._accounts[order.account], order.wish.side
        now_ms, cost = self.true_ms + self.skew_ms, price * quantity
        buyer_is_maker = is_maker == (side == "BUY")
        trade_id = market.print_trade(price, quantity, self.true_ms, buyer_is_maker=buyer_is_maker)
        fee_asset, fee = commission(account, market, self._markets, side, price, quantity, is_maker=is_maker)
        spent, received = spent_asset(market, side), received_asset(market, side)
        given, gotten = (cost, quantity) if side == "BUY" else (quantity, cost)
        account.lock(spent, -order.locked)
        account.add(spent, -given)
        account.add(received, gotten)
        account.add(fee_asset, -fee)
        executed = order.executed + quantity
        is_done = executed == order.quantity
        locked = ZERO
        if not is_done:
            locked = order.locked - given - (fee if fee_asset == spent else ZERO)
            if order.wish.price is not None:  # what a better price has saved is free again
                locked = self._need(account, market, order.wish, order.quantity - executed, [])
        account.lock(spent, locked)
        trade = Trade(
            trade_id=trade_id,
            order_id=order.order_id,
            client_order_id=order.wish.client_order_id,
            account=account.name,
            symbol=market.symbol,
            side=side,
            price=price,
            quantity=quantity,
            quote_quantity=cost,
            commission=fee,
            commission_asset=fee_asset,
            at_ms=now_ms,
            is_maker=is_maker,
            seen_ms=self.true_ms,
        )
        record.trades.append(trade)
        self.trades.append(trade)
        quote_executed = order.quote_executed + cost
        status = "FILLED" if is_done else "PARTIALLY_FILLED"
        self._change(record, status=status, executed=executed, quote_executed=quote_executed, locked=locked)
        self._report(record, "TRADE", trade)

    def _end(self, record: OrderRecord, status: str, cancel_id: str = "") -> None:
        order = record.now
        self._accounts[order.account].lock(
            spent_asset(self._markets[order.wish.symbol], order.wish.side), -order.locked
        )
        self._change(record, status=status, locked=ZERO)
        self._report(record, status, cancel_id=cancel_id)

    def _change(self, record: OrderRecord, **changes: object) -> None:
        now_ms = self.true_ms + self.skew_ms
        order = msgspec.structs.replace(record.now, updated_ms=now_ms, changed_ms=self.true_ms, **changes)
        record.states.append(order)
        if not order.is_open:
            self._open[order.wish.symbol].pop(order.order_id, None)

    def _report(self, record: OrderRecord, what: str, trade: Trade | None = None, cancel_id: str = "") -> None:
        account = self._accounts[record.now.account]
        self._emit(account, execution_report(record.now, what, self.true_ms + self.skew_ms, trade, cancel_id))

    def _tell_balances(self, account: Account, market: Market) -> None:
        account.updated_ms = self.true_ms + self.skew_ms
        assets = {market.rules.base, market.rules.quote}
        if account.has(account.script.fee_asset):
            assets.add(account.script.fee_asset)
        self._emit(account, account_position(account, assets, account.updated_ms))
