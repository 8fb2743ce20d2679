"""A decision in the making: the events so far and the state they lead to."""

from typing import Final

import msgspec

from engine.core.events import BotEvent, CommandReceived, Event, TrailingReset
from engine.core.feed_view import FeedView
from engine.core.reducers import apply
from engine.core.state import BotState
from engine.core.strategy import Strategy


class Observation(msgspec.Struct, frozen=True):
    """Something seen, when it was recorded, and what the market looked like then."""

    event: Event
    at_ms: int
    market: FeedView


class Draft:
    """Collects events; each is folded at once, so that the next rule sees what the last one decided."""

    def __init__(self, strategy: Strategy, state: BotState, observation: Observation) -> None:
        """Start from a state and an observation."""
        self.strategy: Final = strategy
        self.state = state
        self.event: Final = observation.event
        self.at_ms: Final = observation.at_ms
        self.market: Final = observation.market
        self.events: list[BotEvent] = []

    def emit(self, event: BotEvent) -> None:
        """Add an event and fold it."""
        self.events.append(event)
        self.state = apply(self.state, event, self.at_ms)

    def reset_trails(self, reason: str, *, but_triggered: bool = False, failure_count: int = 0) -> None:
        """Reset every trail, the oldest lot first; with `but_triggered`, leave those whose order is out."""
        for trail in sorted(self.state.trails.values(), key=lambda trail: trail.lot):
            if not (but_triggered and trail.status == "triggered"):
                self.emit(TrailingReset(trail.lot, trail.direction, reason, failure_count))


def command_of(draft: Draft) -> CommandReceived:
    """Give the observed command."""
    assert isinstance(draft.event, CommandReceived), draft.event
    return draft.event
