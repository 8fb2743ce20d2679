"""Virtual time: it passes at once, and a wait that nothing can end is said to be one."""

import asyncio

import pytest

from engine.testing.simulation import loop as looping
from engine.testing.simulation.loop import HangError, VirtualLoop


def run(work: object) -> float:
    """Run a coroutine on virtual time; give the seconds that passed."""
    assert asyncio.iscoroutine(work)
    loop = VirtualLoop()
    try:
        loop.run_until_complete(work)
        return loop.time()
    finally:
        loop.close()


def test_hours_of_virtual_time_pass_at_once() -> None:
    assert run(asyncio.sleep(7_200)) == 7_200


def test_wait_for_what_nobody_will_do_is_a_hang() -> None:
    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(HangError, match="no timer runs"):
        run(wait())


def test_work_that_begins_itself_again_and_again_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looping, "MOST_TURNS", 1_000)

    async def spin(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    async def moments() -> None:
        for _ in range(5):
            await spin(900)
            await asyncio.sleep(1)

    assert run(moments()) == 5
    with pytest.raises(HangError, match=r"time stands still at 0.0 s"):
        run(spin(2_000))
