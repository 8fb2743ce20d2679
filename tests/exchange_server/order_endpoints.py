"""The endpoints that place, show and cancel orders.

Owns what a well-formed order is. What becomes of it is the matching engine's affair.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from tests.exchange_server.book import Side
from tests.exchange_server.calls import Call, Endpoint, names
from tests.exchange_server.errors import (
    ApiError,
    cancel_rejected,
    illegal,
    missing,
    no_such_order,
    not_required,
    rejected,
)
from tests.exchange_server.market import Market
from tests.exchange_server.orders import OrderRecord, Wish
from tests.exchange_server.rows import Row, canceled_row, created_row, order_row

CLIENT_ID = "^[a-zA-Z0-9-_]{1,36}$"
DAY_MS = 86_400_000
_UNSUPPORTED = {
    "STOP_LOSS": "Stop loss orders are not supported for this symbol.",
    "STOP_LOSS_LIMIT": "Stop loss limit orders are not supported for this symbol.",
    "TAKE_PROFIT": "Take profit orders are not supported for this symbol.",
    "TAKE_PROFIT_LIMIT": "Take profit limit orders are not supported for this symbol.",
    "MARKET": "Market orders are not supported for this symbol.",
}
_NEW_ORDER = names(
    *("symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"),
    *("strategyId", "strategyType", "stopPrice", "trailingDelta", "icebergQty", "newOrderRespType"),
    "selfTradePreventionMode",
)
_LOOK_UP = names("symbol", "orderId", "origClientOrderId")


def order_endpoints() -> Iterable[Endpoint]:
    """List the endpoints."""
    order, everything = "/api/v3/order", names("symbol", "orderId", "startTime", "endTime", "limit")
    cancel = _LOOK_UP | {"newClientOrderId", "cancelRestrictions"}
    yield Endpoint("POST", order, 1, "trade", _NEW_ORDER, _place)
    yield Endpoint("POST", order + "/test", 1, "trade", _NEW_ORDER | {"computeCommissionRates"}, _test)
    yield Endpoint("GET", order, 4, "read", _LOOK_UP, _show)
    yield Endpoint("DELETE", order, 1, "trade", cancel, _cancel)
    yield Endpoint("GET", "/api/v3/openOrders", _open_weight, "read", names("symbol"), _open)
    yield Endpoint("DELETE", "/api/v3/openOrders", 1, "trade", names("symbol"), _cancel_all)
    yield Endpoint("GET", "/api/v3/allOrders", 20, "read", everything, _all)


def read_wish(call: Call) -> Wish:
    """Read a new order. Raises what the exchange says of one that is not well-formed."""
    market, kind = call.market(), call.required("type")
    side: Side
    match call.required("side"):
        case "BUY":
            side = "BUY"
        case "SELL":
            side = "SELL"
        case _:
            raise ApiError(-1117, "Invalid side.")
    _check_kind(call, market, kind)
    client_id = call.text("newClientOrderId") or _own_id(f"order/{len(call.exchange.matching.records)}")
    if not re.fullmatch(CLIENT_ID[1:-1], client_id):
        raise illegal("newClientOrderId", CLIENT_ID)
    read = _read_market_order if kind == "MARKET" else _read_limit_order
    return read(call, Wish(market.symbol, side, kind, client_id))


def find_order(call: Call, absent: Callable[[], ApiError]) -> OrderRecord:
    """Find the order that a call names by one of its ids. Raises what `absent` gives if queries do not show it."""
    market, order_id = call.market(), call.number("orderId")
    client_id = call.text("origClientOrderId")
    if order_id is None and client_id is None:
        raise ApiError(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
    record = call.exchange.matching.find(call.account, market.symbol, order_id, client_id)
    if record is None:
        raise absent()
    return record


def window(call: Call) -> tuple[int, int | None]:
    """Read startTime and endTime. Raises the refusal of more than a day between them."""
    since, until = call.number("startTime"), call.number("endTime")
    if since is not None and until is not None and until - since > DAY_MS:
        raise ApiError(-1127, "More than 24 hours between startTime and endTime.")
    return since or 0, until


def _read_market_order(call: Call, wish: Wish) -> Wish:
    for name in ("price", "timeInForce"):
        if call.text(name) is not None:
            raise not_required(name)
    quantity, quote_quantity = call.amount("quantity"), call.amount("quoteOrderQty")
    if quantity is None and quote_quantity is None:
        raise missing("quantity")
    if quantity is not None and quote_quantity is not None:
        raise not_required("quoteOrderQty")
    return msgspec.structs.replace(wish, quantity=quantity, quote_quantity=quote_quantity)


def _read_limit_order(call: Call, wish: Wish) -> Wish:
    is_maker = wish.kind == "LIMIT_MAKER"
    for name in ("quoteOrderQty", *(["timeInForce"] if is_maker else [])):
        if call.text(name) is not None:
            raise not_required(name)
    for name in ("quantity", "price"):
        call.required(name)
    time_in_force = "GTC" if is_maker else call.required("timeInForce")
    if time_in_force not in {"GTC", "IOC", "FOK"}:
        raise ApiError(-1115, "Invalid timeInForce.")
    quantity, price = call.amount("quantity"), call.amount("price")
    return msgspec.structs.replace(wish, time_in_force=time_in_force, quantity=quantity, price=price)


def _place(call: Call) -> Row:
    wish = read_wish(call)
    kind = call.text("newOrderRespType") or ("ACK" if wish.kind == "LIMIT_MAKER" else "FULL")
    if kind not in {"ACK", "RESULT", "FULL"}:
        raise ApiError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    call.exchange.limits.count_order(call.account, call.exchange.true_ms)
    record = call.exchange.matching.place(call.account, wish)
    return created_row(record.now, record.trades, kind)


def _test(call: Call) -> Row:
    wish = read_wish(call)
    call.exchange.matching.check(call.account, wish)
    if call.text("computeCommissionRates") != "true":
        return {}
    script = call.account.script
    return {
        "standardCommissionForOrder": {"maker": f"{script.maker_rate:.8f}", "taker": f"{script.taker_rate:.8f}"},
        "taxCommissionForOrder": {"maker": "0.00000000", "taker": "0.00000000"},
        "discount": {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": "0"},
    }


def _show(call: Call) -> Row:
    order = call.exchange.seen(find_order(call, no_such_order))
    if order is None:
        raise no_such_order()
    return order_row(order)


def _cancel(call: Call) -> Row:
    record = find_order(call, cancel_rejected)
    return _cancel_one(call, record, call.text("newClientOrderId"))


def _cancel_one(call: Call, record: OrderRecord, cancel_id: str | None) -> Row:
    cancel_id = cancel_id or _own_id(f"cancel/{record.now.order_id}")
    order = call.exchange.matching.cancel(record, cancel_id)
    return canceled_row(order, cancel_id)


def _cancel_all(call: Call) -> list[Row]:
    records = call.exchange.matching.open_of(call.account, call.market().symbol)
    if not records:
        raise cancel_rejected()
    return [_cancel_one(call, record, None) for record in records]


def _open(call: Call) -> list[Row]:
    symbol = call.market().symbol if call.text("symbol") is not None else None
    exchange = call.exchange
    if not exchange.visibility.orders_late_ms:
        return [order_row(record.now) for record in exchange.matching.open_of(call.account, symbol)]
    symbols = [symbol] if symbol is not None else sorted(exchange.markets)
    own = [record for name in symbols for record in exchange.matching.of(call.account, name)]
    return [order_row(order) for record in own if (order := exchange.seen(record)) is not None and order.is_open]


def _all(call: Call) -> list[Row]:
    market, from_id, limit = call.market(), call.number("orderId"), call.limit(500, 1_000)
    since, until = window(call)
    exchange = call.exchange
    orders = [
        order
        for record in exchange.matching.of(call.account, market.symbol)
        if (order := exchange.seen(record)) is not None
        and (order.is_open or not exchange.is_forgotten(order.changed_ms))
        and order.order_id >= (from_id or 0)
        and order.created_ms >= since
        and (until is None or order.created_ms <= until)
    ]
    rows = [order_row(order) for order in orders]
    return rows[:limit] if from_id is not None or since else rows[-limit:]


def _check_kind(call: Call, market: Market, kind: str) -> None:
    if kind not in market.rules.order_types:
        if kind in _UNSUPPORTED:
            raise rejected(_UNSUPPORTED[kind])
        raise ApiError(-1116, "Invalid orderType.")
    if call.amount("icebergQty") is not None:
        raise rejected("Iceberg orders are not supported for this symbol.")
    for name in ("stopPrice", "trailingDelta"):
        if call.text(name) is not None:
            raise not_required(name)


def _own_id(key: str) -> str:
    return "local" + hashlib.sha256(key.encode()).hexdigest()[:17]


def _open_weight(parameters: Mapping[str, str]) -> int:
    return 6 if "symbol" in parameters else 80
