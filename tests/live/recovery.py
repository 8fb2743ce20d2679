"""What the tests of recovery against a real account share: a bot that trades, a log that lost its end, a recovery.

Owns the scenes before and after it, how the end is cut away as a lying disk would do it, and a recovery in the
test's own event loop.
"""

import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from engine.core.config import BotConfig
from engine.core.events import DiscrepancyFound, PurchaseRecorded, SaleRecorded
from engine.core.identity import parse_client_order_id
from engine.core.state import BotState, Order
from engine.exchanges.port import Accepted
from engine.runtime.clock import EngineClock
from engine.runtime.config_file import parse_config
from engine.runtime.connections import Connections, Wiring
from engine.runtime.recovery import Help, recover
from engine.runtime.recovery_exchange import Exchange
from engine.runtime.recovery_report import Mend, Report
from engine.runtime.redecide import redecide
from engine.runtime.replica import restore_bot
from engine.store.reader import LogReader
from engine.store.schema import LOG_NAME, WAL_NAME, WITNESS_NAME
from tests.exchange_server.faults import Fault
from tests.exchange_server.server import Server
from tests.live.harness import BOT, FastTime, Run, config_text, orders_of, set_price, trading, wiring
from tests.store.helpers import edit

LONG_AGO_S: Final = 120


class Leaping(FastTime):
    """Real time in which no wait takes long: the clock leaps over it."""

    def __init__(self) -> None:
        """Start now."""
        self.waited_s: list[float] = []
        super().__init__()

    def monotonic_s(self) -> float:
        """Give seconds on a clock that never goes back."""
        return super().monotonic_s() + sum(self.waited_s)

    async def sleep(self, seconds: float) -> None:
        """Leap over a long wait; the short ones of the log's commits are waited for."""
        if seconds > 1:
            self.waited_s.append(seconds)
        else:
            await super().sleep(seconds)


class Impatient(FastTime):
    """Real time in which a long wait takes none: for an exchange at which nothing is under way."""

    def __init__(self) -> None:
        """Start now."""
        self.waited_s: list[float] = []
        super().__init__()

    async def sleep(self, seconds: float) -> None:
        """Wait for the log's commits only."""
        if seconds > 1:
            self.waited_s.append(seconds)
        else:
            await super().sleep(seconds)


async def has_bought(run: Run, server: Server) -> None:
    """Wait until a bot has bought a lot, and has its sell at the exchange."""
    await run.until(lambda: run.events(PurchaseRecorded) and len(orders_of(server)) == 2)


async def bought(log: Path, server: Server) -> BotState:
    """Let a bot live until it has bought a lot and placed its sell; give its state."""
    async with trading(log, config_text(server.port)) as run:
        await has_bought(run, server)
        return run.state()


async def sold(log: Path, server: Server) -> None:
    """Let a bot live until it has sold what it bought."""
    async with trading(log, config_text(server.port)) as run:
        await has_bought(run, server)
        set_price(server, "60000")
        await run.until(lambda: run.events(SaleRecorded))


async def goes_on(log: Path, text: str) -> None:
    """Let a bot live until it has looked at its account, which must not halt it."""
    async with trading(log, text) as run:
        await run.until(lambda: run.state().has_looked)
        assert run.state().halted is None


async def halts(log: Path, text: str) -> None:
    """Let a bot live, which must find one thing amiss that halts it."""
    async with trading(log, text) as run:
        await run.until(lambda: run.ended)
        assert [each.halts for each in run.events(DiscrepancyFound)] == [True]


def forget_orders(server: Server) -> None:
    """Have the exchange say of every order that it knows none."""
    server.exchange.faults.add(
        Fault("error", on="GET /api/v3/order*", when="before", status=400, code=-2013, times=None)
    )


def quieten(log: Path, ago_s: int = LONG_AGO_S) -> None:
    """Let the files of a log look as if its engine died two minutes ago: then nothing is under way any more."""
    for name in (LOG_NAME, WAL_NAME, WITNESS_NAME):
        if (log / name).exists():
            found = (log / name).stat()
            os.utime(log / name, (found.st_atime - ago_s, found.st_mtime - ago_s))


def cut(log: Path, *, after: str, skip: int = 0) -> int:
    """Take away the end of a log behind its first event (or a later one) of a tag; give how many rows are left."""
    with LogReader.open(log) as reader:
        query = "SELECT row_id FROM event WHERE tag = ? ORDER BY row_id LIMIT 1 OFFSET ?"
        position = int(reader.rows(query, after, skip)[0][0])
    cut_at(log, position)
    return position


def cut_at(log: Path, position: int) -> None:
    """Take away the end of a log behind a row."""
    edit(log, "DELETE FROM checkpoint", f"DELETE FROM event WHERE row_id > {position}")
    edit(log, "DELETE FROM stream WHERE stream_id NOT IN (SELECT stream FROM event)")
    quieten(log)


async def recovered(
    log: Path,
    *,
    confirm: Callable[[Report], bool] = lambda _: True,
    wired: Wiring | None = None,
    real_time: FastTime | None = None,
    bot: str | None = None,
    backup: Path | None = None,
    configs: dict[str, BotConfig] | None = None,
    asked: list[BotConfig] | None = None,
    mended: Callable[[Mend], None] = lambda _: None,
) -> Report:
    """Recover a log against the exchange that its bots trade at; `asked` gets what it is asked under."""
    clock = EngineClock(real_time or Impatient())
    async with Connections(wired or wiring(), lambda: clock.now_ms) as connections:

        def exchange(config: BotConfig) -> Exchange:
            if asked is not None:
                asked.append(config)
            return Exchange(connections.desk(config), connections.data([config]))

        help_ = Help(exchange, confirm, lambda _: None, "test", mended, configs or {})
        return await recover(log, bot, backup, clock=clock, help_=help_)


def state_of(log: Path) -> BotState:
    """Give the state of the bot in a log that nobody writes."""
    with LogReader.open(log) as reader:
        return restore_bot(reader, BOT)[0]


def decides_the_same(log: Path) -> bool:
    """Tell whether deciding the bot's whole life again gives what the log holds."""
    with LogReader.open(log) as reader:
        return not redecide(reader, BOT).divergences


def numbers(server: Any) -> list[int]:
    """Give the numbers of all orders that the exchange ever took, in their order."""
    parsed = [parse_client_order_id(order.wish.client_order_id) for order in orders_of(server)]
    return [each[1] for each in parsed if each is not None]


async def place(server: Server, name: str, price: str) -> None:
    """Place a limit buy under a client id, as the lost end of a log had."""
    clock = EngineClock(FastTime())
    config = parse_config(config_text(server.port), "a test").config
    async with Connections(wiring(), lambda: clock.now_ms) as connections:
        data, account = connections.data([config]), connections.desk(config).account
        await data.time_ms()
        order = Order(
            client_order_id=name,
            number=5,
            side="buy",
            kind="limit",
            quantity=Decimal("0.001"),
            purpose="entry",
            seen_price=Decimal(price),
            requested_ms=clock.now_ms,
            limit_price=Decimal(price),
            sent_ms=clock.now_ms,
        )
        assert isinstance(await account.create(config.symbol, order), Accepted)


def rename(server: Server, old: str, new: str) -> None:
    """Give an order at the exchange another client id, as if somebody else had placed it."""
    for key, record in server.exchange.matching.records.items():
        if record.now.wish.client_order_id == old:
            record.states = [replace(each, wish=replace(each.wish, client_order_id=new)) for each in record.states]
            server.exchange.matching.records[key] = record


def events(log: Path) -> list[Any]:
    """Give all events of the bot in a log that nobody writes."""
    with LogReader.open(log) as reader:
        return [each.event for each in reader.read(f"bot:{BOT}")]
