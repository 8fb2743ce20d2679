"""How answers of an exchange become observations: each outcome as itself, and nothing twice."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from engine.core.events import (
    BotEvent,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderOutcomeUnknown,
    OrderRejected,
)
from engine.core.reducers.orders import NOT_SENT
from engine.core.state import Order
from engine.exchanges.port import Accepted, Fill, NotSent, OrderReport, Outcome, Rejected, Unknown
from engine.runtime.reports import NOT_PLACED, answer_events, outcome_events

D = Decimal
NAME = "k0a1b2c3d4e0000001"
SENT = Order(
    client_order_id=NAME,
    number=1,
    side="buy",
    kind="limit",
    quantity=D("0.002"),
    purpose="entry",
    seen_price=D(50_000),
    requested_ms=1_000,
    status="sent",
    sent_ms=1_000,
    valid_ms=5_000,
)
OPEN = replace(SENT, status="open", exchange_order_id="7")
FILL = Fill("t1", D(50_000), D("0.001"), D("0.05"), "USD", D("0.05"), "taker")
BOOKED = OrderFilled(NAME, "t1", D(50_000), D("0.001"), D("0.05"), "USD", D("0.05"), "taker")


@pytest.mark.parametrize(
    ("outcome", "events"),
    [
        (Accepted("7"), [OrderAccepted(NAME, "7")]),
        (Accepted("7", (FILL,)), [OrderAccepted(NAME, "7"), BOOKED]),
        (Rejected("-2010", "no money"), [OrderRejected(NAME, "-2010", "no money")]),
        (Unknown("timeout"), [OrderOutcomeUnknown(NAME, "timeout")]),
        (NotSent("no network"), [OrderRejected(NAME, NOT_SENT, "no network")]),
    ],
)
def test_outcome_of_a_call_is_recorded_as_what_it_is(outcome: Outcome, events: list[BotEvent]) -> None:
    assert outcome_events(SENT, outcome) == events


@pytest.mark.parametrize(
    ("order", "report", "events"),
    [
        (SENT, Unknown("timeout"), [OrderOutcomeUnknown(NAME, "timeout")]),
        (SENT, None, [OrderOutcomeUnknown(NAME, "the exchange does not know it")]),
        (OPEN, None, [OrderOutcomeUnknown(NAME, "the exchange does not know it")]),
        (
            OPEN,
            OrderReport(NAME, "8", "open", D(0)),
            [OrderOutcomeUnknown(NAME, "the exchange shows another order under its id")],
        ),
        (SENT, OrderReport(NAME, "7", "open", D("0.001"), (FILL,)), [OrderAccepted(NAME, "7"), BOOKED]),
        (replace(SENT, status="requested"), OrderReport(NAME, "7", "open", D(0)), [OrderAccepted(NAME, "7")]),
        (replace(OPEN, exchange_order_id=None), OrderReport(NAME, "7", "open", D(0)), [OrderAccepted(NAME, "7")]),
        (OPEN, OrderReport(NAME, "7", "canceled", D(0)), [OrderCanceled(NAME, D(0))]),
        (OPEN, OrderReport(NAME, "7", "expired", D(0)), [OrderExpired(NAME, D(0))]),
        (OPEN, OrderReport(NAME, "7", "filled", D("0.001"), (FILL,)), [BOOKED]),
        (replace(OPEN, trade_ids=("t1",)), OrderReport(NAME, "7", "open", D("0.001"), (FILL,)), []),
        (OPEN, OrderReport(NAME, "7", "open", D("0.001"), (FILL, FILL)), [BOOKED]),
        (replace(OPEN, status="canceled", final=D(0)), OrderReport(NAME, "7", "canceled", D(0)), []),
        (
            SENT,
            OrderReport(NAME, "7", "filled", D("0.002"), (FILL,), missing="no list"),
            [OrderAccepted(NAME, "7"), OrderOutcomeUnknown(NAME, "no list")],
        ),
        (
            OPEN,
            OrderReport(NAME, "7", "canceled", D("0.001"), missing="no list"),
            [OrderOutcomeUnknown(NAME, "no list")],
        ),
        (
            OPEN,
            OrderReport(NAME, "7", "expired", D("0.001"), missing="no list"),
            [OrderOutcomeUnknown(NAME, "no list")],
        ),
    ],
)
def test_answer_to_a_look_records_what_the_state_does_not_hold(
    order: Order, report: OrderReport | Unknown | None, events: list[BotEvent]
) -> None:
    assert answer_events(order, report) == events


@pytest.mark.parametrize(
    ("asked_ms", "since_ms", "is_proof"), [(16_001, 0, True), (16_000, 0, False), (16_001, 2_000, False)]
)
def test_absence_proves_only_after_window_and_grace_on_a_steady_clock(
    asked_ms: int, since_ms: int, *, is_proof: bool
) -> None:
    (event,) = answer_events(SENT, None, asked_ms=asked_ms, grace_ms=10_000, since_ms=since_ms)
    assert isinstance(event, OrderRejected) is is_proof
    assert not isinstance(event, OrderRejected) or event.proof == NOT_PLACED


def test_absence_says_how_long_after_the_sending_it_was_found() -> None:
    (event,) = answer_events(SENT, None, asked_ms=2_001_000, grace_ms=10_000)
    assert isinstance(event, OrderRejected)
    assert "does not know it 2000 s after it was sent" in event.reason
