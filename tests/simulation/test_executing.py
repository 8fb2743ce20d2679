"""Carrying out orders in virtual time: each leaves once or not at all, and what became of it is found by asking."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import (
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRejected,
    OrderRequested,
    OrderSent,
    OrdersSurveyed,
    PurchaseRecorded,
    SaleRecorded,
)
from engine.core.identity import client_order_id
from engine.core.reducers import orders as order_reducers
from engine.core.reducers.orders import NOT_SENT, STALE
from engine.runtime.live_world import LiveWorld
from tests.simulation.lives import Lives, Run, story
from tests.simulation.test_first_look import forgets_its_buy

LOW = {"strategy_params": {"max_price": 49_000}}
"""Buys as soon as the price is under this."""

PAPER = {"paper_trading": True, "live": False}


async def is_ready(run: Run) -> None:
    await run.until(lambda: any("Reconciled with the exchange" in line for line in run.lines))


async def live_worlds(run: Run) -> list[LiveWorld]:
    """Wait until the engine is open; give its worlds."""
    await run.until(lambda: True)
    return run.session.worlds()


# --- what became of a request


def test_order_whose_answer_is_lost_is_found_by_asking_and_never_sent_again(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("create/answer_lost")
        lives.fate.bring("query/request_lost")
        async with lives.life() as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            (sent, *_) = run.events(OrderSent)
            assert len(run.events(OrderOutcomeUnknown)) == 2
            assert lives.asked("create")[sent.client_order_id] == 1
            assert run.count("fetch_order") == 2
            assert [each.wish.client_order_id for each in lives.placed("buy")] == [sent.client_order_id]

    story(tmp_path, tell)


def test_order_whose_answer_names_no_trades_is_looked_up_for_them(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("create/bare_answer")
        lives.fate.bring("hint/lost")
        async with lives.life() as run:
            await run.until(lambda: run.events(PurchaseRecorded), within_s=30)
            assert run.count("fetch_order") == 1
            assert len(run.events(OrderFilled)) == 1

    story(tmp_path, tell)


def test_cancellation_whose_answer_is_lost_ends_with_what_the_exchange_says(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("cancel/answer_lost")
        async with lives.life({"buy_order_type": "limit", "buy_order_timeout": 60}) as run:
            await run.until(lambda: run.events(OrderCanceled))
            (bought, *_) = lives.placed("buy")
            assert run.events(OrderCanceled)[0] == OrderCanceled(bought.wish.client_order_id, bought.filled)
            assert bought.status == "canceled"
            assert lives.asked("cancel")[bought.wish.client_order_id] == 1

    story(tmp_path, tell)


def test_order_that_could_not_leave_is_decided_afresh_under_another_id(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("create/not_sent")
        async with lives.life() as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            first, second = run.events(OrderSent)[:2]
            (rejected,) = run.events(OrderRejected)
            assert (rejected.client_order_id, rejected.proof) == (first.client_order_id, NOT_SENT)
            assert [each.wish.client_order_id for each in lives.placed("buy")] == [second.client_order_id]

    story(tmp_path, tell)


def test_order_that_was_sent_when_the_engine_died_is_asked_about_and_not_sent_again(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            run.at("exchange/create/after", lambda: run.session.life.end("killed in between"))
            await run.session.until_over(120)
            (sent,) = run.events(OrderSent)
            assert not run.events(OrderAccepted)
        async with lives.life() as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            assert run.events(OrderAccepted)[0].client_order_id == sent.client_order_id
            assert lives.asked("create")[sent.client_order_id] == 1
            assert len(lives.placed("buy")) == 1

    story(tmp_path, tell)


def test_order_about_which_a_question_is_under_way_is_not_asked_about_again(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        lives.fate.bring("create/answer_lost")
        lives.fate.bring("query/slow")
        lives.fate.bring("query/slow/wait", 2)  # 8 s
        async with lives.life() as run:
            (world,) = await live_worlds(run)
            await run.until(lambda: run.count("fetch_order") == 1)
            await world.reconcilers[0].sweep(thorough=False)
            assert run.count("fetch_order") == 1
            assert not run.events(PurchaseRecorded)
            await run.until(lambda: run.events(PurchaseRecorded))
            assert run.count("fetch_order") == 1

    story(tmp_path, tell)


# --- what must not leave any more


@pytest.mark.parametrize(
    ("stop", "go_on"), [("pause", "resume"), ("kill", "revive"), (None, None)], ids=["paused", "killed", "stood still"]
)
def test_order_held_up_before_it_left_is_not_sent_if_that_is_wrong_now(
    tmp_path: Path, stop: str | None, go_on: str | None
) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(LOW) as run:
            await is_ready(run)
            run.slow_s = 6.0 if stop is None else 2.0  # seconds, of a window of 5
            lives.price(48_000)
            await run.until(lambda: run.events(OrderSent), within_s=60)
            if stop is not None:
                await run.command(stop)
            await run.until(lambda: run.events(OrderRejected))
            run.slow_s = 0.0
            (rejected,) = run.events(OrderRejected)
            assert rejected.proof == (STALE if stop is None else NOT_SENT)
            assert not lives.placed()
            if go_on is not None:
                await run.pass_time(120)
                assert not lives.placed()
                await run.command(go_on)
            await run.until(lambda: run.events(PurchaseRecorded))
            assert lives.asked("create")[rejected.client_order_id] == 0

    story(tmp_path, tell)


@pytest.mark.parametrize("on_stop", ["leave", "cancel_buys", "cancel_all"])
def test_order_held_up_when_the_engine_stops_is_never_sent_and_decided_afresh_later(
    tmp_path: Path, on_stop: str
) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life({**LOW, "on_stop": on_stop}) as run:
            await is_ready(run)
            run.slow_s = 2.0
            lives.price(48_000)
            await run.until(lambda: run.events(OrderSent), within_s=60)
            await run.stop()
            (rejected,) = run.events(OrderRejected)
            assert rejected.proof == NOT_SENT
            assert not lives.placed()
        async with lives.life(LOW) as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            assert lives.asked("create")[rejected.client_order_id] == 0

    story(tmp_path, tell)


@pytest.mark.parametrize(
    ("on_stop", "left"), [("leave", "open"), ("cancel_buys", "canceled"), ("cancel_all", "canceled")]
)
@pytest.mark.parametrize("answer", ["slow", "answer_lost"])
def test_limit_buy_still_unanswered_when_the_engine_stops_rests_only_if_on_stop_leaves_it(
    tmp_path: Path, answer: str, on_stop: str, left: str
) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life({"buy_order_type": "limit", "on_stop": on_stop}) as run:
            lives.fate.bring(f"create/{answer}")
            lives.fate.bring("create/slow/wait", 2)  # 8 s
            await run.until(lambda: run.events(OrderSent))
            await run.stop()
            assert [order.status for order in lives.placed("buy")] == [left]
            assert bool(run.orders()) is (left == "open")

    story(tmp_path, tell)


def test_stop_while_every_call_goes_unanswered_ends_in_time_and_says_what_stays(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life({**LOW, "buy_order_type": "limit", "on_stop": "cancel_all"}) as run:
            await is_ready(run)
            lives.fate.bring("create/answer_lost")
            lives.fate.bring("query/request_lost", *[1] * 9)
            lives.fate.bring("cancel/request_lost", *[1] * 9)
            lives.price(48_000)
            await run.until(lambda: run.events(OrderSent))
            asked_ms = lives.machine.true_ms
            await run.stop()
            took_ms = lives.machine.true_ms - asked_ms
            assert 15_000 < took_ms < 25_000  # the stop's own wait, and what is left of the last call's ten seconds
            assert "Stopping: these orders stay at the exchange: Order 1 (buy 0.00208 BTC)" in run.lines
            assert [order.status for order in run.orders()] == ["unknown"]
        lives.fate.cancel("query/request_lost")
        lives.fate.cancel("cancel/request_lost")
        async with lives.life({**LOW, "buy_order_type": "limit"}) as run:
            await run.until(lambda: lives.placed("buy")[0].status == "canceled")
            assert lives.asked("create")[lives.placed("buy")[0].wish.client_order_id] == 1

    story(tmp_path, tell)


def test_order_decided_just_before_its_bot_is_halted_never_leaves(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        beta = {"bot_id": "beta", "strategy_params": {"max_price": 1}}
        async with lives.life(LOW, beta) as run:
            await is_ready(run)
            (world,) = run.session.worlds()
            bot = next(each for each in world.bots if each.state.bot_id == "alpha")
            run.slow_s = 2.0
            lives.price(48_000)
            await run.until(lambda: bot.state.orders and not run.orders())
            lives.place(client_order_id(bot.state.log_id, 9))
            await world.reconcilers[0].sweep(thorough=False)
            assert run.events(OrderRequested)
            assert run.events(OrdersSurveyed)
            await run.pass_time(120)
            assert run.state().halted is not None
            assert not run.events(OrderSent)
            assert [order.wish.life for order in lives.placed()] == [0], "only the other copy's order is there"

    story(tmp_path, tell)


@pytest.mark.parametrize("turns", range(5))
def test_halt_at_any_turn_between_decision_and_sending_keeps_the_order_back(tmp_path: Path, turns: int) -> None:
    async def tell(lives: Lives) -> None:
        beta = {"bot_id": "beta", "strategy_params": {"max_price": 1}}
        async with lives.life(LOW, beta) as run:
            await is_ready(run)
            (world,) = run.session.worlds()
            bot = next(each for each in world.bots if each.state.bot_id == "alpha")
            halts: list[asyncio.Future[None]] = []

            def halt(turns_left: int) -> None:
                if turns_left:
                    asyncio.get_running_loop().call_soon(halt, turns_left - 1)
                else:
                    halts.append(asyncio.ensure_future(world.note(bot, OrdersSurveyed(("another's",), ()))))

            run.heard.append(lambda told: halt(turns) if isinstance(told.event, OrderRequested) else None)
            lives.price(48_000)
            await run.until(lambda: run.state().halted is not None)
            await run.pass_time(60)
            assert run.events(OrderRequested)
            assert not lives.placed()

    story(tmp_path, tell)


def test_order_of_this_log_that_is_out_of_its_memory_is_told_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_reducers, "DONE_ORDERS_KEPT", 1)

    async def tell(lives: Lives) -> None:
        async with lives.life() as run:
            first = await forgets_its_buy(lives, run)
            (world,) = run.session.worlds()
            again = lives.place(first)
            await world.reconcilers[0].sweep(thorough=False)
            await world.reconcilers[0].sweep(thorough=False)
            assert [each.forgotten for each in run.events(OrdersSurveyed)] == [(first,)]
            assert again.is_open
            assert run.state().halted is None

    story(tmp_path, tell)


# --- paper accounts on a real market


def test_paper_bot_on_a_real_market_sells_when_the_price_comes(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(PAPER) as run:
            await run.until(lambda: any(order.side == "sell" and order.status == "open" for order in run.orders()))
            lives.price(51_000)
            await run.until(lambda: run.events(SaleRecorded))
            assert not lives.placed()
            assert not lives.asked("create")

    story(tmp_path, tell)


def test_paper_order_that_was_sent_when_the_engine_died_is_placed_again_under_its_id(tmp_path: Path) -> None:
    async def tell(lives: Lives) -> None:
        async with lives.life(PAPER) as run:
            run.die_once(OrderSent)
            await run.session.until_over(120)
            (sent,) = run.events(OrderSent)
            assert not run.events(OrderAccepted)
        async with lives.life(PAPER) as run:
            await run.until(lambda: run.events(PurchaseRecorded))
            assert run.events(OrderAccepted)[0].client_order_id == sent.client_order_id
            assert not [each for each in run.events(OrderSent) if each.client_order_id == sent.client_order_id]

    story(tmp_path, tell)
