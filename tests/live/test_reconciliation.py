"""Reconciliation: whatever happens to orders at the exchange, seen or not, ends up in the log once, and right."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from engine.core.errors import UnreachableError
from engine.core.events import (
    DiscrepancyFound,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    OrderRequested,
    OrderSent,
    OrdersSurveyed,
    PurchaseRecorded,
    SaleRecorded,
)
from engine.core.identity import client_order_id
from engine.exchanges import ccxt_account, readings
from engine.runtime.live_world import HALTED
from engine.runtime.redecide import redecide
from engine.store.reader import LogReader
from tests.exchange_server.faults import Fault
from tests.live.harness import BOT
from tests.live.incident import bought, reach_target
from tests.live.restart_incidents import place_as_another_copy
from tests.live.scene import differences, scene

LIMIT: Final = {"buy_order_type": "limit"}


def balances(**changes: str) -> dict[str, object]:
    """Describe the account of the test: this much of each asset."""
    return {"balances": {"USD": Decimal(100_000), "BTC": Decimal(0), "BNB": Decimal(0)} | _amounts(changes)}


def _amounts(texts: dict[str, str]) -> dict[str, Decimal]:
    return {asset: Decimal(text) for asset, text in texts.items()}


def assert_faithful(directory: Path) -> None:
    """Make sure that deciding again over the log gives the same."""
    with LogReader.open(directory) as reader:
        report = redecide(reader, BOT)
    assert report.is_faithful, report.divergences
    assert not report.divergences


def test_sell_filled_in_many_parts_is_booked_part_by_part(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
                await stage.pass_time(2)
                (record,) = stage.placed("SELL")
                for _ in range(3):
                    stage.fill(record, "0.0004")
                    await stage.pass_time(3)
                    assert not differences(stage, run.state())
                stage.fill(record, record.now.remaining)
                await stage.until(run, lambda: run.events(SaleRecorded))
                assert not differences(stage, run.state())
                assert len(run.events(OrderFilled)) == 5
            assert_faithful(tmp_path)

    asyncio.run(scenario())


@pytest.mark.parametrize("partly", [False, True], ids=["all", "partly"])
def test_fills_while_the_engine_was_down_are_booked_at_the_start(tmp_path: Path, *, partly: bool) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage:
            async with stage.engine(crash=True) as run:
                await bought(stage, run)
            (record,) = stage.placed("SELL")
            stage.fill(record, "0.0005")
            if not partly:
                stage.fill(record, record.now.remaining)
            async with stage.engine() as run:
                await stage.pass_time(8)
                assert bool(run.events(SaleRecorded)) is not partly
                assert any(f"{1 if partly else 2} trade" in text and "drift 0" in text for text in run.said), run.said
                assert not differences(stage, run.state())
            assert_faithful(tmp_path)

    asyncio.run(scenario())


@pytest.mark.parametrize("how", ["a person", "the exchange"])
@pytest.mark.parametrize("running", [True, False], ids=["running", "down"])
def test_sell_ended_by_others_after_a_part_leaves_the_rest_for_sale(tmp_path: Path, how: str, *, running: bool) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage:
            matching = stage.server.exchange.matching

            def end() -> None:
                (record,) = stage.placed("SELL")
                stage.fill(record, "0.0005")
                if how == "a person":
                    matching.cancel(record, "by-hand")
                else:
                    matching.expire(record)

            async with stage.engine() as run:
                await bought(stage, run)
                await stage.pass_time(2)
                if running:
                    end()
                    await stage.pass_time(10)
            if not running:
                end()
            async with stage.engine() as again:
                await stage.pass_time(10)
                told = [*run.told(), *again.told()]
                (closed,) = [each for each in told if isinstance(each, OrderCanceled | OrderExpired)]
                assert isinstance(closed, OrderCanceled) is (how == "a person")
                assert closed.filled == Decimal("0.0005")
                assert not differences(stage, again.state())
                first, second = stage.placed("SELL")
                assert second.now.is_open
                assert second.now.quantity == first.now.quantity - Decimal("0.0005")
            assert_faithful(tmp_path)

    asyncio.run(scenario())


def test_buy_cancelled_by_a_person_after_a_part_is_a_lot(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage, stage.engine(stage.config(**LIMIT)) as run:
            await stage.until(run, lambda: stage.placed("BUY"))
            await stage.pass_time(2)
            (record,) = stage.placed("BUY")
            stage.fill(record, "0.001")
            stage.server.exchange.matching.cancel(record, "by-hand")
            await stage.until(run, lambda: run.events(PurchaseRecorded))
            (lot,) = run.state().lots.values()
            assert lot.bought == Decimal("0.001")
            assert run.state().reserved == 0
            await stage.pass_time(3)
            assert not differences(stage, run.state())
            assert len(stage.placed("SELL")) == 1

    asyncio.run(scenario())


def test_trades_that_show_long_after_a_cancel_are_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage, stage.engine(stage.config(**LIMIT)) as run:
            await stage.until(run, lambda: stage.placed("BUY"))
            await stage.pass_time(2)
            stage.show_late(trades_s=25)
            (record,) = stage.placed("BUY")
            stage.fill(record, "0.001")
            stage.server.exchange.matching.cancel(record, "by-hand")
            await stage.pass_time(10)
            assert not run.events(PurchaseRecorded)
            assert run.state().reserved > 0
            await stage.until(run, lambda: run.events(PurchaseRecorded))
            await stage.pass_time(3)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


@pytest.mark.parametrize("asset", ["received", "quote", "base", "BNB"])
def test_fees_in_any_asset_are_booked_as_charged(tmp_path: Path, asset: str) -> None:
    async def scenario() -> None:
        account = {**balances(BNB="10"), "fee_asset": asset}
        async with scene(tmp_path, account=account) as stage, stage.engine() as run:
            await bought(stage, run)
            await stage.pass_time(3)
            assert not differences(stage, run.state())
            (lot,) = run.state().lots.values()
            (trade,) = stage.server.exchange.matching.trades
            assert lot.held == trade.quantity - (trade.commission if trade.commission_asset == "BTC" else 0)
            paid = trade.quote_quantity + (trade.commission if trade.commission_asset == "USD" else 0)
            paid += trade.commission * 500 if trade.commission_asset == "BNB" else 0
            assert lot.paid == paid
            reach_target(stage, run)
            await stage.until(run, lambda: run.events(SaleRecorded))
            assert not differences(stage, run.state())
            assert run.state().stats.winning_trades == 1

    asyncio.run(scenario())


def test_orders_of_others_are_listed_and_left_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            place_as_another_copy(stage, "by-hand")
            place_as_another_copy(stage, client_order_id("zzzzzzzzzz", 3))
            async with stage.engine(stage.config(on_stop="cancel_all")) as run:
                await bought(stage, run)
                (survey,) = run.events(OrdersSurveyed)
                assert len(survey.foreign) == 2
                assert not survey.unknown_own
                await stage.pass_time(200, 2)
                assert len(run.events(OrdersSurveyed)) == 1
            assert [record.now.status for record in stage.records[:2]] == ["NEW", "NEW"]
            assert stage.records[-1].now.status == "CANCELED"

    asyncio.run(scenario())


def test_trade_of_others_whose_fee_nobody_understands_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, seen = readings.trade_of, set[Decimal]()

    def reading(row: readings.Row) -> readings.RawTrade:
        seen.add(Decimal(row["amount"]))
        if Decimal(row["amount"]) == Decimal("0.00013"):
            raise UnreachableError("nobody understands it")
        return read(row)

    monkeypatch.setattr(ccxt_account, "trade_of", reading)

    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
            place_as_another_copy(stage, "by-hand")
            stage.fill(stage.records[-1], "0.00013")
            async with stage.engine() as run:
                before = run.state()
                await stage.until(run, lambda: any("Reconciled with the exchange" in text for text in run.said), 30)
                assert not run.events(OrderFilled)
                assert not run.events(DiscrepancyFound)
                assert run.state().position == before.position
        assert seen
        assert Decimal("0.00013") not in seen, "only trades of our own orders are read"

    asyncio.run(scenario())


@pytest.mark.parametrize("filled", [False, True], ids=["resting", "filled"])
def test_order_of_this_log_that_it_does_not_hold_halts_the_bot(tmp_path: Path, *, filled: bool) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
                log_id = run.state().log_id
            place_as_another_copy(stage, client_order_id(log_id, 9))
            if filled:
                stage.fill(stage.records[-1], "0.01")
            before = len(stage.records)
            async with stage.engine() as run:
                await stage.pass_time(10)
            assert run.outcome is not None
            assert run.outcome.reasons == (HALTED,)
            (found,) = run.events(DiscrepancyFound)
            assert client_order_id(log_id, 9) in found.actual
            assert found.halts
            assert len(stage.records) == before
            assert_faithful(tmp_path)

    asyncio.run(scenario())


@pytest.mark.parametrize("filled", [False, True], ids=["resting", "filled"])
def test_second_order_under_an_id_of_this_log_is_another_copy_too(tmp_path: Path, *, filled: bool) -> None:
    """Two copies of a log number their next orders alike, and an exchange may take an id again once it is free."""

    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage:
            async with stage.engine() as run:
                await bought(stage, run)
                before = run.state()
            name = client_order_id(before.log_id, 1)
            place_as_another_copy(stage, name)
            if filled:
                stage.fill(stage.records[-1], "0.01")
            async with stage.engine() as run:
                await stage.pass_time(10)
            assert run.outcome is not None
            assert run.outcome.reasons == (HALTED,)
            (found,) = run.events(DiscrepancyFound)
            assert name in found.actual
            assert run.state().position == before.position
            assert not run.events(OrderFilled)

    asyncio.run(scenario())


def test_order_held_to_be_not_placed_that_shows_up_is_booked_with_an_alarm(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path, account=balances()) as stage:
            stage.silence_new_streams()
            async with stage.engine() as run:
                stage.show_late(orders_s=130, trades_s=130)
                stage.faults(Fault("drop"))
                await stage.until(run, lambda: run.events(OrderRejected), within_s=120)
                (rejected,) = run.events(OrderRejected)
                assert rejected.proof == "not placed"
                stage.show_late()
                stage.faults(Fault("status", on="POST /api/v3/order", when="before", times=None))
                await stage.until(run, lambda: run.events(PurchaseRecorded), within_s=900, step_s=2)
                assert run.events(OrderReconciled)
                (alarm,) = run.events(DiscrepancyFound)
                assert rejected.client_order_id in alarm.subject
                stage.heal()
                await stage.pass_time(60)
                assert not differences(stage, run.state())
                order = run.state().order(rejected.client_order_id)
                assert order is not None
                assert order.exchange_order_id == str(stage.records[0].now.order_id)
            assert_faithful(tmp_path)

    asyncio.run(scenario())


def test_unknown_outcome_is_settled_by_asking_alone_and_its_money_stays_reserved(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            stage.faults(Fault("drop", when="before"))
            await stage.until(run, lambda: run.events(OrderOutcomeUnknown))
            (sent,) = run.events(OrderSent)
            end_ms = sent.sent_ms + sent.valid_ms + 30_000
            while run.world.clock.now_ms < end_ms - 1_000:
                await stage.pass_time(1)
                assert run.state().reserved > 99
                assert len(stage.asked("POST", "/api/v3/order")) == 1
            await stage.until(run, lambda: run.events(OrderRejected), within_s=120)
            (rejected,) = run.events(OrderRejected)
            assert rejected.proof == "not placed"
            assert run.state().reserved == 0
            await stage.until(run, lambda: len(run.events(OrderRequested)) > 1, within_s=70)
            first, second = [each.client_order_id for each in run.events(OrderRequested)][:2]
            assert first != second
            await stage.pass_time(5)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_fill_that_no_stream_tells_is_found_by_looking(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            await bought(stage, run)
            await stage.pass_time(2)
            assert await stage.streams("silence") == 1
            (record,) = stage.placed("SELL")
            stage.fill(record, record.now.quantity)
            await stage.until(run, lambda: run.events(SaleRecorded), within_s=200, step_s=2)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_new_log_with_an_old_id_never_meets_the_old_orders(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path / "exchange", account=balances()) as stage:
            async with stage.engine(directory=tmp_path / "one") as run:
                await bought(stage, run)
                old = run.state().log_id
            async with stage.engine(directory=tmp_path / "two") as run:
                await bought(stage, run)
                await stage.pass_time(5)
                assert run.state().log_id != old
                assert not differences(stage, run.state())
                assert len(run.state().foreign) == 1
                assert len(run.events(OrderFilled)) == 1

    asyncio.run(scenario())


def test_order_that_is_shown_late_is_not_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            stage.show_late(orders_s=40)
            await bought(stage, run)
            await stage.until(run, lambda: [1 for each in run.state().orders.values() if each.status == "open"])
            (name,) = run.state().orders
            executor = run.world._executors[run.state().bot_id]
            for _ in range(30):
                executor.look(name)
                await stage.pass_time(1)
            assert executor.absences(name) == 1
            assert not run.events(OrderReconciled)
            assert run.state().orders[name].status == "open"
            await stage.pass_time(40)
            assert executor.absences(name) == 0

    asyncio.run(scenario())
