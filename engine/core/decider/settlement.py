"""What follows when an order ends: the purchase or the sale, the next exit, the fate of its trail."""

from engine.core.decider.draft import Draft
from engine.core.decider.exits import arm_exit, make_dust, set_unsellable_aside
from engine.core.events import (
    DiscrepancyFound,
    OrderCanceled,
    OrderCancelRequested,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    PurchaseRecorded,
    SaleRecorded,
    SellTargetSet,
    TimerFired,
    TrailingActivated,
    TrailingReset,
)
from engine.core.lots import is_too_much, net_percent, sellable_quantity, target_price
from engine.core.state import ENTRY, Lot, Order
from engine.core.units import ZERO, change_percent


def on_report(draft: Draft) -> None:
    """Settle the order that an exchange report is about."""
    event = draft.event
    assert isinstance(event, OrderFilled | OrderRejected | OrderCanceled | OrderExpired), event
    settle(draft, event.client_order_id)


def on_timer(draft: Draft) -> None:
    """Ask to cancel every resting order that is older than its timeout."""
    assert isinstance(draft.event, TimerFired), draft.event
    for order in list(draft.state.orders.values()):
        deadline_ms = deadline_of(order)
        if deadline_ms is not None and deadline_ms <= draft.at_ms:
            draft.emit(OrderCancelRequested(order.client_order_id, "timeout"))


def deadline_of(order: Order) -> int | None:
    """Say when a resting order is to be cancelled, in milliseconds, or None if never or already asked for."""
    if order.status != "open" or order.timeout_ms is None or order.cancel_reason is not None:
        return None
    return (order.accepted_ms or order.requested_ms) + order.timeout_ms


def settle(draft: Draft, client_order_id: str) -> None:
    """Draw the consequences of a terminal order; an order still alive has none."""
    order = draft.state.done_orders.get(client_order_id)
    if order is None:
        return
    if order.side == "buy":
        _settle_buy(draft, order)
    else:
        _settle_sell(draft, order)
        _sell_on(draft, order)


def _settle_buy(draft: Draft, order: Order) -> None:
    lot = draft.state.lots.get(order.number)
    trail = draft.state.trails.get(ENTRY)
    is_bought = lot is not None and lot.status == "buying"
    if trail is not None and (trail.status == "triggered" or is_bought) and draft.state.open_buy is None:
        # one that still follows the price met a buy that came back, or that a recovery took over: that was its purchase
        reason = "filled" if order.filled else ("rejected" if order.status == "rejected" else "unfilled")
        draft.emit(TrailingReset(ENTRY, "down", reason))
    if lot is None or not is_bought:
        return
    draft.emit(
        PurchaseRecorded(
            lot=lot.number,
            price=lot.price,
            quantity=lot.bought,
            held=lot.held,
            cost=lot.paid,
            unit_cost=lot.unit_cost,
            fee=lot.fee,
        )
    )
    offer(draft, lot)


def cancel(draft: Draft, order: Order, reason: str) -> None:
    """Ask to cancel an order, unless that was asked; a market order that has left is as good as done."""
    has_left = order.status != "requested"
    if order.cancel_reason is None and order.final is None and not (has_left and order.kind == "market"):
        draft.emit(OrderCancelRequested(order.client_order_id, reason))
        settle(draft, order.client_order_id)


def offer(draft: Draft, lot: Lot) -> None:
    """Give a lot its target and its exit; one that cannot be sold there becomes dust, unless it is for sale."""
    config, rules = draft.state.config, draft.market.rules
    assert rules is not None, "nothing is bought before the market's rules are known"
    sell_fee = config.fees.taker
    target = target_price(lot.unit_cost, config.profit_target, sell_fee, rules.price_tick)
    draft.emit(
        SellTargetSet(
            lot=lot.number,
            target=target,
            unit_cost=lot.unit_cost,
            profit_percent=config.profit_target,
            sell_fee_percent=sell_fee,
            net_percent=net_percent(target, lot.unit_cost, sell_fee),
        )
    )
    lot, trail = draft.state.lots[lot.number], draft.state.trails.get(lot.number)
    if lot.sell_order is None and not (lot.held and sellable_quantity(draft.state, lot, target, rules)):
        make_dust(draft, lot)
        return
    if trail is not None and trail.status == "waiting":
        draft.emit(TrailingReset(lot.number, "up", "target"))  # it waits for a target that has changed
    arm_exit(draft, lot)


def _settle_sell(draft: Draft, order: Order) -> None:
    lot = draft.state.lots.get(order.lot or 0)
    if 0 < order.filled <= order.recorded.filled:
        return  # recorded: an old report came again
    if lot is None or lot.sell_order is not None:
        _settle_late_sale(draft, order, lot)
        return
    closed = False
    if order.filled and lot.status == "open":
        closed = _record_sale(draft, order, lot)
    _settle_trail(draft, order, lot, closed=closed)
    if closed or not draft.state.lots[lot.number].quantity:
        set_unsellable_aside(draft)
    remaining = draft.state.lots.get(lot.number)
    resting_sell_is_gone = remaining is not None and lot.number not in draft.state.trails
    if resting_sell_is_gone and order.filled:
        assert remaining is not None, lot
        arm_exit(draft, remaining)


def _settle_late_sale(draft: Draft, order: Order, lot: Lot | None) -> None:
    """Record what a sell traded whose lot was closed meanwhile, or offered again.

    The sell that is out for the lot then goes, if it would sell more than is left.
    """
    if not order.filled:
        return
    _record_sale(draft, order, lot)
    rest = None if lot is None else draft.state.lots.get(lot.number)
    out = None if rest is None else draft.state.orders.get(rest.sell_order or "")
    if rest is not None and out is not None and is_too_much(out, rest):
        cancel(draft, out, "superseded")


def _sell_on(draft: Draft, order: Order) -> None:
    """Sell at market what a resting sell left of a lot that must go; its cancellation was only asked for."""
    lot = draft.state.lots.get(order.lot or 0)
    if lot is None or lot.status != "open" or order.kind != "limit" or 0 < order.filled <= order.recorded.filled:
        return
    if draft.state.is_leaving(lot):
        arm_exit(draft, lot)


def _settle_trail(draft: Draft, order: Order, lot: Lot, *, closed: bool) -> None:
    """End the trail of a sold lot; let one whose order came to nothing go on."""
    trail = draft.state.trails.get(lot.number)
    if trail is None:
        return
    if closed or (trail.status == "triggered" and order.status == "filled"):
        draft.emit(TrailingReset(lot.number, "up", "filled"))
    elif trail.status == "triggered":
        assert trail.watermark is not None, trail
        draft.emit(TrailingActivated(lot.number, "up", order.seen_price, trail.watermark))


def _record_sale(draft: Draft, order: Order, lot: Lot | None) -> bool:
    """Record what a sell order brought; tell whether the lot is closed by it. A lot that is None was closed before."""
    rules = draft.market.rules
    assert rules is not None, "nothing is sold before the market's rules are known"
    assert order.lot is not None, order
    quantity = order.filled - order.recorded.filled
    price = (order.cash - order.recorded.cash) / quantity
    proceeds = order.cash - order.fee_quote - order.recorded.proceeds
    cost = order.cost_sold - order.recorded.cost
    profit = proceeds - cost
    closed, shortfall = False, ZERO
    if lot is not None:
        assert lot.target is not None, lot
        is_over = not lot.quantity or not sellable_quantity(draft.state, lot, lot.target, rules)
        closed = is_over and lot.sell_order is None
        shortfall = (lot.target - price) * quantity
    _tell_unowned(draft, order)
    draft.emit(
        SaleRecorded(
            lot=order.lot,
            price=price,
            quantity=quantity,
            proceeds=proceeds,
            cost=cost,
            profit=profit,
            profit_percent=change_percent(proceeds, cost) if cost else ZERO,
            closed=closed,
            dust_quantity=order.dust_sold - order.recorded.dust,
            slippage=max(shortfall, ZERO),
            client_order_id=order.client_order_id,
        )
    )
    return closed


def _tell_unowned(draft: Draft, order: Order) -> None:
    """Tell of a sell that sold more than its lot and the dust held; a fee in base may come on top."""
    if order.unowned > order.fee_base:
        draft.emit(
            DiscrepancyFound(
                f"order {order.client_order_id}",
                expected="no more sold than its lot and the dust held",
                actual=f"{order.unowned} more sold",
                action="what it brought counts as profit until a late trade of the purchase explains it",
            )
        )
