"""A configuration changed between runs: recorded as an event, or refused under open lots, naming why."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import LIVELY, bot_file, bytes_below, krypto
from tests.cli.test_run import record

SPAN = ("--speed", "max", "--for", "5m")


def changes_recorded(folder: Path) -> list[Any]:
    """Give the configuration changes that the log holds."""
    found = krypto("replay", "bot", "--state-dir", folder / "state", "--json").records
    return [each["event"] for each in found if each["event"]["type"] == "config_changed"]


@pytest.mark.spec("a changed configuration is recorded as an event naming the changed keys", section="issue: Bad input")
def test_run_with_a_changed_config_records_the_changed_keys(copied: Path) -> None:
    changes = {**LIVELY, "profit_target": 0.9, "fees": {"taker": 0.2}, "name": "Renamed", "trailing_max_gap": 600}
    result = krypto("run", "-c", bot_file(copied, **changes), *SPAN)
    assert result.code == 0
    assert "Configuration changed: name, fees, profit_target, trailing_max_gap" in result.out
    (event,) = changes_recorded(copied)
    assert event["changed"] == ["name", "fees", "profit_target", "trailing_max_gap"]
    assert event["config"]["profit_target"] == 0.9
    assert krypto("inspect-state", "bot", "--state-dir", copied / "state", "--json").json["name"] == "Renamed"
    assert krypto("replay", "bot", "--state-dir", copied / "state", "--verify", "--redecide").code == 0


def test_run_with_the_same_config_records_no_change(copied: Path) -> None:
    path = copied / "bot.yml"
    path.write_text("# a comment\n" + path.read_text() + "\ncheck_interval: 60\n")
    assert krypto("run", "-c", path, *SPAN).code == 0
    assert changes_recorded(copied) == []


@pytest.mark.spec("a changed target holds for later lots; targets already set stay", section="State Restoration")
def test_run_with_a_changed_profit_target_keeps_the_targets_of_open_lots(copied: Path) -> None:
    def targets() -> dict[str, float]:
        state = krypto("inspect-state", "bot", "--state-dir", copied / "state", "--json").json
        return {
            each["buy_order_id"]: each["target_sell_price"] for each in state["strategy_state"]["pending_sell_orders"]
        }

    before = targets()
    assert (
        krypto("run", "-c", bot_file(copied, **LIVELY | {"profit_target": 5}), "--speed", "max", "--for", "1s").code
        == 0
    )
    assert targets() == before


@pytest.mark.spec("symbol, market and exchange may not change while lots are open", section="issue: Bad input")
@pytest.mark.parametrize(
    ("changes", "names"),
    [
        pytest.param({"symbol": "ETH/USD"}, ["symbol", "BTC/USD", "ETH/USD"], id="symbol"),
        pytest.param({"market": {"seed": 99, "outages": False}}, ["market", "99"], id="market"),
        pytest.param({"market": None}, ["market"], id="market left out"),
        pytest.param({"exchange": "recorded", "market": "recording"}, ["exchange", "recorded"], id="exchange"),
    ],
)
def test_run_with_another_market_under_open_lots_is_refused(
    copied: Path, changes: dict[str, Any], names: list[str]
) -> None:
    if changes.get("market") == "recording":
        changes = {**changes, "market": {"path": str(record(copied / "day.csv", 5, 1))}}
    events = ("replay", "bot", "--events", "--json", "--state-dir", copied / "state")
    before, state_file = krypto(*events), (copied / "state" / "bot_state_bot.json").read_bytes()
    result = krypto("run", "-c", bot_file(copied, **LIVELY | changes), *SPAN)
    assert result.code == 4
    assert len(result.err.splitlines()) == 1
    for name in [*names, "lots", "bot_id"]:
        assert name in result.err
    assert krypto(*events) == before
    assert (copied / "state" / "bot_state_bot.json").read_bytes() == state_file
    assert krypto("run", "-c", bot_file(copied, **LIVELY), *SPAN).code == 0


@pytest.mark.spec("without lots the market may change, and the log says so", section="issue: Bad input")
@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "ETH/USD"},
        {"market": {"seed": 99, "outages": False}},
        {"exchange": "recorded", "market": "recording"},
    ],
    ids=["symbol", "market", "exchange"],
)
def test_run_with_another_market_and_no_lots_goes_on_there(tmp_path: Path, changes: dict[str, Any]) -> None:
    calm = {"strategy_params": {"amount_usd": 100}}
    assert krypto("run", "-c", bot_file(tmp_path, **calm), *SPAN).code == 0
    if changes.get("market") == "recording":
        changes = {**changes, "market": {"path": str(record(tmp_path / "day.csv", 5, 1))}}
    result = krypto("run", "-c", bot_file(tmp_path, **calm, **changes), *SPAN)
    assert result.code == 0, result.err
    (event,) = changes_recorded(tmp_path)
    assert set(event["changed"]) == set(changes)
    assert krypto("replay", "bot", "--state-dir", tmp_path / "state", "--verify", "--redecide").code == 0
    state = krypto("inspect-state", "bot", "--state-dir", tmp_path / "state", "--json").json
    assert state["stats"]["last_price"] is not None


@pytest.mark.spec("a log that traded on paper is never continued live", section="Identity")
def test_run_live_on_a_log_that_traded_on_paper_is_refused(copied: Path) -> None:
    before = bytes_below(copied / "state")
    changes = {**LIVELY, "paper_trading": False, "live": True, "budget": 1000}
    result = krypto("run", "-c", bot_file(copied, **changes), *SPAN)
    assert result.code == 4
    assert bytes_below(copied / "state") == before


def test_run_of_another_bot_on_the_log_leaves_the_first_alone(copied: Path) -> None:
    before = krypto("inspect-state", "bot", "--state-dir", copied / "state", "--json").json
    assert krypto("run", "-c", bot_file(copied, "other", market={"seed": 3}), *SPAN).code == 0
    assert krypto("inspect-state", "bot", "--state-dir", copied / "state", "--json").json == before
    assert krypto("run", "-c", bot_file(copied, **LIVELY), *SPAN).code == 0
    for bot in ("bot", "other"):
        assert krypto("replay", bot, "--state-dir", copied / "state", "--verify", "--redecide").code == 0
