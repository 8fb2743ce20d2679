"""The simulated market is a function of seed and time alone."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.errors import ConfigError
from engine.core.market import TIMEFRAMES_MS, Candle, Tick
from engine.feeds.curve import BLOCK_MS, REGIMES, Curve
from engine.feeds.market import Outage, ScriptedOutage, WaitingMarket
from engine.feeds.simulated import QUIET_MS, SimulatedMarket, SimulatedSettings

HOUR_MS = 3_600_000
START_MS = SimulatedSettings().start_ms


def market(**settings: Any) -> SimulatedMarket:
    return SimulatedMarket("BTC/USD", "BTC", "USD", SimulatedSettings(**settings))


def ticks(source: WaitingMarket, count: int, after_ms: int = START_MS - 1) -> list[Tick]:
    found: list[Tick] = []
    for _ in range(count):
        tick = source.next_tick(found[-1].at_ms if found else after_ms)
        assert tick is not None
        found.append(tick)
    return found


def outages(source: SimulatedMarket, hours: int) -> list[Outage]:
    found = (source.outage_at(START_MS + minute * 60_000) for minute in range(hours * 60))
    return sorted({each.from_ms: each for each in found if each is not None}.values(), key=lambda each: each.from_ms)


SEQUENTIAL = ticks(market(), 3_000)


@given(st.permutations(range(0, 3_000, 97)))
@pytest.mark.spec("the simulated market is a function of seed and time alone", section="Markets without a network")
def test_ticks_asked_in_any_order_equal_the_sequential_ones(order: list[int]) -> None:
    source = market()
    for index in order:
        before_ms = SEQUENTIAL[index - 1].at_ms if index else START_MS - 1
        assert source.next_tick(before_ms) == SEQUENTIAL[index]


def test_ticks_of_another_instance_with_the_same_seed_are_the_same() -> None:
    assert ticks(market(), 500) == SEQUENTIAL[:500]


def test_ticks_of_different_seeds_differ() -> None:
    paths = {tuple(tick.last for tick in ticks(market(seed=seed), 20)) for seed in range(20)}
    assert len(paths) == 20


@pytest.mark.parametrize(
    ("hours", "last", "bid", "ask"),
    [
        (0, "48893.18", "48888.30", "48898.06"),
        (5, "47548.43", "47543.68", "47553.18"),
        (24 * 365, "50475.74", "50470.70", "50480.78"),
    ],
    ids=["at the start", "after five hours", "after a year"],
)
def test_ticks_on_every_machine_have_these_prices(hours: int, last: str, bid: str, ask: str) -> None:
    tick = market(outages=False).next_tick(START_MS + hours * HOUR_MS - 1)
    assert (str(tick.last), str(tick.bid), str(tick.ask)) == (last, bid, ask)


def test_ticks_rise_strictly_in_time_and_lie_on_the_cadence() -> None:
    assert all(earlier.at_ms < later.at_ms for earlier, later in pairwise(SEQUENTIAL))
    assert SEQUENTIAL[0].at_ms == START_MS
    assert all(tick.at_ms % 10_000 == 0 for tick in SEQUENTIAL)


def test_ticks_before_the_start_are_not_given() -> None:
    assert market().next_tick(0).at_ms == START_MS


@pytest.mark.parametrize("spread", ["0", "0.02", "1"])
def test_ticks_lie_on_the_price_tick_between_bid_and_ask(spread: str) -> None:
    for tick in ticks(market(spread_percent=Decimal(spread), price_tick=Decimal("0.05")), 200):
        assert tick.bid is not None
        assert tick.ask is not None
        assert 0 < tick.bid <= tick.last <= tick.ask
        assert all(price % Decimal("0.05") == 0 for price in (tick.bid, tick.last, tick.ask))
        assert (tick.ask - tick.bid) * 100 <= Decimal(spread) * tick.last


@pytest.mark.parametrize("regimes", [REGIMES, ("calm",), ("trend",), ("crash",)], ids=str)
def test_price_over_three_years_stays_sane(regimes: tuple[str, ...]) -> None:
    curve = Curve(11, regimes)
    prices = [curve.factor(START_MS + step * 4 * HOUR_MS) for step in range(6 * 365 * 3)]
    assert min(prices) > 0.5
    assert max(prices) < 1.6


def test_price_from_tick_to_tick_has_no_jumps_where_regimes_meet() -> None:
    curve = Curve(3, REGIMES)
    for block in range(START_MS // BLOCK_MS, START_MS // BLOCK_MS + 200):
        before, after = curve.factor(block * BLOCK_MS - 1), curve.factor(block * BLOCK_MS)
        assert abs(after / before - 1) < 1e-4


@pytest.mark.parametrize("name", REGIMES)
def test_regimes_that_are_named_are_the_ones_drawn(name: str) -> None:
    assert {Curve(1, (name,)).regime(block).name for block in range(50)} == {name}


def test_regimes_of_the_ordinary_market_all_occur() -> None:
    assert {Curve(1, REGIMES).regime(block).name for block in range(100)} == set(REGIMES)


def test_crashes_fall_fast_and_recover_in_part() -> None:
    curve = Curve(5, REGIMES)
    falls, ends = [], []
    for block in (block for block in range(1_000) if curve.regime(block).name == "crash"):
        start, bottom, end = (curve.factor(int((block + part) * BLOCK_MS)) for part in (0, 0.15, 0.999))
        falls.append(1 - bottom / start)
        ends.append(1 - end / start)
    fall, end = sum(falls) / len(falls), sum(ends) / len(ends)
    assert 0.02 < fall < 0.05
    assert 0 < end < fall / 2


def test_price_within_twelve_hours_swings_enough_to_trade_with_most_seeds() -> None:
    lively = 0
    for seed in range(20):
        low, swings = None, 0
        for candle in market(seed=seed).candles(300_000, START_MS, START_MS + 12 * HOUR_MS):
            low = candle.close if low is None else min(low, candle.close)
            if candle.close * 1000 >= low * 1013:
                low, swings = None, swings + 1
        lively += swings >= 3
    assert lively >= 15


@given(
    st.sampled_from(["1m", "5m", "1h"]),
    st.integers(START_MS - 2 * HOUR_MS, START_MS + 2 * HOUR_MS),
    st.integers(0, 4 * HOUR_MS),
)
@pytest.mark.spec("no candle is visible before it closes", section="Markets without a network")
def test_candles_before_they_close_are_not_visible(timeframe: str, since_ms: int, length_ms: int) -> None:
    length, until_ms = TIMEFRAMES_MS[timeframe], since_ms + length_ms
    grid = range(since_ms // length * length, until_ms, length)
    closed = [open_ms for open_ms in grid if open_ms >= since_ms and open_ms + length <= until_ms]
    assert [each.open_ms for each in market().candles(length, since_ms, until_ms)] == closed


def test_candles_are_made_of_the_ticks_within_them() -> None:
    source = market(outages=False)
    inside = ticks(source, 30, START_MS + HOUR_MS - 1)
    [candle] = source.candles(300_000, START_MS + HOUR_MS, START_MS + HOUR_MS + 300_000)
    prices = [tick.last for tick in inside]
    assert (candle.open, candle.close) == (prices[0], prices[-1])
    assert (candle.high, candle.low) == (max(prices), min(prices))


@pytest.mark.parametrize("timeframe", ["5m", "15m", "1h"])
@pytest.mark.spec("larger timeframes are built from smaller", section="Markets without a network")
def test_candles_of_a_larger_timeframe_equal_those_built_from_minutes(timeframe: str) -> None:
    source, length = market(), TIMEFRAMES_MS[timeframe]
    minutes = source.candles(60_000, START_MS, START_MS + 3 * HOUR_MS)
    size = length // 60_000
    built = [
        Candle(
            part[0].open_ms,
            part[0].open,
            max(each.high for each in part),
            min(each.low for each in part),
            part[-1].close,
            sum((each.volume for each in part), Decimal(0)),
        )
        for part in (minutes[at : at + size] for at in range(0, len(minutes), size))
    ]
    assert source.candles(length, START_MS, START_MS + 3 * HOUR_MS) == built


def test_candles_of_a_slow_cadence_leave_holes() -> None:
    source = market(cadence_s=120)
    assert len(source.candles(60_000, START_MS, START_MS + HOUR_MS)) == 30


@pytest.mark.parametrize("seed", range(5))
def test_outages_are_drawn_one_per_six_hours_after_a_quiet_hour(seed: int) -> None:
    found = outages(market(seed=seed), 24 * 7)
    assert len(found) in {27, 28}
    assert all(each.from_ms >= START_MS + QUIET_MS for each in found)
    assert all(60_000 <= each.to_ms - each.from_ms <= 15 * 60_000 for each in found)
    assert {each.kind for each in found} == {"exchange", "internet"}


@pytest.mark.spec("on simulated markets the market itself answers the probes", section="decision 3")
def test_outages_hide_ticks_and_answer_the_probe() -> None:
    source = market()
    for outage in outages(source, 48):
        found = source.reachability(outage.from_ms)
        assert (found.exchange, found.internet) == (False, outage.kind == "exchange")
        after = source.next_tick(outage.from_ms - 1)
        assert after.at_ms >= outage.to_ms
        assert source.reachability(outage.to_ms).exchange
        assert source.candles(60_000, outage.from_ms, outage.to_ms + 60_000)


def test_outages_switched_off_never_happen() -> None:
    assert outages(market(outages=False), 72) == []


def test_outages_in_the_script_happen_at_their_time_even_one_upon_another() -> None:
    script = (ScriptedOutage(100, 60), ScriptedOutage(150, 100, "internet"))
    source = market(outages=False, scripted_outages=script)
    assert source.next_tick(START_MS + 95_000).at_ms == START_MS + 250_000
    assert source.reachability(START_MS + 120_000).internet
    assert not source.reachability(START_MS + 200_000).internet


def test_probe_finds_a_latency_between_20_and_120_ms_that_depends_on_time_alone() -> None:
    found = [market().reachability(START_MS + second * 1000).latency_ms for second in range(300)]
    assert min(found) >= 20
    assert max(found) <= 120
    assert len(set(found)) > 50
    assert found[7] == market().reachability(START_MS + 7_000).latency_ms


def test_settings_from_a_configuration_are_read_with_exact_numbers() -> None:
    section = {"seed": 3, "price": "0.1", "price_tick": "0.00001", "scripted_outages": [{"from_s": 1, "length_s": 2}]}
    settings = msgspec.convert(section, SimulatedSettings, strict=False)
    assert settings.price == Decimal("0.1")
    assert settings.scripted_outages == (ScriptedOutage(1, 2, "exchange"),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("price", Decimal("NaN")),
        ("price", Decimal(-1)),
        ("price_tick", Decimal(0)),
        ("price_tick", Decimal(100)),
        ("quantity_step", Decimal("Infinity")),
        ("min_notional", Decimal(-1)),
        ("maker_percent", Decimal(100)),
        ("taker_percent", Decimal("-0.1")),
        ("cadence_s", 0),
        ("cadence_s", 3601),
        ("regimes", ()),
        ("regimes", ("calm", "boom")),
        ("spread_percent", Decimal(11)),
        ("start_ms", -1),
        ("outage_max_minutes", 0),
        ("outage_every_hours", Decimal("0.1")),
        ("scripted_outages", (ScriptedOutage(-1, 10),)),
        ("scripted_outages", (ScriptedOutage(0, 0),)),
    ],
    ids=str,
)
def test_settings_out_of_range_are_refused_by_name(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"market\.{key}.* must be "):
        market(**{key: value})
