"""What happens in the old logs: lives of bots in the real program or in a simulated world, each in its own folder.

Owns the stories. A story leaves a stopped engine and a closed log in `state`, and what is needed to go on from there.
Never looks into a log.
"""

import asyncio
import csv
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from engine.core.events import (
    DustRecorded,
    OrderCanceled,
    OrderOutcomeUnknown,
    OrderReconciled,
    OrderRejected,
    PurchaseRecorded,
    SaleRecorded,
)
from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from engine.store.schema import LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.testing.simulation.running import run_world
from tests.cli.terminal import LIVELY, Running, bot_file, krypto
from tests.exchange_server.faults import Fault
from tests.live.harness import Run
from tests.live.incident import bought, reach_target
from tests.live.scene import Scene, differences, scene

START_MS = 1_735_689_600_000
MINUTE_MS = 60_000
DUST = Decimal("0.0001")
BALANCES = {"balances": {"USD": Decimal(100_000), "BTC": Decimal(0), "BNB": Decimal(0)}}


def simulated(folder: Path) -> None:
    """Buy, follow prices and sell on the simulated market for seventy minutes, in three sessions."""
    path = bot_file(folder, **LIVELY | {"profit_target": 0.15, "trailing_sell_percent": 0.05})
    for span in ("40m", "15m", "15m"):
        _ran(folder, "-c", path, "--speed", "max", "--for", span)


def recorded(folder: Path) -> None:
    """Trade on a recording of eight hours with a hole of forty minutes, and be cut off for some minutes."""
    market = SimulatedMarket("BTC/USD", "BTC", "USD", SimulatedSettings(seed=12, cadence_s=60))
    candles = market.candles(5 * MINUTE_MS, START_MS, START_MS + 490 * MINUTE_MS)
    with (folder / "market.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        for number, each in enumerate(candles):
            if not 70 <= number < 78:
                rows.writerow([each.open_ms, each.open, each.high, each.low, each.close, each.volume])
    outage = {"from_s": 25_500, "length_s": 900, "kind": "internet"}
    market_keys = {"path": "market.csv", "scripted_outages": [outage]}
    path = bot_file(folder, exchange="recorded", **LIVELY | {"market": market_keys, "trailing_max_gap": 600})
    _ran(folder, "-c", path, "--speed", "max", "--for", "5h")
    _ran(folder, "-c", path, "--speed", "max")


def reconfigured(folder: Path) -> None:
    """Change target, fees and name between two sessions, while lots are open."""
    _ran(folder, "-c", bot_file(folder, **LIVELY), "--speed", "max", "--for", "30m")
    changes = {"profit_target": 0.9, "fees": {"taker": 0.2}, "name": "Renamed", "trailing_max_gap": 600}
    _ran(folder, "-c", bot_file(folder, **LIVELY | changes), "--speed", "max", "--for", "20m")


def commanded(folder: Path) -> None:
    """Be paused, resumed, reset, killed, flattened and revived while it runs, and trade before and after."""
    path, state = bot_file(folder, **LIVELY), ("--state-dir", folder / "state")
    _ran(folder, "-c", path, "--speed", "max", "--for", "35m")
    with Running("-c", path, "--speed", "30", folder=folder) as engine:
        engine.wait_for("Session started")
        for command in ("pause", "resume", "reset-trailing", "kill", "revive", "flatten", "revive"):
            assert krypto(command, "bot", *state).code == 0, command
        assert krypto("stop", *state).code == 0
        assert engine.end().code == 0
    _ran(folder, "-c", path, "--speed", "max", "--for", "15m")


def live(folder: Path) -> None:
    """Trade at the local exchange: an answer is lost, an order is cancelled in part filled, one fills while away."""
    state = folder / "state"
    (folder / "bot.yml").write_text(asyncio.run(_live(state)))
    _leave_only_the_log(state)


async def _live(state: Path) -> str:
    async with scene(state, account=BALANCES) as stage:
        text = _quick(stage)
        async with stage.engine(stage.config(strategy_params={"amount_usd": 150})) as run:
            stage.faults(Fault("drop"))
            await stage.until(run, lambda: run.events(OrderOutcomeUnknown), step_s=0.25)
            await bought(stage, run)
            reach_target(stage, run)
            await stage.until(run, lambda: run.events(SaleRecorded))
            await stage.pass_time(10)
        stage.price("50000")
        stage.jump(120)
        async with stage.engine(text) as run:
            await stage.until(run, lambda: _open(run, "buy"))
            (record,) = [record for record in stage.placed("BUY") if record.now.is_open]
            stage.fill(record, "0.001")
            await stage.until(run, lambda: run.events(OrderCanceled))
            await stage.until(run, lambda: _open(run, "sell"))
        for sell in stage.placed("SELL"):
            if sell.now.is_open:
                stage.fill(sell, sell.now.quantity)
        stage.jump(600)
        async with stage.engine(text) as run:
            await stage.until(run, lambda: run.events(SaleRecorded))
            await stage.pass_time(60, 2)
            assert not differences(stage, run.state())
    return text


def mistaken(folder: Path) -> None:
    """Hold an order to be not placed that shows up filled, and buy what is too small to be sold again."""
    (folder / "bot.yml").write_text(asyncio.run(_mistaken(folder / "state")))
    _leave_only_the_log(folder / "state")


async def _mistaken(state: Path) -> str:
    async with scene(state, account=BALANCES) as stage:
        stage.silence_new_streams()
        async with stage.engine(stage.config()) as run:
            stage.show_late(orders_s=130, trades_s=130)
            stage.faults(Fault("drop"))
            await stage.until(run, lambda: run.events(OrderRejected), within_s=120)
            stage.show_late()
            stage.faults(Fault("status", on="POST /api/v3/order", when="before", times=None))
            await stage.until(run, lambda: run.events(OrderReconciled), 900, 2)
            await stage.until(run, lambda: run.events(PurchaseRecorded))
            stage.heal()
            await stage.pass_time(60)
        text = _quick(stage)
        stage.price("49000")
        async with stage.engine(text) as run:
            await stage.until(run, lambda: _open(run, "buy"), within_s=600)
            (record,) = [record for record in stage.placed("BUY") if record.now.is_open]
            stage.fill(record, DUST)
            await stage.until(run, lambda: run.events(DustRecorded))
            await stage.pass_time(60)
            assert not differences(stage, run.state())
    return text


def limited(folder: Path) -> None:
    """Trade on the simulated market under limits so near that they are reached."""
    risk = {"stop_loss_percent": 0.4, "max_daily_loss_percent": 0.01, "max_position_size": 350}
    _ran(folder, "-c", bot_file(folder, **LIVELY | {"risk": risk}), "--speed", "max", "--for", "2h")


def world(seed: int, folder: Path) -> None:
    """Live through the simulated world of a seed; the same engine leaves the same log every time."""
    lives = folder / "lives"
    lives.mkdir()
    report = run_world(seed, lives)
    assert report.is_judged, seed
    assert report.violations == (), report.violations
    (last,) = lives.iterdir()
    last.rename(folder / "state")
    lives.rmdir()
    _leave_only_the_log(folder / "state")


def _leave_only_the_log(state: Path) -> None:
    """Remove the exchange's own files, and what recoveries put aside; a closed log has no other file of its own."""
    wal = state / WAL_NAME
    assert not (wal.exists() and wal.stat().st_size), "the log was not closed"
    for left in state.iterdir():
        if left.is_dir():
            shutil.rmtree(left)
        elif left.name not in {LOG_NAME, WITNESS_NAME} and not left.name.startswith("bot_state_"):
            left.unlink()


def _open(run: Run, side: str) -> bool:
    return any(order.side == side and order.status == "open" for order in run.state().orders.values())


def _quick(stage: Scene) -> str:
    """Write the configuration of a bot that buys by limit again and again and takes resting buys back soon."""
    return stage.config(
        buy_order_type="limit",
        sell_order_type="limit",
        buy_order_timeout=30,
        max_open_lots=2,
        strategy_params={"min_interval_hours": 0},
    )


def _ran(folder: Path, *arguments: Any) -> None:
    """Run the program in the folder, as a process of its own, to its end."""
    with Running(*arguments, folder=folder) as engine:
        result = engine.end()
    assert result.code == 0, result


PROGRAMS = (simulated, recorded, reconfigured, commanded, live, mistaken, limited)
WORLDS = {f"world-{seed}": seed for seed in (48, 51)}
"""Worlds in which logs are cut, spoilt and lost, and recovered, and orders adopted."""

SCENARIOS: Mapping[str, Callable[[Path], None]] = {
    **{each.__name__: each for each in PROGRAMS},
    **{name: partial(world, seed) for name, seed in WORLDS.items()},
}
