"""Accounts: what they own, free and locked, and whether their key still opens the door.

Owns the arithmetic of balances, which can never go below zero. Never knows why something is moved.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Literal

from tests.exchange_server.script import AccountScript

Right = Literal["read", "trade", "withdraw"]
ZERO = Decimal(0)


class Account:
    """One account with its key."""

    def __init__(self, script: AccountScript) -> None:
        """Open it with the balances of the script."""
        self.script = script
        self.free: dict[str, Decimal] = dict(script.balances)
        self.locked: dict[str, Decimal] = {}
        self.rights: set[Right] = {"read"}
        if script.may_trade:
            self.rights.add("trade")
        if script.may_withdraw:
            self.rights.add("withdraw")
        self.revoked = False
        self.updated_ms = 0

    @property
    def name(self) -> str:
        """Name the account as the script does."""
        return self.script.name

    def has(self, asset: str) -> Decimal:
        """Give what is free of an asset."""
        return self.free.get(asset, ZERO)

    def add(self, asset: str, amount: Decimal) -> None:
        """Put in an amount, or take it out of what is free if it is negative."""
        total = self.has(asset) + amount
        assert total >= 0, f"account {self.name} would have {total} {asset}"
        self.free[asset] = total

    def lock(self, asset: str, amount: Decimal) -> None:
        """Set aside an amount for an order; a negative one is set free."""
        self.add(asset, -amount)
        locked = self.locked.get(asset, ZERO) + amount
        assert locked >= 0, f"account {self.name} would have {locked} {asset} locked"
        self.locked[asset] = locked

    def rows(self, assets: Iterable[str]) -> list[tuple[str, Decimal, Decimal]]:
        """List asset, free and locked for some assets, in alphabetical order."""
        return [(asset, self.has(asset), self.locked.get(asset, ZERO)) for asset in sorted(set(assets))]

    def assets(self) -> set[str]:
        """Give every asset that the account has ever held."""
        return {*self.free, *self.locked}
