"""What ccxt would send: real, unmodified ccxt classes whose requests end in a list instead of the network.

Owns the recorder and the one way in which a recorded request is read: the fields of query and body, flat, as texts.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from engine.exchanges.venues import Call, Venue

# They are untyped, and this way mypy need not be told so.
ccxt_pro: Any = import_module("ccxt.pro")
SYMBOL = "BTC/USDT"
MARKET_IDS = {"kraken": "XBTUSDT", "coinbase": "BTC-USDT", "kucoin": "BTC-USDT", "okx": "BTC-USDT", "gate": "BTC_USDT"}
KEYS = {"apiKey": "key", "secret": base64.b64encode(b"secret").decode(), "password": "word"}
# What changes from one request to the next, or hangs on the key.
NOISE = frozenset({"nonce", "signature"})


class Request(msgspec.Struct, frozen=True):
    """One request as ccxt handed it to its HTTP client."""

    method: str
    url: str
    headers: dict[str, str]
    body: str | None

    @property
    def address(self) -> str:
        """Give the address without its query."""
        return self.url.partition("?")[0]

    @property
    def fields(self) -> dict[str, str]:
        """Give all fields of query and body, nested ones with dots between, without signatures and nonces."""
        found = parse_qsl(urlsplit(self.url).query, strict_parsing=True) if "?" in self.url else []
        if self.body and self.body.startswith("{"):
            found += _flat(json.loads(self.body, parse_float=str))
        elif self.body:
            found += parse_qsl(self.body, strict_parsing=True)
        kept = [(name, value) for name, value in found if name not in NOISE]
        assert len(dict(kept)) == len(kept), f"a field is sent twice: {kept}"
        return dict(kept)


def _flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [row for key, each in value.items() for row in _flat(each, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [row for number, each in enumerate(value) for row in _flat(each, f"{name}.{number}")]
    return [(name, value if isinstance(value, str) else json.dumps(value))]


class Wire:
    """A ccxt instance of a venue, configured as its row says, and what it sent; `reply` is what it is told back."""

    def __init__(self, venue: Venue, **config: Any) -> None:
        """Build the instance and give it one market."""
        self.requests: list[Request] = []
        self.reply: Any = {}
        self.fault: Exception | None = None
        self.exchange = getattr(ccxt_pro, venue.id)({**KEYS, "enableRateLimit": False, **venue.config(), **config})
        self.exchange.number = str
        self.exchange.timeout_on_exit = 0
        self.exchange.fetch = self._fetch
        self.exchange.set_markets([self._market(MARKET_IDS.get(venue.id, "BTCUSDT"))])

    def _market(self, market_id: str) -> dict[str, Any]:
        base, quote = SYMBOL.split("/")
        market = {
            "id": market_id,
            "symbol": SYMBOL,
            "base": base,
            "quote": quote,
            "baseId": base,
            "quoteId": quote,
            "type": "spot",
            "spot": True,
            "margin": False,
            "swap": False,
            "future": False,
            "option": False,
            "active": True,
            "contract": False,
            "info": {"orderTypes": ["LIMIT", "MARKET"]},
            "precision": {"amount": "0.00000001", "price": "0.01"},
        }
        result: dict[str, Any] = self.exchange.safe_market_structure(market)
        return result

    async def _fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        self.requests.append(Request(method, url, headers or {}, body))
        if self.fault is not None:
            raise self.fault
        answer = json.dumps(self.reply)
        parsed = self.exchange.parse_json(answer)
        self.exchange.handle_errors(200, "OK", url, method, {}, answer, parsed, headers, body)
        return parsed

    async def call(self, call: Call) -> Any:
        """Make a call that a row describes."""
        return await getattr(self.exchange, call.method)(*call.arguments, params=dict(call.params))

    @property
    def sent(self) -> Request:
        """Give the one request that was sent."""
        assert len(self.requests) == 1, self.requests
        return self.requests[0]


@asynccontextmanager
async def wire(venue: Venue, **config: Any) -> AsyncIterator[Wire]:
    """Have a recording instance, and close it."""
    recorder = Wire(venue, **config)
    try:
        yield recorder
    finally:
        await recorder.exchange.close()


def on_wire(venue: Venue, story: Callable[[Wire], Coroutine[Any, Any, None]], **config: Any) -> None:
    """Run a story with a recording instance."""

    async def run() -> None:
        async with wire(venue, **config) as recorder:
            await story(recorder)

    asyncio.run(run())


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every leaf of nested dictionaries with the way to it."""
    if isinstance(tree, dict):
        for key, each in tree.items():
            yield from leaves(each, (*path, str(key)))
    else:
        yield path, tree
