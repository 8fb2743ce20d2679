"""The desk of an account: when one answer about balances may serve several askers."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.exchanges.port import Account
from engine.runtime.account_desk import SHARED_MS, AccountDesk
from engine.runtime.bot import Bot


class Desk:
    """A desk with one bot, a clock, and an account that counts how often it is asked."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.asked = 0
        self.state = SimpleNamespace(orders={}, config=SimpleNamespace(base="BTC", quote="USD"))
        self.desk = AccountDesk("main", cast("Account", self), lambda: self.now_ms)
        self.desk.add(cast("Bot", SimpleNamespace(state=self.state)))

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
