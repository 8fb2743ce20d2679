"""The bots of a simulated world: quick in all they do, each of another kind.

Owns their configurations. All follow from the seed's choices.
"""

from decimal import Decimal
from functools import cache
from typing import Any, Final

import msgspec

from engine.core.config import BotConfig
from engine.runtime.config_file import parse_config
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.exchange.monitor import Limits

LOTS: Final = 2
AMOUNT: Final = Decimal(100)
BUDGET: Final = Decimal(230)

KINDS: Final[tuple[dict[str, Any], ...]] = (
    {
        "bot_id": "alpha",
        "buy_order_type": "market",
        "sell_order_type": "limit",
        "max_open_lots": 1,
        "profit_target": 0.4,
    },
    {"bot_id": "beta", "buy_order_type": "limit", "sell_order_type": "trailing_market", "on_stop": "cancel_buys"},
    {
        "bot_id": "gamma",
        "symbol": "ETH/USD",
        "buy_order_type": "trailing_limit",
        "sell_order_type": "trailing_limit",
        "on_stop": "cancel_all",
    },
    {"bot_id": "delta", "symbol": "ETH/USD", "buy_order_type": "market", "sell_order_type": "market", "budget": 150},
    {
        "bot_id": "epsilon",
        "buy_order_type": "trailing_market",
        "sell_order_type": "trailing_market",
        "trailing_sell_floor": "none",
        "risk": {"stop_loss_percent": 1.5},
    },
    {
        "bot_id": "zeta",
        "buy_order_type": "limit",
        "sell_order_type": "trailing_market",
        "max_open_lots": 5,
        "budget": 499.2,
        "min_price_change_percent": 0.2,
        "trailing_sell_percent": 1.0,
        "max_connectivity_failures": 50,
        "trailing_max_gap": 40000,
        "trailing_sell_floor": "none",
        "buy_order_timeout": 5,
    },
)
"""Alpha's sells rest for long, so much can befall them.

Zeta's budget is just under what five purchases need that are not rounded down; its trails go on for long.
"""

ALWAYS: Final = {
    "rsi": {"threshold": 100, "check_rising": False},
    "ema": {"enabled": False},
    "rising_price": {"enabled": False},
}
"""Votes that speak for a purchase whenever they are asked."""

COMMON: Final[dict[str, Any]] = {
    "exchange": "binance_us",
    "symbol": "BTC/USD",
    "paper_trading": False,
    "live": True,
    "budget": int(BUDGET),
    "check_interval": 10,
    "timeframe": "1m",
    "max_open_lots": LOTS,
    "profit_target": 0.05,
    "min_price_change_percent": 0,
    "trailing_buy_percent": 0.05,
    "trailing_sell_percent": 0.05,
    "buy_order_timeout": 25,
    "sell_order_timeout": 15,
    "save_interval": 15,
    "connectivity_check_interval": 60,
    "connectivity_hosts": ["internet.invalid:53"],
}


def choose_bots(chance: Chance) -> tuple[str, ...]:
    """Choose which bots live in a world: one, two or three of them, by their ids."""
    count = chance.choose("world/bots", (1, 1, 2, 2, 3))
    first = chance.between("world/first bot", 0, len(KINDS) - 1)
    return tuple(str(KINDS[(first + 2 * number) % len(KINDS)]["bot_id"]) for number in range(count))


def limits_of(bot_ids: tuple[str, ...]) -> dict[str, Limits]:
    """Give what each of the bots may do at most."""
    configs = configs_of(bot_ids, may_buy=True)
    return {config.bot_id: Limits(config.budget, config.max_open_lots) for config in configs}


@cache
def configs_of(bot_ids: tuple[str, ...], *, may_buy: bool) -> tuple[BotConfig, ...]:
    """Give the configurations of bots; without `may_buy` no price is low enough to buy."""
    params = {"amount_usd": int(AMOUNT), "indicators": ALWAYS, **({} if may_buy else {"max_price": 1})}
    kinds = {kind["bot_id"]: kind for kind in KINDS}
    files = ({**COMMON, **kinds[bot_id], "strategy_params": params} for bot_id in bot_ids)
    return tuple(parse_config(msgspec.json.encode(file).decode(), "a simulated bot").config for file in files)
