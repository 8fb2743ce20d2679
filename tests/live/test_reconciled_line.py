"""What the line about a reconciliation says must be true while an order is still looked for."""

import asyncio
from pathlib import Path

import pytest

from engine.core.events import OrderOutcomeUnknown
from tests.exchange_server.faults import Fault
from tests.live.scene import scene


@pytest.mark.spec("no drift is told of only when every order is settled", section="Reconciliation")
def test_start_with_an_order_still_looked_for_claims_no_drift_until_it_is_settled(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with scene(tmp_path) as stage:
            async with stage.engine(crash=True) as run:
                stage.faults(Fault("drop", when="before"))
                await stage.until(run, lambda: run.events(OrderOutcomeUnknown))
            stage.heal()
            async with stage.engine() as run:
                await stage.until(run, lambda: any("Reconciled" in text for text in run.said))
                (told,) = (text for text in run.said if "Reconciled" in text)
                assert "1 open order, " in told
                assert told.endswith("drift unknown until all orders are settled")

    asyncio.run(scenario())
