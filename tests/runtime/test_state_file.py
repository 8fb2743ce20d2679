"""What stands in the state file, and that it is never believed: a damaged one is written again from the log."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import LIVELY, bot_file, krypto
from tests.runtime.watched import HOUR_MS, Watched

SPECIFIED: dict[str, Any] = {
    "bot_id": str,
    "name": str,
    "symbol": str,
    "exchange": str,
    "strategy": str,
    "last_update": str,
    "stats": {
        "total_trades": int,
        "winning_trades": int,
        "losing_trades": int,
        "total_profit": float,
        "current_position": float,
        "last_price": float,
    },
    "strategy_state": {
        "last_purchase_time": int,
        "last_purchase_price": float,
        "total_purchased": float,
        "total_spent": float,
        "purchase_count": int,
        "pending_sell_order": {
            "buy_order_id": str,
            "buy_price": float,
            "buy_amount": float,
            "buy_cost": float,
            "buy_timestamp": int,
            "target_sell_price": float,
            "profit_target": float,
            "actual_profit": float,
            "status": str,
        },
        "trailing_state": {
            "status": str,
            "direction": str,
            "activation_price": float,
            "watermark": float,
            "trailing_percent": float,
            "last_update": int,
        },
    },
    "connectivity": {"last_success": str, "failure_count": int},
}
"""The keys of the specification's example and their types; a float there is any JSON number here."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a bot until it holds lots, one of them followed by an active trail; give the folder of its config."""
    folder = tmp_path_factory.mktemp("stopped")
    Watched(bot_file(folder, **LIVELY)).run(2 * HOUR_MS)
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """Copy the stopped bot, to be tampered with."""
    shutil.copytree(stopped / "state", tmp_path / "state")
    bot_file(tmp_path, **LIVELY)
    return tmp_path


def content(folder: Path) -> dict[str, Any]:
    loaded = json.loads((folder / "state" / "bot_state_bot.json").read_bytes())
    assert isinstance(loaded, dict)
    return loaded


def misfits(found: Any, specified: Any, key: str = "") -> list[str]:
    """Name the keys that are missing or of another type than specified."""
    if isinstance(specified, dict):
        return [
            fault
            for name, kind in specified.items()
            for fault in (
                misfits(found[name], kind, f"{key}.{name}") if name in found else [f"{key}.{name} is missing"]
            )
        ]
    fits = isinstance(found, int | float) if specified is float else isinstance(found, specified)
    return [] if fits and not isinstance(found, bool) else [f"{key} is {found!r}"]


@pytest.mark.spec("every key of the example stands in the state file, with its type", section="State File Location")
def test_state_file_of_a_bot_with_lots_has_every_key_of_the_example(stopped: Path) -> None:
    assert misfits(content(stopped), SPECIFIED) == []


def test_state_file_keys_stand_in_the_order_of_the_example(stopped: Path) -> None:
    found = content(stopped)
    assert [key for key in found if key in SPECIFIED] == list(SPECIFIED)
    strategy = found["strategy_state"]
    assert [key for key in strategy if key in SPECIFIED["strategy_state"]] == list(SPECIFIED["strategy_state"])


@pytest.mark.spec(
    "numbers in the state file are JSON numbers and its times UTC", section="decisions: Files and interfaces"
)
def test_state_file_numbers_are_numbers_and_times_end_in_z(stopped: Path) -> None:
    found = content(stopped)
    assert found["last_update"].endswith("Z")
    assert found["connectivity"]["last_success"].endswith("Z")
    texts = {key for key, value in found["strategy_state"]["pending_sell_order"].items() if isinstance(value, str)}
    assert texts <= {"buy_order_id", "status", "sell_order_id"}
    assert 1_700_000_000 < found["strategy_state"]["last_purchase_time"] < 2_000_000_000


@pytest.mark.spec("the state holds every lot with its own pending sell and trail", section="decision 10")
def test_state_file_lists_every_lot_and_the_newest_singly(stopped: Path) -> None:
    strategy = content(stopped)["strategy_state"]
    pending = [each for each in strategy["purchases"] if each["status"] == "pending"]
    assert len(pending) > 1
    assert strategy["trailing_state"]["status"] == "active"
    assert strategy["pending_sell_orders"] == pending
    assert strategy["pending_sell_order"] == pending[-1]
    assert {each["lot"] for each in strategy["trailing_states"]} != set()
    sold = [each for each in strategy["purchases"] if each["status"] == "filled"]
    assert len(sold) + len(pending) == strategy["purchase_count"]


@pytest.mark.spec("the figures of the state file add up to its lots", section="decision 9")
def test_state_file_figures_add_up(stopped: Path) -> None:
    found = content(stopped)
    stats, strategy = found["stats"], found["strategy_state"]
    lots = strategy["purchases"]
    assert stats["total_trades"] == strategy["purchase_count"] == len(lots)
    assert stats["winning_trades"] + stats["losing_trades"] == sum(each["status"] == "filled" for each in lots)
    assert stats["current_position"] == pytest.approx(sum(each["amount_left"] for each in lots), abs=1e-12)
    assert strategy["total_purchased"] == pytest.approx(sum(each["buy_amount"] for each in lots), abs=1e-12)
    spent = sum(each["buy_price"] * each["buy_amount"] for each in lots)
    assert strategy["total_spent"] == pytest.approx(spent, rel=1e-9)
    assert stats["total_profit"] == pytest.approx(sum(each["profit"] or 0 for each in lots), abs=1e-9)


def test_state_file_names_the_event_it_reflects(stopped: Path) -> None:
    log = content(stopped)["log"]
    events = krypto("replay", "bot", "--state-dir", stopped / "state", "--json").records
    assert (events[-1]["sequence"], events[-1]["checksum"]) == (log["sequence"], log["checksum"])


def edited(path: Path) -> None:
    text = path.read_text().replace('"purchase_count": ', '"purchase_count": 9')
    path.write_text(text.replace('"current_position": 0', '"current_position": 7'))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def deleted(path: Path) -> None:
    path.unlink()


def swapped(path: Path) -> None:
    path.write_text('{"bot_id": "another", "log": {"sequence": 99999}}')


def scrambled(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


@pytest.mark.spec("the state file is never read to trade: a damaged one is rewritten", section="decision 12")
@pytest.mark.parametrize("damage", [edited, truncated, emptied, deleted, swapped, scrambled])
def test_state_file_damaged_before_a_start_is_written_again(folder: Path, damage: Callable[[Path], None]) -> None:
    before = content(folder)
    damage(folder / "state" / "bot_state_bot.json")
    result = krypto("run", "-c", folder / "bot.yml", "--speed", "max", "--for", "1s")
    assert result.code == 0, result.err
    after = content(folder)
    sessions = {"log", "last_update", "connectivity"}
    assert {key: after[key] for key in before.keys() - sessions} == {
        key: before[key] for key in before.keys() - sessions
    }
    assert after["log"]["sequence"] > before["log"]["sequence"]
    assert "equal to the log" in krypto("replay", "bot", "--state-dir", folder / "state", "--verify").out


@pytest.mark.spec("lots, pending sells, trails and statistics are restored at startup", section="State Restoration")
def test_restart_without_the_file_restores_lots_trails_and_statistics(folder: Path) -> None:
    before = content(folder)
    deleted(folder / "state" / "bot_state_bot.json")
    seen = krypto("inspect-state", "bot", "--state-dir", folder / "state", "--json").json
    assert seen == before
    watched = Watched(folder / "bot.yml")
    outcome = watched.run(1)
    state = outcome.worlds[0].bots[0].state
    assert {number for number, trail in state.trails.items() if trail.status == "active"} == {
        each["lot"] for each in before["strategy_state"]["trailing_states"] if each["status"] == "active"
    }
    assert len(state.lots) == len(before["strategy_state"]["pending_sell_orders"])


@pytest.mark.parametrize("damage", [edited, truncated, swapped])
def test_replay_verify_with_a_damaged_file_says_so_and_blames_no_log(
    folder: Path, damage: Callable[[Path], None]
) -> None:
    damage(folder / "state" / "bot_state_bot.json")
    result = krypto("replay", "bot", "--state-dir", folder / "state", "--verify")
    assert result.code == 0
    assert "equal to the log" not in result.out
    assert "written again at the next start" in result.out


def test_state_file_that_cannot_be_written_is_told_and_trading_goes_on(folder: Path) -> None:
    path = folder / "state" / "bot_state_bot.json"
    path.unlink()
    path.mkdir()
    result = krypto("run", "-c", folder / "bot.yml", "--speed", "max", "--for", "1s")
    assert result.code == 0
    assert f"State could not be saved to {path}" in result.out
    assert krypto("verify", "--state-dir", folder / "state").code == 0
