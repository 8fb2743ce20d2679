"""What outside clients do against the local exchange; run by outside.py inside their own environment.

Owns the ordinary calls of `binance-sdk-spot` and `python-binance`, and the comparison of the answers with the fields
that the official client declares. Imports nothing of this project, because it runs without it.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from importlib import import_module
from typing import Any

SYMBOL = "BTCUSD"
KEY, SECRET = "localkey", "localsecret"
WAIT_S = 10.0
_STREAMS = ("book_ticker", "mini_ticker", "ticker", "trade", "kline")
# Fields that the official client declares and the exchange sends only for what is not traded here: order lists, stops,
# icebergs, pegged prices, allocations, prevented self-trades; or only for orders that the exchange itself let expire.
ELSEWHERE = frozenset(
    [
        *("iceberg_qty", "prevented_match_id", "prevented_quantity", "stop_price", "strategy_id", "strategy_type"),
        *("trailing_delta", "trailing_time", "used_sor", "working_floor", "peg_price_type", "peg_offset_type"),
        *("peg_offset_value", "pegged_price", "order_report", "sors", "expiry_reason"),
    ]
)


# The same of reports on the user stream; documented as fields that come under conditions.
REPORT_ELSEWHERE = frozenset(
    [
        *("v", "d", "D", "j", "J", "A", "B", "u", "U", "Cs", "pl", "pL", "pY", "b", "a", "k", "uS"),
        *("gP", "g_ot", "g_ov", "gp", "eR"),
    ]
)


def check_fields(name: str, model: Any, absent: frozenset[str] = ELSEWHERE) -> None:
    """Fail if an answer lacks a field that the official client declares."""
    if isinstance(model, list):
        for row in model[:1]:
            check_fields(f"{name}[]", row, absent)
        return
    declared = getattr(type(model), "model_fields", None)
    if declared is None:
        return
    inner = getattr(model, "actual_instance", None)
    if inner is not None:
        check_fields(name, inner, absent)
        return
    expected = set(declared) - absent - {"additional_properties"}
    missing = sorted(expected - model.model_fields_set)
    assert not missing, f"{name}: the official client expects {missing}"
    for field in declared:
        check_fields(f"{name}.{field}", getattr(model, field, None), absent)


def _check_count(candles: list[Any], limit: int, seconds: int) -> None:
    """Check that so many came, or one less just when one begins."""
    is_new = time.time() % seconds < WAIT_S
    assert len(candles) == limit or (is_new and len(candles) == limit - 1)


def official_requests(port: int) -> list[str]:
    """Do the ordinary calls of the official client over HTTP; give the names of those done."""
    common, spot = import_module("binance_common.configuration"), import_module("binance_sdk_spot")
    errors = import_module("binance_common.errors")
    configuration = common.ConfigurationRestAPI(KEY, SECRET, base_path=f"http://127.0.0.1:{port}", timeout=5_000)
    api = spot.Spot(config_rest_api=configuration).rest_api
    limit = {
        "symbol": SYMBOL,
        "side": "BUY",
        "type": "LIMIT",
        "time_in_force": "GTC",
        "quantity": 0.001,
        "price": 40_000,
    }
    market = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET"}
    done: list[str] = []

    def call(name: str, **parameters: Any) -> Any:
        data = getattr(api, name)(**parameters).data()
        check_fields(name, data)
        done.append(name)
        return data

    call("ping")
    assert abs(call("time").server_time - time.time() * 1_000) < WAIT_S * 1_000
    call("exchange_info", symbol=SYMBOL)
    for name in ("depth", "get_trades", "agg_trades", "avg_price", "ticker24hr", "ticker_price", "ticker_book_ticker"):
        call(name, symbol=SYMBOL)
    _check_count(call("klines", symbol=SYMBOL, interval="1h", limit=30), 30, 3_600)
    call("order_test", **limit)
    placed = call("new_order", **limit, new_client_order_id="kofficial")
    assert (placed.client_order_id, placed.status) == ("kofficial", "NEW")
    assert call("get_order", symbol=SYMBOL, orig_client_order_id="kofficial").order_id == placed.order_id
    assert len(call("get_open_orders", symbol=SYMBOL)) == 1
    assert call("delete_order", symbol=SYMBOL, order_id=placed.order_id).status == "CANCELED"
    call("new_order", **limit)
    assert len(call("delete_open_orders", symbol=SYMBOL)) == 1
    bought = call("new_order", **market, quantity=0.7)
    assert sum(Decimal(fill.qty) for fill in bought.fills) == Decimal("0.7")
    assert Decimal(call("new_order", **market, quote_order_qty=100).cummulative_quote_qty) <= 100
    assert len(call("all_orders", symbol=SYMBOL)) == 4
    assert len(call("my_trades", symbol=SYMBOL, order_id=bought.order_id)) == len(bought.fills)
    call("get_account", omit_zero_balances=True)
    call("account_commission", symbol=SYMBOL)
    call("rate_limit_order")
    refusal = _refusal(errors.BadRequestError, lambda: api.new_order(**{**limit, "quantity": 0.001_234_5}))
    assert "LOT_SIZE" in str(refusal), refusal
    return [*done, "new_order refused"]


async def official_streams(port: int) -> list[str]:
    """Listen with the official client to markets and to the account; give the names of what was heard."""
    common, spot = import_module("binance_common.configuration"), import_module("binance_sdk_spot")
    base, websocket = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
    client = spot.Spot(
        config_rest_api=common.ConfigurationRestAPI(KEY, SECRET, base_path=base, timeout=5_000),
        config_ws_api=common.ConfigurationWebSocketAPI(KEY, SECRET, stream_url=f"{websocket}/ws-api/v3"),
        config_ws_streams=common.ConfigurationWebSocketStreams(stream_url=websocket),
    )
    heard: dict[str, Any] = {}
    complete = asyncio.Event()

    def hear(name: str, message: Any) -> None:
        heard.setdefault(name, message)
        if len(heard) == len(_STREAMS) + 1:
            complete.set()

    streams = await client.websocket_streams.create_connection()
    for name in _STREAMS:
        more = {"interval": "1m"} if name == "kline" else {}
        handle = await getattr(streams, name)(symbol=SYMBOL.lower(), **more)
        handle.on("message", partial(hear, name))
    api = await client.websocket_api.create_connection()
    answer = await api.user_data_stream_subscribe_signature()
    answer.stream.on("message", partial(hear, "user stream"))
    client.rest_api.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.001)
    await asyncio.wait_for(complete.wait(), WAIT_S)
    for name, message in heard.items():
        check_fields(name, message, REPORT_ELSEWHERE if name == "user stream" else ELSEWHERE)
    await streams.close_connection(close_session=True)
    await api.close_connection(close_session=True)
    return list(heard)


def python_binance_requests(port: int) -> list[str]:
    """Do the ordinary calls of python-binance over HTTP; give the names of those done."""
    module = import_module("binance.client")
    client = module.Client(KEY, SECRET, ping=False)
    client.API_URL = f"http://127.0.0.1:{port}/api"
    done: list[str] = []

    def call(name: str, **parameters: Any) -> Any:
        done.append(name)
        return getattr(client, name)(**parameters)

    call("ping")
    call("get_server_time")
    assert call("get_symbol_info", symbol=SYMBOL)["status"] == "TRADING"
    for name in ("get_order_book", "get_recent_trades", "get_aggregate_trades", "get_ticker", "get_avg_price"):
        call(name, symbol=SYMBOL)
    call("get_all_tickers")
    call("get_orderbook_tickers")
    _check_count(call("get_klines", symbol=SYMBOL, interval="1m", limit=10), 10, 60)
    assert len(call("get_historical_klines", symbol=SYMBOL, interval="1h", start_str="2 days ago UTC")) >= 48
    call("create_test_order", symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.001")
    placed = call("order_limit_buy", symbol=SYMBOL, quantity="0.001", price="40000", newClientOrderId="kpython")
    assert call("get_order", symbol=SYMBOL, origClientOrderId="kpython")["orderId"] == placed["orderId"]
    assert len(call("get_open_orders", symbol=SYMBOL)) == 1
    assert call("cancel_order", symbol=SYMBOL, orderId=placed["orderId"])["status"] == "CANCELED"
    sold = call("order_market_sell", symbol=SYMBOL, quantity="0.6")
    assert sold["status"] == "FILLED"
    assert any(order["clientOrderId"] == "kpython" for order in call("get_all_orders", symbol=SYMBOL))
    assert len(call("get_my_trades", symbol=SYMBOL, orderId=sold["orderId"])) == len(sold["fills"])
    assert call("get_asset_balance", asset="BTC")["asset"] == "BTC"
    error = import_module("binance.exceptions").BinanceAPIException
    refusal = _refusal(error, lambda: client.cancel_order(symbol=SYMBOL, orderId=placed["orderId"]))
    assert getattr(refusal, "code", None) == -2011, refusal
    return [*done, "cancel_order refused"]


async def python_binance_streams(port: int) -> list[str]:
    """Listen with python-binance to a market and to the account; give the names of what was heard."""
    module = import_module("binance")
    client = module.AsyncClient(KEY, SECRET)
    client.API_URL = f"http://127.0.0.1:{port}/api"
    client.ws_api._url = f"ws://127.0.0.1:{port}/ws-api/v3"  # it has no other way
    manager = module.BinanceSocketManager(client)
    manager.STREAM_URL = f"ws://127.0.0.1:{port}/"
    heard = []
    async with asyncio.timeout(WAIT_S), manager.kline_socket(SYMBOL, "1m") as candles:
        assert (await candles.recv())["e"] == "kline"
        heard.append("kline_socket")
    async with asyncio.timeout(WAIT_S), manager.user_socket() as events:
        await client.order_market_buy(symbol=SYMBOL, quantity="0.001")
        assert (await events.recv())["e"] == "executionReport"
        heard.append("user_socket")
    await client.close_connection()
    return heard


def _refusal(error: type[Exception], attempt: Callable[[], object]) -> Exception:
    try:
        attempt()
    except error as refusal:
        return refusal
    raise AssertionError("the exchange should have refused this")


def main() -> None:
    """Run everything against the port on the command line, and say what was done."""
    port = int(sys.argv[1])
    print("binance-sdk-spot, requests:", ", ".join(dict.fromkeys(official_requests(port))))
    print("binance-sdk-spot, streams:", ", ".join(asyncio.run(official_streams(port))))
    print("python-binance, requests:", ", ".join(dict.fromkeys(python_binance_requests(port))))
    print("python-binance, streams:", ", ".join(asyncio.run(python_binance_streams(port))))


if __name__ == "__main__":
    main()
