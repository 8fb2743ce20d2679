"""What recoveries begin with and take over, and bots with lots to give: parts of their tests."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.core.events import (
    OrderAdopted,
    OrderFilled,
    RecoveryStarted,
)
from engine.core.identity import client_order_id
from engine.core.reducers import apply
from engine.core.state import Order
from tests.kernel import LOG_ID, START_MS, Kernel, bought

D = Decimal
JUMP = 5_000_000


def started(**changes: Any) -> RecoveryStarted:
    return replace(RecoveryStarted("its end is gone", 10, 5, START_MS, JUMP, START_MS + 60_000), **changes)


def adopted(number: int, side: str, quantity: str, **changes: Any) -> OrderAdopted:
    terms = {"kind": "limit", "seen_price": D(50_000), "limit_price": D(50_000), **changes}
    return OrderAdopted(client_order_id(LOG_ID, number), f"x{number}", number, side, quantity=D(quantity), **terms)  # type: ignore[arg-type]


def fill(number: int, quantity: str, price: str = "50000") -> OrderFilled:
    fee = D(quantity) * D(price) / 1000
    return OrderFilled(client_order_id(LOG_ID, number), f"t{number}", D(price), D(quantity), fee, "USD", fee, "maker")


def with_lots(*lots: tuple[int, str, str], dust: str = "0") -> Kernel:
    """Give a bot with open lots: number, quantity and target."""
    kernel = bought()
    (pattern,) = kernel.state.lots.values()
    made = {
        number: replace(
            pattern, number=number, held=D(quantity), quantity=D(quantity), target=D(target), sell_order=None
        )
        for number, quantity, target in lots
    }
    rest = replace(kernel.state.dust, quantity=D(dust))
    kernel.state = replace(kernel.state, lots=made, orders={}, trails={}, dust=rest)
    return kernel


def order_of(kernel: Kernel, event: OrderAdopted) -> Order:
    """Give the order that an adoption is about, as the books would hold it."""
    order = apply(kernel.state, event, kernel.now_ms).order(event.client_order_id)
    assert order is not None
    return order
