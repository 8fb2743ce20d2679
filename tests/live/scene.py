"""A stage for scenarios of live trading: an exchange and an engine whose minutes pass in milliseconds.

Owns the time that both share, and the judgement whether log and exchange agree. The time is real, but a test lets it
pass faster in steps, between which both sides do what was due: so that a slow machine changes nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from engine.core.identity import parse_client_order_id
from engine.core.state import BotState
from engine.runtime.connections import Wiring
from tests.exchange_server.faults import Fault, StreamFault
from tests.exchange_server.orders import OrderRecord, Trade
from tests.exchange_server.script import Visibility
from tests.exchange_server.server import Server
from tests.live.harness import FastTime, Run, config_text, live_script, set_price, trading, wiring

FIRST_PRICE: Final = "50000"
BREATH_S: Final = 0.01
"""Between two steps both sides have so long, in real seconds; more while something is being written or sent."""

MOST_BREATHS: Final = 500
FOR_AN_ANSWER: Final = 30
"""So many breaths at most are waited for an answer; one that never comes takes longer."""


class SteppedTime(FastTime):
    """Real time of which more passes when a test says so; whoever waits for a moment is woken when it has come."""

    def __init__(self, start_ms: int | None = None) -> None:
        """Start now, or at a moment."""
        super().__init__(1.0, start_ms)
        self._passed_s = 0.0
        self._moved = asyncio.Event()
        self._limits: list[asyncio.Timeout] = []

    def advance(self, seconds: float) -> None:
        """Let so much pass at once."""
        self._passed_s += seconds
        self._moved.set()
        self._moved = asyncio.Event()
        limits, self._limits = self._limits, []
        for limit in limits:
            with suppress(RuntimeError, AssertionError):  # whoever set the limit has left it
                limit.reschedule((limit.when() or 0.0) - seconds)
                self._limits.append(limit)

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""
        return super().monotonic_s() + self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        until_s = self.monotonic_s() + seconds
        await asyncio.sleep(0)
        while (left_s := until_s - self.monotonic_s()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._moved.wait()

    async def wait(self, event: asyncio.Event, timeout_s: float | None) -> bool:
        """Wait for the event, at most `timeout_s`; tell whether it came."""
        if timeout_s is None:
            await event.wait()
            return True
        until_s = self.monotonic_s() + timeout_s
        await asyncio.sleep(0)
        while not event.is_set() and (left_s := until_s - self.monotonic_s()) > 0:
            moved = asyncio.ensure_future(self._moved.wait())
            coming = asyncio.ensure_future(event.wait())
            try:
                await asyncio.wait({moved, coming}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                moved.cancel()
                coming.cancel()
        return event.is_set()

    def timeout(self, seconds: float) -> asyncio.Timeout:
        """Give a context in which waiting longer raises TimeoutError."""
        limit = super().timeout(seconds)
        self._limits.append(limit)
        return limit


class Scene:
    """One exchange, and the engines that run against it one after the other."""

    def __init__(self, server: Server, time_: SteppedTime, directory: Path) -> None:
        """Take the exchange, the time and the state directory."""
        self.server: Final = server
        self.time: Final = time_
        self.directory: Final = directory
        self._runs: Final[list[Run]] = []
        self._traffic: Final = Traffic()

    # --- the engine --------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def engine(
        self, *texts: str, directory: Path | None = None, wired: Wiring | None = None, **rest: Any
    ) -> AsyncIterator[Run]:
        """Have an engine run with these configurations, patient with an exchange that is slow to answer."""
        wired = msgspec.structs.replace(wired or patient(), session=self._traffic.session)
        async with trading(
            directory or self.directory, *(texts or (self.config(),)), real_time=self.time, wired=wired, **rest
        ) as run:
            self._runs.append(run)
            try:
                yield run
            finally:
                self._runs.remove(run)

    def config(self, **changes: Any) -> str:
        """Write the configuration of a bot that buys once an hour."""
        params = {"min_interval_hours": 1, **changes.pop("strategy_params", {})}
        return config_text(self.server.port, strategy_params=params, **changes)

    # --- the exchange ------------------------------------------------------------------------------------------------

    @property
    def records(self) -> list[OrderRecord]:
        """Give every order that the exchange ever took, with its past."""
        return list(self.server.exchange.matching.records.values())

    def placed(self, side: str) -> list[OrderRecord]:
        """Give the orders of a side."""
        return [record for record in self.records if record.now.wish.side == side]

    def price(self, price: str | Decimal) -> None:
        """Move the market to a price."""
        set_price(self.server, str(price))

    def faults(self, *faults: Fault) -> None:
        """Have requests fail."""
        self.server.exchange.faults.add(*faults)

    def heal(self) -> None:
        """End all faults of requests."""
        self.server.exchange.faults.clear()

    def silence_new_streams(self) -> None:
        """Have the account's streams say nothing, as they are opened from now on."""
        self.server.connections.add(StreamFault("silence", on="user", times=None))

    async def streams(self, action: Any, on: Any = "user") -> int:
        """Do something to the open streams."""
        return await self.server.connections.act(StreamFault(action, on=on))

    def show_late(self, *, orders_s: float = 0, trades_s: float = 0) -> None:
        """Have what happens show up late in queries."""
        self.server.exchange.visibility = Visibility(int(orders_s * 1000), int(trades_s * 1000))

    def fill(self, record: OrderRecord, quantity: Decimal | str, price: Decimal | None = None) -> None:
        """Fill a part of a resting order."""
        exchange = self.server.exchange
        exchange.advance()
        exchange.matching.fill(record, price or record.now.price, Decimal(quantity))

    def asked(self, method: str, path: str) -> list[Any]:
        """Give the requests that came."""
        return [each for each in self.server.exchange.ledger.requests if (each.method, each.path) == (method, path)]

    # --- time --------------------------------------------------------------------------------------------------------

    async def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass for both, in steps between which each does what was due."""
        while seconds > 0:
            step = min(step_s, seconds)
            seconds -= step
            self.jump(step)
            await self._breathe()

    async def _breathe(self) -> None:
        """Let both sides work, a moment longer while the log is being written or an order is on its way."""
        for breath in range(MOST_BREATHS):
            await asyncio.sleep(BREATH_S)
            is_asking = breath < FOR_AN_ANSWER and self._traffic.requests > 0
            if not is_asking and not any(map(_is_writing, self._runs)):
                return

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as if nobody had been running."""
        self.time.advance(seconds)
        self.server.exchange.clock.advance(int(seconds * 1000))
        self.server.exchange.advance()

    async def until(self, run: Run, holds: Any, within_s: float = 120, step_s: float = 1.0) -> None:
        """Let time pass until something holds. Fails, with what happened last, if it does not in so many seconds."""
        end_s = self.time.monotonic_s() + within_s
        while not holds() and self.time.monotonic_s() < end_s:
            await self.pass_time(step_s, step_s)
        await run.until(holds, within_s=2)


def _is_writing(run: Run) -> bool:
    """Tell whether orders are not durable yet, or not sent although that is durable."""
    if run.engine is None or run.outcome is not None:
        return False
    for seat in run.world.seats:
        state, executor = seat.bot.state, run.world._executors[seat.bot.state.bot_id]
        if state.orders != seat.bot.durable[0].orders:
            return True
        if not executor.sending and any(
            state.orders[each].status == "sent" for each in executor.busy & {*state.orders}
        ):
            return True
    return False


class Traffic:
    """Counts the requests that are on their way."""

    def __init__(self) -> None:
        """Start with none."""
        self.requests = 0

    def session(self) -> aiohttp.ClientSession:
        """Make a session whose requests are counted."""

        async def begun(*_: object) -> None:
            self.requests += 1

        async def ended(*_: object) -> None:
            self.requests -= 1

        trace = aiohttp.TraceConfig()
        trace.on_request_start.append(begun)
        trace.on_request_end.append(ended)
        trace.on_request_exception.append(ended)
        return aiohttp.ClientSession(trace_configs=[trace])


@asynccontextmanager
async def scene(directory: Path, **changes: Any) -> AsyncIterator[Scene]:
    """Have an exchange whose price is held at 50000, and no engine yet; `changes` are those of `live_script`."""
    directory.mkdir(exist_ok=True)  # noqa: ASYNC240 - nothing runs yet
    server = Server(live_script(**changes), directory)
    await server.start()
    try:
        set_price(server, FIRST_PRICE)
        start_ms = server.exchange.clock.market_ms()
        yield Scene(server, SteppedTime(start_ms), directory)
    finally:
        await server.stop()


def patient(**changes: Any) -> Wiring:
    """Give a wiring that waits five real seconds for an answer, which only a machine that stands still takes."""
    return wiring(timeout_ms=5_000, **changes)


def impatient() -> Wiring:
    """Give a wiring that waits one real second, for stories of an answer that never comes."""
    return wiring(timeout_ms=1_000)


# --- the judgement ---------------------------------------------------------------------------------------------------


def differences(stage: Scene, *states: BotState) -> list[str]:
    """Say where the logs and the exchange disagree about the orders of these logs; nothing if all is well.

    One order per intent, none that the log does not know, every trade booked once, position and cash as they are there.
    """
    return [text for state in states for text in _differences(stage, state)]


def _differences(stage: Scene, state: BotState) -> Iterable[str]:
    known = {**state.done_orders, **state.orders}
    ours = [record for record in stage.records if _is_of(state, record.now.wish.client_order_id)]
    placed = Counter(record.now.wish.client_order_id for record in ours)
    yield from (f"{name} was placed {count} times" for name, count in placed.items() if count > 1)
    yield from (f"{name} stands at the exchange and not in the log" for name in placed if name not in known)
    for record in ours:
        name = record.now.wish.client_order_id
        if record.now.is_open and name in known and name not in state.orders:
            yield f"{name} is open at the exchange and {known[name].status} in the log"
        if not record.now.is_open and name in state.orders:
            yield f"{name} is {record.now.status} at the exchange and {known[name].status} in the log"
    trades = [trade for record in ours for trade in record.trades]
    theirs = Counter((trade.client_order_id, str(trade.trade_id)) for trade in trades)
    booked = Counter((name, trade_id) for name, order in known.items() for trade_id in order.trade_ids)
    yield from (f"trade {each} is booked {booked[each]} times" for each in theirs if booked[each] != 1)
    yield from (f"trade {each} is booked and never happened" for each in booked if each not in theirs)
    base = sum((_base(trade, state.config.base) for trade in trades), Decimal(0))
    held = state.position + state.dust.quantity
    if base != held:
        yield f"the trades gave {base} {state.config.base}, the log holds {held}"
    cash = sum((_cash(trade, state.config.quote) for trade in trades), Decimal(0))
    if cash != state.cash_flow:
        yield f"the trades moved {cash} {state.config.quote}, the log says {state.cash_flow}"


def more_than(stage: Scene, side: str, most: int) -> list[str]:
    """Complain if the exchange took more orders of a side than were meant."""
    count = len(stage.placed(side))
    return [f"{count} orders to {side.lower()} were placed, {most} meant"] if count > most else []


def _is_of(state: BotState, client_order_id: str) -> bool:
    parsed = parse_client_order_id(client_order_id)
    return parsed is not None and parsed[0] == state.log_id


def _base(trade: Trade, base: str) -> Decimal:
    moved = trade.quantity if trade.side == "BUY" else -trade.quantity
    return moved - (trade.commission if trade.commission_asset == base else 0)


def _cash(trade: Trade, quote: str) -> Decimal:
    moved = -trade.quote_quantity if trade.side == "BUY" else trade.quote_quantity
    return moved - (trade.commission if trade.commission_asset == quote else 0)
