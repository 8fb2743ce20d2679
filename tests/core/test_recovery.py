"""A bot in recovery: nothing leaves, order numbers jump, and orders of a lost end come into the books as they are."""

import pytest
from msgspec.structs import replace

from engine.core.effects import outstanding
from engine.core.events import (
    OrderCanceled,
    OrderCancelRequested,
    OrderRequested,
    PurchaseRecorded,
    RecoveryConfirmed,
    SaleRecorded,
)
from engine.core.identity import client_order_id, parse_client_order_id
from engine.core.reducers import apply
from engine.core.state import Order
from engine.exchanges.port import Fill, OrderReport
from engine.runtime.recovery_exchange import price_of
from engine.runtime.recovery_log import MARGIN, next_number
from engine.runtime.recovery_report import BotReport
from tests.core.recoveries import JUMP, D, adopted, fill, started
from tests.kernel import LOG_ID, START_MS, Kernel, bought, of, one, tags


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


def test_buy_trail_fires_only_once_an_operator_has_confirmed_the_recovery() -> None:
    kernel = Kernel(buy_order_type="trailing_market", trailing_buy_percent="0.5")
    kernel.prices(50_000, 48_000)
    kernel.observe(started())
    assert kernel.price(48_240) == []
    kernel.observe(RecoveryConfirmed("me"))
    assert "purchase_recorded" in tags(kernel.price(48_240))


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


@pytest.mark.parametrize("price", ["0.0000000012", "50000"])
def test_price_of_an_adopted_market_order_is_one_that_it_traded_at(price: str) -> None:
    event = adopted(7, "buy", "3", kind="market", limit_price=None, seen_price=D(0))
    fills = tuple(Fill(f"t{n}", D(price) * n, D(1), D(0), "USD", D(0), "taker") for n in (1, 3, 2))
    report = OrderReport(event.client_order_id, event.exchange_order_id, "filled", D(3), fills)
    assert price_of(event, report) == D(price) * 3, "the highest: what is reserved by it is enough"
    assert price_of(event, replace(report, fills=())) == 0
    limit = replace(event, kind="limit", limit_price=D(price))
    assert price_of(limit, report) == D(price)


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
