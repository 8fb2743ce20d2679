"""Events of an account at a real exchange: whose it is, what it holds, and what stands there under other names."""

from decimal import Decimal
from typing import ClassVar

import msgspec

from engine.core.events.base import Event, Role


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account holds of one asset."""

    free: Decimal
    locked: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """Give all of it, locked in orders or not."""
        return self.free + self.locked


class AccountObserved(Event, frozen=True, tag="account_observed"):
    """The exchange told whose key trades. A log belongs to one account for ever.

    `fingerprint` is a digest of the account's own id (`basis` "account") or, where the exchange tells none, of the key
    (`basis` "key"): told again once another key has shown orders of this log as its own.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    fingerprint: str
    basis: str


class BalancesObserved(Event, frozen=True, tag="balances_observed"):
    """The account told what it holds, by asset. `others` is the base that other bots of this account must have there.

    `is_settled` says that all orders had been looked up just before, so that the numbers must agree.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    balances: dict[str, Balance]
    others: Decimal = Decimal(0)
    is_settled: bool = False


class OrdersSurveyed(Event, frozen=True, tag="orders_surveyed"):
    """All open orders and recent trades of the account in this market were listed; recorded when the list changes.

    `unknown_own` are client order ids of this very log that the log does not hold: another copy of it trades.
    `foreign` are exchange ids of open orders that others placed; they are listed, never touched. `forgotten` are orders
    of this log that ended so long ago that the state has let go of them, and are seen again.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    unknown_own: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


class DiscrepancyFound(Event, frozen=True, tag="discrepancy_found"):
    """The exchange said something that the log cannot account for; `action` is what was done about it.

    `halts` says that the bot sends nothing more until an operator has decided.
    """

    subject: str
    expected: str
    actual: str
    action: str
    halts: bool = False
