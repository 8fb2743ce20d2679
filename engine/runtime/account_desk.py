"""The desk of one real account: what its bots share, whatever markets they trade on.

Owns the identity of the account, the sum of the budgets, and looks at the balances that several worlds can use. Never
looks at orders; those belong to a market (`engine.runtime.reconciliation`).
"""

import asyncio
import operator
from collections import defaultdict
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, NamedTuple

from engine.core.errors import ConfigError, CredentialsError
from engine.core.events import AccountObserved, Balance
from engine.core.narration import money
from engine.core.state import BotState, Order
from engine.core.units import ZERO
from engine.exchanges.port import Account, AccountIdentity
from engine.runtime.bot import Bot

Orders = Mapping[str, Order]

SHARED_MS: Final = 2_000
"""Balances are asked for at most so often; whoever asks earlier gets the last answer."""

ORDERS_SHOWN: Final = 3
"""Of so many orders of a log, the last, one must be shown by the account that it belongs to."""


class Answer(NamedTuple):
    """What an account held: when it was asked, the orders of its bots at that time, and the balances."""

    asked_ms: int
    orders: list[dict[str, Order]]
    balances: dict[str, Balance]


class AccountDesk:
    """One account and all bots of this process that trade on it."""

    def __init__(self, name: str, account: Account, now_ms: Callable[[], int]) -> None:
        """Take the account and the clock; bots sit down with `add`."""
        self.name: Final = name
        self.account: Final = account
        self.bots: Final[list[Bot]] = []
        self._now_ms: Final = now_ms
        self._lock: Final = asyncio.Lock()
        self._balances: Answer | None = None
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

    async def introduce(self, bot: Bot, identity: AccountIdentity) -> AccountObserved | None:
        """Give what a bot's log has to be told of its account; None if it knows.

        Raises:
            ConfigError: the log belongs to another account. UnreachableError: the exchange did not say.
        """
        if bot.state.account == identity.fingerprint:
            return None
        if not await self.owns(bot.state, identity):
            raise ConfigError(
                f"{bot.state.bot_id}: this log belongs to another account than the key of {self.name!r}, which shows "
                "none of its last orders: use a key of that account, or give the new bot another bot_id"
            )
        return AccountObserved(identity.fingerprint, identity.basis)

    async def owns(self, state: BotState, identity: AccountIdentity) -> bool:
        """Tell whether it is the account that a log belongs to.

        Where the exchange tells no account's id, a new key looks like another account: it is the same if it shows one
        of the log's last orders under its id. A log that holds nothing and knows no order there has nothing to confuse.

        Raises:
            UnreachableError: the exchange did not say.
        """
        if state.account is None or state.account == identity.fingerprint:
            return True
        named = [each for each in (*state.done_orders.values(), *state.orders.values()) if each.exchange_order_id]
        if identity.basis == "key" and not (named or state.orders or state.lots or state.dust.quantity):
            return True
        traded = [each for each in named if each.filled or each.client_order_id in state.orders]
        for order in (traded or named)[-ORDERS_SHOWN:]:  # what ended without a trade may be forgotten there
            assert order.exchange_order_id is not None, order
            shown = await self.account.client_order_id_of(state.config.symbol, order.exchange_order_id)
            if shown == order.client_order_id:
                return True
        return False

    async def balances(self) -> "Answer":
        """Ask for the balances; an answer that is hardly older serves several askers, while no order has changed.

        Raises:
            UnreachableError: the exchange did not say.
        """
        async with self._lock:
            last = self._balances
            if last is None or self._now_ms() - last.asked_ms > SHARED_MS or not self.is_of_now(last):
                orders, asked_ms = [bot.state.orders for bot in self.bots], self._now_ms()
                configs = [bot.state.config for bot in self.bots]
                assets = {asset for config in configs for asset in (config.base, config.quote)}
                last = self._balances = Answer(asked_ms, orders, await self.account.balances(assets))
            return last

    def is_of_now(self, answer: "Answer") -> bool:
        """Tell whether no order of any bot here has changed since an answer was asked for."""
        now = [bot.state.orders for bot in self.bots]
        return len(now) == len(answer.orders) and all(map(operator.is_, now, answer.orders))

    def others_hold(self, bot: Bot) -> Decimal:
        """Give the base that the account holds at least for its other bots."""
        base = bot.state.config.base
        others = (each.state for each in self.bots if each is not bot and each.state.config.base == base)
        return sum((state.certain for state in others), ZERO)

    def check_budgets(self, balances: dict[str, Balance]) -> None:
        """Hold what the bots may still spend against what the account has, asset by asset.

        Raises:
            ConfigError: it is not there, and no bot holds anything that must be looked after.
        """
        wanted: dict[str, list[Bot]] = defaultdict(list)
        for bot in self.bots:
            wanted[bot.state.config.quote].append(bot)
        for quote, bots in wanted.items():
            config = bots[0].state.config
            needed = sum((bot.state.config.budget + bot.state.cash_flow for bot in bots), ZERO)
            there = balances.get(quote, Balance(ZERO)).total
            holds = any(bot.state.lots or bot.state.orders for bot in bots)
            if needed > there and not holds:
                names = ", ".join(bot.state.bot_id for bot in bots)
                raise ConfigError(
                    f"budget: {names} may spend {money(needed, config)} in all, and the account {self.name!r} has "
                    f"{money(there, config)}: lower the budgets or add money"
                )
