"""Whose an order is, by one log's state: its own, another copy's, or one that it may well have forgotten."""

import pytest
from msgspec.structs import replace

from engine.core.state import BotState, Order
from engine.runtime.ownership import is_forgotten, is_of_the_log
from tests.kernel import Kernel
from tests.runtime.test_reports import OPEN

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


@pytest.mark.parametrize(
    ("forgotten_ms", "at_ms", "is_old"),
    [(1_000, 999, True), (1_000, 1_000, True), (1_000, 1_001, False), (0, 1, False)],
    ids=["before the end", "at the end", "after the end", "nothing was forgotten"],
)
def test_order_is_forgotten_if_one_that_ended_no_earlier_than_it_traded_was(
    forgotten_ms: int, at_ms: int, *, is_old: bool
) -> None:
    assert is_forgotten(log_with(forgotten_ms=forgotten_ms), name_of(1), at_ms) is is_old


def test_order_that_is_held_is_not_forgotten_however_old() -> None:
    state = log_with(order_of(1, None, "rejected"), forgotten_ms=1_000)

    assert not is_forgotten(state, name_of(1), 1)
