"""Incidents of other programs about restarts, reconciliation and trades that are seen twice, played against the engine.

Owns the triggers. A story makes happen what once went wrong elsewhere, lets time pass, and gives the complaints.
Source: docs/evidence.md, "Incidents of other programs".
"""

import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from engine.core.events import DiscrepancyFound, OrderFilled, PurchaseRecorded, SaleRecorded
from engine.core.identity import client_order_id
from engine.core.state import BotState
from engine.runtime.live_world import HALTED
from tests.exchange_server.faults import Fault
from tests.exchange_server.orders import Wish
from tests.exchange_server.script import Visibility
from tests.live import wrong
from tests.live.harness import Run
from tests.live.incident import Incident, bought, reach_target
from tests.live.scene import Scene, differences, more_than, scene

DAY_S: Final = 86_400
EMPTY: Final = {"account": {"balances": {"USD": Decimal(100_000), "BTC": Decimal(0)}}}


async def trades_are_listed_again_at_each_start(path: Path) -> list[str]:
    """Restart twice after a purchase and a sale; each time both trades are listed again, and every row twice."""
    async with scene(path) as stage:
        async with stage.engine() as run:
            await bought(stage, run)
            reach_target(stage, run)
            await stage.until(run, lambda: run.events(SaleRecorded))
        stage.faults(Fault("repeat_rows", on="GET /api/v3/myTrades", times=None))
        for _ in range(2):
            async with stage.engine() as run:
                await stage.pass_time(10)
                state = run.state()
        return differences(stage, state)


async def real_trade_follows_the_count(path: Path) -> list[str]:
    """Fill a resting sell whose order says so at once, and list its trade five seconds later."""
    async with scene(path) as stage, stage.engine() as run:
        await bought(stage, run)
        await stage.pass_time(2)
        stage.show_late(trades_s=5)
        reach_target(stage, run)
        await stage.pass_time(20)
        return differences(stage, run.state())


async def account_looks_empty_at_the_start(path: Path) -> list[str]:
    """Restart while the account seems to hold nothing of what was bought, and show it again later."""
    async with scene(path, **EMPTY) as stage:
        text = stage.config(sell_order_type="market")
        async with stage.engine(text) as run:
            await stage.until(run, lambda: run.events(PurchaseRecorded))
            held = run.state().position
        account = stage.server.exchange.accounts["trader"]
        stage.server.exchange.deposit(account, "BTC", -held)
        async with stage.engine(text) as run:
            await stage.pass_time(150, 2)
            stage.server.exchange.deposit(account, "BTC", held)
            await stage.pass_time(10)
            return differences(stage, run.state())


async def many_restarts_with_a_resting_sell(path: Path) -> list[str]:
    """Restart five times while a sell rests, now in order, now without a word."""
    async with scene(path) as stage:
        async with stage.engine() as run:
            await bought(stage, run)
        for number in range(5):
            async with stage.engine(crash=number % 2 == 0) as run:
                await stage.until(run, lambda run=run: run.state().has_looked, within_s=20)
                await stage.pass_time(5)
                state = run.state()
        return differences(stage, state) + more_than(stage, "SELL", 1)


async def position_is_eleven_days_old(path: Path) -> list[str]:
    """Leave a sell alone for eleven days and fill it then, while lists reach back ten days."""
    async with scene(path, step_ms=60_000) as stage:
        async with stage.engine() as run:
            await bought(stage, run)
            target = run.state().lots[1].target
        stage.jump(11 * DAY_S)
        stage.server.exchange.visibility = Visibility(history_ms=10 * DAY_S * 1000)
        stage.price((target or Decimal(0)) + 1)
        async with stage.engine() as run:
            await stage.pass_time(20)
            return differences(stage, run.state())


async def two_reconciliations_of_the_same_log(path: Path) -> list[str]:
    """Fill a sell in five parts while nobody runs; reconcile two copies of the log, their rows in other orders."""
    async with scene(path / "exchange") as stage:
        async with stage.engine(directory=path / "one") as run:
            await bought(stage, run)
        (record,) = stage.placed("SELL")
        for _ in range(4):
            stage.fill(record, "0.0003")
        stage.fill(record, record.now.remaining)
        shutil.copytree(path / "one", path / "two")
        facts = []
        for name, kind in (("one", "shuffle_rows"), ("two", "repeat_rows")):
            stage.heal()
            stage.faults(Fault(kind, on="GET /api/v3/myTrades", times=None))  # type: ignore[arg-type]
            async with stage.engine(directory=path / name) as run:
                await stage.pass_time(10)
                facts.append(_facts(run))
        same = [] if facts[0] == facts[1] else [f"reconciled otherwise: {facts}"]
        return same if len(facts[0]) == 6 else [*same, f"not booked: {facts}"]


def _facts(run: Run) -> list[Any]:
    return [each for each in run.told() if isinstance(each, OrderFilled | SaleRecorded)]


async def part_is_filled_before_and_after_a_crash(path: Path) -> list[str]:
    """Fill a sell in three parts: one booked before the process dies, one while it is dead, one after."""
    async with scene(path) as stage:
        async with stage.engine(crash=True) as run:
            await bought(stage, run)
            await stage.pass_time(2)
            (record,) = stage.placed("SELL")
            stage.fill(record, "0.0005")
            await stage.until(run, lambda: run.state().orders and _sold(run.state()))
        stage.fill(record, "0.0005")
        async with stage.engine() as run:
            await stage.pass_time(10)
            stage.fill(record, "0.0004")
            await stage.pass_time(10)
            return differences(stage, run.state())


def _sold(state: BotState) -> Decimal:
    return sum((order.filled for order in state.orders.values()), Decimal(0))


async def another_copy_of_the_log_trades(path: Path) -> list[str]:
    """Show an order of this very log with a higher number: from then on nothing may be sent."""
    async with scene(path) as stage:
        async with stage.engine(stage.config(on_stop="leave")) as run:
            await bought(stage, run)
            log_id = run.state().log_id
        place_as_another_copy(stage, client_order_id(log_id, 7))
        before = len(stage.records)
        async with stage.engine(stage.config(strategy_params={"min_interval_hours": 0}, max_open_lots=5)) as run:
            stage.price("49000")
            await stage.pass_time(60)
            told = run.events(DiscrepancyFound)
        ended = run.outcome is not None and run.outcome.reasons == (HALTED,)
        complaints = [] if ended else ["the bot went on"]
        complaints += [] if len(stage.records) == before else [f"{len(stage.records) - before} more orders were placed"]
        return complaints if told else [*complaints, "nothing was told"]


def place_as_another_copy(stage: Scene, name: str, account: str = "trader") -> None:
    """Place a resting buy under a client order id, as a program elsewhere does."""
    exchange = stage.server.exchange
    exchange.advance()
    wish = Wish("BTCUSD", "BUY", "LIMIT", name, quantity=Decimal("0.01"), price=Decimal(40_000))
    exchange.matching.place(exchange.accounts[account], wish)


INCIDENTS: Final = {
    "nautilus-3046": Incident(trades_are_listed_again_at_each_start, wrong.trades_are_forgotten, "the log says"),
    "nautilus-pr-3493": Incident(real_trade_follows_the_count, wrong.fills_are_inferred, "never happened"),
    "nautilus-4736": Incident(
        account_looks_empty_at_the_start, wrong.missing_base_is_sold, "never happened|log holds 0"
    ),
    "nautilus-3176": Incident(many_restarts_with_a_resting_sell, wrong.open_orders_are_forgotten, "orders to sell"),
    "nautilus-3104": Incident(position_is_eleven_days_old, wrong.looks_back_a_week, "is booked 0 times"),
    "nautilus-3878": Incident(two_reconciliations_of_the_same_log, wrong.trade_ids_are_made_up, "reconciled otherwise"),
    "quantdinger-231": Incident(part_is_filled_before_and_after_a_crash, wrong.trade_ids_are_made_up, "never happened"),
    "bytex-30": Incident(another_copy_of_the_log_trades, wrong.mismatch_is_only_logged, "the bot went on|more orders"),
}
