"""Engine time: even, never back, put right by a clock that knows better."""

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


def test_clock_behind_is_put_right_at_once() -> None:
    time = HandTime()
    clock = EngineClock(time)
    time.s += 1
    clock.correct(3_600_000)
    assert clock.now_ms == START_MS + 1_000 + 3_600_000
    time.s += 1
    assert clock.now_ms == START_MS + 2_000 + 3_600_000


def test_clock_ahead_goes_slower_until_it_is_right_and_never_back() -> None:
    time = HandTime()
    clock = EngineClock(time)
    clock.correct(-2_000)
    seen = []
    for _ in range(40):
        seen.append(clock.now_ms)
        time.s += 1
    assert seen == sorted(seen)
    assert seen[10] == START_MS + 9_000
    assert seen[-1] == START_MS + 39_000 - 2_000


@pytest.mark.parametrize("by_ms", [1_001, -1_001])
def test_jump_of_the_wall_clock_is_noticed_once_by_each_who_watches(by_ms: int) -> None:
    time = HandTime()
    clock = EngineClock(time)
    watches = [JumpWatch(clock), JumpWatch(clock)]
    time.jumped_ms = by_ms
    assert [watch.jump_ms() for watch in watches] == [by_ms, by_ms]
    assert [watch.jump_ms() for watch in watches] == [0, 0]


def test_correction_of_engine_time_is_no_jump_of_the_wall_clock() -> None:
    time = HandTime()
    clock = EngineClock(time)
    watch = JumpWatch(clock)
    clock.correct(5_000)
    assert watch.jump_ms() == 0
    clock.correct(-5_000)
    time.s += 100
    assert watch.jump_ms() == 0
