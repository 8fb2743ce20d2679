"""Recoveries against an exchange that are not plain: several lots, other hands, no answer, losses over and over."""

import asyncio
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.core.errors import ConfigError, OperatorNeededError, UnreachableError
from engine.core.events import OrderAdopted, PurchaseRecorded, RecoveryConfirmed, SaleRecorded
from engine.core.identity import client_order_id
from engine.core.state import BotState
from engine.runtime.recovery_log import restore
from engine.runtime.recovery_report import Report
from engine.store.backup import back_up
from engine.store.reader import LogReader
from tests.exchange_server.faults import Fault
from tests.exchange_server.server import Server
from tests.live.harness import FastTime, config_text, exchange, orders_of, set_price, trading, wiring
from tests.live.recovery import (
    Leaping,
    bought,
    cut,
    cut_at,
    decides_the_same,
    events,
    goes_on,
    halts,
    numbers,
    place,
    quieten,
    recovered,
    rename,
    sold,
    state_of,
)

SEVERAL: dict[str, Any] = {"max_open_lots": 4, "profit_target": 2.0}


async def live_busily(log: Path, server: Server, text: str) -> BotState:
    """Let a bot buy three lots, sell two of them, and buy two more; give its state."""
    async with trading(log, text) as run:
        for lots, price in enumerate(("50000", "50500", "51000"), start=1):
            set_price(server, price)
            await run.until(lambda lots=lots: len(run.events(PurchaseRecorded)) == lots)  # type: ignore[misc]
        set_price(server, "51700")
        await run.until(lambda: len(run.events(SaleRecorded)) == 2 and len(run.events(PurchaseRecorded)) >= 4)
        set_price(server, "51200")
        await run.until(lambda: len(run.events(PurchaseRecorded)) >= 5)
        await run.until(lambda: len(run.state().orders) == 3)
        await run.until(lambda: all(order.status == "open" for order in run.state().orders.values()))
        return run.state()


def books(state: BotState) -> tuple[object, ...]:
    """Give what must be the same however the log came by it."""
    orders = {(order.client_order_id, order.side, order.quantity, order.lot) for order in state.orders.values()}
    lots = {number: (lot.quantity, lot.cost, lot.target) for number, lot in state.lots.items()}
    return (
        state.position,
        state.dust,
        state.cash_flow,
        state.stats.total_profit,
        state.stats.winning_trades,
        lots,
        orders,
    )


@pytest.mark.spec("whatever end a live log loses, the exchange's orders and trades bring it back", section="Recovery")
def test_log_cut_anywhere_has_the_same_books_after_its_recovery(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            before = await live_busily(log, server, config_text(server.port, **SEVERAL))
            placed = len(orders_of(server))
            with LogReader.open(log) as reader:
                own = [row for (row,) in reader.rows("SELECT row_id FROM event WHERE stream = 1")]
            for number, position in enumerate(own[1 : -1 : max(len(own) // 14, 1)]):
                copy = shutil.copytree(log, tmp_path / str(number), ignore=shutil.ignore_patterns("*.sock"))
                cut_at(copy, position)
                report = await recovered(copy)
                assert report.bots[0].unmatched == ()
                assert books(state_of(copy)) == books(before), f"cut behind row {position}"
                assert state_of(copy).recovery is None
                assert decides_the_same(copy)
            assert len(orders_of(server)) == placed, "a recovery sends nothing"

    asyncio.run(scenario())


@pytest.mark.spec("an id is never used twice, however often a log loses its end", section="Recovery")
def test_old_backup_put_back_twice_never_uses_an_id_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port, profit_target=0.5)
            price = Decimal(50_000)
            async with trading(log, text) as run:
                await run.until(lambda: run.events(PurchaseRecorded) and run.state().orders)
            backup = back_up(log, tmp_path / "safe", 1_760_000_000_000)
            for _ in range(2):
                shutil.rmtree(log)
                log.mkdir()
                shutil.copy(backup.folder / "events.db", log / "events.db")
                (log / "events.head").write_bytes(b"x" * 128)
                quieten(log)
                await recovered(log)
                async with trading(log, text) as run:
                    price = price * Decimal("1.02")
                    set_price(server, str(price.quantize(Decimal("0.01"))))
                    await run.until(lambda: run.events(PurchaseRecorded) and len(run.state().orders) == 1)
                    assert not run.state().halted
            placed = numbers(server)
            assert len(placed) == len(set(placed)) >= 6
            assert decides_the_same(log)

    asyncio.run(scenario())


@pytest.mark.spec("while a recovery is not confirmed nothing is sent", section="Recovery")
def test_recovery_without_a_yes_leaves_a_bot_that_does_not_run(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            await bought(log, server)
            cut(log, after="order_sent")
            placed = len(orders_of(server))
            seen: list[Report] = []

            def refuse(report: Report) -> bool:
                seen.append(report)
                return False

            report = await recovered(log, confirm=refuse)
            assert not report.confirmed
            assert [len(each.bots) for each in seen] == [1]
            with pytest.raises(OperatorNeededError, match="krypto-engine recover"):
                async with trading(log, text):
                    pass
            assert len(orders_of(server)) == placed
            again = await recovered(log)
            assert (again.mend, again.confirmed) == (None, True)
            assert again.bots == report.bots, "what was found by the first look is told again"
            assert (await recovered(log)).is_healthy

    asyncio.run(scenario())


@pytest.mark.spec("a recovery that the exchange does not answer changes nothing of its waiting", section="Recovery")
def test_recovery_without_an_answer_can_be_run_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="order_filled")
            server.exchange.faults.add(Fault("status", on="GET /api/v3/myTrades*", times=None))
            with pytest.raises(UnreachableError):
                await recovered(log)
            assert state_of(log).recovery is not None
            server.exchange.faults.clear()
            assert (await recovered(log)).confirmed
            assert decides_the_same(log)

    asyncio.run(scenario())


def test_recovery_with_the_key_of_another_account_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="purchase_recorded")
        async with exchange(account={"api_key": "other", "secret": "othersecret"}) as server:
            with pytest.raises((ConfigError, UnreachableError)):
                await recovered(log, wired=wiring("other", "othersecret"))
            assert state_of(log).recovery is not None

    asyncio.run(scenario())


@pytest.mark.spec("a sell that no lot can have made is listed, not booked", section="Recovery")
def test_sell_that_no_lot_holds_is_listed_and_not_booked(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await sold(log, server)
            cut(log, after="bot_created")
            buy = next(iter(server.exchange.matching.records.values()))
            foreign = buy.now.wish.client_order_id[:-1] + "z"
            rename(server, buy.now.wish.client_order_id, "kother" + foreign[6:])
            report = await recovered(log)
            (bot,) = report.bots
            assert bot.held_after == 0
            assert ["no lot holds that" in each for each in bot.unmatched] == [True] * len(bot.unmatched)
            assert bot.unmatched
            confirmed = [each for each in events(log) if isinstance(each, RecoveryConfirmed)]
            assert confirmed[0].unmatched == bot.unmatched
            assert not [each for each in events(log) if isinstance(each, OrderAdopted) and each.side == "sell"]

    asyncio.run(scenario())


@pytest.mark.spec("a bot that halted on orders it does not know can take them over", section="Recovery")
def test_log_that_was_put_back_by_hand_halts_and_is_recovered(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            before = await bought(log, server)
            cut(log, after="market_rules_observed")
            (log / "events.head").unlink()
            await halts(log, text)
            time = Leaping()
            report = await recovered(log, real_time=time)
            assert [30 < seconds < 60 for seconds in time.waited_s] == [True], "absence is proven by time"
            assert report.mend is None
            assert report.confirmed
            assert state_of(log).position == before.position
            await goes_on(log, text)
            assert decides_the_same(log)

    asyncio.run(scenario())


@pytest.mark.spec("a backup of a live bot that was put back takes over what it traded since", section="Backups")
def test_restored_backup_takes_over_what_was_bought_and_sold_since(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            await bought(log, server)
            backup = back_up(log, tmp_path / "safe", 1_760_000_000_000)
            async with trading(log, text) as run:
                set_price(server, "52000")
                await run.until(lambda: run.events(SaleRecorded) and len(orders_of(server)) == 4)
                await run.until(lambda: [order.status for order in run.state().orders.values()] == ["open"])
                before = run.state()
            log.rename(tmp_path / "lost")
            await restore(log, backup.folder, FastTime().wall_ms(), asyncio.sleep)
            with pytest.raises(OperatorNeededError, match="restored from the backup"):
                async with trading(log, text):
                    pass
            report = await recovered(log, real_time=Leaping())
            assert [(each.side, each.status) for each in report.bots[0].adopted] == [
                ("buy", "filled"),
                ("sell", "open"),
            ]
            assert books(state_of(log)) == books(before)
            assert decides_the_same(log)
            await goes_on(log, text)

    asyncio.run(scenario())


@pytest.mark.spec("an order of a lost end that shows only later halts the bot", section="Recovery")
def test_order_of_the_lost_end_that_shows_late_halts_and_is_taken_over(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            await bought(log, server)
            cut(log, after="order_accepted", skip=1)
            await recovered(log)
            state = state_of(log)
            await place(server, client_order_id(state.log_id, 5), "49000")
            await halts(log, text)
            report = await recovered(log, real_time=Leaping())
            assert [(each.side, each.status) for each in report.bots[0].adopted] == [("buy", "open")]
            state = state_of(log)
            assert state.open_buy is not None
            assert state.reserved == state.open_buy.reserved > 48
            await goes_on(log, text)
            assert decides_the_same(log)

    asyncio.run(scenario())
