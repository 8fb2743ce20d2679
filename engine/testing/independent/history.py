"""The exchange's raw history, sorted by client order id.

Owns the form of its records, which are JSON objects with amounts as text, in the order in which they happened:

`{"what": "order", "at_ms", "order_id", "client_order_id", "symbol", "side", "kind", "quantity", "price", "signed_ms",
"life"}`, `{"what": "trade", "at_ms", "trade_id", "order_id", "client_order_id", "symbol", "side", "price", "quantity",
"fee", "fee_asset"}` (with `"untold": true` if the exchange ended the order as if the trade were not),
`{"what": "end", "at_ms", "order_id", "client_order_id", "status"}` (`filled`, `canceled` or `expired`),
`{"what": "request", "at_ms", "life", "verb", "client_order_id", "arrived", "fault"}` (`create` is the verb that
counts), `{"what": "command", "at_ms", "bot", "name", "acknowledged", "life"}` (its answer: acknowledged, or not
and with `"refused": true`), `{"what": "disaster"}` (the end of the log may be lost with what was acknowledged).
`price` is null for a market order, `client_order_id` null or another's for orders of others. Any other record is
passed over.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from engine.testing.independent.orders import ZERO
from engine.testing.independent.rows import number

Record = Mapping[str, Any]


class Placed:
    """What the exchange knows under one client order id."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.orders: Final[list[Record]] = []
        self.trades: Final[list[Record]] = []
        self.end: Record | None = None
        self.creates = 0

    @property
    def traded(self) -> Decimal:
        """Give the quantity that traded."""
        return sum((number(trade["quantity"]) for trade in self.trades), ZERO)

    @property
    def told(self) -> Decimal:
        """Give the part of that which the order's end counted."""
        return sum((number(trade["quantity"]) for trade in self.trades if not trade.get("untold")), ZERO)

    @property
    def is_open(self) -> bool:
        """Tell whether an order stands there still."""
        return bool(self.orders) and self.end is None and self.traded < number(self.orders[0]["quantity"])


class History:
    """All records, and what they say about each client order id."""

    def __init__(self, records: Sequence[Record]) -> None:
        """Sort them."""
        self.records: Final = records
        self.by_name: Final[dict[str, Placed]] = {}
        for record in records:
            name = record.get("client_order_id")
            if not isinstance(name, str):
                continue
            placed = self.by_name.setdefault(name, Placed())
            match record.get("what"):
                case "order":
                    placed.orders.append(record)
                case "trade":
                    placed.trades.append(record)
                case "end":
                    placed.end = record
                case "request" if record.get("verb") == "create":
                    placed.creates += 1
                case _:
                    pass

    def of(self, prefix: str) -> Iterator[tuple[str, Placed]]:
        """Give what is known under the ids of one log."""
        return ((name, placed) for name, placed in self.by_name.items() if name.startswith(prefix))


def is_symbol(told: str, symbol: str) -> bool:
    """Tell whether an exchange's word for a symbol means this one."""
    return told.replace("/", "").replace("-", "").upper() == symbol.replace("/", "").upper()
