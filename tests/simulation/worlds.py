"""A small world for tests of the simulated exchange: virtual time, one exchange, lives that place orders."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from typing import Literal

from engine.core.errors import EngineError
from engine.core.identity import client_order_id
from engine.core.state import Order
from engine.exchanges.port import Accepted, OrderReport
from engine.testing.simulation.chance import Chance, Tape
from engine.testing.simulation.exchange.client import ExchangeClient
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.line import pause
from engine.testing.simulation.exchange.terms import CALM, Terms
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.secrecy import KEYS

START_MS = 1_767_225_600_000
LOG_ID = "0123456789"
BTC = "BTC/USD"
CENT = Decimal("0.01")


class ExchangeWorld:
    """One exchange and the time it lives in."""

    def __init__(
        self, terms: Terms | Callable[[Chance], Terms] = CALM, seed: int = 1, played: Tape | None = None
    ) -> None:
        self.chance = Chance(seed, played)
        terms = terms if isinstance(terms, Terms) else terms(self.chance)
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
        return ExchangeClient(self.exchange, life or self.life(), lambda: self.now_ms() + ahead_ms, KEYS)

    def price(self) -> Decimal:
        return self.exchange.markets[BTC].tick(self.now_ms(), 0).last

    async def until(self, second: int) -> None:
        """Let time pass until so many seconds after the start."""
        await pause(START_MS + second * 1_000 - self.now_ms())

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


async def placed_and_cancelled(world: ExchangeWorld, client: ExchangeClient) -> tuple[Order, OrderReport]:
    """Place a sell that rests far over the market and cancel it; give it, and what the exchange says of it."""
    resting = order(1, "sell", "0.01", sent_ms=world.now_ms(), limit=world.price() * 2 // CENT * CENT)
    await client.create(BTC, resting)
    report = await client.cancel(BTC, resting)
    assert isinstance(report, OrderReport)
    return resting, report


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run something on virtual time; what it leaves waiting is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(_all(work))


async def _all(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def trade(world: ExchangeWorld, hours: float, lives: int = 8) -> None:
    """Trade for some hours as an engine might, with restarts in between: orders of all kinds, looks, cancellations."""
    number, until_ms = 0, START_MS
    for _ in range(lives):
        until_ms += int(hours * 3_600_000 / lives)
        life = world.life()
        client = world.client(life)
        listening = asyncio.ensure_future(_listen(client))
        watching = asyncio.ensure_future(_watch(client))
        while world.now_ms() < until_ms:
            number += 1
            await _one(world, client, number)
        life.end("restart")
        for task in (listening, watching):
            task.cancel()
        await asyncio.gather(listening, watching, return_exceptions=True)


async def _one(world: ExchangeWorld, client: ExchangeClient, number: int) -> None:
    """Place an order, follow it for a while, take it off if it is still there, and look at everything."""
    side: Literal["buy", "sell"] = "buy" if number % 2 else "sell"
    away = Decimal(1 + number % 5 * 2) / 1000 * (-1 if side == "buy" else 1)
    limit = None if number % 3 == 0 else world.price() * (1 + away) // CENT * CENT
    sent = order(number, side, "0.02", sent_ms=world.now_ms(), limit=limit)
    outcome = await client.create(BTC, sent)
    if isinstance(outcome, Accepted):
        world.exchange.known.add(outcome.exchange_order_id)
    for _ in range(3):
        await pause(60_000)
        await client.query(BTC, sent)
        with suppress(EngineError):
            await client.open_orders(BTC)
    if limit is not None:
        await client.cancel(BTC, sent)
    with suppress(EngineError):
        await client.time_ms()
        await client.trades(BTC, world.now_ms() - 3_600_000)
        await client.balances()
        await client.candles(BTC, "1m", world.now_ms() - 600_000, world.now_ms())


async def _listen(client: ExchangeClient) -> None:
    while True:
        try:
            await client.next_hint(BTC)
        except EngineError:
            await pause(30_000)


async def _watch(client: ExchangeClient) -> None:
    while True:
        try:
            await client.next_ticker(BTC)
        except EngineError:
            await pause(30_000)
