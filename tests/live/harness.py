"""What the tests of live trading share: the whole engine against the local exchange, in one event loop.

Owns how both are put together: time that may run faster than real, keys, configurations that trade at once, and what is
seen of a run. The engine is the real one with a real log; only the session, the keys and the clock are passed in.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import yaml

from engine.core.events import BotEvent, Event
from engine.core.state import BotState
from engine.exchanges.credentials import Credentials, Secret
from engine.runtime.bootstrap import Surroundings
from engine.runtime.bot import Bot
from engine.runtime.config_file import parse_config
from engine.runtime.connections import Wiring
from engine.runtime.entropy import draw_log_id
from engine.runtime.journal import Published
from engine.runtime.live_world import LiveWorld
from engine.runtime.supervisor import Engine, Outcome, RunPlan, run_engine
from tests.exchange_server.script import AccountScript, Fixed, MarketScript, Script, Waves
from tests.exchange_server.server import HOST, Server, running

E = TypeVar("E", bound=Event)
BOT: Final = "live-bot"
ALWAYS: Final = {
    "rsi": {"threshold": 100, "check_rising": False},
    "ema": {"enabled": False},
    "rising_price": {"enabled": False},
}
"""Votes that speak for a purchase whenever they are asked."""


PRICE: Final = Decimal(50_000)


def live_script(**changes: Any) -> Script:
    """Describe an exchange with a past that indicators can read, and one account; `market`, `account` change those."""
    balances = {"USD": Decimal(100_000), "BTC": Decimal(1), "BNB": Decimal(10)}
    market = {"path": Waves(PRICE, swing_percent=1.0, period_ms=1_200_000), **changes.pop("market", {})}
    account = {"balances": balances, **changes.pop("account", {})}
    return Script(
        markets=(
            MarketScript("BTC", "USD", **market),
            MarketScript("ETH", "USD", Waves(Decimal(2_500), swing_percent=1.0), step=Decimal("0.0001")),
            MarketScript("BNB", "USD", Fixed(Decimal(500)), step=Decimal("0.001")),
        ),
        accounts=(AccountScript(**account),),
        **changes,
    )


@asynccontextmanager
async def exchange(**changes: Any) -> AsyncIterator[Server]:
    """Have a local exchange in this event loop, its price held at 50000 from now on."""
    async with running(live_script(**changes)) as server:
        set_price(server, str(PRICE))
        yield server


class FastTime:
    """Real time, as many times faster as the exchange's own; `wall_ms` begins where the exchange's clock stands."""

    def __init__(self, speed: float = 1.0, start_ms: int | None = None) -> None:
        """Start now, at a speed."""
        self._speed: Final = speed
        self._origin_s: Final = time.monotonic()
        self._start_ms: Final = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        self.jumped_ms = 0

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""
        return (time.monotonic() - self._origin_s) * self._speed

    def wall_ms(self) -> int:
        """Give the time of day, which a test may make jump."""
        return self._start_ms + int(self.monotonic_s() * 1000) + self.jumped_ms

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds / self._speed)

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> bool:
        """Wait for the event, at most `timeout_s`; tell whether it came."""
        try:
            await asyncio.wait_for(event.wait(), None if timeout_s is None else timeout_s / self._speed)
        except TimeoutError:
            return False
        return True

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Give a context in which waiting longer raises TimeoutError."""
        return asyncio.timeout(seconds / self._speed)


def config_text(port: int, **changes: Any) -> str:
    """Write the YAML of a live bot that buys whenever it may; `changes` are keys of the file."""
    params = {"amount_usd": 100, "indicators": ALWAYS, **changes.pop("strategy_params", {})}
    market = {"endpoint": f"http://{HOST}:{port}", **changes.pop("market", {})}
    keys = {
        "bot_id": BOT,
        "exchange": "binance_us",
        "symbol": "BTC/USD",
        "paper_trading": False,
        "live": True,
        "budget": 1000,
        "check_interval": 1,
        "timeframe": "1m",
        "buy_order_type": "market",
        "max_open_lots": 1,
        "connectivity_hosts": [],
        **changes,
    }
    if keys["paper_trading"]:
        keys["live"] = False
    return yaml.safe_dump({**keys, "strategy_params": params, "market": market})


class Run:
    """A run under way, and what was seen of it."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.published: list[Published] = []
        self.said: list[str] = []
        self.engine: Engine | None = None
        self.outcome: Outcome | None = None

    @property
    def bots(self) -> dict[str, Bot]:
        """Give the running bots by their ids."""
        assert self.engine is not None, "the engine has not started"
        return {bot.state.bot_id: bot for world in self.engine.worlds for bot in world.bots}

    def state(self, bot_id: str = BOT) -> BotState:
        """Give the durable state of a bot."""
        return self.bots[bot_id].durable[0]

    @property
    def world(self) -> LiveWorld:
        """Give the only world."""
        assert self.engine is not None, "the engine has not started"
        (world,) = self.engine.worlds
        assert isinstance(world, LiveWorld), world
        return world

    def events(self, kind: type[E], bot_id: str = BOT) -> list[E]:
        """Give the published events of a kind."""
        stream = f"bot:{bot_id}"
        return [each.event for each in self.published if each.stream == stream and isinstance(each.event, kind)]

    def told(self, bot_id: str = BOT) -> list[BotEvent]:
        """Give all published events of a bot."""
        return [each.event for each in self.published if each.stream == f"bot:{bot_id}"]  # type: ignore[misc]

    async def until(self, holds: Callable[[], object], within_s: float = 15.0) -> None:
        """Wait until something holds.

        Fails, with the last that happened, if it does not within so many real seconds.
        """
        end_s = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > end_s:
                happened = [f"{each.stream} {each.event}" for each in self.published[-30:]]
                pytest.fail("\n".join(["it did not come to that:", *happened, *self.said[-10:]]))
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Ask for an orderly end."""
        assert self.engine is not None, "the engine has not started"
        self.engine.stop("stop", "test")


def wiring(api_key: str = "localkey", secret: str = "localsecret", **changes: Any) -> Wiring:
    """Give how the engine reaches the local exchange: with these keys, without ccxt's own pauses."""
    credentials = Credentials(Secret(api_key), Secret(secret))
    return Wiring(**{"credentials": lambda _: credentials, "is_paced": False, "timeout_ms": 2_000, **changes})


@asynccontextmanager
async def trading(
    directory: Path,
    *texts: str,
    real_time: FastTime | None = None,
    wired: Wiring | None = None,
    draw: Callable[[], str] = draw_log_id,
    crash: bool = False,
) -> AsyncIterator[Run]:
    """Have an engine run in this event loop; it is stopped in order at the end, or by a `crash` without a word.

    Raises what the engine raises.
    """
    run = Run()

    def announce(engine: Engine) -> None:
        run.engine = engine

    async def live() -> None:
        run.outcome = await run_engine(
            directory,
            [parse_config(text, "a test").config for text in texts],
            RunPlan(),
            real_time=real_time or FastTime(),
            surroundings=lambda listeners: Surroundings(
                directory,
                listeners,
                lambda _ms, bot_id, text, _routine: run.said.append(f"[{bot_id}] {text}"),
                draw,
                wiring=wired or wiring(),
            ),
            listeners=(run.published.append,),
            announce=announce,
        )

    task = asyncio.ensure_future(live())
    try:
        await _first(task, run.until(lambda: run.engine is not None))
        yield run
    finally:
        if crash:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        elif not task.done():
            if run.engine is not None:
                run.stop()
            await asyncio.wait_for(task, 60)
        else:
            await task


async def _first(task: "asyncio.Future[None]", waiting: Awaitable[None]) -> None:
    """Wait for something, or for the engine to end before."""
    other = asyncio.ensure_future(waiting)
    await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        other.cancel()
        await task
    await other


def orders_of(server: Server) -> list[Any]:
    """Give the last state of every order that the exchange ever took, in their order."""
    return [record.now for record in server.exchange.matching.records.values()]


def set_price(server: Server, price: str, symbol: str = "BTCUSD") -> None:
    """Move the market to a price."""
    server.exchange.set_price(symbol, Decimal(price))
