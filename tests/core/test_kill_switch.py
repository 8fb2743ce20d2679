"""The kill switch: what stops, what is sold, what a pause or a restart does to it, and how it is released."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.decider.entries import assess_entry
from engine.core.effects import outstanding
from engine.core.events import (
    CommandReceived,
    DustRecorded,
    KillSwitchEngaged,
    KillSwitchReleased,
    OrderCanceled,
    OrderCancelRequested,
    OrderRequested,
    OrderSent,
    PricesSkipped,
    PurchaseRecorded,
    RateLimited,
    SaleRecorded,
    TrailingReset,
)
from engine.core.strategy import Hold
from engine.exchanges.paper import PaperSettings
from tests.kernel import RULES, Kernel, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
TYPES = ["market", "limit", "trailing_market", "trailing_limit"]


def with_lots(order_type: str, **changes: Any) -> Kernel:
    """Give a bot with three open lots."""
    kernel = Kernel(sell_order_type=order_type, smart_indicator_checks=False, **changes)
    kernel.prices(50_000, 49_500, 49_000)
    kernel.votes(yes=False)
    assert len(kernel.state.lots) == 3
    return kernel


# --- kill ------------------------------------------------------------------------------------------------------------


@SPEC("kill stops entries and lots are still sold", section="Risk")
@pytest.mark.parametrize("order_type", TYPES)
def test_killed_bot_buys_nothing_and_sells_as_before(order_type: str) -> None:
    kernel = bought(50_000, sell_order_type=order_type)
    engaged = one(kernel.command("kill"), KillSwitchEngaged)
    assert (engaged.action, engaged.reason) == ("stop_entries", "command")
    kernel.votes(yes=True)
    assert tags(kernel.price(48_000)) == []
    kernel.prices(51_000, 50_800)
    kernel.price(51_000, after_s=30)
    assert (kernel.state.stats.winning_trades, kernel.state.stats.purchase_count) == (1, 1)


@SPEC("kill takes buys back: what rests is cancelled, what was intended withdrawn, a trail dropped", section="Risk")
def test_kill_ends_a_buy_that_rests_and_what_had_filled_is_a_lot() -> None:
    kernel = Kernel(buy_order_type="limit", paper=PaperSettings(fill_fraction=D("0.5")))
    kernel.prices(50_000, 49_990)
    events = kernel.command("kill")
    assert one(events, OrderCancelRequested).reason == "kill_switch"
    assert one(events, PurchaseRecorded).quantity == D("0.001")
    assert [order.side for order in kernel.state.orders.values()] == ["sell"], "the lot has its exit"


def test_kill_withdraws_a_buy_that_was_only_intended() -> None:
    kernel = Kernel()
    kernel.price(50_000, settled=False)
    kernel.command("kill")
    assert (kernel.state.orders, kernel.state.lots, kernel.state.reserved) == ({}, {}, D(0))


def test_kill_drops_a_buy_trail() -> None:
    kernel = Kernel(buy_order_type="trailing_market")
    kernel.price(50_000)
    assert one(kernel.command("kill"), TrailingReset).reason == "kill_switch"
    assert kernel.prices(49_000, 49_500) == []


def test_kill_of_a_limit_buy_in_flight_cancels_it_once_it_is_known() -> None:
    kernel = Kernel(buy_order_type="limit")
    kernel.price(50_000, settled=False)
    (name,) = kernel.state.orders
    kernel.observe(OrderSent(name, kernel.now_ms, 5_000))
    kernel.command("kill")
    assert kernel.state.orders == {}
    assert kernel.order(name).status == "canceled"


def test_kill_twice_or_after_flatten_changes_nothing() -> None:
    kernel = bought(50_000)
    kernel.command("kill")
    assert tags(kernel.command("kill")) == ["command_received"]
    kernel.command("flatten")
    assert tags(kernel.command("kill")) == ["command_received"]
    assert kernel.state.guard.kill is not None
    assert kernel.state.guard.kill.action == "flatten"


# --- flatten ---------------------------------------------------------------------------------------------------------


@SPEC("flatten sells every lot at market at once, and nothing is bought", section="Risk")
@pytest.mark.parametrize("order_type", TYPES)
def test_flatten_sells_every_lot_at_the_last_price_without_waiting_for_another(order_type: str) -> None:
    kernel = with_lots(order_type)
    events = kernel.command("flatten")
    assert [sale.price for sale in of(events, SaleRecorded)] == [49_000] * 3
    assert {order.purpose for order in of(events, OrderRequested)} == {"kill_switch"}
    assert (kernel.state.lots, kernel.state.orders, kernel.state.trails) == ({}, {}, {})
    kernel.votes(yes=True)
    assert kernel.prices(48_000, 47_000) == []


@SPEC("a resting sell is cancelled first, and the market sell goes for what is left", section="Risk")
def test_flatten_waits_for_each_resting_sell_to_end() -> None:
    kernel = bought(50_000)
    resting = kernel.lot.sell_order
    assert resting is not None
    events = kernel.observe(CommandReceived("flatten", "operator"))
    assert tags(events) == ["command_received", "kill_switch_engaged", "order_cancel_requested"]
    assert [effect.action for effect in outstanding(kernel.state)] == ["cancel"]
    kernel.observe(trade(resting, "late", "50601.11", "0.0004"))
    events = kernel.observe(OrderCanceled(resting, D("0.0004")))
    assert one(events, OrderRequested).quantity == D("0.0016")


@SPEC("what a cancelled buy had filled is sold, too", section="Risk")
def test_flatten_sells_what_a_buy_had_filled() -> None:
    kernel = Kernel(buy_order_type="limit", paper=PaperSettings(fill_fraction=D("0.5")))
    kernel.prices(50_000, 49_990)
    events = kernel.command("flatten")
    assert one(events, PurchaseRecorded).quantity == D("0.001")
    assert one(events, OrderRequested).purpose == "kill_switch"
    assert kernel.state.lots == {}


@SPEC("dust that no sale can take stays", section="Risk")
def test_flatten_leaves_dust_that_is_too_small() -> None:
    kernel = bought(50_000, paper=PaperSettings(fee_asset="base"))
    kernel.command("flatten")
    assert kernel.state.lots == {}
    assert D(0) < kernel.state.dust.quantity < D("0.00001")


def test_flatten_of_a_lot_too_small_at_the_price_makes_it_dust_with_its_sell_withdrawn() -> None:
    kernel = Kernel(sell_order_type="limit", rules=replace(RULES, min_notional=D(99)))
    kernel.price(50_000, settled=False)
    (buy,) = kernel.state.orders
    kernel.observe(trade(buy, "t1", 50_000, kernel.order(buy).quantity))
    sell = kernel.lot.sell_order
    assert sell is not None
    kernel.votes(yes=False)
    kernel.price(49_000, settled=False)
    told = kernel.observe(CommandReceived("flatten", "operator", seen=kernel.view.sequence, seen_ms=kernel.now_ms))
    assert one(told, OrderCancelRequested).client_order_id == sell
    assert one(told, DustRecorded).lot == 1
    assert (kernel.state.lots, kernel.state.orders) == ({}, {})


@SPEC("flatten ends a pause: what must be sold is sold", section="Risk")
@pytest.mark.parametrize("order_type", TYPES)
def test_flatten_of_a_paused_bot_sells_at_once(order_type: str) -> None:
    kernel = with_lots(order_type)
    kernel.command("pause")
    kernel.prices(48_000, 47_000)
    events = kernel.command("flatten")
    assert one(events, PricesSkipped).reason == "paused"
    assert (kernel.state.lots, kernel.state.paused) == ({}, False)
    kernel.votes(yes=True)
    assert kernel.prices(40_000, 41_000) == []


@SPEC("a pause lets nothing happen, a flattening neither", section="Risk")
def test_pause_after_flatten_holds_the_sells_back_until_it_ends() -> None:
    kernel = with_lots("market")
    kernel.observe(CommandReceived("flatten", "operator"))
    kernel.command("pause")
    assert len(kernel.state.lots) == 3
    assert tags(kernel.prices(48_000, 47_000), only="order") == []
    kernel.command("resume")
    kernel.price(46_000)
    assert kernel.state.lots == {}


@SPEC("while checks fail nothing is sold; the first price afterwards sells", section="Risk")
@pytest.mark.parametrize("order_type", TYPES)
def test_flatten_during_an_outage_sells_after_it(order_type: str) -> None:
    kernel = with_lots(order_type)
    kernel.check(reachable=False)
    kernel.command("flatten")
    assert len(kernel.state.lots) == 3
    kernel.price(48_000)
    kernel.check(reachable=True)
    kernel.price(47_000)
    assert kernel.state.lots == {}


@SPEC("a bot that waits for an operator's decision sends nothing, not for a limit either", section="Risk")
@pytest.mark.parametrize("order_type", TYPES)
def test_flatten_of_a_halted_bot_sells_in_the_next_session(order_type: str) -> None:
    kernel = with_lots(order_type)
    kernel.state = replace(kernel.state, halted="orders that the log does not know")
    kernel.command("flatten")
    kernel.price(48_000)
    assert len(kernel.state.lots) == 3
    assert [order for order in kernel.state.orders.values() if order.kind == "market"] == []
    kernel.restart()
    kernel.price(47_000)
    assert kernel.state.lots == {}


@SPEC("the exchange's wish for silence delays a sale and forgets none", section="Risk")
def test_stop_during_a_silence_is_sold_after_it() -> None:
    kernel = bought(50_000, risk={"stop_loss_percent": "10"})
    kernel.observe(RateLimited(kernel.now_ms + 150_000))
    kernel.prices(45_000, 49_000)
    assert len(kernel.state.lots) == 1
    kernel.price(49_000)
    kernel.price(49_000)
    assert kernel.state.lots == {}


@SPEC("a kill switch outlasts a restart", section="Risk")
@pytest.mark.parametrize("how", ["restart", "crash"])
def test_flattening_goes_on_after_a_restart(how: str) -> None:
    kernel = with_lots("limit")
    kernel.observe(CommandReceived("flatten", "operator", kernel.view.price_sequence, kernel.view.price_ms))
    getattr(kernel, how)()
    kernel.votes(yes=True)
    kernel.price(48_000)
    assert kernel.state.lots == {}
    assert kernel.prices(47_000, 46_000) == []
    verdict = assess_entry(kernel.strategy, kernel.state, kernel.view)
    assert isinstance(verdict, Hold)
    assert (verdict.rule, verdict.numbers["action"]) == ("kill_switch", "flatten")


def test_flatten_before_any_price_is_remembered() -> None:
    kernel = Kernel()
    kernel.command("flatten")
    assert kernel.prices(50_000, 49_000) == []


# --- revive ----------------------------------------------------------------------------------------------------------


@SPEC("revive lets the bot buy again", section="Risk")
@pytest.mark.parametrize("command", ["kill", "flatten"])
def test_revived_bot_buys_again(command: str) -> None:
    kernel = bought(50_000)
    kernel.command(command)
    one(kernel.command("revive"), KillSwitchReleased)
    kernel.votes(yes=True)
    one(kernel.price(48_000), PurchaseRecorded)
    assert tags(kernel.command("revive")) == ["command_received"], "there is nothing to release"


@SPEC("a lot that was not sold yet when the switch is released gets its exit again", section="Risk")
@pytest.mark.parametrize("order_type", ["limit", "trailing_market"])
def test_revive_during_a_flattening_arms_what_is_left(order_type: str) -> None:
    kernel = with_lots(order_type)
    kernel.check(reachable=False)
    kernel.command("flatten")
    kernel.command("revive")
    kernel.check(reachable=True)
    kernel.price(49_000)
    assert len(kernel.state.lots) == 3
    kernel.prices(52_000, 51_800)
    assert kernel.state.stats.winning_trades == 3


# --- how it is shown -------------------------------------------------------------------------------------------------


@SPEC("the state file shows an engaged kill switch and the day's result", section="Risk")
def test_state_file_shows_the_switch_and_the_day() -> None:
    kernel = bought(50_000)
    assert kernel.file_json()["risk"]["kill_switch"] is None
    kernel.command("flatten")
    risk = kernel.file_json()["risk"]
    assert (risk["kill_switch"], risk["kill_reason"]) == ("flatten", "asked for by operator")
    assert risk["killed_at"].endswith("Z")
    assert (risk["day"], risk["day_profit"]) == ("2024-11-03", -0.2)
    assert risk["entries_halted_until"] is None
    assert risk["peak_equity"] == 10_000
