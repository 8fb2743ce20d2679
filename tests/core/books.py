"""The books of a bot: identities that hold after every event, computed afresh from nothing but its log.

Owns the sums. Each assertion names the rule it stands for; the tolerance of 1e-18 is what divisions of a cost may lose.
"""

from decimal import Decimal
from typing import Final

from engine.core.events import (
    BotEvent,
    DustRecorded,
    KillSwitchEngaged,
    KillSwitchReleased,
    OrderFilled,
    OrderRequested,
    PurchaseRecorded,
    SaleRecorded,
)
from engine.core.state import ENTRY, BotState
from engine.core.units import ZERO
from engine.core.watch import with_watch
from tests.kernel import Kernel, of

HAIR: Final = Decimal("1e-18")


def audit(kernel: Kernel) -> None:
    """Hold the state against the sums of its log."""
    state, events = kernel.state, kernel.told()
    orders = {event.client_order_id: event for event in of(events, OrderRequested)}
    fills = list({(fill.client_order_id, fill.trade_id): fill for fill in of(events, OrderFilled)}.values())
    _orders_hold(state, orders, fills)
    _base_adds_up(state, orders, fills)
    _cash_adds_up(state, orders, fills, of(events, SaleRecorded))
    _trades_add_up(state, events_of(kernel))
    _lots_hold(state)
    _limits_hold(state, events)


def events_of(kernel: Kernel) -> tuple[list[PurchaseRecorded], list[SaleRecorded], list[DustRecorded]]:
    """Give purchases, sales and lots given up as dust."""
    events = kernel.told()
    return of(events, PurchaseRecorded), of(events, SaleRecorded), of(events, DustRecorded)


def _orders_hold(state: BotState, orders: dict[str, OrderRequested], fills: list[OrderFilled]) -> None:
    for name, requested in orders.items():
        filled = sum((fill.quantity for fill in fills if fill.client_order_id == name), ZERO)
        assert filled <= requested.quantity, "Orders: never more is filled than was asked for"
        known = state.order(name)
        assert known is None or known.filled == filled
    numbers = [order.number for order in orders.values()]
    assert numbers == list(range(1, len(numbers) + 1)), "Order protocol: order numbers have no gap and no repeat"
    sells = [order for order in state.orders.values() if order.side == "sell"]
    assert len({order.lot for order in sells}) == len(sells), "Orders: never more than one open sell per lot"
    assert all(state.lots[order.lot or 0].sell_order == order.client_order_id for order in sells)
    assert len(state.orders) - len(sells) <= 1, "a buy waits for the one before it"
    assert state.reserved >= 0
    assert state.exposure <= state.config.budget, "Money: the budget bounds exposure"
    assert len(state.lots) <= state.config.max_open_lots, "Money: max_open_lots bounds exposure"


def _base_adds_up(state: BotState, orders: dict[str, OrderRequested], fills: list[OrderFilled]) -> None:
    base = ZERO
    for fill in fills:
        base += fill.quantity if orders[fill.client_order_id].side == "buy" else -fill.quantity
        base -= fill.fee if fill.fee_asset == "BTC" else 0
    beyond = sum((order.unowned for order in (*state.orders.values(), *state.done_orders.values())), ZERO)
    held = state.position + state.dust.quantity
    assert held == base + beyond, "Words: the position is the sum of open lots; base adds up"
    assert state.position >= 0
    assert state.dust.quantity >= 0


def _cash_adds_up(
    state: BotState, orders: dict[str, OrderRequested], fills: list[OrderFilled], sales: list[SaleRecorded]
) -> None:
    cash = elsewhere = ZERO
    for fill in fills:
        value = fill.price * fill.quantity
        cash += -value if orders[fill.client_order_id].side == "buy" else value
        cash -= fill.fee if fill.fee_asset == "USD" else 0
        elsewhere += fill.fee_quote if fill.fee_asset not in {"USD", "BTC"} else 0
    assert state.cash_flow == cash, "Money: cash flow is what the fills moved"
    under_way = sum(
        (
            o.cash - o.fee_quote - o.recorded.proceeds - (o.cost_sold - o.recorded.cost)
            for o in state.orders.values()
            if o.side == "sell"
        ),
        ZERO,
    )
    profit = sum((sale.profit for sale in sales), ZERO)
    assert state.stats.total_profit == profit, "decision 9: total_profit is realised and net"
    cost = sum((lot.cost for lot in state.lots.values()), state.dust.cost)
    assert abs(profit + under_way - cost + elsewhere - cash) <= HAIR, "Money: cost never vanishes"
    for sale in sales:
        assert sale.profit == sale.proceeds - sale.cost


def _trades_add_up(
    state: BotState, told: tuple[list[PurchaseRecorded], list[SaleRecorded], list[DustRecorded]]
) -> None:
    purchases, sales, dusts = told
    stats = state.stats
    sold = {sale.lot for sale in sales}
    dust = {each.lot for each in dusts} - sold
    assert stats.purchase_count == len(purchases)
    assert stats.total_trades == len(purchases) - len(dust), "decision 9: one trade per purchase; dust opens none"
    assert stats.total_purchased == sum((each.quantity for each in purchases), ZERO)
    closed = sum(sale.closed for sale in sales) + len({each.lot for each in dusts} & sold)
    assert stats.winning_trades + stats.losing_trades == closed, "decision 9: a sold lot has won or lost"
    still_open = sum(lot.status == "open" for lot in state.lots.values())
    assert stats.total_trades == closed + still_open, "decision 9: dust closes no trade"


def _lots_hold(state: BotState) -> None:
    for lot in state.lots.values():
        assert lot.quantity >= 0
        assert lot.cost >= 0
        assert lot.status == "buying" or lot.target is not None
        assert lot.status != "buying" or lot.sell_order is None, "Orders: no sell before the buy is terminal"
    for key, trail in state.trails.items():
        assert key == trail.lot
        assert key in state.lots or key == ENTRY, "decision 10: a trail belongs to a lot or to the entry"
        assert (trail.direction == "down") is (key == ENTRY)
        assert (trail.watermark is None) is (trail.status == "waiting")
    assert state.watch == with_watch(state).watch, "the thresholds kept are those derived afresh"


def _limits_hold(state: BotState, events: list[BotEvent]) -> None:
    """Risk: no purchase under a kill switch or beyond a limit; what must leave has no trail and no resting sell."""
    killed, buys = False, []
    for event in events:
        match event:
            case KillSwitchEngaged():
                killed = True
            case KillSwitchReleased():
                killed = False
            case OrderRequested(side="buy"):
                assert not killed, "Risk: nothing is bought while the kill switch is engaged"
                buys.append(event)
            case _:
                pass
    assert killed is (state.guard.kill is not None)
    most = state.config.risk.max_order_size
    assert most is None or all(buy.quantity * (buy.limit_price or buy.seen_price) <= most + 1 for buy in buys)
    assert state.guard.kill is None or ENTRY not in state.trails
    for lot in state.lots.values():
        if lot.status == "open" and state.is_leaving(lot):
            assert lot.number not in state.trails, "Risk: a lot that is sold at market follows no price"
            sell = state.orders.get(lot.sell_order or "")
            assert sell is None or sell.kind == "market" or sell.cancel_reason is not None or sell.final is not None
