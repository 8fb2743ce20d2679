"""Feeds that bots leave and come back to, and indicators that one of several bots needs.

Method: whole runs on simulated markets; what was observed is read from the log.
"""

from pathlib import Path

import pytest

from engine.core.events import IndicatorsObserved
from engine.store.reader import LogReader
from tests.cli.terminal import bot_file, krypto
from tests.runtime.watched import HOUR_MS, Watched

RSI_7 = {"indicators": {"rsi": {"period": 7}, "ema": {"enabled": False}, "rising_price": {"enabled": False}}}
EMA = {"indicators": {"rsi": {"enabled": False}, "rising_price": {"enabled": False}}}


@pytest.mark.spec("a bot that returns to a market goes on there at its own time", section="Markets without a network")
def test_bot_that_returns_to_an_earlier_market_sees_its_prices_again(tmp_path: Path) -> None:
    seen = []
    for seed, hours in ((7, 1), (8, 3), (7, 1)):
        path = bot_file(tmp_path, market={"seed": seed, "outages": False}, strategy_params={"max_price": 1})
        (world,) = Watched(path).run(hours * HOUR_MS).worlds
        seen.append(world.prices)
    assert seen == [361, 1081, 361]
    assert krypto("replay", "bot", "--state-dir", tmp_path / "state", "--redecide").code == 0


@pytest.mark.spec("indicators are computed for whoever reads them, also over the cache", section="Strategy dca")
def test_indicator_that_only_the_new_configuration_reads_is_computed_over_the_cache(tmp_path: Path) -> None:
    kept = {"market": {"outages": False}, "indicator_cache_ttl": 86_400}
    Watched(bot_file(tmp_path, strategy_params=EMA, **kept)).run(HOUR_MS)
    Watched(bot_file(tmp_path, strategy_params=RSI_7, **kept)).run(HOUR_MS)
    with LogReader.open(tmp_path / "state") as reader:
        observed = [each.event for each in reader.read() if isinstance(each.event, IndicatorsObserved)]
    assert [sorted(event.values) for event in observed] == [["close", "ema:25"], ["close", "ema:25", "rsi:7"]]
    assert observed[0].digest == observed[1].digest, "the same candles, without another fetch"
