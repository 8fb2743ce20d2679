"""The order book of a market: prices around the scripted one, with so much to be had at each until the next step.

Owns what was taken in this step. Never holds the resting orders of accounts: those meet the price, not each other.
"""

from collections.abc import Iterator
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from tests.exchange_server.script import MarketScript

Side = Literal["BUY", "SELL"]
Level = tuple[Decimal, Decimal]


class Book:
    """Both sides of one market's book."""

    def __init__(self, rules: MarketScript, price: Decimal) -> None:
        """Start around a price."""
        self._rules = rules
        self._taken: dict[Decimal, Decimal] = {}
        self._price = price

    def refresh(self, price: Decimal) -> None:
        """Move to a price, with everything to be had again."""
        self._price = price
        self._taken.clear()

    def best(self, side: Side) -> Decimal:
        """Give the best price that an order of this side meets, taken or not: the ask for a buy, the bid for a sell."""
        return self._price + self._sign(side) * self._rules.half_spread_ticks * self._rules.tick

    def levels(self, side: Side) -> Iterator[Level]:
        """Yield prices and quantities that an order of this side meets, the best first."""
        rules = self._rules
        for index in range(rules.levels):
            price = self.best(side) + self._sign(side) * index * rules.level_ticks * rules.tick
            quantity = rules.level_quantity - self._taken.get(price, Decimal(0))
            if price > 0 and quantity > 0:
                yield price, quantity

    def walk(
        self,
        side: Side,
        *,
        quantity: Decimal | None = None,
        quote_quantity: Decimal | None = None,
        limit: Decimal | None = None,
    ) -> list[Level]:
        """List what an order would get: up to a quantity, or to an amount of quote, no worse than a limit."""
        got: list[Level] = []
        left, money = quantity, quote_quantity
        for price, offered in self.levels(side):
            if limit is not None and (price > limit if side == "BUY" else price < limit):
                break
            part = offered if left is None else min(offered, left)
            if money is not None:
                part = min(part, self._floor(money / price))
                money -= part * price
            if left is not None:
                left -= part
            if part <= 0:
                break
            got.append((price, part))
        return got

    def take(self, fills: list[Level]) -> None:
        """Remove what an order got."""
        for price, quantity in fills:
            self._taken[price] = self._taken.get(price, Decimal(0)) + quantity

    def _floor(self, quantity: Decimal) -> Decimal:
        step = self._rules.step
        return (quantity / step).to_integral_value(ROUND_FLOOR) * step

    @staticmethod
    def _sign(side: Side) -> int:
        return 1 if side == "BUY" else -1
