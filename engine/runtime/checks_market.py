"""Checks of a configuration against the market it would trade on: sizes, kinds of order, candles, fees.

Owns what a market must have for a bot. Pure: takes what the exchange said.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from engine.core.config import BotConfig
from engine.core.exact import exactly
from engine.core.lots import can_be_sold, exit_price
from engine.core.market import TIMEFRAMES_MS, MarketRules, Tick
from engine.core.units import HUNDRED, ceil_to, floor_to
from engine.exchanges.venue import Venue
from engine.runtime.checks import Finding, fault, note, ok, warning

_KINDS: Final = {"market": "market", "trailing_market": "market", "limit": "limit", "trailing_limit": "limit"}
_HEADROOM: Final = Decimal("1.01")


def refusals(config: BotConfig, rules: MarketRules, timeframes: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Name what this bot needs and its market lacks: each a sentence, and what to do."""
    for key in ("buy_order_type", "sell_order_type"):
        value = getattr(config, key)
        if rules.order_types and _KINDS[value] not in rules.order_types:
            others = [each for each, kind in _KINDS.items() if kind in rules.order_types]
            yield (
                f"{key} is {value!r}, and {rules.symbol} at {config.exchange} takes no {_KINDS[value]} orders",
                f"use {' or '.join(map(repr, others))}" if others else "choose another market",
            )
    if timeframes and config.timeframe not in timeframes:
        known = ", ".join(each for each in TIMEFRAMES_MS if each in timeframes)
        yield f"timeframe is {config.timeframe!r}, and {config.exchange} has no such candles", f"use one of {known}"


def market_findings(
    config: BotConfig, venue: Venue, rules: MarketRules, tick: Tick | None, timeframes: frozenset[str]
) -> list[Finding]:
    """Judge whether this bot could buy and sell there now; without a price the sizes are left out."""
    findings = [ok("symbol", f"{rules.symbol} is a spot market of {config.exchange}, and trades")]
    lacking = list(refusals(config, rules, timeframes))
    findings += [fault("orders", text, remedy, code=4) for text, remedy in lacking]
    if not lacking:
        kinds = f"buys by {config.buy_order_type}, sells by {config.sell_order_type}, candles of {config.timeframe}"
        findings.append(ok("orders", f"{kinds}: the market has all of it"))
    if config.paper_trading and not venue.orders:
        findings.append(
            note("orders", f"{config.exchange} can be used on paper only: its orders cannot be looked up safely")
        )
    elif _KINDS[config.buy_order_type] == "market" and not venue.market_buy_by_base:
        text = f"buy_order_type is {config.buy_order_type!r}: live, {config.exchange} cannot buy a quantity at market"
        findings.append(note("orders", text, "use 'limit' or 'trailing_limit' before going live"))
    if tick is not None:
        findings.append(_size(config, rules, tick))
    return [*findings, _fees(config, rules)]


def _fees(config: BotConfig, rules: MarketRules) -> Finding:
    text = (
        f"fees.taker is {config.fees.taker} and fees.maker {config.fees.maker} percent; {config.exchange} lists "
        f"{rules.taker_percent} and {rules.maker_percent}"
    )
    if rules.taker_percent > config.fees.taker or rules.maker_percent > config.fees.maker:
        return warning("fees", text, "raise them to what your account pays: sell targets are made from fees.taker")
    return ok("fees", text)


@exactly
def _size(config: BotConfig, rules: MarketRules, tick: Tick) -> Finding:
    amount, price = Decimal(str(config.strategy_params.get("amount_usd", 0))), tick.ask or tick.last
    least = _least_amount(config, rules, price)
    quantity = floor_to(amount / price, rules.quantity_step)
    minimum = f"{rules.min_notional:f} {rules.quote} and {rules.min_quantity:f} {rules.base}"
    if not _is_enough(config, rules, price, quantity):
        return fault(
            "amount",
            f"strategy_params.amount_usd is {amount}, which buys less of {rules.symbol} at {price:f} than "
            f"{config.exchange} takes, or than could be sold again at {_exit_words(config)} (at least {minimum})",
            f"raise it to {least:f} or more",
            code=4,
        )
    most = rules.max_quantity
    if (most is not None and quantity > most) or (rules.max_notional is not None and amount > rules.max_notional):
        what = (
            f"{most:f} {rules.base}" if most is not None and quantity > most else f"{rules.max_notional} {rules.quote}"
        )
        text = f"strategy_params.amount_usd is {amount}, more than {config.exchange} takes in one order ({what})"
        return fault("amount", text, "lower it", code=4)
    return ok(
        "amount",
        f"strategy_params.amount_usd {amount} buys {quantity:f} {rules.base} at {price:f}, and that can be sold again "
        f"(at least {minimum})",
    )


def _exit_words(config: BotConfig) -> str:
    return "its target" if config.risk.stop_loss_percent is None else "its stop loss"


def _is_enough(config: BotConfig, rules: MarketRules, price: Decimal, quantity: Decimal) -> bool:
    """Tell whether a purchase is over the minimums, and its sale at the target or the stop loss too."""
    is_too_small = quantity < rules.min_quantity or quantity * price < rules.min_notional
    return not is_too_small and can_be_sold(quantity, price, config, rules)


def _least_amount(config: BotConfig, rules: MarketRules, price: Decimal) -> Decimal:
    """Give an amount that is enough, rounded up to two digits, with a little room for the price to move."""
    at_exit = rules.min_notional / exit_price(price, config, rules.price_tick)
    held = ceil_to(max(rules.min_quantity, at_exit), rules.quantity_step)
    bought = max(rules.min_quantity, rules.min_notional / price, held * HUNDRED / (HUNDRED - config.fees.taker))
    amount = ceil_to(bought, rules.quantity_step) * price * _HEADROOM
    return ceil_to(amount, Decimal(1).scaleb(amount.adjusted() - 1))
