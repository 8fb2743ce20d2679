"""Logs of one bot that are made by hand, event by event, for moments that no sound run comes near.

Owns the form of a state directory, and what the events of an order say. Chain and witness fit; there are no fees, and
everything is bought at 50,000.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from engine.core.identity import client_order_id
from engine.testing.independent import check
from tests.simulation.forgery import Says, mend

LOG_ID: Final = "0123456789"
STREAM: Final = "bot:made"
FEED: Final = "feed:made"
START_MS: Final = 1_767_225_600_000
PRICE: Final = 50_000
CONFIG: Final[Says] = {
    "symbol": "BTC/USD",
    "budget": "1000",
    "max_open_lots": 9,
    "trailing_sell_floor": "none",
    "trailing_max_gap": 60,
}
RULES: Final[Says] = {"quantity_step": "0.00001", "min_quantity": "0.00001", "min_notional": "10"}
TABLES: Final = """
CREATE TABLE stream (stream_id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE event (row_id INTEGER PRIMARY KEY, stream INTEGER, sequence INTEGER, tag TEXT, body TEXT, checksum BLOB);
INSERT INTO stream VALUES (1, 'bot:made'), (2, 'feed:made');
"""


class MadeLog:
    """A log as it is told, one event a second."""

    def __init__(self) -> None:
        """Begin with a bot that trades where small amounts can be sold."""
        self._events: Final[list[tuple[str, Says]]] = []
        self._orders = 0
        self.tell("bot_created", log_id=LOG_ID, config=CONFIG)
        self.demand()
        self.tell("feed_attached", feed=FEED, after=0)

    def tell(self, tag: str, **says: Any) -> None:
        """Have the bot's stream say something."""
        self._events.append((STREAM, {"type": tag, **says}))

    def demand(self, **rules: str) -> None:
        """Have the market accept by other rules from now on."""
        self._events.append((FEED, {"type": "market_rules_observed", "rules": {**RULES, **rules}}))

    def order(self, side: str, quantity: str = "0.002", **says: Any) -> str:
        """Have an order decided, sent and accepted; give its id."""
        self._orders += 1
        name = client_order_id(LOG_ID, self._orders)
        own = {"reserved": str(float(quantity) * PRICE)} if side == "buy" else {}
        self.tell(
            "order_requested",
            client_order_id=name,
            number=self._orders,
            side=side,
            kind="market",
            quantity=quantity,
            purpose="entry",
            **own,
            **says,
        )
        self.tell("order_sent", client_order_id=name, sent_ms=START_MS, valid_ms=5_000)
        self.tell("order_accepted", client_order_id=name, exchange_order_id=str(self._orders))
        return name

    def fill(self, name: str, quantity: str = "0.002", price: int = PRICE) -> None:
        """Have a trade of an order booked."""
        trade = {"trade_id": f"t{len(self._events)}", "price": str(price), "quantity": quantity}
        self.tell("order_filled", client_order_id=name, **trade, fee="0", fee_asset="USD", fee_quote="0")

    def end(self, name: str, filled: str) -> None:
        """Have the exchange end an order."""
        self.tell("order_canceled", client_order_id=name, filled=filled)

    def purchase(self, lot: int, quantity: str = "0.002", price: int = PRICE, target: str | None = None) -> None:
        """Have a purchase recorded, and its target set, which is what was paid if nothing else is said."""
        unit = str(price)
        amounts = {"price": unit, "quantity": quantity, "held": quantity, "cost": str(float(quantity) * price)}
        self.tell("purchase_recorded", lot=lot, **amounts, unit_cost=unit, fee="0")
        self.tell("sell_target_set", lot=lot, target=target or unit, profit_percent="0", sell_fee_percent="0")

    def buy(self, quantity: str = "0.002") -> int:
        """Have a lot bought, all in order; give its number."""
        self.fill(self.order("buy", quantity), quantity)
        self.purchase(self._orders, quantity)
        return self._orders

    def sale(self, lot: int, name: str, quantity: str = "0.002", **says: Any) -> None:
        """Have a sale at what was paid recorded; `says` is what is told otherwise."""
        value = str(float(quantity) * PRICE)
        amounts = {"price": str(PRICE), "quantity": quantity, "proceeds": value, "cost": value, "profit": "0"}
        self.tell("sale_recorded", lot=lot, client_order_id=name, **{"closed": False, **amounts, **says})

    def found(self, directory: Path) -> list[str]:
        """Write the log into an empty directory, and give what the checker finds."""
        directory.mkdir()
        with closing(sqlite3.connect(directory / "events.db")) as connection, connection:
            connection.executescript(TABLES)
            for place, (stream, says) in enumerate(self._events, 1):
                body = json.dumps({"at": START_MS + place * 1_000, "e": says})
                row = (place, 1 if stream == STREAM else 2, says["type"], body)
                connection.execute("INSERT INTO event VALUES (?, ?, 0, ?, ?, x'')", row)
        mend(directory)
        return check(directory, None, {})
