"""The ledger of the local exchange, told as the raw history that the independent checker reads.

Owns the change of form, from the ledger's JSON alone. Never asks the engine anything.
"""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

ENDS: Final = {"FILLED": "filled", "CANCELED": "canceled", "EXPIRED": "expired", "REJECTED": "expired"}
VERBS: Final = {"POST": "create", "DELETE": "cancel", "GET": "query"}
ORDER_PATH: Final = "/api/v3/order"
Record = dict[str, Any]


def history_of(ledger: bytes) -> list[Record]:
    """Tell a ledger as a history, in the order in which things happened."""
    document = json.loads(ledger)
    told = [*_requests(document), *_orders(document), *_trades(document)]
    return [record for _, _, record in sorted(told, key=lambda each: each[:2])]


def _requests(document: Mapping[str, Any]) -> Iterator[tuple[int, int, Record]]:
    for request in document["requests"]:
        if request["path"] != ORDER_PATH:
            continue
        asked = request["parameters"]
        yield (
            request["came_ms"],
            0,
            {
                "what": "request",
                "at_ms": request["came_ms"],
                "life": 1,
                "verb": VERBS[request["method"]],
                "client_order_id": asked.get("newClientOrderId") or asked.get("origClientOrderId"),
                "arrived": request["carried_out_ms"] is not None,
                "fault": request["fault"],
            },
        )


def _orders(document: Mapping[str, Any]) -> Iterator[tuple[int, int, Record]]:
    signed = {
        request["parameters"]["newClientOrderId"]: int(request["parameters"]["timestamp"])
        for request in document["requests"]
        if request["method"] == "POST" and "newClientOrderId" in request["parameters"]
    }
    for states in document["orders"]:
        first, last = states[0], states[-1]
        wish = first["wish"]
        name = wish["client_order_id"]
        yield (
            first["changed_ms"],
            1,
            {
                "what": "order",
                "at_ms": first["changed_ms"],
                "order_id": str(first["order_id"]),
                "client_order_id": name,
                "symbol": wish["symbol"],
                "side": wish["side"].lower(),
                "kind": wish["kind"].lower(),
                "quantity": first["quantity"],
                "price": wish["price"] if Decimal(wish["price"] or 0) else None,
                "signed_ms": signed.get(name),
                "life": 1,
            },
        )
        if last["status"] in ENDS:
            record = {"what": "end", "at_ms": last["changed_ms"], "order_id": str(last["order_id"])}
            yield last["changed_ms"], 3, {**record, "client_order_id": name, "status": ENDS[last["status"]]}


def _trades(document: Mapping[str, Any]) -> Iterator[tuple[int, int, Record]]:
    for trade in document["trades"]:
        told = {name: trade[name] for name in ("client_order_id", "symbol", "price", "quantity")}
        ids = {"trade_id": str(trade["trade_id"]), "order_id": str(trade["order_id"])}
        fee = {"fee": trade["commission"], "fee_asset": trade["commission_asset"]}
        yield (
            trade["seen_ms"],
            2,
            {"what": "trade", "at_ms": trade["seen_ms"], "side": trade["side"].lower(), **ids, **told, **fee},
        )
