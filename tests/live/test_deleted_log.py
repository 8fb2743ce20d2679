"""A log is deleted, and its bot begins anew under the same name: it meets none of its old orders."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.core.events import OrderFilled, PurchaseRecorded
from tests.exchange_server.server import Server
from tests.live.harness import config_text, exchange, orders_of, trading


def answer_repeats_with_the_old_order(server: Server, patch: pytest.MonkeyPatch) -> None:
    """Make the exchange give back the order that it had under an id, as Coinbase does."""
    matching = server.exchange.matching
    place = matching.place

    def placed(account: Any, wish: Any) -> Any:
        known = [each for each in matching.records.values() if each.now.wish.client_order_id == wish.client_order_id]
        return known[0] if known else place(account, wish)

    patch.setattr(matching, "place", placed)


@pytest.mark.spec("a bot begun anew never takes an old order for its own", section="Order protocol")
def test_bot_on_a_deleted_log_books_nothing_of_its_former_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with exchange() as server:
            answer_repeats_with_the_old_order(server, monkeypatch)
            text = config_text(server.port)
            async with trading(tmp_path / "log", text) as run:
                await run.until(lambda: run.events(PurchaseRecorded) and len(orders_of(server)) == 2)
                former = {fill.trade_id for fill in run.events(OrderFilled)}
            shutil.rmtree(tmp_path / "log")
            async with trading(tmp_path / "log", text) as run:
                await run.until(lambda: run.events(PurchaseRecorded))
                assert len(run.state().lots) == 1
                assert not former & {fill.trade_id for fill in run.events(OrderFilled)}
                assert len(run.state().foreign) == 1, "its old sell rests there, as anybody's would"
            names = [order.wish.client_order_id for order in orders_of(server)]
            assert len(names) == len(set(names))

    asyncio.run(scenario())
