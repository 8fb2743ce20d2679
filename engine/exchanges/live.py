"""A bot's way to its real account: the gateway port over one market of a shared account.

Owns nothing but the symbol. What the account answers, and what that proves, is the account's affair.
"""

from typing import Final

from engine.core.events import Balance
from engine.core.state import BotState, Order
from engine.exchanges.port import Account, OrderReport, Outcome, Unknown


class AccountGateway:
    """One market of a real account. Creating twice is never safe here: what is unknown is looked up."""

    repeats_create: Final = False

    def __init__(self, account: Account, symbol: str) -> None:
        """Take the account and the symbol."""
        self.account: Final = account
        self._symbol: Final = symbol

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a request, in milliseconds."""
        return self.account.valid_ms

    @property
    def grace_ms(self) -> int:
        """Give how much longer than its window an accepted order may stay invisible, in milliseconds."""
        return self.account.grace_ms

    async def create(self, _state: BotState, order: Order) -> Outcome:
        """Place the order once, never retrying by itself."""
        return await self.account.create(self._symbol, order)

    async def query(self, _state: BotState, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id; None if the exchange does not know it."""
        return await self.account.query(self._symbol, order)

    async def cancel(self, _state: BotState, order: Order) -> OrderReport | Unknown | None:
        """Ask for cancellation and say how the order stands."""
        return await self.account.cancel(self._symbol, order)

    async def balances(self, state: BotState) -> dict[str, Balance]:
        """Say what the account holds, by asset."""
        return await self.account.balances({state.config.base, state.config.quote})

    def trades(self, _state: BotState) -> tuple[OrderReport, ...]:
        """Report nothing by itself: trades are found by looking (`engine.runtime.reconciliation`)."""
        return ()
