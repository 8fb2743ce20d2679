"""What ccxt 4.5.90 sends to each exchange for our orders, field for field, and what the exchanges answer.

Owns the recordings. The requests were recorded from ccxt and then read against the pages of the exchanges; the answers
are written after the samples in ccxt. `{id}` stands for our id as the exchange is told it.
"""

from typing import Any

import msgspec

OUR_ID = "k0123456789abcdefg"
SENT_MS = 1_900_000_000_000
QUANTITY = "0.0012345"
PRICE = "40000.05"
THEIR_ID = "7001"
SINCE_MS = SENT_MS - 300_000

Fields = dict[str, str]
Looked = tuple[str, str, Fields]


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange: `limit` and `market` without the side, `looks` and `cancel` as method, address and fields.

    `headers` are those that carry time; `created`, `canceled` and `known` are answers; `looks` ask first by the
    exchange's id where the row does, and `known` is the answer to each. Orders carry their time, because ccxt drops
    others from lists.
    """

    address: str
    side: tuple[str, str, str]
    limit: Fields
    market: Fields
    looks: tuple[Looked, ...]
    cancel: Looked
    headers: Fields = {}
    created: Any
    known: tuple[Any, ...]
    canceled: Any


def _binance(host: str) -> Recording:
    address = f"https://{host}/api/v3/order"
    time = {"timestamp": str(SENT_MS), "recvWindow": "5000"}
    common = {"symbol": "BTCUSDT", "newClientOrderId": OUR_ID, "newOrderRespType": "FULL", **time}
    names = {"symbol": "BTCUSDT", "origClientOrderId": OUR_ID, "recvWindow": "5000"}
    order = {"symbol": "BTCUSDT", "orderId": THEIR_ID, "clientOrderId": OUR_ID, "status": "NEW", "type": "LIMIT"}
    return Recording(
        address=address,
        side=("side", "BUY", "SELL"),
        limit={**common, "type": "LIMIT", "quantity": QUANTITY, "price": PRICE, "timeInForce": "GTC"},
        market={**common, "type": "MARKET", "quantity": QUANTITY},
        looks=(("GET", address, names),),
        cancel=("DELETE", address, names),
        created={**order, "transactTime": SENT_MS, "fills": []},
        known=({**order, "time": SENT_MS},),
        canceled={**order, "origClientOrderId": OUR_ID, "status": "CANCELED"},
    )


_KRAKEN_ROW = {
    "cl_ord_id": OUR_ID,
    "status": "open",
    "opentm": SENT_MS // 1_000,
    "vol": QUANTITY,
    "descr": {"pair": "XBTUSDT", "type": "buy", "ordertype": "limit", "price": PRICE},
}
_KRAKEN = Recording(
    address="https://api.kraken.com/0/private/AddOrder",
    side=("type", "buy", "sell"),
    limit={
        "pair": "XBTUSDT",
        "ordertype": "limit",
        "volume": QUANTITY,
        "price": PRICE,
        "cl_ord_id": OUR_ID,
        "deadline": "2030-03-17T17:46:50Z",
    },
    market={
        "pair": "XBTUSDT",
        "ordertype": "market",
        "volume": QUANTITY,
        "cl_ord_id": OUR_ID,
        "deadline": "2030-03-17T17:46:50Z",
    },
    looks=(
        ("POST", "https://api.kraken.com/0/private/QueryOrders", {"txid": THEIR_ID, "trades": "True"}),
        ("POST", "https://api.kraken.com/0/private/OpenOrders", {"cl_ord_id": OUR_ID}),
        (
            "POST",
            "https://api.kraken.com/0/private/ClosedOrders",
            {"cl_ord_id": OUR_ID, "start": str(SINCE_MS // 1_000)},
        ),
    ),
    cancel=("POST", "https://api.kraken.com/0/private/CancelOrder", {"cl_ord_id": OUR_ID}),
    created={"error": [], "result": {"descr": {"order": "buy 0.0012345 XBTUSDT @ limit 40000.05"}, "txid": [THEIR_ID]}},
    known=tuple(
        {"error": [], "result": result}
        for result in ({THEIR_ID: _KRAKEN_ROW}, {"open": {THEIR_ID: _KRAKEN_ROW}}, {"closed": {THEIR_ID: _KRAKEN_ROW}})
    ),
    canceled={"error": [], "result": {"count": 1}},
)

_COINBASE_BASE = "https://api.coinbase.com/api/v3/brokerage/orders"
_COINBASE_ROW = {
    "order_id": THEIR_ID,
    "client_order_id": OUR_ID,
    "product_id": "BTC-USDT",
    "created_time": "2030-03-17T17:46:40Z",
}
_COINBASE = Recording(
    address=_COINBASE_BASE,
    side=("side", "BUY", "SELL"),
    limit={
        "client_order_id": OUR_ID,
        "product_id": "BTC-USDT",
        "order_configuration.limit_limit_gtc.base_size": QUANTITY,
        "order_configuration.limit_limit_gtc.limit_price": PRICE,
        "order_configuration.limit_limit_gtc.post_only": "false",
    },
    market={
        "client_order_id": OUR_ID,
        "product_id": "BTC-USDT",
        "order_configuration.market_market_ioc.base_size": QUANTITY,
    },
    looks=(
        ("GET", f"{_COINBASE_BASE}/historical/{THEIR_ID}", {}),
        (
            "GET",
            f"{_COINBASE_BASE}/historical/batch",
            {"product_id": "BTC-USDT", "limit": "1000", "start_date": "2030-03-17T17:41:40.000Z"},
        ),
    ),
    cancel=("POST", f"{_COINBASE_BASE}/batch_cancel", {"order_ids.0": THEIR_ID}),
    headers={"CB-ACCESS-TIMESTAMP": str(SENT_MS // 1_000)},
    created={"success": True, "success_response": _COINBASE_ROW},
    known=({"order": _COINBASE_ROW}, {"orders": [_COINBASE_ROW], "cursor": ""}),
    canceled={"results": [{"success": True, "order_id": THEIR_ID}]},
)

_KUCOIN_BASE = "https://api.kucoin.com/api/v1/hf/orders"
_KUCOIN_COMMON = {"clientOid": OUR_ID, "symbol": "BTC-USDT", "size": QUANTITY}
_KUCOIN = Recording(
    address=_KUCOIN_BASE,
    side=("side", "buy", "sell"),
    limit={**_KUCOIN_COMMON, "type": "limit", "price": PRICE},
    market={**_KUCOIN_COMMON, "type": "market"},
    looks=(("GET", f"{_KUCOIN_BASE}/client-order/{OUR_ID}", {"symbol": "BTC-USDT"}),),
    cancel=("DELETE", f"{_KUCOIN_BASE}/client-order/{OUR_ID}", {"symbol": "BTC-USDT"}),
    headers={"KC-API-TIMESTAMP": str(SENT_MS)},
    created={"code": "200000", "data": {"orderId": THEIR_ID, "clientOid": OUR_ID}},
    known=({"code": "200000", "data": {"id": THEIR_ID, "clientOid": OUR_ID, "symbol": "BTC-USDT", "active": True}},),
    canceled={"code": "200000", "data": {"clientOid": OUR_ID}},
)

_OKX_BASE = "https://www.okx.com/api/v5/trade"
_OKX_COMMON = {"instId": "BTC-USDT", "sz": QUANTITY, "tdMode": "cash", "tgtCcy": "base_ccy", "clOrdId": OUR_ID}
_OKX_ROW = {"ordId": THEIR_ID, "clOrdId": OUR_ID, "instId": "BTC-USDT", "state": "live", "sCode": "0", "sMsg": ""}
_OKX = Recording(
    address=f"{_OKX_BASE}/order",
    side=("side", "buy", "sell"),
    limit={**_OKX_COMMON, "ordType": "limit", "px": PRICE},
    market={**_OKX_COMMON, "ordType": "market"},
    looks=(("GET", f"{_OKX_BASE}/order", {"instId": "BTC-USDT", "clOrdId": OUR_ID}),),
    cancel=("POST", f"{_OKX_BASE}/cancel-order", {"instId": "BTC-USDT", "clOrdId": OUR_ID}),
    headers={"OK-ACCESS-TIMESTAMP": "2030-03-17T17:46:40.000Z"},
    created={"code": "0", "data": [_OKX_ROW], "msg": ""},
    known=({"code": "0", "data": [_OKX_ROW], "msg": ""},),
    canceled={"code": "0", "data": [_OKX_ROW], "msg": ""},
)

_BYBIT_BASE = "https://api.bybit.com/v5/order"
_BYBIT_COMMON = {"symbol": "BTCUSDT", "orderLinkId": OUR_ID, "category": "spot", "qty": QUANTITY}
_BYBIT_NAMES = {"symbol": "BTCUSDT", "orderLinkId": OUR_ID, "category": "spot"}
_BYBIT_ROW = {"orderId": THEIR_ID, "orderLinkId": OUR_ID, "symbol": "BTCUSDT", "createdTime": str(SENT_MS)}
_BYBIT = Recording(
    address=f"{_BYBIT_BASE}/create",
    side=("side", "Buy", "Sell"),
    limit={**_BYBIT_COMMON, "orderType": "Limit", "price": PRICE},
    market={**_BYBIT_COMMON, "orderType": "Market", "marketUnit": "baseCoin"},
    looks=(
        ("GET", f"{_BYBIT_BASE}/realtime", {**_BYBIT_NAMES, "limit": "50"}),
        ("GET", f"{_BYBIT_BASE}/history", {**_BYBIT_NAMES, "limit": "50", "startTime": str(SINCE_MS)}),
    ),
    cancel=("POST", f"{_BYBIT_BASE}/cancel", {**_BYBIT_NAMES, "orderFilter": "Order"}),
    headers={"X-BAPI-TIMESTAMP": str(SENT_MS), "X-BAPI-RECV-WINDOW": "5000"},
    created={"retCode": 0, "retMsg": "OK", "result": {"orderId": THEIR_ID, "orderLinkId": OUR_ID}},
    known=({"retCode": 0, "retMsg": "OK", "result": {"category": "spot", "list": [_BYBIT_ROW]}},) * 2,
    canceled={"retCode": 0, "retMsg": "OK", "result": {"orderId": THEIR_ID, "orderLinkId": OUR_ID}},
)

_GATE_BASE = "https://api.gateio.ws/api/v4/spot/orders"
_GATE_COMMON = {"currency_pair": "BTC_USDT", "account": "spot", "amount": QUANTITY, "text": f"t-{OUR_ID}"}
_GATE_NAMES = {"currency_pair": "BTC_USDT", "account": "spot"}
_GATE_ROW = {"id": THEIR_ID, "text": f"t-{OUR_ID}", "currency_pair": "BTC_USDT", "create_time_ms": SENT_MS}
_GATE = Recording(
    address=_GATE_BASE,
    side=("side", "buy", "sell"),
    limit={**_GATE_COMMON, "type": "limit", "price": PRICE},
    market={**_GATE_COMMON, "type": "market", "time_in_force": "ioc"},
    looks=(
        ("GET", f"{_GATE_BASE}/{THEIR_ID}", _GATE_NAMES),
        ("GET", f"{_GATE_BASE}/t-{OUR_ID}", _GATE_NAMES),
        ("GET", _GATE_BASE, {**_GATE_NAMES, "status": "finished", "limit": "100", "from": str(SINCE_MS // 1_000)}),
    ),
    cancel=("DELETE", f"{_GATE_BASE}/t-{OUR_ID}", _GATE_NAMES),
    headers={"Timestamp": str(SENT_MS // 1_000)},
    created=_GATE_ROW,
    known=(_GATE_ROW, _GATE_ROW, [_GATE_ROW]),
    canceled={**_GATE_ROW, "status": "cancelled"},
)

_BITGET_BASE = "https://api.bitget.com/api/v2/spot/trade"
_BITGET_COMMON = {
    "symbol": "BTCUSDT",
    "force": "GTC",
    "size": QUANTITY,
    "clientOid": OUR_ID,
    "requestTime": str(SENT_MS),
    "receiveWindow": "30000",
}
_BITGET_ROW = {"orderId": THEIR_ID, "clientOid": OUR_ID, "symbol": "BTCUSDT", "cTime": str(SENT_MS)}
_BITGET = Recording(
    address=f"{_BITGET_BASE}/place-order",
    side=("side", "buy", "sell"),
    limit={**_BITGET_COMMON, "orderType": "limit", "price": PRICE},
    market={**_BITGET_COMMON, "orderType": "market"},
    looks=(
        ("GET", f"{_BITGET_BASE}/orderInfo", {"orderId": THEIR_ID}),
        ("GET", f"{_BITGET_BASE}/unfilled-orders", {"symbol": "BTCUSDT", "limit": "100"}),
        (
            "GET",
            f"{_BITGET_BASE}/history-orders",
            {"symbol": "BTCUSDT", "limit": "100", "startTime": str(SINCE_MS)},
        ),
    ),
    cancel=("POST", f"{_BITGET_BASE}/cancel-order", {"symbol": "BTCUSDT", "clientOid": OUR_ID}),
    created={"code": "00000", "msg": "success", "data": {"orderId": THEIR_ID, "clientOid": OUR_ID}},
    known=({"code": "00000", "msg": "success", "data": [_BITGET_ROW]},) * 3,
    canceled={"code": "00000", "msg": "success", "data": {"orderId": THEIR_ID, "clientOid": OUR_ID}},
)

RECORDINGS = {
    "binance": _binance("api.binance.com"),
    "binanceus": _binance("api.binance.us"),
    "kraken": _KRAKEN,
    "coinbase": _COINBASE,
    "kucoin": _KUCOIN,
    "okx": _OKX,
    "bybit": _BYBIT,
    "gate": _GATE,
    "bitget": _BITGET,
}
