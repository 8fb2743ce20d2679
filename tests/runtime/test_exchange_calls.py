"""What a day costs in exchange calls, counted by kind, with and without the cache and the gate."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import CandlesClosed, IndicatorsObserved, IndicatorsSkipped
from tests.cli.terminal import bot_file, krypto
from tests.runtime.watched import HOUR_MS, MINUTE_MS, Watched

DAY_MS = 24 * HOUR_MS
MARKET = {"seed": 7, "outages": False, "cadence_s": 60}
NEVER: dict[str, Any] = {
    "indicators": {"rsi": {"threshold": 0}, "rising_price": {"enabled": False}, "ema": {"enabled": False}}
}
"""Strategy parameters that look at the indicators in every cycle and never buy."""


class Day(Watched):
    """A day with its calls."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        super().__init__(bot_file(folder, **{"market": MARKET, "strategy_params": NEVER, **changes}))
        (world,) = self.run(DAY_MS).worlds
        self.calls = world.calls
        self.indicator_calls = world.feed.indicator_calls
        self.prices = world.prices


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Run a day as configured by default."""
    return Day(tmp_path_factory.mktemp("cached"))


@pytest.fixture(scope="module")
def uncached(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Run the same day with a cache that is always too old."""
    return Day(tmp_path_factory.mktemp("uncached"), indicator_cache_ttl=0)


@pytest.mark.spec("a day at check_interval 60 makes at most 288 OHLCV fetches with the cache", section="decision 15")
def test_day_with_the_cache_fetches_candles_every_five_minutes(cached: Day) -> None:
    assert cached.prices == 1441
    warm_up = 1
    assert cached.calls["fetch_ohlcv"] - warm_up == 288


@pytest.mark.spec("the same day makes 1,440 OHLCV fetches without the cache", section="decision 15")
def test_day_without_the_cache_fetches_candles_every_cycle(uncached: Day) -> None:
    assert uncached.calls["fetch_ohlcv"] - 1 == 1440


@pytest.mark.spec("the cache saves 80 % of the fetches", section="Performance Impact")
def test_day_with_the_cache_saves_four_fifths_of_the_fetches(cached: Day, uncached: Day) -> None:
    with_cache, without = (day.calls["fetch_ohlcv"] - 1 for day in (cached, uncached))
    assert 1 - with_cache / without == 0.8


@pytest.mark.spec("a longer cache means fewer fetches", section="Troubleshooting: Too Many API Calls")
def test_day_with_a_ttl_of_ten_minutes_fetches_half_as_often(tmp_path: Path) -> None:
    assert Day(tmp_path, indicator_cache_ttl=600).calls["fetch_ohlcv"] - 1 == 144


@pytest.mark.spec("no indicator is computed on a tick that closes no candle", section="decision 15")
def test_day_computes_indicators_once_per_closed_candle(cached: Day, uncached: Day) -> None:
    computations = 289
    for day in (cached, uncached):
        assert len(day.of_type(IndicatorsObserved)) == computations
        assert day.indicator_calls % computations == 0
    assert cached.indicator_calls == uncached.indicator_calls


def test_day_without_the_cache_decides_as_with_it(cached: Day, uncached: Day) -> None:
    found = []
    for day in (cached, uncached):
        closed = [candle for each in day.of_type(CandlesClosed) for candle in each.event.candles]  # type: ignore[attr-defined]
        found.append((closed, [(each.at_ms, each.event) for each in day.of_type(IndicatorsObserved)]))
    assert found[0] == found[1]


@pytest.mark.spec("smart_indicator_checks: false turns gate and cache off", section="decision 15")
def test_day_without_smart_checks_neither_caches_nor_gates(tmp_path: Path) -> None:
    rising = {"amount_usd": 20, "indicators": {"rsi": {"enabled": False}, "ema": {"enabled": False}}}
    seen = []
    for smart in (True, False):
        folder = tmp_path / str(smart)
        folder.mkdir()
        changes = {"strategy_params": rising, "max_open_lots": 1000, "profit_target": 50, "market": MARKET}
        watched = Watched(bot_file(folder, smart_indicator_checks=smart, **changes))
        (world,) = watched.run(3 * HOUR_MS).worlds
        seen.append((watched, world.calls))
    (gated, gated_calls), (open_, open_calls) = seen
    assert gated.of_type(IndicatorsSkipped)
    assert gated_calls["fetch_ohlcv"] < 36
    assert not open_.of_type(IndicatorsSkipped)
    assert open_calls["fetch_ohlcv"] == 181
    assert open_calls["create_order"] > gated_calls["create_order"]
    assert not any("cached OHLCV" in text for _, text in open_.said)


@pytest.mark.spec("the cache says its age, and when it was filled", section="Smart Check Logs")
def test_day_with_the_cache_tells_its_age(cached: Day) -> None:
    said = Counter(text for _, text in cached.said if "OHLCV" in text)
    assert said == {
        "OHLCV data cached": 289,
        **{f"Using cached OHLCV data (age: {age}s)": 288 for age in (60, 120, 180, 240)},
    }


@pytest.mark.spec("connectivity is checked every connectivity_check_interval", section="Connectivity Monitoring")
@pytest.mark.parametrize("interval_s", [120, 600])
def test_day_checks_the_connection_at_its_interval(tmp_path: Path, interval_s: int) -> None:
    watched = Watched(bot_file(tmp_path, connectivity_check_interval=interval_s, market=MARKET, strategy_params=NEVER))
    (world,) = watched.run(120 * MINUTE_MS).worlds
    assert world.calls["fetch_time"] == 120 * 60 // interval_s + 1
    assert world.calls["internet_probe"] == 0


def test_day_of_many_bots_on_one_market_fetches_candles_once(tmp_path: Path, cached: Day) -> None:
    paths = [bot_file(tmp_path, f"bot{n}", market=MARKET, strategy_params=NEVER) for n in range(5)]
    watched = Watched(*paths)
    (world,) = watched.run(DAY_MS // 4).worlds
    assert world.calls["fetch_ohlcv"] == 1 + 72
    assert world.feed.indicator_calls * 289 == cached.indicator_calls * 73


def test_calls_of_a_run_stand_in_its_summary(tmp_path: Path) -> None:
    path = bot_file(tmp_path, market=MARKET, strategy_params=NEVER)
    result = krypto("run", "-c", path, "--speed", "max", "--for", "1h")
    counted = {line.split()[-2]: line.split()[-1] for line in result.out.splitlines() if "exchange call " in line}
    assert counted["fetch_ohlcv"] == "13"
    assert counted["fetch_time"] == "31"
