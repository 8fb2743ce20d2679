"""What a bot may decide and record: each rule of the second checker fires at a made log, and at its sound twin not.

The twins differ in the one thing that the rule is about.
"""

from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from engine.core.identity import client_order_id
from tests.simulation.made import CONFIG, LOG_ID, PRICE, MadeLog
from tests.simulation.test_independent import rules_of

NO_MORE: Final = "no more sold than its lot and the dust held"


def judged(log: MadeLog, tmp_path: Path) -> set[str]:
    """Give the rules that a made log breaks."""
    return rules_of(log.found(tmp_path / "made"))


@pytest.mark.parametrize("has_ended", [True, False])
def test_buy_that_is_decided_before_another_has_ended_is_found(tmp_path: Path, *, has_ended: bool) -> None:
    log = MadeLog()
    first = log.order("buy")
    if has_ended:
        log.end(first, "0")
    log.order("buy")

    assert judged(log, tmp_path) == (set() if has_ended else {"intent"})


@pytest.mark.parametrize("is_other_lot", [True, False])
def test_sell_that_is_decided_before_another_of_its_lot_has_ended_is_found(
    tmp_path: Path, *, is_other_lot: bool
) -> None:
    log = MadeLog()
    one, other = log.buy(), log.buy()
    log.order("sell", lot=one)
    log.order("sell", lot=other if is_other_lot else one)

    assert judged(log, tmp_path) == (set() if is_other_lot else {"intent"})


@pytest.mark.parametrize(("quantity", "is_over"), [("0.018", False), ("0.01801", True)])
def test_buy_that_passes_the_budget_by_less_than_any_slack_is_found(
    tmp_path: Path, quantity: str, *, is_over: bool
) -> None:
    log = MadeLog()
    log.buy()
    log.order("buy", quantity)

    assert judged(log, tmp_path) == ({"exposure"} if is_over else set())


@pytest.mark.parametrize("is_sold", [True, False])
def test_budget_is_free_again_of_what_was_sold_though_no_sale_is_recorded_yet(tmp_path: Path, *, is_sold: bool) -> None:
    log = MadeLog()
    sell = log.order("sell", "0.02", lot=log.buy("0.02"))
    if is_sold:
        log.fill(sell, "0.02")
    log.order("buy", "0.02")

    assert judged(log, tmp_path) == (set() if is_sold else {"exposure"})


@pytest.mark.parametrize(("budget", "is_over"), [("200", False), ("199", True)])
def test_budget_that_was_lowered_counts_from_then_on(tmp_path: Path, budget: str, *, is_over: bool) -> None:
    log = MadeLog()
    log.buy()
    log.tell("config_changed", config={**CONFIG, "budget": budget})
    log.order("buy")

    assert judged(log, tmp_path) == ({"exposure"} if is_over else set())


@pytest.mark.parametrize("has_ended", [True, False])
def test_purchase_that_is_recorded_before_its_order_has_ended_is_found(tmp_path: Path, *, has_ended: bool) -> None:
    log = MadeLog()
    buy = log.order("buy", "0.004")
    log.fill(buy)
    if has_ended:
        log.end(buy, "0.002")
    log.purchase(1)

    assert judged(log, tmp_path) == (set() if has_ended else {"position"})


@pytest.mark.parametrize("told", ["0.001", "0.002", None], ids=["ended", "its end told more", "open"])
def test_sale_that_is_recorded_before_all_of_its_order_is_booked_is_found(tmp_path: Path, told: str | None) -> None:
    log = MadeLog()
    lot = log.buy("0.003")
    sell = log.order("sell", "0.003", lot=lot)
    log.fill(sell, "0.001")
    if told is not None:
        log.end(sell, told)
    log.sale(lot, sell, "0.001")

    assert judged(log, tmp_path) == (set() if told == "0.001" else {"position"})


@pytest.mark.parametrize("is_of_then", [True, False])
def test_what_can_be_sold_follows_from_the_rules_of_then(tmp_path: Path, *, is_of_then: bool) -> None:
    log = MadeLog()
    lot = log.buy()
    sell = log.order("sell", "0.001", lot=lot)
    log.fill(sell, "0.001")
    if is_of_then:
        log.demand(min_notional="50.01")
    log.sale(lot, sell, "0.001", closed=True)
    log.demand(min_notional="50.01")

    assert judged(log, tmp_path) == (set() if is_of_then else {"position"})


# --- trails


@pytest.mark.parametrize(("watermark", "is_sound"), [("99", True), ("98", False), ("100", False)])
def test_trail_begins_to_follow_from_the_price_that_woke_it(tmp_path: Path, watermark: str, *, is_sound: bool) -> None:
    log = MadeLog()
    trail = {"lot": 0, "direction": "down"}
    log.tell("trailing_started", **trail, activation="100", percent="1")
    log.tell("trailing_activated", **trail, price="99", watermark=watermark)

    assert judged(log, tmp_path) == (set() if is_sound else {"trail"})


@pytest.mark.parametrize(("watermark", "is_sound"), [("100", True), ("99", False), ("101", False)])
def test_trail_that_fired_for_nothing_goes_on_from_its_watermark(
    tmp_path: Path, watermark: str, *, is_sound: bool
) -> None:
    log = MadeLog()
    trail = {"lot": 0, "direction": "down"}
    log.tell("trailing_started", **trail, activation="100", percent="1")
    log.tell("trailing_activated", **trail, price="100", watermark="100")
    log.tell("trailing_triggered", **trail, price="101", watermark="100")
    log.tell("trailing_activated", **trail, price="101", watermark=watermark)

    assert judged(log, tmp_path) == (set() if is_sound else {"trail"})


@pytest.mark.parametrize("resets", [0, 1, 2])
def test_every_trail_must_be_reset_before_anything_else_is_told(tmp_path: Path, resets: int) -> None:
    log = MadeLog()
    for lot in (1, 2):
        log.tell("trailing_started", lot=lot, direction="down", activation="100", percent="1")
    log.tell("command_received", command="reset-trailing")
    for lot in (1, 2)[:resets]:
        log.tell("trailing_reset", lot=lot, direction="down")
    log.tell("connectivity_checked", reachable=True)

    found = log.found(tmp_path / "made")

    assert [line.split(": ")[-1].split(",")[0] for line in found] == [
        f"the trail of lot {lot}" for lot in (1, 2)[resets:]
    ]


# --- trades that come so late that what they sold is gone


@pytest.mark.parametrize(("cost", "is_sound"), [("25.0", True), ("50.0", False)], ids=["what was left", "as if held"])
def test_late_sale_of_a_lot_that_was_sold_again_costs_what_was_left_of_it(
    tmp_path: Path, cost: str, *, is_sound: bool
) -> None:
    log = MadeLog()
    lot = log.buy()
    late = log.order("sell", lot=lot)
    log.end(late, "0")
    again = log.order("sell", "0.0015", lot=lot)
    log.fill(again, "0.0015")
    log.sale(lot, again, "0.0015")
    log.fill(late, "0.001")
    log.tell("discrepancy_found", subject=f"order {late}", expected=NO_MORE, actual="", action="")
    log.sale(lot, late, "0.001", cost=cost, profit=str(50.0 - float(cost)), closed=True)

    assert judged(log, tmp_path) == (set() if is_sound else {"position"})


@pytest.mark.parametrize(
    ("what", "reason", "may_be"),
    [
        ("came back", "superseded", True),
        ("came back", "timeout", False),
        ("another sold late", "superseded", True),
        ("nothing", "superseded", False),
    ],
)
def test_cancellation_is_owed_in_a_recovery_only_of_what_has_no_place_any_more(
    tmp_path: Path, what: str, reason: str, *, may_be: bool
) -> None:
    log = MadeLog()
    lot = log.buy("0.01")
    former = log.order("sell", "0.01", lot=lot)
    log.end(former, "0")
    sell = log.order("sell", "0.01", lot=lot)
    if what == "came back":
        log.tell("order_rejected", client_order_id=sell, proof="absent", reason="")
    log.tell("recovery_started", order_number=1_000, accepted=[])
    if what == "came back":
        log.tell("order_reconciled", client_order_id=sell, old_status="rejected", new_status="open")
    if what == "another sold late":
        log.fill(former, "0.002")
        log.sale(lot, former, "0.002")
    log.tell("order_cancel_requested", client_order_id=sell, reason=reason)

    assert ("intent" in judged(log, tmp_path)) is not may_be


@pytest.mark.parametrize("status", ["waiting", "active", "inactive"])
def test_trail_that_begins_over_one_that_goes_on_is_found(tmp_path: Path, status: str) -> None:
    log = MadeLog()
    lot = log.buy("0.01")
    started = {"lot": lot, "direction": "up", "activation": "50500", "percent": "1", "floor": None, "amount": None}
    log.tell("trailing_started", **started, reason="")
    if status == "active":
        log.tell("trailing_activated", lot=lot, direction="up", price="50500", watermark="50500")
    if status == "inactive":
        log.tell("trailing_reset", lot=lot, direction="up", reason="manual")
    log.tell("trailing_started", **started, reason="")

    assert any("the trail before it is" in line for line in log.found(tmp_path / "made")) is (status != "inactive")


def sold_twice(bought: str) -> tuple[MadeLog, int, str]:
    """Make a log of a lot whose first sell traded after all, once the second had sold it: log, lot and first sell."""
    log = MadeLog()
    lot = log.buy(bought)
    late = log.order("sell", "0.01", lot=lot)
    log.end(late, "0")
    sell = log.order("sell", "0.01", lot=lot)
    log.fill(sell, "0.01")
    log.sale(lot, sell, "0.01", closed=True)
    log.fill(late, "0.01")
    return log, lot, late


@pytest.mark.parametrize("is_told", [True, False])
def test_sale_of_what_nothing_held_is_found_unless_it_is_told(tmp_path: Path, *, is_told: bool) -> None:
    log, lot, late = sold_twice("0.01")
    if is_told:
        log.tell("discrepancy_found", subject=f"order {late}", expected=NO_MORE, actual="", action="")
    log.sale(lot, late, "0.01", cost="0", profit="500")

    assert judged(log, tmp_path) == (set() if is_told else {"position"})


@pytest.mark.parametrize("is_sound", [True, False])
def test_late_trade_of_a_closed_lot_is_sold_from_the_dust(tmp_path: Path, *, is_sound: bool) -> None:
    log, lot, late = sold_twice("0.0101")
    log.tell("discrepancy_found", subject=f"order {late}", expected=NO_MORE, actual="", action="")
    cost = "5" if is_sound else "0"
    log.sale(lot, late, "0.01", dust_quantity="0.0001", cost=cost, profit=str(500 - int(cost)))
    other = log.buy("0.0101")
    sell = log.order("sell", "0.0101", lot=other)
    log.fill(sell, "0.0101")
    log.sale(other, sell, "0.0101", cost="505", profit="0", closed=True)

    assert judged(log, tmp_path) == (set() if is_sound else {"position"})


@pytest.mark.parametrize(("target", "is_sound"), [("55000", True), ("50000", False)])
def test_target_of_a_lot_that_a_late_trade_made_dearer_must_bring_the_profit_on_the_whole(
    tmp_path: Path, target: str, *, is_sound: bool
) -> None:
    log = MadeLog()
    buy = log.order("buy")
    log.fill(buy, "0.001")
    log.end(buy, "0.001")
    log.purchase(1, "0.001")
    log.fill(buy, "0.001", price=60_000)
    log.purchase(1, "0.002", 55_000, target=target)

    assert judged(log, tmp_path) == (set() if is_sound else {"position"})


@pytest.mark.parametrize("is_over", [False, True])
@pytest.mark.parametrize(
    ("how", "dust", "most"),
    [
        ("counted", "0", "0.0015"),
        ("counted", "0.0001", "0.0016"),
        ("0.0003", "0", "0.0017"),
        ("0", "0", "0.002"),
        ("gone", "0", "0.002"),
    ],
    ids=["nothing came late", "nothing came late, there is dust", "a part came late", "all came late", "gone"],
)
def test_lot_of_which_more_is_sold_than_it_and_the_dust_held_is_found_unless_so_much_was_told_after_an_end(
    tmp_path: Path, how: str, dust: str, most: str, *, is_over: bool
) -> None:
    log = MadeLog()
    if dust != "0":
        former = log.buy("0.0101")
        sell = log.order("sell", "0.01", lot=former)
        log.fill(sell, "0.01")
        log.sale(former, sell, "0.01", closed=True)
    lot = log.buy()
    first = log.order("sell", lot=lot)
    if how == "gone":
        log.tell("order_reconciled", client_order_id=first, new_status="gone")
    elif how != "counted":
        log.end(first, how)
    log.fill(first, "0.0005")
    if how == "counted":
        log.end(first, "0.0005")
    log.sale(lot, first, "0.0005")
    quantity = Decimal(most) + (Decimal("0.00001") if is_over else 0)
    sell = log.order("sell", str(quantity), lot=lot, dust_quantity=dust)
    log.fill(sell, str(quantity))
    cost = (Decimal("0.0015") + Decimal(dust)) * PRICE
    amounts = {"cost": str(cost), "profit": str(quantity * PRICE - cost)}
    log.tell("discrepancy_found", subject=f"order {sell}", expected=NO_MORE, actual="", action="")
    log.sale(lot, sell, str(quantity), dust_quantity=dust, **amounts, closed=True)

    assert judged(log, tmp_path) == ({"position"} if is_over else set())


@pytest.mark.parametrize(
    ("first", "taken_over", "is_sound"),
    [("0.002", "0.002", True), ("0.002", "0.0021", False), ("0.0012", "0.002", False)],
    ids=["what the first had sold", "more than that", "the first was whole"],
)
def test_sell_that_was_taken_over_may_have_sold_again_only_what_its_lot_sold_without_the_lost_end_being_told(
    tmp_path: Path, first: str, taken_over: str, *, is_sound: bool
) -> None:
    log = MadeLog()
    lot = log.buy("0.002")
    sell = log.order("sell", first, lot=lot)
    log.fill(sell, "0.0012")
    log.end(sell, "0.0012")
    log.sale(lot, sell, "0.0012")
    log.tell("recovery_started", order_number=1_000, accepted=[])
    name, ids = client_order_id(LOG_ID, 9), {"exchange_order_id": "9", "number": 9}
    wanted = {"side": "sell", "kind": "limit", "quantity": taken_over, "limit_price": str(PRICE), "lot": lot}
    log.tell("order_adopted", client_order_id=name, **ids, **wanted)
    log.fill(name, taken_over)
    log.tell("discrepancy_found", subject=f"order {name}", expected=NO_MORE, actual="", action="")
    profit = Decimal(taken_over) * PRICE - 40
    log.sale(lot, name, taken_over, cost="40", profit=str(profit), closed=True)

    assert judged(log, tmp_path) == (set() if is_sound else {"position"})
