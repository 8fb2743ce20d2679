"""What follows from a connectivity check. Source: specification, "Connectivity Monitoring"; decisions 3 to 6."""

from engine.core.backoff import backoff_s
from engine.core.decider.draft import Draft
from engine.core.decider.skips import record_skipped_prices
from engine.core.events import BackoffStarted, ConnectivityChecked, ConnectivityRestored, OutageDeclared


def on_checked(draft: Draft) -> None:
    """Count failures, declare an outage once, wait longer each time; note the way back."""
    event, state = draft.event, draft.state
    assert isinstance(event, ConnectivityChecked), event
    link = state.connectivity
    if event.reachable:
        if link.failure_count:
            length_ms = draft.at_ms - (link.first_failure_ms or draft.at_ms)
            seen_ms = draft.market.price_ms
            draft.emit(ConnectivityRestored(length_ms=length_ms, failures=link.failure_count, seen_ms=seen_ms))
            record_skipped_prices(draft)
        return
    if link.failure_count >= state.config.max_connectivity_failures and not link.outage:
        draft.emit(OutageDeclared(failure_count=link.failure_count))
        draft.reset_trails("outage", failure_count=link.failure_count)
    wait_s = backoff_s(link.failure_count)
    draft.emit(
        BackoffStarted(
            wait_s=wait_s,
            until_ms=draft.at_ms + wait_s * 1000,
            failure_count=link.failure_count,
            seen=draft.market.price_sequence,
            seen_ms=draft.market.price_ms,
        )
    )
