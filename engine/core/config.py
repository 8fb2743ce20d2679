"""The configuration of one bot, as the log records it.

Owns the keys, their defaults and the rules that bind them to each other. Never reads a file: the loader in
`engine.runtime.config_file` does, and it is the one place where a text becomes a `BotConfig`.
"""

from decimal import Decimal
from typing import Any, Literal

import msgspec

OrderType = Literal["market", "limit", "trailing_market", "trailing_limit"]
Floor = Literal["target", "none"]
OnStop = Literal["leave", "cancel_buys", "cancel_all"]
KillAction = Literal["stop_entries", "flatten"]

PAPER_BALANCE = Decimal(10_000)


class Fees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the exchange charges, in percent of an order's value."""

    maker: Decimal = Decimal("0.1")
    taker: Decimal = Decimal("0.1")


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits beyond `budget` and `max_open_lots`; `None` sets none. No limit ever holds a sell back.

    Sizes in quote, `max_open_orders` in orders, the rest in percent: of the budget, of a lot's unit cost, of the
    highest equity. `kill_switch` is what a reached `max_drawdown_percent` does.
    Source: decisions.md, "Risk".
    """

    max_position_size: Decimal | None = None
    max_order_size: Decimal | None = None
    max_open_orders: int | None = None
    max_daily_loss_percent: Decimal | None = None
    stop_loss_percent: Decimal | None = None
    max_drawdown_percent: Decimal | None = None
    kill_switch: KillAction = "stop_entries"


class BotConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that steers one bot; field names are the keys of the YAML file.

    Units: `_percent`, `profit_target` and `fees` in percent; intervals, timeouts and `trailing_max_gap` in seconds;
    `budget` in quote. `docs/configuration.md` lists each key with default and range.
    Source: specification, "Configuration Reference"; decisions.md, "Files and interfaces".
    """

    bot_id: str
    exchange: str
    symbol: str
    name: str = ""
    strategy: str = "dca"
    paper_trading: bool = True
    live: bool = False
    account: str = ""
    check_interval: int = 60
    timeframe: str = "5m"
    fees: Fees = Fees()
    profit_target: Decimal = Decimal("1.0")
    budget: Decimal = PAPER_BALANCE
    max_open_lots: int = 20
    buy_order_type: OrderType = "limit"
    sell_order_type: OrderType = "limit"
    buy_order_timeout: int = 600
    sell_order_timeout: int = 60
    trailing_buy_percent: Decimal = Decimal("0.25")
    trailing_sell_percent: Decimal = Decimal("0.25")
    trailing_sell_floor: Floor = "target"
    trailing_max_gap: int = 300
    connectivity_check_interval: int = 120
    max_connectivity_failures: int = 2
    connectivity_hosts: tuple[str, ...] = ("8.8.8.8:53",)
    smart_indicator_checks: bool = True
    min_price_change_percent: Decimal = Decimal("0.5")
    indicator_cache_ttl: int = 300
    auto_save: bool = True
    save_interval: int = 60
    on_stop: OnStop = "leave"
    risk: Risk = Risk()
    strategy_params: dict[str, Any] = {}
    market: dict[str, Any] = {}

    @property
    def quote(self) -> str:
        """Give the asset that prices are in."""
        return self.symbol.partition("/")[2]

    @property
    def base(self) -> str:
        """Give the asset that is bought and sold."""
        return self.symbol.partition("/")[0]


def config_digest(config: BotConfig) -> str:
    """Give a short digest that two equal configurations share."""
    from hashlib import blake2b

    return blake2b(msgspec.json.encode(config, order="deterministic"), digest_size=8).hexdigest()


def changed_keys(old: BotConfig, new: BotConfig) -> tuple[str, ...]:
    """Name the keys whose values differ."""
    return tuple(field for field in BotConfig.__struct_fields__ if getattr(old, field) != getattr(new, field))
