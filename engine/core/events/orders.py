"""Events of an order's life, from the intent to the last fill.

Unknown is a state of its own: it is resolved by asking the exchange, never taken for a failure (design, "Order
protocol"). What was filled is what the fills say, whatever a status claims.
"""

from decimal import Decimal
from typing import ClassVar, Literal

from engine.core.events.base import Event, Role

Side = Literal["buy", "sell"]
Kind = Literal["market", "limit"]
Liquidity = Literal["maker", "taker"]


class OrderRequested(Event, frozen=True, tag="order_requested"):
    """An order is owed to the exchange; quantities and price are already rounded.

    `reserved` is the quote held back for a buy, fee included. `lot` is what a sell sells; a buy opens the lot that
    bears its `number`. `dust_quantity` of the quantity comes from earlier remainders. `timeout_ms` is the age at
    which it is cancelled. `seen_price` is the price it was decided at; `reason` says what spoke for it.
    """

    client_order_id: str
    number: int
    side: Side
    kind: Kind
    quantity: Decimal
    seen_price: Decimal
    purpose: str
    limit_price: Decimal | None = None
    lot: int | None = None
    reserved: Decimal = Decimal(0)
    dust_quantity: Decimal = Decimal(0)
    timeout_ms: int | None = None
    reason: str = ""


class OrderSent(Event, frozen=True, tag="order_sent"):
    """The order is about to leave, void `valid_ms` after its signature.

    It is signed with `sent_ms`, put right by what is known of the exchange's clock.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    sent_ms: int
    valid_ms: int


class OrderAccepted(Event, frozen=True, tag="order_accepted"):
    """The exchange has the order under its own id."""

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    exchange_order_id: str


class OrderRejected(Event, frozen=True, tag="order_rejected"):
    """The order was not placed; `proof` is the exchange's code, `reason` its words.

    Three proofs are ours: `stale` and `not sent`, if it never left, and `not placed`, if a look-up begun after its
    validity window (and the time an order may stay invisible) did not find it.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    proof: str
    reason: str


class OrderOutcomeUnknown(Event, frozen=True, tag="order_outcome_unknown"):
    """Nobody knows whether the exchange took the order; money stays reserved and the exchange is asked.

    About an order that was accepted it says that a look-up failed: such an order stays open.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    error: str


class OrderFilled(Event, frozen=True, tag="order_filled"):
    """Part or all of an order traded. Booked once per (`client_order_id`, `trade_id`).

    `fee` is in `fee_asset`; `fee_quote` is its value in quote at the time.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    trade_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    fee_quote: Decimal
    liquidity: Liquidity


class OrderCancelRequested(Event, frozen=True, tag="order_cancel_requested"):
    """A cancellation is owed to the exchange. A request: the order may still fill.

    An order that was not sent yet is withdrawn by it, and has ended.
    """

    client_order_id: str
    reason: str


class OrderCanceled(Event, frozen=True, tag="order_canceled"):
    """The exchange took the order off its book with `filled` of it traded."""

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    filled: Decimal


class OrderExpired(Event, frozen=True, tag="order_expired"):
    """The exchange let the order lapse by itself with `filled` of it traded."""

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    filled: Decimal


class OrderAdopted(Event, frozen=True, tag="order_adopted"):
    """The exchange holds an order under an id of this log that the log does not hold: its end was lost, with the order.

    What it is comes from the exchange, whose `placed_ms` is absent if that is not told. `lot` is what a sell sells, as
    far as it can be told (docs/adr/0019-recovery.md); `reserved` is the quote that a buy may still take, `timeout_ms`
    the age at which it is cancelled. What it traded follows as fills, trade by trade.
    """

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    exchange_order_id: str
    number: int
    side: Side
    kind: Kind
    quantity: Decimal
    seen_price: Decimal
    limit_price: Decimal | None = None
    lot: int | None = None
    reserved: Decimal = Decimal(0)
    timeout_ms: int | None = None
    placed_ms: int | None = None


class OrderReconciled(Event, frozen=True, tag="order_reconciled"):
    """A look moved an order from one status to another: `rejected` to `open`, or `open` to `gone`."""

    role: ClassVar[Role] = Role.OBSERVATION
    client_order_id: str
    old_status: str
    new_status: str
