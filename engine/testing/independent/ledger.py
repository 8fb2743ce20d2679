"""Lots, dust, profit and counts of one bot, folded from its fills and from what was recorded of them.

Owns this second, independent bookkeeping; every recorded amount is held against the fills. Costs are shared out by
quantity, in decimals with many digits. Source: docs/decisions.md "Money", decisions 9 and 10, docs/events.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from engine.testing.independent.orders import ZERO, Fill, Order, Orders
from engine.testing.independent.rows import Row, number

PRECISION: Final = Decimal("1e-12")
"""Recorded quotients are rounded by the engine: so much they may differ, per unit."""

HUNDRED: Final = Decimal(100)
DAY_MS: Final = 86_400_000


def is_close(left: Decimal, right: Decimal, tolerance: Decimal = PRECISION) -> bool:
    """Tell whether two amounts are equal up to the rounding of a quotient."""
    return abs(left - right) <= tolerance * max(abs(left), abs(right), Decimal(1))


class Lot:
    """One purchase, and what became of it."""

    def __init__(self, order: Order, held: Decimal, cost: Decimal, first: int = 0) -> None:
        """Start whole; `first` is the place of its first fill: those before it made a lot that was closed since."""
        self.order: Final = order
        self.first: Final = first
        self.left = held
        self.unit_cost = cost / held
        self.cost_left = cost
        self.target: Decimal | None = None
        self.status = "pending"
        self.sold = self.taken = self.proceeds = self.profit = self.remainder = ZERO
        self.closed_ms: int | None = None


class Sold:
    """What trades of a sell took that no sale records yet: what it had cost, how much was dust, how much nothing."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.cost = self.dust = self.beyond = ZERO


class Ledger:
    """What a bot holds and what it has earned, by its own events."""

    def __init__(self, orders: Orders, base: str) -> None:
        """Start with nothing."""
        self.orders: Final = orders
        self.base: Final = base
        self.lots: Final[dict[int, Lot]] = {}
        self.closed: Final[list[Lot]] = []
        """Lots that were closed before a late trade of their purchase made another of the same number."""

        self.dust = self.dust_cost = ZERO
        self.excess = self.late = ZERO
        """What was sold beyond lots and dust, and what can explain it: what was told after an order's end, and fees of
        sales in base, which come on top of what was offered."""

        self.oversold = ZERO
        """The same, but for what a late trade of a purchase has explained since."""

        self._beyond: Final[dict[str, Decimal]] = {}
        """The same, by sell."""

        self._sold: Final[dict[str, Sold]] = {}
        """What sells have traded that no sale records yet."""

        self._explained: Final[defaultdict[int, Decimal]] = defaultdict(Decimal)
        """What of the excess of a lot's adopted sells earlier sells have explained."""

        self._taken: Final[Counter[str]] = Counter()
        """How many of the fills of a sell were taken out of its lot."""

        self._told: Final[set[str]] = set()
        """The sells of which was told that more was sold than there was."""

        self.purchases = self.total_trades = 0
        self.purchased = self.spent = self.profit = self.recorded_profit = ZERO
        self.last_lot = 0
        self.last_price: Decimal | None = None
        self.last_ms: int | None = None
        self.day: int | None = None
        self.day_profit = ZERO
        self.wrong: Final[list[str]] = []

    @property
    def position(self) -> Decimal:
        """Give all base that the fills of all orders left, dust included."""
        return sum((self.moved(order.side, order.fills) for order in self.orders.by_name.values()), ZERO)

    @property
    def recorded_position(self) -> Decimal:
        """Give the same from lots and dust, with the fills that are not recorded yet."""
        buys = (order for order in self.orders.by_name.values() if order.side == "buy")
        pending = (self.moved("buy", order.unrecorded()) for order in buys)
        return sum((lot.left for lot in self.lots.values()), self.dust) + sum(pending, -self.oversold)

    @property
    def profit_of_cash(self) -> Decimal:
        """Give the realised profit from the cash that moved: what came, less what went, plus what is held, at cost."""
        cash = ZERO
        for order in self.orders.by_name.values():
            for fill in order.fills[: order.recorded]:
                cash += self._cash(order.side, fill)
        pending = sum((sold.cost for sold in self._sold.values()), self.dust_cost)
        return cash + sum((lot.cost_left for lot in self.lots.values()), pending)

    def moved(self, side: str, fills: Iterable[Fill]) -> Decimal:
        """Give the base that fills brought, under zero for sells."""
        total = ZERO
        for fill in fills:
            total += fill.quantity if side == "buy" else -fill.quantity
            total -= self.base_fee((fill,))
        return total

    def base_fee(self, fills: Iterable[Fill]) -> Decimal:
        """Give the fees that fills cost in base."""
        return sum((fill.fee for fill in fills if fill.fee_asset == self.base), ZERO)

    def cost_of(self, fills: Iterable[Fill]) -> Decimal:
        """Give what fills of a buy have cost."""
        return -sum((self._cash("buy", fill) for fill in fills), ZERO)

    def fill(self, order: Order | None) -> None:
        """Take what a sell traded out of its lot and, past its end, out of the dust, as soon as the trade is told."""
        if order is None or order.side != "sell":
            return
        for fill in order.fills[self._taken[order.name] :]:
            self._taken[order.name] += 1
            sold, lot = self._sold.setdefault(order.name, Sold()), self.lots.get(order.lot)
            rest = -self.moved("sell", (fill,))
            if lot is not None:
                own = min(rest, lot.left)
                cost = _share(lot.cost_left, own, lot.left)
                lot.left, lot.cost_left, rest, sold.cost = (
                    lot.left - own,
                    lot.cost_left - cost,
                    rest - own,
                    sold.cost + cost,
                )
            dust = min(rest, self.dust)
            cost = _share(self.dust_cost, dust, self.dust)
            self.dust, self.dust_cost, sold.cost = self.dust - dust, self.dust_cost - cost, sold.cost + cost
            sold.dust, sold.beyond = sold.dust + dust, sold.beyond + rest - dust
            self.oversold += rest - dust
            self._beyond[order.name] = self._beyond.get(order.name, ZERO) + rest - dust

    def take(self, row: Row) -> None:
        """Take in a recorded purchase, target, sale or remainder."""
        match row.tag:
            case "purchase_recorded":
                self._purchase(row)
            case "sell_target_set":
                lot = self.lots.get(row.says["lot"])
                if lot is not None:
                    self._target(row, lot)
            case "sale_recorded":
                self._sale(row)
            case "dust_recorded":
                self._remainder(row)
            case "discrepancy_found" if row.says["expected"].startswith("no more sold"):
                self._told.add(row.says["subject"])
            case _:
                pass

    def _purchase(self, row: Row) -> None:
        order = self.orders.by_lot.get(row.says["lot"])
        if order is None or not order.unrecorded():
            self._complain(row, "no unrecorded fill of such a buy is there")
            return
        former = self.lots.get(order.lot)
        is_again = former is not None and former.closed_ms is None
        fills = order.fills if is_again else order.unrecorded()
        late = order.unrecorded()
        first, order.recorded = order.recorded, len(order.fills)
        quantity, value = _sums(fills)
        cost = self.cost_of(fills)
        held = self.moved("buy", fills)
        self._agree(row, "quantity", quantity)
        self._agree(row, "price", value / quantity)
        self._agree(row, "held", held)
        self._agree(row, "cost", cost)
        self._agree(row, "unit_cost", cost / held)
        self._agree(row, "fee", sum((fill.fee_quote for fill in fills), ZERO))
        if former is not None and is_again:  # recorded anew, and whole: it takes the place of the earlier record
            former.unit_cost = cost / held
            former.left += self.moved("buy", late)
            former.cost_left += self.cost_of(late)
            quantity, value = _sums(late)
        else:
            if former is not None:
                self.closed.append(self.lots.pop(order.lot))
            self.lots[order.lot] = Lot(order, held, cost, first)
            self.purchases, self.total_trades = self.purchases + 1, self.total_trades + 1
        self._explain(self.lots[order.lot])
        self.purchased, self.spent = self.purchased + quantity, self.spent + value
        if order.lot >= self.last_lot:  # what is told late of an earlier purchase does not make it the last
            self.last_lot, self.last_price, self.last_ms = order.lot, number(row.says["price"]), row.at_ms

    def _explain(self, lot: Lot) -> None:
        """Take out of a lot what was sold of it before so large a purchase was told; the cost stays."""
        for name, beyond in self._beyond.items():
            if self.orders.by_name[name].lot == lot.order.lot:
                explained = min(beyond, lot.left)
                lot.left, self.oversold = lot.left - explained, self.oversold - explained
                self._beyond[name] = beyond - explained

    def _target(self, row: Row, lot: Lot) -> None:
        """Take a target, which brings the profit after the fee of the sale, on top of all that the lot cost."""
        lot.target = number(row.says["target"])
        after_fee = lot.target * (HUNDRED - number(row.says["sell_fee_percent"]))
        wanted = lot.unit_cost * (HUNDRED + number(row.says["profit_percent"]))
        if after_fee < wanted and not is_close(after_fee, wanted):
            self._complain(row, f"a target of {lot.target} does not bring the profit on a cost of {lot.unit_cost:f}")

    def _sale(self, row: Row) -> None:
        says = row.says
        lot, order = self.lots.get(says["lot"]), self.orders.by_name.get(says.get("client_order_id", ""))
        if lot is None or order is None or order.side != "sell" or not order.unrecorded():
            self._complain(row, "no unrecorded fill of such a sell, or no such lot, is there")
            return
        fills = order.unrecorded()
        order.recorded = len(order.fills)
        quantity, value = _sums(fills)
        proceeds = sum((self._cash("sell", fill) for fill in fills), ZERO)
        self.late += _late(order, quantity) + self.base_fee(fills)
        sold = self._sold.pop(order.name)
        cost = sold.cost
        self.excess += sold.beyond
        is_told = f"order {order.name}" in self._told
        self._told.discard(f"order {order.name}")
        if self._beyond[order.name] > self.base_fee(order.fills) and not is_told:
            self._complain(row, f"{self._beyond[order.name]:f} was sold of nothing, and nothing tells of it")
        if order.is_adopted:
            self.late += self._told_late(order, sold.beyond)
        if self.excess > self.late:
            self._complain(row, f"more was sold than it and the dust held, in all {self.excess:f}")
        self._agree(row, "quantity", quantity)
        if number(says.get("dust_quantity", "0")) != sold.dust:
            self._complain(row, f"dust_quantity is {says.get('dust_quantity', '0')}, the fills give {sold.dust:f}")
        self._agree(row, "price", value / quantity)
        self._agree(row, "proceeds", proceeds)
        self._agree(row, "cost", cost)
        self._agree(row, "profit", proceeds - cost)
        lot.sold, lot.taken = lot.sold + quantity, lot.taken + value
        lot.proceeds, lot.profit = lot.proceeds + proceeds, lot.profit + proceeds - cost
        self.profit, self.recorded_profit = self.profit + proceeds - cost, self.recorded_profit + number(says["profit"])
        self._earned(row.at_ms, proceeds - cost)
        if says["closed"]:
            self._close(lot, "filled", row.at_ms)

    def _told_late(self, order: Order, beyond: Decimal) -> Decimal:
        """Give what of an adopted sell's excess its lot's earlier sells explain: the lost end was not told of them.

        Only sells that ended short of what they wanted can have been told of so, and each but once.
        """
        sells = (each for each in self.orders.by_name.values() if each.side == "sell" and each.lot == order.lot)
        short = (each for each in sells if each.status == "closed" and each.filled < each.quantity)
        earlier = sum((each.filled for each in short if each.wanted["number"] < order.wanted["number"]), ZERO)
        explained = min(beyond, max(earlier - self._explained[order.lot], ZERO))
        self._explained[order.lot] += explained
        return explained

    def _remainder(self, row: Row) -> None:
        lot = self.lots.get(row.says["lot"])
        if lot is None:
            self._complain(row, "no such lot is there")
            return
        self._agree(row, "quantity", lot.left)
        self._agree(row, "cost", lot.cost_left)
        if not lot.sold:
            self.total_trades -= 1
        self._close(lot, "filled" if lot.sold else "cancelled", row.at_ms)

    def _close(self, lot: Lot, status: str, at_ms: int) -> None:
        self.dust, self.dust_cost = self.dust + lot.left, self.dust_cost + lot.cost_left
        lot.remainder = lot.left
        lot.left = lot.cost_left = ZERO
        lot.status, lot.closed_ms = status, at_ms

    def _earned(self, at_ms: int, profit: Decimal) -> None:
        day = at_ms // DAY_MS
        self.day_profit = profit if day != self.day else self.day_profit + profit
        self.day = day

    def _cash(self, side: str, fill: Fill) -> Decimal:
        """Give the quote that a fill moved, with a fee in a third asset at its value."""
        fee = ZERO if fill.fee_asset == self.base else fill.fee_quote
        value = fill.price * fill.quantity
        return value - fee if side == "sell" else -value - fee

    def _agree(self, row: Row, key: str, expected: Decimal) -> None:
        if not is_close(number(row.says[key]), expected):
            self._complain(row, f"{key} is {row.says[key]}, the fills give {expected:f}")

    def _complain(self, row: Row, text: str) -> None:
        self.wrong.append(f"position: {self.orders.bot} {row.sequence}: {row.tag} of lot {row.says['lot']}: {text}")


def _late(order: Order, quantity: Decimal) -> Decimal:
    """Give how much of what was just told of an order is beyond the end that the log had of it: nobody knew of that."""
    if order.status == "gone":
        return quantity
    return max(min(quantity, order.filled - order.closed_at), ZERO) if order.status == "closed" else ZERO


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Give the cost of a part; what is left of a cost when nothing is there goes with the next that is sold."""
    return cost if part == whole else cost * part / whole


def _sums(fills: Iterable[Fill]) -> tuple[Decimal, Decimal]:
    quantity = value = ZERO
    for fill in fills:
        quantity, value = quantity + fill.quantity, value + fill.quantity * fill.price
    return quantity, value
