"""Candles on a market that does not wait: a bot says that it waits for them, and considers its entry once they came."""

from typing import Any

import pytest

from engine.core.decider.entries import awaits_candles
from engine.core.events import CandlesClosed, IndicatorsAwaited, OrderRequested
from tests.kernel import Kernel, of

SPEC = pytest.mark.spec


def waiting(**changes: Any) -> Kernel:
    kernel = Kernel(check_interval=60, indicator_cache_ttl=300, max_open_lots=1, **changes)
    kernel.fetches = False
    return kernel


def awaits(kernel: Kernel) -> bool:
    return awaits_candles(kernel.state, kernel.view.fetched_ms.get(kernel.config.timeframe))


@SPEC("an entry that meets candles too old waits for them, and says so once", section="Live trading")
def test_entry_that_meets_old_candles_says_once_that_it_waits() -> None:
    kernel = waiting()
    assert len(of(kernel.price(50_000), IndicatorsAwaited)) == 1
    assert awaits(kernel)
    assert not of(kernel.prices(50_000, 50_000), IndicatorsAwaited)


def test_entry_is_considered_at_the_first_price_after_the_candles_came() -> None:
    kernel = waiting()
    kernel.price(50_000)
    kernel.now_ms += 2_000
    kernel.feed(CandlesClosed(kernel.config.timeframe))
    assert not awaits(kernel)
    assert of(kernel.price(50_000, after_s=1, settled=False), OrderRequested)


def test_entry_that_candles_spoke_against_is_considered_once() -> None:
    kernel = waiting()
    kernel.votes(yes=False)
    kernel.price(50_000)
    kernel.feed(CandlesClosed(kernel.config.timeframe))
    kernel.price(50_000, after_s=1)
    kernel.votes(yes=True)
    assert not of(kernel.price(50_000, after_s=1, settled=False), OrderRequested), "the cycle is over"
    assert of(kernel.price(50_000, after_s=60, settled=False), OrderRequested), "the next one finds fresh candles"


def test_candles_fetched_for_others_begin_no_cycle() -> None:
    kernel = waiting()
    kernel.feed(CandlesClosed(kernel.config.timeframe))
    kernel.votes(yes=False)
    kernel.price(50_000)
    kernel.votes(yes=True)
    kernel.feed(CandlesClosed(kernel.config.timeframe))
    assert not of(kernel.price(50_000, after_s=1, settled=False), OrderRequested)


def test_candles_are_good_for_their_time_to_live() -> None:
    kernel = waiting()
    kernel.votes(yes=False)
    kernel.price(50_000)
    kernel.feed(CandlesClosed(kernel.config.timeframe))
    kernel.price(50_000, after_s=1)
    assert not of(kernel.prices(50_000, 50_000, 50_000, 50_000), IndicatorsAwaited)
    assert of(kernel.price(50_000), IndicatorsAwaited), "after five minutes they are too old"
