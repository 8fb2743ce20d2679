"""What a configuration value may be: ranges per key, and the rules that bind keys to each other.

Owns the one table that the loader enforces and docs/configuration.md shows.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from engine.core.config import BotConfig, changed_keys
from engine.core.identity import is_bot_id
from engine.core.market import TIMEFRAMES_MS
from engine.core.state import BotState
from engine.core.units import HUNDRED


class Range(msgspec.Struct, frozen=True):
    """The numbers a key allows, both ends included."""

    least: Decimal
    most: Decimal
    unit: str

    def __contains__(self, value: Decimal) -> bool:
        """Tell whether a number is allowed."""
        return self.least <= value <= self.most

    def __str__(self) -> str:
        """Say it in words."""
        return f"from {self.least} to {self.most} {self.unit}".rstrip()


def _range(least: str, most: str, unit: str) -> Range:
    return Range(Decimal(least), Decimal(most), unit)


RANGES: Final = {
    "check_interval": _range("1", "86400", "seconds"),
    "fees.maker": _range("0", "10", "percent"),
    "fees.taker": _range("0", "10", "percent"),
    "profit_target": _range("0.01", "1000", "percent"),
    "budget": _range("1", "1000000000", "of the quote asset"),
    "max_open_lots": _range("1", "1000", "lots"),
    "buy_order_timeout": _range("1", "604800", "seconds"),
    "sell_order_timeout": _range("1", "604800", "seconds"),
    "trailing_buy_percent": _range("0.01", "50", "percent"),
    "trailing_sell_percent": _range("0.01", "50", "percent"),
    "trailing_max_gap": _range("2", "604800", "seconds"),
    "connectivity_check_interval": _range("1", "86400", "seconds"),
    "max_connectivity_failures": _range("1", "1000", "failures"),
    "min_price_change_percent": _range("0", "100", "percent"),
    "indicator_cache_ttl": _range("0", "86400", "seconds"),
    "save_interval": _range("1", "86400", "seconds"),
    "risk.max_position_size": _range("0.01", "1000000000", "of the quote asset"),
    "risk.max_order_size": _range("0.01", "1000000000", "of the quote asset"),
    "risk.max_open_orders": _range("1", "1000", "orders"),
    "risk.max_daily_loss_percent": _range("0.01", "100", "percent"),
    "risk.stop_loss_percent": _range("0.01", "99", "percent"),
    "risk.max_drawdown_percent": _range("0.01", "99", "percent"),
}

STRATEGY_RANGES: Final = {
    "amount_usd": _range("0.01", "1000000000", "of the quote asset"),
    "min_interval_hours": _range("0", "8760", "hours"),
    "max_price": _range("0", "1000000000000", "of the quote asset"),
    "min_price": _range("0", "1000000000000", "of the quote asset"),
    "indicators.rsi.period": _range("2", "200", "candles"),
    "indicators.rsi.threshold": _range("0", "100", ""),
    "indicators.stoch_rsi.period": _range("2", "200", "candles"),
    "indicators.stoch_rsi.fast_k": _range("2", "100", "candles"),
    "indicators.stoch_rsi.fast_d": _range("1", "50", "candles"),
    "indicators.stoch_rsi.threshold": _range("0", "100", ""),
    "indicators.ema.period": _range("2", "400", "candles"),
    "indicators.macd.fast": _range("2", "200", "candles"),
    "indicators.macd.slow": _range("3", "200", "candles"),
    "indicators.macd.signal": _range("1", "100", "candles"),
    "indicators.mfi.period": _range("2", "200", "candles"),
    "indicators.mfi.threshold": _range("0", "100", ""),
    "indicators.price_drop.candles": _range("2", "400", "candles"),
    "indicators.price_drop.percent": _range("0.01", "99", "percent"),
}

FIXED_UNDER_LOTS: Final = ("exchange", "symbol", "market", "strategy")
"""What may not change while the bot holds anything or has orders out: it belongs to that market and those rules."""

FIXED_AFTER_TRADING: Final = ("exchange", "symbol")
"""What may not change once the bot has bought: its sums are in that quote asset."""


def problems(config: BotConfig) -> Iterator[str]:
    """Name what is wrong between keys, one sentence each; ranges are the loader's."""
    if not is_bot_id(config.bot_id):
        yield (
            f"bot_id is {config.bot_id!r}: use 1 to 64 of a-z, 0-9, '_' and '-', beginning with a letter or digit "
            "(and no device name such as 'con')"
        )
    if not (_is_asset(config.base) and _is_asset(config.quote)):
        yield f"symbol is {config.symbol!r}: write base and quote in capitals, as in 'BTC/USD'"
    if config.timeframe not in TIMEFRAMES_MS:
        yield f"timeframe is {config.timeframe!r}: use one of {', '.join(TIMEFRAMES_MS)}"
    if config.trailing_max_gap < 2 * config.check_interval:
        yield (
            f"trailing_max_gap is {config.trailing_max_gap} s, less than twice check_interval "
            f"({config.check_interval} s), so every trail would be stale: use {2 * config.check_interval} or more"
        )
    for host in config.connectivity_hosts:
        name, _, port = host.rpartition(":")
        if not name or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:  # noqa: PLR2004
            yield f"connectivity_hosts has {host!r}: write host and port as in '8.8.8.8:53', or [] for none"
    if config.risk.kill_switch == "flatten" and config.risk.max_drawdown_percent is None:
        yield (
            "risk.kill_switch is 'flatten', which says what a reached risk.max_drawdown_percent does: set that too, "
            "or leave kill_switch out"
        )
    yield from _half_live(config)
    yield from _unaffordable(config)


def _half_live(config: BotConfig) -> Iterator[str]:
    """Name what keeps a configuration from being clearly on paper or clearly live (decisions.md, "Identity")."""
    if config.live and config.paper_trading:
        yield "live is true and paper_trading is true: live trading needs paper_trading: false, too"
    if not config.live and not config.paper_trading:
        yield (
            "paper_trading is false and live is false: trading with real money needs live: true, too; else set "
            "paper_trading to true"
        )
    if config.live and config.exchange in {"simulated", "recorded"}:
        yield f"live is true and exchange is {config.exchange!r}: that market is not real, choose a real exchange"
    if config.account and not is_bot_id(config.account):
        yield f"account is {config.account!r}: use 1 to 64 of a-z, 0-9, '_' and '-', as for credentials set"


def _is_asset(text: str) -> bool:
    return text.isascii() and text.isalnum() and text.upper() == text


def _unaffordable(config: BotConfig) -> Iterator[str]:
    """Name a purchase that the budget could never bear."""
    amount = Decimal(str(config.strategy_params.get("amount_usd", 0)))
    if amount * (HUNDRED + config.fees.taker) > config.budget * HUNDRED:
        yield (
            f"budget is {config.budget}, less than one purchase of strategy_params.amount_usd ({amount}) with its fee: "
            "raise the one or lower the other"
        )


def forbidden_change(state: BotState, config: BotConfig) -> str | None:
    """Say why a bot with this state may not go on under that configuration, or None.

    Source: decisions.md, "Identity"; issue, "Bad input".
    """
    old = state.config
    changed = changed_keys(old, config)
    if "paper_trading" in changed or "live" in changed:
        return "a log that traded on paper is never continued live, nor the reverse: give the new bot another bot_id"
    holds = bool(state.lots or state.orders or state.trails or state.dust.quantity)
    fixed = [
        key
        for key in changed
        if (key in FIXED_UNDER_LOTS and holds) or (key in FIXED_AFTER_TRADING and state.stats.purchase_count)
    ]
    if fixed:
        key = fixed[0]
        if not holds:
            return (
                f"{key} changed from {getattr(old, key)!r} to {getattr(config, key)!r}, but the bot's profit and "
                "budget were made under the old value: put it back, or give the new bot another bot_id"
            )
        held = f"{len(state.lots)} lots, {len(state.orders)} open orders and {len(state.trails)} trails"
        return (
            f"{key} changed from {getattr(old, key)!r} to {getattr(config, key)!r} while the bot holds {held} under "
            "the old value: put it back until nothing is held, or give the new bot another bot_id"
        )
    return None
