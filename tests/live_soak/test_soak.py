"""A market hour of trading under faults, the exchange and the engine each in a process of its own."""

from pathlib import Path

import pytest

from tests.live_soak.checks import SPARE, wrong
from tests.live_soak.plan import HOUR_MS, Soak
from tests.live_soak.running import soak_run

SPEED = 60.0
MOST_MIB = 12.0
"""What an hour may add to the memory that a start takes: caches fill, and up to 200 ended orders a bot are kept."""


@pytest.mark.spec(
    "hours of trading under faults leave no drift, no leak, no unexplained decision", section="Live trading"
)
def test_hour_of_trading_under_faults_books_every_trade_once_and_leaks_nothing(tmp_path: Path) -> None:
    found = soak_run(Soak(hours=0.8, speed=SPEED, seed="suite", bots=6, faults_percent=3), tmp_path)
    assert wrong(found) == []
    first, last = next(each for each in found.samples[2:] if each.ready), found.samples[-1]
    assert first.at_ms < 0.2 * HOUR_MS
    assert last.at_ms > 0.8 * HOUR_MS
    assert last.fills > 30
    assert sum(request["fault"] is not None for request in found.ledger["requests"]) > 5
    assert (last.rss - first.rss) / 2**20 < MOST_MIB
    assert last.tasks <= first.tasks + SPARE["tasks"]
    assert last.descriptors <= first.descriptors + SPARE["descriptors"]
