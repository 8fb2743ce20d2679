"""The rules of what a bot may decide, each at the event in which it decided: by its own log alone.

Owns what may be requested while other orders are out, what a purchase may take of the budget, and what may be left of a
lot that is closed. Source: docs/decisions.md, "Money" and "Orders", docs/events.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from engine.testing.independent.ledger import Ledger, is_close
from engine.testing.independent.orders import ZERO, Order
from engine.testing.independent.rows import Row, number


def request_violations(row: Row, ledger: Ledger, budget: Decimal) -> Iterator[str]:
    """Say what speaks against an order that a bot has decided; it is not among the orders yet."""
    says, orders = row.says, ledger.orders.by_name.values()
    name, lot = says["client_order_id"], says["lot"] if says["side"] == "sell" else None
    rivals = [order.name for order in orders if not order.is_ended and order.side == says["side"]]
    if lot is not None:
        rivals = [order.name for order in orders if not order.is_ended and order.side == "sell" and order.lot == lot]
    if rivals:
        of = "" if lot is None else f" of lot {lot}"
        yield f"intent: {name} is to {says['side']}{of}, and {rivals[-1]} has not ended"
    if lot is None:
        reserved = number(says["reserved"])
        at_stake = reserved + _at_stake(ledger, orders)
        if at_stake > budget and not is_close(at_stake, budget):
            yield f"exposure: {name} takes {reserved:f}, so {at_stake:f} are at stake, and the budget is {budget:f}"


def _at_stake(ledger: Ledger, orders: Iterable[Order]) -> Decimal:
    """Give what lots and dust have cost and what open buys may still take."""
    total = sum((lot.cost_left for lot in ledger.lots.values()), ledger.dust_cost if ledger.dust else ZERO)
    for order in orders:
        if order.side == "buy":
            total += ledger.cost_of(order.unrecorded())
            unfilled = ZERO if order.is_ended else max(order.quantity - order.filled, ZERO)
            total += number(order.wanted["reserved"]) * unfilled / order.quantity
    return total


def record_violations(row: Row, ledger: Ledger) -> Iterator[str]:
    """Say when a purchase or a sale is recorded of an order that may still trade."""
    if row.tag == "purchase_recorded":
        order = ledger.orders.by_lot.get(row.says["lot"])
    else:
        order = ledger.orders.by_name.get(row.says.get("client_order_id", ""))
    if order is not None and not order.is_ended:
        yield f"position: {row.tag} of {order.name}, which has not ended: {order.filled:f} of it are booked"


def closing_violations(row: Row, ledger: Ledger, feed: Sequence[Row]) -> Iterator[str]:
    """Say when a sale has closed a lot of which enough is left to be sold at its target; rules are those of then."""
    lot = ledger.lots.get(row.says["lot"])
    rules = _rules_at(row, feed)
    if not row.says["closed"] or lot is None or lot.target is None or rules is None:
        return
    step = number(rules["quantity_step"])
    sellable = lot.remainder // step * step
    if (
        sellable
        and sellable >= number(rules["min_quantity"])
        and sellable * lot.target >= number(rules["min_notional"])
    ):
        yield f"position: lot {row.says['lot']} is closed with {lot.remainder:f} left, which can be sold"


def _rules_at(row: Row, feed: Sequence[Row]) -> Mapping[str, Any] | None:
    """Give what the market accepted when a row was written."""
    told = [each for each in feed if each.tag == "market_rules_observed" and each.row_id < row.row_id]
    return told[-1].says["rules"] if told else None


def end_violations(rows: Sequence[Row]) -> Iterator[str]:
    """Say when the log of an engine that stopped in order does not end with that."""
    if rows[-1].tag != "session_stopped":
        bot, last = rows[-1].stream, rows[-1]
        yield f"time: {bot} was laid down in order, and ends with {last.sequence}, {last.tag}"
