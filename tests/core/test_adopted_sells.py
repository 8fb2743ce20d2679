"""Which lot a sell of the lost end sold, and which lots were dust to it."""

import pytest
from msgspec.structs import replace

from engine.core.events import (
    DiscrepancyFound,
    DustRecorded,
    OrderCanceled,
    OrderCancelRequested,
    RecoveryConfirmed,
    SaleRecorded,
    TrailingReset,
    TrailingStarted,
)
from engine.core.identity import client_order_id
from engine.core.lots import free_dust
from engine.core.reducers import apply
from engine.runtime.recovery_exchange import lot_of
from tests.core.recoveries import D, adopted, fill, order_of, started, with_lots
from tests.kernel import LOG_ID, of, one, tags


@pytest.mark.parametrize(
    ("lots", "dust", "quantity", "limit", "expected"),
    [
        pytest.param([(1, "0.002", "50600"), (2, "0.002", "51000")], "0", "0.002", "51000", 2, id="its-target"),
        pytest.param([(1, "0.003", "50600"), (2, "0.002", "51000")], "0", "0.002", None, 2, id="quantity"),
        pytest.param([(1, "0.002", "50600"), (2, "0.002", "51000")], "0", "0.002", None, 1, id="oldest"),
        pytest.param([(1, "0.003", "50600"), (2, "0.004", "51000")], "0", "0.002", "1", 1, id="part"),
        pytest.param([(1, "0.001", "50600"), (2, "0.004", "51000")], "0", "0.002", "1", 2, id="part-of-the-second"),
        pytest.param([(1, "0.004", "50600"), (2, "0.003", "51000")], "0", "0.002", "1", 2, id="part-of-the-smallest"),
        pytest.param([(1, "0.0019", "50600")], "0.0001", "0.002", "50600", 1, id="with-dust"),
        pytest.param([(1, "0.00199871", "50600")], "0", "0.00199", "50600", 1, id="rounded-to-the-step"),
        pytest.param([(1, "0.001", "50600"), (2, "0.001", "50600")], "0", "0.002", "50600", None, id="too-much"),
        pytest.param([(1, "0.0016", "50600"), (2, "0.0004", "50600")], "0", "0.002", "1", 1, id="with-what-was-dust"),
        pytest.param([(1, "0.0001", "1"), (2, "0.0015", "1")], "0.000405", "0.002", "1", 2, id="with-dust-and-such"),
        pytest.param([(1, "0.0016", "50600"), (2, "0.0005", "50600")], "0", "0.002", "1", None, id="not-so-much"),
        pytest.param([(1, "0.0016", "9"), (2, "0.0003", "9"), (3, "0.0004", "9")], "0", "0.002", "1", 1, id="not-all"),
        pytest.param([(1, "0.0016", "9"), (2, "0.0004", "9"), (3, "0.0030", "8")], "0", "0.002", "9", 1, id="target"),
        pytest.param([(1, "0.0016", "9"), (2, "0.0004", "9"), (3, "0.0030", "8")], "0", "0.002", "1", 3, id="a-larger"),
        pytest.param([(1, "0.0016", "50600"), (9, "0.0004", "50600")], "0", "0.002", "1", None, id="with-a-later-one"),
        pytest.param([(1, "0.00202797", "1")], "0.00000193", "0.00203", "1", 1, id="less-than-a-step-short"),
        pytest.param([(1, "0.00202", "1")], "0", "0.00203", "1", None, id="a-step-short"),
        pytest.param([(9, "0.002", "50600")], "0", "0.002", "50600", None, id="bought-later"),
        pytest.param([], "0", "0.002", "50600", None, id="none"),
    ],
)
def test_lot_of_an_adopted_sell(
    lots: list[tuple[int, str, str]], dust: str, quantity: str, limit: str | None, expected: int | None
) -> None:
    kernel = with_lots(*lots, dust=dust)
    assert kernel.view.rules is not None
    rules = replace(kernel.view.rules, quantity_step=D("0.00001"))
    event = adopted(8, "sell", quantity, limit_price=None if limit is None else D(limit))
    assert lot_of(kernel.state, order_of(kernel, event), rules) == expected


def test_sells_of_a_lot_whose_sales_were_told_late_are_all_booked_on_it() -> None:
    """Hold what seed 13927 showed: they were listed, and what the lot was held to have left was sold once more."""
    kernel = with_lots((1, "0.00206793", "48440.02"))
    assert kernel.view.rules is not None
    rules = replace(kernel.view.rules, quantity_step=D("0.00001"))
    kernel.observe(started())
    told = []
    for number, traded in ((2, "0.00103"), (3, "0.0002"), (4, "0.00203")):
        sell = adopted(number + 6, "sell", "0.00206", limit_price=D("48440.02"))
        lot = lot_of(kernel.state, order_of(kernel, sell), rules)
        assert lot == 1
        told += kernel.observe(
            replace(sell, lot=lot),
            fill(number + 6, traded),
            OrderCanceled(client_order_id(LOG_ID, number + 6), D(traded)),
        )
    assert sum(sale.quantity for sale in of(told, SaleRecorded)) == D("0.00326")
    assert one(told, DiscrepancyFound).actual == "0.00119207 more sold"
    assert not kernel.state.lots
    assert kernel.state.position == 0


def test_sell_goes_to_a_larger_lot_before_one_that_held_as_much_once() -> None:
    kernel = with_lots((1, "0.003", "51000"), (2, "0.002", "50600"))
    part = replace(kernel.state.lots[2], quantity=D("0.0012"))
    kernel.state = replace(kernel.state, lots={**kernel.state.lots, 2: part})
    assert kernel.view.rules is not None
    sell = adopted(8, "sell", "0.002", limit_price=D(50_600))
    assert lot_of(kernel.state, order_of(kernel, sell), kernel.view.rules) == 1
    kernel.state = replace(kernel.state, lots={2: part})
    assert lot_of(kernel.state, order_of(kernel, sell), kernel.view.rules) == 2
    other = adopted(8, "sell", "0.002", limit_price=D(50_700))
    assert lot_of(kernel.state, order_of(kernel, other), kernel.view.rules) is None


@pytest.mark.parametrize(("held", "is_too_much"), [("0.0012", True), ("0.002", False)])
def test_adopted_sell_that_rests_for_more_than_its_lot_holds_is_taken_off_once_confirmed(
    held: str, *, is_too_much: bool
) -> None:
    kernel = with_lots((2, "0.002", "50600"))
    kernel.state = replace(kernel.state, lots={2: replace(kernel.state.lots[2], quantity=D(held))})
    sell = adopted(8, "sell", "0.002", lot=2, limit_price=D(50_600))
    assert not of(kernel.observe(started(), sell), OrderCancelRequested)
    asked = of(kernel.observe(RecoveryConfirmed("me")), OrderCancelRequested)
    assert asked == [OrderCancelRequested(sell.client_order_id, "superseded")] * is_too_much


def test_adopted_sell_takes_the_lots_that_were_dust_to_the_lost_end_and_nothing_is_left_to_sell_again() -> None:
    kernel = with_lots((1, "0.0016", "50600"), (2, "0.0004", "50600"), (3, "0.0030", "51000"))
    kernel.state = apply(kernel.state, TrailingStarted(2, "up", D(50_600), D("0.5"), None), kernel.now_ms)
    held, rules = kernel.state.position, kernel.view.rules
    sell = adopted(8, "sell", "0.002", limit_price=D(50_600))
    assert rules is not None
    sell = replace(sell, lot=lot_of(kernel.state, order_of(kernel, sell), rules))
    events = kernel.observe(started(), sell, fill(8, "0.002"))
    assert [event.lot for event in of(events, DustRecorded)] == [2]
    assert one(events, TrailingReset).reason == "dust"
    assert (one(events, SaleRecorded).quantity, one(events, SaleRecorded).dust_quantity) == (D("0.002"), D("0.0004"))
    assert kernel.state.position + kernel.state.dust.quantity == held - D("0.002")
    assert list(kernel.state.lots) == [3]


def test_recovery_sets_aside_what_one_before_it_did_not_come_to() -> None:
    kernel = with_lots((1, "0.0016", "50600"), (2, "0.0004", "50600"))
    kernel.state = apply(kernel.state, adopted(8, "sell", "0.002", lot=1), kernel.now_ms)
    assert [event.lot for event in of(kernel.observe(started()), DustRecorded)] == [2]
    assert tags(kernel.observe(adopted(8, "sell", "0.002", lot=1))) == ["order_adopted"]
    kernel.observe(fill(8, "0.002"))
    assert tags(kernel.observe(adopted(8, "sell", "0.002", lot=1))) == ["order_adopted"]
    assert kernel.state.position + kernel.state.dust.quantity == 0


def test_adopted_sell_that_rests_claims_the_dust_it_sells() -> None:
    kernel = with_lots((1, "0.0019", "50600"), (2, "0.0030", "50600"), dust="0.0001")
    kernel.observe(started(), adopted(8, "sell", "0.002", lot=1))
    assert free_dust(kernel.state) == 0
    assert list(kernel.state.lots) == [1, 2]


def test_lot_that_was_dust_is_found_among_many_that_were_not() -> None:
    many = [(number, "0.0015", "8") for number in range(1, 21)]
    kernel = with_lots(*many, (21, "0.0016", "9"), (22, "0.0004", "9"))
    rules = kernel.view.rules
    assert rules is not None
    assert lot_of(kernel.state, order_of(kernel, adopted(30, "sell", "0.002", limit_price=D(9))), rules) == 21


def test_lot_that_has_a_sell_of_its_own_is_not_sold_by_another() -> None:
    kernel = with_lots((1, "0.002", "50600"), (2, "0.002", "50600"))
    busy = replace(kernel.state.lots[1], sell_order="another")
    kernel.state = replace(kernel.state, lots={**kernel.state.lots, 1: busy})
    assert kernel.view.rules is not None
    assert lot_of(kernel.state, order_of(kernel, adopted(8, "sell", "0.002")), kernel.view.rules) == 2


def test_adopted_sells_of_two_lots_each_find_one_although_late_trades_had_added_to_one() -> None:
    """Hold what a world showed: the first took the larger lot, and none was left for the second."""
    kernel = with_lots((5, "0.00176823", "51207"), (6, "0.00106893", "50999"), dust="0.0000012")
    assert kernel.view.rules is not None
    rules = replace(kernel.view.rules, quantity_step=D("0.00001"))
    found = []
    for number, quantity in ((8, "0.00098"), (9, "0.00176")):
        lot = lot_of(kernel.state, order_of(kernel, adopted(number, "sell", quantity)), rules)
        assert lot is not None
        left = replace(kernel.state.lots[lot], quantity=kernel.state.lots[lot].quantity - D(quantity))
        kernel.state = replace(kernel.state, lots={**kernel.state.lots, lot: left})
        found.append(lot)
    assert found == [6, 5]
