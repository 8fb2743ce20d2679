"""A small world for tests of the simulated exchange: virtual time, one exchange, lives that place orders."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Literal

from engine.core.identity import client_order_id
from engine.core.state import Order
from engine.testing.simulation.chance import Chance, Tape
from engine.testing.simulation.exchange.client import ExchangeClient
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.terms import CALM, Terms
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop

START_MS = 1_767_225_600_000
LOG_ID = "0123456789"
BTC = "BTC/USD"


class ExchangeWorld:
    """One exchange and the time it lives in."""

    def __init__(self, terms: Terms = CALM, seed: int = 1, played: Tape | None = None) -> None:
        self.chance = Chance(seed, played)
        self.exchange = SimulatedExchange(self.chance, self.now_ms, terms)
        self.lives = 0

    def now_ms(self) -> int:
        try:
            return START_MS + int(asyncio.get_running_loop().time() * 1000)
        except RuntimeError:
            return START_MS

    def life(self, reaper: Callable[[str], bool] = lambda _: False) -> Life:
        self.lives += 1
        return Life(self.lives, reaper)

    def client(self, life: Life | None = None, ahead_ms: int = 0) -> ExchangeClient:
        return ExchangeClient(self.exchange, life or self.life(), lambda: self.now_ms() + ahead_ms)

    def price(self) -> Decimal:
        return self.exchange.markets[BTC].tick(self.now_ms(), 0).last

    def history(self, what: str) -> list[dict[str, object]]:
        return [record for record in self.exchange.history if record["what"] == what]


def order(
    number: int,
    side: Literal["buy", "sell"],
    quantity: str,
    *,
    sent_ms: int,
    limit: Decimal | None = None,
) -> Order:
    return Order(
        client_order_id=client_order_id(LOG_ID, number),
        number=number,
        side=side,
        kind="market" if limit is None else "limit",
        quantity=Decimal(quantity),
        limit_price=limit,
        purpose="entry",
        seen_price=Decimal(1),
        requested_ms=sent_ms,
        sent_ms=sent_ms,
        status="sent",
    )


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run something on virtual time; what it leaves waiting is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_all(work))


async def _all(work: Callable[[], Awaitable[None]]) -> None:
    await work()
