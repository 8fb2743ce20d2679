"""The wall clock jumps, the machine sleeps, the disk is slow: what was decided before is not sent after."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import (
    ConnectivityChecked,
    OrderRejected,
    PurchaseRecorded,
    SaleRecorded,
    TrailingActivated,
    TrailingReset,
    TrailingTriggered,
)
from engine.runtime.redecide import redecide
from engine.store.reader import LogReader
from tests.live.harness import BOT, FastTime, Run, config_text, exchange, orders_of, set_price, trading

SPEC = pytest.mark.spec
HOUR_MS = 3_600_000


def lots_target(run: Run) -> str:
    (lot,) = run.state().lots.values()
    return str(lot.target + 1) if lot.target else ""


async def both_have_bought(run: Run) -> None:
    await run.until(lambda: run.events(PurchaseRecorded) and run.events(PurchaseRecorded, "other"))


async def told_of_jump(run: Run, by: str) -> None:
    """Wait until each of the two bots was told, and see that each was told once."""
    await run.until(lambda: sum(f"The wall clock jumped by {by}" in text for text in run.said) == 2)
    assert sum("wall clock" in text for text in run.said) == 2


@SPEC("a wall clock set back is told and changes nothing", section="Time")
def test_wall_clock_set_back_is_told_to_every_bot_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            texts = [config_text(server.port), config_text(server.port, bot_id="other", symbol="ETH/USD")]
            real_time = FastTime()
            async with trading(tmp_path, *texts, real_time=real_time) as run:
                await both_have_bought(run)
                await run.until(lambda: len(orders_of(server)) == 4)
                real_time.jumped_ms = -HOUR_MS
                await told_of_jump(run, "-3600.0 s")
                set_price(server, lots_target(run))
                await run.until(lambda: run.events(SaleRecorded))
                times = [each.at_ms for each in run.published]
                assert times == sorted(times)
                assert max(times) - min(times) < HOUR_MS / 10
        with LogReader.open(tmp_path) as reader:
            assert redecide(reader, BOT).divergences == ()

    asyncio.run(scenario())


@SPEC("a wall clock set forward is followed, and what is held goes on being sold", section="Time")
def test_wall_clock_set_forward_is_followed_and_sales_go_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            texts = [config_text(server.port), config_text(server.port, bot_id="other", symbol="ETH/USD")]
            real_time = FastTime()
            async with trading(tmp_path, *texts, real_time=real_time) as run:
                await both_have_bought(run)
                await run.until(lambda: len(orders_of(server)) == 4)
                real_time.jumped_ms = HOUR_MS
                await told_of_jump(run, "+3600.0 s")
                set_price(server, lots_target(run))
                await run.until(lambda: run.events(SaleRecorded))
                times = [each.at_ms for each in run.published]
                assert times == sorted(times)
                assert max(times) - min(times) >= HOUR_MS
                for each in server.exchange.ledger.requests:
                    assert each.code is None, each
        with LogReader.open(tmp_path) as reader:
            assert redecide(reader, BOT).divergences == ()

    asyncio.run(scenario())


@SPEC("after a sleep the account is looked at before anything is sent", section="Time")
def test_machine_that_slept_looks_at_its_account_before_it_trades_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            real_time = FastTime()
            async with trading(tmp_path, config_text(server.port), real_time=real_time) as run:
                await run.until(lambda: len(orders_of(server)) == 2 and run.state().lots)
                begun = len(server.exchange.ledger.requests)
                server.exchange.clock.advance(HOUR_MS)
                real_time.jumped_ms = HOUR_MS
                set_price(server, lots_target(run))
                await run.until(lambda: run.events(SaleRecorded))
                await run.until(lambda: len(run.events(PurchaseRecorded)) == 2)
                asked = [each for each in list(server.exchange.ledger.requests)[begun:] if each.code is None]
                paths = [f"{each.method} {each.path}" for each in asked]
                assert paths.index("GET /api/v3/myTrades") < paths.index("POST /api/v3/order")
                for each in asked:
                    if each.method == "POST":
                        assert abs(each.came_ms - int(each.parameters["timestamp"])) < 5_000
                assert run.state().stats.winning_trades == 1

    asyncio.run(scenario())


@SPEC("after a sleep trails are stale and candles old", section="Time")
def test_machine_that_slept_follows_no_trail_across_the_gap(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            real_time = FastTime()
            trailing = {"sell_order_type": "trailing_market", "trailing_sell_percent": 0.5, "profit_target": 0.5}
            async with trading(tmp_path, config_text(server.port, **trailing), real_time=real_time) as run:
                await run.until(lambda: run.state().trails)
                set_price(server, "51000")
                await run.until(lambda: run.events(TrailingActivated))
                server.exchange.clock.advance(HOUR_MS)
                real_time.jumped_ms = HOUR_MS
                set_price(server, "50500")
                await run.until(lambda: run.events(TrailingReset))
                assert run.events(TrailingReset)[0].reason == "stale"
                assert not run.events(TrailingTriggered)
                skews = [each.clock_skew_ms for each in run.events(ConnectivityChecked)]
                assert all(abs(skew) < 1_000 for skew in skews if skew is not None)
        with LogReader.open(tmp_path) as reader:
            assert redecide(reader, BOT).divergences == ()

    asyncio.run(scenario())


@SPEC("an order whose window passed while the disk was slow is not sent", section="Order protocol")
def test_order_whose_window_passed_before_it_could_leave_is_decided_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        speed = 50.0
        async with exchange(speed=speed) as server:
            real_time = FastTime(speed, server.exchange.clock.market_ms())
            async with trading(tmp_path, config_text(server.port), real_time=real_time) as run:
                executor, slow = run.world._executors[BOT], [6.0]
                witnessed = executor._witnessed

                async def late(position: int) -> None:
                    await witnessed(position)
                    if slow:
                        await real_time.sleep(slow.pop())

                monkeypatch.setattr(executor, "_witnessed", late)
                await run.until(lambda: run.events(PurchaseRecorded))
                first = run.events(OrderRejected)[0]
                assert (first.proof, first.reason[:22]) == ("stale", "this machine stood sti")
                names = [each.wish.client_order_id for each in orders_of(server)]
                assert first.client_order_id not in names

    asyncio.run(scenario())
