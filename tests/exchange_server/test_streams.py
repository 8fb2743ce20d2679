"""Streams tell what happens, in the shapes of the wire, and break in the ways that faults say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from tests.exchange_server.faults import Action, Fault, StreamFault
from tests.exchange_server.harness import (
    MODES,
    Mode,
    ccxt_client,
    eventually,
    quiet_script,
    raw_client,
    refused,
    subscribed,
)
from tests.exchange_server.script import Script
from tests.exchange_server.server import HOST, Server, running
from tests.exchange_server.signing import signature_of

SYMBOL = "BTC/USD"
FAST = {"step_ms": 50, "pump_ms": 10}
MANUAL = {"start_ms": 1_700_000_040_000, "manual_clock": True, "pump_ms": 5}
ORDER = {"symbol": "BTCUSD", "side": "BUY", "type": "MARKET", "quantity": "0.001"}
both_ways = pytest.mark.parametrize("mode", MODES)


@asynccontextmanager
async def stream(server: Server, path: str, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://{HOST}:{server.port}{path}", **options) as connection,
    ):
        yield connection


@asynccontextmanager
async def user_stream(server: Server, **options: Any) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with stream(server, "/ws-api/v3", **options) as connection:
        parameters = {"apiKey": "localkey", "timestamp": server.exchange.clock.now_ms()}
        payload = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        signed = {**parameters, "signature": signature_of("localsecret", payload)}
        await connection.send_json({"id": "s", "method": "userDataStream.subscribe.signature", "params": signed})
        answer = await connection.receive_json()
        assert (answer["status"], answer["result"]) == (200, {"subscriptionId": 0})
        yield connection


async def received(connection: aiohttp.ClientWebSocketResponse, count: int, within_s: float = 10.0) -> list[Any]:
    messages: list[Any] = []
    async with asyncio.timeout(within_s):
        while len(messages) < count:
            message = await connection.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return [*messages, message.type.name]
            messages.append(json.loads(message.data))
    return messages


@pytest.mark.parametrize("path", ["/ws/btcusd@miniTicker", "/stream?streams=btcusd@miniTicker", "/stream/ws/0", "/ws"])
def test_stream_by_any_address_tells_prices(path: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script(**MANUAL)) as server, stream(server, path) as connection:
            if "@" not in path:
                await connection.send_json({"method": "SUBSCRIBE", "params": ["btcusd@miniTicker"], "id": 7})
                assert await received(connection, 1) == [{"result": None, "id": 7}]
                await connection.send_json({"method": "LIST_SUBSCRIPTIONS", "id": 8})
                assert (await received(connection, 1))[0]["result"][-1] == "btcusd@miniTicker"
            await eventually(lambda: bool(server.connections.all))
            server.exchange.clock.advance(1_000)
            (message,) = await received(connection, 1)
            if path.startswith("/stream?"):
                assert message["stream"] == "btcusd@miniTicker"
                message = message["data"]
            assert (message["e"], message["s"], message["c"]) == ("24hrMiniTicker", "BTCUSD", "50000.00000000")

    asyncio.run(scenario())


def test_stream_unsubscribed_from_falls_silent() -> None:
    async def scenario() -> None:
        async with running(quiet_script(**MANUAL)) as server, stream(server, "/ws/btcusd@trade") as connection:
            await connection.send_json({"method": "UNSUBSCRIBE", "params": ["btcusd@trade"], "id": 1})
            await received(connection, 1)
            server.exchange.clock.advance(3_000)
            with pytest.raises(TimeoutError):
                await received(connection, 1, within_s=0.05)

    asyncio.run(scenario())


def test_candle_stream_tells_every_candle_that_closes_and_the_one_under_way() -> None:
    async def scenario() -> None:
        async with running(quiet_script(**MANUAL)) as server, stream(server, "/ws/btcusd@kline_1m") as connection:
            await eventually(lambda: bool(server.connections.all))
            server.exchange.clock.advance(121_000)
            candles = [message["k"] for message in await received(connection, 3)]
        assert [candle["x"] for candle in candles] == [True, True, False]
        assert [candle["t"] - 1_700_000_040_000 for candle in candles] == [0, 60_000, 120_000]

    asyncio.run(scenario())


def test_candle_that_closes_between_two_steps_is_told_once_the_price_moves() -> None:
    """Prices move every seven seconds, so that the minute ends while nothing happens."""

    async def scenario() -> None:
        script = quiet_script(**MANUAL, step_ms=7_000)
        async with running(script) as server, stream(server, "/ws/btcusd@kline_1m") as connection:
            await eventually(lambda: bool(server.connections.all))
            for advance_ms in (58_000, 3_000, 3_000):
                server.exchange.clock.advance(advance_ms)
                server.exchange.advance()
                server._markets.publish()
            messages = await received(connection, 3)
        assert [message["k"]["x"] for message in messages] == [False, True, False]

    asyncio.run(scenario())


def test_stream_whose_opening_a_fault_strikes_is_refused() -> None:
    async def scenario() -> None:
        fault = Fault("status", on="GET /ws-api/*")
        async with running(quiet_script(faults=(fault,))) as server:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with user_stream(server):
                    pass
            async with user_stream(server):
                pass

    asyncio.run(scenario())


@both_ways
def test_market_streams_of_ccxt_give_prices_and_candles(mode: Mode) -> None:
    async def scenario() -> None:
        script = quiet_script(**FAST)
        async with running(script) as server, ccxt_client(server, mode, pro=True) as exchange, asyncio.timeout(30):
            await exchange.load_markets()
            mini = await exchange.watch_ticker(SYMBOL)
            full = await exchange.watch_ticker(SYMBOL, {"name": "ticker"})
            best = (await exchange.watch_bids_asks([SYMBOL]))[SYMBOL]
            (candle,) = await exchange.watch_ohlcv(SYMBOL, "1m")
            trades = await exchange.watch_trades(SYMBOL)
        assert (mini["last"], mini["bid"]) == ("50000.00000000", None)
        assert Decimal(full["bid"]) == Decimal(best["bid"]) == Decimal("49999.99")
        assert candle[4] == 50_000
        assert Decimal(trades[-1]["price"]) == 50_000

    asyncio.run(scenario())


@both_ways
def test_user_stream_of_ccxt_tells_orders_and_trades(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode, pro=True) as exchange:
            await exchange.load_markets()
            orders = asyncio.create_task(exchange.watch_orders(SYMBOL))
            trades = asyncio.create_task(exchange.watch_my_trades(SYMBOL))
            await subscribed(server, 1)
            await exchange.create_order(SYMBOL, "market", "buy", "0.7", None, {"clientOrderId": "kws"})
            async with asyncio.timeout(10):
                order, (trade, *_) = (await orders)[-1], await trades
        assert order["clientOrderId"] == "kws"
        assert Decimal(trade["price"]) == Decimal("50000.01")
        assert (trade["fee"]["currency"], trade["takerOrMaker"]) == ("BTC", "taker")

    asyncio.run(scenario())


def test_user_stream_tells_each_step_of_an_order_and_the_balances() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, user_stream(server) as events, raw_client(server) as raw:
            limit = {**ORDER, "type": "LIMIT", "timeInForce": "GTC", "price": "40000", "newClientOrderId": "kone"}
            await raw.signed("POST", "/api/v3/order", **limit)
            await raw.signed("DELETE", "/api/v3/order", symbol="BTCUSD", origClientOrderId="kone")
            messages = await received(events, 4)
        assert {message["subscriptionId"] for message in messages} == {0}
        new, locked, canceled, freed = (message["event"] for message in messages)
        assert (new["x"], new["X"], new["c"], new["C"]) == ("NEW", "NEW", "kone", "")
        assert (canceled["x"], canceled["X"], canceled["C"]) == ("CANCELED", "CANCELED", "kone")
        assert canceled["c"] != "kone"
        balances = [{row["a"]: row["l"] for row in event["B"]} for event in (locked, freed)]
        assert [balance["USD"] for balance in balances] == ["40.00000000", "0.00000000"]

    asyncio.run(scenario())


def test_user_stream_with_a_wrong_signature_is_refused() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, stream(server, "/ws-api/v3") as connection:
            params = {"apiKey": "localkey", "timestamp": server.exchange.now_ms, "signature": "00"}
            await connection.send_json({"id": 1, "method": "userDataStream.subscribe.signature", "params": params})
            await connection.send_json({"id": 2, "method": "order.place"})
            await connection.send_str("nonsense")
            answers = await received(connection, 3)
        assert [(a["id"], a["status"], a["error"]["code"]) for a in answers] == [
            (1, 400, -1022),
            (2, 400, -1020),
            (None, 400, -1135),
        ]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("action", "kinds"),
    [
        ("repeat", ["NEW", "NEW", "TRADE", "TRADE", "outbound", "outbound"]),
        ("swap", ["TRADE", "NEW", "NEW", "outbound", "outbound", "TRADE"]),
        ("lose", ["TRADE", "NEW", "outbound"]),
    ],
)
def test_events_of_a_faulty_user_stream_come_as_the_fault_says(action: Action, kinds: list[str]) -> None:
    """The fault begins after the answer to the subscription; two market orders make six events."""

    async def scenario() -> None:
        script = quiet_script(stream_faults=(StreamFault(action, on="user", after_messages=1),))
        async with running(script) as server, user_stream(server) as events, raw_client(server) as raw:
            for _ in range(2):
                await raw.signed("POST", "/api/v3/order", **ORDER)
            told = [message["event"] for message in await received(events, len(kinds))]
        assert [event.get("x", event["e"])[:8] for event in told] == kinds

    asyncio.run(scenario())


@pytest.mark.parametrize(("action", "end"), [("close", "CLOSE"), ("abort", "CLOSED")])
def test_stream_that_ends_does_so_after_as_many_messages_as_the_fault_says(action: Action, end: str) -> None:
    async def scenario() -> None:
        script = quiet_script(**FAST, stream_faults=(StreamFault(action, on="market", after_messages=2),))
        async with running(script) as server:
            async with stream(server, "/ws/btcusd@bookTicker", autoclose=False) as connection:
                *messages, last = await received(connection, 9)
            assert (len(messages), last) == (2, end)
            async with stream(server, "/ws/btcusd@bookTicker") as connection:
                assert len(await received(connection, 4)) == 4

    asyncio.run(scenario())


@pytest.mark.parametrize(("action", "end"), [("silence", None), ("freeze", "ERROR")])
def test_stream_that_says_nothing_answers_pings_unless_it_is_half_open(action: Action, end: str | None) -> None:
    """The client pings every 0.4 s and gives up when no answer comes within half of that."""

    async def scenario() -> None:
        script = quiet_script(**FAST, stream_faults=(StreamFault(action, after_messages=1),))
        async with running(script) as server, stream(server, "/ws/btcusd@trade", heartbeat=0.4) as connection:
            await received(connection, 1)
            if end is not None:
                assert await received(connection, 1) == [end]
                return
            with pytest.raises(TimeoutError):
                await received(connection, 1, within_s=1.2)
            await server.connections.act(StreamFault("resume"))
            assert len(await received(connection, 2)) == 2

    asyncio.run(scenario())


def test_user_stream_that_is_terminated_says_so_and_goes_silent() -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, user_stream(server) as events, raw_client(server) as raw:
            await server.connections.act(StreamFault("terminate", on="user"))
            (message,) = await received(events, 1)
            assert message["event"]["e"] == "eventStreamTerminated"
            await raw.signed("POST", "/api/v3/order", **ORDER)
            with pytest.raises(TimeoutError):
                await received(events, 1, within_s=0.05)

    asyncio.run(scenario())


@both_ways
def test_stream_of_ccxt_that_was_closed_comes_back_without_what_it_missed(mode: Mode) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode, pro=True) as exchange:
            await exchange.load_markets()
            watching = asyncio.create_task(exchange.watch_my_trades(SYMBOL))
            await subscribed(server, 1)
            assert await server.connections.act(StreamFault("close", on="user")) == 1
            with refused("NetworkError", exactly=False):
                await watching
            await exchange.create_order(SYMBOL, "market", "buy", "0.001")
            watching = asyncio.create_task(exchange.watch_my_trades(SYMBOL))
            await subscribed(server, 2)
            await exchange.create_order(SYMBOL, "market", "sell", "0.001")
            trades = await asyncio.wait_for(watching, 10)
            assert [trade["side"] for trade in trades] == ["sell"]

    asyncio.run(scenario())


def test_streams_of_a_default_exchange_move_with_time() -> None:
    async def scenario() -> None:
        async with (
            running(Script(speed=600, pump_ms=10)) as server,
            stream(server, "/ws/btcusd@bookTicker") as connection,
        ):
            bids = {message["b"] for message in await received(connection, 10)}
        assert len(bids) > 5

    asyncio.run(scenario())
