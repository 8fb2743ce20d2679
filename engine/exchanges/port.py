"""The port to an exchange: what can be asked, and the closed union of what can come back.

An unknown outcome is never treated as a failure: only the exchange's own proof rejects an order.
Source: design, "Order protocol".
"""

from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from engine.core.events.bot import Balance
from engine.core.events.orders import Liquidity
from engine.core.state import BotState, Order


class Fill(msgspec.Struct, frozen=True):
    """One trade of an order; `fee_quote` is the fee's value in quote."""

    trade_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    fee_quote: Decimal
    liquidity: Liquidity


class Accepted(msgspec.Struct, frozen=True):
    """The exchange has the order; `fills` is what traded at once."""

    exchange_order_id: str
    fills: tuple[Fill, ...] = ()


class Rejected(msgspec.Struct, frozen=True):
    """The exchange proved that it did not take the order; `proof` is its code."""

    proof: str
    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows: the order stays `unknown` until a query settles it."""

    error: str


class NotSent(msgspec.Struct, frozen=True):
    """Nothing left this machine; the same order may be sent later."""

    reason: str


Outcome = Accepted | Rejected | Unknown | NotSent


class OrderReport(msgspec.Struct, frozen=True):
    """What the exchange says of an order it knows; `filled` is its own count, `fills` those it can name."""

    client_order_id: str
    exchange_order_id: str
    status: Literal["open", "filled", "canceled", "expired"]
    filled: Decimal
    fills: tuple[Fill, ...] = ()


class Gateway(Protocol):
    """One account at one exchange, as a bot uses it.

    `repeats_create` declares that `create` may be asked again with the same client order id and gives the same order;
    only then is a `sent` order resolved that way. `valid_ms` is how long a signed request can still be matched.
    """

    @property
    def repeats_create(self) -> bool:
        """Tell whether asking again is safe."""
        ...

    @property
    def valid_ms(self) -> int:
        """Give the validity window of a request, in milliseconds."""
        ...

    async def create(self, state: BotState, order: Order) -> Outcome:
        """Place the order once, never retrying by itself."""
        ...

    async def query(self, state: BotState, order: Order) -> OrderReport | Unknown | None:
        """Look the order up by its client order id; None if the exchange does not know it."""
        ...

    async def cancel(self, state: BotState, order: Order) -> OrderReport | Unknown:
        """Ask for cancellation and say how the order stands."""
        ...

    async def balances(self, state: BotState) -> dict[str, Balance]:
        """Say what the account holds, by asset."""
        ...

    def trades(self, state: BotState) -> tuple[OrderReport, ...]:
        """Report what happened to resting orders since they were last reported."""
        ...
