"""The desk of one real account: what its bots share, whatever markets they trade on.

Owns the identity of the account, the sum of the budgets, and looks at the balances that several worlds can use. Never
looks at orders; those belong to a market (`engine.runtime.reconciliation`).
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from engine.core.errors import ConfigError, CredentialsError
from engine.core.events import AccountObserved, Balance
from engine.core.units import ZERO
from engine.exchanges.port import Account, AccountIdentity
from engine.runtime.bot import Bot

SHARED_MS: Final = 2_000
"""Balances are asked for at most so often; whoever asks earlier gets the last answer."""


class AccountDesk:
    """One account and all bots of this process that trade on it."""

    def __init__(self, name: str, account: Account, now_ms: Callable[[], int]) -> None:
        """Take the account and the clock; bots sit down with `add`."""
        self.name: Final = name
        self.account: Final = account
        self.bots: Final[list[Bot]] = []
        self._now_ms: Final = now_ms
        self._lock: Final = asyncio.Lock()
        self._balances: tuple[int, dict[str, Balance]] | None = None
        self._identity: AccountIdentity | None = None

    def add(self, bot: Bot) -> None:
        """Seat a bot at this account."""
        self.bots.append(bot)

    async def identify(self) -> AccountIdentity:
        """Ask once whose account it is, and refuse a key that can do too much or too little.

        Raises:
            CredentialsError: the key may withdraw, or may not trade.
            UnreachableError: the exchange did not say.
        """
        async with self._lock:
            if self._identity is None:
                identity = await self.account.identify()
                if identity.may_withdraw:
                    raise CredentialsError(
                        f"the key of account {self.name!r} may withdraw money, which no bot needs: make a key without "
                        "that right and set it with krypto-engine credentials set"
                    )
                if identity.may_trade is False:
                    raise CredentialsError(
                        f"the key of account {self.name!r} may not trade: allow spot trading for it at the exchange"
                    )
                self._identity = identity
            return self._identity

    def introduce(self, bot: Bot, identity: AccountIdentity) -> AccountObserved | None:
        """Give what a bot's log has to be told of its account; None if it knows.

        Raises:
            ConfigError: the log belongs to another account.
        """
        known = bot.state.account
        if known is None:
            return AccountObserved(identity.fingerprint, identity.basis)
        if known != identity.fingerprint:
            raise ConfigError(
                f"{bot.state.bot_id}: this log belongs to another account than the key of {self.name!r}: use that "
                "account's key, or give the new bot another bot_id"
            )
        return None

    async def balances(self) -> dict[str, Balance]:
        """Ask for the balances; an answer that is hardly older serves several askers.

        Raises:
            UnreachableError: the exchange did not say.
        """
        async with self._lock:
            if self._balances is None or self._now_ms() - self._balances[0] > SHARED_MS:
                asked_ms = self._now_ms()
                configs = [bot.state.config for bot in self.bots]
                assets = {asset for config in configs for asset in (config.base, config.quote)}
                self._balances = (asked_ms, await self.account.balances(assets))
            return self._balances[1]

    def others_hold(self, bot: Bot) -> Decimal:
        """Give the base that the other bots of this account count as theirs."""
        base = bot.state.config.base
        held = (
            each.state.position + each.state.dust.quantity
            for each in self.bots
            if each is not bot and each.state.config.base == base
        )
        return sum(held, ZERO)

    def check_budgets(self, balances: dict[str, Balance]) -> None:
        """Hold what the bots may still spend against what the account has, asset by asset.

        Raises:
            ConfigError: it is not there, and no bot holds anything that must be looked after.
        """
        wanted: dict[str, list[Bot]] = defaultdict(list)
        for bot in self.bots:
            wanted[bot.state.config.quote].append(bot)
        for quote, bots in wanted.items():
            needed = sum((bot.state.config.budget + bot.state.cash_flow for bot in bots), ZERO)
            there = balances.get(quote, Balance(ZERO)).total
            holds = any(bot.state.lots or bot.state.orders for bot in bots)
            if needed > there and not holds:
                names = ", ".join(bot.state.bot_id for bot in bots)
                raise ConfigError(
                    f"budget: {names} may spend {needed:f} {quote} together, and the account {self.name!r} has "
                    f"{there:f}: lower the budgets or add money"
                )
