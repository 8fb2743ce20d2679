"""The markets of a simulated exchange: their rules, and their prices in money.

Owns what each accepts and how wide its book is. Never knows an order.
"""

from decimal import Decimal
from typing import Final

from engine.core.market import MarketRules, Tick
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.exchange.prices import STEP_MS, PricePath
from engine.testing.simulation.exchange.terms import Terms

TICK: Final = Decimal("0.01")
BNB_PRICE: Final = Decimal(300)
"""What a unit of the third asset is worth in quote, always."""

_MIDDLES: Final = {"BTC/USD": 5_000_000, "ETH/USD": 250_000}
_STEPS: Final = {"BTC/USD": Decimal("0.00001"), "ETH/USD": Decimal("0.0001")}
_HALF_SPREAD: Final = 20_000
"""The half of the spread is this part of the price."""


class Market:
    """One spot market."""

    def __init__(self, symbol: str, terms: Terms, chance: Chance) -> None:
        """Take its symbol, the terms, and the chance that its path follows from."""
        self.symbol: Final = symbol
        self.base, self.quote = symbol.split("/")
        self.path: Final = PricePath(chance.unit(f"price/{symbol}"), _MIDDLES[symbol], terms.wildness)
        self.rules: Final = MarketRules(
            symbol=symbol,
            base=self.base,
            quote=self.quote,
            price_tick=TICK,
            quantity_step=_STEPS[symbol],
            min_quantity=_STEPS[symbol],
            min_notional=Decimal(5),
            maker_percent=Decimal(terms.fee_percent),
            taker_percent=Decimal(terms.fee_percent),
            cadence_ms=min(terms.tick_ms, 5_000),
            order_types=("limit", "market"),
        )

    def tick(self, at_ms: int, told_ms: int) -> Tick:
        """Give the price at a time; `told_ms` is that time on the exchange's clock."""
        middle = self.path.at(at_ms)
        half = half_spread(middle)
        return Tick(told_ms, middle * TICK, (middle - half) * TICK, (middle + half) * TICK)

    def best(self, side: str, at_ms: int) -> int:
        """Give the price that an order of a side meets, in ticks."""
        middle = self.path.at(at_ms)
        half = half_spread(middle)
        return middle + half if side == "buy" else middle - half

    def crossing(self, side: str, limit: Decimal, from_ms: int) -> tuple[int, bool]:
        """Find when a resting order is met from a time on, as `PricePath.crossing` does."""
        ticks = int(limit / TICK)
        half = half_spread(ticks)
        if side == "buy":
            return self.path.crossing(ticks - half, from_ms, down=True)
        return self.path.crossing(ticks + half, from_ms, down=False)


def half_spread(ticks: int) -> int:
    """Give the half of the spread at a price, in ticks."""
    return max(1, ticks // _HALF_SPREAD)


def next_step(at_ms: int) -> int:
    """Give when the price next may be another."""
    return (at_ms // STEP_MS + 1) * STEP_MS
