"""What holds of every life of a bot, whatever its configuration and whatever happens to it."""

from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.core.decider import Observation, decide, wants_indicators
from engine.core.events import (
    IndicatorsObserved,
    PriceObserved,
    TimerFired,
    TrailingActivated,
    TrailingReset,
    TrailingStarted,
    TrailingTriggered,
    TrailingWatermarkMoved,
)
from engine.core.reducers import apply
from engine.core.state import BotState, Trail
from engine.core.watch import trigger_down, trigger_up
from engine.runtime.schema import state_digest
from tests.core.books import audit
from tests.core.walks import LIVES, Life, book, born, lived, moved, take
from tests.kernel import Kernel, Moment, events_of, of

SPEC = pytest.mark.spec
_PERCENTS: Final = st.decimals(Decimal("0.01"), Decimal(50), places=2)
_PRICES: Final = st.decimals(Decimal("0.01"), Decimal(1_000_000), places=2)


def folded(moments: list[Moment], state: BotState | None = None) -> BotState:
    """Fold the events of moments, from nothing or from a state."""
    for moment in moments:
        for event in events_of(moment):
            state = apply(state, event, moment.observation.at_ms)
    assert state is not None
    return state


def round_trip(state: BotState) -> BotState:
    """Give the state as a checkpoint would."""
    return msgspec.json.decode(msgspec.json.encode(state), type=BotState)


# --- the fold --------------------------------------------------------------------------------------------------------


@SPEC("the state is a function of the log", section="The kernel: five pure functions")
@given(LIVES, st.floats(0, 1))
def test_fold_of_any_log_gives_the_state_in_one_go_or_from_any_prefix(life: Life, share: float) -> None:
    kernel = lived(life)
    cut = max(1, int(share * len(kernel.history)))
    assert folded(kernel.history) == kernel.state
    prefix = folded(kernel.history[:cut])
    assert folded(kernel.history[cut:], round_trip(prefix)) == kernel.state


@SPEC("deciding again over the recorded observations gives the same decisions", section="What was seen is logged too")
@given(LIVES)
def test_log_of_any_life_decided_again_gives_the_same_decisions(life: Life) -> None:
    kernel = lived(life)
    state = None
    for moment in kernel.history:
        seen: Any = moment.observation.event
        if not isinstance(seen, PriceObserved):
            state = apply(state, seen, moment.observation.at_ms)
        assert state is not None
        assert decide(kernel.strategy, state, moment.observation) == moment.decided
        for event in moment.decided:
            state = apply(state, event, moment.observation.at_ms)


@given(LIVES)
def test_state_of_any_life_is_the_same_after_encoding_and_tells_its_story(life: Life) -> None:
    kernel = lived(life)
    assert round_trip(kernel.state) == kernel.state
    assert state_digest(round_trip(kernel.state)) == state_digest(kernel.state)
    assert all(line.strip() == line for line in kernel.lines())
    assert kernel.file_json()["stats"]["total_trades"] == kernel.state.stats.total_trades


# --- the books -------------------------------------------------------------------------------------------------------


@SPEC("profit, cost and cash tie to each other exactly, all fees included", section="Money")
@given(LIVES)
def test_books_of_any_life_add_up_after_every_step(life: Life) -> None:
    settings, steps = life
    kernel = born(settings)
    for step in steps:
        take(kernel, step)
        audit(kernel)


# --- trails ----------------------------------------------------------------------------------------------------------


@SPEC("inactive, waiting, active, triggered: no other way", section="Trailing States")
@given(LIVES)
def test_trails_of_any_life_walk_their_states_in_order_and_never_lose_a_watermark(life: Life) -> None:
    kernel = lived(life)
    states: dict[int, str] = {}
    watermarks: dict[int, Decimal] = {}
    for event in kernel.told():
        match event:
            case TrailingStarted():
                assert states.get(event.lot, "inactive") == "inactive"
                states[event.lot] = "waiting"
            case TrailingActivated():
                was = states[event.lot]
                assert was in {"waiting", "triggered"}
                assert was == "waiting" or event.watermark == watermarks[event.lot]
                states[event.lot], watermarks[event.lot] = "active", event.watermark
            case TrailingWatermarkMoved():
                for lot in [lot for lot, status in states.items() if status == "active"]:
                    if (lot == 0) is (event.direction == "down"):
                        best = min if event.direction == "down" else max
                        watermarks[lot] = best(watermarks[lot], event.watermark)
            case TrailingTriggered():
                assert states[event.lot] == "active", "a trail fires only from active"
                assert event.watermark == watermarks[event.lot]
                assert event.price != event.watermark
                states[event.lot] = "triggered"
            case TrailingReset():
                assert states[event.lot] != "inactive"
                states[event.lot] = "inactive"
            case _:
                pass
    alive = {lot: status for lot, status in states.items() if status != "inactive"}
    assert alive == {lot: trail.status for lot, trail in kernel.state.trails.items()}
    assert all(trail.watermark in {None, watermarks.get(lot)} for lot, trail in kernel.state.trails.items())


@SPEC("a trail fires iff the retrace is at least its percent, nothing rounded before comparing", section="decision 1")
@given(_PRICES, _PRICES, _PERCENTS)
def test_trigger_of_any_trail_is_exact_and_the_same_in_both_directions(
    watermark: Decimal, price: Decimal, percent: Decimal
) -> None:
    up = Trail(1, "up", "active", watermark, percent, None, watermark, 0)
    down = replace(up, lot=0, direction="down")
    fallen = (Fraction(watermark) - Fraction(price)) * 100 / Fraction(watermark)
    assert (price * 100 <= trigger_up(up)) is (fallen >= Fraction(percent))
    mirrored = 2 * watermark - price
    assert (mirrored * 100 >= trigger_down(down)) is (price * 100 <= trigger_up(up)), "a rise of x mirrors a fall of x"


# --- what a price costs ----------------------------------------------------------------------------------------------


@SPEC("a price without consequence writes nothing", section="Two kinds of stream in one log")
@given(LIVES)
def test_price_repeated_after_any_life_soon_falls_silent(life: Life) -> None:
    kernel = lived(life)
    kernel.wait(61 - kernel.now_ms // 1000 % 60)
    last = moved(kernel, 0)
    for _ in range(4):
        kernel.price(last, after_s=1)
    assume(all(lot.hold_ms == 0 for lot in kernel.state.lots.values()))
    orders = set(kernel.state.orders)
    events = kernel.price(last, after_s=1, settled=False)
    assume(not of(events, TimerFired))
    assert events == []
    assert set(kernel.state.orders) == orders


@SPEC("indicators are only looked at where they were asked for", section="When Indicators Are Checked")
@given(LIVES)
def test_price_at_which_nobody_wants_indicators_is_decided_without_them(life: Life) -> None:
    settings, steps = life
    kernel = born(settings)
    for step in steps:
        if step[0] == "price":
            _, hundredths, after_s, has_book = step
            kernel.wait(after_s)
            _hold_indicators_against_the_wish_for_them(kernel, moved(kernel, hundredths), has_book=has_book)
            take(kernel, ("price", hundredths, 0, has_book))
        else:
            take(kernel, step)


def _hold_indicators_against_the_wish_for_them(kernel: Kernel, last: Decimal, *, has_book: bool) -> None:
    assert kernel.view.price_ms is not None
    gap_ms = kernel.now_ms - kernel.view.price_ms
    bid, ask = book(last, wanted=has_book)
    price = PriceObserved(last, bid, ask, gap_ms=gap_ms)
    if wants_indicators(kernel.strategy, kernel.state, price, kernel.now_ms, kernel.view.rules):
        return
    decisions = []
    for average in (0.5, 2.0):
        values: dict[str, tuple[float, ...]] = {"close": (1.0,), "ema:25": (average,)}
        indicators = {"5m": IndicatorsObserved("5m", 0, values)}
        view = replace(kernel.view, price=price, price_ms=kernel.now_ms, indicators=indicators)
        decisions.append(decide(kernel.strategy, kernel.state, Observation(price, kernel.now_ms, view)))
    assert decisions[0] == decisions[1]
