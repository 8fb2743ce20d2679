"""Orders, trades and balances in the words of the wire: the rows of answers and the events of the user stream.

Owns the names of fields. Never decides what happened.
"""

from collections.abc import Iterable
from decimal import Decimal

from tests.exchange_server.accounts import Account
from tests.exchange_server.filters import eight
from tests.exchange_server.orders import Order, Trade

Row = dict[str, object]
_SELF_TRADE = "EXPIRE_MAKER"


def order_row(order: Order) -> Row:
    """Show an order as a query does."""
    return {
        **_common(order),
        "stopPrice": eight(Decimal(0)),
        "icebergQty": eight(Decimal(0)),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": True,
        "workingTime": order.created_ms,
    }


def created_row(order: Order, trades: Iterable[Trade], kind: str) -> Row:
    """Show a new order as the answer to its request does: ACK, RESULT or FULL."""
    common = _common(order)
    if kind == "ACK":
        shown = ("symbol", "orderId", "orderListId", "clientOrderId")
        return {**{name: common[name] for name in shown}, "transactTime": order.updated_ms}
    row = {**common, "transactTime": order.updated_ms, "workingTime": order.created_ms}
    if kind == "FULL":
        row["fills"] = [
            {
                "price": eight(trade.price),
                "qty": eight(trade.quantity),
                "commission": eight(trade.commission),
                "commissionAsset": trade.commission_asset,
                "tradeId": trade.trade_id,
            }
            for trade in trades
        ]
    return row


def canceled_row(order: Order, cancel_id: str) -> Row:
    """Show a cancelled order as the answer to its cancellation does: the id of the order is the original one there."""
    return {
        **_common(order),
        "origClientOrderId": order.wish.client_order_id,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_ms,
    }


def trade_row(trade: Trade) -> Row:
    """Show a trade as the list of an account's trades does."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.quote_quantity),
        "commission": eight(trade.commission),
        "commissionAsset": trade.commission_asset,
        "time": trade.at_ms,
        "isBuyer": trade.side == "BUY",
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def execution_report(order: Order, what: str, at_ms: int, trade: Trade | None = None, cancel_id: str = "") -> Row:
    """Tell what became of an order: NEW, TRADE, CANCELED or EXPIRED."""
    zero = eight(Decimal(0))
    wish = order.wish
    return {
        "e": "executionReport",
        "E": at_ms,
        "s": wish.symbol,
        "c": cancel_id or wish.client_order_id,
        "S": wish.side,
        "o": wish.kind,
        "f": wish.time_in_force,
        "q": eight(order.quantity),
        "p": eight(order.price),
        "P": zero,
        "F": zero,
        "g": -1,
        "C": wish.client_order_id if cancel_id else "",
        "x": what,
        "X": order.status,
        "r": "NONE",
        "i": order.order_id,
        "l": eight(trade.quantity) if trade else zero,
        "z": eight(order.executed),
        "L": eight(trade.price) if trade else zero,
        "n": eight(trade.commission) if trade else "0",
        "N": trade.commission_asset if trade else None,
        "T": order.updated_ms,
        "t": trade.trade_id if trade else -1,
        "I": order.order_id * 2,
        "w": order.is_open,
        "m": trade.is_maker if trade else False,
        "M": False,
        "O": order.created_ms,
        "Z": eight(order.quote_executed),
        "Y": eight(trade.quote_quantity) if trade else zero,
        "Q": eight(wish.quote_quantity or Decimal(0)),
        "W": order.created_ms,
        "V": _SELF_TRADE,
    }


def account_position(account: Account, assets: Iterable[str], at_ms: int) -> Row:
    """Tell what an account has now of the assets that may have changed."""
    balances = [{"a": asset, "f": eight(free), "l": eight(locked)} for asset, free, locked in account.rows(assets)]
    return {"e": "outboundAccountPosition", "E": at_ms, "u": account.updated_ms, "B": balances}


def balance_update(asset: str, delta: Decimal, at_ms: int) -> Row:
    """Tell of a deposit or a withdrawal."""
    return {"e": "balanceUpdate", "E": at_ms, "a": asset, "d": eight(delta), "T": at_ms}


def _common(order: Order) -> Row:
    wish = order.wish
    return {
        "symbol": wish.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": wish.client_order_id,
        "price": eight(order.price),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed),
        "origQuoteOrderQty": eight(wish.quote_quantity or Decimal(0)),
        "cummulativeQuoteQty": eight(order.quote_executed),
        "status": order.status,
        "timeInForce": wish.time_in_force,
        "type": wish.kind,
        "side": wish.side,
        "selfTradePreventionMode": _SELF_TRADE,
    }
