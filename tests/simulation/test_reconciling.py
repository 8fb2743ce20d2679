"""Reconciliation in virtual time: what the exchange lost or showed late, and what others did under the log's ids."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.errors import UnreadableTradeError
from engine.core.events import (
    BalancesObserved,
    OrderCancelRequested,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    OrdersSurveyed,
    SaleRecorded,
)
from engine.core.identity import client_order_id
from engine.core.state import Order
from engine.exchanges.port import Fill
from engine.runtime import reconciliation
from engine.runtime.reconciliation import ASKED_MOST, GONE_AFTER
from engine.runtime.reports import NOT_PLACED
from engine.testing.simulation.exchange.orders import Placed
from tests.simulation.lives import BOT, Lives, Run, ValuingClient, story

NO_BUYS = {"strategy_params": {"max_price": 1}}
TARGET = 50_200
"""Over the target of whatever was bought at 50,000."""

LOOK_S = 700
"""Within so long there is a thorough look."""


async def holds_a_sell(run: Run, bot_id: str = BOT) -> Order:
    """Wait until a bot has bought and its sell rests; give the sell."""
    await run.until(lambda: _resting(run, bot_id))
    return _resting(run, bot_id)[0]


def _resting(run: Run, bot_id: str) -> list[Order]:
    return [order for order in run.orders(bot_id) if order.side == "sell" and order.status == "open"]


def was_looked_at(run: Run) -> bool:
    return any("Reconciled with the exchange" in line for line in run.lines)


def gone(run: Run) -> list[OrderReconciled]:
    return [event for event in run.events(OrderReconciled) if event.new_status == "gone"]


async def log_id_of(lives: Lives, number: int = 0, *bots: Mapping[str, Any]) -> str:
    """Have a first life that buys nothing, and give the id of its log."""
    async with lives.life(*bots) as run:
        await run.until(lambda: was_looked_at(run))
        return run.session.states()[number].log_id


def test_order_that_stands_as_the_log_says_is_not_asked_about(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
            (world,), asked = run.session.worlds(), run.count("fetch_order")
            await world.reconcilers[0].sweep(thorough=False)
            await world.reconcilers[0].sweep(thorough=True)
            assert run.count("fetch_order") == asked

    story(tmp_path, tell)


# --- others, and other copies of a log


def test_trade_of_another_copy_below_many_of_others_is_found_at_the_next_look(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        name = client_order_id(await log_id_of(lives, 0, NO_BUYS), 7)
        lives.place(name, price=None)
        for number in range(ASKED_MOST):
            lives.place(f"web_{number}", price=None)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            await run.pass_time(60)
            assert not run.events(OrdersSurveyed)
            assert run.count("fetch_order") == ASKED_MOST
            await run.session.until_over(LOOK_S)
            assert run.events(OrdersSurveyed) == [OrdersSurveyed((name,), ())]
            assert run.count("fetch_order") == ASKED_MOST + 1
            assert run.state().halted is not None

    story(tmp_path, tell)


def test_order_of_another_copy_that_is_not_shown_yet_is_asked_about_again(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        name = client_order_id(await log_id_of(lives, 0, NO_BUYS), 7)
        lives.place(name, price=None)
        lives.fate.bring("row_lost", 0, 1)  # its trade is listed, the order itself is not to be seen
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            assert not run.events(OrdersSurveyed)
            await run.session.until_over(LOOK_S)
            assert run.events(OrdersSurveyed) == [OrdersSurveyed((name,), ())]

    story(tmp_path, tell)


def test_orders_of_others_are_remembered_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciliation, "KNOWN_MOST", 2)

    async def tell(lives: Lives) -> None:
        for number in range(4):
            lives.place(f"web_{number}", price=None)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            assert run.count("fetch_order") == 4
            await run.pass_time(LOOK_S)
            assert run.count("fetch_order") == 4 + 4, "at the bound all are forgotten, and asked about again"
            assert not run.events(OrdersSurveyed)

    story(tmp_path, tell)


def test_order_of_another_copy_that_an_operator_has_accepted_is_not_asked_about_again(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        log_id = await log_id_of(lives)
        async with lives.life(NO_BUYS) as run:
            await run.until(lambda: was_looked_at(run))
            other = lives.place(client_order_id(log_id, 50), price=None)
            (reconciler,) = run.session.worlds()[0].reconcilers
            (seat,) = reconciler.seats
            seat.bot.state = replace(seat.bot.state, accepted=(other.exchange_order_id,))
            asked = run.count("fetch_order")
            await reconciler.sweep(thorough=True)
            assert run.count("fetch_order") == asked
            assert run.state().halted is None

    story(tmp_path, tell)


def test_open_order_of_another_copy_that_traded_halts_its_bot_alone_and_is_told_once(tmp_path: Path) -> None:
    beta = {**NO_BUYS, "bot_id": "beta"}

    async def tell(lives: Lives) -> None:
        name = client_order_id(await log_id_of(lives, 1, NO_BUYS, beta), 7)
        lives.fate.bring("partial")
        lives.fate.bring("partial/rest", 4)
        order = lives.place(name, price=50_100)
        assert order.is_open
        assert order.filled
        async with lives.life(NO_BUYS, beta) as run:
            await run.until(lambda: run.events(OrdersSurveyed, "beta"))
            await run.pass_time(60)
            assert run.events(OrdersSurveyed, "beta")[0].unknown_own == (name,)
            assert run.state("beta").halted is not None
            assert run.state().halted is None

    story(tmp_path, tell)


# --- orders that the exchange shows late, or lost


def test_order_held_to_be_not_placed_that_shows_up_is_booked_after_all(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("create/request_lost")
        async with lives.life() as run:
            await run.until(lambda: run.events(OrderRejected))
            (rejected,) = run.events(OrderRejected)
            assert rejected.proof == NOT_PLACED
            order = run.state().done_orders[rejected.client_order_id]
            lives.place(order.client_order_id, str(order.quantity), price=None)
            await run.until(lambda: run.events(OrderReconciled))
            assert run.events(OrderReconciled) == [OrderReconciled(order.client_order_id, "rejected", "open")]
            await run.until(lambda: len(_resting(run, BOT)) == 2)
            assert sum(lot.quantity for lot in run.state().lots.values()) == sum(
                placed.filled for placed in lives.placed("buy")
            )

    story(tmp_path, tell)


def test_order_that_the_exchange_lost_is_given_up_after_some_looks_and_decided_afresh(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            lost = await holds_a_sell(run)
            lives.lose(lives.placed("sell")[0])
            (world,) = run.session.worlds()
            for _ in range(GONE_AFTER):
                await world.reconcilers[0].sweep(thorough=True)
            assert not gone(run), "looks in quick succession are one"
            await run.until(lambda: gone(run), within_s=1_800)
            assert gone(run) == [OrderReconciled(lost.client_order_id, "open", "gone")]
            again = await holds_a_sell(run)
            assert (again.quantity, again.lot) == (lost.quantity, lost.lot)
            assert again.client_order_id != lost.client_order_id

    story(tmp_path, tell)


async def trades_in_part_and_is_lost(lives: Lives, run: Run, sell: Placed) -> None:
    """Have a resting sell trade in part, untold, and the exchange lose it then."""
    lives.fate.bring("hint/lost")
    lives.fate.bring("partial")
    lives.fate.bring("partial/rest", 4)
    lives.price(TARGET)
    await run.until(lambda: sell.filled)
    lives.price(50_000)
    lives.lose(sell)


def test_order_that_the_exchange_lost_keeps_what_it_had_traded(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            lost = await holds_a_sell(run)
            (sell,) = lives.placed("sell")
            await trades_in_part_and_is_lost(lives, run, sell)
            await run.until(lambda: gone(run), within_s=1_800)
            fills = [each for each in run.events(OrderFilled) if each.client_order_id == lost.client_order_id]
            assert [each.quantity for each in fills] == [sell.filled]
            again = await holds_a_sell(run)
            assert again.quantity == lost.quantity - sell.filled
            assert [each.quantity for each in run.events(SaleRecorded)] == [sell.filled]

    story(tmp_path, tell)


def test_order_that_the_exchange_lost_is_not_given_up_before_its_trade_that_is_listed_six_minutes_late(
    tmp_path: Path,
) -> None:
    """Given up sooner, the whole lot would be sold again."""

    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            lost = await holds_a_sell(run)
            (sell,) = lives.placed("sell")
            await trades_in_part_and_is_lost(lives, run, sell)
            lives.hide_last_trade(6 * 60)
            await run.until(lambda: lives.placed("sell"), within_s=1_800)
            again = await holds_a_sell(run)
            assert again.quantity == lost.quantity - sell.filled
            assert [each.quantity for each in run.events(SaleRecorded)] == [sell.filled]

    story(tmp_path, tell)


def test_order_that_the_exchange_lost_is_not_given_up_while_a_trade_of_it_makes_no_sense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look goes on all the same, and tells it once."""
    read = ValuingClient.fills

    async def unreadable(*_: object) -> tuple[Fill, ...]:
        raise UnreadableTradeError("a trade tells no price")

    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
            (sell,) = lives.placed("sell")
            monkeypatch.setattr(ValuingClient, "fills", unreadable)
            await trades_in_part_and_is_lost(lives, run, sell)
            ((reconciler,),) = (world.reconcilers for world in run.session.worlds())
            monkeypatch.setattr(reconciliation, "KNOWN_MOST", 0)
            reconciler._told_unread.add(("7", "a trade of long ago"))
            await run.until(reconciler.has_gone, within_s=1_800)
            for _ in range(3):
                await reconciler.sweep(thorough=True)
            assert [each.error for each in run.events(OrderOutcomeUnknown)].count("a trade tells no price") == 1
            assert len(reconciler._told_unread) == 1, "at the bound what was told is forgotten"
            assert not gone(run)
            monkeypatch.setattr(ValuingClient, "fills", read)
            await run.until(lambda: gone(run), within_s=1_800)
            assert [each.quantity for each in run.events(SaleRecorded)] == [sell.filled]

    story(tmp_path, tell)


def test_order_that_moves_while_it_is_being_given_up_is_not_given_up_on_old_knowledge(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            lost = await holds_a_sell(run)
            lives.lose(lives.placed("sell")[0])
            (world,) = run.session.worlds()
            await run.until(world.reconcilers[0].has_gone, within_s=1_800)
            flattened: list[asyncio.Future[None]] = []
            listed = "exchange/trades/before"
            run.at(
                listed, lambda: run.at(listed, lambda: flattened.append(asyncio.ensure_future(run.command("flatten"))))
            )
            lives.fate.bring("trades/slow", 0, 1)
            await run.until(lambda: gone(run), within_s=1_800)
            assert flattened
            kinds = [
                type(each.event) for each in run.told if isinstance(each.event, OrderCancelRequested | OrderReconciled)
            ]
            assert kinds == [OrderCancelRequested, OrderReconciled]
            assert gone(run) == [OrderReconciled(lost.client_order_id, "open", "gone")]
            await run.until(lambda: not run.state().lots)
            assert sum(order.filled for order in lives.placed("sell")) == lost.quantity

    story(tmp_path, tell)


# --- balances


def test_balances_that_change_while_they_are_read_are_not_believed(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            await holds_a_sell(run)
            await run.until(lambda: run.state().has_looked and run.state().balances_ms)
            reads: list[int] = []
            sales: list[asyncio.Future[None]] = []

            async def sell_a_part() -> None:
                lives.fate.bring("partial")
                lives.fate.bring("partial/rest", 0)
                lives.price(TARGET)
                await asyncio.sleep(2.5)
                lives.price(50_000)

            def read(point: str) -> None:
                if point == "exchange/balances/before" and len(reads) < 3:
                    reads.append(len(run.events(BalancesObserved)))
                    lives.fate.bring("balances/slow")
                    lives.fate.bring("balances/slow/wait", 2)
                    sales.append(asyncio.ensure_future(sell_a_part()))

            run.passed.append(read)
            await run.until(lambda: len(reads) == 3)
            await run.pass_time(30)
            assert len(run.events(BalancesObserved)) == reads[0], "numbers from before and after were mixed"
            await run.until(lambda: len(run.events(BalancesObserved)) > reads[0])
            held = run.events(BalancesObserved)[-1].balances["BTC"]
            assert held == lives.exchange.wallet.shown()["BTC"]
            assert held.total < Decimal("0.5") + lives.placed("buy")[0].filled

    story(tmp_path, tell)
