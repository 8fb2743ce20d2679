"""The state file held against what the log gave at the event that the file names.

Owns the comparison, figure by figure. Source: docs/state-file.md and decisions 8 to 11.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from engine.testing.independent.bots import BotBook
from engine.testing.independent.ledger import Lot, is_close
from engine.testing.independent.orders import ZERO
from engine.testing.independent.rows import Row, number
from engine.testing.independent.trails import Trail

SHOWN: Final = Decimal("1e-12")
Found = tuple[str, str, Any, Any]
"""A rule, a key, what the file says and what the log gives."""


class StateFile:
    """A state file as it stands in the directory."""

    def __init__(self, path: Path, bot: str) -> None:
        """Read it; a missing one is `None`, and one that cannot be read is wrong."""
        self.bot: Final = bot
        self.wrong: Final[list[str]] = []
        self.says: Mapping[str, Any] | None = None
        if not path.exists():
            return
        try:
            self.says = json.loads(path.read_bytes(), parse_float=Decimal)
            self.sequence = int(self.says["log"]["sequence"])
            self.checksum = str(self.says["log"]["checksum"])
        except (ValueError, KeyError, TypeError) as fault:
            self.says = None
            self.wrong.append(f"statistics: {path.name} cannot be read: {fault!r}")

    @property
    def place(self) -> int:
        """Give the sequence that the file reflects, 0 if there is no file."""
        return self.sequence if self.says else 0

    def against(self, rows: Sequence[Row], *, is_stopped: bool) -> None:
        """Hold the place that the file names against the stream; an orderly end leaves a file of a bot that bought."""
        if self.says is None:
            if is_stopped and not self.wrong and any(row.tag == "purchase_recorded" for row in rows):
                self.wrong.append(f"statistics: {self.bot}: it has bought, was stopped in order, and has no state file")
            return
        if not 0 < self.sequence <= len(rows):
            self.wrong.append(f"statistics: {self.bot}: the state file is of {self.sequence}, the log has {len(rows)}")
        elif rows[self.sequence - 1].checksum.hex() != self.checksum:
            self.wrong.append(f"statistics: {self.bot}: the state file's checksum is not that of {self.sequence}")

    def compare(self, book: BotBook) -> None:
        """Hold every figure against the book."""
        assert self.says is not None, "asked only where there is a file"
        try:
            found = [*_totals(self.says, book), *_lots(self.says, book), *_trails(self.says, book)]
        except (KeyError, TypeError, ValueError, ArithmeticError) as fault:
            self.wrong.append(f"statistics: {self.bot}: the state file is not as documented: {fault!r}")
            return
        for rule, key, shown, given in found:
            if not _agree(shown, given):
                self.wrong.append(f"{rule}: {self.bot}: the state file says {key} {shown}, the log gives {given}")


def _agree(shown: Any, given: Any) -> bool:
    if isinstance(given, Decimal) and shown is not None:
        return is_close(number(shown), given, SHOWN)
    return bool(shown == given)


def _totals(says: Mapping[str, Any], book: BotBook) -> Iterator[Found]:
    stats, strategy, ledger = says["stats"], says["strategy_state"], book.ledger
    lots = [*ledger.closed, *ledger.lots.values()]
    won = sum(1 for lot in lots if lot.status == "filled" and lot.profit > 0)
    closed = sum(1 for lot in lots if lot.status == "filled")
    yield "statistics", "total_trades", stats["total_trades"], ledger.total_trades
    yield "statistics", "winning_trades", stats["winning_trades"], won
    yield "statistics", "losing_trades", stats["losing_trades"], closed - won
    yield "statistics", "purchase_count", strategy["purchase_count"], ledger.purchases
    yield "statistics", "total_purchased", strategy["total_purchased"], ledger.purchased
    yield "statistics", "total_spent", strategy["total_spent"], ledger.spent
    yield "statistics", "last_purchase_price", strategy["last_purchase_price"], ledger.last_price
    yield "statistics", "last_purchase_time", strategy["last_purchase_time"], _seconds(ledger.last_ms)
    yield "statistics", "paused", says["paused"], book.is_paused
    yield "statistics", "failure_count", says["connectivity"]["failure_count"], book.failures
    yield "statistics", "kill_switch", says["risk"]["kill_switch"], book.kill_switch
    yield "statistics", "day_profit", says["risk"]["day_profit"], ledger.day_profit
    yield "position", "total_profit", stats["total_profit"], ledger.profit_of_cash
    dust = strategy["dust"]
    shown = number(stats["current_position"]) + number(dust["quantity"])
    yield "position", "position and dust", shown, ledger.position + ledger.oversold
    if not any(order.unrecorded() for order in book.orders.by_name.values()):
        yield "position", "dust.quantity", dust["quantity"], ledger.dust
        yield "position", "dust.cost", dust["cost"], ledger.dust_cost


def _lots(says: Mapping[str, Any], book: BotBook) -> Iterator[Found]:
    shown = {lot["buy_order_id"]: lot for lot in says["strategy_state"]["purchases"]}
    for number_, lot in book.ledger.lots.items():
        name = lot.order.name
        if name in shown:
            yield from _lot(f"lot {number_}", shown[name], lot, book)
        elif lot.status == "pending":
            yield "position", f"lot {number_}", None, "an open lot"
    waiting = [lot for lot in book.ledger.lots.values() if lot.status == "pending"]
    bought = {lot.order.name: lot.order.fills[lot.first].at_ms for lot in waiting}
    told = [lot["buy_order_id"] for lot in says["strategy_state"]["pending_sell_orders"]]
    yield "position", "pending lots", sorted(told), sorted(bought)
    ages = [bought.get(name, 0) for name in told]
    yield "position", "times of pending lots", ages, sorted(ages)


def _lot(label: str, shown: Mapping[str, Any], lot: Lot, book: BotBook) -> Iterator[Found]:
    fills = lot.order.fills[lot.first :]
    quantity = sum((fill.quantity for fill in fills), ZERO)
    value = sum((fill.quantity * fill.price for fill in fills), ZERO)
    yield "statistics", f"{label} status", shown["status"], lot.status
    yield "statistics", f"{label} buy_amount", shown["buy_amount"], quantity
    yield "statistics", f"{label} buy_price", shown["buy_price"], value / quantity
    yield "statistics", f"{label} buy_fee", shown["buy_fee"], sum((fill.fee_quote for fill in fills), ZERO)
    yield "statistics", f"{label} buy_timestamp", shown["buy_timestamp"], _seconds(fills[0].at_ms)
    yield "statistics", f"{label} target", _amount(shown["target_sell_price"]), lot.target
    if lot.sold:
        yield "statistics", f"{label} sell_price", shown["sell_price"], lot.taken / lot.sold
        yield "statistics", f"{label} proceeds", shown["proceeds"], lot.proceeds
        yield "statistics", f"{label} profit", shown["profit"], lot.profit
    yield "statistics", f"{label} sell_timestamp", shown["sell_timestamp"], _seconds(lot.closed_ms)
    if not any(order.unrecorded() for order in book.orders.by_name.values()):
        yield "position", f"{label} amount_left", shown["amount_left"], lot.left


def _trails(says: Mapping[str, Any], book: BotBook) -> Iterator[Found]:
    """Compare the trails that follow or wait, in any order."""
    shown = [
        (
            trail["lot"] or 0,
            trail["direction"],
            trail["status"],
            _amount(trail["activation_price"]),
            _amount(trail["watermark"]),
        )
        for trail in says["strategy_state"]["trailing_states"]
        if trail["status"] != "inactive"
    ]
    given = [_trail(key, trail) for key, trail in book.trails.by_key.items() if trail.status != "inactive"]
    yield "trail", "trails", sorted(shown, key=_place), sorted(given, key=_place)


def _trail(key: tuple[int, str], trail: Trail) -> tuple[int, str, str, Decimal | None, Decimal | None]:
    return key[0], key[1], trail.status, trail.activation, trail.watermark


def _amount(shown: Any) -> Decimal | None:
    return None if shown is None else number(shown)


def _seconds(at_ms: int | None) -> int | None:
    return None if at_ms is None else at_ms // 1000


def _place(trail: Sequence[Any]) -> tuple[int, str]:
    return trail[0], trail[1]
