"""The slot between a market that does not wait and the log: what it keeps of the prices, how often it shows them."""

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.market import Tick
from engine.feeds.prices import OLDEST_MS, PACE_MS, PriceSlot

START_MS = 1_730_635_800_000
STEPS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 700), st.booleans()), max_size=60)
"""A price, how long after the one before it came, and whether somebody looks then."""


def tick(last: int | str, at_ms: int = START_MS) -> Tick:
    """Make a price."""
    return Tick(at_ms=at_ms, last=Decimal(last))


def put(slot: PriceSlot, *lasts: int, at_ms: int = START_MS) -> None:
    """Let prices come at one moment."""
    for last in lasts:
        assert slot.put(tick(last, at_ms), at_ms, at_ms)


def taken(slot: PriceSlot, now_ms: int = START_MS) -> list[int]:
    """Look, and give the prices seen."""
    return [int(each.last) for each in slot.take(now_ms)]


def test_slot_without_prices_shows_nothing_and_wants_no_look() -> None:
    slot = PriceSlot()
    assert slot.due_ms() is None
    assert slot.take(START_MS) == ()
    assert slot.newest is None


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        pytest.param([5], [5], id="one"),
        pytest.param([5, 6, 7], [5, 7], id="rising"),
        pytest.param([7, 6, 5], [7, 5], id="falling"),
        pytest.param([5, 9, 1, 6], [9, 1, 6], id="both-extremes-in-their-order"),
        pytest.param([5, 1, 9, 6], [1, 9, 6], id="the-other-order"),
        pytest.param([5, 5, 5], [5], id="always-the-same"),
    ],
)
def test_first_look_shows_extremes_and_the_newest_last(came: list[int], shown: list[int]) -> None:
    slot = PriceSlot()
    put(slot, *came)
    assert taken(slot) == shown


def test_look_within_a_second_of_the_last_shows_nothing_and_loses_nothing() -> None:
    slot = PriceSlot()
    put(slot, 5)
    assert taken(slot) == [5]
    put(slot, 9, 6, at_ms=START_MS + 10)
    assert slot.due_ms() == START_MS + PACE_MS
    assert taken(slot, START_MS + PACE_MS - 1) == []
    assert taken(slot, START_MS + PACE_MS) == [9, 6]


def test_price_between_the_last_two_is_no_extreme() -> None:
    slot = PriceSlot()
    put(slot, 5)
    assert taken(slot) == [5]
    put(slot, 6, 7, 8)
    assert taken(slot, START_MS + PACE_MS) == [8]


@pytest.mark.parametrize(("age_ms", "kept"), [(OLDEST_MS, True), (OLDEST_MS + 1, False)])
def test_price_that_is_old_when_it_comes_is_dropped(age_ms: int, *, kept: bool) -> None:
    slot = PriceSlot()
    assert slot.put(tick(5, START_MS - age_ms), START_MS, START_MS) is kept
    assert (slot.newest is not None) is kept


def test_age_of_a_price_is_told_by_the_clock_of_the_exchange() -> None:
    slot = PriceSlot()
    ahead_ms = 60_000
    assert slot.put(tick(5, START_MS + ahead_ms), START_MS, START_MS + ahead_ms)
    assert slot.came_ms == START_MS


def test_price_older_than_the_one_before_is_dropped_and_an_equally_old_one_is_not() -> None:
    slot = PriceSlot()
    put(slot, 5, at_ms=START_MS + 1)
    assert not slot.put(tick(9, START_MS), START_MS + 2, START_MS + 2)
    assert slot.put(tick(6, START_MS + 1), START_MS + 2, START_MS + 2)
    assert taken(slot, START_MS + 2) == [5, 6]
    assert not slot.put(tick(7, START_MS), START_MS + 3, START_MS + 3)


@given(STEPS)
def test_newest_price_and_every_extreme_is_shown_whatever_comes(steps: list[tuple[int, int, bool]]) -> None:
    slot, now_ms = PriceSlot(), START_MS
    since: list[int] = []
    before: int | None = None
    for last, wait_ms, looks in steps:
        now_ms += wait_ms
        put(slot, last, at_ms=now_ms)
        since.append(last)
        shown = taken(slot, now_ms) if looks else []
        if shown:
            assert shown[-1] == last
            assert len(shown) <= 3
            around = [*shown, *([] if before is None else [before])]
            assert min(around) <= min(since)
            assert max(around) >= max(since)
            assert set(shown) <= set(since)
            before, since = last, []
    assert slot.newest is None or int(slot.newest.last) == (since[-1] if since else before)


@given(STEPS)
def test_looks_that_show_something_are_a_second_apart(steps: list[tuple[int, int, bool]]) -> None:
    slot, now_ms = PriceSlot(), START_MS
    looks: list[int] = []
    for last, wait_ms, _ in steps:
        now_ms += wait_ms
        put(slot, last, at_ms=now_ms)
        if slot.take(now_ms):
            looks.append(now_ms)
    assert all(later - earlier >= PACE_MS for earlier, later in pairwise(looks))
