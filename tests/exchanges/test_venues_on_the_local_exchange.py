"""The rows of binance and binanceus at work: real ccxt classes, under the real host names, at the local exchange.

Nobody is asked but this machine: names are resolved by the harness, so an address that leads elsewhere would show.
"""

import asyncio
from typing import Any

import pytest

from engine.exchanges.port import Rejected
from engine.exchanges.venues import VENUES, Call, Venue
from tests.exchange_server.harness import ccxt_client, ccxt_pro, quiet_script, subscribed
from tests.exchange_server.server import running

OUR_ID = "k0123456789abcdefg"
each_row = pytest.mark.parametrize(
    ("venue", "symbol"),
    [(VENUES["binanceus"], "BTC/USD"), (VENUES["binance"], "BTC/USDT")],
    ids=["binanceus", "binance"],
)


async def call(exchange: Any, told: Call) -> Any:
    return await getattr(exchange, told.method)(*told.arguments, params=dict(told.params))


async def refusal_of(exchange: Any, venue: Venue, symbol: str, price: str, signed_ms: int) -> Rejected | None:
    """Try to buy a thousandth of a coin, and judge the answer."""
    with pytest.raises(ccxt_pro.BaseError):
        await exchange.create_order(symbol, "limit", "buy", "0.001", price, venue.create_params(OUR_ID, signed_ms))
    return venue.refusal(400, exchange.last_http_response)


@each_row
def test_order_by_the_row_lives_from_placement_to_cancellation(venue: Venue, symbol: str) -> None:
    async def scenario() -> None:
        async with (
            running(quiet_script()) as server,
            ccxt_client(server, "real-names", venue.id, pro=True, **venue.config()) as exchange,
        ):
            await exchange.load_markets()
            now_ms = server.exchange.clock.now_ms()
            params = venue.create_params(OUR_ID, now_ms)
            placed = await exchange.create_order(symbol, "limit", "buy", "0.001", "45000", params)
            for look_up in venue.look_ups(symbol, OUR_ID, placed["id"], now_ms):
                found = await call(exchange, look_up)
                assert (found["id"], venue.own_id(found["clientOrderId"])) == (placed["id"], OUR_ID)
            assert await refusal_of(exchange, venue, symbol, "45000", server.exchange.clock.now_ms()) is None
            assert "Duplicate order sent." in exchange.last_http_response
            canceled = await call(exchange, venue.cancel(symbol, OUR_ID, None))
            assert (canceled["id"], canceled["status"]) == (placed["id"], "canceled")

    asyncio.run(scenario())


@each_row
def test_order_that_comes_after_its_window_is_proven_not_placed(venue: Venue, symbol: str) -> None:
    async def scenario() -> None:
        async with (
            running(quiet_script()) as server,
            ccxt_client(server, "real-names", venue.id, pro=True, **venue.config()) as exchange,
        ):
            await exchange.load_markets()
            late_ms = server.exchange.clock.now_ms() - venue.valid_ms - 1
            refused = await refusal_of(exchange, venue, symbol, "45000", late_ms)
            assert refused is not None
            assert refused.proof == "-1021"
            refused = await refusal_of(exchange, venue, symbol, "1", server.exchange.clock.now_ms())
            assert refused is not None
            assert refused.proof == "-1013"
            assert await exchange.fetch_open_orders(symbol) == []

    asyncio.run(scenario())


def test_streams_by_the_row_of_binanceus_ask_for_no_other_company() -> None:
    venue = VENUES["binanceus"]

    async def scenario() -> None:
        async with (
            running(quiet_script()) as server,
            ccxt_client(server, "real-names", "binanceus", pro=True, **venue.config()) as exchange,
        ):
            await exchange.load_markets()
            ticker = await asyncio.wait_for(exchange.watch_ticker("BTC/USD"), 10)
            orders = asyncio.ensure_future(exchange.watch_orders("BTC/USD"))
            await subscribed(server, 1)
            params = venue.create_params(OUR_ID, server.exchange.clock.now_ms())
            await exchange.create_order("BTC/USD", "limit", "buy", "0.001", "45000", params)
            seen = await asyncio.wait_for(orders, 10)
            assert ticker["last"]
            assert [order["clientOrderId"] for order in seen] == [OUR_ID]
            assert exchange.resolver.asked
            assert all(name.endswith("binance.us") for name in exchange.resolver.asked)

    asyncio.run(scenario())
