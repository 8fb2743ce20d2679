"""The ordinary calls of unmodified ccxt classes work here, by plain address and under the real host names."""

import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.exchange_server.harness import MODES, Mode, ccxt_client, eventually, quiet_script, refused
from tests.exchange_server.server import running

EXCHANGES = [("binanceus", "BTC/USD"), ("binance", "BTC/USDT")]
both_ways = pytest.mark.parametrize("mode", MODES)
both_exchanges = pytest.mark.parametrize(("exchange_id", "symbol"), EXCHANGES, ids=[name for name, _ in EXCHANGES])


@both_ways
@both_exchanges
def test_market_data_asked_by_ccxt_comes_complete(mode: Mode, exchange_id: str, symbol: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode, exchange_id) as exchange:
            await exchange.load_markets()
            market = exchange.market(symbol)
            ticker = await exchange.fetch_ticker(symbol)
            candles = await exchange.fetch_ohlcv(symbol, "1h", limit=50)
            book = await exchange.fetch_order_book(symbol)
            trades = await exchange.fetch_trades(symbol)
            skew_ms = abs(await exchange.fetch_time() - exchange.milliseconds())
        assert market["active"]
        assert market["spot"]
        assert Decimal(market["precision"]["price"]) == Decimal("0.01")
        assert Decimal(market["precision"]["amount"]) == Decimal("0.00001")
        assert Decimal(market["limits"]["cost"]["min"]) == 10
        assert [Decimal(ticker[name]) for name in ("bid", "last", "ask")] == [
            Decimal("49999.99"),
            Decimal(50_000),
            Decimal("50000.01"),
        ]
        is_new = exchange.milliseconds() % 3_600_000 < 5_000  # then the last one may not have begun yet
        assert len(candles) == 50 or (is_new and len(candles) == 49)
        assert all(later[0] - earlier[0] == 3_600_000 for earlier, later in pairwise(candles))
        assert book["asks"][0][0] == pytest.approx(50_000.01)
        assert trades
        assert skew_ms < 1_000

    asyncio.run(scenario())


@both_ways
@both_exchanges
def test_order_of_ccxt_lives_from_placement_to_cancellation(mode: Mode, exchange_id: str, symbol: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode, exchange_id) as exchange:
            await exchange.load_markets()
            named = {"clientOrderId": "kabc123"}
            placed = await exchange.create_order(symbol, "limit", "buy", "0.001", "45000", named)
            found = await exchange.fetch_order(None, symbol, named)
            still_open = await exchange.fetch_open_orders(symbol)
            held = await exchange.fetch_balance()
            canceled = await exchange.cancel_order(None, symbol, named)
            with refused("OrderNotFound"):
                await exchange.cancel_order(None, symbol, named)
            with refused("OrderNotFound"):
                await exchange.fetch_order(None, symbol, {"clientOrderId": "kother"})
            at_last = await exchange.fetch_order(placed["id"], symbol)
            free = await exchange.fetch_balance()
        quote = symbol.partition("/")[2]
        assert (placed["status"], placed["clientOrderId"], placed["timeInForce"]) == ("open", "kabc123", "GTC")
        assert found["id"] == placed["id"]
        assert [order["id"] for order in still_open] == [placed["id"]]
        assert Decimal(held[quote]["used"]) == 45
        assert canceled["clientOrderId"] != "kabc123"
        assert canceled["info"]["origClientOrderId"] == "kabc123"
        assert at_last["status"] == "canceled"
        assert Decimal(free[quote]["used"]) == 0

    asyncio.run(scenario())


@both_ways
@both_exchanges
def test_market_order_of_ccxt_fills_and_shows_its_trades(mode: Mode, exchange_id: str, symbol: str) -> None:
    async def scenario() -> None:
        async with running(quiet_script()) as server, ccxt_client(server, mode, exchange_id) as exchange:
            await exchange.load_markets()
            bought = await exchange.create_order(symbol, "market", "buy", "0.7")
            trades = await exchange.fetch_my_trades(symbol, params={"orderId": bought["id"]})
            balance = await exchange.fetch_balance()
            orders = await exchange.fetch_orders(symbol)
            spent = await exchange.create_market_buy_order_with_cost(symbol, "1000")
        assert (bought["status"], Decimal(bought["filled"])) == ("closed", Decimal("0.7"))
        assert [Decimal(trade["amount"]) for trade in trades] == [Decimal("0.5"), Decimal("0.2")]
        assert {trade["fee"]["currency"] for trade in trades} == {"BTC"}
        assert Decimal(balance["BTC"]["free"]) == Decimal("1.6993")
        assert [order["status"] for order in orders] == ["closed"]
        assert Decimal(900) < Decimal(spent["cost"]) <= 1_000

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("exchange_id", "hosts"),
    [
        ("binanceus", {"api.binance.us", "stream.binance.us", "ws-api.binance.com"}),
        ("binance", {"api.binance.com", "stream.binance.com", "ws-api.binance.com"}),
    ],
)
def test_unchanged_addresses_of_ccxt_all_lead_here(exchange_id: str, hosts: set[str]) -> None:
    """The user stream of binanceus goes to a host of binance.com: whoever trades for real has to name the right one."""

    async def scenario() -> None:
        async with (
            running(quiet_script(step_ms=100)) as server,
            ccxt_client(server, "real-names", exchange_id, pro=True) as x,
        ):
            await x.load_markets()
            symbol = dict(EXCHANGES)[exchange_id]
            await asyncio.wait_for(x.watch_ticker(symbol), 5)
            watching = asyncio.create_task(x.watch_orders(symbol))
            await eventually(lambda: any(connection.kind == "user" for connection in server.connections.all))
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            assert x.resolver.asked == hosts

    asyncio.run(scenario())
