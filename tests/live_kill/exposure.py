"""How much a bot had at risk at the exchange, at every instant: open buys and what was bought and not sold.

Owns the reckoning, from the ledger alone; the log only tells which lot a sell is of. A bot that forgot an order for a
while shows here, even if it found it again later.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from tests.live_kill.books import ZERO, Intent, Ledger, trade_of

LEAST: Final = Decimal(11)
"""What is left of a lot below this much money is dust: the exchange takes no order of it."""

SLACK: Final = Decimal("1.02")
"""A market order may get a worse price than the one it was decided at."""

Change = tuple[int, str, Any]


class Lot:
    """What one buy intent has at the exchange, over however many orders."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.open: dict[int, Decimal] = {}
        self.held = self.bought = self.cost = self.sold = ZERO

    @property
    def at_risk(self) -> Decimal:
        """Give the money in it: what open orders may still spend, and the cost of what is not sold."""
        left = max(self.held - self.sold, ZERO) / self.held * self.cost if self.held else ZERO
        return sum(self.open.values(), ZERO) + (left if left >= LEAST else ZERO)


def exposures(log_id: str, intents: Mapping[str, Intent], ledger: Ledger) -> Iterator[tuple[int, Decimal, int]]:
    """Give the money at risk and the number of lots of a bot after every change at the exchange, with its time."""
    lots: dict[str, Lot] = {}
    changes = sorted(_changes(log_id, ledger), key=lambda change: change[0])
    for at_ms, group in groupby(changes, key=lambda change: change[0]):
        for _, client_id, what in group:
            intent = intents.get(client_id)
            side = what["side"] if "side" in what else what["wish"]["side"]
            if side == "BUY":
                _buy(lots.setdefault(client_id, Lot()), what)
            elif "side" in what and intent is not None:
                lot = lots.setdefault(_lot_id(client_id, intent), Lot())
                lot.sold += Decimal(what["quantity"])
        risks = [lot.at_risk for lot in lots.values()]
        yield at_ms, sum(risks, ZERO), sum(1 for risk in risks if risk)


def _lot_id(client_id: str, intent: Intent) -> str:
    """Name the buy that opened the lot which a sell is of: the same log, another number."""
    digits, number = "0123456789abcdefghjkmnpqrstvwxyz", int(intent.wanted["lot"])
    text = ""
    for _ in range(7):
        number, digit = divmod(number, 32)
        text = digits[digit] + text
    return client_id[:-7] + text


def _buy(lot: Lot, what: dict[str, Any]) -> None:
    if "side" in what:
        trade = trade_of(what)
        base_fee = trade.fee if what["symbol"].startswith(trade.fee_asset) else ZERO
        lot.held += trade.quantity - base_fee
        lot.cost += trade.quantity * trade.price
        return
    left = Decimal(what["quantity"]) - Decimal(what["executed"])
    is_open = what["status"] in {"NEW", "PARTIALLY_FILLED"}
    price = Decimal(what["wish"]["price"] or 0)
    lot.open.pop(what["order_id"], None)
    if is_open and left * price:
        lot.open[what["order_id"]] = left * price


def _changes(log_id: str, ledger: Ledger) -> Iterable[Change]:
    prefix = "k" + log_id
    for states in ledger.orders:
        for state in states:
            if state["wish"]["client_order_id"].startswith(prefix):
                yield state["changed_ms"], state["wish"]["client_order_id"], state
    for trade in ledger.trades:
        if trade["client_order_id"].startswith(prefix):
            yield trade["seen_ms"], trade["client_order_id"], trade
