"""The endpoints that show an account: balances, trades, fees, and what its key may do.

Owns their weights and parameters.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tests.exchange_server.accounts import Account
from tests.exchange_server.calls import Call, Endpoint, names
from tests.exchange_server.errors import ApiError
from tests.exchange_server.filters import eight
from tests.exchange_server.order_endpoints import window
from tests.exchange_server.rows import Row, trade_row

_BASIS_POINTS = 10_000


def account_endpoints() -> Iterable[Endpoint]:
    """List the endpoints."""
    trades = names("symbol", "orderId", "startTime", "endTime", "fromId", "limit")
    for path, weight, accepts, run in (
        ("/api/v3/account", 20, names("omitZeroBalances"), _account),
        ("/api/v3/myTrades", _trades_weight, trades, _my_trades),
        ("/api/v3/account/commission", 20, names("symbol"), _commission),
        ("/api/v3/rateLimit/order", 40, names(), _order_counts),
        ("/sapi/v1/account/apiRestrictions", 1, names(), _restrictions),
        ("/sapi/v1/asset/query/trading-fee", 1, names("symbol"), _trading_fee),
    ):
        yield Endpoint("GET", path, weight, "read", accepts, run)


def _account(call: Call) -> Row:
    account = call.account
    script = account.script
    rows = account.rows({*account.assets(), *call.exchange.assets()})
    if call.text("omitZeroBalances") == "true":
        rows = [row for row in rows if row[1] or row[2]]
    rates = _rates(account)
    return {
        "makerCommission": int(script.maker_rate * _BASIS_POINTS),
        "takerCommission": int(script.taker_rate * _BASIS_POINTS),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": rates,
        "canTrade": "trade" in account.rights,
        "canWithdraw": True,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": account.updated_ms,
        "accountType": "SPOT",
        "balances": [{"asset": asset, "free": eight(free), "locked": eight(locked)} for asset, free, locked in rows],
        "permissions": ["SPOT"],
        **({"uid": _uid(call)} if script.tells_id else {}),
    }


def _my_trades(call: Call) -> list[Row]:
    market, order_id, from_id = call.market(), call.number("orderId"), call.number("fromId")
    limit, (since, until) = call.limit(500, 1_000), window(call)
    if from_id is not None and (since or until):
        raise ApiError(-1128, "Combination of optional parameters invalid.")
    trades = [
        trade
        for record in call.exchange.matching.of(call.account, market.symbol)
        for trade in record.trades
        if call.exchange.shows(trade)
        and order_id in {None, trade.order_id}
        and trade.trade_id >= (from_id or 0)
        and trade.at_ms >= since
        and (until is None or trade.at_ms <= until)
    ]
    trades.sort(key=lambda trade: trade.trade_id)
    return [trade_row(trade) for trade in (trades[:limit] if from_id is not None or since else trades[-limit:])]


def _commission(call: Call) -> Row:
    zero = dict.fromkeys(("maker", "taker", "buyer", "seller"), eight(Decimal(0)))
    return {
        "symbol": call.market().symbol,
        "standardCommission": _rates(call.account),
        "specialCommission": zero,
        "taxCommission": zero,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": eight(Decimal(0)),
        },
    }


def _order_counts(call: Call) -> list[Any]:
    counts = call.exchange.limits.order_counts(call.account, call.exchange.true_ms)
    rows = [row for row in call.exchange.limits.rows() if row["rateLimitType"] == "ORDERS"]
    return [{**row, "count": count} for row, count in zip(rows, counts.values(), strict=True)]


def _restrictions(call: Call) -> Row:
    account = call.account
    return {
        "ipRestrict": False,
        "createTime": call.exchange.clock.start_ms,
        "enableReading": True,
        "enableWithdrawals": "withdraw" in account.rights,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableSpotAndMarginTrading": "trade" in account.rights,
    }


def _trading_fee(call: Call) -> list[Row]:
    markets = [call.market()] if call.text("symbol") is not None else call.exchange.markets.values()
    script = call.account.script
    rates = {"makerCommission": str(script.maker_rate), "takerCommission": str(script.taker_rate)}
    return [{"symbol": market.symbol, **rates} for market in markets]


def _rates(account: Account) -> dict[str, str]:
    rates = {"maker": eight(account.script.maker_rate), "taker": eight(account.script.taker_rate)}
    return {**rates, "buyer": eight(Decimal(0)), "seller": eight(Decimal(0))}


def _uid(call: Call) -> int:
    return 1_000 + list(call.exchange.accounts).index(call.account.name)


def _trades_weight(parameters: Mapping[str, str]) -> int:
    return 5 if "orderId" in parameters else 20
