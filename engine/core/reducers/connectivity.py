"""Reducers of connectivity. Source: specification, "Connectivity Monitoring"; decisions 3 to 6."""

from typing import Final

from msgspec.structs import replace

from engine.core.events import BackoffStarted, ConnectivityChecked, ConnectivityRestored, OutageDeclared
from engine.core.reducers.blindness import leave_blindness, start_blindness
from engine.core.reducers.table import Table
from engine.core.state import BotState


def _checked(state: BotState, event: ConnectivityChecked, at_ms: int) -> BotState:
    old = state.connectivity
    next_check_ms = at_ms + state.config.connectivity_check_interval * 1000
    if event.reachable:
        skew_ms = old.clock_skew_ms if event.clock_skew_ms is None else event.clock_skew_ms
        good = replace(old, last_success_ms=at_ms, next_check_ms=next_check_ms, clock_skew_ms=skew_ms)
        return replace(state, connectivity=good)
    new = replace(
        old,
        failure_count=old.failure_count + 1,
        first_failure_ms=at_ms if old.failure_count == 0 else old.first_failure_ms,
        next_check_ms=next_check_ms,
    )
    return replace(state, connectivity=new, has_looked=False)


def _outage_declared(state: BotState, _event: OutageDeclared, _at_ms: int) -> BotState:
    return replace(state, connectivity=replace(state.connectivity, outage=True))


def _backoff_started(state: BotState, event: BackoffStarted, at_ms: int) -> BotState:
    new = replace(state.connectivity, backoff_until_ms=event.until_ms, next_check_ms=event.until_ms)
    since_ms = event.seen_ms if event.seen_ms is not None else at_ms
    return start_blindness(replace(state, connectivity=new), since_ms, event.seen, "backoff")


def _restored(state: BotState, event: ConnectivityRestored, at_ms: int) -> BotState:
    new = replace(state.connectivity, failure_count=0, first_failure_ms=None, outage=False, backoff_until_ms=None)
    return leave_blindness(replace(state, connectivity=new), at_ms if event.seen_ms is None else event.seen_ms)


REDUCERS: Final[Table] = {
    ConnectivityChecked: _checked,
    OutageDeclared: _outage_declared,
    BackoffStarted: _backoff_started,
    ConnectivityRestored: _restored,
}
