"""Why a trail goes back to inactive, and what happens to its lot then: every reason there is."""

from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from engine.core.events import (
    OrderExpired,
    OrderRejected,
    TrailingActivated,
    TrailingReset,
    TrailingStarted,
    TrailingTriggered,
)
from engine.core.state import ENTRY
from tests.kernel import RULES, Kernel, bought, of, one, tags

SPEC = pytest.mark.spec
UP: Final[dict[str, Any]] = {"sell_order_type": "trailing_market"}
DOWN: Final[dict[str, Any]] = {"buy_order_type": "trailing_market"}


def active_up(**changes: Any) -> Kernel:
    """Give a bot with a lot of target 50,601.11 whose trail follows from 50,900."""
    kernel = bought(50_000, **{**UP, **changes})
    kernel.prices(50_700, 50_900)
    assert kernel.trail.status == "active"
    return kernel


# --- outage ----------------------------------------------------------------------------------------------------------


@SPEC("trails are reset once per outage, when the failures reach the limit", section="decision 6")
@pytest.mark.parametrize("limit", [1, 2, 4])
def test_trail_in_an_outage_is_reset_once_at_the_configured_failure(limit: int) -> None:
    kernel = active_up(max_connectivity_failures=limit)
    resets = [len(of(kernel.check(reachable=False, after_s=30), TrailingReset)) for _ in range(limit + 3)]
    assert resets == [0] * (limit - 1) + [1] + [0] * 3
    reset = one(kernel.told(), TrailingReset)
    assert (reset.reason, reset.failure_count) == ("outage", limit)
    assert f"Resetting trailing state due to {limit} connectivity failures" in kernel.lines()


@SPEC("on the first healthy price a lot still to be sold arms a new trail in waiting", section="decision 6")
def test_trail_after_an_outage_waits_again_from_the_first_healthy_price() -> None:
    kernel = active_up()
    kernel.check(reachable=False)
    kernel.check(reachable=False, after_s=30)
    assert kernel.state.trails == {}
    assert kernel.price(51_000) == []
    assert tags(kernel.check(reachable=True)) == ["connectivity_checked", "connectivity_restored", "prices_skipped"]
    assert kernel.state.trails == {}
    started = one(kernel.price(50_590), TrailingStarted)
    assert (started.direction, started.activation, kernel.trail.status) == ("up", Decimal("50601.11"), "waiting")
    kernel.price(50_650)
    assert (kernel.trail.status, kernel.trail.watermark) == ("active", Decimal(50_650))


@SPEC("an outage drops a buy trail for good", section="decision 6")
def test_buy_trail_in_an_outage_is_dropped() -> None:
    kernel = Kernel(**DOWN)
    kernel.price(50_000)
    kernel.check(reachable=False)
    assert of(kernel.check(reachable=False, after_s=30), TrailingReset) == [TrailingReset(0, "down", "outage", 2)]
    kernel.votes(yes=False)
    kernel.check(reachable=True, after_s=60)
    assert of(kernel.prices(50_000, 50_500), TrailingStarted) == []


@SPEC("fewer failures than the limit leave a trail as it was", section="Trailing State Reset")
def test_trail_over_one_failure_goes_on_where_it_was() -> None:
    kernel = active_up()
    before = kernel.trail
    kernel.check(reachable=False)
    kernel.check(reachable=True, after_s=30)
    assert of(kernel.price(50_850, after_s=30), TrailingReset) == []
    assert kernel.trail == before


# --- stale -----------------------------------------------------------------------------------------------------------


@SPEC("a trail is stale when two prices are more than trailing_max_gap apart, 300 s exactly not", section="decision 7")
@pytest.mark.parametrize(
    ("gap_s", "most_s", "cadence_s", "stale"),
    [
        pytest.param(300, 300, 60, False, id="300-s-exactly"),
        pytest.param(301, 300, 60, True, id="301-s"),
        pytest.param(500, 500, 60, False, id="another-limit"),
        pytest.param(400, 300, 200, False, id="twice-the-cadence-of-the-market"),
        pytest.param(401, 300, 200, True, id="more-than-twice-the-cadence"),
    ],
)
def test_trail_after_a_gap_is_judged_by_the_longer_of_two_limits(
    gap_s: int, most_s: int, cadence_s: int, stale: bool
) -> None:
    rules = replace(RULES, cadence_ms=cadence_s * 1000)
    kernel = bought(50_000, rules=rules, trailing_max_gap=most_s, **UP)
    kernel.prices(50_700, 50_900)
    resets = of(kernel.price(50_850, after_s=gap_s), TrailingReset)
    assert [reset.reason for reset in resets] == (["stale"] if stale else [])
    assert kernel.trail.watermark == (None if stale else 50_900)


@SPEC("a stale trail arms again as after an outage: waiting, from its activation", section="decision 7")
def test_stale_trail_under_its_activation_waits() -> None:
    kernel = active_up()
    events = kernel.price(50_500, after_s=301)
    assert tags(events, only="trailing") == ["trailing_reset", "trailing_started"]
    assert kernel.trail.status == "waiting"


@SPEC("staleness is judged at every price, restart or not", section="decision 7")
@pytest.mark.parametrize(("gap_s", "stale"), [(300, False), (301, True)])
def test_trail_across_a_restart_is_judged_by_the_gap_alone(gap_s: int, stale: bool) -> None:
    kernel = active_up()
    kernel.restart()
    assert bool(of(kernel.price(50_850, after_s=gap_s), TrailingReset)) is stale


@SPEC("trails are preserved across restarts", section="Trailing State Management")
def test_trail_after_a_quiet_time_and_a_crash_goes_on_where_it_was() -> None:
    """Quiet prices write nothing, so the bot's own last event is old; its last price is not."""
    kernel = active_up()
    assert kernel.prices(*[50_850] * 10) == []
    before = kernel.trail
    kernel.crash()
    assert of(kernel.price(50_860), TrailingReset) == []
    assert kernel.trail == before


@SPEC("a gap in what the bot saw is judged, though others watched the feed", section="decision 7")
@pytest.mark.parametrize(("minutes", "stale"), [(4, False), (5, True)])
def test_trail_of_a_bot_that_was_away_is_judged_by_the_prices_it_missed(minutes: int, stale: bool) -> None:
    kernel = active_up()
    kernel.restart(*[50_850] * minutes)
    assert [reset.reason for reset in of(kernel.price(50_860), TrailingReset)] == (["stale"] if stale else [])
    assert of(kernel.price(50_870), TrailingReset) == []


@SPEC("a gap made by a pause is judged like any other", section="decision 7")
@pytest.mark.parametrize(("minutes", "stale"), [(4, False), (5, True)])
def test_trail_after_a_pause_is_judged_by_the_time_unseen(minutes: int, stale: bool) -> None:
    kernel = active_up()
    kernel.command("pause")
    assert kernel.prices(*[50_850] * minutes) == []
    kernel.command("resume")
    events = kernel.price(50_860)
    assert [reset.reason for reset in of(events, TrailingReset)] == (["stale"] if stale else [])
    assert of(kernel.prices(50_870, 50_875), TrailingReset) == [], "the next price is judged by its own gap"


@SPEC("a gap made by a pause is judged like any other", section="decision 7")
def test_trail_when_prices_return_with_the_check_is_reset_once() -> None:
    """The check that ends a backoff and the price after it may carry the same millisecond."""
    kernel = active_up(max_connectivity_failures=9)
    for _ in range(8):
        kernel.check(reachable=False, after_s=60)
        assert kernel.price(50_850, after_s=0) == []
    kernel.check(reachable=True, after_s=60)
    assert [reset.reason for reset in of(kernel.price(50_860, after_s=0), TrailingReset)] == ["stale"]
    assert of(kernel.prices(50_870, 50_880), TrailingReset) == []


def test_buy_trail_that_is_stale_is_dropped_without_a_purchase_on_old_votes() -> None:
    """Nobody fetched candles for this price, since a trail was following: no vote is read at it."""
    kernel = Kernel(**DOWN)
    kernel.price(50_000)
    events = kernel.price(50_000, after_s=360)
    assert of(events, TrailingReset) == [TrailingReset(0, "down", "stale")]
    assert of(events, TrailingStarted) == []
    assert len(of(kernel.price(50_000), TrailingStarted)) == 1


# --- filled, rejected, unfilled, gate, manual -------------------------------------------------------------------------


@SPEC("a trail is reset as filled only when its order is terminal", section="Orders")
def test_trail_whose_order_is_filled_is_reset_after_the_sale() -> None:
    kernel = active_up()
    events = kernel.price(50_650)
    assert tags(events)[-3:] == ["order_filled", "sale_recorded", "trailing_reset"]
    assert one(events, TrailingReset).reason == "filled"


@SPEC("after an order fill the trailing state is reset", section="Trailing State Reset")
def test_buy_trail_whose_order_is_filled_is_reset() -> None:
    kernel = Kernel(**DOWN)
    kernel.prices(50_000, 49_000)
    assert of(kernel.price(49_200), TrailingReset) == [TrailingReset(0, "down", "filled")]


@SPEC("an operator's command resets trails", section="Trailing State Reset")
def test_trails_on_command_are_reset_and_sell_trails_arm_again() -> None:
    kernel = active_up()
    events = kernel.command("reset-trailing")
    assert of(events, TrailingReset) == [TrailingReset(kernel.lot.number, "up", "manual")]
    assert kernel.state.trails == {}
    assert len(of(kernel.price(50_590), TrailingStarted)) == 1


def test_trail_on_command_is_reset_though_its_order_is_out_and_the_order_goes_on() -> None:
    kernel = active_up()
    kernel.price(50_650, settled=False)
    assert kernel.trail.status == "triggered"
    events = kernel.command("reset-trailing")
    assert of(events, TrailingReset) == [TrailingReset(1, "up", "manual")]
    assert tags(events)[-1] == "sale_recorded"
    assert kernel.state.trails == {}


@SPEC("a buy trail asks the gate again when it triggers", section="Orders")
def test_buy_trail_at_a_closed_gate_is_reset_with_the_reason_told() -> None:
    kernel = Kernel(strategy_params={"max_price": "50000"}, trailing_buy_percent="1", **DOWN)
    kernel.prices(50_000, 49_900)
    events = kernel.price(50_500)
    assert tags(events) == ["trailing_triggered", "trailing_reset", "entry_skipped"]
    assert one(events, TrailingReset) == TrailingReset(ENTRY, "down", "gate")


@SPEC("a fired trail whose order came to nothing goes on with its watermark, after a hold", section="Orders")
def test_trail_whose_order_is_rejected_goes_on_and_fires_again_after_a_hold() -> None:
    kernel = active_up()
    events = kernel.price(50_650, settled=False)
    assert one(events, TrailingTriggered).lot == kernel.lot.number
    (order,) = kernel.state.orders
    events = kernel.observe(OrderRejected(order, "NOTIONAL", "too small"))
    assert not of(events, TrailingReset)
    assert (kernel.trail.status, kernel.trail.watermark) == ("active", one(events, TrailingActivated).watermark)
    assert of(kernel.price(50_640, after_s=59), TrailingTriggered) == []
    assert len(of(kernel.price(50_640, after_s=1), TrailingTriggered)) == 1


def test_buy_trail_whose_order_ends_unfilled_is_reset_as_unfilled() -> None:
    kernel = Kernel(**DOWN)
    kernel.prices(50_000, 49_000)
    kernel.price(49_200, settled=False)
    (order,) = kernel.state.orders
    assert of(kernel.observe(OrderExpired(order, Decimal(0))), TrailingReset) == [TrailingReset(0, "down", "unfilled")]


def test_buy_trail_whose_order_is_rejected_is_reset_as_rejected() -> None:
    kernel = Kernel(**DOWN)
    kernel.prices(50_000, 49_000)
    kernel.price(49_200, settled=False)
    (order,) = kernel.state.orders
    events = kernel.observe(OrderRejected(order, "INSUFFICIENT_BALANCE", "not enough USD"))
    assert of(events, TrailingReset) == [TrailingReset(0, "down", "rejected")]


@SPEC("a triggered sell that stays unfilled is cancelled, and the trail is active again", section="Orders")
def test_trail_whose_limit_order_times_out_is_active_again_with_its_watermark() -> None:
    kernel = active_up(sell_order_type="trailing_limit")
    kernel.price(50_650)
    assert kernel.trail.status == "triggered"
    assert kernel.price(50_500, after_s=30) == []
    events = kernel.price(50_500, after_s=30)
    assert tags(events) == ["timer_fired", "order_cancel_requested", "order_canceled", "trailing_activated"]
    assert one(events, TrailingActivated).watermark == 50_900
    assert (kernel.trail.status, kernel.trail.watermark) == ("active", Decimal(50_900))
    again = kernel.price(50_620)
    assert tags(again)[:2] == ["trailing_triggered", "order_requested"]
