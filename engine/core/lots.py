"""Lots and money: what a fill does to a lot, what a lot must sell for, and what is too small to sell.

Owns the accounting identities: cost never vanishes (it is in a lot, in the dust, or in what was sold) and base never
appears. Source: decisions.md, "Money".
"""

from decimal import Decimal
from itertools import combinations
from typing import Final, NamedTuple

from msgspec.structs import replace

from engine.core.config import BotConfig
from engine.core.events import OrderFilled
from engine.core.exact import exactly
from engine.core.market import MarketRules
from engine.core.state import BotState, Dust, Lot, Order
from engine.core.units import HUNDRED, ZERO, ceil_to, change_percent, floor_to

RESERVE_STEP: Final = Decimal("1e-8")
_MOST_DUST: Final = 12
"""Among so many small lots is looked for those that were dust."""


def buy_into_lot(
    state: BotState, order: Order, fill: OrderFilled, *, base_fee: Decimal, value_fee: Decimal, at_ms: int
) -> BotState:
    """Add a fill to the lot of its buy; the first fill opens the lot."""
    number = order.number
    lot = state.lots.get(number) or Lot(number=number, buy_order_id=order.client_order_id, opened_ms=at_ms)
    value = fill.price * fill.quantity
    held = fill.quantity - base_fee
    bought, spent = lot.bought + fill.quantity, lot.spent + value
    lot = replace(
        lot,
        status="buying",
        bought=bought,
        spent=spent,
        price=spent / bought,
        held=lot.held + held,
        paid=lot.paid + value + value_fee,
        fee=lot.fee + fill.fee_quote,
        quantity=lot.quantity + held,
        cost=lot.cost + value + value_fee,
    )
    return replace(state, lots={**state.lots, number: lot})


class Taken(NamedTuple):
    """What a sale took: what that base had cost, how much of it was dust, and how much nothing of the bot's held."""

    cost: Decimal
    dust: Decimal
    unowned: Decimal


def sell_from_lot(state: BotState, order: Order, quantity: Decimal) -> tuple[BotState, Taken]:
    """Take base out of the lot and, past its end, out of the dust."""
    lot = state.lots.get(order.lot or 0)
    cost_sold = ZERO
    if lot is not None:
        from_lot = min(lot.quantity, quantity)
        cost_sold = _share(lot.cost, from_lot, lot.quantity)
        rest = replace(lot, quantity=lot.quantity - from_lot, cost=lot.cost - cost_sold)
        state = replace(state, lots={**state.lots, lot.number: rest})
        quantity -= from_lot
    from_dust = min(state.dust.quantity, quantity)
    dust_cost = _share(state.dust.cost, from_dust, state.dust.quantity)
    dust = Dust(state.dust.quantity - from_dust, state.dust.cost - dust_cost)
    return replace(state, dust=dust), Taken(cost_sold + dust_cost, from_dust, quantity - from_dust)


def cover_sells(state: BotState, number: int) -> BotState:
    """Take out of a lot what its sells had sold of it before its purchase was known to be so large.

    The cost stays in the lot: those sales were recorded without it, so that all together their profit is right.
    """
    for order in (*state.done_orders.values(), *state.orders.values()):
        lot = state.lots[number]
        taken = min(order.unowned, lot.quantity)
        if order.lot == number and taken:
            rest = replace(lot, quantity=lot.quantity - taken)
            state = replace(state, lots={**state.lots, number: rest})
            state = _in_its_book(state, replace(order, unowned=order.unowned - taken))
    return state


def _in_its_book(state: BotState, order: Order) -> BotState:
    """Replace an order where it stands: among the open ones, or the done."""
    if order.client_order_id in state.orders:
        return replace(state, orders={**state.orders, order.client_order_id: order})
    return replace(state, done_orders={**state.done_orders, order.client_order_id: order})


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Give the cost of a part; the whole costs exactly the whole, whatever the division rounds."""
    if part == whole:
        return cost
    return cost * part / whole


def set_aside(state: BotState, number: int) -> BotState:
    """Move what is left of a lot to the dust, with its cost."""
    lot = state.lots[number]
    if not (lot.quantity or lot.cost):
        return state
    dust = Dust(state.dust.quantity + lot.quantity, state.dust.cost + lot.cost)
    rest = replace(lot, quantity=ZERO, cost=ZERO)
    return replace(state, dust=dust, lots={**state.lots, number: rest})


def target_price(unit_cost: Decimal, profit_percent: Decimal, sell_fee_percent: Decimal, tick: Decimal) -> Decimal:
    """Give the price that yields the profit after the sell fee, rounded up to the tick (decision 2)."""
    assert sell_fee_percent < HUNDRED, sell_fee_percent
    return ceil_to(unit_cost * (HUNDRED + profit_percent) / (HUNDRED - sell_fee_percent), tick)


@exactly
def reserve(quantity: Decimal, price: Decimal, taker_percent: Decimal) -> Decimal:
    """Give the quote to hold back for a buy, its taker fee included, rounded up to 1e-8: never too little."""
    return ceil_to(quantity * price * (HUNDRED + taker_percent) / HUNDRED, RESERVE_STEP)


def exit_price(price: Decimal, config: BotConfig, tick: Decimal) -> Decimal:
    """Give the lowest price that a lot bought at `price` must be sellable at: its stop loss, or else its target.

    Reckoned without the fee of the purchase, which raises both.
    """
    stop = config.risk.stop_loss_percent
    if stop is not None:
        return price * (HUNDRED - stop) / HUNDRED
    return target_price(price, config.profit_target, config.fees.taker, tick)


def can_be_sold(quantity: Decimal, price: Decimal, config: BotConfig, rules: MarketRules) -> bool:
    """Tell whether a purchase could be sold again, even if its fee is taken in base (decisions.md, "Money").

    What is held then is rounded down to the step, as every quantity that is sold.
    """
    held = floor_to(quantity * (HUNDRED - config.fees.taker) / HUNDRED, rules.quantity_step)
    return held >= rules.min_quantity and held * exit_price(price, config, rules.price_tick) >= rules.min_notional


def net_percent(target: Decimal, unit_cost: Decimal, sell_fee_percent: Decimal) -> Decimal:
    """Give what selling at `target` yields after the sell fee, in percent of the cost; for display."""
    return change_percent(target * (HUNDRED - sell_fee_percent) / HUNDRED, unit_cost)


def free_dust(state: BotState, but: str = "") -> Decimal:
    """Give the dust that no open sell has claimed, `but` for the one of this client order id."""
    sells = (order for name, order in state.orders.items() if order.side == "sell" and name != but)
    claimed = sum((min(order.dust_quantity, order.quantity - order.filled) for order in sells), ZERO)
    return max(state.dust.quantity - claimed, ZERO)


def dust_for(state: BotState, lot: Lot, order: Order, step: Decimal) -> tuple[Lot, ...] | None:
    """Give the lots that were dust to whoever sold more than this lot and the dust; None if that explains nothing.

    Only whole lots from before the order, smaller and without a sell of their own, that make up what it sold to the
    step; the fewest, and the oldest of these.
    """
    lacking = order.quantity - order.filled - lot.quantity - free_dust(state, but=order.client_order_id)
    if lacking < step:  # less than can be sold: fees of other sells, taken in base, ate dust that this one counted on
        return ()
    idle = (each for _, each in sorted(state.lots.items()) if each.status == "open" and each.sell_order is None)
    most = min(lot.quantity, lacking + step)
    others = [each for each in idle if each.number < order.number and each.quantity < most][:_MOST_DUST]
    groups = (group for count in range(1, len(others) + 1) for group in combinations(others, count))
    return next((g for g in groups if lacking <= sum((each.quantity for each in g), ZERO) < lacking + step), None)


def is_too_much(order: Order, lot: Lot) -> bool:
    """Tell whether a sell that is out may still sell more than its lot and the dust that it was given hold."""
    return order.quantity - order.filled > lot.quantity + order.dust_quantity


def sellable_quantity(state: BotState, lot: Lot, price: Decimal, rules: MarketRules) -> Decimal:
    """Give what can be sold of a lot with the free dust, rounded down to the step; zero if under the minimum."""
    quantity = floor_to(lot.quantity + free_dust(state), rules.quantity_step)
    if quantity < rules.min_quantity or quantity * price < rules.min_notional:
        return ZERO
    return quantity
