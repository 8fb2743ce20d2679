"""Risk limits on the command line: the section `risk`, `kill`, `flatten`, `revive`, and how they show."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import LIVELY, Running, bot_file, krypto, refused

SPEC = pytest.mark.spec
ALL: dict[str, Any] = {
    "max_position_size": 500,
    "max_order_size": 150,
    "max_open_orders": 10,
    "max_daily_loss_percent": 3,
    "stop_loss_percent": 5,
    "max_drawdown_percent": 20,
    "kill_switch": "flatten",
}


@SPEC("a risk section is checked like every other", section="issue: Bad input")
@pytest.mark.parametrize(
    ("risk", "names"),
    [
        pytest.param({"max_drawdown": 5}, ["risk.max_drawdown", "max_drawdown_percent"], id="misspelt"),
        pytest.param({"zzz": 5}, ["risk.zzz", "remove it"], id="unknown"),
        pytest.param(5, ["risk", "5"], id="number for the section"),
        pytest.param({}, ["risk", "empty"], id="nothing in it"),
        pytest.param({"stop_loss_percent": None}, ["risk.stop_loss_percent", "no value"], id="limit without a number"),
        pytest.param({"stop_loss_percent": "much"}, ["risk.stop_loss_percent", "much"], id="text for a number"),
        pytest.param({"max_open_orders": 1.5}, ["risk.max_open_orders", "1.5"], id="half an order"),
        pytest.param({"max_open_orders": True}, ["risk.max_open_orders"], id="truth for a number"),
        pytest.param({"max_order_size": True}, ["risk.max_order_size"], id="truth for an amount"),
        pytest.param({"max_open_orders": 0}, ["risk.max_open_orders", "0", "from 1"], id="no orders"),
        pytest.param({"stop_loss_percent": 100}, ["risk.stop_loss_percent", "100", "99"], id="stop at nothing"),
        pytest.param({"stop_loss_percent": 0}, ["risk.stop_loss_percent", "0", "0.01"], id="stop at once"),
        pytest.param({"max_daily_loss_percent": -1}, ["risk.max_daily_loss_percent", "-1"], id="negative"),
        pytest.param({"max_drawdown_percent": float("nan")}, ["risk.max_drawdown_percent", "finite"], id="no number"),
        pytest.param({"max_order_size": 10**12}, ["risk.max_order_size", "1000000000000"], id="absurd"),
        pytest.param(
            {"max_drawdown_percent": 5, "kill_switch": "panic"},
            ["risk.kill_switch", "panic", "flatten"],
            id="no action",
        ),
        pytest.param(
            {"kill_switch": "flatten"}, ["risk.kill_switch", "max_drawdown_percent"], id="action without cause"
        ),
    ],
)
def test_risk_section_that_is_wrong_is_refused(standing: Path, tmp_path: Path, risk: object, names: list[str]) -> None:
    refused(standing, bot_file(tmp_path, risk=risk, state_dir=str(standing / "state")), *names)


def test_risk_section_with_every_limit_is_accepted_and_recorded(tmp_path: Path) -> None:
    path = bot_file(tmp_path, risk=ALL)
    (checked,) = krypto("validate-config", "-c", path, "--json").json
    assert {key: type(ALL[key])(value) for key, value in checked["config"]["risk"].items()} == ALL
    assert krypto("run", "-c", path, "--speed", "max", "--for", "10m").code == 0
    created = krypto("replay", "bot", "--state-dir", tmp_path / "state", "--json").records[0]["event"]
    assert created["config"]["risk"]["stop_loss_percent"] == 5


@SPEC("limits are kept by the running engine, told as events, and decided again alike", section="Risk")
def test_run_with_near_limits_reaches_them_and_decides_the_same_again(tmp_path: Path) -> None:
    risk = {"stop_loss_percent": 0.4, "max_daily_loss_percent": 0.01, "max_position_size": 350}
    path = bot_file(tmp_path, risk=risk, min_price_change_percent=0.1, market={"seed": 12, "outages": False})
    ran = krypto("run", "-c", path, "--speed", "max", "--for", "12h")
    assert ran.code == 0
    assert "Stop loss of lot " in ran.out
    assert "Limit reached, nothing is bought until 2025-01-0" in ran.out
    state = ("--state-dir", tmp_path / "state")
    found = [each["event"] for each in krypto("replay", "bot", *state, "--json").records]
    assert {"stop_loss_triggered", "limit_reached"} <= {event["type"] for event in found}
    assert {event["purpose"] for event in found if event["type"] == "order_requested"} >= {"entry", "stop_loss"}
    assert krypto("replay", "bot", *state, "--verify", "--redecide").code == 0
    shown = krypto("inspect-state", "bot", *state).out
    assert "realised since midnight UTC" in shown
    assert krypto("inspect-state", "bot", *state, "--json").json["risk"]["day_profit"] < 0


@SPEC("kill, flatten and revive reach a running bot, and the switch outlasts a restart", section="Risk")
def test_flattened_bot_has_sold_everything_and_stays_so_until_it_is_revived(copied: Path) -> None:
    path, state = copied / "bot.yml", ("--state-dir", copied / "state")

    def told(*verbs: str) -> list[str]:
        with Running("-c", path, "--speed", "1") as engine:
            engine.wait_for("Session started")
            outs = [krypto(verb, "bot", *state).out for verb in verbs]
            krypto("stop", *state)
            assert engine.end().code == 0
        return outs

    assert krypto("inspect-state", "bot", *state, "--json").json["stats"]["current_position"] > 0
    assert told("kill", "pause", "flatten") == [
        "kill switch engaged: bot\n",
        "paused: bot\n",
        "kill switch engaged, selling everything: bot\n",
    ]
    file = krypto("inspect-state", "bot", *state, "--json").json
    assert (file["stats"]["current_position"], file["paused"]) == (0, False)
    assert file["risk"]["kill_switch"] == "flatten"
    assert "engaged: everything is sold until it is released" in krypto("inspect-state", "bot", *state).out
    why = krypto("inspect-state", "bot", *state, "--why", "risk.kill_switch").out
    assert "kill_switch_engaged" in why
    assert 'command="flatten"' in why
    ran = krypto("run", "-c", path, "--speed", "max", "--for", "2h")
    assert any(line.endswith(", kill switch engaged") for line in ran.lines)
    assert "  bot (kill switch)  " in ran.out
    after = krypto("inspect-state", "bot", *state, "--json").json
    assert after["stats"]["total_trades"] == file["stats"]["total_trades"]
    assert krypto("inspect-state", "bot", *state, "--why-no-trade", "--json").json["now"].startswith("the kill switch")
    assert told("revive") == ["kill switch released: bot\n"]
    assert krypto("run", "-c", path, "--speed", "max", "--for", "2h").code == 0
    final = krypto("inspect-state", "bot", *state, "--json").json
    assert final["stats"]["total_trades"] > file["stats"]["total_trades"]
    assert final["risk"]["kill_switch"] is None
    assert krypto("replay", "bot", *state, "--verify", "--redecide").code == 0


def test_run_of_a_bot_whose_drawdown_is_reached_flattens_it(tmp_path: Path) -> None:
    risk = {"max_drawdown_percent": 0.01, "kill_switch": "flatten"}
    path = bot_file(tmp_path, **LIVELY | {"risk": risk, "sell_order_type": "limit", "profit_target": 20})
    ran = krypto("run", "-c", path, "--speed", "max", "--for", "12h")
    assert "Kill switch engaged, everything is sold: equity of " in ran.out
    file = krypto("inspect-state", "bot", "--state-dir", tmp_path / "state", "--json").json
    assert (file["stats"]["current_position"], file["strategy_state"]["pending_sell_orders"]) == (0, [])
    assert krypto("replay", "bot", "--state-dir", tmp_path / "state", "--verify", "--redecide").code == 0
