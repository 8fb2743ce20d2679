"""Lives of the real engine on a simulated exchange, for tests that say what befalls it, and when.

Owns how a life begins and ends, and the price. Nothing goes wrong but what a test has ordered of `fate`, and the price
stands where the test has put it; so a story always goes the same way.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from engine.core.config import BotConfig
from engine.core.events import BotEvent
from engine.core.identity import LOG_ID_LENGTH, bot_stream, encode_base32
from engine.core.state import BotState, Order
from engine.exchanges.credentials import Credentials
from engine.exchanges.port import Fill, OrderReport, OwnTrade, Unknown
from engine.runtime.bootstrap import GatewayFor, Surroundings, paper_gateway
from engine.runtime.config_file import parse_config
from engine.runtime.connections import Wiring
from engine.runtime.journal import Published
from engine.testing.simulation.bots import ALWAYS, COMMON
from engine.testing.simulation.connections import SimulatedConnections
from engine.testing.simulation.disk import Disk
from engine.testing.simulation.exchange.client import ExchangeClient
from engine.testing.simulation.exchange.exchange import SimulatedExchange
from engine.testing.simulation.exchange.markets import TICK
from engine.testing.simulation.exchange.orders import Placed, Side, Wish
from engine.testing.simulation.exchange.terms import FAULTS, Terms
from engine.testing.simulation.life import Life
from engine.testing.simulation.loop import VirtualLoop
from engine.testing.simulation.machine import Machine
from engine.testing.simulation.medium import DiskMedium
from engine.testing.simulation.plan import CALM, LifePlan
from engine.testing.simulation.secrecy import KEYS
from engine.testing.simulation.session import Session
from tests.simulation.fate import Fate, SteeredMarket

E = TypeVar("E", bound=BotEvent)

BOT: Final = "alpha"
BTC: Final = "BTC/USD"
STEP_S: Final = 0.25


class ValuingClient(ExchangeClient):
    """A client that asks the exchange what fees are worth, as the real ones do; such a question fails, too.

    It takes no question about an order without its market: real exchanges answer none.
    """

    async def fills(self, symbol: str, trades: Sequence[OwnTrade]) -> tuple[Fill, ...]:
        await self.ask("fetch_ticker", "value", lambda: None)
        return await super().fills(symbol, trades)

    async def query(self, symbol: str, order: Order) -> OrderReport | Unknown | None:
        assert symbol == BTC, symbol
        return await super().query(symbol, order)

    async def client_order_id_of(self, symbol: str, exchange_order_id: str) -> str | None:
        assert symbol == BTC, symbol
        return await super().client_order_id_of(symbol, exchange_order_id)


class Run:
    """One life of the engine, and what it has told so far."""

    def __init__(self, session: Session) -> None:
        self.session: Final = session
        self.told: Final[list[Published]] = []
        self.lines: Final[list[str]] = []
        self.slow_s = 0.0
        """How long each sync of the disk takes."""

        self.passed: Final[list[Callable[[str], object]]] = []
        """Who is told of every step of the life: of the disk, and of its calls to the exchange."""

        self.asks: Final[list[tuple[str, int]]] = []
        """What the exchange was asked, by verb, and at which true time."""

        self.heard: Final[list[Callable[[Published], object]]] = []
        """Who is told of every event, in the very moment in which it becomes durable."""

        self.client: ExchangeClient | None = None

    def hear(self, published: Published) -> None:
        """Take notice of an event that has become durable."""
        if not self.session.life.is_dead:
            self.told.append(published)
            for heard in tuple(self.heard):
                heard(published)

    def events(self, kind: type[E], bot_id: str = BOT) -> list[E]:
        """Give the durable events of a kind in a bot's stream, of this life."""
        stream = bot_stream(bot_id)
        return [each.event for each in self.told if each.stream == stream and isinstance(each.event, kind)]

    def state(self, bot_id: str = BOT) -> BotState:
        """Give a bot's durable state."""
        return next(state for state in self.session.states() if state.bot_id == bot_id)

    def orders(self, bot_id: str = BOT) -> list[Order]:
        """Give the orders in a bot's books, as they durably are."""
        return list(self.state(bot_id).orders.values())

    async def until(self, holds: Callable[[], object], within_s: float = 900) -> None:
        """Let virtual time pass until something holds; it must, within so long."""
        for _ in range(int(within_s / STEP_S)):
            assert not self.session.has_ended, self.session.fault
            if self.session.engine is not None and self.session.states() and holds():
                return
            await asyncio.sleep(STEP_S)
        raise AssertionError(f"it never came, within {within_s} s: {self.lines[-5:]} {self.told[-3:]}")

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time pass, in which the engine must go on."""
        await asyncio.sleep(seconds)
        assert not self.session.has_ended, self.session.fault

    def count(self, kind: str) -> int:
        """Count what this life has asked the exchange, of one kind."""
        return 0 if self.client is None else self.client.calls[kind]

    def asked_ms(self, verb: str) -> list[int]:
        """Give when the exchange was asked something."""
        return [at_ms for asked, at_ms in self.asks if asked == verb]

    def die_once(self, has_told: type[BotEvent]) -> None:
        """Have the life end at the first step after an event of this kind has become durable."""

        def told(point: str) -> None:
            if self.events(has_told):
                self.session.life.end(point)

        self.passed.append(told)

    def at(self, point: str, deed: Callable[[], object]) -> None:
        """Do something, once, when the life comes to a point next."""

        def told(passed: str) -> None:
            if passed == point:
                self.passed.remove(told)
                deed()

        self.passed.append(told)

    async def command(self, name: str, bot_id: str = BOT) -> None:
        """Give a command, which must be carried out."""
        assert await self.session.command(name, bot_id), name

    async def stop(self) -> None:
        """End the life in order."""
        await self.session.stop()
        assert self.session.has_ended, "the stop took over a minute"
        assert self.session.fault is None, self.session.fault


class Lives:
    """One exchange, one machine, and the lives of an engine on them, one after the other."""

    def __init__(self, folder: Path, loop: VirtualLoop, rules: Mapping[str, Any]) -> None:
        self.fate: Final = Fate()
        self.machine: Final = Machine(loop)
        terms = Terms(symbols=(BTC,), **rules)
        terms = msgspec.structs.replace(terms, **dict.fromkeys(FAULTS, 0.5))
        self.exchange: Final = SimulatedExchange(self.fate, lambda: self.machine.true_ms, terms)
        self.market: Final = SteeredMarket(BTC, terms, self.fate)
        self.exchange.markets[BTC] = self.market
        self.has_internet = True
        self.probed: Final[list[tuple[str, ...]]] = []
        """Which hosts the engine has tried to reach, each time that it tried."""

        self._folder: Final = folder
        self._number = 0
        self._drawn = 0
        self._disk: Disk | None = None
        self._own: Final = asyncio.current_task(loop)
        self.directory.mkdir()

    @property
    def directory(self) -> Path:
        """Name the state directory of the life that comes next, or, within one, of the one after it."""
        return self._folder / f"life-{self._number}"

    @asynccontextmanager
    async def life(
        self, *bots: Mapping[str, Any], gateway: GatewayFor = paper_gateway, plan: LifePlan = CALM
    ) -> AsyncIterator[Run]:
        """Begin a life with these bots (what each has that others do not), and have it killed in the end."""
        directory, configs = self.directory, [_config(bot) for bot in bots or ({},)]
        self._number += 1

        def passes(point: str) -> bool:
            if point.startswith("exchange/") and point.endswith("/before"):
                run.asks.append((point.split("/")[1], self.machine.true_ms))
            for told in tuple(run.passed):
                told(point)
            return False

        life = Life(self._number, passes)
        run = Run(Session(life, self.machine, self.exchange.note))
        disk = Disk(directory, self.fate, life, former=self._disk)
        medium = DiskMedium(disk, self.machine.sleep, lambda: run.slow_s)
        around = Surroundings(
            directory,
            (run.hear,),
            lambda _at, _bot, text, _routine: run.lines.append(text),
            self._draw_log_id,
            gateway_for=gateway,
            wiring=Wiring(credentials=lambda _account: KEYS),
            connect=lambda wiring, clock_ms: self._connect(run, clock_ms, wiring.credentials("simulated")),
            probe=self._probe,
        )
        run.session.begin(directory, configs, around, plan, medium)
        try:
            yield run
        finally:
            life.end("killed")
            disk.image(self.directory, "kill")
            await self._clear_up()
            medium.close()
            disk.release()
            self._disk = disk

    async def _clear_up(self) -> None:
        for _ in range(100):
            left = [task for task in asyncio.all_tasks() if task is not self._own]
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        assert not left, left

    def _connect(self, run: Run, clock_ms: Callable[[], int], keys: Credentials) -> SimulatedConnections:
        connections = SimulatedConnections(self.exchange, run.session.life, clock_ms, keys, ValuingClient)
        run.client = connections.client
        return connections

    def _draw_log_id(self) -> str:
        self._drawn += 1
        return encode_base32(self._drawn * 7919**3, LOG_ID_LENGTH)

    async def _probe(self, hosts: Sequence[str]) -> bool:
        self.probed.append(tuple(hosts))
        return self.has_internet

    # --- the exchange ------------------------------------------------------------------------------------------------

    def price(self, price: Decimal | int | str) -> None:
        """Put the price somewhere."""
        self.market.middle = int(Decimal(price) / TICK)

    def placed(self, side: Side | None = None) -> list[Placed]:
        """Give all orders that the exchange took, the oldest first."""
        return [order for order in self.exchange.matching.orders.values() if side in {None, order.wish.side}]

    def place(self, name: str, quantity: str = "0.001", price: int | None = 40_000, side: Side = "buy") -> Placed:
        """Place an order past the engine; one without a price trades at once."""
        limit = None if price is None else Decimal(price)
        wish = Wish(
            client_order_id=name,
            symbol=BTC,
            side=side,
            kind="market" if limit is None else "limit",
            quantity=Decimal(quantity),
            price=limit,
            signed_ms=self.exchange.clock_ms,
            life=0,
        )
        placed = self.exchange.place(wish)
        assert isinstance(placed, Placed), placed
        return placed

    def lose(self, order: Placed) -> None:
        """Have the exchange know an order no longer, though its trades; nothing comes of it any more."""
        order.status = "canceled"
        del self.exchange.matching.orders[order.exchange_order_id]
        del self.exchange.matching.by_client_id[order.wish.client_order_id]

    def hide_last_trade(self, seconds: int) -> None:
        """Have the exchange list its last trade so much later."""
        trades = self.exchange.matching.trades
        trade, wish = trades[-1]
        trades[-1] = (msgspec.structs.replace(trade, shown_ms=trade.shown_ms + seconds * 1_000), wish)

    def asked(self, verb: str) -> Counter[str]:
        """Count the requests of a verb that were about an order, by its client order id."""
        records = [each for each in self.exchange.history if each["what"] == "request" and each["verb"] == verb]
        return Counter(str(each.get("client_order_id")) for each in records)


def _config(changes: Mapping[str, Any]) -> BotConfig:
    file = {
        **COMMON,
        "bot_id": BOT,
        "buy_order_type": "market",
        "sell_order_type": "limit",
        "max_open_lots": 1,
        "buy_order_timeout": 600,
        **changes,
        "strategy_params": {"amount_usd": 100, "indicators": ALWAYS, **changes.get("strategy_params", {})},
    }
    return parse_config(msgspec.json.encode(file).decode(), "a bot of a test").config


def story(folder: Path, tell: Callable[[Lives], Awaitable[None]], **rules: Any) -> None:
    """Live through a story on virtual time; `rules` are the exchange's terms of business."""
    loop = VirtualLoop()

    async def begin() -> None:
        await tell(Lives(folder, loop, rules))

    try:
        loop.run_until_complete(begin())
    finally:
        loop.close()
