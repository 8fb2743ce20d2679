"""What a life of the engine makes of a line that loses things: the contract of the port under every fault.

A tape says what befalls which call; without one the line is calm.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest

from engine.core.errors import RateLimitedError, UnreachableError
from engine.exchanges.port import Accepted, Account, LiveMarketData, NotSent, OrderReport, Rejected, Unknown
from engine.testing.simulation.exchange.client import ExchangeClient
from engine.testing.simulation.exchange.line import pause
from engine.testing.simulation.exchange.terms import Terms
from tests.simulation.worlds import BTC, CENT, START_MS, ExchangeWorld, order, placed_and_cancelled, run

CALL_FAULTS = ("not_sent", "request_lost", "answer_lost", "server_error", "garbage", "rate_limit")


def test_client_is_both_market_data_and_account_of_the_port() -> None:
    client = ExchangeWorld(Terms(valid_ms=7_000, grace_ms=20_000)).client()
    data: LiveMarketData = client
    account: Account = client
    assert "1m" in data.timeframes
    assert (account.valid_ms, account.grace_ms, data.blocked_until_ms) == (7_000, 20_000, 0)


def _terms(fault: str) -> Terms:
    return Terms(**{fault: 0.5})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "expected", "is_placed"),
    [
        ("not_sent", NotSent, False),
        ("request_lost", Unknown, False),
        ("answer_lost", Unknown, True),
        ("server_error", Unknown, True),
        ("garbage", Unknown, True),
        ("rate_limit", Rejected, False),
    ],
)
def test_create_under_a_fault_tells_only_what_is_known(fault: str, expected: type, is_placed: bool) -> None:
    world = ExchangeWorld(_terms(fault), played={f"exchange/create/{fault}#0": 1})

    async def work() -> None:
        outcome = await world.client().create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, expected)
        assert bool(world.exchange.matching.orders) == is_placed
        assert [record["fault"] for record in world.history("request")] == [fault]

    run(work)


@pytest.mark.parametrize("fault", CALL_FAULTS)
@pytest.mark.parametrize(
    ("verb", "ask"),
    [
        ("ticker", lambda client: client.ticker(BTC)),
        ("time", lambda client: client.time_ms()),
        ("candles", lambda client: client.candles(BTC, "1m", START_MS - 600_000, START_MS)),
        ("balances", lambda client: client.balances()),
        ("open_orders", lambda client: client.open_orders(BTC)),
        ("trades", lambda client: client.trades(BTC, START_MS)),
        ("whose", lambda client: client.client_order_id_of(BTC, "5000001")),
        ("identify", lambda client: client.identify()),
        ("markets", lambda client: client.rules(BTC)),
        ("listen", lambda client: client.next_hint(BTC)),
    ],
)
def test_read_under_a_fault_says_that_no_sensible_answer_came(
    verb: str, ask: Callable[[ExchangeClient], Awaitable[object]], fault: str
) -> None:
    world = ExchangeWorld(_terms(fault), played={f"exchange/{verb}/{fault}#0": 1})

    async def work() -> None:
        with pytest.raises(RateLimitedError if fault == "rate_limit" else UnreachableError):
            await ask(world.client())

    run(work)


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_query_under_a_fault_is_unknown_and_never_none(fault: str) -> None:
    world = ExchangeWorld(_terms(fault), played={f"exchange/query/{fault}#0": 1})

    async def work() -> None:
        client = world.client()
        sent = order(1, "buy", "0.01", sent_ms=world.now_ms())
        await client.create(BTC, sent)
        assert isinstance(await client.query(BTC, sent), Unknown)

    run(work)


def test_cancel_whose_answer_is_lost_has_still_been_carried_out() -> None:
    world = ExchangeWorld(_terms("answer_lost"), played={"exchange/cancel/answer_lost#0": 1})

    async def work() -> None:
        client = world.client()
        _, report = await placed_and_cancelled(world, client)
        assert report.status == "canceled"

    run(work)


@pytest.mark.parametrize(
    ("choice", "valid_ms", "is_placed"),
    [(2, 5_000, True), (5, 60_000, True), (5, 5_000, False), (9, 60_000, False)],
    ids=["in time", "after giving up", "too late by seconds", "too late by minutes"],
)
def test_request_that_comes_late_counts_only_within_its_window(choice: int, valid_ms: int, is_placed: bool) -> None:
    played = {"exchange/create/request_late#0": 1, "exchange/create/request_late/wait#0": choice}
    world = ExchangeWorld(Terms(request_late=0.5, valid_ms=valid_ms), played=played)

    async def work() -> None:
        outcome = await world.client().create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(outcome, Accepted if choice == 2 else Unknown)
        await world.until(150)
        world.exchange.advance()
        assert bool(world.exchange.matching.orders) == is_placed
        assert bool(world.history("refused")) != is_placed

    run(work)


def test_request_arrives_although_the_life_that_sent_it_is_over() -> None:
    played = {"exchange/create/request_late#0": 1, "exchange/create/request_late/wait#0": 2}
    world = ExchangeWorld(Terms(request_late=0.5), played=played)

    async def work() -> None:
        life = world.life()
        creating = asyncio.ensure_future(
            world.client(life).create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        )
        await pause(1_000)
        life.end("power")
        await world.until(20)
        assert not creating.done()
        (record,) = world.history("order")
        assert record["life"] == 1
        creating.cancel()

    run(work)


@pytest.mark.parametrize(("point", "is_placed"), [("exchange/create/before", False), ("exchange/create/after", True)])
def test_life_that_ends_at_a_point_gets_no_further(point: str, is_placed: bool) -> None:
    world = ExchangeWorld()

    async def work() -> None:
        client = world.client(world.life(lambda here: here == point))
        creating = asyncio.ensure_future(client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms())))
        await pause(60_000)
        assert not creating.done()
        assert bool(world.history("order")) == is_placed
        creating.cancel()

    run(work)


def test_exchange_that_wants_silence_is_not_asked_and_keeps_its_ban_across_lives() -> None:
    played = {"exchange/ticker/rate_limit#0": 1, "exchange/ticker/rate_limit/silence#0": 3}
    world = ExchangeWorld(_terms("rate_limit"), played=played)

    async def work() -> None:
        client = world.client()
        with pytest.raises(RateLimitedError) as told:
            await client.ticker(BTC)
        assert told.value.until_ms == client.blocked_until_ms
        assert client.blocked_until_ms - world.now_ms() == 180_000
        asked = client.calls.total()
        with pytest.raises(RateLimitedError):
            await client.ticker(BTC)
        assert isinstance(await client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms())), NotSent)
        assert client.calls.total() == asked
        with pytest.raises(RateLimitedError):
            await world.client().ticker(BTC)
        await world.until(181)
        await client.ticker(BTC)

    run(work)


@pytest.mark.parametrize("sort", [0, 1, 2])
def test_partition_fails_every_call_until_it_is_over(sort: int) -> None:
    world = ExchangeWorld(Terms(partition=0.5), played={"exchange/partition#0": 1, "exchange/partition/sort#0": sort})

    async def work() -> None:
        client = world.client()
        with pytest.raises(UnreachableError):
            await client.ticker(BTC)
        with pytest.raises(UnreachableError):
            await client.next_ticker(BTC)
        assert isinstance(await client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms())), NotSent)
        await world.until(61)
        assert isinstance(await client.create(BTC, order(2, "buy", "0.01", sent_ms=world.now_ms())), Accepted)

    run(work)


@pytest.mark.parametrize(("skew_ms", "ahead_ms"), [(5_000, 0), (-5_000, 0), (300, 3_600_000), (0, -3_600_000)])
def test_order_is_signed_on_the_clock_of_the_exchange_as_it_was_measured(skew_ms: int, ahead_ms: int) -> None:
    world = ExchangeWorld(Terms(skew_ms=skew_ms))

    async def work() -> None:
        client = world.client(ahead_ms=ahead_ms)
        sent = order(1, "buy", "0.01", sent_ms=world.now_ms() + ahead_ms)
        assert isinstance(await client.create(BTC, sent), Accepted)
        (record,) = world.history("order")
        assert isinstance(record["signed_ms"], int)
        assert abs(record["signed_ms"] - (START_MS + skew_ms)) < 200
        (trade,) = await client.trades(BTC, world.now_ms() + ahead_ms - 10_000)
        assert abs(trade.at_ms - (world.now_ms() + ahead_ms)) < 1_000

    run(work)


def test_step_of_the_exchange_clock_refuses_what_is_signed_by_the_old_one_once() -> None:
    played = {"exchange/skew_step#0": 1, "exchange/skew_step/begin#0": 60_000, "exchange/skew_step/sort#0": 3}
    world = ExchangeWorld(Terms(skew_step=0.5), played=played)

    async def work() -> None:
        client = world.client()
        await client.time_ms()
        await world.until(70)
        refused = await client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert isinstance(refused, Rejected)
        assert refused.proof == "-1021"
        assert isinstance(await client.create(BTC, order(2, "buy", "0.01", sent_ms=world.now_ms())), Accepted)

    run(work)


def test_read_refused_for_the_clock_is_asked_once_more() -> None:
    played = {"exchange/skew_step#0": 1, "exchange/skew_step/begin#0": 60_000, "exchange/skew_step/sort#0": 3}
    world = ExchangeWorld(Terms(skew_step=0.5), played=played)

    async def work() -> None:
        client = world.client()
        await client.time_ms()
        await world.until(70)
        assert (await client.balances())["BTC"].total == Decimal("0.5")
        assert (client.calls["fetch_balance"], client.calls["fetch_time"]) == (2, 2)

    run(work)


def test_cancel_refused_for_the_clock_is_sent_once_more() -> None:
    played = {"exchange/skew_step#0": 1, "exchange/skew_step/begin#0": 60_000, "exchange/skew_step/sort#0": 3}
    world = ExchangeWorld(Terms(skew_step=0.5), played=played)

    async def work() -> None:
        client = world.client()
        resting = order(1, "sell", "0.01", sent_ms=world.now_ms(), limit=world.price() * 2 // CENT * CENT)
        await client.create(BTC, resting)
        await world.until(70)
        report = await client.cancel(BTC, resting)
        assert isinstance(report, OrderReport)
        assert (report.status, client.calls["cancel_order"]) == ("canceled", 2)

    run(work)


@pytest.mark.parametrize(
    ("fault", "hints"), [("hint_lost", 0), ("hint_late", 1), ("hint_repeated", 2), ("hint_broken", 0)]
)
def test_hint_may_be_lost_late_twice_or_cut_off_with_its_stream(fault: str, hints: int) -> None:
    world = ExchangeWorld(_terms(fault), played={f"exchange/hint/{fault.removeprefix('hint_')}#0": 1})

    async def work() -> None:
        client, told, broken = world.client(), [], 0
        await client.create(
            BTC, order(1, "buy", "0.01", sent_ms=world.now_ms(), limit=world.price() * Decimal("0.999") // CENT * CENT)
        )
        try:
            async with asyncio.timeout(1_800):
                while True:
                    told.append(await client.next_hint(BTC))
        except UnreachableError:
            broken += 1
        except TimeoutError:
            pass
        assert (len(told), broken) == (hints, 1 if fault == "hint_broken" else 0)

    run(work)


@pytest.mark.parametrize(("choice", "ages_ms"), [(0, [0, 0]), (1, [0, 6_000]), (2, [45_000, 0]), (3, [0, 0])])
def test_price_stream_may_repeat_itself_look_back_or_fall_silent(choice: int, ages_ms: list[int]) -> None:
    played = {"exchange/price/trouble#0": 1, "exchange/price/trouble/what#0": choice}
    world = ExchangeWorld(_terms("ticker_trouble"), played=played)

    async def work() -> None:
        client = world.client()
        ages = []
        for _ in range(2):
            tick = await client.next_ticker(BTC)
            ages.append(world.now_ms() - tick.at_ms)
        assert ages == ages_ms
        assert (world.now_ms() - START_MS >= 20_000) == (choice == 3)

    run(work)


def test_price_stream_that_breaks_is_subscribed_anew() -> None:
    played = {"exchange/price/trouble#0": 1, "exchange/price/trouble/what#0": 4}
    world = ExchangeWorld(_terms("ticker_trouble"), played=played)

    async def work() -> None:
        client = world.client()
        with pytest.raises(UnreachableError):
            await client.next_ticker(BTC)
        assert (await client.next_ticker(BTC)).last == world.price()

    run(work)


def test_balances_may_be_those_of_a_moment_ago() -> None:
    world = ExchangeWorld(_terms("balance_stale"), played={"exchange/balance_stale#0": 1})

    async def work() -> None:
        client = world.client()
        await client.create(BTC, order(1, "buy", "0.01", sent_ms=world.now_ms()))
        assert (await client.balances())["BTC"].total == Decimal("0.5")
        assert (await client.balances())["BTC"].total == Decimal("0.51")

    run(work)


def test_exchange_that_has_healed_has_no_fault_any_more() -> None:
    world = ExchangeWorld(_terms("answer_lost"), seed=5)

    async def work() -> None:
        client = world.client()
        world.exchange.heal()
        for number in range(1, 30):
            assert isinstance(await client.create(BTC, order(number, "buy", "0.001", sent_ms=world.now_ms())), Accepted)

    run(work)
