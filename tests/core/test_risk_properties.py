"""What holds of the risk limits in every life of a bot: sells are never blocked, and what must go goes."""

from collections import Counter
from typing import Final

import pytest
from hypothesis import given, settings

from engine.core.events import (
    EntrySkipped,
    KillSwitchEngaged,
    KillSwitchReleased,
    LimitReached,
    OrderRequested,
    StopLossTriggered,
)
from engine.core.watch import is_stopped_out
from tests.core.books import audit
from tests.core.walks import LIVES, RISKY, Life, lived, moved
from tests.kernel import Kernel, of

SPEC = pytest.mark.spec
LONGEST_HOLD_S: Final = 2 * 3_840
"""Twice the longest that a lot waits after refusals."""


def awake(life: Life) -> Kernel:
    """Give the bot at the end of a life, following prices again and buying nothing."""
    kernel = lived(life)
    kernel.votes(yes=False)
    kernel.command("resume")
    kernel.check(reachable=True)
    return kernel


def sold_at_market(kernel: Kernel) -> None:
    """Show prices until every hold is over and every partial fill is done."""
    for _ in range(3):
        kernel.price(moved(kernel, 0), after_s=LONGEST_HOLD_S)


@SPEC("limits never block a sell that reduces the position", section="Risk")
@given(LIVES)
def test_lots_of_any_life_are_sold_when_the_price_is_there_whatever_limits_are_reached(life: Life) -> None:
    kernel = awake(life)
    sold_at_market(kernel)
    kernel.price(moved(kernel, 2_000))
    for hundredths in (-110, 150) * 40:
        kernel.price(moved(kernel, hundredths), after_s=10)
    assert [lot for lot in kernel.state.lots.values() if lot.status == "open"] == []
    audit(kernel)


@SPEC("flatten sells every lot at market, whatever went before", section="Risk")
@given(LIVES)
def test_flatten_after_any_life_leaves_no_lot_no_order_and_no_trail(life: Life) -> None:
    kernel = lived(life)
    kernel.command("flatten")
    kernel.check(reachable=True)
    sold_at_market(kernel)
    assert (kernel.state.lots, kernel.state.orders, kernel.state.trails) == ({}, {}, {})
    kernel.votes(yes=True)
    assert of(kernel.prices(moved(kernel, 300), moved(kernel, 0)), OrderRequested) == []
    audit(kernel)


@SPEC("a lot at or under unit cost × (1 − p) is sold at market", section="Risk")
@given(LIVES)
def test_no_open_lot_of_any_life_stays_at_its_stop(life: Life) -> None:
    kernel = awake(life)
    sold_at_market(kernel)
    assert kernel.view.price is not None
    percent = kernel.config.risk.stop_loss_percent
    for lot in kernel.state.lots.values():
        if lot.status == "open" and percent is not None:
            assert not is_stopped_out(lot, kernel.view.price.sell_price, percent)
        assert not lot.stopped


def test_lives_reach_every_limit() -> None:
    reached: Counter[str] = Counter()

    @settings(max_examples=200)
    @given(RISKY)
    def count(life: Life) -> None:
        for event in lived(life).told():
            match event:
                case LimitReached() | EntrySkipped():
                    reached[event.rule] += 1
                case KillSwitchEngaged():
                    reached[f"{event.reason}: {event.action}"] += 1
                case StopLossTriggered() | KillSwitchReleased():
                    reached[type(event).__name__] += 1
                case _:
                    pass

    count()
    sizes = {"max_position_size", "max_order_size", "max_open_orders"}
    kills = {f"{why}: {what}" for why in ("command", "max_drawdown_percent") for what in ("stop_entries", "flatten")}
    expected = sizes | kills | {"max_daily_loss_percent", "StopLossTriggered", "KillSwitchReleased"}
    assert expected <= reached.keys(), reached
