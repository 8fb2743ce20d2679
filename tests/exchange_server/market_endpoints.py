"""The endpoints that need no signature: time, rules, prices, books, candles and public trades.

Owns their weights and parameters.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tests.exchange_server.calls import Call, Endpoint, names
from tests.exchange_server.candles import INTERVALS
from tests.exchange_server.errors import ApiError
from tests.exchange_server.filters import eight
from tests.exchange_server.market import AVERAGE_MINUTES, Market, TapeTrade
from tests.exchange_server.market_rows import (
    aggregate_row,
    best_row,
    candle_row,
    day_row,
    depth_row,
    public_trade_row,
    symbol_row,
)

_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1_000, 50))


def market_endpoints() -> Iterable[Endpoint]:
    """List the endpoints."""
    some = names("symbol", "symbols", "symbolStatus")
    kline = names("symbol", "interval", "startTime", "endTime", "timeZone", "limit")
    aggregate = names("symbol", "fromId", "startTime", "endTime", "limit")
    rules = some | names("permissions", "showPermissionSets")
    for path, weight, accepts, run in (
        ("/api/v3/ping", 1, names(), lambda _: {}),
        ("/api/v3/time", 1, names(), lambda call: {"serverTime": call.exchange.now_ms}),
        ("/api/v3/exchangeInfo", 20, rules, _exchange_info),
        ("/api/v3/depth", _depth_weight, names("symbol", "limit", "symbolStatus"), _depth),
        ("/api/v3/trades", 25, names("symbol", "limit"), _trades),
        ("/api/v3/aggTrades", 4, aggregate, _aggregate_trades),
        ("/api/v3/klines", 2, kline, _klines),
        ("/api/v3/uiKlines", 2, kline, _klines),
        ("/api/v3/avgPrice", 2, names("symbol"), _average_price),
        ("/api/v3/ticker/24hr", _many_weight(2, 80), some | {"type"}, _day),
        ("/api/v3/ticker/price", _many_weight(2, 4), some, _prices),
        ("/api/v3/ticker/bookTicker", _many_weight(2, 4), some, _best),
        ("/sapi/v1/system/status", 1, names(), lambda _: {"status": 0, "msg": "normal"}),
    ):
        yield Endpoint("GET", path, weight, "none", accepts, run)


def _exchange_info(call: Call) -> dict[str, Any]:
    markets, _ = call.markets()
    return {
        "timezone": "UTC",
        "serverTime": call.exchange.now_ms,
        "rateLimits": call.exchange.limits.rows(),
        "exchangeFilters": [],
        "symbols": [symbol_row(market) for market in markets],
    }


def _depth(call: Call) -> dict[str, Any]:
    return depth_row(call.market(), call.limit(100, 5_000))


def _trades(call: Call) -> list[Any]:
    return [public_trade_row(trade) for trade in _tape(call.market())[-call.limit(500, 1_000) :]]


def _aggregate_trades(call: Call) -> list[Any]:
    tape, limit = _tape(call.market()), call.limit(500, 1_000)
    from_id, since, until = call.number("fromId"), call.number("startTime"), call.number("endTime")
    if from_id is not None and since is not None:
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    chosen = [
        trade
        for trade in tape
        if trade.trade_id >= (from_id or 0) and trade.at_ms >= (since or 0) and (until is None or trade.at_ms <= until)
    ]
    return [aggregate_row(t) for t in (chosen[-limit:] if from_id is None and since is None else chosen[:limit])]


def _klines(call: Call) -> list[Any]:
    market, interval = call.market(), call.required("interval")
    if interval not in INTERVALS:
        raise ApiError(-1120, "Invalid interval.")
    now_ms, until_ms = call.exchange.true_ms, call.number("endTime")
    candles = market.candles.last(
        interval,
        call.limit(500, 1_000),
        since_ms=call.number("startTime"),
        until_ms=now_ms if until_ms is None else until_ms,
        now_ms=now_ms,
    )
    return [candle_row(candle, interval) for candle in candles]


def _average_price(call: Call) -> dict[str, Any]:
    average = call.market().average_price(call.exchange.true_ms)
    return {"mins": AVERAGE_MINUTES, "price": eight(average), "closeTime": call.exchange.now_ms}


def _day(call: Call) -> Any:
    mini = call.text("type") == "MINI"
    return _each(call, lambda market: day_row(market, call.exchange.true_ms, mini=mini))


def _prices(call: Call) -> Any:
    return _each(call, lambda market: {"symbol": market.symbol, "price": eight(market.price)})


def _best(call: Call) -> Any:
    return _each(call, best_row)


def _each(call: Call, row: Callable[[Market], dict[str, object]]) -> Any:
    markets, alone = call.markets()
    rows = [row(market) for market in markets]
    return rows[0] if alone else rows


def _tape(market: Market) -> list[TapeTrade]:
    return list(market.tape)


def _many_weight(one: int, many: int) -> Callable[[Mapping[str, str]], int]:
    return lambda parameters: one if "symbol" in parameters else many


def _depth_weight(parameters: Mapping[str, str]) -> int:
    limit = parameters.get("limit", "100")
    wanted = int(limit) if limit.isdigit() else 100
    return next((weight for most, weight in _DEPTH_WEIGHTS if wanted <= most), 250)
