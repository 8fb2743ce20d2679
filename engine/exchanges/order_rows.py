"""Which orders there are, and as what they were placed: rows of others are read here too, and must do no harm.

Owns the reading of an order's terms. What is not told in our terms is left open, never guessed; only an id must be
there.
"""

from typing import Final

from engine.exchanges.port import OpenOrder, PlacedOrder
from engine.exchanges.readings import Row, exact_number, id_of, time_of

_LIMITS: Final = frozenset({"limit", "limit_maker", "post_only"})


def open_order_of(row: Row, own_id: str | None) -> OpenOrder:
    """Read which order is on the book, whatever else is said of it. Raises UnreachableError if it has no id."""
    return OpenOrder(id_of(row, "an open order"), own_id, exact_number(row.get("filled")))


def placed_order_of(row: Row, own_id: str | None, offset_ms: int) -> PlacedOrder:
    """Read what an order was placed as; what is not told in our terms is left open. `offset_ms` is the clocks' lead.

    Raises UnreachableError if it has no id.
    """
    side, kind, at_ms = row.get("side"), str(row.get("type") or "").lower(), time_of(row)
    quantity, price = exact_number(row.get("amount")), exact_number(row.get("price"))
    return PlacedOrder(
        exchange_order_id=id_of(row, "an order"),
        client_order_id=own_id,
        side=side if side in {"buy", "sell"} else None,
        kind="market" if kind == "market" else "limit" if kind in _LIMITS else None,
        quantity=quantity if quantity is not None and quantity > 0 else None,
        limit_price=price if price is not None and price > 0 else None,
        placed_ms=None if at_ms is None else at_ms - offset_ms,
    )
