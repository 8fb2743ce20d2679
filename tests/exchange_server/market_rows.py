"""Markets in the words of the wire: rules, tickers, books, candles and public trades, for queries and for streams.

Owns the names of fields. Never changes a market.
"""

from decimal import Decimal
from itertools import islice

from tests.exchange_server.candles import INTERVALS, Candle
from tests.exchange_server.filters import eight, filter_rows
from tests.exchange_server.market import Market, TapeTrade
from tests.exchange_server.rows import Row

_DAY_MS = 86_400_000
_PRECISIONS = (
    "baseAssetPrecision",
    "quotePrecision",
    "quoteAssetPrecision",
    "baseCommissionPrecision",
    "quoteCommissionPrecision",
)


def symbol_row(market: Market) -> Row:
    """Tell the rules of a market."""
    rules = market.rules
    return {
        "symbol": rules.symbol,
        "status": market.status,
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        **dict.fromkeys(_PRECISIONS, 8),
        "orderTypes": rules.order_types,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filter_rows(rules),
        "permissions": ["SPOT"],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def day_row(market: Market, now_ms: int, *, mini: bool = False) -> Row:
    """Tell the last 24 hours."""
    day = market.day(now_ms)
    last_id = market.tape[-1].trade_id
    row: Row = {
        "symbol": market.symbol,
        "openPrice": eight(day.open),
        "highPrice": eight(day.high),
        "lowPrice": eight(day.low),
        "lastPrice": eight(market.price),
        "volume": eight(day.volume),
        "quoteVolume": eight(day.quote_volume),
        "openTime": now_ms - _DAY_MS,
        "closeTime": now_ms,
        "firstId": last_id - day.trades + 1,
        "lastId": last_id,
        "count": day.trades,
    }
    if mini:
        return row
    book = best_row(market)
    change = market.price - day.open
    return {
        **row,
        "priceChange": eight(change),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": eight(day.quote_volume / day.volume),
        "prevClosePrice": eight(day.open),
        "lastQty": eight(market.tape[-1].quantity),
        "bidPrice": book["bidPrice"],
        "bidQty": book["bidQty"],
        "askPrice": book["askPrice"],
        "askQty": book["askQty"],
    }


def best_row(market: Market) -> Row:
    """Tell the best bid and ask."""
    (bid, bid_quantity), (ask, ask_quantity) = best_level(market, "SELL"), best_level(market, "BUY")
    return {
        "symbol": market.symbol,
        "bidPrice": eight(bid),
        "bidQty": eight(bid_quantity),
        "askPrice": eight(ask),
        "askQty": eight(ask_quantity),
    }


def best_level(market: Market, side: str) -> tuple[Decimal, Decimal]:
    """Give price and quantity of what an order of a side meets first; zeros if nothing is left."""
    return next(market.book.levels("BUY" if side == "BUY" else "SELL"), (Decimal(0), Decimal(0)))


def depth_row(market: Market, limit: int) -> Row:
    """Tell the book."""
    bids, asks = (
        [(eight(price), eight(quantity)) for price, quantity in islice(market.book.levels(side), limit)]
        for side in ("SELL", "BUY")
    )
    return {"lastUpdateId": market.steps, "bids": bids, "asks": asks}


def candle_row(candle: Candle, interval: str) -> tuple[object, ...]:
    """Tell a candle as a query does."""
    return (
        candle.open_ms,
        eight(candle.open),
        eight(candle.high),
        eight(candle.low),
        eight(candle.close),
        eight(candle.volume),
        candle.open_ms + INTERVALS[interval] - 1,
        eight(candle.quote_volume),
        candle.trades,
        eight(candle.bought),
        eight(candle.bought_quote),
        "0",
    )


def public_trade_row(trade: TapeTrade) -> Row:
    """Tell a public trade as a query does."""
    return {
        "id": trade.trade_id,
        "price": eight(trade.price),
        "qty": eight(trade.quantity),
        "quoteQty": eight(trade.price * trade.quantity),
        "time": trade.at_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_row(trade: TapeTrade) -> Row:
    """Tell a public trade as the list of aggregate trades does; here each stands for itself."""
    return {
        "a": trade.trade_id,
        "p": eight(trade.price),
        "q": eight(trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.at_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }
