"""Streams of prices and of the account: what they tell, how they break, and that they come back and leave nothing."""

import asyncio
import gc
from decimal import Decimal
from typing import Any

import pytest

from engine.core.errors import UnreachableError
from engine.exchanges.ccxt_gateway import CcxtConnection
from tests.exchange_server.faults import Action, Fault, StreamFault
from tests.exchange_server.harness import eventually, quiet_script, subscribed
from tests.exchange_server.server import running
from tests.exchanges.gateway_harness import MODES, SYMBOL, Mode, client, keyless, order_of

D = Decimal
FAST = {"step_ms": 50, "pump_ms": 10}
MANUAL = {"start_ms": 1_700_000_040_000, "manual_clock": True, "pump_ms": 5}
both_ways = pytest.mark.parametrize("mode", MODES)


async def prices_without_end(link: CcxtConnection, within_s: float = 5.0) -> None:
    """Read prices, each of them within a time, until something ends it."""
    while True:
        await asyncio.wait_for(link.next_ticker(SYMBOL), within_s)


@both_ways
def test_price_stream_tells_exact_prices_with_both_sides_of_the_book(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script(**FAST)) as server, keyless(server, mode) as link:
            async with asyncio.timeout(5):
                ticks = [await link.next_ticker(SYMBOL) for _ in range(3)]
            assert [(t.last, t.bid, t.ask) for t in ticks] == [(D(50_000), D("49999.99"), D("50000.01"))] * 3
            assert ticks[0].at_ms < ticks[1].at_ms < ticks[2].at_ms
            assert not link.calls["fetch_ticker"]

    asyncio.run(scenario())


def test_reader_who_was_away_gets_the_newest_price_at_once() -> None:
    async def scenario() -> None:
        async with running(quiet_script(**FAST)) as server, client(server) as (link, _), asyncio.timeout(30):
            first = await link.next_ticker(SYMBOL)
            await eventually(lambda: link.ccxt.tickers[SYMBOL]["timestamp"] - first.at_ms >= 300)
            second = await link.next_ticker(SYMBOL)
            assert second.at_ms - first.at_ms >= 300

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize("action", ["close", "abort"])
def test_price_stream_that_breaks_raises_and_comes_back(mode: Mode, action: Action) -> None:
    async def scenario() -> None:
        script = quiet_script(**FAST, stream_faults=(StreamFault(action, on="market", after_messages=3),))
        async with running(script) as server, client(server, mode) as (link, _), asyncio.timeout(10):
            await link.next_ticker(SYMBOL)
            with pytest.raises(UnreachableError):
                await prices_without_end(link)
            for _ in range(5):
                await link.next_ticker(SYMBOL)
            assert server.connections.opened == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("action", ["silence", "freeze"])
def test_silent_price_stream_that_is_dropped_is_subscribed_to_anew(action: Action) -> None:
    async def scenario() -> None:
        script = quiet_script(**FAST, stream_faults=(StreamFault(action, on="market", after_messages=3),))
        async with running(script) as server, client(server) as (link, _), asyncio.timeout(10):
            with pytest.raises(TimeoutError):
                await prices_without_end(link, within_s=0.3)
            await link.drop_stream(SYMBOL)
            for _ in range(5):
                await asyncio.wait_for(link.next_ticker(SYMBOL), 10)
            assert server.connections.opened == 2

    asyncio.run(scenario())


def test_drop_ends_a_wait_that_is_under_way() -> None:
    async def scenario() -> None:
        script = quiet_script(**FAST, stream_faults=(StreamFault("silence", on="market"),))
        async with running(script) as server, client(server) as (link, _), asyncio.timeout(5):
            waiting = asyncio.ensure_future(link.next_ticker(SYMBOL))
            await eventually(lambda: bool(server.connections.all))
            await link.drop_stream(SYMBOL)
            with pytest.raises(UnreachableError):
                await waiting
            await link.drop_stream("BNB/USD")

    asyncio.run(scenario())


def test_wait_that_is_given_up_loses_nothing_and_breaks_nothing() -> None:
    async def scenario() -> None:
        async with running(quiet_script(**MANUAL)) as server, client(server) as (link, _), asyncio.timeout(30):
            await link.rules(SYMBOL)
            clock = server.exchange.clock
            for _ in range(2):
                for _ in range(3):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(link.next_ticker(SYMBOL), 0.02)
                await eventually(lambda: server.exchange.ledger.calls["WS /ws SUBSCRIBE"] == 1)
                waiting = asyncio.ensure_future(link.next_ticker(SYMBOL))
                await asyncio.sleep(0)
                clock.advance(1_000)
                waiting.cancel()
                assert (await link.next_ticker(SYMBOL)).at_ms == clock.now_ms()
            assert server.connections.opened == 1

    asyncio.run(scenario())


def test_streams_of_two_markets_break_apart() -> None:
    async def scenario() -> None:
        async with running(quiet_script(**FAST)) as server, client(server) as (link, _), asyncio.timeout(10):
            assert (await link.next_ticker(SYMBOL)).last == 50_000
            assert (await link.next_ticker("BNB/USD")).last == 500
            await link.drop_stream(SYMBOL)
            assert (await link.next_ticker("BNB/USD")).last == 500
            assert (await link.next_ticker(SYMBOL)).last == 50_000
            assert server.connections.opened == 3

    asyncio.run(scenario())


def test_stream_that_cannot_be_opened_raises_and_is_tried_again() -> None:
    async def scenario() -> None:
        async with running(quiet_script(**FAST)) as server, client(server) as (link, _), asyncio.timeout(10):
            server.exchange.faults.add(Fault("status", on="GET /stream/ws*"))
            with pytest.raises(UnreachableError):
                await link.next_ticker(SYMBOL)
            await link.next_ticker(SYMBOL)

    asyncio.run(scenario())


# --- the account's stream --------------------------------------------------------------------------------------------


@both_ways
def test_account_stream_names_every_order_of_a_burst(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (_, account), asyncio.timeout(10):
            waiting = asyncio.ensure_future(account.next_hint(SYMBOL))
            await subscribed(server, 1)
            orders = [order_of(f"kburst{number}") for number in range(20)]
            await asyncio.gather(*(account.create(SYMBOL, order) for order in orders))
            hint = await waiting
            seen = set(hint.client_order_ids)
            while len(seen) < len(orders):
                hint = await account.next_hint(SYMBOL)
                seen |= hint.client_order_ids
            assert seen == {order.client_order_id for order in orders}

    asyncio.run(scenario())


def test_hints_name_the_order_that_is_cancelled_and_are_of_one_market() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (_, account), asyncio.timeout(10):
            order = order_of("kcancel", limit="40000")
            await account.create(SYMBOL, order)
            waiting = asyncio.ensure_future(account.next_hint(SYMBOL))
            await subscribed(server, 1)
            await account.create("BNB/USD", order_of("kother", quantity="0.1"))
            await account.cancel(SYMBOL, order)
            hint = await waiting
            assert "kcancel" in hint.client_order_ids
            assert "kother" not in hint.client_order_ids
            assert hint.exchange_order_ids == {"5000000"}

    asyncio.run(scenario())


@both_ways
@pytest.mark.parametrize("action", ["close", "abort", "terminate"])
def test_account_stream_that_ends_raises_and_comes_back(mode: Mode, action: Action) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server, mode) as (_, account), asyncio.timeout(10):
            waiting = asyncio.ensure_future(account.next_hint(SYMBOL))
            await subscribed(server, 1)
            await server.connections.act(StreamFault(action, on="user"))
            with pytest.raises(UnreachableError):
                await waiting
            waiting = asyncio.ensure_future(account.next_hint(SYMBOL))
            await subscribed(server, 2)
            await account.create(SYMBOL, order_of("kagain"))
            assert (await waiting).client_order_ids == {"kagain"}

    asyncio.run(scenario())


def test_account_stream_of_a_wrong_key_says_so_without_showing_it() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account), asyncio.timeout(10):
            await link.rules(SYMBOL)
            server.exchange.accounts["trader"].revoked = True
            with pytest.raises(Exception, match=r"refuses the API key|no sensible answer") as caught:
                await account.next_hint(SYMBOL)
            assert "localkey" not in str(caught.value)
            assert "signature" not in str(caught.value)

    asyncio.run(scenario())


# --- closing ---------------------------------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize("action", [None, "close", "abort", "silence", "freeze", "terminate"])
def test_close_leaves_nothing_behind_in_whatever_state_the_streams_are(mode: Mode, action: Any) -> None:
    """Warnings are errors here: of sockets, sessions, tasks and futures that nobody looked after."""
    complaints: list[dict[str, Any]] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        before = asyncio.all_tasks()
        async with running(quiet_script(**FAST)) as server:
            async with client(server, mode) as (link, account), asyncio.timeout(10):
                waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(account.next_hint(SYMBOL))]
                await subscribed(server, 1)
                await link.next_ticker(SYMBOL)
                waiting.append(asyncio.ensure_future(link.next_ticker("BNB/USD")))
                if action is not None:
                    await server.connections.act(StreamFault(action))
                    await asyncio.sleep(0.05)
            await asyncio.wait(waiting)
            for one in waiting:
                assert one.exception() is None or isinstance(one.exception(), UnreachableError)
            if action != "freeze":  # a frozen end reads nothing, not even that the other has gone
                await eventually(lambda: not server.connections.all)
        assert asyncio.all_tasks() == before

    asyncio.run(scenario())
    gc.collect()
    assert not complaints


def test_close_of_a_connection_that_was_never_used_or_closed_twice_is_quiet() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server:
            async with client(server):
                pass
            async with client(server) as (link, _):
                await link.rules(SYMBOL)
                await link.close()
                await link.close()

    asyncio.run(scenario())
    gc.collect()


def test_message_that_the_library_cannot_place_does_not_end_the_stream() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account), asyncio.timeout(10):
            waiting = asyncio.ensure_future(account.next_hint(SYMBOL))
            await subscribed(server, 1)
            (stream,) = link.ccxt.clients.values()
            known = dict(stream.subscriptions)
            stream.subscriptions.clear()  # as after the end of a subscription, which a balance may follow
            server.exchange.deposit(server.exchange.accounts["trader"], "USD", D(1))
            await asyncio.sleep(0.1)
            stream.subscriptions.update(known)
            await account.create(SYMBOL, order_of("kafter"))
            assert (await waiting).client_order_ids == {"kafter"}

    asyncio.run(scenario())


def test_waiters_that_nobody_waits_for_break_quietly(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, client(server) as (link, account), asyncio.timeout(10):
            waiting = asyncio.ensure_future(account.next_hint(SYMBOL))
            await subscribed(server, 1)
            (stream,) = link.ccxt.clients.values()
            stream.future("something that nobody waits for any more")
            stream.on_error(ConnectionError("no ping for too long"))
            with pytest.raises(UnreachableError):
                await waiting
            del stream
        gc.collect()

    asyncio.run(scenario())
    assert not caplog.records
