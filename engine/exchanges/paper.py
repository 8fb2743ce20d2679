"""The paper gateway: an exchange that exists only as a function of a bot's log and the last price.

It keeps nothing of its own, so a crash cannot make it forget: its book is the bot's open orders, its balances are what
the fills left, its trades follow from the price. It refuses what a real exchange would refuse.
Source: design, "Order protocol" (the paper book); issue "Paper gateway".
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final, Literal

import msgspec

from engine.core.events import Balance, PriceObserved
from engine.core.events.orders import Liquidity
from engine.core.exact import exactly
from engine.core.feed_view import FeedView
from engine.core.lots import reserve
from engine.core.market import MarketRules
from engine.core.state import BotState, Order
from engine.core.units import HUNDRED, ZERO, floor_to
from engine.exchanges.port import Accepted, Fill, OrderReport, Outcome, Rejected, Unknown


class PaperSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the paper exchange behaves.

    `fee_asset`: fees are taken in quote, or in base from what a buy gets. `fill_fraction`: the part of an order that
    one price fills (1 is all of it), to see partial fills.
    """

    fee_asset: Literal["quote", "base"] = "quote"
    fill_fraction: Decimal = Decimal(1)


class PaperGateway:
    """One bot's paper account. Market orders trade at the price seen, resting limits when a later price crosses."""

    repeats_create: Final = True
    valid_ms: Final = 5_000
    grace_ms: Final = 0

    def __init__(self, settings: PaperSettings, view: Callable[[], FeedView]) -> None:
        """Take the settings and the way to look at the market."""
        self._settings: Final = settings
        self._view: Final = view

    async def create(self, state: BotState, order: Order) -> Outcome:
        """Take or refuse an order; the same order asked again gets the same answer while the price stands."""
        rules, price = self._market()
        refusal = _refusal(state, order, rules, price)
        if refusal is not None:
            return refusal
        exchange_order_id = f"paper-{order.client_order_id}"
        if order.kind == "market":
            at = price.buy_price if order.side == "buy" else price.sell_price
            return Accepted(exchange_order_id, (self._fill(state, order, at, order.quantity, "taker"),))
        if _is_marketable(order, price):
            opposite = price.ask if order.side == "buy" else price.bid
            assert opposite is not None, price
            quantity = self._portion(order, rules)
            return Accepted(exchange_order_id, (self._fill(state, order, opposite, quantity, "taker"),))
        return Accepted(exchange_order_id)

    async def query(self, _state: BotState, order: Order) -> OrderReport | Unknown | None:
        """Say how an order stands; the log is the book, so it knows what the log knows."""
        return self._report(order, "canceled" if order.status == "canceled" else "open")

    async def cancel(self, _state: BotState, order: Order) -> OrderReport | Unknown:
        """Take the order off the book at once."""
        return self._report(order, "canceled")

    async def balances(self, state: BotState) -> dict[str, Balance]:
        """Give what the fills left of the paper balance; locked is what open orders hold."""
        config = state.config
        base = state.position + state.dust.quantity
        selling = sum((o.quantity - o.filled for o in state.orders.values() if o.side == "sell"), ZERO)
        quote = config.budget + state.cash_flow
        return {
            config.base: Balance(base - selling, selling),
            config.quote: Balance(quote - state.reserved, state.reserved),
        }

    @exactly
    def trades(self, state: BotState) -> tuple[OrderReport, ...]:
        """Fill every resting order that the last price crossed, at its limit, as maker.

        Only a price later than the acceptance counts, and each price fills an order once: its trade id says which.
        """
        view = self._view()
        if view.price is None or view.rules is None or view.price_ms is None:
            return ()
        reports = []
        for order in state.orders.values():
            if order.status != "open" or order.accepted_ms is None or order.accepted_ms >= view.price_ms:
                continue
            if self._trade_id(order) in order.trade_ids or not _is_crossed(order, view.price):
                continue
            assert order.limit_price is not None, order
            fill = self._fill(state, order, order.limit_price, self._portion(order, view.rules), "maker")
            reports.append(self._report(order, "open", (fill,)))
        return tuple(reports)

    def _market(self) -> tuple[MarketRules, PriceObserved]:
        view = self._view()
        assert view.rules is not None, "no order is sent before the market's rules are known"
        assert view.price is not None, "no order is sent before a price is seen"
        return view.rules, view.price

    def _trade_id(self, order: Order) -> str:
        return f"{order.client_order_id}-{self._view().price_sequence}"

    def _portion(self, order: Order, rules: MarketRules) -> Decimal:
        """Give what one price fills of the order: at least a step, at most what is left."""
        wanted = floor_to(order.quantity * self._settings.fill_fraction, rules.quantity_step)
        return min(max(wanted, rules.quantity_step), order.quantity - order.filled)

    @exactly
    def _fill(self, state: BotState, order: Order, price: Decimal, quantity: Decimal, liquidity: Liquidity) -> Fill:
        fees = state.config.fees
        percent = fees.maker if liquidity == "maker" else fees.taker
        fee_quote = price * quantity * percent / HUNDRED
        in_base = self._settings.fee_asset == "base" and order.side == "buy"
        return Fill(
            trade_id=self._trade_id(order),
            price=price,
            quantity=quantity,
            fee=quantity * percent / HUNDRED if in_base else fee_quote,
            fee_asset=state.config.base if in_base else state.config.quote,
            fee_quote=fee_quote,
            liquidity=liquidity,
        )

    def _report(
        self, order: Order, status: Literal["open", "filled", "canceled", "expired"], fills: tuple[Fill, ...] = ()
    ) -> OrderReport:
        filled = order.filled + sum((fill.quantity for fill in fills), ZERO)
        return OrderReport(
            client_order_id=order.client_order_id,
            exchange_order_id=f"paper-{order.client_order_id}",
            status="filled" if filled >= order.quantity else status,
            filled=filled,
            fills=fills,
        )


def _is_marketable(order: Order, price: PriceObserved) -> bool:
    """Tell whether a limit order meets the other side of the book at once; without a book it rests."""
    assert order.limit_price is not None, order
    if order.side == "buy":
        return price.ask is not None and price.ask <= order.limit_price
    return price.bid is not None and price.bid >= order.limit_price


def _is_crossed(order: Order, price: PriceObserved) -> bool:
    """Tell whether a price reaches a resting limit: the other side's best, or the last price without a book."""
    if order.limit_price is None:
        return False
    if order.side == "buy":
        return price.buy_price <= order.limit_price
    return price.sell_price >= order.limit_price


@exactly
def _refusal(state: BotState, order: Order, rules: MarketRules, price: PriceObserved) -> Rejected | None:
    """Refuse what the exchange's filters and the account would refuse."""
    refusal = _filtered(order, rules, price)
    if refusal is not None:
        return refusal
    at = order.limit_price if order.limit_price is not None else price.last
    others = [o for o in state.orders.values() if o.client_order_id != order.client_order_id]
    if order.side == "buy":
        locked = sum((o.reserved for o in others), ZERO)
        paid = at if order.kind == "limit" else price.buy_price
        needed = reserve(order.quantity, paid, state.config.fees.taker)
        if state.config.budget + state.cash_flow - locked < needed:
            return Rejected("INSUFFICIENT_BALANCE", f"not enough {rules.quote} for {order.quantity} {rules.base}")
        return None
    held = state.position + state.dust.quantity
    selling = sum((o.quantity - o.filled for o in others if o.side == "sell"), ZERO)
    if held - selling < order.quantity:
        return Rejected("INSUFFICIENT_BALANCE", f"not enough {rules.base} to sell {order.quantity}")
    return None


def _filtered(order: Order, rules: MarketRules, price: PriceObserved) -> Rejected | None:
    """Refuse what the market's own filters would refuse, whoever orders; filters that it does not tell let all pass."""
    limit, quantity = order.limit_price, order.quantity
    value = quantity * (limit if limit is not None else price.last)
    down, up = rules.price_factor_down, rules.price_factor_up
    refusals = (
        (
            bool(rules.order_types) and order.kind not in rules.order_types,
            Rejected("ORDER_TYPE", f"{order.kind} orders are not taken in {rules.symbol}"),
        ),
        (quantity < rules.min_quantity, Rejected("LOT_SIZE", f"quantity {quantity} is under {rules.min_quantity}")),
        (
            rules.max_quantity is not None and quantity > rules.max_quantity,
            Rejected("LOT_SIZE", f"quantity {quantity} is over {rules.max_quantity}"),
        ),
        (
            bool(quantity % rules.quantity_step),
            Rejected("LOT_SIZE", f"quantity {quantity} is no multiple of {rules.quantity_step}"),
        ),
        (
            limit is not None and bool(limit % rules.price_tick),
            Rejected("PRICE_FILTER", f"price {limit} is no multiple of {rules.price_tick}"),
        ),
        (
            limit is not None and down is not None and limit < price.last * down,
            Rejected("PERCENT_PRICE", f"price {limit} is under {down} times the price {price.last}"),
        ),
        (
            limit is not None and up is not None and limit > price.last * up,
            Rejected("PERCENT_PRICE", f"price {limit} is over {up} times the price {price.last}"),
        ),
        (value < rules.min_notional, Rejected("NOTIONAL", f"value {value} is under {rules.min_notional}")),
        (
            rules.max_notional is not None and value > rules.max_notional,
            Rejected("NOTIONAL", f"value {value} is over {rules.max_notional}"),
        ),
        (not rules.active, Rejected("MARKET_CLOSED", f"{rules.symbol} is not traded now")),
    )
    return next((refusal for is_broken, refusal in refusals if is_broken), None)
