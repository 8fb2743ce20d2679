"""Two records of the same trading, read plainly: the bots' log by sqlite3 and json, the exchange's ledger by json.

Owns what the checker compares. Nothing of the engine is asked what happened; only what it wrote is read.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

BOOKKEEPING: Final = frozenset(
    {
        *("balances_observed", "bot_created", "command_received", "config_changed", "feed_attached", "feed_detached"),
        *("session_started", "session_stopped", "account_observed", "connectivity_checked", "prices_skipped"),
        *("orders_surveyed", "rate_limited"),
    }
)
"""What a session writes about itself: with nothing else it was not under way yet."""

ZERO: Final = Decimal(0)


class Row(msgspec.Struct, frozen=True):
    """One event as it is stored: its place in the log, its stream, its tag, its time and what it says."""

    row_id: int
    stream: str
    tag: str
    at_ms: int
    says: dict[str, Any]


class Trade(msgspec.Struct, frozen=True):
    """A trade, as either side tells it."""

    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str


class Intent:
    """One order as the log tells it: what was wanted, and what is said to have become of it."""

    def __init__(self, bot: str, says: dict[str, Any]) -> None:
        """Start with what was wanted."""
        self.bot: Final = bot
        self.wanted: Final = says
        self.sent = 0
        self.exchange_ids: Final[set[str]] = set()
        self.trades: Final[dict[str, list[Trade]]] = defaultdict(list)
        self.rejections: Final[list[str]] = []
        self.closed_at: Decimal | None = None
        self.withdrawn = False
        self.status = "requested"

    @property
    def filled(self) -> Decimal:
        """Give how much of it traded, each trade counted once."""
        return sum((trades[0].quantity for trades in self.trades.values()), ZERO)

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is to come any more."""
        if self.status == "rejected" or self.withdrawn or self.filled >= Decimal(self.wanted["quantity"]):
            return True
        return self.closed_at is not None and self.filled == self.closed_at

    def take(self, row: Row) -> None:
        """Take in what the log says next about it."""
        says = row.says
        match row.tag:
            case "order_sent":
                self.sent, self.status = self.sent + 1, "sent"
            case "order_accepted":
                self.exchange_ids.add(says["exchange_order_id"])
                self.status = "open"
            case "order_rejected":
                self.rejections.append(f"{says['proof']}: {says['reason']}")
                self.status = "rejected"
            case "order_outcome_unknown" if self.status == "sent":
                self.status = "unknown"
            case "order_filled":
                self.trades[says["trade_id"]].append(_trade(says, "fee", "fee_asset"))
            case "order_cancel_requested" if self.status == "requested":
                self.withdrawn = True
            case "order_cancel_requested":
                self.status = "canceling"
            case "order_canceled" | "order_expired":
                self.closed_at, self.status = Decimal(says["filled"]), "closed"
            case "order_reconciled":
                self.status = says["new_status"]
            case _:
                pass


class LogBook:
    """What the log of a state directory says."""

    def __init__(self, directory: Path) -> None:
        """Read it all."""
        self.rows: Final = _rows(directory / "events.db")
        self.intents: Final[dict[str, Intent]] = {}
        self.requested_twice: Final[list[str]] = []
        self.bots: Final[dict[str, str]] = {}
        for row in self.rows:
            if row.tag == "bot_created":
                self.bots[row.says["log_id"]] = row.stream.removeprefix("bot:")
            name = row.says.get("client_order_id")
            if name is None or not row.tag.startswith("order_"):
                continue
            if row.tag == "order_requested":
                if name in self.intents:
                    self.requested_twice.append(name)
                self.intents[name] = Intent(row.stream.removeprefix("bot:"), row.says)
            else:
                self.intents[name].take(row)

    @property
    def position(self) -> int:
        """Give the place of the last event."""
        return self.rows[-1].row_id if self.rows else 0

    def was_under_way(self, since: int) -> bool:
        """Tell whether a bot has written more than bookkeeping after a place."""
        return any(
            row.row_id > since and row.stream.startswith("bot:") and row.tag not in BOOKKEEPING for row in self.rows
        )

    def has_order_in_flight(self) -> bool:
        """Tell whether the exchange has been or is about to be asked something that the log has no answer to."""
        return any(not intent.is_done and intent.status != "open" for intent in self.intents.values())


class Ledger:
    """What the exchange says, from its JSON document."""

    def __init__(self, document: dict[str, Any]) -> None:
        """Take the document."""
        self.requests: Final[list[dict[str, Any]]] = document["requests"]
        self.orders: Final[list[list[dict[str, Any]]]] = document["orders"]
        self.trades: Final[list[dict[str, Any]]] = document["trades"]
        self.balances: Final = {
            asset: Decimal(free) + Decimal(locked) for asset, (free, locked) in document["balances"]["trader"].items()
        }
        self.locked: Final = {
            asset: Decimal(locked) for asset, (_, locked) in document["balances"]["trader"].items() if Decimal(locked)
        }

    def orders_by_client_id(self) -> dict[str, list[list[dict[str, Any]]]]:
        """Give the orders, each with all its states, by the id that the client gave them."""
        found: dict[str, list[list[dict[str, Any]]]] = defaultdict(list)
        for states in self.orders:
            found[states[-1]["wish"]["client_order_id"]].append(states)
        return found

    def creates(self) -> Counter[str]:
        """Count the requests to create an order, by client order id, whatever became of them."""
        counted: Counter[str] = Counter()
        for request in self.requests:
            if (request["method"], request["path"]) == ("POST", "/api/v3/order"):
                counted[request["parameters"].get("newClientOrderId", "")] += 1
        return counted


def trade_of(row: dict[str, Any]) -> Trade:
    """Read a trade of the ledger."""
    return _trade(row, "commission", "commission_asset")


def _trade(row: dict[str, Any], fee: str, fee_asset: str) -> Trade:
    return Trade(Decimal(row["price"]), Decimal(row["quantity"]), Decimal(row[fee]), row[fee_asset])


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        return []
    query = "SELECT row_id, name, tag, body FROM event JOIN stream ON stream_id = event.stream ORDER BY row_id"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found = connection.execute(query).fetchall()
    except sqlite3.OperationalError:  # killed before there was a log
        return []
    bodies = ((*row[:3], json.loads(row[3])) for row in found)
    return [Row(row_id, stream, tag, body["at"], body["e"]) for row_id, stream, tag, body in bodies]
