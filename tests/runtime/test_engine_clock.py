"""Engine time: even, never back, and forward where a machine slept."""

import asyncio

import pytest

from engine.runtime.clock import EngineClock, JumpWatch

START_MS = 1_700_000_000_000


class HandTime:
    """Time moved by hand; the wall clock may jump."""

    def __init__(self) -> None:
        self.s = 100.0
        self.jumped_ms = 0

    def monotonic_s(self) -> float:
        return self.s

    def wall_ms(self) -> int:
        return START_MS + round((self.s - 100) * 1000) + self.jumped_ms

    async def sleep(self, seconds: float) -> None:
        self.s += seconds

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> bool:
        await self.sleep(timeout_s or 0)
        return event.is_set()

    def timeout(self, seconds: float) -> asyncio.Timeout:
        return asyncio.timeout(seconds)


def test_engine_time_goes_on_evenly_whatever_the_wall_clock_does() -> None:
    time = HandTime()
    clock = EngineClock(time)
    time.s += 5
    time.jumped_ms = -3_600_000
    assert clock.now_ms == START_MS + 5_000


def test_engine_time_begins_no_earlier_than_the_log_ends() -> None:
    clock = EngineClock(HandTime())
    clock.not_before(START_MS + 60_000)
    clock.not_before(START_MS)
    assert clock.now_ms == START_MS + 60_000


def test_engine_time_follows_the_wall_clock_forward_and_never_back() -> None:
    time = HandTime()
    clock = EngineClock(time)
    time.s += 1
    time.jumped_ms = 3_600_000
    clock.follow()
    assert clock.now_ms == clock.steady_since_ms == START_MS + 1_000 + 3_600_000
    time.jumped_ms = 0
    clock.follow()
    time.s += 1
    assert clock.now_ms == START_MS + 2_000 + 3_600_000
    assert clock.wall_ahead_ms == -3_600_000


def test_waiting_across_a_leap_proves_nothing() -> None:
    time = HandTime()
    clock = EngineClock(time)
    assert clock.steady_since_ms == START_MS
    clock.not_before(START_MS + 60_000)
    assert clock.steady_since_ms == START_MS + 60_000
    time.s += 5
    clock.follow()
    assert clock.steady_since_ms == START_MS + 60_000, "it had nothing to catch up with"


@pytest.mark.parametrize("by_ms", [1_001, -1_001])
def test_jump_of_the_wall_clock_is_noticed_once_by_each_who_watches(by_ms: int) -> None:
    time = HandTime()
    clock = EngineClock(time)
    watches = [JumpWatch(time), JumpWatch(time)]
    time.jumped_ms = by_ms
    assert watches[0].jump_ms() == by_ms
    clock.follow()
    assert watches[1].jump_ms() == by_ms, "what the first did about it hides nothing from the second"
    assert [watch.jump_ms() for watch in watches] == [0, 0]


def test_jump_of_a_second_is_none() -> None:
    time = HandTime()
    watch = JumpWatch(time)
    time.jumped_ms = 1_000
    time.s += 100
    assert watch.jump_ms() == 0
