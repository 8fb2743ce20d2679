"""Orders of a live bot: what leaves and what does not at a pause, a stop, a halt, a standstill; trails and dust."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from engine.core.events import (
    DustRecorded,
    EntrySkipped,
    MarketRulesObserved,
    OrderCancelRequested,
    OrderRejected,
    OrderRequested,
    OrderSent,
    PurchaseRecorded,
    SaleRecorded,
    TrailingActivated,
    TrailingReset,
    TrailingTriggered,
    TrailingWatermarkMoved,
)
from engine.runtime.control import Request
from engine.runtime.live_executor import LiveExecutor
from engine.runtime.redecide import redecide
from engine.store.reader import LogReader
from tests.exchange_server.faults import Fault
from tests.live.harness import BOT, Run
from tests.live.incident import bought, reach_target
from tests.live.scene import Scene, differences, scene

TRAILING: Final = {"sell_order_type": "trailing_market", "trailing_sell_percent": 0.5, "trailing_sell_floor": "none"}


async def command(run: Run, name: str) -> None:
    """Give a command as an operator does, and wait for its answer."""
    assert run.engine is not None
    await run.engine.handle(Request(name, None, "operator"))


def open_sides(stage: Scene) -> set[str]:
    """Give the sides of the orders that rest at the exchange."""
    return {record.now.wish.side for record in stage.records if record.now.is_open}


async def in_steps(stage: Scene, work: Any) -> None:
    """Let time pass until something is done."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await stage.pass_time(0.2, 0.2)
    await task


def test_nothing_leaves_once_a_pause_is_answered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            text = stage.config(
                max_open_lots=20, strategy_params={"min_interval_hours": 0}, min_price_change_percent=0, budget=5_000
            )
            async with stage.engine(text) as run:
                await stage.until(run, lambda: len(run.state().lots) > 1)
                stage.faults(Fault("late", delay_ms=1_500))
                await stage.until(run, lambda: any(each.status == "sent" for each in run.state().orders.values()))
                await in_steps(stage, command(run, "pause"))
                before = len(stage.asked("POST", "/api/v3/order"))
                assert not [each for each in run.state().orders.values() if each.status in {"requested", "sent"}]
                stage.price("49000")
                await stage.pass_time(30)
                assert len(stage.asked("POST", "/api/v3/order")) == before
                assert not differences(stage, run.state())
                await in_steps(stage, command(run, "resume"))
                await stage.until(run, lambda: len(stage.asked("POST", "/api/v3/order")) > before)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("on_stop", "left"), [("leave", {"BUY", "SELL"}), ("cancel_buys", {"SELL"}), ("cancel_all", set())]
)
def test_stop_cancels_what_the_configuration_says(tmp_path: Path, on_stop: str, left: set[str]) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            params = {"min_interval_hours": 0}
            text = stage.config(
                buy_order_type="limit",
                max_open_lots=2,
                min_price_change_percent=0,
                strategy_params=params,
                on_stop=on_stop,
            )
            async with stage.engine(text) as run:
                await stage.until(run, lambda: stage.placed("BUY"))
                first = stage.placed("BUY")[0]
                stage.fill(first, first.now.quantity)
                await stage.until(run, lambda: open_sides(stage) == {"BUY", "SELL"})
                await stage.pass_time(3)
            assert open_sides(stage) == left
            assert not differences(stage, run.state())
            assert len(run.events(OrderCancelRequested)) == 2 - len(left)

    asyncio.run(scenario())


def test_market_that_is_halted_is_not_bought_on_and_is_when_it_opens(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            async with stage.engine() as run:
                await stage.until(run, lambda: run.world.feed.view.rules)
            market = stage.server.exchange.markets["BTCUSD"]
            market.status = "HALT"
            async with stage.engine() as run:
                await stage.pass_time(20)
                assert not stage.records
                assert [each.rule for each in run.events(EntrySkipped)] == ["market"]
                market.status = "TRADING"
                await stage.until(run, lambda: run.events(PurchaseRecorded), within_s=6 * 3_600 + 300, step_s=60)
            rules = [each.event for each in run.published if isinstance(each.event, MarketRulesObserved)]
            assert [each.rules.active for each in rules] == [False, True]

    asyncio.run(scenario())


def test_buy_on_a_market_halted_meanwhile_is_refused_and_tried_again_later(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            await run.until(lambda: run.world.feed.view.rules)
            stage.server.exchange.markets["BTCUSD"].status = "HALT"
            await stage.until(run, lambda: run.events(OrderRejected))
            assert not stage.records
            stage.server.exchange.markets["BTCUSD"].status = "TRADING"
            await stage.until(run, lambda: run.events(PurchaseRecorded), within_s=90)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["trailing_market", "trailing_limit"])
def test_trailing_sell_follows_the_market_up_and_sells_on_the_way_down(tmp_path: Path, kind: str) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            async with stage.engine(stage.config(**{**TRAILING, "sell_order_type": kind})) as run:
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                assert not stage.placed("SELL")
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(TrailingActivated))
                for price in ("51000", "52000"):
                    stage.price(price)
                    await stage.pass_time(8)
                stage.price("51741")
                await stage.pass_time(8)
                assert not run.events(TrailingTriggered)
                stage.price("51739")
                await stage.until(run, lambda: run.events(TrailingTriggered) and stage.placed("SELL"))
                stage.price("51750")  # a limit rests until the market comes to it
                await stage.until(run, lambda: run.events(SaleRecorded))
                (triggered,) = run.events(TrailingTriggered)
                assert triggered.watermark == 52_000
                assert run.events(TrailingWatermarkMoved)
                assert not differences(stage, run.state())
                assert run.state().stats.winning_trades == 1
            with LogReader.open(tmp_path) as reader:
                assert redecide(reader, BOT).is_faithful

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["trailing_market", "trailing_limit"])
def test_trailing_buy_follows_the_market_down_and_buys_on_the_way_up(tmp_path: Path, kind: str) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            text = stage.config(buy_order_type=kind, trailing_buy_percent=0.5)
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.state().trails)
                for price in ("49500", "49000"):
                    stage.price(price)
                    await stage.pass_time(8)
                assert not stage.records
                stage.price("49246")
                await stage.until(run, lambda: stage.placed("BUY"))
                stage.price("49240")
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                (bought_for,) = run.events(PurchaseRecorded)
                assert bought_for.price < 49_300
                await stage.pass_time(8)
                assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_trail_in_the_log_protects_after_a_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            text = stage.config(**TRAILING)
            async with stage.engine(text, crash=True) as run:
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                stage.price("52000")
                await stage.until(run, lambda: run.events(TrailingActivated))
                await stage.pass_time(8)
            stage.jump(20)
            stage.price("51700")
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.events(SaleRecorded))
                (triggered,) = run.events(TrailingTriggered)
                assert triggered.watermark == 52_000
                assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_trail_whose_prices_nobody_saw_for_too_long_starts_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            text = stage.config(**TRAILING)
            async with stage.engine(text, crash=True) as run:
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                stage.price("52000")
                await stage.until(run, lambda: run.events(TrailingActivated))
            stage.jump(400)
            stage.price("51500")
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.events(TrailingActivated))
                assert [each.reason for each in run.events(TrailingReset)] == ["stale"]
                await stage.pass_time(5)
                assert not stage.placed("SELL")
                stage.price("51200")
                await stage.until(run, lambda: run.events(SaleRecorded))
                assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_order_that_was_decided_before_a_crash_is_not_sent_at_a_price_of_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            with monkeypatch.context() as patch:
                patch.setattr(LiveExecutor, "_ready_ms", lambda self, _: self._now_ms() + 3_600_000)
                async with stage.engine(crash=True) as run:
                    await stage.until(run, lambda: run.events(OrderRequested))
            stage.jump(11)
            stage.price("50500")
            async with stage.engine() as run:
                await stage.until(run, lambda: run.events(PurchaseRecorded))
                (rejected,) = run.events(OrderRejected)
                assert rejected.proof == "stale"
                (asked,) = run.events(OrderRequested)[:1]
                assert asked.seen_price == 50_500
                await stage.pass_time(3)
                assert not differences(stage, run.state())
                assert len(stage.placed("BUY")) == 1

    asyncio.run(scenario())


def test_machine_that_stands_still_between_decision_and_sending_sends_nothing_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            executor = run.world._executors[BOT]
            witnessed = executor._witnessed

            async def standing(position: int) -> None:
                await witnessed(position)
                if len(run.events(OrderSent)) == 1:
                    stage.jump(120)

            monkeypatch.setattr(executor, "_witnessed", standing)
            await stage.until(run, lambda: run.events(OrderRejected))
            late = run.events(OrderRejected)[0].client_order_id
            assert late not in [record.now.wish.client_order_id for record in stage.records]
            stage.price("50100")
            await stage.until(run, lambda: run.events(PurchaseRecorded), within_s=200)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_remainder_that_fees_leave_is_dust_with_its_cost(tmp_path: Path) -> None:
    async def scenario() -> None:
        market = {"step": Decimal("0.001"), "min_quantity": Decimal("0.001")}
        account = {"balances": {"USD": Decimal(100_000), "BTC": Decimal(0)}}
        async with scene(tmp_path, market=market, account=account) as stage:
            text = stage.config(strategy_params={"amount_usd": 200})
            async with stage.engine(text) as run:
                await bought(stage, run)
                (lot,) = run.state().lots.values()
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(SaleRecorded))
                await stage.pass_time(3)
                state = run.state()
                assert state.dust.quantity == lot.held - Decimal("0.002")
                assert 0 < state.dust.cost < lot.paid
                assert not differences(stage, state)
                assert not run.events(DustRecorded) or not state.lots

    asyncio.run(scenario())
