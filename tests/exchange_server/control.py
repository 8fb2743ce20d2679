"""The control endpoint under /sim/: what a test or a person does to the exchange while it runs.

Owns the words of that endpoint. It has no keys and no limits; it is there because the server listens on this machine
alone.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import web

from tests.exchange_server.connections import Connections
from tests.exchange_server.exchange import Exchange
from tests.exchange_server.faults import Fault, StreamFault
from tests.exchange_server.market import Market
from tests.exchange_server.orders import OrderRecord
from tests.exchange_server.script import Status, Visibility


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold a market at a price; None lets it follow its script again."""

    symbol: str
    price: Decimal | None


class MarketStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Open or close a market."""

    symbol: str
    status: Status


class ClockChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Move the clock on, change by how much it is wrong, or let it run at another speed."""

    advance_ms: int = 0
    skew_ms: int | None = None
    speed: float | None = None


class Deposit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Put an amount of an asset into an account, or take it out."""

    asset: str
    delta: Decimal
    account: str = "trader"


class KeyChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Change what a key may do."""

    account: str = "trader"
    revoked: bool = False
    trade: bool = True
    withdraw: bool = False


class OrderChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fill a part of an open order at its own price or another, or let it expire if there is no quantity."""

    symbol: str
    client_order_id: str
    quantity: Decimal | None = None
    price: Decimal | None = None
    account: str = "trader"


class Ban(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ban everybody for some time."""

    seconds: int


class Control:
    """The control endpoint of one exchange."""

    def __init__(self, exchange: Exchange, connections: Connections, publish: Callable[[], None]) -> None:
        """Take what it acts upon, and what tells the streams at once."""
        self._exchange = exchange
        self._connections = connections
        self._publish = publish

    def routes(self) -> list[web.RouteDef]:
        """List the paths."""
        return [
            web.get("/sim/ledger", self._ledger),
            web.get("/sim/state", self._state),
            web.post("/sim/price", self._price),
            web.post("/sim/market", self._market),
            web.post("/sim/clock", self._clock),
            web.post("/sim/visibility", self._visibility),
            web.post("/sim/balance", self._balance),
            web.post("/sim/key", self._key),
            web.post("/sim/order", self._order),
            web.post("/sim/ban", self._ban),
            web.post("/sim/faults", self._add_faults),
            web.delete("/sim/faults", self._clear_faults),
            web.post("/sim/streams", self._streams),
            web.post("/sim/stream-faults", self._add_stream_faults),
        ]

    async def _ledger(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._exchange.dump(), content_type="application/json")

    async def _state(self, _request: web.Request) -> web.Response:
        self._exchange.advance()
        exchange = self._exchange
        return _answer(
            {
                "true_ms": exchange.true_ms,
                "now_ms": exchange.now_ms,
                "prices": {symbol: market.price for symbol, market in exchange.markets.items()},
                "calls": exchange.ledger.calls,
                "faults_struck": exchange.faults.struck(),
                "connections": {
                    kind: sum(1 for c in self._connections.all if c.kind == kind) for kind in ("market", "user")
                },
                "connections_opened": self._connections.opened,
            }
        )

    async def _price(self, request: web.Request) -> web.Response:
        price = await _read(request, Price)
        market = self._market_of(price.symbol)
        self._exchange.set_price(price.symbol, price.price)
        self._publish()
        return _answer({"symbol": price.symbol, "price": market.price})

    async def _market(self, request: web.Request) -> web.Response:
        market = await _read(request, MarketStatus)
        self._exchange.advance()
        self._market_of(market.symbol).status = market.status
        return _answer({})

    def _market_of(self, symbol: str) -> Market:
        markets = self._exchange.markets
        if symbol not in markets:
            raise web.HTTPBadRequest(text=f"no market {symbol}; there are {', '.join(sorted(markets))}")
        return markets[symbol]

    async def _clock(self, request: web.Request) -> web.Response:
        change = await _read(request, ClockChange)
        if change.skew_ms is not None:
            self._exchange.clock.skew_ms = change.skew_ms
        if change.speed is not None:
            self._exchange.clock.set_speed(change.speed)
        self._exchange.clock.advance(change.advance_ms)
        self._exchange.advance()
        self._publish()
        return _answer({"true_ms": self._exchange.true_ms, "now_ms": self._exchange.now_ms})

    async def _visibility(self, request: web.Request) -> web.Response:
        self._exchange.visibility = await _read(request, Visibility)
        return _answer({})

    async def _balance(self, request: web.Request) -> web.Response:
        deposit = await _read(request, Deposit)
        self._exchange.deposit(self._exchange.accounts[deposit.account], deposit.asset, deposit.delta)
        return _answer({})

    async def _key(self, request: web.Request) -> web.Response:
        change = await _read(request, KeyChange)
        account = self._exchange.accounts[change.account]
        account.revoked = change.revoked
        account.rights = {"read"}
        if change.trade:
            account.rights.add("trade")
        if change.withdraw:
            account.rights.add("withdraw")
        return _answer({})

    async def _order(self, request: web.Request) -> web.Response:
        change = await _read(request, OrderChange)
        exchange = self._exchange
        exchange.advance()
        record = self._find(change)
        if change.quantity is None:
            exchange.matching.expire(record)
        else:
            exchange.matching.fill(record, change.price or record.now.price, change.quantity)
        return _answer({"status": record.now.status})

    def _find(self, change: OrderChange) -> OrderRecord:
        account = self._exchange.accounts[change.account]
        record = self._exchange.matching.find(account, change.symbol, None, change.client_order_id)
        if record is None or not record.now.is_open:
            raise web.HTTPNotFound(text=f"no open order {change.client_order_id} on {change.symbol}")
        return record

    async def _ban(self, request: web.Request) -> web.Response:
        self._exchange.advance()
        self._exchange.limits.ban((await _read(request, Ban)).seconds, self._exchange.true_ms)
        return _answer({})

    async def _add_faults(self, request: web.Request) -> web.Response:
        self._exchange.faults.add(*await _read(request, tuple[Fault, ...]))
        return _answer({})

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._exchange.faults.clear()
        return _answer({})

    async def _streams(self, request: web.Request) -> web.Response:
        return _answer({"struck": await self._connections.act(await _read(request, StreamFault))})

    async def _add_stream_faults(self, request: web.Request) -> web.Response:
        self._connections.add(*await _read(request, tuple[StreamFault, ...]))
        return _answer({})


async def _read(request: web.Request, kind: Any) -> Any:
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as fault:
        raise web.HTTPBadRequest(text=str(fault)) from None


def _answer(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type="application/json")
