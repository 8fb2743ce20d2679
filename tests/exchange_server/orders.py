"""Orders and trades of accounts, as frozen values, and the record of every state that an order was in.

Owns what an order is. Never changes one: a change is a new state at the end of the record.
"""

from decimal import Decimal

import msgspec

from tests.exchange_server.book import Side

OPEN = frozenset({"NEW", "PARTIALLY_FILLED"})


class Wish(msgspec.Struct, frozen=True):
    """What a request for a new order says, read and found well-formed."""

    symbol: str
    side: Side
    kind: str
    client_order_id: str
    time_in_force: str = "GTC"
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None


class Trade(msgspec.Struct, frozen=True):
    """A fill of an order, and what it cost."""

    trade_id: int
    order_id: int
    client_order_id: str
    account: str
    symbol: str
    side: Side
    price: Decimal
    quantity: Decimal
    quote_quantity: Decimal
    commission: Decimal
    commission_asset: str
    at_ms: int
    is_maker: bool
    seen_ms: int


class Order(msgspec.Struct, frozen=True):
    """One state of an order. `changed_ms` is the true time of that state, for what shows up late."""

    order_id: int
    account: str
    wish: Wish
    quantity: Decimal
    created_ms: int
    updated_ms: int
    changed_ms: int
    status: str = "NEW"
    executed: Decimal = Decimal(0)
    quote_executed: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)

    @property
    def is_open(self) -> bool:
        """Tell whether it can still be filled or cancelled."""
        return self.status in OPEN

    @property
    def price(self) -> Decimal:
        """Give the limit, 0 if it has none."""
        return self.wish.price or Decimal(0)

    @property
    def remaining(self) -> Decimal:
        """Give what is not filled."""
        return self.quantity - self.executed


class OrderRecord:
    """All states of one order, and its trades."""

    def __init__(self, order: Order) -> None:
        """Start with the first state."""
        self.states = [order]
        self.trades: list[Trade] = []

    @property
    def now(self) -> Order:
        """Give the last state."""
        return self.states[-1]

    def as_of(self, true_ms: int) -> Order | None:
        """Give the state that the order was in at a moment, None if it was not there yet."""
        return next((state for state in reversed(self.states) if state.changed_ms <= true_ms), None)
