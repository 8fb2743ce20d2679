"""Market streams: who listens to what, and what each stream says after every step of the prices.

Owns the names of streams and their messages. Raw connections get the messages as they are, combined ones with the name
of the stream around them. A gap is never replayed.
"""

import json
from typing import Any

import msgspec
from aiohttp import web

from tests.exchange_server.candles import INTERVALS, Candle, bucket
from tests.exchange_server.connections import Connection, Connections
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.filters import eight
from tests.exchange_server.market import Market, TapeTrade
from tests.exchange_server.market_rows import best_row, day_row
from tests.exchange_server.rows import Row

_MOST_CLOSED = 1_000


class MarketStreams:
    """All connections that listen to markets."""

    def __init__(self, exchange: Exchange, connections: Connections) -> None:
        """Take the exchange and where connections are kept."""
        self._exchange = exchange
        self._connections = connections
        self._listening: dict[Connection, tuple[bool, dict[str, None]]] = {}
        self._told_trade = {symbol: market.tape[-1].trade_id for symbol, market in exchange.markets.items()}
        self._told_steps = {symbol: market.steps for symbol, market in exchange.markets.items()}
        self._told_ms = {symbol: market.stepped_ms for symbol, market in exchange.markets.items()}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve a connection: /stream?streams=a/b is combined, /ws, /ws/a and anything below them raw."""
        combined = request.path == "/stream"
        text = request.query.get("streams", "") if combined else request.path.partition("/ws")[2].strip("/")
        streams = dict.fromkeys(name for name in text.split("/") if name)
        connection = self._connections.open("market")
        self._listening[connection] = (combined, streams)
        try:
            return await connection.run(request, lambda data: self._on_message(connection, data))
        finally:
            del self._listening[connection]
            self._connections.closed(connection)

    def publish(self) -> None:
        """Tell everybody what has happened since the last time."""
        changed = [m for m in self._exchange.markets.values() if m.steps != self._told_steps[m.symbol]]
        wanted = {name for _, streams in self._listening.values() for name in streams}
        messages = {name: self._messages(name, changed) for name in wanted}
        for connection, (combined, streams) in self._listening.items():
            for name in streams:
                for message in messages[name]:
                    connection.send_text(f'{{"stream":{json.dumps(name)},"data":{message}}}' if combined else message)
        for market in changed:
            self._told_steps[market.symbol] = market.steps
            self._told_ms[market.symbol] = market.stepped_ms
        for symbol, market in self._exchange.markets.items():
            self._told_trade[symbol] = market.tape[-1].trade_id

    def _on_message(self, connection: Connection, data: str) -> None:
        streams = self._listening[connection][1]
        try:
            message = json.loads(data)
            method, wanted, number = message["method"], message.get("params", []), message.get("id")
        except (ValueError, KeyError, TypeError, AttributeError):
            connection.send({"error": {"code": 3, "msg": "Invalid JSON"}})
            return
        self._exchange.ledger.came("WS", f"/ws {method}", {}, self._exchange.clock.market_ms())
        result: list[str] | None = None
        match method:
            case "SUBSCRIBE":
                streams.update(dict.fromkeys(wanted))
            case "UNSUBSCRIBE":
                for name in wanted:
                    streams.pop(name, None)
            case "LIST_SUBSCRIPTIONS":
                result = list(streams)
            case _:
                connection.send(
                    {"error": {"code": 2, "msg": f"Invalid request: unknown method {method}"}, "id": number}
                )
                return
        connection.send({"result": result, "id": number})

    def _messages(self, name: str, changed: list[Market]) -> list[str]:
        symbol, _, what = name.partition("@")
        if name in {"!miniTicker@arr", "!ticker@arr"}:
            rows: list[Any] = [[self._day(market, mini=name.startswith("!mini")) for market in changed]]
            return _encoded(rows if changed else [])
        market = self._exchange.markets.get(symbol.upper())
        if market is None:
            return []
        if what == "trade":
            told = self._told_trade[market.symbol]
            return _encoded([self._trade(market, trade) for trade in market.tape if trade.trade_id > told])
        if market not in changed:
            return []
        match what:
            case "miniTicker" | "ticker":
                return _encoded([self._day(market, mini=what == "miniTicker")])
            case "bookTicker":
                return _encoded([_best(market)])
            case _:
                pass
        kind, _, interval = what.partition("_")
        return _encoded(self._candles(market, interval)) if kind == "kline" and interval in INTERVALS else []

    def _day(self, market: Market, *, mini: bool) -> Row:
        row = day_row(market, self._exchange.true_ms)
        names = {
            "c": "lastPrice",
            "o": "openPrice",
            "h": "highPrice",
            "l": "lowPrice",
            "v": "volume",
            "q": "quoteVolume",
        }
        if not mini:
            names |= {"p": "priceChange", "P": "priceChangePercent", "w": "weightedAvgPrice", "x": "prevClosePrice"}
            names |= {"Q": "lastQty", "b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty"}
            names |= {"O": "openTime", "C": "closeTime", "F": "firstId", "L": "lastId", "n": "count"}
        head = {"e": "24hrMiniTicker" if mini else "24hrTicker", "E": self._exchange.now_ms, "s": market.symbol}
        return head | {short: row[long] for short, long in names.items()}

    def _trade(self, market: Market, trade: TapeTrade) -> Row:
        return {
            "e": "trade",
            "E": self._exchange.now_ms,
            "s": market.symbol,
            "t": trade.trade_id,
            "p": eight(trade.price),
            "q": eight(trade.quantity),
            "T": trade.at_ms,
            "m": trade.buyer_is_maker,
            "M": True,
        }

    def _candles(self, market: Market, interval: str) -> list[Row]:
        now_ms = market.stepped_ms
        current = bucket(now_ms, interval)
        opens = list(range(bucket(self._told_ms[market.symbol], interval), current, INTERVALS[interval]))[
            -_MOST_CLOSED:
        ]
        rows = []
        for open_ms in (*opens, current):
            candle = market.candles.candle(interval, open_ms, now_ms)
            if candle is not None:
                rows.append(self._kline(market, candle, interval, closed=open_ms < current))
        return rows

    def _kline(self, market: Market, candle: Candle, interval: str, *, closed: bool) -> Row:
        last_id = market.tape[-1].trade_id
        kline = {
            "t": candle.open_ms,
            "T": candle.open_ms + INTERVALS[interval] - 1,
            "s": market.symbol,
            "i": interval,
            "f": last_id - candle.trades + 1,
            "L": last_id,
            "o": eight(candle.open),
            "c": eight(candle.close),
            "h": eight(candle.high),
            "l": eight(candle.low),
            "v": eight(candle.volume),
            "n": candle.trades,
            "x": closed,
            "q": eight(candle.quote_volume),
            "V": eight(candle.bought),
            "Q": eight(candle.bought_quote),
            "B": "0",
        }
        return {"e": "kline", "E": self._exchange.now_ms, "s": market.symbol, "k": kline}


def _best(market: Market) -> Row:
    row = best_row(market)
    best = {"b": row["bidPrice"], "B": row["bidQty"], "a": row["askPrice"], "A": row["askQty"]}
    return {"u": market.steps, "s": market.symbol, **best}


def _encoded(messages: list[Any]) -> list[str]:
    return [msgspec.json.encode(message).decode() for message in messages]
