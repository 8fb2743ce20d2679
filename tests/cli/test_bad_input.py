"""Bad input: exit code 4 and one line that names key, value and remedy; the log is not touched."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import bot_file, refused

KEYS: list[Any] = [
    pytest.param({"profit_targt": 1}, ["profit_targt", "profit_target"], id="misspelt key"),
    pytest.param({"zzz": 1}, ["zzz", "remove it"], id="unknown key like no other"),
    pytest.param({"risks": {"max_drawdown_percent": 5}}, ["risks", "risk"], id="misspelt section"),
    pytest.param({"fees": {"makr": 0.1}}, ["fees.makr", "maker"], id="misspelt nested key"),
    pytest.param({"strategy_params": {"amount": 5}}, ["strategy_params.amount", "amount_usd"], id="misspelt parameter"),
    pytest.param(
        {"strategy_params": {"indicators": {"rsi": {"treshold": 5}}}},
        ["strategy_params.indicators.rsi.treshold", "threshold"],
        id="misspelt number of a vote",
    ),
    pytest.param({"strategy_params": {"indicators": {"rsii": {}}}}, ["rsii", "rsi"], id="misspelt vote"),
    pytest.param({"market": {"sed": 1}}, ["market.sed", "seed"], id="misspelt key of the market"),
    pytest.param({"symbol": None}, ["symbol", "BTC/USD"], id="symbol missing"),
    pytest.param({"exchange": None}, ["exchange", "simulated"], id="exchange missing"),
]

VALUES: list[Any] = [
    pytest.param({"check_interval": "often"}, ["check_interval", "often"], id="text for a number"),
    pytest.param({"check_interval": 1.5}, ["check_interval", "1.5"], id="fraction for a whole number"),
    pytest.param({"check_interval": True}, ["check_interval", "true"], id="truth for a number"),
    pytest.param({"check_interval": [60]}, ["check_interval", "60"], id="list for a number"),
    pytest.param({"profit_target": "1,5"}, ["profit_target", "1,5"], id="comma for a point"),
    pytest.param({"paper_trading": "maybe"}, ["paper_trading", "maybe"], id="text for a truth"),
    pytest.param({"symbol": 5}, ["symbol", "5"], id="number for a text"),
    pytest.param({"symbol": "BTCUSD"}, ["symbol", "BTCUSD", "BTC/USD"], id="symbol without slash"),
    pytest.param({"fees": 0.1}, ["fees", "0.1"], id="number for a section"),
    pytest.param({"market": "fast"}, ["market", "fast"], id="text for a section"),
    pytest.param({"market": {"seed": "x"}}, ["market", "seed"], id="text for the seed"),
    pytest.param({"strategy_params": [1]}, ["strategy_params", "1"], id="list for a section"),
    pytest.param({"strategy_params": {"indicators": {"rsi": 5}}}, ["indicators.rsi", "5"], id="number for a vote"),
    pytest.param({"connectivity_hosts": "8.8.8.8:53"}, ["connectivity_hosts", "8.8.8.8:53"], id="text for a list"),
    pytest.param({"connectivity_hosts": ["8.8.8.8"]}, ["connectivity_hosts", "8.8.8.8:53"], id="host without port"),
    pytest.param({"connectivity_hosts": ["a:99999"]}, ["connectivity_hosts", "a:99999"], id="port that cannot be"),
    pytest.param({"state_dir": 5}, ["state_dir", "5"], id="number for a folder"),
    pytest.param({"buy_order_type": "lmit"}, ["buy_order_type", "lmit"], id="order type that is none"),
    pytest.param({"on_stop": "panic"}, ["on_stop", "panic"], id="on_stop that is none"),
    pytest.param({"timeframe": "7m"}, ["timeframe", "7m", "5m"], id="timeframe that is none"),
]

NUMBERS: list[Any] = [
    pytest.param({"profit_target": float("nan")}, ["profit_target", "finite"], id="not a number"),
    pytest.param({"budget": float("inf")}, ["budget", "finite"], id="infinite"),
    pytest.param({"budget": float("-inf")}, ["budget", "finite"], id="minus infinite"),
    pytest.param(
        {"strategy_params": {"indicators": {"rsi": {"threshold": float("nan")}}}},
        ["strategy_params.indicators.rsi.threshold", "finite"],
        id="not a number, deep down",
    ),
    pytest.param({"market": {"price": float("inf")}}, ["market.price", "finite"], id="infinite price"),
    pytest.param({"budget": -1}, ["budget", "-1", "from 1"], id="negative budget"),
    pytest.param({"budget": 0}, ["budget", "0", "from 1"], id="no budget"),
    pytest.param({"budget": 10**30}, ["budget", "finite"], id="absurd budget"),
    pytest.param({"budget": 10**12}, ["budget", "1000000000000", "1000000000"], id="too large a budget"),
    pytest.param({"profit_target": 0}, ["profit_target", "0"], id="no profit"),
    pytest.param({"profit_target": 5000}, ["profit_target", "5000", "1000"], id="absurd profit"),
    pytest.param({"fees": {"taker": -0.1}}, ["fees.taker", "-0.1"], id="negative fee"),
    pytest.param({"fees": {"maker": 90}}, ["fees.maker", "90"], id="absurd fee"),
    pytest.param({"trailing_sell_percent": 0}, ["trailing_sell_percent", "0"], id="no trail"),
    pytest.param({"max_open_lots": 0}, ["max_open_lots", "0"], id="no lots"),
    pytest.param({"save_interval": 0}, ["save_interval", "0"], id="no interval"),
    pytest.param({"connectivity_check_interval": -5}, ["connectivity_check_interval", "-5"], id="negative interval"),
    pytest.param({"strategy_params": {"amount_usd": -5}}, ["strategy_params.amount_usd", "-5"], id="negative amount"),
    pytest.param({"strategy_params": {"amount_usd": 0}}, ["strategy_params.amount_usd", "0"], id="no amount"),
    pytest.param({"strategy_params": {"amount_usd": 10**12}}, ["strategy_params.amount_usd"], id="absurd amount"),
    pytest.param({"strategy_params": {"max_price": -1}}, ["strategy_params.max_price", "-1"], id="negative price"),
    pytest.param(
        {"strategy_params": {"indicators": {"ema": {"period": 0}}}},
        ["strategy_params.indicators.ema.period", "0"],
        id="period of nothing",
    ),
    pytest.param({"market": {"cadence_s": 0}}, ["market.cadence_s", "0"], id="no cadence"),
]

RULES: list[Any] = [
    pytest.param(
        {"strategy_params": {"indicators": {name: {"enabled": False} for name in ("rsi", "ema", "rising_price")}}},
        ["strategy_params.indicators", "enable"],
        id="no enabled vote",
    ),
    pytest.param({"trailing_max_gap": 119}, ["trailing_max_gap", "119", "120"], id="gap under twice the interval"),
    pytest.param({"strategy": "grid"}, ["strategy", "grid", "dca"], id="unknown strategy"),
    pytest.param({"live": True}, ["live", "paper_trading"], id="live"),
    pytest.param({"paper_trading": False}, ["paper_trading"], id="not on paper"),
    pytest.param({"paper_trading": False, "live": True, "budget": 5}, ["live"], id="live in earnest"),
    pytest.param({"exchange": "simulatd"}, ["simulatd", "simulated"], id="near miss of an exchange"),
    pytest.param({"exchange": "nowhere"}, ["nowhere", "simulated", "recorded"], id="unknown exchange"),
    pytest.param({"exchange": ["simulated"]}, ["exchange"], id="list of exchanges"),
    pytest.param({"market": {"regimes": ["sideways"]}}, ["market.regimes", "sideways", "calm"], id="unknown regime"),
    pytest.param(
        {"market": {"scripted_outages": [{"from_s": -1, "length_s": 5}]}}, ["scripted_outages", "-1"], id="early outage"
    ),
    pytest.param({"market": {"fill_fraction": 2}}, ["market.fill_fraction", "2"], id="more than an order filled"),
    pytest.param({"market": {"fill_fraction": 0}}, ["market.fill_fraction", "0"], id="nothing ever filled"),
    pytest.param({"market": {"fee_asset": "gold"}}, ["market", "fee_asset", "gold"], id="fee in an unknown asset"),
]


@pytest.mark.spec("unknown or misspelt keys are refused with the nearest known one", section="issue: Bad input")
@pytest.mark.parametrize(("changes", "names"), KEYS)
def test_config_with_a_key_that_is_none_is_refused(
    standing: Path, tmp_path: Path, changes: dict[str, Any], names: list[str]
) -> None:
    refused(standing, bot_file(tmp_path, **{"state_dir": str(standing / "state")} | changes), *names)


@pytest.mark.spec("every configuration error names the key, the value and what is allowed", section="issue: Bad input")
@pytest.mark.parametrize(("changes", "names"), VALUES)
def test_config_with_a_value_of_another_type_is_refused(
    standing: Path, tmp_path: Path, changes: dict[str, Any], names: list[str]
) -> None:
    refused(standing, bot_file(tmp_path, **{"state_dir": str(standing / "state")} | changes), *names)


@pytest.mark.spec("NaN, infinities, negative and absurd amounts are refused", section="issue: Bad input")
@pytest.mark.parametrize(("changes", "names"), NUMBERS)
def test_config_with_a_number_that_cannot_be_is_refused(
    standing: Path, tmp_path: Path, changes: dict[str, Any], names: list[str]
) -> None:
    refused(standing, bot_file(tmp_path, **{"state_dir": str(standing / "state")} | changes), *names)


@pytest.mark.spec("rules between keys are enforced: votes, trailing_max_gap, paper only", section="issue: Bad input")
@pytest.mark.parametrize(("changes", "names"), RULES)
def test_config_against_a_rule_is_refused(
    standing: Path, tmp_path: Path, changes: dict[str, Any], names: list[str]
) -> None:
    refused(standing, bot_file(tmp_path, **{"state_dir": str(standing / "state")} | changes), *names)


@pytest.mark.spec(
    "an exchange whose orders cannot be looked up is refused for live trading", section="issue: Bad input"
)
@pytest.mark.parametrize("exchange", ["alpaca", "gemini", "bitstamp"])
def test_config_of_an_exchange_for_paper_only_is_refused_live_in_one_sentence(
    standing: Path, tmp_path: Path, exchange: str
) -> None:
    mode = {"paper_trading": False, "live": True, "budget": 100}
    changes = {"exchange": exchange, "market": None, "state_dir": str(standing / "state"), **mode}
    refused(standing, bot_file(tmp_path, **changes), "exchange", exchange, "paper trading only", "binanceus")


@pytest.mark.spec("an exchange without spot markets is refused, on paper too", section="issue: Bad input")
@pytest.mark.parametrize("exchange", ["krakenfutures", "binanceusdm"])
def test_config_of_an_exchange_without_spot_markets_is_refused_on_paper_in_one_sentence(
    standing: Path, tmp_path: Path, exchange: str
) -> None:
    path = bot_file(tmp_path, exchange=exchange, market=None, state_dir=str(standing / "state"))
    refused(standing, path, "exchange", exchange, "only spot is traded")


BOT_IDS = ["../evil", "a/b", "a\\b", ".hidden", "Upper", "with space", "", "-x", "_x", "a" * 65, "con", "nul", "a\nb"]


@pytest.mark.spec("a bot_id with path characters is refused", section="Identity")
@pytest.mark.parametrize("bot_id", BOT_IDS)
def test_config_with_an_unsafe_bot_id_is_refused(standing: Path, tmp_path: Path, bot_id: str) -> None:
    path = bot_file(tmp_path, bot_id=bot_id, state_dir=str(standing / "state"))
    refused(standing, path, "bot_id", "a-z")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bot.yml"]
