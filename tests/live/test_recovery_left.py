"""What a recovery leaves: orders that could not be booked, waits, refusals, and what is told when it fails.

Method: a bot that traded at the local exchange, in this process; its log loses the end and is recovered.
"""

import asyncio
from pathlib import Path

import pytest

from engine.core.config import BotConfig
from engine.core.errors import ConfigError, UsageError
from engine.core.events import DiscrepancyFound, PurchaseRecorded, RecoveryConfirmed
from engine.core.identity import client_order_id
from engine.runtime.config_file import parse_config
from engine.runtime.recovery_report import Mend
from tests.live.harness import BOT, config_text, exchange, orders_of, trading
from tests.live.recovery import (
    Impatient,
    bought,
    cut,
    decides_the_same,
    events,
    forget_orders,
    has_bought,
    place,
    quieten,
    recovered,
    rename,
    sold,
    state_of,
)


@pytest.mark.spec("what an operator confirmed as unmatched halts the bot no more", section="Recovery")
def test_confirmed_order_that_no_lot_holds_does_not_halt_again(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            text = config_text(server.port)
            async with trading(log, text) as run:
                await has_bought(run, server)
                await run.until(lambda: [order.status for order in run.state().orders.values()] == ["open"])
            buy, sell = (record.now.wish.client_order_id for record in server.exchange.matching.records.values())
            cut(log, after="bot_created")
            rename(server, buy, "somebody")
            report = await recovered(log)
            (told,) = report.bots[0].unmatched
            assert "no lot holds that" in told
            assert told.startswith(f"Order 2 ({sell}, at the exchange {state_of(log).accepted[0]}): it sells"), told
            (confirmed,) = [each for each in events(log) if isinstance(each, RecoveryConfirmed)]
            assert state_of(log).accepted == confirmed.accepted
            assert len(confirmed.accepted) == 1
            async with trading(log, text) as run:
                await run.until(lambda: run.events(PurchaseRecorded), within_s=30)
                assert run.state().halted is None
                assert not run.events(DiscrepancyFound)
                assert run.state().order(sell) is None
            assert sell in [each.wish.client_order_id for each in orders_of(server) if each.status == "NEW"]
            await place(server, client_order_id(state_of(log).log_id, 5), "49000")
            async with trading(log, text) as run:
                await run.until(lambda: run.ended)
                assert run.events(DiscrepancyFound)[-1].halts, "another one halts it still"

    asyncio.run(scenario())


@pytest.mark.spec("absence is proven by time that went by here, not by a clock that leapt", section="Recovery")
@pytest.mark.parametrize("leap_ms", [0, 3_600_000], ids=["even", "leapt"])
def test_clock_that_leapt_forward_does_not_spare_the_wait(tmp_path: Path, leap_ms: int) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="order_sent")
            time = Impatient()
            time.jumped_ms = leap_ms
            await recovered(log, real_time=time)
            assert [30 < seconds < 60 for seconds in time.waited_s] == [True]

    asyncio.run(scenario())


def test_log_that_was_left_for_days_with_nothing_open_is_not_waited_for(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="bot_created")
            quieten(log, 3 * 86_400)
            time = Impatient()
            await recovered(log, real_time=time)
            assert time.waited_s == []

    asyncio.run(scenario())


def test_configuration_that_the_log_forbids_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="purchase_recorded")
            asked: list[BotConfig] = []
            paper = parse_config(config_text(server.port, paper_trading=True), "a test").config
            shown: list[Mend] = []
            with pytest.raises(ConfigError, match="never continued live"):
                await recovered(log, configs={BOT: paper}, asked=asked, mended=shown.append)
            assert asked == []
            assert [each.lost for each in shown] != [], "how the log was made anew is shown although the rest failed"
            report = await recovered(log)
            (bot,) = report.bots
            assert (bot.kept, bot.lost) == (shown[0].kept, shown[0].lost)

    asyncio.run(scenario())


@pytest.mark.spec("trades of orders that the exchange tells no more are listed", section="Recovery")
def test_trades_of_an_order_that_the_exchange_forgot_are_listed(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await sold(log, server)
            cut(log, after="bot_created")
            forget_orders(server)
            report = await recovered(log)
            assert report.bots[0].unmatched
            assert ["does not tell under which id" in each for each in report.bots[0].unmatched] == [True] * len(
                report.bots[0].unmatched
            )

    asyncio.run(scenario())


@pytest.mark.spec("an order held to be not placed that stands at the exchange is taken back", section="Recovery")
def test_order_that_was_held_to_be_not_placed_is_taken_back(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            position = (await bought(log, server)).position
            cut(log, after="order_sent")
            forget_orders(server)
            await recovered(log, confirm=lambda _: False)
            assert [each.status for each in state_of(log).done_orders.values()] == ["rejected"]
            server.exchange.faults.clear()
            report = await recovered(log)
            assert report.confirmed
            assert report.bots[0].unmatched == ()
            assert state_of(log).position == position
            assert [each.status for each in state_of(log).done_orders.values()] == ["filled"]
            assert decides_the_same(log)

    asyncio.run(scenario())


def test_unknown_bot_is_refused_before_anything_is_changed(tmp_path: Path) -> None:
    log = tmp_path / "log"

    async def scenario() -> None:
        async with exchange() as server:
            await bought(log, server)
            cut(log, after="purchase_recorded")
            before = (log / "events.db").read_bytes()
            with pytest.raises(UsageError, match="another-bot"):
                await recovered(log, bot="another-bot")
            assert (log / "events.db").read_bytes() == before
            assert not (log / "quarantine").exists()
            assert (await recovered(log, bot=BOT)).confirmed

    asyncio.run(scenario())


def test_account_of_two_bots_is_held_against_what_both_hold(tmp_path: Path) -> None:
    log, other = tmp_path / "log", "other-bot"

    async def scenario() -> None:
        async with exchange() as server:
            texts = config_text(server.port), config_text(server.port, bot_id=other)
            async with trading(log, *texts) as run:
                await run.until(lambda: all(run.events(PurchaseRecorded, name) for name in (BOT, other)))
                await run.until(lambda: len(orders_of(server)) == 4)
                held = {name: run.state(name).position for name in (BOT, other)}
            cut(log, after="purchase_recorded", skip=1)
            report = await recovered(log, confirm=lambda _: False)
            assert {each.bot_id: each.held_after for each in report.bots} == held
            assert {each.bot_id: each.others_hold for each in report.bots} == {BOT: held[other], other: held[BOT]}

    asyncio.run(scenario())
