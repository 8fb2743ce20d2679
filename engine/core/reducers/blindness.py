"""When a bot lets prices pass: from the first reason (paused, failing checks) until none is left."""

from msgspec.structs import replace

from engine.core.state import Blind, BotState


def start_blindness(state: BotState, since_ms: int, seen: int, reason: str) -> BotState:
    """Note the last price the bot followed, unless it already follows none.

    Where none was followed since the last blindness, that goes on: a restart in between makes nothing newer.
    """
    blind = state.blind
    if blind is not None and blind.until_ms is None:
        return state
    if blind is not None and blind.until_ms == since_ms:
        return replace(state, blind=replace(blind, reason=reason, until_ms=None))
    return replace(state, blind=Blind(since_ms, seen, reason))


def leave_blindness(state: BotState, until_ms: int) -> BotState:
    """Note the time of the last price that passed, once no reason is left to let the next one pass."""
    if state.blind is None or state.blind.until_ms is not None or is_blind(state):
        return state
    return replace(state, blind=replace(state.blind, until_ms=until_ms))


def is_blind(state: BotState) -> bool:
    """Tell whether prices pass without a decision: paused, or the last check failed (decision 4)."""
    return state.paused or state.connectivity.failure_count > 0
