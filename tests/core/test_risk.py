"""The limits on purchases, the day's loss and the drawdown: when each is reached, what follows, and what never does."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.config import BotConfig, config_digest
from engine.core.decider.entries import assess_entry
from engine.core.events import (
    ConfigChanged,
    EntrySkipped,
    KillSwitchEngaged,
    LimitReached,
    OrderAccepted,
    OrderCanceled,
    OrderCancelRequested,
    OrderRequested,
    OrderSent,
    PurchaseRecorded,
    SaleRecorded,
    TrailingReset,
)
from engine.core.instants import DAY_MS, iso_utc
from engine.core.reducers import apply
from engine.core.strategy import Hold
from tests.kernel import START_MS, Kernel, Number, bought, of, one, tags, trade

SPEC = pytest.mark.spec
D = Decimal
MIDNIGHT_MS = (START_MS // DAY_MS + 1) * DAY_MS


def limited(**risk: Any) -> dict[str, Any]:
    """Give the configuration of a bot with these limits, which buys at every price."""
    return {"risk": risk, "smart_indicator_checks": False}


def skips(kernel: Kernel) -> list[str]:
    """Give the rules by which entries were skipped, in order."""
    return [event.rule for event in of(kernel.told(), EntrySkipped)]


def lost(kernel: Kernel, buy: Number, sell: Number) -> None:
    """Buy at a price and sell at another, by a trail without a floor."""
    kernel.votes(yes=True)
    kernel.price(buy)
    kernel.votes(yes=False)
    kernel.prices(D(buy) * 11 / 10, sell)
    assert kernel.state.lots == {}


def reconfigure(kernel: Kernel, **changes: Any) -> None:
    """Put another configuration in force."""
    config: BotConfig = replace(kernel.state.config, **changes)
    kernel.observe(ConfigChanged(config, config_digest(config), tuple(changes)))


# --- what a purchase may be ------------------------------------------------------------------------------------------


@SPEC("a purchase larger than max_order_size is not made, and told once", section="Risk")
@pytest.mark.parametrize(("limit", "bought_"), [("100", True), ("99.99", False)])
def test_purchase_is_held_against_max_order_size_before_fees(limit: str, bought_: bool) -> None:
    kernel = Kernel(**limited(max_order_size=limit))
    kernel.prices(50_000, 50_000, 50_000)
    assert bool(kernel.state.lots) is bought_
    assert skips(kernel) == ([] if bought_ else ["max_order_size"])


@SPEC("max_position_size bounds what is held at the last price and the purchase together", section="Risk")
def test_purchases_end_where_the_position_would_be_too_large_and_begin_again_below() -> None:
    kernel = Kernel(sell_order_type="market", **limited(max_position_size="300"))
    kernel.prices(50_000, 50_000, 50_000, 50_000, 50_000)
    assert len(kernel.state.lots) == 3
    assert skips(kernel) == ["max_position_size"]
    skip = one(kernel.told(), EntrySkipped)
    assert {name: D(number) for name, number in skip.numbers.items()} == {"held": 300, "value": 100, "limit": 300}
    kernel.price(33_000)
    assert len(kernel.state.lots) == 4, "the same base is worth less now"
    kernel.price(33_300)
    assert skips(kernel) == ["max_position_size", "max_position_size"]


def test_dust_counts_into_the_position() -> None:
    kernel = Kernel(**limited(max_position_size="150"))
    kernel.state = replace(
        kernel.state,
        dust=replace(kernel.state.dust, quantity=D("0.00101")),
        watch=replace(kernel.state.watch, held=D("0.00101")),
    )
    kernel.price(50_000)
    assert skips(kernel) == ["max_position_size"]


@SPEC("with max_open_orders out nothing is bought; sells go out all the same", section="Risk")
def test_buys_wait_for_open_orders_and_sells_do_not() -> None:
    kernel = Kernel(**limited(max_open_orders=2))
    kernel.prices(50_000, 50_000, 50_000, 50_000)
    assert [order.side for order in kernel.state.orders.values()] == ["sell", "sell"]
    assert skips(kernel) == ["max_open_orders"]
    kernel.price("50601.11")
    assert len(kernel.state.lots) == 0
    kernel.price(50_000)
    assert len(kernel.state.lots) == 1


def test_sell_goes_out_although_the_orders_are_at_their_limit() -> None:
    kernel = Kernel(buy_order_type="limit", **limited(max_open_orders=1))
    kernel.price(50_000)
    one(kernel.price(49_990), PurchaseRecorded)
    assert [order.side for order in kernel.state.orders.values()] == ["sell"]


@SPEC("a buy trail asks the limits again when it fires", section="Risk")
def test_buy_trail_that_fires_into_a_limit_is_reset_and_told() -> None:
    kernel = Kernel(buy_order_type="trailing_market", **limited(max_position_size="100"))
    kernel.prices(50_000, 49_000)
    reconfigure(kernel, risk=replace(kernel.config.risk, max_order_size=D(50)))
    events = kernel.price(49_200)
    assert one(events, TrailingReset).reason == "gate"
    assert skips(kernel) == ["max_order_size"]


# --- the day's loss --------------------------------------------------------------------------------------------------

DAILY: dict[str, Any] = {
    "budget": "1000",
    "sell_order_type": "trailing_market",
    "trailing_sell_floor": "none",
    **limited(max_daily_loss_percent="1"),
}
"""One percent of the budget is 10."""


@SPEC("the day's loss stops entries until the next UTC midnight", section="Risk")
@pytest.mark.parametrize(("sell", "reached"), [("45200", False), ("45000", True)])
def test_loss_of_the_day_is_held_against_the_budget(sell: str, reached: bool) -> None:
    kernel = Kernel(**DAILY)
    lost(kernel, 50_000, sell)
    kernel.votes(yes=True)
    events = kernel.price(50_000)
    assert bool(of(events, LimitReached)) is reached
    assert bool(kernel.state.lots) is not reached
    if reached:
        told = one(events, LimitReached)
        assert (told.rule, told.until_ms) == ("max_daily_loss_percent", MIDNIGHT_MS)
        assert D(told.numbers["loss"]) == -kernel.state.stats.total_profit
        assert kernel.prices(50_000, 49_000, 51_000) == [], "told once"


def test_loss_that_is_exactly_the_limit_has_reached_it() -> None:
    kernel = Kernel(**{**DAILY, "fees": {"maker": "0", "taker": "0"}})
    lost(kernel, 50_000, 45_000)
    assert kernel.state.stats.total_profit == -10
    assert len(of(kernel.price(50_000), LimitReached)) == 1


@SPEC("the day's loss counts net of the day's gains", section="Risk")
def test_gains_of_the_day_make_up_for_losses() -> None:
    kernel = Kernel(**DAILY)
    lost(kernel, 50_000, 53_000)
    lost(kernel, 50_000, 45_000)
    assert kernel.state.stats.total_profit < 0
    assert of(kernel.price(50_000), LimitReached) == []


@SPEC("the day's loss stops entries until the next UTC midnight", section="Risk")
def test_entries_begin_again_with_the_new_day_and_its_own_sum() -> None:
    kernel = Kernel(**DAILY)
    lost(kernel, 50_000, 45_000)
    kernel.votes(yes=True)
    kernel.price(50_000)
    kernel.wait((MIDNIGHT_MS - kernel.now_ms) // 1000 - 1)
    assert kernel.price(50_000, after_s=0) == []
    one(kernel.price(50_000, after_s=1), PurchaseRecorded)
    kernel.votes(yes=False)
    kernel.prices(55_000, 45_000)
    assert one(kernel.price(50_000), LimitReached).until_ms == MIDNIGHT_MS + DAY_MS
    assert kernel.state.guard.profit_on(kernel.now_ms) == of(kernel.told(), SaleRecorded)[-1].profit


def test_loss_of_yesterday_is_none_of_today() -> None:
    kernel = Kernel(**DAILY)
    lost(kernel, 50_000, 45_000)
    kernel.wait((MIDNIGHT_MS - kernel.now_ms) // 1000)
    assert of(kernel.price(50_000), LimitReached) == []


@SPEC("a reached daily loss never blocks a sell", section="Risk")
@pytest.mark.parametrize("order_type", ["market", "limit", "trailing_market", "trailing_limit"])
def test_lots_are_sold_while_the_days_loss_stops_entries(order_type: str) -> None:
    kernel = bought(50_000, **{**DAILY, "sell_order_type": order_type})
    kernel.state = replace(kernel.state, guard=replace(kernel.state.guard, day=START_MS // DAY_MS, day_profit=D(-11)))
    one(kernel.price(50_000), LimitReached)
    kernel.prices(51_000, 50_800)
    kernel.price(51_000, after_s=30)
    assert kernel.state.stats.winning_trades == 1


@SPEC("a halted bot has no buy out: resting buys are cancelled, a buy trail is dropped", section="Risk")
@pytest.mark.parametrize("order_type", ["limit", "trailing_market"])
def test_entry_under_way_ends_when_the_days_loss_is_reached(order_type: str) -> None:
    kernel = Kernel(**{**DAILY, "buy_order_type": order_type, "sell_order_type": "limit"})
    kernel.price(50_000)
    kernel.state = replace(kernel.state, guard=replace(kernel.state.guard, day=START_MS // DAY_MS, day_profit=D(-11)))
    events = kernel.price(50_010)
    canceled = [event.reason for event in of(events, OrderCancelRequested)]
    reset = [event.reason for event in of(events, TrailingReset)]
    assert canceled + reset == ["max_daily_loss_percent"]
    assert (kernel.state.orders, kernel.state.trails) == ({}, {})


@SPEC("the day's loss stops entries over a restart", section="Risk")
@pytest.mark.parametrize("how", ["restart", "crash"])
def test_halt_by_the_days_loss_outlasts_a_restart(how: str) -> None:
    kernel = Kernel(**DAILY)
    lost(kernel, 50_000, 45_000)
    kernel.votes(yes=True)
    kernel.price(50_000)
    getattr(kernel, how)()
    assert tags(kernel.prices(50_000, 48_000), only="order") == []
    verdict = assess_entry(kernel.strategy, kernel.state, kernel.view)
    assert isinstance(verdict, Hold)
    assert (verdict.rule, verdict.numbers["until"]) == ("max_daily_loss_percent", iso_utc(MIDNIGHT_MS))


def test_limit_that_is_raised_is_judged_anew() -> None:
    kernel = Kernel(**DAILY)
    lost(kernel, 50_000, 45_000)
    kernel.votes(yes=True)
    kernel.price(50_000)
    reconfigure(kernel, risk=replace(kernel.config.risk, max_daily_loss_percent=D(5)))
    one(kernel.price(50_000), PurchaseRecorded)
    reconfigure(kernel, risk=replace(kernel.config.risk, max_daily_loss_percent=D("0.5")))
    one(kernel.price(50_000), LimitReached)


# --- the drawdown ----------------------------------------------------------------------------------------------------

FREE = {"maker": "0", "taker": "0"}
DRAWDOWN: dict[str, Any] = {"budget": "200", "fees": FREE, **limited(max_drawdown_percent="10")}
"""A lot of 0.002 in a budget of 200: the equity falls by 10 % when the price has fallen by 10,000."""


@SPEC("equity at or under its peak less max_drawdown_percent engages the kill switch", section="Risk")
@pytest.mark.parametrize(("price", "engaged"), [("40000.01", False), ("40000", True), ("30000", True)])
def test_drawdown_engages_the_kill_switch_at_exactly_its_percent(price: str, engaged: bool) -> None:
    kernel = bought(50_000, **DRAWDOWN)
    events = kernel.price(price)
    assert bool(of(events, KillSwitchEngaged)) is engaged
    if engaged:
        told = one(events, KillSwitchEngaged)
        assert (told.action, told.reason) == ("stop_entries", "max_drawdown_percent")
        assert D(told.numbers["equity"]) == 100 + D("0.002") * D(price)
        assert D(told.numbers["peak"]) == 200
        assert len(kernel.state.lots) == 1, "lots keep their exits"
        assert tags(kernel.prices(20_000, 10_000)) == [], "told once"


@SPEC("the peak is marked at every trade of an order, at its price", section="Risk")
def test_gain_that_was_realised_raises_the_peak() -> None:
    kernel = bought(50_000, **DRAWDOWN)
    kernel.price(60_000)
    assert kernel.state.stats.winning_trades == 1
    assert kernel.state.peak == 200 + D("0.002") * (kernel.state.closed_lots[0].target or 0) - 100
    kernel.price(90_000)
    assert kernel.state.peak < 202, "a price alone raises nothing"


def half_of_a_ladder() -> Kernel:
    """Give a bot that bought 49 at 100, whose sell at 110 has sold 47 and rests, and that bought again at 85."""
    risk = {"max_drawdown_percent": "10", "kill_switch": "flatten", "stop_loss_percent": "20"}
    changes: dict[str, Any] = {"budget": "10000", "fees": FREE, "sell_order_type": "limit", **limited(**risk)}
    changes["strategy_params"] = {"amount_usd": "4900"}
    kernel = bought(100, profit_target="10", **changes)
    assert kernel.lot.sell_order is not None
    kernel.observe(trade(kernel.lot.sell_order, "t1", 110, 47))
    kernel.votes(yes=True)
    kernel.price(85)
    kernel.votes(yes=False)
    assert len(kernel.state.lots) == 2
    return kernel


@SPEC("a sale that is recorded after the price has fallen makes no peak that there never was", section="Risk")
def test_sale_recorded_long_after_its_trade_marks_no_peak_with_what_was_bought_since() -> None:
    kernel = half_of_a_ladder()
    peak = kernel.state.peak
    assert peak == 10_000 - 4_900 + 47 * 110 + 2 * 110, "what was held when it sold at 110"
    told = kernel.price(79)
    assert [sale.price for sale in of(told, SaleRecorded)] == [110, 79]
    assert of(kernel.price(78), KillSwitchEngaged) == []
    assert len(kernel.state.lots) == 1
    assert kernel.state.peak == peak


def test_sell_that_ends_long_after_its_trades_marks_no_peak() -> None:
    kernel = half_of_a_ladder()
    peak = kernel.state.peak
    (name,) = (lot.sell_order for lot in kernel.state.lots.values() if lot.number == 1)
    assert name is not None
    one(kernel.observe(OrderCanceled(name, D(47))), SaleRecorded)
    assert kernel.state.peak == peak
    kernel.observe(trade(name, "late", 200, 1))
    assert kernel.state.peak == peak, "a late trade marks nothing"


def test_trade_told_after_a_cheaper_purchase_marks_no_more_than_that_cost() -> None:
    kernel = half_of_a_ladder()
    (name,) = (lot.sell_order for lot in kernel.state.lots.values() if lot.number == 1)
    assert name is not None
    peak = kernel.state.peak
    kernel.observe(trade(name, "t2", 110, 2))
    assert kernel.state.peak == peak == 10_490


def test_purchase_marks_no_more_than_its_mean_price() -> None:
    kernel = Kernel(**DRAWDOWN)
    order = one(kernel.price(50_000, settled=False), OrderRequested)
    kernel.observe(OrderSent(order.client_order_id, kernel.now_ms, 5_000), OrderAccepted(order.client_order_id, "1"))
    for number, price in enumerate((50_000, 60_000)):
        kernel.observe(trade(order.client_order_id, f"t{number}", price, "0.001"))
    assert kernel.state.peak == 200, "it went up only for what it took itself"


@SPEC("kill_switch: flatten sells everything when the drawdown is reached", section="Risk")
@pytest.mark.parametrize("order_type", ["market", "limit", "trailing_market", "trailing_limit"])
def test_drawdown_with_flatten_sells_every_lot(order_type: str) -> None:
    risk = {"max_drawdown_percent": "10", "kill_switch": "flatten"}
    kernel = bought(50_000, **{**DRAWDOWN, "risk": risk, "sell_order_type": order_type})
    kernel.price(40_000)
    assert (kernel.state.lots, kernel.state.orders, kernel.state.trails) == ({}, {}, {})
    assert of(kernel.told(), OrderRequested)[-1].purpose == "kill_switch"


def test_drawdown_with_flatten_acts_although_an_operator_has_stopped_entries() -> None:
    risk = {"max_drawdown_percent": "10", "kill_switch": "flatten"}
    kernel = bought(50_000, **{**DRAWDOWN, "risk": risk})
    kernel.command("kill")
    assert one(kernel.price(40_000), KillSwitchEngaged).action == "flatten"
    assert kernel.state.lots == {}


@SPEC("revive counts the drawdown from the equity at the last price", section="Risk")
def test_drawdown_after_a_revive_is_counted_from_there() -> None:
    kernel = bought(50_000, **DRAWDOWN)
    kernel.price(40_000)
    kernel.command("revive")
    assert kernel.state.peak == 180
    assert of(kernel.price(39_900), KillSwitchEngaged) == []
    one(kernel.price(31_000), KillSwitchEngaged)


def test_money_added_to_the_budget_is_no_gain_and_money_taken_out_no_loss() -> None:
    kernel = bought(50_000, **DRAWDOWN)
    kernel.price(60_000)
    peak = kernel.state.peak
    reconfigure(kernel, budget=D(5_000))
    assert kernel.state.peak == peak + 4_800
    reconfigure(kernel, budget=D(100))
    assert kernel.state.peak == peak - 100
    assert of(kernel.price(60_000), KillSwitchEngaged) == []


def test_peak_is_a_fold_of_the_log() -> None:
    kernel = bought(50_000, **DRAWDOWN)
    kernel.prices(60_000, 50_000, 70_000)
    state = None
    for moment in kernel.history:
        event: Any = moment.observation.event
        if event.__struct_config__.tag != "price_observed":
            state = apply(state, event, moment.observation.at_ms)
        for decided in moment.decided:
            state = apply(state, decided, moment.observation.at_ms)
    assert state == kernel.state
