"""A bot in recovery: nothing leaves, order numbers jump, and orders of a lost end come into the books as they are."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.effects import outstanding
from engine.core.events import (
    BotEvent,
    DustRecorded,
    KillSwitchEngaged,
    LimitReached,
    OrderAdopted,
    OrderCanceled,
    OrderCancelRequested,
    OrderFilled,
    OrderRequested,
    PurchaseRecorded,
    RecoveryConfirmed,
    RecoveryStarted,
    SaleRecorded,
    StopLossTriggered,
    TrailingReset,
    TrailingStarted,
)
from engine.core.identity import client_order_id, parse_client_order_id
from engine.core.lots import free_dust
from engine.core.reducers import apply
from engine.core.state import ENTRY, BotState, Lot, Order
from engine.runtime.recovery_exchange import lot_of
from engine.runtime.recovery_log import MARGIN, next_number
from engine.runtime.recovery_report import BotReport
from tests.core.books import audit
from tests.core.test_properties import folded
from tests.core.walks import LIVES, Life, lived, moved
from tests.kernel import LOG_ID, START_MS, Kernel, bought, of, one, tags, trade

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


@pytest.mark.spec("while a recovery is not confirmed nothing is sent and nothing cancelled", section="Recovery")
def test_bot_in_recovery_owes_no_order_and_no_cancellation() -> None:
    kernel = bought(sell_order_type="limit")
    (sell,) = kernel.state.orders.values()
    asked = apply(kernel.state, OrderCancelRequested(sell.client_order_id, "test"), START_MS)
    assert [effect.action for effect in outstanding(asked)] == ["cancel"]
    assert outstanding(apply(asked, started(), START_MS)) == ()
    unsent = replace(kernel.state, orders={sell.client_order_id: replace(sell, status="requested")})
    assert [effect.action for effect in outstanding(unsent)] == ["send"]
    assert outstanding(apply(unsent, started(), START_MS)) == ()


def test_bot_in_recovery_decides_neither_purchase_nor_sale() -> None:
    kernel = Kernel(sell_order_type="limit")
    kernel.observe(started())
    assert tags(kernel.price(50_000)) == []
    assert kernel.state.orders == {}
    kernel.observe(RecoveryConfirmed("me"))
    assert "order_requested" in tags(kernel.price(50_100))


@pytest.mark.spec("order numbers go on beyond all that a lost end can have used", section="Recovery")
def test_numbers_go_on_behind_the_jump_and_those_between_are_remembered() -> None:
    kernel = bought()
    last = kernel.state.order_number
    kernel.observe(started())
    assert list(kernel.state.skipped) == [(last + 1, JUMP)]
    assert [kernel.state.is_lost(number) for number in (last, last + 1, JUMP, JUMP + 1)] == [False, True, True, False]
    kernel.observe(RecoveryConfirmed("me", order_number=JUMP + 7))
    assert list(kernel.state.skipped) == [(last + 1, JUMP), (JUMP + 1, JUMP + 7)]
    kernel.votes(yes=True)
    request = of(kernel.price(51_000), OrderRequested)[0]
    assert request.number == JUMP + 8
    assert parse_client_order_id(request.client_order_id) == (LOG_ID, JUMP + 8)


def test_jump_grows_with_time_and_with_the_numbers_used() -> None:
    now_ms = 1_764_000_000_000
    assert next_number(3, now_ms) == 1_764_000_000
    assert next_number(next_number(3, now_ms), now_ms) == 1_764_000_000 + MARGIN
    assert next_number(3, 0) == 3 + MARGIN
    again = next_number(1_764_000_005, now_ms + 60_000)  # and this recovery is lost in its turn
    assert 1_764_000_005 < again < next_number(1_764_000_005, now_ms + 120_000)
    assert next_number(3, 10 * now_ms) < 32**7
    behind = [next_number(now_ms, now_ms + 1_000 * second) for second in range(3)]  # the clock is behind the numbers
    assert len(set(behind)) == 3
    assert min(behind) >= now_ms + MARGIN


def test_second_recovery_looks_for_what_the_first_did_not_find() -> None:
    kernel = bought()
    kernel.observe(started(kept_ms=START_MS - 900, written_ms=START_MS + 100))
    kernel.observe(started(kept_ms=START_MS + 5_000, written_ms=START_MS + 50, order_number=JUMP + 1))
    recovery = kernel.state.recovery
    assert recovery is not None
    assert (recovery.kept_ms, recovery.written_ms) == (START_MS - 900, START_MS + 100)


def test_adopted_buy_opens_its_lot_with_its_trades_and_gets_a_target() -> None:
    kernel = Kernel(sell_order_type="limit")
    kernel.price(50_000, settled=False)
    kernel.crash()
    kernel.observe(started())
    events = kernel.observe(adopted(7, "buy", "0.002", reserved=D("100.1")), fill(7, "0.002"))
    assert one(events, PurchaseRecorded).lot == 7
    lot = kernel.state.lots[7]
    assert (lot.quantity, lot.cost, lot.sell_order) == (D("0.002"), D("100.1"), None)
    assert lot.target is not None
    assert kernel.state.adopted == (7,)
    assert not kernel.state.is_lost(7)


@pytest.mark.parametrize(("placed_ms", "since_ms"), [(None, START_MS), (START_MS - 7_000, START_MS - 7_000)])
def test_adopted_order_stands_in_the_books_as_it_stands_at_the_exchange(placed_ms: int | None, since_ms: int) -> None:
    kernel = Kernel()
    terms = {"limit_price": D(49_000), "reserved": D("98.1"), "timeout_ms": 600_000, "placed_ms": placed_ms}
    kernel.observe(started())
    kernel.state = apply(kernel.state, adopted(7, "buy", "0.002", **terms), START_MS)
    assert kernel.state.orders == {
        client_order_id(LOG_ID, 7): Order(
            client_order_id=client_order_id(LOG_ID, 7),
            number=7,
            side="buy",
            kind="limit",
            quantity=D("0.002"),
            purpose="adopted",
            seen_price=D(50_000),
            requested_ms=since_ms,
            limit_price=D(49_000),
            reserved=D("98.1"),
            timeout_ms=600_000,
            status="open",
            exchange_order_id="x7",
            sent_ms=placed_ms,
            accepted_ms=since_ms,
        )
    }


def test_adopted_resting_buy_holds_its_money_back() -> None:
    kernel = Kernel()
    kernel.observe(started(), adopted(7, "buy", "0.002", reserved=D("100.1"), timeout_ms=600_000))
    assert kernel.state.reserved == D("100.1")
    assert kernel.state.open_buy is not None


def test_adopted_sell_takes_its_lot_and_closes_it() -> None:
    kernel = bought(sell_order_type="limit")
    (lot,) = kernel.state.lots.values()
    (sell,) = kernel.state.orders.values()
    state = replace(kernel.state, orders={}, lots={lot.number: replace(lot, sell_order=None)})
    kernel.state = apply(state, started(), START_MS)
    assert sell.limit_price is not None
    sold = adopted(9, "sell", str(sell.quantity), lot=lot.number, limit_price=sell.limit_price)
    kernel.observe(sold)
    assert kernel.state.lots[lot.number].sell_order == sold.client_order_id
    events = kernel.observe(fill(9, str(sell.quantity), str(sell.limit_price)))
    assert one(events, SaleRecorded).closed
    assert kernel.state.lots == {}


def test_adopted_sell_of_no_lot_that_the_exchange_ends_holds_no_lot_back() -> None:
    kernel = bought()
    (lot,) = kernel.state.lots.values()
    sold = adopted(9, "sell", "0.002")
    kernel.observe(started(), sold, OrderCanceled(sold.client_order_id, D(0)))
    assert kernel.order(9).status == "canceled"
    assert kernel.state.lots == {lot.number: lot}


def test_adopted_sell_of_no_lot_that_trades_forgives_no_lot_its_refusals() -> None:
    kernel = bought()
    (lot,) = kernel.state.lots.values()
    kernel.state = replace(kernel.state, lots={lot.number: replace(lot, rejections=2)})
    kernel.observe(started(), adopted(9, "sell", "0.002"), fill(9, "0.001"))
    assert kernel.state.lots[lot.number].rejections == 2


def test_order_that_is_adopted_twice_is_in_the_books_once() -> None:
    kernel = Kernel()
    kernel.observe(started(), adopted(7, "buy", "0.002"))
    before = kernel.state
    kernel.observe(adopted(7, "buy", "0.003"))
    assert kernel.state == before


def test_number_beyond_the_jump_moves_the_numbers_on() -> None:
    kernel = Kernel()
    kernel.observe(started(), adopted(JUMP + 3, "buy", "0.002"))
    assert kernel.state.order_number == JUMP + 3


@pytest.mark.parametrize(
    ("later", "expected"),
    [pytest.param((), ("x9",), id="none"), pytest.param(("x11", "x9"), ("x9", "x11"), id="one-more")],
)
def test_orders_that_an_operator_confirmed_are_remembered_over_further_recoveries(
    later: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    kernel = Kernel()
    kernel.observe(started(), RecoveryConfirmed("me", unmatched=("Order 9: no lot",), accepted=("x9",)))
    kernel.observe(started(order_number=JUMP + 10), RecoveryConfirmed("me", accepted=later))
    assert kernel.state.accepted == expected


@pytest.mark.parametrize(("balance", "short"), [("0.005", "0"), ("0.003", "0.002"), ("0.006", "-0.001"), (None, "0")])
def test_account_is_short_by_what_all_its_bots_hold(balance: str | None, short: str) -> None:
    report = BotReport(
        bot_id="bot",
        config=Kernel().config,
        reason="its end is gone",
        kept_ms=START_MS,
        kept=10,
        witness=12,
        held_before=D(0),
        held_after=D("0.002"),
        open_lots=1,
        others_hold=D("0.003"),
        balance=None if balance is None else D(balance),
    )
    assert report.short == D(short)
    assert report.lost == 2


# --- which lot a sell sells ------------------------------------------------------------------------------------------


def with_lots(*lots: tuple[int, str, str], dust: str = "0") -> Kernel:
    """Give a bot with open lots: number, quantity and target."""
    kernel = bought()
    (pattern,) = kernel.state.lots.values()
    made = {
        number: replace(pattern, number=number, quantity=D(quantity), target=D(target), sell_order=None)
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


def test_recovery_records_a_late_sale_of_a_lot_that_is_for_sale_again() -> None:
    kernel = bought(sell_order_type="limit")
    (first,) = kernel.state.orders.values()
    kernel.observe(OrderCanceled(first.client_order_id, D(0)))
    kernel.price(50_010)
    assert kernel.lot.sell_order not in {None, first.client_order_id}
    kernel.state = apply(kernel.state, trade(first.client_order_id, "late", 51_000, "0.0005"), kernel.now_ms)
    sale = one(kernel.observe(started()), SaleRecorded)
    assert (sale.client_order_id, sale.quantity) == (first.client_order_id, D("0.0005"))


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


# --- what an engine with other rules left half decided ---------------------------------------------------------------


@pytest.mark.spec("what newer rules did not decide to its end is settled when a recovery begins", section="Recovery")
@given(LIVES, st.data())
def test_log_of_any_life_that_broke_off_inside_a_decision_goes_on_under_other_rules(
    life: Life, data: st.DataObject
) -> None:
    kernel = lived(life)
    cuts = [(place, kept) for place, moment in enumerate(kernel.history) for kept in range(len(moment.decided))]
    assume(cuts)
    place, kept = data.draw(st.sampled_from(cuts))
    half = replace(kernel.history[place], decided=kernel.history[place].decided[:kept])
    kernel.state = folded([*kernel.history[:place], half])
    kernel.history[place:] = [half]
    kernel.observe(started(order_number=kernel.state.order_number))
    kernel.crash()
    kernel.observe(RecoveryConfirmed("me"))
    kernel.command("resume")
    kernel.check(reachable=True)
    _is_whole(kernel)
    for hundredths in (60, -60, 120, 120, -120, 30, -30):
        kernel.price(moved(kernel, hundredths))
        _is_whole(kernel)
    audit(kernel)


def _is_whole(kernel: Kernel) -> None:
    """Hold a bot that came to rest against what nothing but a decision of its own could mend."""
    state = kernel.state
    assert all(
        lot.status == "open" and lot.target is not None for lot in state.lots.values() if not _is_bought(state, lot)
    )
    assert all(order.recorded.filled == order.filled for order in state.done_orders.values() if order.side == "sell")
    assert set(state.trails) <= {ENTRY, *state.lots}
    assert ENTRY not in state.trails or state.trails[ENTRY].status != "triggered" or state.open_buy is not None


def _is_bought(state: BotState, lot: Lot) -> bool:
    return any(order.side == "buy" and order.number == lot.number for order in state.orders.values())


@pytest.mark.parametrize("after_s", [0, 1])
def test_recovery_makes_no_sale_of_what_was_sold_before_its_lot_came_back(after_s: int) -> None:
    kernel = bought(sell_order_type="market", profit_target=D(1))
    kernel.price(51_000)
    (sell,) = (order for order in kernel.state.done_orders.values() if order.side == "sell")
    (buy,) = (order for order in kernel.state.done_orders.values() if order.side == "buy")
    assert not kernel.state.lots
    kernel.observe(trade(sell.client_order_id, "late", 51_000, "0.0005"))
    kernel.wait(after_s)
    kernel.observe(trade(buy.client_order_id, "late", 50_000, "0.001"))
    assert kernel.lot.quantity == D("0.001")
    profit = kernel.state.stats.total_profit
    assert tags(kernel.observe(started())) == ["recovery_started"]
    assert kernel.state.stats.total_profit == profit


@pytest.mark.parametrize(("order_type", "is_spared"), [("market", True), ("limit", False)])
def test_recovery_spares_the_market_sell_of_a_lot_that_must_go_and_no_other(order_type: str, is_spared: bool) -> None:
    kernel = bought(sell_order_type=order_type, risk={"stop_loss_percent": 1})
    if is_spared:
        kernel.price(49_000, settled=False)
    else:
        kernel.state = apply(kernel.state, StopLossTriggered(1, D(49_000), D(49_500), D(1)), kernel.now_ms)
    (sell,) = kernel.state.orders.values()
    assert kernel.state.is_leaving(kernel.lot)
    events = kernel.observe(started())
    assert [each.client_order_id for each in of(events, OrderCancelRequested)] == [sell.client_order_id] * (
        not is_spared
    )


@pytest.mark.parametrize(
    "reached",
    [
        KillSwitchEngaged("stop_entries", "command", "asked for", {}),
        LimitReached("max_daily_loss_percent", "too much", START_MS + 86_400_000, {}),
    ],
    ids=["kill switch", "day's loss"],
)
def test_recovery_stops_the_entry_that_a_switch_or_a_limit_forbids(reached: BotEvent) -> None:
    kernel = Kernel(buy_order_type="trailing_market")
    kernel.price(50_000)
    assert ENTRY in kernel.state.trails
    kernel.state = apply(kernel.state, reached, kernel.now_ms)
    assert tags(kernel.observe(started())) == ["recovery_started", "trailing_reset"]
    assert ENTRY not in kernel.state.trails


def test_recovery_ends_the_trail_of_a_lot_that_is_gone() -> None:
    kernel = bought(sell_order_type="trailing_market")
    number = kernel.lot.number
    assert set(kernel.state.trails) == {number}
    kernel.state = apply(kernel.state, DustRecorded(number, kernel.lot.quantity, kernel.lot.cost), kernel.now_ms)
    assert tags(kernel.observe(started())) == ["recovery_started", "trailing_reset"]
    assert not kernel.state.trails
