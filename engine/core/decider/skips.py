"""Prices that passed without a decision, and how long the bot was blind."""

from engine.core.decider.draft import Draft
from engine.core.events import PricesSkipped
from engine.core.state import BotState


def record_skipped_prices(draft: Draft) -> None:
    """Record the prices let pass, once the bot follows prices again; if one was seen since, it did so before."""
    blind, last = draft.state.blind, draft.market.price_sequence
    if blind is not None and blind.until_ms == draft.market.price_ms and last > blind.seen:
        draft.emit(PricesSkipped(draft.market.feed, blind.seen + 1, last, blind.reason))


def unseen_ms(state: BotState, gap_ms: int | None, at_ms: int) -> int:
    """Give the time between the price at `at_ms` and the last one the bot followed, in milliseconds.

    Usually the feed's own gap; for the first price after blindness, back to the last price before it.
    """
    if gap_ms is None:
        return 0
    previous_ms = at_ms - gap_ms
    blind = state.blind
    if blind is not None and blind.until_ms is not None and previous_ms <= blind.until_ms:
        previous_ms = min(previous_ms, blind.since_ms)
    return at_ms - previous_ms
