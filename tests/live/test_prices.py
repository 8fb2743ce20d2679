"""Prices and candles of a real market: streams that fail, prices that are old, holes that are filled."""

import asyncio
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import (
    BackoffStarted,
    CandlesClosed,
    ConnectivityChecked,
    IndicatorsAwaited,
    OrderRequested,
    PriceObserved,
    SaleRecorded,
)
from tests.exchange_server.faults import Fault
from tests.live.harness import Run
from tests.live.incident import bought, reach_target
from tests.live.scene import differences, scene


def prices(run: Run) -> list[PriceObserved]:
    """Give the prices that were recorded."""
    return [each.event for each in run.published if isinstance(each.event, PriceObserved)]


def failed_checks(run: Run) -> list[ConnectivityChecked]:
    """Give the checks that failed."""
    return [each for each in run.events(ConnectivityChecked) if not each.reachable]


@pytest.mark.parametrize("action", ["close", "abort", "silence", "freeze"])
def test_stream_that_fails_is_asked_around_and_opened_again(tmp_path: Path, action: Any) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine(stage.config(sell_order_type="market")) as run:
            await stage.until(run, lambda: run.state().lots and run.state().lots[1].target)
            await stage.pass_time(3)
            opened = stage.server.connections.opened
            assert await stage.streams(action, "market") == 1
            reach_target(stage, run)
            await stage.until(run, lambda: run.events(SaleRecorded), within_s=40)
            await stage.until(run, lambda: stage.server.connections.opened > opened, within_s=120)
            await stage.until(run, lambda: [text for text in run.said if "stream open" in text][1:], within_s=60)
            assert not differences(stage, run.state())

    asyncio.run(scenario())


def test_stream_that_cannot_be_opened_leaves_prices_to_requests(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            stage.faults(Fault("drop", on="GET /ws*", when="before", times=None))
            async with stage.engine() as run:
                await bought(stage, run)
                reach_target(stage, run)
                await stage.until(run, lambda: run.events(SaleRecorded), within_s=200, step_s=2)
                assert not differences(stage, run.state())

    asyncio.run(scenario())


@pytest.mark.spec(
    "an exchange that falls silent is noticed at once, and left alone until the next check", section="Live trading"
)
def test_exchange_that_gives_no_prices_is_checked_at_once_and_then_left_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            await bought(stage, run)
            await stage.pass_time(20)
            assert not failed_checks(run)
            stage.faults(Fault("status", on="*", when="before", times=None, status=500))
            await stage.streams("abort", "*")
            await stage.until(run, lambda: failed_checks(run), within_s=30)
            (waiting,) = run.events(BackoffStarted)
            assert len(failed_checks(run)) == 1
            asked = len(stage.server.exchange.ledger.requests)
            await stage.pass_time(20)
            assert waiting.wait_s == 30
            assert len(stage.server.exchange.ledger.requests) == asked

    asyncio.run(scenario())


def test_exchange_that_is_away_at_the_start_is_left_alone_until_the_next_check(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            stage.faults(Fault("status", on="*", when="before", times=None, status=500))
            async with stage.engine() as run:
                await stage.until(run, lambda: failed_checks(run), within_s=10)
                await stage.pass_time(2)
                assert len(failed_checks(run)) == 1
                asked = dict(run.world.calls)
                await stage.pass_time(24)
                assert dict(run.world.calls) == asked
                stage.heal()
                await bought(stage, run)

    asyncio.run(scenario())


def test_prices_that_come_fast_are_recorded_once_a_second_with_their_extremes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage, stage.engine() as run:
            await bought(stage, run)
            await stage.pass_time(5)
            for price in ("50010", "50090", "49910", "50020"):
                stage.price(price)
                stage.server._markets.publish()
                await asyncio.sleep(0.02)
            await stage.pass_time(4)
            seen = [str(each.last) for each in prices(run)]
            assert "50090" in seen
            assert "49910" in seen
            assert seen[-1] == "50020"

    asyncio.run(scenario())


def test_candles_that_were_missed_in_an_outage_are_fetched_after_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            text = stage.config(max_open_lots=3, indicator_cache_ttl=60, min_price_change_percent=0)
            async with stage.engine(text) as run:
                await bought(stage, run)
                stage.faults(Fault("status", on="*", when="before", times=None, status=503))
                await stage.streams("abort", "*")
                await stage.pass_time(600, 4)
                stage.heal()
                await stage.pass_time(340, 4)
            text = stage.config(max_open_lots=3, strategy_params={"min_interval_hours": 0}, min_price_change_percent=0)
            async with stage.engine(text) as run:
                await stage.until(run, lambda: run.events(OrderRequested), within_s=60)
                opened = sorted(
                    candle.open_ms
                    for each in run.published
                    if isinstance(each.event, CandlesClosed)
                    for candle in each.event.candles
                )
                assert opened
                gaps = {later - earlier for earlier, later in pairwise(opened)}
                assert gaps <= {60_000}

    asyncio.run(scenario())


def test_entry_is_considered_at_the_first_price_after_the_candles_came(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            stage.faults(Fault("status", on="GET /api/v3/klines", when="before", times=3, status=503))
            async with stage.engine() as run:
                await stage.until(run, lambda: run.events(OrderRequested), within_s=60, step_s=0.5)
                assert len(run.events(IndicatorsAwaited)) == 1
                kinds = [type(each.event) for each in run.published]
                first = kinds.index(OrderRequested)
                assert kinds[first - 1] is PriceObserved
                candles = [index for index, kind in enumerate(kinds) if kind is CandlesClosed][-1]
                assert kinds[candles:first].count(PriceObserved) == 1

    asyncio.run(scenario())
