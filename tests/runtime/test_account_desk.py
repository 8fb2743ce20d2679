"""The desk of an account: when one answer about balances may serve several askers, and what it tells a bot."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import msgspec
import pytest

from engine.core.errors import ConfigError, CredentialsError
from engine.core.events import (
    AccountObserved,
    Balance,
    BalancesObserved,
    BotEvent,
    OrderFilled,
    OrderReconciled,
    OrdersSurveyed,
)
from engine.core.state import BotState, Order
from engine.exchanges.port import Account, AccountIdentity, Fill, OpenOrder, OwnTrade
from engine.runtime.account_desk import SHARED_MS, AccountDesk, Answer
from engine.runtime.bot import Bot
from engine.runtime.live_executor import LiveExecutor
from engine.runtime.reconciliation import FIRST_BACK_MS, Desked, Found, Reconciler, wants_balances
from engine.store.port import Head
from tests.kernel import Kernel, bought
from tests.runtime.test_reports import OPEN

T = TypeVar("T")

IDENTITY = AccountIdentity("ours", "account", may_trade=True, may_withdraw=False)


class Desk:
    """A desk with one bot, a clock, and an account that counts how often it is asked."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.asked = 0
        self.identity = IDENTITY
        self.shown: dict[str, str | None] = {}
        self.asked_for: list[str] = []
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

    async def client_order_id_of(self, symbol: str, exchange_order_id: str) -> str | None:
        assert symbol == "BTC/USD"
        self.asked_for.append(exchange_order_id)
        return self.shown.get(exchange_order_id)

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
    assert asyncio.run(desk.desk.introduce(bot, identity)) == AccountObserved("ours", "account")
    bot.state = msgspec.structs.replace(bot.state, account="ours")
    assert asyncio.run(desk.desk.introduce(bot, identity)) is None


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
        asyncio.run(desk.desk.introduce(bot, IDENTITY))


NEW_KEY = AccountIdentity("new key", "key", may_trade=True, may_withdraw=False)


def ended(*names: str, filled: int = 1) -> dict[str, Order]:
    """Give orders that ended, each with an id of the exchange of its own."""
    end = msgspec.structs.replace(OPEN, status="canceled", filled=Decimal(filled))
    return {each: msgspec.structs.replace(end, client_order_id=each, exchange_order_id=f"x-{each}") for each in names}


@pytest.mark.parametrize(
    ("shown", "is_ours", "asks"),
    [
        pytest.param({"x-k4": "k4"}, True, ["x-k2", "x-k3", "x-k4"], id="it shows the last"),
        pytest.param({"x-k2": "k2"}, True, ["x-k2"], id="it shows one"),
        pytest.param({"x-k1": "k1"}, False, ["x-k2", "x-k3", "x-k4"], id="it shows one of long ago"),
        pytest.param({"x-k4": "k7", "x-k3": None}, False, ["x-k2", "x-k3", "x-k4"], id="others have such ids"),
        pytest.param({}, False, ["x-k2", "x-k3", "x-k4"], id="it shows none"),
    ],
)
def test_new_key_belongs_to_the_account_that_shows_an_order_of_the_log(
    shown: dict[str, str | None], asks: list[str], *, is_ours: bool
) -> None:
    desk, bot = Desk(), kernel_bot(holds=True)
    desk.shown = shown
    nameless = {"k5": msgspec.structs.replace(OPEN, client_order_id="k5", exchange_order_id=None)}
    bot.state = msgspec.structs.replace(
        bot.state, account="old key", done_orders=ended("k1", "k2", "k3"), orders=ended("k4") | nameless
    )
    if is_ours:
        assert asyncio.run(desk.desk.introduce(bot, NEW_KEY)) == AccountObserved("new key", "key")
    else:
        with pytest.raises(ConfigError, match="shows none of its last orders"):
            asyncio.run(desk.desk.introduce(bot, NEW_KEY))
    assert desk.asked_for == asks


def test_orders_that_traded_are_asked_for_before_those_that_an_exchange_may_have_forgotten() -> None:
    desk, bot = Desk(), kernel_bot(holds=True)
    orders = ended("k1", "k2") | ended("k3", "k4", "k5", filled=0)
    bot.state = msgspec.structs.replace(bot.state, account="old key", done_orders=orders, orders={})
    desk.shown = {"x-k1": "k1"}
    assert asyncio.run(desk.desk.owns(bot.state, NEW_KEY))
    assert desk.asked_for == ["x-k1"]


@pytest.mark.parametrize(
    ("identity", "holds", "is_taken"),
    [(NEW_KEY, False, True), (NEW_KEY, True, False), (IDENTITY, False, False)],
    ids=["nothing is known there", "it holds a lot", "it is another account for sure"],
)
def test_new_key_is_taken_unseen_only_by_a_log_that_holds_nothing_and_knows_no_order(
    identity: AccountIdentity, *, holds: bool, is_taken: bool
) -> None:
    desk, bot = Desk(), kernel_bot(holds=holds)
    refused = ended("k1", filled=0)["k1"]
    refused = msgspec.structs.replace(refused, status="rejected", exchange_order_id=None)
    bot.state = msgspec.structs.replace(bot.state, account="old", done_orders={"k1": refused}, orders={})
    assert asyncio.run(desk.desk.owns(bot.state, identity)) is is_taken
    assert not desk.asked_for


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


# --- what a look at the account tells a bot


class Look:
    """A look at an account where one bot trades: what is there, and what comes of it."""

    def __init__(
        self, state: BotState, *, base: Decimal | None = None, is_quiet: bool = True, others: str = "0"
    ) -> None:
        self.listed: tuple[OpenOrder, ...] = ()
        self.trades: tuple[OwnTrade, ...] = ()
        self.events: list[BotEvent] = []
        self.asked: list[str] = []
        self.since_ms: list[int] = []
        self.bot = cast("Bot", SimpleNamespace(state=state))
        quote = state.balances.get("USD", Balance(Decimal(1)))
        answer = Answer(0, [], {"USD": quote, "ETH": Balance(Decimal(3))})
        if base is not None:
            answer.balances["BTC"] = Balance(base)
        fill = Fill("t1", Decimal(50_000), Decimal("0.0001"), Decimal(0), "USD", Decimal(0), "maker")
        account = SimpleNamespace(
            client_order_id_of=lambda *_: now(OPEN.client_order_id),
            open_orders=lambda _: now(self.listed),
            trades=self._trades,
            fills=lambda *_: now((fill,)),
        )
        desk = SimpleNamespace(
            account=account,
            identify=lambda: now(IDENTITY),
            introduce=lambda *_: now(AccountObserved("ours", "account")),
            balances=lambda: now(answer),
            is_of_now=lambda _: True,
            others_hold=lambda _: Decimal(others),
            bots=[self.bot],
        )
        executor = SimpleNamespace(is_quiet=is_quiet, busy=set(), absences=lambda _: 0, look_now=self._asks)
        self.reconciler = Reconciler(cast("AccountDesk", desk), "BTC/USD", self._record, lambda: 1_000_000)
        self.reconciler.seats.append(Desked(self.bot, cast("LiveExecutor", executor)))

    async def _record(self, _bot: Bot, events: Sequence[BotEvent]) -> None:
        self.events += events

    async def _trades(self, _symbol: str, since_ms: int) -> tuple[OwnTrade, ...]:
        self.since_ms.append(since_ms)
        return self.trades

    async def _asks(self, _bot: Bot, name: str) -> None:
        self.asked.append(name)

    def sweep(self, *, thorough: bool) -> Found:
        """Look."""
        return asyncio.run(self.reconciler.sweep(thorough=thorough))[self.bot.state.bot_id]


async def now(value: T) -> T:
    return value


def holding(base: Decimal | None = None, **changes: Any) -> BotState:
    """Give a bot with an open lot and no order; it has seen so much of the base, or just what must be there."""
    state = msgspec.structs.replace(bought().state, orders={})
    seen = {"BTC": Balance(state.certain if base is None else base), "USD": Balance(Decimal(1))}
    return msgspec.structs.replace(state, **{"balances": seen, "balances_ms": 5, "has_looked": True, **changes})


HELD = holding().certain
LITTLE = HELD - Decimal("0.00001")


@pytest.mark.parametrize(
    ("state", "base", "others", "is_told"),
    [
        pytest.param(holding(), HELD, "0", False, id="nothing is new"),
        pytest.param(holding(has_looked=False), HELD, "0", True, id="first look"),
        pytest.param(holding(balances_ms=0), HELD, "0", True, id="an order has moved"),
        pytest.param(holding(short=1), HELD, "0", True, id="it was too little"),
        pytest.param(holding(), HELD + 1, "0", True, id="it has more"),
        pytest.param(holding(LITTLE), LITTLE, "0", True, id="it is too little"),
        pytest.param(holding(), HELD, "0.00001", True, id="it is too little for all bots"),
        pytest.param(holding(balances={"USD": Balance(Decimal(1))}), None, "0", True, id="it has none"),
    ],
)
def test_balances_are_recorded_where_they_are_news_or_too_little(
    state: BotState, base: Decimal | None, others: str, *, is_told: bool
) -> None:
    look = Look(state, base=base, others=others)
    look.sweep(thorough=True)
    there = {"USD": Balance(Decimal(1))} | ({} if base is None else {"BTC": Balance(base)})
    assert look.events == ([BalancesObserved(there, Decimal(others), is_settled=True)] if is_told else [])


def test_balances_that_are_too_little_while_something_is_under_way_are_told_once_and_as_that() -> None:
    unsettled = Look(holding(LITTLE), base=LITTLE, is_quiet=False)
    unsettled.sweep(thorough=True)
    assert not unsettled.events
    news = Look(holding(), base=LITTLE, is_quiet=False)
    news.sweep(thorough=True)
    assert [event.is_settled for event in news.events if isinstance(event, BalancesObserved)] == [False]


@pytest.mark.parametrize(
    ("changes", "wants"),
    [({}, False), ({"balances_ms": 0}, True), ({"has_looked": False}, True), ({"short": 1}, True)],
)
def test_balances_are_asked_for_at_a_quick_look_only_if_they_may_be_others(
    changes: dict[str, Any], *, wants: bool
) -> None:
    state = holding(**changes)
    assert wants_balances(state) is wants
    look = Look(state, base=HELD + 1)
    look.sweep(thorough=False)
    assert bool(look.events) is wants


# --- what it asks about orders


def with_order(**changes: Any) -> BotState:
    """Give a bot whose one order is so."""
    return holding(orders={OPEN.client_order_id: msgspec.structs.replace(OPEN, **changes)})


def listed(filled: str = "0") -> OpenOrder:
    return OpenOrder("7", OPEN.client_order_id, Decimal(filled))


@pytest.mark.parametrize(
    ("state", "rows", "asks", "is_settled"),
    [
        pytest.param(with_order(), (listed(),), False, True, id="it stands as the log says"),
        pytest.param(with_order(), (OpenOrder("7", None, Decimal(0)),), False, True, id="it is listed without our id"),
        pytest.param(with_order(), (), True, True, id="it is not listed"),
        pytest.param(with_order(), (listed("0.001"),), True, True, id="it has traded"),
        pytest.param(with_order(status="unknown"), (listed(),), True, False, id="its outcome is unknown"),
        pytest.param(with_order(status="requested", exchange_order_id=None), (), False, False, id="it never left"),
    ],
)
def test_order_is_asked_about_only_where_the_list_differs(
    state: BotState, rows: tuple[OpenOrder, ...], *, asks: bool, is_settled: bool
) -> None:
    look = Look(state, base=HELD)
    look.listed = rows
    assert look.sweep(thorough=False).is_settled is is_settled
    assert look.asked == ([OPEN.client_order_id] if asks else [])


@pytest.mark.parametrize(("quantity", "is_whole"), [("0.0001", True), ("0.0002", False)])
def test_listed_trades_are_booked_without_asking_only_if_they_fill_their_order(
    quantity: str, *, is_whole: bool
) -> None:
    look = Look(with_order(quantity=Decimal(quantity)), base=HELD)
    look.listed, look.trades = (listed("0.0001"),), (OwnTrade("7", "t1", 999_999, {}),)
    look.sweep(thorough=True)
    assert any(isinstance(event, OrderFilled) for event in look.events) is is_whole
    assert look.asked


def test_account_is_recorded_where_the_desk_says_that_a_log_has_to_be_told() -> None:
    look = Look(holding())
    asyncio.run(look.reconciler.identify())
    assert look.events == [AccountObserved("ours", "account")]


def test_order_held_to_be_not_placed_that_is_listed_is_taken_back_and_looked_up() -> None:
    done = msgspec.structs.replace(OPEN, status="rejected", exchange_order_id=None)
    look = Look(holding(done_orders={OPEN.client_order_id: done}), base=HELD)
    look.listed = (listed(),)
    look.sweep(thorough=False)
    assert look.events == [OrderReconciled(OPEN.client_order_id, "rejected", "open")]
    assert look.asked == [OPEN.client_order_id]


@pytest.mark.parametrize("has_traded", [True, False])
def test_another_order_under_an_id_of_the_log_is_told_as_of_another_copy(*, has_traded: bool) -> None:
    look = Look(with_order(), base=HELD)
    look.listed = (listed(), OpenOrder("9", OPEN.client_order_id, Decimal(0)))
    if has_traded:
        look.listed, look.trades = (listed(),), (OwnTrade("9", "t1", 999_999, {}),)
    look.sweep(thorough=True)
    assert look.events == [OrdersSurveyed((OPEN.client_order_id,), ())]


def test_first_look_at_the_trades_goes_back_from_the_last_order_that_ended_if_none_is_open() -> None:
    ended = {
        name: msgspec.structs.replace(OPEN, client_order_id=name, status="rejected", requested_ms=at_ms)
        for name, at_ms in (("first", 100), ("last", 900))
    }
    look = Look(holding(done_orders=ended), base=HELD)
    look.sweep(thorough=True)
    assert look.since_ms == [900 - FIRST_BACK_MS]
