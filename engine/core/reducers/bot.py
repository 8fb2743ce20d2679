"""Reducers of a bot's life: creation, configuration, commands, what it listened to."""

from typing import Final

from msgspec.structs import replace

from engine.core.events import (
    AccountObserved,
    Balance,
    BalancesObserved,
    BotCreated,
    CommandReceived,
    ConfigChanged,
    DiscrepancyFound,
    FeedAttached,
    FeedDetached,
    OrdersSurveyed,
    PricesSkipped,
    RateLimited,
    RecoveryConfirmed,
    RecoveryStarted,
    SessionStarted,
    SessionStopped,
    TimerFired,
)
from engine.core.reducers.blindness import leave_blindness, start_blindness
from engine.core.reducers.limits import reconfigured
from engine.core.reducers.table import Table
from engine.core.state import BotState, Connectivity, Recovery
from engine.core.units import ZERO

MOST_SHORT: Final = 3
"""Counting further would change the state at every look."""


def created(event: BotCreated, at_ms: int) -> BotState:
    """Make the first state of a bot; its first connectivity check is owed at once."""
    return BotState(
        bot_id=event.config.bot_id,
        log_id=event.log_id,
        config=event.config,
        connectivity=Connectivity(next_check_ms=at_ms),
    )


def _config_changed(state: BotState, event: ConfigChanged, _at_ms: int) -> BotState:
    return reconfigured(replace(state, skip=None, told_limits=()), event.config)


def _session_started(state: BotState, _event: SessionStarted, _at_ms: int) -> BotState:
    return replace(state, stopping=False, halted=None, has_looked=False)


def _account_observed(state: BotState, event: AccountObserved, _at_ms: int) -> BotState:
    return replace(state, account=event.fingerprint)


def _balances_observed(state: BotState, event: BalancesObserved, at_ms: int) -> BotState:
    """Note what the account holds, and whether that is less than it must hold."""
    held = event.balances.get(state.config.base, Balance(ZERO)).total
    is_short = held < state.certain + event.others
    settled_short = min(state.short + 1, MOST_SHORT) if is_short else 0
    return replace(
        state,
        balances=event.balances,
        balances_ms=at_ms,
        has_looked=True,
        short=settled_short if event.is_settled else state.short,
    )


def _orders_surveyed(state: BotState, event: OrdersSurveyed, _at_ms: int) -> BotState:
    return replace(state, foreign=event.foreign)


def _discrepancy_found(state: BotState, event: DiscrepancyFound, _at_ms: int) -> BotState:
    return replace(state, halted=event.subject) if event.halts else state


def _recovery_started(state: BotState, event: RecoveryStarted, _at_ms: int) -> BotState:
    """Send nothing any more, and leave out the numbers that the lost end may have used.

    What an earlier recovery still had to look for, this one looks for, too.
    """
    last = max(event.order_number, state.order_number)
    lost = ((state.order_number + 1, last),) if last > state.order_number else ()
    old = state.recovery
    kept_ms = event.kept_ms if old is None else min(old.kept_ms, event.kept_ms)
    written_ms = event.written_ms if old is None else max(old.written_ms, event.written_ms)
    recovery = Recovery(event.reason, kept_ms, written_ms)
    return replace(state, recovery=recovery, order_number=last, skipped=state.skipped + lost)


def _recovery_confirmed(state: BotState, event: RecoveryConfirmed, _at_ms: int) -> BotState:
    last = max(event.order_number, state.order_number)
    lost = ((state.order_number + 1, last),) if last > state.order_number else ()
    return replace(
        state,
        recovery=None,
        halted=None,
        order_number=last,
        skipped=state.skipped + lost,
        accepted=tuple(dict.fromkeys((*state.accepted, *event.accepted))),
    )


def _rate_limited(state: BotState, event: RateLimited, _at_ms: int) -> BotState:
    return replace(state, rate_limited_until_ms=max(state.rate_limited_until_ms, event.until_ms))


def _command_received(state: BotState, event: CommandReceived, at_ms: int) -> BotState:
    match event.command:
        case "pause" if not state.paused:
            since_ms = event.seen_ms if event.seen_ms is not None else at_ms
            return start_blindness(replace(state, paused=True), since_ms, event.seen, "paused")
        case "resume" | "flatten" if state.paused:  # a kill switch that could not sell would be none
            until_ms = event.seen_ms if event.seen_ms is not None else at_ms
            return leave_blindness(replace(state, paused=False), until_ms)
        case "stop":
            return replace(state, stopping=True)
        case _:
            return state


def _feed_attached(state: BotState, event: FeedAttached, at_ms: int) -> BotState:
    state = replace(state, feed=event.feed, attached=True)
    return leave_blindness(state, at_ms if event.seen_ms is None else event.seen_ms)


def _feed_detached(state: BotState, event: FeedDetached, at_ms: int) -> BotState:
    """Stop listening: if others take the feed on meanwhile, the prices between are unseen."""
    since_ms = event.seen_ms if event.seen_ms is not None else at_ms
    return start_blindness(replace(state, attached=False), since_ms, event.at, "detached")


def _prices_skipped(state: BotState, event: PricesSkipped, _at_ms: int) -> BotState:
    return state if state.blind is None else replace(state, blind=replace(state.blind, seen=event.last))


def _unchanged(state: BotState, _event: SessionStopped | TimerFired, _at_ms: int) -> BotState:
    return state


REDUCERS: Final[Table] = {
    ConfigChanged: _config_changed,
    SessionStarted: _session_started,
    SessionStopped: _unchanged,
    FeedAttached: _feed_attached,
    FeedDetached: _feed_detached,
    PricesSkipped: _prices_skipped,
    AccountObserved: _account_observed,
    OrdersSurveyed: _orders_surveyed,
    DiscrepancyFound: _discrepancy_found,
    BalancesObserved: _balances_observed,
    TimerFired: _unchanged,
    RateLimited: _rate_limited,
    RecoveryStarted: _recovery_started,
    RecoveryConfirmed: _recovery_confirmed,
    CommandReceived: _command_received,
}
