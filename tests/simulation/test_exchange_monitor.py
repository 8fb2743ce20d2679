"""The continuous check at the exchange: every rule has an order that breaks it, and honest trading breaks none."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from engine.core.state import Order
from engine.testing.simulation.exchange.monitor import Limits, Monitor
from engine.testing.simulation.exchange.terms import Terms
from tests.simulation.worlds import BTC, CENT, LOG_ID, ExchangeWorld, order, run

AMPLE = Limits(budget=Decimal(10_000), most_lots=10)


def _watched(
    world: ExchangeWorld,
    limits: Limits = AMPLE,
    *,
    is_durable: Callable[[str], bool] = lambda _: True,
    may_send: Callable[[str], bool] = lambda _: True,
    log_id: str = LOG_ID,
) -> Monitor:
    return Monitor(
        world.exchange,
        limits_of=lambda log: limits if log == log_id else None,
        is_durable=is_durable,
        may_send=may_send,
    )


def _run_orders(world: ExchangeWorld, orders: Callable[[], Sequence[Order]]) -> None:
    async def work() -> None:
        client = world.client()
        for each in orders():
            await client.create(BTC, each)

    run(work)


def test_monitor_finds_nothing_wrong_with_honest_trading() -> None:
    world = ExchangeWorld()
    monitor = _watched(world, Limits(budget=Decimal(1_050), most_lots=2))
    ms = world.now_ms()
    _run_orders(
        world,
        lambda: [
            order(1, "buy", "0.01", sent_ms=ms),
            order(2, "buy", "0.01", sent_ms=ms),
            order(3, "sell", "0.01", sent_ms=ms),
            order(4, "buy", "0.01", sent_ms=ms),
            order(5, "sell", "0.02", sent_ms=ms),
        ],
    )
    assert monitor.violations == []
    assert len(world.history("trade")) == 5


def test_monitor_sees_an_order_that_is_taken_twice() -> None:
    world = ExchangeWorld()
    monitor = _watched(world)
    _run_orders(world, lambda: [order(1, "buy", "0.01", sent_ms=world.now_ms())] * 2)
    assert [line.split(":")[0] for line in monitor.violations] == ["twice"]
    assert [record["rule"] for record in world.history("violation")] == ["twice"]


def test_monitor_sees_more_at_stake_than_the_budget_counting_open_buys() -> None:
    world = ExchangeWorld()
    monitor = _watched(world, Limits(budget=Decimal(900), most_lots=10))
    low, ms = world.price() * Decimal("0.9") // CENT * CENT, world.now_ms()
    _run_orders(
        world,
        lambda: [order(1, "buy", "0.01", sent_ms=ms), order(2, "buy", "0.01", sent_ms=ms, limit=low)],
    )
    assert [line.split(":")[0] for line in monitor.violations] == ["budget"]


def test_monitor_sees_more_lots_than_may_be_open() -> None:
    world = ExchangeWorld()
    monitor = _watched(world, Limits(budget=Decimal(10_000), most_lots=2))
    _run_orders(world, lambda: [order(number, "buy", "0.01", sent_ms=world.now_ms()) for number in (1, 2, 3)])
    assert {line.split(":")[0] for line in monitor.violations} == {"lots"}


@pytest.mark.parametrize(("part", "is_broken"), [(2, False), (1, True)], ids=["little", "much"])
def test_monitor_counts_what_a_sell_left_as_a_lot_unless_it_is_too_little_to_sell(part: int, is_broken: bool) -> None:
    world = ExchangeWorld(Terms(partial=0.5), played={"exchange/partial#0": 1, "exchange/partial/part#0": part})
    monitor = _watched(world, Limits(budget=Decimal(10_000), most_lots=1))

    async def work() -> None:
        client, low, ms = world.client(), world.price() * Decimal("0.9") // CENT * CENT, world.now_ms()
        await client.create(BTC, order(1, "buy", "0.004", sent_ms=ms))
        sell = order(2, "sell", "0.004", sent_ms=ms, limit=low)
        await client.create(BTC, sell)
        await client.cancel(BTC, sell)
        await client.create(BTC, order(3, "buy", "0.004", sent_ms=ms))

    run(work)
    assert len(world.history("trade")) == 3
    assert {line.split(":")[0] for line in monitor.violations} == ({"lots"} if is_broken else set())


@pytest.mark.parametrize(("given", "is_broken"), [("0", True), ("0.01", False)])
def test_monitor_sees_more_sold_than_was_bought_or_given(given: str, is_broken: bool) -> None:
    world = ExchangeWorld()
    monitor = _watched(world, Limits(budget=Decimal(10_000), most_lots=10, given_base=Decimal(given)))
    ms = world.now_ms()
    _run_orders(world, lambda: [order(1, "buy", "0.01", sent_ms=ms), order(2, "sell", "0.02", sent_ms=ms)])
    assert {line.split(":")[0] for line in monitor.violations} == ({"oversell"} if is_broken else set())


def test_monitor_sees_an_order_that_left_before_the_log_held_it() -> None:
    world = ExchangeWorld()
    monitor = _watched(world, is_durable=lambda _: False)
    _run_orders(world, lambda: [order(1, "buy", "0.01", sent_ms=world.now_ms())])
    assert {line.split(":")[0] for line in monitor.violations} == {"durable"}


def test_monitor_sees_an_order_that_left_after_a_pause_even_if_it_never_arrives() -> None:
    world = ExchangeWorld(Terms(request_lost=0.5), played={"exchange/create/request_lost#0": 1})
    monitor = _watched(world, may_send=lambda log: log != LOG_ID)
    _run_orders(world, lambda: [order(1, "buy", "0.01", sent_ms=world.now_ms())])
    assert [line.split(":")[0] for line in monitor.violations] == ["pause"]
    assert not world.history("order")


def test_monitor_sees_an_order_of_a_log_that_is_not_there() -> None:
    world = ExchangeWorld()
    monitor = _watched(world, log_id="zzzzzzzzzz")
    _run_orders(world, lambda: [order(1, "buy", "0.01", sent_ms=world.now_ms())])
    assert [line.split(":")[0] for line in monitor.violations] == ["stranger"]


@pytest.mark.parametrize("sort", [0, 1], ids=["told", "untold"])
def test_monitor_does_not_hold_against_anybody_what_the_exchange_kept_back(sort: int) -> None:
    world = ExchangeWorld(Terms(late_fill=0.5), played={"exchange/late_fill#0": 1, "exchange/late_fill/sort#0": sort})
    monitor = _watched(world, Limits(budget=Decimal(500), most_lots=1))

    async def work() -> None:
        client, low = world.client(), world.price() * Decimal("0.9") // CENT * CENT
        first, second = (order(number, "buy", "0.01", sent_ms=world.now_ms(), limit=low) for number in (1, 2))
        await client.create(BTC, first)
        await client.cancel(BTC, first)
        await client.create(BTC, second)

    run(work)
    assert {line.split(":")[0] for line in monitor.violations} == (set() if sort else {"budget", "lots"})


def test_monitor_leaves_orders_of_the_user_alone() -> None:
    world = ExchangeWorld(Terms(foreign_order=0.5), played={"exchange/foreign_order#0": 1})
    monitor = _watched(world, Limits(budget=Decimal(0), most_lots=0))

    async def work() -> None:
        await world.until(700)
        world.exchange.advance()

    run(work)
    assert len(world.history("trade")) == 1
    assert monitor.violations == []
