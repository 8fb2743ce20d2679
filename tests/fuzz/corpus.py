"""The inputs that every target begins with: what the repository has of its kind anyway, and the files of `corpus/`.

Owns what a seed is. A file of `corpus/` is an input that once found a fault, or that reaches what no other does; none
is ever taken away. Never changes an input.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.exchanges.recorded import RECORDINGS, SENT_MS
from tests.exchanges.test_trade_pages import PAGERS
from tests.fuzz.answers import answers
from tests.fuzz.config import config
from tests.fuzz.events import events
from tests.fuzz.payloads import payloads
from tests.fuzz.target import Opened

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).parent / "corpus"
TARGETS: Mapping[str, Opened] = {"events": events, "config": config, "payloads": payloads, "answers": answers}


def seeds(name: str) -> list[bytes]:
    """Give the inputs of a target, in the same order on every machine."""
    return [*_MADE[name](), *(path.read_bytes() for path in stored(name))]


def stored(name: str) -> list[Path]:
    """List the files that a target has in `corpus/`."""
    return sorted(path for path in (FOLDER / name).iterdir() if path.is_file())


def _events() -> Iterator[bytes]:
    for path in sorted((ROOT / "tests/golden/events").iterdir()):
        yield path.read_bytes().removesuffix(b"\n")


def _configs() -> Iterator[bytes]:
    for path in sorted((ROOT / "docs/examples").glob("*.yml")):
        yield path.read_bytes()
    first = b"exchange: simulated\nsymbol: BTC/USD\n"
    yield first + b"name: " + b"x" * 60_000
    yield first + b"connectivity_hosts: [" + b"a, " * 20_000 + b"]"
    yield first + b"".join(b"%x: 1\n" % number for number in range(7_000))


def _rows() -> Iterator[bytes]:
    """Give rows as the library has them after reading, and bodies as exchanges send them."""
    at = {"timestamp": SENT_MS, "info": {}}
    fee = {"cost": "0.1", "currency": "BNB"}
    balance = {"free": "1", "used": "0.5", "total": "1.5"}
    market = {
        "symbol": "BTC/USDT",
        "precision": {"price": "0.01", "amount": "0.00001"},
        "limits": {"amount": {"min": "0.00001", "max": "9000"}, "cost": {"min": "5"}},
        "maker": "0.001",
        "taker": 0.001,
        "info": {
            "orderTypes": ["LIMIT", "MARKET"],
            "filters": [{"filterType": "PERCENT_PRICE_BY_SIDE", "bidMultiplierUp": "5", "askMultiplierDown": "0.2"}],
        },
    }
    trade = {**at, "id": "7", "price": "100", "amount": "1", "fee": fee, "takerOrMaker": "maker", "symbol": "BTC/USDT"}
    report = {"e": "executionReport", "x": "TRADE", "s": "BTCUSDT", "i": 7, "c": "k0123456789abcdefg", "C": ""}
    for row in (
        {**at, "last": "100.5", "bid": "100", "ask": "101"},
        {**at, "id": "7", "clientOrderId": "k0123456789abcdefg", "status": "closed", "filled": "1", "amount": "2"},
        [trade, {**trade, "id": "8", "fee": None, "fees": [fee, {"cost": "0.01", "currency": "BTC"}]}],
        {"info": {"uid": 7, "canTrade": True}, "free": {"BTC": "1"}, "BTC": balance},
        market,
        [SENT_MS, "1", "2", "0.5", "1.5", "10"],
        {"event": report, "subscriptionId": 1},
        {"e": "eventStreamTerminated"},
        {"code": -2010, "msg": "Account has insufficient balance for requested action."},
        {"error": ["EOrder:Insufficient funds"]},
        {"code": "1", "data": [{"sCode": "51008", "sMsg": "Insufficient balance"}], "msg": ""},
        {"success": False, "error_response": {"error": "INSUFFICIENT_FUND", "message": "no funds"}},
        {"retCode": 170131, "retMsg": "Insufficient balance.", "result": {}},
        {"label": "BALANCE_NOT_ENOUGH", "message": "Not enough balance"},
        {**at, "id": "x" * 70_000, "clientOrderId": "x" * 70_000, "status": "x" * 70_000, "filled": "1"},
        {"code": -1003, "msg": f"Way too many requests; IP banned until {SENT_MS + 9_000}."},
    ):
        yield json.dumps(row).encode()


def _calls() -> Iterator[bytes]:
    """Give every call at every exchange with the answers that are recorded of it."""
    fields = {"limit": "2", "start": "1"}
    for name, recording in RECORDINGS.items():
        for call, told in (
            ("create", [recording.created]),
            ("query", list(recording.known)),
            ("cancel", [recording.canceled, *recording.known]),
            ("open_orders", [recording.known[-1]]),
            ("client_id", [recording.known[0]]),
        ):
            yield _call(name, call, told)
        if name in PAGERS:
            yield _call(name, "trades", [PAGERS[name](fields)[0], {}])
    ticker = {"symbol": "BTCUSDT", "lastPrice": "100.5", "bidPrice": "100", "askPrice": "101", "closeTime": SENT_MS}
    balances = {"uid": 7, "canTrade": True, "balances": [{"asset": "BTC", "free": "1", "locked": "0.5"}]}
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5"},
    ]
    market = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "baseAsset": "BTC",
        "quoteAsset": "USDT",
        "isSpotTradingAllowed": True,
        "orderTypes": ["LIMIT", "MARKET"],
        "permissions": ["SPOT"],
        "filters": filters,
    }
    start_ms = SENT_MS - 3_600_000
    candles = [[start_ms - start_ms % 300_000 + 300_000 * n, "1", "2", "0.5", "1.5", "10", 0] for n in range(1, 5)]
    for name in ("binance", "binanceus"):
        yield _call(name, "ticker", [ticker])
        yield _call(name, "balances", [balances])
        yield _call(name, "identify", [balances, {"enableWithdrawals": False}])
        yield _call(name, "rules", [{"symbols": [market]}])
        yield _call(name, "candles", [candles, []])
        yield _call(name, "time", [{"serverTime": SENT_MS}])


def _call(name: str, call: str, told: list[Any]) -> bytes:
    return json.dumps([name, call, *told]).encode()


_MADE = {"events": _events, "config": _configs, "payloads": _rows, "answers": _calls}
