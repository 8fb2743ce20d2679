"""One way to ask for an order: number it, name it, emit the intent."""

from decimal import Decimal

from engine.core.decider.draft import Draft
from engine.core.events import OrderRequested
from engine.core.events.orders import Kind, Side
from engine.core.identity import client_order_id


def request_order(
    draft: Draft,
    *,
    side: Side,
    kind: Kind,
    quantity: Decimal,
    seen_price: Decimal,
    limit_price: Decimal | None,
    purpose: str,
    lot: int | None = None,
    reserved: Decimal = Decimal(0),
    dust_quantity: Decimal = Decimal(0),
    timeout_ms: int | None = None,
    reason: str = "",
) -> None:
    """Emit `order_requested` under the next order number."""
    assert quantity > 0, quantity
    number = draft.state.order_number + 1
    draft.emit(
        OrderRequested(
            client_order_id=client_order_id(draft.state.log_id, number),
            number=number,
            side=side,
            kind=kind,
            quantity=quantity,
            seen_price=seen_price,
            purpose=purpose,
            limit_price=limit_price,
            lot=lot,
            reserved=reserved,
            dust_quantity=dust_quantity,
            timeout_ms=timeout_ms,
            reason=reason,
        )
    )
