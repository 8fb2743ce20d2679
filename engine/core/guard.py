"""What a bot remembers of its risk limits: the kill switch, the day's result, the highest equity.

Owns the shapes and the sums; the rules that compare them stand in `engine.core.decider.limits` and `.emergency`.
Source: decisions.md, "Risk".
"""

from decimal import Decimal

import msgspec

from engine.core.config import KillAction
from engine.core.instants import DAY_MS
from engine.core.units import ZERO


class KillSwitch(msgspec.Struct, frozen=True):
    """An engaged kill switch: what it does, why, and since when. `text` tells the reason to people."""

    action: KillAction
    reason: str
    text: str
    since_ms: int


class Guard(msgspec.Struct, frozen=True):
    """What the limits are held against.

    `day` counts the UTC days since 1970 up to the last sale, `day_profit` is what the sales of that day brought, net;
    until `halted_until_ms` nothing is bought because the day's loss had reached its limit. `peak` is the highest
    equity marked so far; None is the budget, until the first mark.
    """

    kill: KillSwitch | None = None
    day: int = 0
    day_profit: Decimal = ZERO
    halted_until_ms: int = 0
    peak: Decimal | None = None

    def profit_on(self, at_ms: int) -> Decimal:
        """Give the net profit of the sales on the UTC day of a time."""
        return self.day_profit if self.day == at_ms // DAY_MS else ZERO
