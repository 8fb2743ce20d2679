"""Long runs end clean: a month of recorded candles, and days of several simulated markets as they come."""

import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.feeds.simulated import SimulatedMarket, SimulatedSettings
from tests.cli.terminal import bot_file, krypto
from tests.runtime.watched import HOUR_MS

START_MS = 1_735_689_600_000
QUARTER_MS = 15 * 60_000


def check_clean(folder: Path, budget: int) -> dict[str, Any]:
    """Check that log, decisions and state file of a run agree, and the figures with each other; give the state."""
    state_dir = folder / "state"
    assert krypto("verify", "--state-dir", state_dir).code == 0
    checked = krypto("replay", "bot", "--state-dir", state_dir, "--verify", "--redecide")
    assert checked.code == 0, checked.out
    assert "identical" in checked.out
    assert "equal to the log" in checked.out
    state = json.loads((state_dir / "bot_state_bot.json").read_bytes(), parse_float=Decimal)
    found = krypto("inspect-state", "bot", "--state-dir", state_dir, "--json")
    assert json.loads(found.out, parse_float=Decimal) == state
    events = krypto("replay", "bot", "--state-dir", state_dir, "--json").out.splitlines()
    check_sums(state, [json.loads(line, parse_float=Decimal)["event"] for line in events], budget)
    return dict(state)


def check_sums(state: dict[str, Any], events: list[Any], budget: int) -> None:
    """Check every figure of the state file against the fills and sales of the log, to the last digit."""
    orders = {each["client_order_id"]: each for each in events if each["type"] == "order_requested"}
    purchases = [each for each in events if each["type"] == "purchase_recorded"]
    whole = {each["lot"] for each in purchases}
    fills = [each | {"order": orders[each["client_order_id"]]} for each in events if each["type"] == "order_filled"]
    buys = [each for each in fills if each["order"]["side"] == "buy"]
    sells = [each for each in fills if each["order"]["side"] == "sell"]
    sales = [each for each in events if each["type"] == "sale_recorded"]
    stats, strategy = state["stats"], state["strategy_state"]
    held = [each for each in strategy["purchases"] if each["status"] == "pending"]

    def total(amounts: Iterable[Any]) -> Decimal:
        return sum(map(Decimal, amounts), Decimal(0))

    def cash(filled: list[Any]) -> Decimal:
        return total(Decimal(each["quantity"]) * Decimal(each["price"]) for each in filled)

    of_whole = [each for each in buys if each["order"]["number"] in whole]
    assert strategy["total_purchased"] == total(each["quantity"] for each in of_whole)
    assert strategy["total_spent"] == cash(of_whole)
    assert strategy["purchase_count"] == stats["total_trades"] == len(purchases)
    assert stats["total_profit"] == total(each["profit"] for each in sales)
    assert stats["winning_trades"] + stats["losing_trades"] == sum(each["closed"] for each in sales)
    assert stats["current_position"] == total(each["amount_left"] for each in held)
    base_fees = total(each["fee"] for each in fills if each["fee_asset"] == "BTC")
    bought, sold = (total(each["quantity"] for each in side) for side in (buys, sells))
    assert stats["current_position"] + strategy["dust"]["quantity"] == bought - sold - base_fees
    ended = {each["client_order_id"] for each in sales}
    of_sales = [each for each in sells if each["client_order_id"] in ended]
    sold_part = total(each["cost"] for each in sales)
    paid = cash(buys) + total(each["fee"] for each in buys if each["fee_asset"] == "USD")
    received = cash(of_sales) - total(each["fee"] for each in of_sales)
    assert abs(stats["total_profit"] - (received - sold_part)) < Decimal("1e-9")
    assert paid - sold_part <= budget


@pytest.mark.spec("ordinary simulated markets of any seed trade and end clean", section="Markets without a network")
@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
def test_day_of_a_simulated_market_trades_and_ends_clean(tmp_path: Path, seed: int) -> None:
    changes = {
        "profit_target": 0.6,
        "buy_order_type": "trailing_market",
        "sell_order_type": "trailing_market",
        "trailing_buy_percent": 0.15,
        "trailing_sell_percent": 0.25,
        "budget": 2000,
        "strategy_params": {"amount_usd": 200},
        "market": {"seed": seed},
        "connectivity_hosts": None,
    }
    result = krypto("run", "-c", bot_file(tmp_path, **changes), "--speed", "max", "--for", "24h", "--quiet")
    assert (result.code, result.err) == (0, "")
    state = check_clean(tmp_path, 2000)
    assert state["stats"]["total_trades"] > 0
    assert state["stats"]["losing_trades"] == 0
    kinds = {json.loads(line)["event"]["type"] for line in replayed(tmp_path)}
    assert {
        "outage_declared",
        "backoff_started",
        "connectivity_restored",
        "trailing_triggered",
        "sale_recorded",
    } <= kinds


def replayed(folder: Path) -> list[str]:
    """Give the events of the bot, one JSON text each."""
    return krypto("replay", "bot", "--state-dir", folder / "state", "--json").lines


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a month of quarter-hour candles with a hole of six hours in it."""
    market = SimulatedMarket("BTC/USD", "BTC", "USD", SimulatedSettings(seed=31, cadence_s=300))
    candles = market.candles(QUARTER_MS, START_MS, START_MS + 30 * 24 * HOUR_MS)
    path = tmp_path_factory.mktemp("month") / "month.csv"
    rows = [f"{each.open_ms},{each.open},{each.high},{each.low},{each.close},{each.volume}" for each in candles]
    del rows[1000:1024]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *rows]) + "\n")
    return path


@pytest.mark.spec(
    "a month of recorded candles runs to its end and is clean", section="issue: Markets without a network"
)
def test_month_of_a_recorded_market_ends_clean(month: Path, tmp_path: Path) -> None:
    config = {
        "exchange": "recorded",
        "market": {"path": str(month), "fee_asset": "base", "fill_fraction": 0.4},
        "timeframe": "15m",
        "profit_target": 1,
        "save_interval": 3600,
        "connectivity_check_interval": 3600,
        "min_price_change_percent": 2,
        "max_open_lots": 10,
        "buy_order_type": "trailing_market",
        "sell_order_type": "limit",
    }
    path = bot_file(tmp_path, **config)
    result = krypto("run", "-c", path, "--speed", "max", "--quiet")
    assert (result.code, result.err) == (0, "")
    assert "Stopped: end of the recording" in result.out
    state = check_clean(tmp_path, 10_000)
    assert state["stats"]["winning_trades"] > 5
