"""Whether to buy: the clock, the price-move gate, the strategy's screen, limits and money, and last its votes.

`wants_indicators` is the same question asked beforehand, so that the runtime fetches candles only for a price at
which somebody will read them. Source: specification, "Smart Indicator Checks"; decisions 13 to 15.
"""

from decimal import Decimal

from engine.core.decider.draft import Draft
from engine.core.decider.limits import entries_are_stopped, purchase_hold, standing_limit
from engine.core.decider.requests import request_order
from engine.core.decider.skips import unseen_ms
from engine.core.events import (
    EntrySkipped,
    IndicatorsAwaited,
    IndicatorsSkipped,
    PriceObserved,
    TrailingActivated,
    TrailingStarted,
)
from engine.core.exact import exactly
from engine.core.feed_view import FeedView
from engine.core.instants import iso_utc
from engine.core.lots import can_be_sold, reserve
from engine.core.market import MarketRules
from engine.core.reducers.blindness import is_blind
from engine.core.reducers.trading import skip_key
from engine.core.state import ENTRY, BotState
from engine.core.strategy import Buy, Hold, Strategy
from engine.core.units import HUNDRED, MAX_AMOUNT, change_percent, floor_to

MOST_SKEW_MS = 1_000
"""With a clock further from the exchange's nobody knows how old a price is: nothing is bought."""


def begins_cycle(state: BotState, price: PriceObserved, at_ms: int) -> bool:
    """Tell whether this is the first price of a new `check_interval` that the bot follows.

    Entries are considered once in each (docs/adr/0009).
    """
    if price.gap_ms is None:
        return True
    interval_ms = state.config.check_interval * 1000
    return at_ms // interval_ms != (at_ms - unseen_ms(state, price.gap_ms, at_ms)) // interval_ms


def may_enter(state: BotState, at_ms: int) -> bool:
    """Tell whether nothing is under way that keeps the bot from buying."""
    return (
        not is_blind(state)
        and not state.stopping
        and state.may_send
        and (state.config.paper_trading or state.has_looked)
        and at_ms >= max(state.entry_hold_ms, state.rate_limited_until_ms)
        and not entries_are_stopped(state, at_ms)
        and ENTRY not in state.trails
        and state.open_buy is None
    )


def awaits_candles(state: BotState, fetched_ms: int | None) -> bool:
    """Tell whether the bot found the candles too old to consider an entry, and none were fetched since."""
    return state.awaited_ms is not None and (fetched_ms is None or fetched_ms < state.awaited_ms)


def cache_ttl_ms(state: BotState) -> int:
    """Give how old candles may be for this bot, in milliseconds; `smart_indicator_checks: false` allows none."""
    return state.config.indicator_cache_ttl * 1000 if state.config.smart_indicator_checks else 0


def _candles_came(state: BotState, fetched_ms: int | None, price: PriceObserved, at_ms: int) -> bool:
    """Tell whether this is the first price since candles were fetched that the bot had waited for."""
    return (
        state.awaited_ms is not None
        and fetched_ms is not None
        and fetched_ms >= state.awaited_ms
        and _since_previous(fetched_ms, price, at_ms)
    )


def _since_previous(fetched_ms: int, price: PriceObserved, at_ms: int) -> bool:
    return price.gap_ms is None or fetched_ms > at_ms - price.gap_ms


@exactly
def wants_indicators(
    strategy: Strategy, state: BotState, price: PriceObserved, at_ms: int, rules: MarketRules | None
) -> bool:
    """Tell whether a decision at this price would read indicators."""
    if rules is None or not may_enter(state, at_ms) or not begins_cycle(state, price, at_ms):
        return False
    return _screened(strategy, state, price, at_ms, rules, strategy.amount(state)) is None


def consider_entry(draft: Draft, price: PriceObserved) -> None:
    """Buy, arm a buy trail, or record why not (once per changed cause)."""
    state, at_ms, strategy = draft.state, draft.at_ms, draft.strategy
    assert draft.market.rules is not None
    fetched_ms = draft.market.fetched_ms.get(state.config.timeframe)
    is_due = begins_cycle(state, price, at_ms) or _candles_came(state, fetched_ms, price, at_ms)
    if not is_due or not may_enter(state, at_ms):
        return
    skip = _screened(strategy, state, price, at_ms, draft.market.rules, strategy.amount(state))
    if skip is None and not _is_fresh(state, fetched_ms, price, at_ms):
        if not awaits_candles(state, fetched_ms):
            draft.emit(IndicatorsAwaited(state.config.timeframe))
        return
    intent = skip or _vote(strategy, state, price, draft.market)
    if isinstance(intent, Buy):
        _enter(draft, price, strategy.amount(state), intent.reason)
    else:
        record_skip(draft, intent)


def _is_fresh(state: BotState, fetched_ms: int | None, price: PriceObserved, at_ms: int) -> bool:
    """Tell whether candles were fetched within the time to live, or since the price before."""
    if fetched_ms is None:
        return False
    return at_ms - fetched_ms < cache_ttl_ms(state) or _since_previous(fetched_ms, price, at_ms)


def _vote(strategy: Strategy, state: BotState, price: PriceObserved, market: FeedView) -> Buy | Hold:
    """Ask the strategy's votes, if there are indicators to vote by."""
    indicators = market.indicators.get(state.config.timeframe)
    if indicators is None or indicators.refused is not None:
        reason = "none were observed yet" if indicators is None else str(indicators.refused)
        return Hold("indicators", f"no indicators: {reason}", {"reason": reason})
    return strategy.vote(state, price, indicators)


def _judge(strategy: Strategy, state: BotState, market: FeedView) -> Buy | Hold | IndicatorsSkipped:
    """Judge the last price as an entry: what needs no indicators, then the strategy's votes."""
    price, at_ms, rules = market.price, market.price_ms, market.rules
    assert price is not None
    assert at_ms is not None
    assert rules is not None
    skip = _screened(strategy, state, price, at_ms, rules, strategy.amount(state))
    return skip or _vote(strategy, state, price, market)


@exactly
def assess_entry(strategy: Strategy, state: BotState, market: FeedView) -> Buy | Hold:
    """Say whether the last price would lead to a purchase, and if not why; for an operator who asks."""
    assert market.price_ms is not None
    if market.rules is None:
        return Hold("rules", "the market has not told its rules yet")
    standing = standing_limit(state, market.price_ms) or _standing_reason(state, market.price_ms)
    judged = standing or _judge(strategy, state, market)
    if not isinstance(judged, IndicatorsSkipped):
        return judged
    numbers = {"change_percent": f"{judged.change_percent:.4f}", "from_price": str(judged.from_price)}
    text = f"price moved {judged.change_percent:.2f}% from the last purchase, {judged.threshold_percent}% is needed"
    return Hold(judged.rule, text, numbers)


def _standing_reason(state: BotState, at_ms: int) -> Hold | None:
    """Give what keeps the bot from considering an entry at all."""
    link, silence_ms = state.connectivity, state.rate_limited_until_ms
    order = state.open_buy
    reasons: tuple[tuple[object, str, str, dict[str, str]], ...] = (
        (state.paused, "paused", "the bot is paused", {}),
        (state.recovery, "recovery", "its log was recovered, and no operator has confirmed that", {}),
        (state.halted, "halted", f"an operator must decide about {state.halted}", {}),
        (
            link.failure_count,
            "connectivity",
            f"{link.failure_count} connectivity checks failed in a row",
            {"failures": str(link.failure_count)},
        ),
        (
            not state.config.paper_trading and not state.has_looked,
            "account",
            "the account was not looked at since the bot started or was cut off",
            {},
        ),
        (at_ms < silence_ms, "rate_limited", f"the exchange asked for silence until {iso_utc(silence_ms)}", {}),
        (order, "open_buy", "a buy order is open", {"order": order.client_order_id if order else ""}),
        (
            ENTRY in state.trails,
            "buy_trail",
            "a buy trail is following the price",
            {"status": state.trails[ENTRY].status if ENTRY in state.trails else ""},
        ),
        (
            at_ms < state.entry_hold_ms,
            "rejected",
            "the exchange refused the last buy, and it is not time to try again",
            {},
        ),
    )
    return next((Hold(rule, text, numbers) for holds, rule, text, numbers in reasons if holds), None)


def _screened(
    strategy: Strategy, state: BotState, price: PriceObserved, at_ms: int, rules: MarketRules, amount: Decimal
) -> Hold | IndicatorsSkipped | None:
    """Ask everything that needs no indicators: the clock, the price-move gate (decision 13), then limits and money."""
    hold = _clock_hold(state) or _price_gate(state, price) or strategy.screen(state, price, at_ms)
    return hold or _money_hold(state, price, amount, rules)


def _clock_hold(state: BotState) -> Hold | None:
    """Rule out any entry while this machine and the exchange do not agree what time it is."""
    skew_ms = state.connectivity.clock_skew_ms
    if abs(skew_ms) <= MOST_SKEW_MS:
        return None
    text = "the clock of this machine is more than a second off the exchange's"
    return Hold("clock", text, {"skew_ms": str(skew_ms)})


def entry_hold(draft: Draft, price: PriceObserved, amount: Decimal) -> Hold | IndicatorsSkipped | None:
    """Ask the gate again, as a buy trail does when it fires: all but the votes."""
    assert draft.market.rules is not None
    return _screened(draft.strategy, draft.state, price, draft.at_ms, draft.market.rules, amount)


def record_skip(draft: Draft, skip: Hold | IndicatorsSkipped) -> None:
    """Record why no entry was made, unless that was the last thing recorded.

    A limit (budget, balance, lots, minimum) is told once until an order or a sale may have changed it.
    """
    event = EntrySkipped(skip.rule, skip.text, skip.numbers) if isinstance(skip, Hold) else skip
    if draft.state.skip != skip_key(event) and event.rule not in draft.state.told_limits:
        draft.emit(event)


def _price_gate(state: BotState, price: PriceObserved) -> IndicatorsSkipped | None:
    """Hold while the price is within `min_price_change_percent` of the last purchase, on either side.

    Only with a lot open, and only with `smart_indicator_checks` (decisions 13, 14). Compared by multiplication.
    """
    base = state.stats.last_purchase_price
    if not state.config.smart_indicator_checks or not state.lots or base is None:
        return None
    threshold = state.config.min_price_change_percent
    if abs(price.last - base) * HUNDRED >= threshold * base:
        return None
    change = abs(change_percent(price.last, base))
    return IndicatorsSkipped("price_move", price.last, base, change, threshold)


def _money_hold(state: BotState, price: PriceObserved, amount: Decimal, rules: MarketRules) -> Hold | None:
    """Rule out an entry that limits, budget, balance or the exchange's minimums would not bear."""
    config = state.config
    if not rules.active:
        return Hold("market", "the exchange does not trade this market now")
    if len(state.lots) >= config.max_open_lots:
        return Hold(
            "max_open_lots", f"as many lots are open as may be: {len(state.lots)}", {"open": str(len(state.lots))}
        )
    limit_price, quantity = _sized(state, price, amount, rules)
    if quantity < rules.min_quantity or quantity * limit_price < rules.min_notional:
        numbers = {"amount": str(amount), "min_notional": str(rules.min_notional)}
        least = f"{rules.min_notional:f} {rules.quote} and {rules.min_quantity:f} {rules.base}"
        text = f"amount_usd {amount:f} buys less than the exchange takes (at least {least}): raise it"
        return Hold("min_notional", text, numbers)
    hold = purchase_hold(state, price.last, quantity * limit_price)
    if hold is not None:
        return hold
    needed = reserve(quantity, limit_price, config.fees.taker)
    room = config.budget - state.exposure
    if needed > room:
        numbers = {"needed": str(needed), "room": str(room), "budget": str(config.budget)}
        return Hold("budget", f"a purchase needs {needed:.2f}, the budget leaves {room:.2f}", numbers)
    free = free_quote(state)
    if needed > free:
        numbers = {"needed": str(needed), "free": str(free)}
        return Hold("balance", f"a purchase needs {needed:.2f}, {free:.2f} is free", numbers)
    if not can_be_sold(quantity, limit_price, config, rules):
        numbers = {"quantity": str(quantity), "min_notional": str(rules.min_notional)}
        at = "target" if config.risk.stop_loss_percent is None else "stop loss"
        text = f"its sale at the {at} would be under the exchange's minimum: raise amount_usd"
        return Hold("min_notional", text, numbers)
    return None


def free_quote(state: BotState) -> Decimal:
    """Give the quote that is there to spend: the budget and all that came and went, less what is reserved."""
    return state.config.budget + state.cash_flow - state.reserved


def _sized(state: BotState, price: PriceObserved, amount: Decimal, rules: MarketRules) -> tuple[Decimal, Decimal]:
    """Give price and quantity of a buy: limit buys at min(last, ask), price and quantity rounded down."""
    by_market = state.config.buy_order_type in {"market", "trailing_market"}
    wanted = price.buy_price if by_market else min(price.last, price.buy_price)
    limit_price = wanted if by_market else floor_to(wanted, rules.price_tick)
    if limit_price <= 0:
        return rules.price_tick, Decimal(0)
    return limit_price, floor_to(min(amount / limit_price, MAX_AMOUNT), rules.quantity_step)


def _enter(draft: Draft, price: PriceObserved, amount: Decimal, reason: str) -> None:
    config = draft.state.config
    if config.buy_order_type in {"trailing_market", "trailing_limit"}:
        percent = config.trailing_buy_percent
        draft.emit(TrailingStarted(ENTRY, "down", price.last, percent, amount=amount, reason=reason))
        draft.emit(TrailingActivated(ENTRY, "down", price.last, price.last))
    else:
        buy_now(draft, price, amount, purpose="entry", reason=reason)


def buy_now(draft: Draft, price: PriceObserved, amount: Decimal, *, purpose: str, reason: str) -> None:
    """Request the buy; a limit one is cancelled after `buy_order_timeout`."""
    rules, config = draft.market.rules, draft.state.config
    assert rules is not None
    limit_price, quantity = _sized(draft.state, price, amount, rules)
    by_market = config.buy_order_type in {"market", "trailing_market"}
    request_order(
        draft,
        side="buy",
        kind="market" if by_market else "limit",
        quantity=quantity,
        seen_price=price.last,
        limit_price=None if by_market else limit_price,
        purpose=purpose,
        reserved=reserve(quantity, limit_price, config.fees.taker),
        timeout_ms=None if by_market else config.buy_order_timeout * 1000,
        reason=reason,
    )
