"""The clock of the local exchange: set to another speed, it goes on from where it is."""

import time

from tests.exchange_server.clock import Clock


def test_clock_set_to_another_speed_goes_on_from_where_it_is() -> None:
    clock = Clock(1_000, speed=100_000.0)
    time.sleep(0.01)
    before_ms = clock.market_ms()
    clock.set_speed(0.001)
    stopped_ms = clock.market_ms()
    time.sleep(0.01)
    assert 2_000 <= before_ms <= stopped_ms
    assert clock.market_ms() == stopped_ms

    clock.set_speed(100_000.0)
    time.sleep(0.01)
    assert clock.market_ms() >= stopped_ms + 1_000
