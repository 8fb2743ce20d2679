"""Matching: what an order meets, in how many parts, what it costs, and how it ends.

Owns every order and trade of the account. An order is watched for by time: when its price will be met follows from the
path, so nothing is done between.
"""

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from engine.core.exact import exactly
from engine.core.units import HUNDRED, ZERO, ceil_to, floor_to
from engine.testing.simulation.exchange.markets import BNB_PRICE, TICK, Market, next_step
from engine.testing.simulation.exchange.orders import DUPLICATE, Placed, Refusal, Status, Trade, Wish, trade_record

if TYPE_CHECKING:
    from engine.testing.simulation.exchange.exchange import SimulatedExchange

_ATOM: Final = Decimal("1e-8")
_RESERVE: Final = Decimal("1.004")
"""A market buy sets aside so much of its price: slippage and fees fit into it."""

_LATE_S: Final = (1, 3, 8, 15, 20)
_TRADE_LATE_S: Final = (1, 4, 12, 25, 90)
_REST_S: Final = (5, 20, 60, 300, 600)
_FORCED_S: Final = (10, 60, 300, 1_800)
_CUT_SHORT_S: Final = (2, 2, 20, 90)
_HIDDEN_S: Final = (5, 20, 20, 60, 400, 900, 900)
_PURGED_S: Final = (60, 300, 1_800)
_UNTOLD_MS: Final = 3_600_000
_PARTS: Final = (Decimal("0.5"), Decimal("0.1"), Decimal("0.9"))


class Matching:
    """All orders of the exchange, by their ids."""

    def __init__(self, exchange: "SimulatedExchange") -> None:
        """Start without an order."""
        self.orders: Final[dict[str, Placed]] = {}
        self.by_client_id: Final[dict[str, Placed]] = {}
        self.trades: Final[list[tuple[Trade, Wish]]] = []
        self._exchange: Final = exchange

    # --- taking ------------------------------------------------------------------------------------------------------

    @exactly
    def refusal(self, wish: Wish) -> Refusal | None:
        """Say why the exchange would not take an order now."""
        exchange, market = self._exchange, self._exchange.markets[wish.symbol]
        rules, price = exchange.rules(wish.symbol), wish.price if wish.price is not None else self._best(market, wish)
        if exchange.halted_until_ms() is not None:
            return Refusal("-1013", "Market is closed.")
        if wish.quantity < rules.min_quantity or wish.quantity % rules.quantity_step:
            return Refusal("-1013", "Filter failure: LOT_SIZE")
        if wish.price is not None and wish.price % rules.price_tick:
            return Refusal("-1013", "Filter failure: PRICE_FILTER")
        if wish.quantity * price < rules.min_notional:
            return Refusal("-1013", "Filter failure: NOTIONAL")
        twin = self.by_client_id.get(wish.client_order_id)
        if twin is not None and (twin.is_open or exchange.terms.ids_unique == "ever"):
            return DUPLICATE
        asset, need = self._need(market, wish, wish.quantity)
        if exchange.wallet.free(asset) < need:
            return Refusal("-2010", "Account has insufficient balance for requested action.")
        return None

    @exactly
    def take(self, wish: Wish) -> Placed:
        """Put an order that nothing speaks against into the books."""
        exchange, at_ms = self._exchange, self._exchange.at_ms
        late_ms = self._late_ms("order_late", _LATE_S)
        order = Placed(f"{5_000_001 + len(self.orders)}", wish, at_ms, at_ms + late_ms)
        asset, need = self._need(exchange.markets[wish.symbol], wish, wish.quantity)
        exchange.wallet.lock(asset, need)
        order.locked = need
        order.stands(late_ms, at_ms)
        self.orders[order.exchange_order_id] = order
        self.by_client_id[wish.client_order_id] = order
        return order

    def begin(self, order: Placed) -> None:
        """Trade what can be at once, and watch for the rest."""
        market, wish = self._exchange.markets[order.wish.symbol], order.wish
        best = self._best(market, wish)
        is_cut_short = wish.kind == "limit" and wish.life > 0 and self._exchange.happens("cut_short")
        if is_cut_short:
            wait_s = self._exchange.chance.choose("exchange/cut_short/after", _CUT_SHORT_S)
            self._exchange.later(self._exchange.at_ms + wait_s * 1_000, partial(self._cut_short, order))
        if wish.kind == "market":
            self._take_market(order, market, best)
        elif (best <= wish.price) if wish.side == "buy" else (best >= wish.price):  # type: ignore[operator]
            self._meet(order, best, is_maker=False, is_part=is_cut_short)
        else:
            self._watch(order, self._exchange.at_ms)
        if order.is_open and self._exchange.happens("forced_cancel"):
            wait_s = self._exchange.chance.choose("exchange/forced_cancel/wait", _FORCED_S)
            self._exchange.later(self._exchange.at_ms + wait_s * 1_000, partial(self._force, order))
        self._exchange.wallet.note(self._exchange.at_ms)

    def _take_market(self, order: Placed, market: Market, best: Decimal) -> None:
        """Fill a market order, perhaps in parts at worse and worse prices, perhaps not to the end."""
        step = market.rules.quantity_step
        quantity = order.wish.quantity
        if self._befalls("expired", order):
            quantity = max(floor_to(quantity * self._part("expired"), step), step)
        worse = TICK if order.wish.side == "buy" else -TICK
        if self._befalls("split", order):
            first = floor_to(quantity * self._part("split"), step)
            if 0 < first < quantity:
                self._fill(order, best, first, is_maker=False)
                best += worse * 150
        self._fill(order, best, quantity - order.filled, is_maker=False)
        if order.is_open:
            self._end(order, "expired")

    # --- resting -----------------------------------------------------------------------------------------------------

    def _watch(self, order: Placed, from_ms: int) -> None:
        """Put the time at which a resting order is met on the agenda, or the time until which it is not."""
        market, wish = self._exchange.markets[order.wish.symbol], order.wish
        assert wish.price is not None, wish
        met_ms, is_met = market.crossing(wish.side, wish.price, next_step(from_ms))
        self._exchange.later(met_ms, partial(self._come, order, is_met=is_met))

    def _come(self, order: Placed, *, is_met: bool) -> None:
        """Fill a resting order whose time has come, unless nothing trades now; else go on watching."""
        if not order.is_open or self._exchange.is_still:
            return
        halted_until_ms = self._exchange.halted_until_ms()
        if halted_until_ms is not None:
            self._watch(order, halted_until_ms)
        elif is_met:
            assert order.wish.price is not None
            self._meet(order, order.wish.price, is_maker=True)
            self._exchange.wallet.note(self._exchange.at_ms)
        else:
            self._watch(order, self._exchange.at_ms - 1)

    def _meet(self, order: Placed, price: Decimal, *, is_maker: bool, is_part: bool = False) -> None:
        """Fill a limit order, or a part of it and later the rest."""
        exchange, step = self._exchange, self._exchange.markets[order.wish.symbol].rules.quantity_step
        quantity = order.remaining
        if self._befalls("partial", order) or is_part:
            quantity = min(max(floor_to(quantity * self._part("partial"), step), step), quantity)
        self._fill(order, price, quantity, is_maker=is_maker)
        if order.is_open:
            wait_s = exchange.chance.choose("exchange/partial/rest", _REST_S)
            self._watch(order, exchange.at_ms + wait_s * 1_000)

    def _force(self, order: Placed) -> None:
        if order.is_open and self._exchange.terms.forced_cancel:
            self._exchange.fault("forced_cancel", client_order_id=order.wish.client_order_id)
            self._end(order, self._exchange.chance.choose("exchange/forced_cancel/as", ("canceled", "expired")))
            self._exchange.wallet.note(self._exchange.at_ms)

    def _cut_short(self, order: Placed) -> None:
        """End an order that traded in part; one more trade of it, in that moment, only the list of trades will tell."""
        exchange = self._exchange
        if not order.is_open or exchange.is_still or not exchange.terms.cut_short:
            return
        if not order.filled and exchange.chance.choose("exchange/cut_short/traded", (True, False)):
            assert order.wish.price is not None, order
            self._meet(order, order.wish.price, is_maker=True, is_part=True)
        if order.is_open:
            self._end(order, "canceled", self._fill_unseen(order, "cut_short"))
            exchange.wallet.note(exchange.at_ms)

    def cancel(self, order: Placed) -> bool:
        """Take an open order off the book; False if the market was faster."""
        assert order.is_open, order
        assert order.wish.price is not None, order
        hidden = ZERO
        if self._befalls("cancel_race", order):
            self._meet(order, order.wish.price, is_maker=True)
        elif self._exchange.happens("late_fill"):
            hidden = self._fill_unseen(order, "late_fill")
        is_done = order.is_open
        if is_done:
            self._end(order, "canceled", hidden)
        self._exchange.wallet.note(self._exchange.at_ms)
        return is_done

    def _fill_unseen(self, order: Placed, kind: Literal["late_fill", "cut_short"]) -> Decimal:
        """Fill a part in the moment in which an order is ended, whose trade is shown late.

        The order's end counts it, or the trade alone will tell. Gives the quantity that the end does not count.
        """
        step = self._exchange.markets[order.wish.symbol].rules.quantity_step
        quantity = floor_to(order.remaining * self._part(kind), step)
        if not 0 < quantity < order.remaining:
            return ZERO
        chance = self._exchange.chance
        late_ms = chance.choose(f"exchange/{kind}/wait", _HIDDEN_S) * 1_000
        is_untold = kind == "cut_short" or chance.choose("exchange/late_fill/sort", (False, True))
        name, sort = order.wish.client_order_id, "untold" if is_untold else "told"
        self._exchange.fault(kind, client_order_id=name, late_ms=late_ms, sort=sort)
        assert order.wish.price is not None
        self._fill(order, order.wish.price, quantity, is_maker=True, late_ms=late_ms, is_untold=is_untold)
        order.standings.pop()
        return quantity if is_untold else ZERO

    # --- the books ---------------------------------------------------------------------------------------------------

    @exactly
    def _fill(
        self,
        order: Placed,
        price: Decimal,
        quantity: Decimal,
        *,
        is_maker: bool,
        late_ms: int | None = None,
        is_untold: bool = False,
    ) -> None:
        exchange, wish = self._exchange, order.wish
        market, wallet = exchange.markets[wish.symbol], exchange.wallet
        given, gotten = (market.quote, market.base) if wish.side == "buy" else (market.base, market.quote)
        cost = price * quantity
        fee_asset, fee = self._fee(market, gotten, price, quantity)
        wallet.lock(given, -order.locked)
        wallet.add(given, -(cost if wish.side == "buy" else quantity))
        wallet.add(gotten, quantity if wish.side == "buy" else cost)
        wallet.add(fee_asset, -fee)
        order.filled += quantity
        if order.filled == wish.quantity:
            order.status, order.locked = "filled", ZERO
        else:
            order.locked = self._need(market, wish, order.remaining)[1]
            wallet.lock(given, order.locked)
        trade = Trade(
            trade_id=f"{9_000_001 + len(self.trades)}",
            exchange_order_id=order.exchange_order_id,
            at_ms=exchange.at_ms,
            shown_ms=exchange.at_ms + (self._late_ms("trade_late", _TRADE_LATE_S) if late_ms is None else late_ms),
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset=fee_asset,
            is_maker=is_maker,
            is_untold=is_untold,
        )
        order.trades.append(trade)
        self.trades.append((trade, wish))
        exchange.record(trade_record(trade, wish))
        order.stands(self._late_ms("order_late", _LATE_S), exchange.at_ms)
        if order.status == "filled":
            self._record_end(order)
        self._tell(order)

    def _end(self, order: Placed, status: Status, hidden: Decimal = ZERO) -> None:
        market = self._exchange.markets[order.wish.symbol]
        given = market.quote if order.wish.side == "buy" else market.base
        self._exchange.wallet.lock(given, -order.locked)
        order.locked, order.status = ZERO, status
        order.stands(self._late_ms("order_late", _LATE_S), self._exchange.at_ms, hidden)
        if hidden:
            order.stands(_UNTOLD_MS, self._exchange.at_ms)
        self._record_end(order)
        self._tell(order)

    def _record_end(self, order: Placed) -> None:
        if self._befalls("purged", order):
            after_s = self._exchange.chance.choose("exchange/purged/after", _PURGED_S)
            order.purged_ms = self._exchange.at_ms + after_s * 1_000
        self._exchange.record({
            "what": "end", "at_ms": self._exchange.at_ms, "order_id": order.exchange_order_id,
            "client_order_id": order.wish.client_order_id, "status": order.status,
        })  # fmt: skip

    def _tell(self, order: Placed) -> None:
        for told in tuple(self._exchange.moved):
            told(order)

    def _need(self, market: Market, wish: Wish, quantity: Decimal) -> tuple[str, Decimal]:
        """Give what an order has to set aside for a quantity: in quote with room for fees, in base as it is."""
        if wish.side == "sell":
            return market.base, quantity
        price = wish.price if wish.price is not None else self._best(market, wish)
        return market.quote, ceil_to(price * quantity * _RESERVE, _ATOM)

    def _best(self, market: Market, wish: Wish) -> Decimal:
        return market.best(wish.side, self._exchange.at_ms) * TICK

    def _fee(self, market: Market, gotten: str, price: Decimal, quantity: Decimal) -> tuple[str, Decimal]:
        """Give in which asset a trade costs how much; one that it does not bring only while there is enough of it."""
        percent, terms = market.rules.taker_percent, self._exchange.terms
        if terms.fee_asset == "BNB":
            fee = ceil_to(price * quantity * percent / HUNDRED / BNB_PRICE, _ATOM)
            if self._exchange.wallet.free("BNB") >= fee:
                return "BNB", fee
        if terms.fee_asset == "base":
            fee = ceil_to(quantity * percent / HUNDRED, _ATOM)
            pays = terms.sale_fee_asset == "base" and self._exchange.wallet.free(market.base) >= fee
            if gotten == market.base or pays:
                return market.base, fee
        return market.quote, ceil_to(price * quantity * percent / HUNDRED, _ATOM)

    # --- chance ------------------------------------------------------------------------------------------------------

    def _befalls(self, kind: str, order: Placed) -> bool:
        return self._exchange.befalls(kind, client_order_id=order.wish.client_order_id)

    def _part(self, kind: str) -> Decimal:
        return self._exchange.chance.choose(f"exchange/{kind}/part", _PARTS)

    def _late_ms(self, kind: str, seconds: tuple[int, ...]) -> int:
        """Say how much later than now something is shown."""
        if not self._exchange.happens(kind):
            return 0
        late_ms = self._exchange.chance.choose(f"exchange/{kind}/wait", seconds) * 1_000
        self._exchange.fault(kind, late_ms=late_ms)
        return late_ms
