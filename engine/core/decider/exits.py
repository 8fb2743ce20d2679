"""How a lot leaves: its sell order or its trail, sized to what is really there.

Never more than one open sell per lot; a market order waits for the price and a trail for its trigger.
"""

from decimal import Decimal

from engine.core.decider.draft import Draft
from engine.core.decider.requests import request_order
from engine.core.events import DustRecorded, TrailingReset, TrailingStarted
from engine.core.lots import sellable_quantity
from engine.core.market import MarketRules
from engine.core.reducers.blindness import is_blind
from engine.core.state import BotState, Lot
from engine.core.units import ZERO, ceil_to, floor_to


def may_sell(state: BotState, at_ms: int) -> bool:
    """Tell whether a sell could leave at once: not while the exchange wants silence or an operator must decide."""
    return at_ms >= state.rate_limited_until_ms and state.halted is None and state.recovery is None


def arm_exit(draft: Draft, lot: Lot) -> None:
    """Give an open lot its exit: a resting limit sell at its target, or a trail; a market sell needs none yet.

    Not during an outage, a stop or a hold, and not to one that has an exit: a trail goes on as it began.
    Source: decisions.md, "Orders".
    """
    config = draft.state.config
    assert lot.target is not None, lot
    if is_blind(draft.state) or draft.state.stopping:
        return
    if lot.sell_order is not None or draft.at_ms < lot.hold_ms or not may_sell(draft.state, draft.at_ms):
        return
    if draft.state.is_leaving(lot):
        _sell_out(draft, lot)
        return
    if lot.number in draft.state.trails:
        return
    if config.sell_order_type == "limit":
        request_sell(draft, lot, price=lot.target, limit_price=lot.target, purpose="target")
    elif config.sell_order_type != "market":
        floor = lot.target if config.trailing_sell_floor == "target" else None
        draft.emit(TrailingStarted(lot.number, "up", lot.target, config.trailing_sell_percent, floor))


def _sell_out(draft: Draft, lot: Lot) -> None:
    """Sell at market whatever the price is, as a stop loss or a kill switch has it (decisions.md, "Risk")."""
    price = draft.market.price
    if price is not None:
        purpose = "stop_loss" if lot.stopped else "kill_switch"
        request_sell(draft, lot, price=price.sell_price, limit_price=None, purpose=purpose)


def arm_exits(draft: Draft) -> None:
    """Arm every open lot that has neither sell nor trail: after an outage, a reset, a pause or a refusal."""
    for lot in list(draft.state.lots.values()):
        if lot.status == "open" and lot.sell_order is None and lot.number not in draft.state.trails:
            arm_exit(draft, lot)


def sale_now(state: BotState, lot: Lot, price: Decimal, rules: MarketRules) -> Decimal:
    """Give what an order would sell of a lot at a price now: what is sellable of it and there; zero if too little."""
    quantity = _that_is_there(state, sellable_quantity(state, lot, price, rules), rules)
    return ZERO if quantity < rules.min_quantity or quantity * price < rules.min_notional else quantity


def _that_is_there(state: BotState, quantity: Decimal, rules: MarketRules) -> Decimal:
    """Give as much of a quantity as the account has free, where it told so since our orders last changed."""
    balance = state.balances.get(state.config.base)
    if state.config.paper_trading or not state.balances_ms:
        return quantity
    return min(quantity, floor_to(balance.free if balance else ZERO, rules.quantity_step))


def set_unsellable_aside(draft: Draft) -> None:
    """Move lots to the dust that were sellable only with dust that another sale has taken, and end their trails."""
    rules = draft.market.rules
    assert rules is not None, "nothing is sold before the market's rules are known"
    for lot in list(draft.state.lots.values()):
        if lot.status != "open" or lot.sell_order is not None or lot.target is None:
            continue
        if not sellable_quantity(draft.state, lot, lot.target, rules):
            make_dust(draft, lot)


def make_dust(draft: Draft, lot: Lot) -> None:
    """Move a lot to the dust, and end its trail."""
    if lot.number in draft.state.trails:
        draft.emit(TrailingReset(lot.number, "up", "dust"))
    draft.emit(DustRecorded(lot.number, lot.quantity, lot.cost))


def request_sell(draft: Draft, lot: Lot, *, price: Decimal, limit_price: Decimal | None, purpose: str) -> bool:
    """Ask for the sale of a lot with the dust that fits; a lot too small to sell becomes dust.

    A limit price is rounded up to the tick, the quantity down to the step. Tells whether an order was requested.
    """
    rules, config = draft.market.rules, draft.state.config
    assert rules is not None, "nothing is sold before the market's rules are known"
    if not sellable_quantity(draft.state, lot, price, rules):
        make_dust(draft, lot)
        return False
    quantity = sale_now(draft.state, lot, price, rules)
    if not quantity:
        return False
    trailing_limit = purpose == "trailing" and limit_price is not None
    request_order(
        draft,
        side="sell",
        kind="market" if limit_price is None else "limit",
        quantity=quantity,
        seen_price=price,
        limit_price=None if limit_price is None else ceil_to(limit_price, rules.price_tick),
        purpose=purpose,
        lot=lot.number,
        dust_quantity=max(quantity - lot.quantity, Decimal(0)),
        timeout_ms=config.sell_order_timeout * 1000 if trailing_limit else None,
    )
    return True
