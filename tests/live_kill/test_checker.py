"""The checker finds each kind of wrong: a small story that is told alike by log and ledger, and then spoilt."""

import json
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.live_kill.books import Ledger, LogBook
from tests.live_kill.checker import (
    Terms,
    check_balances,
    check_exposure,
    check_orders,
    check_pauses,
    check_rest,
    check_sending,
    check_trades,
)

LOG_ID = "0123456789"
BUY, SELL, SECOND = (f"k{LOG_ID}000000{number}" for number in (1, 2, 3))
TERMS = Terms({"USD": Decimal(1_000), "BTC": Decimal(0)}, Decimal(150), 1, {"one": "BTC/USD"})


def event(tag: str, name: str, **says: Any) -> tuple[str, dict[str, Any]]:
    return tag, {"type": tag, "client_order_id": name, **says}


def story() -> list[tuple[str, dict[str, Any]]]:
    """Give a log: a purchase of 0.002 at 50000 with a fee in base, and its sale at 51000 with a fee in quote."""
    buy = {"side": "buy", "kind": "market", "quantity": "0.002", "reserved": "100"}
    sell = {"side": "sell", "kind": "limit", "quantity": "0.00199", "limit_price": "51000", "lot": 1}
    bought = {"price": "50000", "quantity": "0.002", "fee": "0.000002", "fee_asset": "BTC"}
    sold = {"price": "51000", "quantity": "0.00199", "fee": "0.1", "fee_asset": "USD"}
    return [
        ("bot_created", {"type": "bot_created", "log_id": LOG_ID}),
        event("order_requested", BUY, **buy),
        event("order_sent", BUY),
        event("order_accepted", BUY, exchange_order_id="7"),
        event("order_filled", BUY, trade_id="1", **bought),
        event("order_requested", SELL, **sell),
        event("order_sent", SELL),
        event("order_accepted", SELL, exchange_order_id="8"),
        event("order_filled", SELL, trade_id="2", **sold),
    ]


def state(number: int, name: str, at_ms: int, status: str, executed: str, **wish: Any) -> dict[str, Any]:
    full = {"client_order_id": name, "price": None, **wish}
    quantity = wish["quantity"]
    known = {"order_id": number, "wish": full, "quantity": quantity}
    return {**known, "executed": executed, "status": status, "changed_ms": at_ms}


def document() -> dict[str, Any]:
    """Give the ledger that tells the same."""
    buy = {"side": "BUY", "kind": "MARKET", "quantity": "0.00200"}
    sell = {"side": "SELL", "kind": "LIMIT", "quantity": "0.00199", "price": "51000.00"}
    bought = {"side": "BUY", "price": "50000", "quantity": "0.002", "commission": "0.000002", "commission_asset": "BTC"}
    sold = {"side": "SELL", "price": "51000", "quantity": "0.00199", "commission": "0.1", "commission_asset": "USD"}
    return {
        "requests": [
            {"method": "POST", "path": "/api/v3/order", "parameters": {"newClientOrderId": name}}
            for name in (BUY, SELL)
        ],
        "orders": [
            [state(7, BUY, 10, "NEW", "0", **buy), state(7, BUY, 10, "FILLED", "0.002", **buy)],
            [state(8, SELL, 20, "NEW", "0", **sell), state(8, SELL, 30, "FILLED", "0.00199", **sell)],
        ],
        "trades": [
            {"trade_id": 1, "client_order_id": BUY, "symbol": "BTCUSD", "seen_ms": 10, **bought},
            {"trade_id": 2, "client_order_id": SELL, "symbol": "BTCUSD", "seen_ms": 30, **sold},
        ],
        "balances": {"trader": {"USD": ["1001.39", "0"], "BTC": ["0.000008", "0"]}},
    }


def violations(folder: Path, rows: list[tuple[str, dict[str, Any]]], ledger: dict[str, Any]) -> list[str]:
    with sqlite3.connect(folder / "events.db") as connection:
        connection.execute("CREATE TABLE stream (stream_id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE event (row_id INTEGER PRIMARY KEY, stream INTEGER, tag TEXT, body TEXT)")
        connection.execute("INSERT INTO stream VALUES (1, 'bot:one')")
        for tag, says in rows:
            body = json.dumps({"at": 1, "e": says})
            connection.execute("INSERT INTO event (stream, tag, body) VALUES (1, ?, ?)", (tag, body))
    connection.close()
    log, told = LogBook(folder), Ledger(ledger)
    return [
        *check_orders(log, told),
        *check_sending(log, told),
        *check_pauses(log),
        *check_trades(log, told),
        *check_balances(log, told, TERMS),
        *check_rest(log, told),
        *check_exposure(log, told, TERMS),
    ]


def test_story_told_alike_has_no_violation(tmp_path: Path) -> None:
    assert violations(tmp_path, story(), document()) == []


Spoil = Callable[[list[Any], dict[str, Any]], object]
SECOND_BUY = state(9, SECOND, 15, "FILLED", "0.002", side="BUY", kind="MARKET", quantity="0.002")
SECOND_TRADE = {**document()["trades"][0], "trade_id": 3, "client_order_id": SECOND, "seen_ms": 15}

UNSENT = {"side": "buy", "kind": "market", "quantity": "0.001", "reserved": "50"}

SPOILT: dict[str, Spoil] = {
    "unknown order": lambda _, ledger: ledger["orders"].append([SECOND_BUY]),
    "two orders": lambda _, ledger: ledger["orders"].append(ledger["orders"][0]),
    "sent twice": lambda _, ledger: ledger["requests"].append(ledger["requests"][0]),
    "paused": lambda log, _: log.insert(1, ("command_received", {"type": "command_received", "command": "pause"})),
    "unlogged": lambda log, _: log.pop(2),
    "another order": lambda log, _: log[1][1].update(quantity="0.003"),
    "intent": lambda log, _: log.insert(2, log[1]),
    "given up": lambda log, _: log.append(event("order_rejected", BUY, proof="not placed", reason="")),
    "booked twice": lambda log, _: log.append(log[4]),
    "not booked": lambda log, _: log.pop(),
    "wrong": lambda log, _: log[4][1].update(fee="0.000003"),
    "invented": lambda _, ledger: ledger["trades"].pop(),
    "balance": lambda _, ledger: ledger["balances"]["trader"].update(BTC=["0.000018", "0"]),
    "in doubt": lambda log, _: log.__setitem__(-1, event("order_reconciled", SELL, new_status="unknown")),
    "reserved": lambda log, _: log.append(event("order_requested", SECOND, **UNSENT)),
    "open": lambda _, ledger: ledger["orders"][1].pop(),
    "discrepancy": lambda log, _: log.append(("discrepancy_found", {"type": "discrepancy_found", "halts": True})),
    "exposure": lambda _, ledger: (ledger["orders"].append([SECOND_BUY]), ledger["trades"].append(SECOND_TRADE)),
}


@pytest.mark.parametrize("rule", SPOILT)
def test_story_spoilt_breaks_its_rule(tmp_path: Path, rule: str) -> None:
    log, ledger = story(), document()
    SPOILT[rule](log, ledger)
    assert any(each.startswith(f"{rule}:") for each in violations(tmp_path, log, ledger))
