"""Faults of the engine itself: one that nobody foresaw ends it, at once and wherever it happens."""

import asyncio
from pathlib import Path

import pytest

from engine.core.state import BotState, Order
from engine.exchanges.live import AccountGateway
from engine.exchanges.port import Outcome
from engine.runtime.clock import SystemTime
from tests.live.harness import config_text, exchange, trading


@pytest.mark.parametrize("turns", range(5))
def test_wait_that_is_cancelled_just_as_its_event_comes_is_not_lost(turns: int) -> None:
    async def scenario() -> None:
        event = asyncio.Event()
        waiting = asyncio.ensure_future(SystemTime().wait(event, 10))
        await asyncio.sleep(0.01)
        event.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        was_over = waiting.done()
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled() is not was_over

    asyncio.run(scenario())


def test_fault_in_a_task_of_an_order_ends_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def create(self: AccountGateway, state: BotState, order: Order) -> Outcome:
        raise AssertionError("nobody foresaw this")

    monkeypatch.setattr(AccountGateway, "create", create)

    async def scenario() -> None:
        async with exchange() as server:
            with pytest.raises(AssertionError, match="nobody foresaw this"):
                async with trading(tmp_path, config_text(server.port), real_time=SystemTime()) as run:
                    await run.until(lambda: run.ended)

    asyncio.run(scenario())
