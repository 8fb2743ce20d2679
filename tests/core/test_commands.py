"""What an operator may ask for: pause, resume, reset, stop; and what becomes of orders then."""

from decimal import Decimal

import pytest

from engine.core.effects import outstanding
from engine.core.events import (
    CommandReceived,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRequested,
    OrderOutcomeUnknown,
    OrderRequested,
    OrderSent,
    PricesSkipped,
    PurchaseRecorded,
)
from engine.exchanges.paper import PaperSettings
from tests.kernel import Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
HALVES = PaperSettings(fill_fraction=D("0.5"))


# --- pause and resume ------------------------------------------------------------------------------------------------


@SPEC("nothing is sent after a pause: unsent orders are withdrawn", section="The kernel: five pure functions")
def test_pause_withdraws_a_buy_that_was_only_intended() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    events = kernel.command("pause")
    assert tags(events) == ["command_received", "order_cancel_requested"]
    assert one(events, OrderCancelRequested).reason == "paused"
    assert outstanding(kernel.state) == ()
    assert (kernel.state.reserved, kernel.order(1).status) == (D(0), "canceled")


@pytest.mark.parametrize("order_type", ["market", "limit", "trailing_market"])
def test_pause_withdraws_an_unsent_sell_and_the_lot_keeps_its_exit(order_type: str) -> None:
    kernel = bought(50_000, sell_order_type=order_type)
    if order_type == "limit":
        assert kernel.lot.sell_order is not None
        kernel.observe(OrderCanceled(kernel.lot.sell_order, D(0)))
        kernel.price(50_400, settled=False)
    else:
        kernel.price(51_000, settled=order_type == "trailing_market")
        kernel.price(50_800, settled=False)
    events = kernel.command("pause")
    assert one(events, OrderCancelRequested).reason == "paused"
    kernel.price(50_800)
    kernel.command("resume")
    kernel.prices(51_500, 51_200)
    assert kernel.state.stats.winning_trades == 1


def test_pause_leaves_a_resting_order_and_books_its_fill() -> None:
    kernel = bought(50_000)
    kernel.command("pause")
    assert kernel.lot.sell_order is not None
    assert tags(kernel.price(50_700)) == ["order_filled", "sale_recorded"]
    assert kernel.state.stats.winning_trades == 1


def test_purchase_completed_while_paused_gets_its_exit_after_the_resume() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000)
    kernel.votes(yes=False)
    kernel.command("pause")
    events = kernel.price(49_900)
    assert tags(events) == ["order_filled", "purchase_recorded", "sell_target_set"]
    kernel.command("resume")
    assert one(kernel.price(49_950), OrderRequested).side == "sell"


@SPEC("what a paused bot let pass is recorded when it resumes", section="Two kinds of stream in one log")
def test_resume_records_the_prices_that_passed_once() -> None:
    kernel = bought(50_000)
    kernel.command("pause")
    first = kernel.view.price_sequence + 1
    assert kernel.prices(49_000, 48_000, 47_000) == []
    skipped = one(kernel.command("resume"), PricesSkipped)
    assert (skipped.first, skipped.last, skipped.reason) == (first, kernel.view.price_sequence, "paused")
    assert of(kernel.command("resume"), PricesSkipped) == []
    kernel.price(49_900)
    assert of(kernel.command("resume"), PricesSkipped) == [], "nothing passed since"


def test_resume_right_after_a_pause_has_nothing_to_record() -> None:
    kernel = bought(50_000)
    kernel.command("pause")
    assert tags(kernel.command("resume")) == ["command_received"]


def test_bot_that_is_paused_and_failing_follows_prices_when_both_are_over() -> None:
    kernel = bought(50_000)
    kernel.command("pause")
    kernel.check(reachable=False, after_s=60)
    kernel.price(49_000)
    assert of(kernel.command("resume"), PricesSkipped) == []
    kernel.votes(yes=True)
    assert kernel.price(48_000) == []
    assert one(kernel.check(reachable=True), PricesSkipped).reason == "paused"
    assert len(of(kernel.price(48_000), PurchaseRecorded)) == 1


@SPEC("a pause outlasts a restart", section="State Restoration")
def test_pause_outlasts_a_restart() -> None:
    kernel = bought(50_000)
    kernel.command("pause")
    kernel.restart()
    kernel.votes(yes=True)
    assert kernel.price(48_000) == []


# --- stop ------------------------------------------------------------------------------------------------------------


def with_both_resting(on_stop: str) -> Kernel:
    """Give a bot with a sell resting for one lot and a half-filled buy resting for another."""
    kernel = Kernel(buy_order_type="limit", on_stop=on_stop, paper=HALVES)
    kernel.prices(50_000, 49_990, 49_980)
    kernel.prices(49_000, 48_990)
    assert [order.side for order in kernel.state.orders.values()] == ["sell", "buy"]
    return kernel


@SPEC("on_stop says which resting orders a stop cancels", section="Files and interfaces that others may rely on")
@pytest.mark.parametrize(
    ("on_stop", "left"),
    [
        pytest.param("leave", ["sell", "buy"], id="leave"),
        pytest.param("cancel_buys", ["sell"], id="cancel-buys"),
        pytest.param("cancel_all", [], id="cancel-all"),
    ],
)
def test_stop_cancels_what_on_stop_names(on_stop: str, left: list[str]) -> None:
    kernel = with_both_resting(on_stop)
    events = kernel.command("stop")
    assert [order.side for order in kernel.state.orders.values()] == left
    assert {event.reason for event in of(events, OrderCancelRequested)} <= {"stop"}
    assert len(of(events, PurchaseRecorded)) == (0 if "buy" in left else 1), "what had filled of the buy is a lot"
    assert of(events, OrderRequested) == [], "nothing new is asked for"


def test_lots_without_an_exit_after_a_stop_get_one_in_the_next_session() -> None:
    kernel = with_both_resting("cancel_all")
    kernel.restart()
    kernel.votes(yes=False)
    requested = of(kernel.price(48_995), OrderRequested)
    assert sorted(order.lot or 0 for order in requested) == sorted(kernel.state.lots)
    assert {order.side for order in requested} == {"sell"}


def test_stop_takes_back_an_order_that_was_only_intended() -> None:
    kernel = Kernel(on_stop="cancel_buys")
    kernel.price(50_000, settled=False)
    kernel.command("stop")
    assert kernel.state.orders == {}
    assert kernel.state.lots == {}


@SPEC("an order in flight is left sent and resolved at the next start", section="issue: Stopping")
def test_stop_leaves_an_order_in_flight_which_is_asked_about_afterwards() -> None:
    kernel = Kernel(on_stop="cancel_all")
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    assert tags(kernel.observe(CommandReceived("stop", "SIGTERM"))) == ["command_received"]
    assert kernel.state.orders[name].status == "sent"
    assert [effect.action for effect in outstanding(kernel.state)] == ["query"]
    kernel.observe(trade(name, "t", 50_000, "0.002"))
    assert kernel.state.stats.purchase_count == 1


ALL_ON_STOP = pytest.mark.parametrize("on_stop", ["leave", "cancel_buys", "cancel_all"])


@SPEC("on_stop cancels limit orders under way, once they rest", section="Files and interfaces that others may rely on")
@ALL_ON_STOP
@pytest.mark.parametrize("is_unknown", [False, True], ids=["sent", "unknown"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_limit_order_under_way_at_a_stop_is_cancelled_when_it_rests(
    side: str, on_stop: str, *, is_unknown: bool
) -> None:
    kernel = Kernel(buy_order_type="limit" if side == "buy" else "market", on_stop=on_stop)
    kernel.price(50_000, settled=False)
    if side == "sell":
        buy = kernel.order(1)
        kernel.observe(OrderSent(buy.client_order_id, kernel.now_ms, 5_000))
        kernel.observe(trade(buy.client_order_id, "t", 50_000, buy.quantity))
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    if is_unknown:
        kernel.observe(OrderOutcomeUnknown(name, "timed out"))
    told = kernel.observe(CommandReceived("stop", "SIGTERM"))
    is_cancelled = on_stop == "cancel_all" or (on_stop, side) == ("cancel_buys", "buy")
    assert [event.reason for event in of(told, OrderCancelRequested)] == ["stop"] * is_cancelled
    assert [effect.action for effect in outstanding(kernel.state)] == ["query"]
    kernel.observe(OrderAccepted(name, "7"))
    assert [effect.action for effect in outstanding(kernel.state)] == ["cancel"] * is_cancelled


@SPEC("nothing is bought after a stop; what was only intended waits for the next start", section="issue: Stopping")
def test_buy_that_was_only_intended_does_not_leave_after_a_stop_but_in_the_next_session() -> None:
    kernel = Kernel(on_stop="leave")
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.command("stop")
    assert outstanding(kernel.state) == ()
    assert kernel.order(name).status == "requested", "it is neither sent nor lost"
    kernel.restart()
    assert kernel.order(name).status == "filled"


@SPEC("a sell decided before a stop still goes out to rest for its lot", section="issue: Stopping")
def test_sell_that_was_decided_before_a_stop_goes_out_to_rest_unless_on_stop_names_it() -> None:
    for on_stop, actions in (("leave", ["send"]), ("cancel_buys", ["send"]), ("cancel_all", [])):
        kernel = Kernel(sell_order_type="limit", on_stop=on_stop)
        kernel.price(50_000, settled=False)
        buy = kernel.order(1)
        kernel.observe(OrderSent(buy.client_order_id, kernel.now_ms, 5_000))
        kernel.observe(trade(buy.client_order_id, "t", 50_000, buy.quantity))
        assert [order.side for order in kernel.state.orders.values()] == ["sell"]
        kernel.observe(CommandReceived("stop", "SIGTERM"))
        assert [effect.action for effect in outstanding(kernel.state)] == actions


def test_prices_after_a_stop_bring_nothing() -> None:
    kernel = Kernel()
    kernel.command("stop")
    assert kernel.prices(50_000, 49_000) == []
