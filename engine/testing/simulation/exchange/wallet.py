"""What an account holds, and what it held: an exchange may tell of its balances late.

Owns the sums. Never goes below zero: whoever takes asks first whether it is there.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from engine.core.events import Balance
from engine.core.units import ZERO


class Wallet:
    """The balances of one account, by asset, with how they were before."""

    def __init__(self, holds: Mapping[str, str]) -> None:
        """Take what it starts with."""
        self.total: Final = {asset: Decimal(amount) for asset, amount in holds.items()}
        self.locked: Final = dict.fromkeys(self.total, ZERO)
        self._past: Final[list[tuple[int, dict[str, Balance]]]] = [(0, self.shown())]

    def free(self, asset: str) -> Decimal:
        """Give what no order holds."""
        return self.total.get(asset, ZERO) - self.locked.get(asset, ZERO)

    def add(self, asset: str, amount: Decimal) -> None:
        """Add to an asset, or take from it."""
        now = self.total.get(asset, ZERO) + amount
        assert now >= 0, f"{asset} would be {now}"
        self.total[asset] = now

    def lock(self, asset: str, amount: Decimal) -> None:
        """Set aside, or with a negative amount give free."""
        now = self.locked.get(asset, ZERO) + amount
        assert 0 <= now <= self.total.get(asset, ZERO), f"{asset} would have {now} locked"
        self.locked[asset] = now

    def shown(self) -> dict[str, Balance]:
        """Give all that is there, by asset."""
        return {
            asset: Balance(total - self.locked.get(asset, ZERO), self.locked.get(asset, ZERO))
            for asset, total in self.total.items()
            if total
        }

    def note(self, at_ms: int) -> None:
        """Remember how it is now."""
        self._past.append((at_ms, self.shown()))

    def as_of(self, at_ms: int) -> dict[str, Balance]:
        """Give what was there at a time."""
        found = self._past[0][1]
        for noted_ms, balances in reversed(self._past):
            if noted_ms <= at_ms:
                return balances
        return found
