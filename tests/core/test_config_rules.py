"""What binds configuration keys to each other, and what may change while a bot holds lots."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from engine.core.config import BotConfig, changed_keys, config_digest
from engine.core.config_rules import RANGES, forbidden_change, problems
from tests.kernel import Kernel, bought, config_of

SPEC = pytest.mark.spec
LIMITS_NOT_SET = {key for key in RANGES if key.startswith("risk.")}


@SPEC("the defaults are those of the specification", section="Complete Configuration Example")
def test_configuration_without_a_word_has_the_specified_defaults() -> None:
    config = BotConfig(bot_id="a", exchange="simulated", symbol="BTC/USD")
    assert (config.auto_save, config.save_interval) == (True, 60)
    assert (config.connectivity_check_interval, config.max_connectivity_failures) == (120, 2)
    assert (config.smart_indicator_checks, config.indicator_cache_ttl) == (True, 300)
    assert config.min_price_change_percent == Decimal("0.5")
    assert config.trailing_buy_percent == config.trailing_sell_percent == Decimal("0.25")
    assert (config.check_interval, config.trailing_max_gap, config.timeframe) == (60, 300, "5m")
    assert (config.buy_order_type, config.sell_order_type) == ("limit", "limit")
    assert (config.buy_order_timeout, config.sell_order_timeout) == (600, 60)
    assert (config.budget, config.max_open_lots, config.profit_target) == (Decimal(10_000), 20, Decimal(1))
    assert config.fees.maker == config.fees.taker == Decimal("0.1")
    assert (config.paper_trading, config.live, config.on_stop) == (True, False, "leave")
    assert (config.base, config.quote) == ("BTC", "USD")
    assert list(problems(config)) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"bot_id": "../x"}, "bot_id", id="an-id-with-a-path"),
        pytest.param({"symbol": "BTCUSD"}, "symbol", id="a-symbol-without-a-slash"),
        pytest.param({"symbol": "A/B/C"}, "symbol", id="a-symbol-of-three"),
        pytest.param({"symbol": "btc/usd"}, "symbol", id="a-symbol-in-small-letters"),
        pytest.param({"budget": "100", "strategy_params": {"amount_usd": "100"}}, "budget", id="a-budget-for-no-fee"),
        pytest.param({"timeframe": "7m"}, "timeframe", id="a-timeframe-nobody-has"),
        pytest.param({"trailing_max_gap": 119}, "trailing_max_gap", id="a-gap-every-trail-exceeds"),
        pytest.param({"check_interval": 151}, "trailing_max_gap", id="an-interval-longer-than-half-the-gap"),
        pytest.param({"connectivity_hosts": ["8.8.8.8"]}, "connectivity_hosts", id="a-host-without-a-port"),
        pytest.param({"connectivity_hosts": ["a:70000"]}, "connectivity_hosts", id="a-port-too-high"),
        pytest.param({"risk": {"kill_switch": "flatten"}}, "max_drawdown_percent", id="a-kill-switch-nothing-engages"),
        pytest.param({"paper_trading": False, "live": True}, "live", id="live-trading"),
    ],
)
def test_configuration_that_contradicts_itself_is_told_once_naming_the_key(changes: dict[str, Any], word: str) -> None:
    (sentence,) = problems(config_of(**changes))
    assert word in sentence


@SPEC("trailing_max_gap under twice check_interval is refused", section="decision 7")
def test_gap_of_exactly_twice_the_interval_is_allowed() -> None:
    assert list(problems(config_of(trailing_max_gap=120, check_interval=60))) == []
    assert len(list(problems(config_of(trailing_max_gap=119, check_interval=60)))) == 1


@pytest.mark.parametrize("key", sorted(RANGES))
def test_default_of_every_key_lies_in_its_range(key: str) -> None:
    value: Any = config_of()
    for part in key.split("."):
        value = getattr(value, part)
    assert value is None or Decimal(value) in RANGES[key]
    assert (value is None) is (key in LIMITS_NOT_SET)
    assert str(RANGES[key]).startswith(f"from {RANGES[key].least} to {RANGES[key].most}")


@SPEC("what may not change while lots are open is refused, saying why", section="Bad input")
@pytest.mark.parametrize(
    ("key", "value"), [("exchange", "recorded"), ("symbol", "ETH/USD"), ("market", {"seed": 2}), ("strategy", "grid")]
)
def test_change_of_the_market_under_open_lots_is_refused(key: str, value: Any) -> None:
    kernel = bought(50_000)
    changed = replace(kernel.config, **{key: value})
    refusal = forbidden_change(kernel.state, changed)
    assert refusal is not None
    assert refusal.startswith(f"{key} changed from ")
    assert "1 lots, 1 open orders and 0 trails" in refusal
    assert forbidden_change(Kernel().state, changed) is None, "before anything is held it is allowed"


@pytest.mark.parametrize(("key", "value", "allowed"), [("symbol", "ETH/USD", False), ("market", {"seed": 2}, True)])
def test_change_of_what_sums_are_in_is_refused_once_the_bot_has_bought(key: str, value: Any, allowed: bool) -> None:
    kernel = bought(50_000, sell_order_type="market")
    kernel.price(51_000)
    assert not kernel.state.lots
    refusal = forbidden_change(kernel.state, replace(kernel.config, **{key: value}))
    assert (refusal is None) is allowed
    assert allowed or "give the new bot another bot_id" in str(refusal)


def test_change_of_the_market_under_a_buy_trail_is_refused() -> None:
    kernel = Kernel(buy_order_type="trailing_market")
    kernel.price(50_000)
    assert "1 trails" in str(forbidden_change(kernel.state, replace(kernel.config, market={"seed": 2})))


@SPEC("a log that traded on paper is never continued live", section="Identity")
def test_change_from_paper_to_live_is_refused_even_without_lots() -> None:
    changed = replace(config_of(), paper_trading=False, live=True)
    assert "never continued live" in str(forbidden_change(Kernel().state, changed))


def test_change_of_anything_else_is_allowed_under_open_lots() -> None:
    kernel = bought(50_000)
    changed = replace(kernel.config, budget=Decimal(5), profit_target=Decimal(2), sell_order_type="market")
    assert forbidden_change(kernel.state, changed) is None
    assert changed_keys(kernel.config, changed) == ("profit_target", "budget", "sell_order_type")
    assert config_digest(kernel.config) == config_digest(config_of())
    assert config_digest(kernel.config) != config_digest(changed)
