"""What follows in a recovery: what the log lacks that broke off inside a decision, and what the lost end held for dust.

What an engine with the same rules was deciding has been decided to its end before, and little follows here. Others
make up nothing in its stead; but a purchase without a target or a trail without a lot would never be decided about
again. Source: docs/adr/0019-recovery.md.
"""

from engine.core.decider.draft import Draft
from engine.core.decider.emergency import drop_exit, stop_entries
from engine.core.decider.exits import make_dust
from engine.core.decider.settlement import cancel, offer, settle
from engine.core.events import OrderAdopted, TrailingReset
from engine.core.lots import dust_for, free_dust
from engine.core.state import ENTRY, Order


def on_recovery(draft: Draft) -> None:
    """Settle what was bought and sold, end the trails of what is gone, and have limits that were reached be kept."""
    for lot in list(draft.state.lots.values()):
        if lot.status == "open" and lot.target is None:
            offer(draft, lot)
    _settle_rest(draft)
    for order in list(draft.state.orders.values()):
        if order.purpose == "adopted":
            _set_dust_aside(draft, order)
    for trail in list(draft.state.trails.values()):
        if trail.lot != ENTRY and trail.lot not in draft.state.lots:
            draft.emit(TrailingReset(trail.lot, "up", "filled"))
    _keep_what_was_reached(draft)
    entry = draft.state.trails.get(ENTRY)
    if entry is not None and entry.status == "triggered" and draft.state.open_buy is None:
        draft.emit(TrailingReset(ENTRY, "down", "unfilled"))


def on_adopted(draft: Draft) -> None:
    """Set lots aside whose base an adopted sell has sold beside its own lot's: to the lost end they were dust."""
    assert isinstance(draft.event, OrderAdopted), draft.event
    order = draft.state.orders.get(draft.event.client_order_id)
    if order is not None:
        _set_dust_aside(draft, order)


def on_confirmed(draft: Draft) -> None:
    """Take sells off that were taken over and rest for more than their lot and the dust hold."""
    for order in list(draft.state.orders.values()):
        lot, rules = draft.state.lots.get(order.lot or 0), draft.market.rules
        if order.purpose != "adopted" or lot is None or lot.sell_order != order.client_order_id:
            continue
        assert rules is not None, "nothing is sold before the market's rules are known"
        held = lot.quantity + free_dust(draft.state, but=order.client_order_id)
        if order.quantity - order.filled - held >= rules.quantity_step:
            cancel(draft, order, "superseded")


def _set_dust_aside(draft: Draft, order: Order) -> None:
    lot, rules = draft.state.lots.get(order.lot or 0), draft.market.rules
    if lot is None or lot.sell_order != order.client_order_id:
        return
    assert rules is not None, "nothing is sold before the market's rules are known"
    for other in dust_for(draft.state, lot, order, rules.quantity_step) or ():
        make_dust(draft, other)


def _settle_rest(draft: Draft) -> None:
    """Record purchases and sales that were not; the purchases first, for a sale needs its lot whole."""
    for order in sorted(draft.state.done_orders.values(), key=lambda each: each.side):
        lot = draft.state.lots.get(order.number)
        is_bought = order.side == "buy" and lot is not None and lot.status == "buying"
        is_sold = order.side == "sell" and order.filled > order.recorded.filled
        if is_bought or is_sold:
            settle(draft, order.client_order_id)


def _keep_what_was_reached(draft: Draft) -> None:
    """Stop entries where a switch or a limit forbids them, and have no lot rest at its target that must leave."""
    guard = draft.state.guard
    if guard.kill is not None:
        stop_entries(draft, "kill_switch")
    elif draft.at_ms < guard.halted_until_ms:
        stop_entries(draft, "max_daily_loss_percent")
    for lot in list(draft.state.lots.values()):
        order = draft.state.orders.get(lot.sell_order or "")
        is_on_its_way = order is not None and order.kind == "market"
        if draft.state.is_leaving(lot) and not is_on_its_way:
            drop_exit(draft, lot, "stop_loss" if lot.stopped else "kill_switch")
