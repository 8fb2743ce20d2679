"""Whose an order is, by one log's state: its own, another copy's, or one that it may well have forgotten."""

import pytest
from msgspec.structs import replace

from engine.core.reducers.orders import DONE_ORDERS_KEPT
from engine.core.state import BotState, Order
from engine.runtime.ownership import is_long_ago, is_of_the_log
from tests.kernel import Kernel
from tests.runtime.test_reports import OPEN

OLDEST_MS = 1_000
LAST = 9
"""The last number that the log gave out. It lost 5 to 7 with its end, of which it took 6 over again."""


def name_of(number: int) -> str:
    """Give an id for the tests: only the state is asked about it."""
    return f"k{number:07}"


def log_with(*orders: Order, **changes: object) -> BotState:
    """Give the state of a log that has forgotten all but these of its orders."""
    done = {order.client_order_id: order for order in orders if order.is_terminal}
    left = {order.client_order_id: order for order in orders if not order.is_terminal}
    known = {"order_number": LAST, "skipped": ((5, 7),), "adopted": (6,), **changes}
    return replace(Kernel().state, orders=left, done_orders=done, **known)


def order_of(number: int, exchange_order_id: str | None, status: str = "open") -> Order:
    """Give an order that the log holds."""
    return replace(
        OPEN, client_order_id=name_of(number), number=number, exchange_order_id=exchange_order_id, status=status
    )


@pytest.mark.parametrize(
    ("number", "held", "is_own"),
    [
        (4, None, True),
        (LAST, None, True),
        (LAST + 1, None, False),
        (5, None, False),
        (6, None, True),
        (7, None, False),
        (8, None, True),
        (8, order_of(8, "7"), True),
        (8, order_of(8, None), True),
        (8, order_of(8, "another"), False),
        (8, order_of(8, None, "rejected"), True),
        (8, order_of(8, "another", "filled"), False),
        (7, order_of(7, "7"), True),
        (7, order_of(7, "another"), False),
        (LAST + 1, order_of(LAST + 1, "7"), False),
    ],
    ids=[
        "forgotten",
        "the last, forgotten",
        "never given out",
        "lost",
        "lost and taken over",
        "the last that was lost",
        "behind those lost",
        "held",
        "held, not accepted yet",
        "held as another",
        "held to be not placed",
        "ended as another",
        "lost, and held all the same",
        "lost, and held as another",
        "held beyond the last number",
    ],
)
def test_order_is_of_the_log_unless_its_number_or_its_exchange_id_cannot_be(
    number: int, held: Order | None, *, is_own: bool
) -> None:
    state = log_with() if held is None else log_with(held)

    assert is_of_the_log(state, name_of(number), number, "7") is is_own


def remembered(count: int) -> list[Order]:
    """Give orders that ended, of which the last to end was decided first."""
    orders = [order_of(number, f"x{number}", "filled") for number in range(count)]
    return [
        replace(order, requested_ms=OLDEST_MS + place) for place, order in zip(range(count)[::-1], orders, strict=True)
    ]


@pytest.mark.parametrize(
    ("count", "at_ms", "is_old"),
    [
        (DONE_ORDERS_KEPT, OLDEST_MS - 1, True),
        (DONE_ORDERS_KEPT, OLDEST_MS, False),
        (DONE_ORDERS_KEPT, OLDEST_MS + 1, False),
        (DONE_ORDERS_KEPT - 1, OLDEST_MS - 1, False),
        (0, OLDEST_MS - 1, False),
    ],
    ids=["before all", "with the oldest", "after the oldest", "with room for more orders", "with no order"],
)
def test_trade_is_long_ago_if_a_full_memory_holds_no_order_from_before_it(
    count: int, at_ms: int, *, is_old: bool
) -> None:
    assert is_long_ago(log_with(*remembered(count)), at_ms) is is_old


def test_open_order_from_long_ago_makes_no_forgotten_trade_news() -> None:
    old = replace(order_of(LAST, "x"), requested_ms=0)

    assert is_long_ago(log_with(old, *remembered(DONE_ORDERS_KEPT)), OLDEST_MS - 1)
