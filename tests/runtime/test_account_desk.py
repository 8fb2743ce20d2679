"""The desk of an account: when one answer about balances may serve several askers."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from engine.core.errors import ConfigError, CredentialsError
from engine.core.events import AccountObserved, Balance
from engine.exchanges.port import Account, AccountIdentity
from engine.runtime.account_desk import SHARED_MS, AccountDesk
from engine.runtime.bot import Bot
from engine.store.port import Head
from tests.kernel import Kernel, bought

IDENTITY = AccountIdentity("ours", "account", may_trade=True, may_withdraw=False)


class Desk:
    """A desk with one bot, a clock, and an account that counts how often it is asked."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.asked = 0
        self.identity = IDENTITY
        self.state = SimpleNamespace(orders={}, config=SimpleNamespace(base="BTC", quote="USD"))
        self.desk = AccountDesk("main", cast("Account", self), lambda: self.now_ms)
        self.desk.add(cast("Bot", SimpleNamespace(state=self.state)))

    async def identify(self) -> AccountIdentity:
        self.asked += 1
        return self.identity

    async def balances(self, assets: set[str]) -> dict[str, Any]:
        assert assets == {"BTC", "USD"}
        self.asked += 1
        return {}

    def ask(self) -> int:
        asyncio.run(self.desk.balances())
        return self.asked


@pytest.mark.spec(
    "Balances are held against the orders only if no order has moved since they were asked for",
    section="Order protocol",
)
def test_balances_are_shared_for_a_moment_and_never_across_an_order_that_moved() -> None:
    desk = Desk()

    assert [desk.ask(), desk.ask()] == [1, 1]
    desk.state.orders = {}
    assert [desk.ask(), desk.ask()] == [2, 2]
    desk.now_ms += SHARED_MS + 1
    assert desk.ask() == 3


def test_account_is_asked_once_whose_it_is_and_each_log_is_told_once() -> None:
    desk = Desk()
    bot = kernel_bot()

    async def identify() -> AccountIdentity:
        await desk.desk.identify()
        return await desk.desk.identify()

    identity = asyncio.run(identify())
    assert desk.asked == 1
    assert desk.desk.introduce(bot, identity) == AccountObserved("ours", "account")
    bot.state = msgspec.structs.replace(bot.state, account="ours")
    assert desk.desk.introduce(bot, identity) is None


@pytest.mark.parametrize(
    ("rights", "says"),
    [
        ({"may_withdraw": True}, "may withdraw money"),
        ({"may_trade": False}, "may not trade"),
    ],
)
def test_key_that_may_do_too_much_or_too_little_is_refused(rights: dict[str, bool], says: str) -> None:
    desk = Desk()
    desk.identity = msgspec.structs.replace(IDENTITY, **rights)
    with pytest.raises(CredentialsError, match=says):
        asyncio.run(desk.desk.identify())


def test_log_of_another_account_is_refused() -> None:
    desk = Desk()
    bot = kernel_bot()
    bot.state = msgspec.structs.replace(bot.state, account="theirs")
    with pytest.raises(ConfigError, match="belongs to another account"):
        desk.desk.introduce(bot, IDENTITY)


@pytest.mark.parametrize("holds", [False, True])
def test_budgets_over_the_money_of_the_account_are_refused_unless_a_lot_must_be_looked_after(*, holds: bool) -> None:
    desk = AccountDesk("main", cast("Account", None), lambda: 0)
    desk.add(kernel_bot(holds=holds))
    desk.check_budgets({"USD": Balance(desk.bots[0].state.config.budget)})
    few = {"USD": Balance(Decimal(100))}
    if holds:
        desk.check_budgets(few)
    else:
        with pytest.raises(ConfigError, match="lower the budgets or add money"):
            desk.check_budgets(few)


def kernel_bot(*, holds: bool = False) -> Bot:
    """Give a bot that holds a lot, or nothing."""
    return Bot((bought() if holds else Kernel()).state, Head(1, b"", 0))
