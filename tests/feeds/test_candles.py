"""The window of closed candles: its bounds, its holes, and the law that a restored window is the same."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.instants import DAY_MS
from engine.core.market import Candle
from engine.feeds.candles import HISTORY, CandleWindow, Refreshed, is_sound_candle
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings

MINUTES_5 = 300_000
HALF_DAY_MS = DAY_MS // 2
MIDNIGHT_MS = 20_000 * DAY_MS


def candle(open_ms: int, close: str = "100", volume: str = "1") -> Candle:
    price = Decimal(close)
    return Candle(open_ms, price, price, price, price, Decimal(volume))


class Shelf:
    """A source that shows what lies on it, closed at `now_ms` less its delay, and remembers what it was asked."""

    def __init__(self, candles: Sequence[Candle], timeframe_ms: int, delay_ms: int = 0) -> None:
        self.candles = {each.open_ms: each for each in candles}
        self.asked: list[tuple[int, int]] = []
        self.now_ms = 0
        self.timeframe_ms = timeframe_ms
        self.delay_ms = delay_ms

    def __call__(self, since_ms: int, until_ms: int) -> list[Candle]:
        self.asked.append((since_ms, until_ms))
        latest_ms = min(until_ms, self.now_ms - self.delay_ms) - self.timeframe_ms
        return [each for at_ms, each in sorted(self.candles.items()) if since_ms <= at_ms <= latest_ms]

    def refreshed(self, window: CandleWindow, now_ms: int) -> Refreshed:
        self.now_ms = now_ms
        return window.refresh(now_ms)


def minutes_shelf(count: int, start_ms: int = MIDNIGHT_MS) -> Shelf:
    return Shelf([candle(start_ms + n * MINUTES_5, str(100 + n % 7)) for n in range(count)], MINUTES_5)


@pytest.mark.spec("indicators run over the closed candles from 500 before midnight to now", section="Strategy dca")
def test_window_of_an_old_market_begins_500_before_the_last_utc_midnight() -> None:
    market = SimulatedMarket("BTC/USD", "BTC", "USD", SimulatedSettings())
    window = CandleWindow(MINUTES_5, lambda since, until: market.candles(MINUTES_5, since, until))
    now_ms = market.start_ms + 25 * 3_600_000 + 1
    window.refresh(now_ms)
    assert window.candles[0].open_ms == now_ms // DAY_MS * DAY_MS - HISTORY * MINUTES_5
    assert window.candles[-1].open_ms == now_ms // MINUTES_5 * MINUTES_5 - MINUTES_5
    assert len(window.candles) == 512


def test_window_of_a_young_market_holds_all_there_is() -> None:
    shelf = minutes_shelf(30)
    window = CandleWindow(MINUTES_5, shelf)
    assert shelf.refreshed(window, MIDNIGHT_MS + 30 * MINUTES_5).new == tuple(shelf.candles.values())
    assert window.candles == tuple(shelf.candles.values())


@pytest.mark.spec("candles are fetched only when one may have closed", section="decision 15")
def test_refresh_without_a_closed_candle_asks_nothing() -> None:
    shelf = minutes_shelf(40)
    window = CandleWindow(MINUTES_5, shelf)
    start_ms = MIDNIGHT_MS + 10 * MINUTES_5
    for minute in range(61):
        shelf.refreshed(window, start_ms + minute * 60_000)
    assert window.fetches == len(shelf.asked) == 13
    assert shelf.asked[1:] == [(start_ms + n * MINUTES_5, start_ms + (n + 1) * MINUTES_5) for n in range(12)]


def test_refresh_with_the_cache_off_asks_every_time_and_changes_nothing() -> None:
    shelf = minutes_shelf(40)
    window = CandleWindow(MINUTES_5, shelf)
    shelf.refreshed(window, MIDNIGHT_MS + 40 * MINUTES_5)
    before = window.candles
    assert window.refresh(shelf.now_ms + 1, ask_anyway=True) == Refreshed()
    assert window.fetches == 2
    assert window.candles is before


@pytest.mark.spec("a hole that a refetch confirms is filled flat and marked", section="Strategy dca")
def test_hole_with_a_later_candle_is_asked_for_once_more_and_filled_flat() -> None:
    shelf = minutes_shelf(20)
    del shelf.candles[MIDNIGHT_MS + 10 * MINUTES_5], shelf.candles[MIDNIGHT_MS + 12 * MINUTES_5]
    window = CandleWindow(MINUTES_5, shelf)
    found = shelf.refreshed(window, MIDNIGHT_MS + 20 * MINUTES_5)
    close = shelf.candles[MIDNIGHT_MS + 9 * MINUTES_5].close
    assert window.candles[10] == Candle(
        MIDNIGHT_MS + 10 * MINUTES_5, close, close, close, close, Decimal(0), filled=True
    )
    assert [each.filled for each in found.new].count(True) == 2
    assert found.refusal is None
    assert shelf.asked[1:] == [(MIDNIGHT_MS + 10 * MINUTES_5, MIDNIGHT_MS + 13 * MINUTES_5)]


def test_hole_that_the_refetch_closes_is_not_filled() -> None:
    shelf = minutes_shelf(20)
    missing_ms = MIDNIGHT_MS + 5 * MINUTES_5

    def forgetful(since_ms: int, until_ms: int) -> list[Candle]:
        return [each for each in shelf(since_ms, until_ms) if each.open_ms != missing_ms or len(shelf.asked) > 1]

    window = CandleWindow(MINUTES_5, forgetful)
    shelf.refreshed(window, MIDNIGHT_MS + 20 * MINUTES_5)
    assert window.candles == tuple(shelf.candles.values())


@pytest.mark.spec("an unconfirmed hole refuses the vote", section="Strategy dca")
def test_hole_at_the_end_is_unconfirmed_until_a_later_candle_shows() -> None:
    shelf = minutes_shelf(22)
    late = shelf.candles.pop(MIDNIGHT_MS + 20 * MINUTES_5)
    window = CandleWindow(MINUTES_5, shelf)
    found = shelf.refreshed(window, late.open_ms + MINUTES_5)
    assert found.unconfirmed == (late.open_ms,)
    assert found.refusal is not None
    assert shelf.refreshed(window, late.open_ms + MINUTES_5 + 60_000).unconfirmed == (late.open_ms,)
    found = shelf.refreshed(window, late.open_ms + 2 * MINUTES_5)
    assert found.refusal is None
    assert [each.filled for each in found.new] == [True, False]


def test_candle_that_comes_late_is_taken_as_it_is() -> None:
    shelf = minutes_shelf(21)
    shelf.delay_ms = 2_000
    window = CandleWindow(MINUTES_5, shelf)
    close_ms = MIDNIGHT_MS + 21 * MINUTES_5
    assert shelf.refreshed(window, close_ms).unconfirmed == (close_ms - MINUTES_5,)
    found = shelf.refreshed(window, close_ms + 2_000)
    assert (found.unconfirmed, len(found.new), window.candles[-1].filled) == ((), 1, False)


BAD_CANDLES = {
    "NaN": candle(0, "NaN"),
    "infinity": candle(0, "Infinity"),
    "zero": candle(0, "0"),
    "negative": candle(0, "-1"),
    "volume NaN": candle(0, volume="NaN"),
    "volume negative": candle(0, volume="-1"),
    "too large": candle(0, "1e16"),
    "low above open": Candle(0, Decimal(1), Decimal(3), Decimal(2), Decimal(2), Decimal(1)),
    "high below close": Candle(0, Decimal(1), Decimal(1), Decimal(1), Decimal(2), Decimal(1)),
}


@pytest.mark.parametrize("bad", BAD_CANDLES.values(), ids=BAD_CANDLES)
def test_candle_that_is_not_sound_is_told(bad: Candle) -> None:
    assert not is_sound_candle(bad)
    assert is_sound_candle(candle(0, volume="0"))


@pytest.mark.spec("a NaN refuses the vote and never reaches TA-Lib", section="Strategy dca")
def test_candle_that_is_not_sound_is_never_kept_and_refuses_until_a_good_one_comes() -> None:
    shelf = minutes_shelf(40)
    bad_ms = MIDNIGHT_MS + 30 * MINUTES_5
    good = shelf.candles[bad_ms]
    shelf.candles[bad_ms] = candle(bad_ms, "NaN")
    window = CandleWindow(MINUTES_5, shelf)
    for count in (32, 33):
        found = shelf.refreshed(window, MIDNIGHT_MS + count * MINUTES_5)
        assert found.unsound == (bad_ms,)
        assert found.refusal is not None
        assert len(window.candles) == 30
    shelf.candles[bad_ms] = good
    found = shelf.refreshed(window, MIDNIGHT_MS + 34 * MINUTES_5)
    assert found.refusal is None
    assert len(window.candles) == 34


def test_source_that_fails_leaves_the_window_as_it_was() -> None:
    shelf = minutes_shelf(40)
    window = CandleWindow(MINUTES_5, shelf)
    shelf.refreshed(window, MIDNIGHT_MS + 30 * MINUTES_5)
    before, working = window.candles, window._source

    def broken(since_ms: int, until_ms: int) -> list[Candle]:
        raise OSError(since_ms, until_ms)

    window._source = broken
    with pytest.raises(OSError, match=r"\d"):
        window.refresh(MIDNIGHT_MS + 35 * MINUTES_5)
    assert window.candles is before
    window._source = working
    assert len(shelf.refreshed(window, MIDNIGHT_MS + 35 * MINUTES_5).new) == 5


def test_window_never_begins_with_a_filled_candle_so_that_a_restored_one_is_equal() -> None:
    start_ms = MIDNIGHT_MS - HISTORY * HALF_DAY_MS
    shelf = Shelf([candle(start_ms + n * HALF_DAY_MS) for n in range(510) if n not in {2, 3}], HALF_DAY_MS)
    window = CandleWindow(HALF_DAY_MS, shelf)
    shelf.refreshed(window, MIDNIGHT_MS)
    assert window.candles[2].filled
    shelf.refreshed(window, MIDNIGHT_MS + DAY_MS)
    assert window.candles[0].open_ms == start_ms + 4 * HALF_DAY_MS
    restored = CandleWindow(HALF_DAY_MS, shelf)
    restored.restore(MIDNIGHT_MS + DAY_MS)
    assert restored.candles == window.candles


SLOTS = st.integers(0, 60) | st.integers(495, 560)  # where windows begin, and where they end
HOLES = st.lists(st.tuples(SLOTS, st.integers(1, 12)), min_size=1, max_size=10)
HOURS = st.lists(st.integers(1, 120), min_size=2, max_size=8)


@given(HOLES, st.lists(SLOTS, max_size=2), HOURS, st.sampled_from([0, 5_000]))
@pytest.mark.spec("the candles are the same after a restart", section="Strategy dca")
def test_window_restored_at_any_refresh_equals_the_uninterrupted_one(
    holes: list[tuple[int, int]], unsound: list[int], waits_h: list[int], delay_ms: int
) -> None:
    absent = {slot + n for slot, length in holes for n in range(length)}
    start_ms = MIDNIGHT_MS - HISTORY * HALF_DAY_MS
    shown = [
        candle(start_ms + n * HALF_DAY_MS, "NaN" if n in unsound else f"{100 + n % 11}.50")
        for n in range(600)
        if n not in absent
    ]
    shelf = Shelf(shown, HALF_DAY_MS, delay_ms)
    window, now_ms = CandleWindow(HALF_DAY_MS, shelf), MIDNIGHT_MS
    for wait_h in waits_h:
        now_ms += wait_h * 3_600_000
        found = shelf.refreshed(window, now_ms)
        restored = CandleWindow(HALF_DAY_MS, shelf)
        again = restored.restore(now_ms)
        assert restored.candles == window.candles
        assert (again.unsound, again.unconfirmed) == (found.unsound, found.unconfirmed)
        assert all(map(is_sound_candle, window.candles))
        opens = [each.open_ms for each in window.candles]
        assert opens == list(range(opens[0], opens[-1] + 1, HALF_DAY_MS)) if opens else True
