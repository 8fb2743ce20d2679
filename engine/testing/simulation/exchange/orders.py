"""Orders and trades as the exchange has them, with when each change of them is shown.

Owns what is known of an order at a time by whoever asks: the exchange itself knows at once, others when it is shown.
"""

from decimal import Decimal
from typing import Any, Final, Literal, NamedTuple

import msgspec

from engine.core.units import ZERO

Side = Literal["buy", "sell"]
Kind = Literal["market", "limit"]
Status = Literal["open", "filled", "canceled", "expired"]


CLOCK: Final = "-1021"
"""The code of a request that was refused for the time it was signed with."""


class Wish(msgspec.Struct, frozen=True):
    """What a request asks to be placed; `life` is 0 for somebody who is not the engine."""

    client_order_id: str
    symbol: str
    side: Side
    kind: Kind
    quantity: Decimal
    price: Decimal | None
    signed_ms: int
    life: int


class Refusal(msgspec.Struct, frozen=True):
    """Why a request was not carried out."""

    code: str
    reason: str


DUPLICATE: Final = Refusal("-2010", "Duplicate order sent.")
"""What an exchange says of an id that is taken."""


class Standing(NamedTuple):
    """How an order stands from the time on at which that is shown."""

    shown_ms: int
    status: Status
    filled: Decimal


class Trade(msgspec.Struct, frozen=True):
    """One trade of the account; `is_untold` if the order's end does not count it and only the list of trades tells."""

    trade_id: str
    exchange_order_id: str
    at_ms: int
    shown_ms: int
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    is_untold: bool = False


class Placed(msgspec.Struct, eq=False):
    """An order that the exchange took.

    `locked` is what it holds of the asset that it gives away, `unseen_ms` the beginning of the last spell in which it
    was not to be found, `purged_ms` the time from which on it never is: an exchange need not keep for ever what is at
    its end.
    """

    exchange_order_id: str
    wish: Wish
    at_ms: int
    shown_ms: int
    status: Status = "open"
    filled: Decimal = ZERO
    locked: Decimal = ZERO
    unseen_ms: int = 0
    purged_ms: int | None = None
    trades: list[Trade] = []
    standings: list[Standing] = []

    @property
    def remaining(self) -> Decimal:
        """Give what is not filled."""
        return self.wish.quantity - self.filled

    @property
    def is_open(self) -> bool:
        """Tell whether more can happen to it."""
        return self.status == "open"

    def stands(self, late_ms: int, at_ms: int, hidden: Decimal = ZERO) -> None:
        """Note how it stands now, to be shown so much later; `hidden` is filled and not told of for now."""
        last_ms = self.standings[-1].shown_ms if self.standings else self.shown_ms
        self.standings.append(Standing(max(at_ms + late_ms, last_ms), self.status, self.filled - hidden))

    def shown(self, at_ms: int) -> Standing | None:
        """Give how it stands for others at a time; None if it is not to be seen yet."""
        found = None
        for standing in self.standings:
            if standing.shown_ms <= at_ms:
                found = standing
        return found


def trade_record(trade: Trade, wish: Wish) -> dict[str, Any]:
    """Write a trade for the history."""
    return {
        "what": "trade",
        "at_ms": trade.at_ms,
        "trade_id": trade.trade_id,
        "order_id": trade.exchange_order_id,
        "client_order_id": wish.client_order_id,
        "symbol": wish.symbol,
        "side": wish.side,
        "price": str(trade.price),
        "quantity": str(trade.quantity),
        "fee": str(trade.fee),
        "fee_asset": trade.fee_asset,
        "maker": trade.is_maker,
        **({"untold": True} if trade.is_untold else {}),
    }


def order_record(order: Placed) -> dict[str, Any]:
    """Write an accepted order for the history."""
    wish = order.wish
    return {
        "what": "order",
        "at_ms": order.at_ms,
        "order_id": order.exchange_order_id,
        "client_order_id": wish.client_order_id,
        "symbol": wish.symbol,
        "side": wish.side,
        "kind": wish.kind,
        "quantity": str(wish.quantity),
        "price": None if wish.price is None else str(wish.price),
        "signed_ms": wish.signed_ms,
        "life": wish.life,
    }
