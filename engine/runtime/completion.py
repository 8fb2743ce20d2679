"""What a bot was deciding when its log broke off: the decisions that follow from the last thing it saw.

A group of rows becomes durable whole, but damage may cut it anywhere: then the observation is there and what was
decided from it is not. Deciding again gives exactly that, with the same order ids. Owns nothing; never writes.
Source: design, "What was seen is logged too"; docs/adr/0019-recovery.md.
"""

from typing import Any

from engine.core.decider import Observation, decide
from engine.core.events import BotEvent, Cause, PriceObserved, Role, SessionStarted
from engine.core.feed_view import FeedView
from engine.core.state import BotState
from engine.runtime.replica import FEED_PREFIX, Replica, Source, walk
from engine.runtime.schema import decision_version
from engine.store.port import Entry, Recorded
from engine.strategies.catalogue import strategy_for


def unfinished(source: Source, bot_id: str) -> tuple[Entry, ...]:
    """Give the entries that a bot's stream lacks at its end, none if it is whole.

    None, too, if what is there is not what would be decided today: then newer rules decide, and nothing is made up.
    """
    replica, last = Replica(), _Last()
    for recorded in walk(source, bot_id):
        event: Any = recorded.event
        replica.fold(recorded)
        if recorded.stream.startswith(FEED_PREFIX):
            state = replica.state
            if isinstance(event, PriceObserved) and state is not None and state.attached:
                last.see(recorded, state, replica.view, is_theirs=state.feed == recorded.stream)
        elif event.role is Role.OBSERVATION:
            if isinstance(event, SessionStarted):
                last.version = event.decision_version
            assert replica.state is not None, "the bot's first event made it"
            last.see(recorded, replica.state, replica.view, is_theirs=True)
        else:
            last.made.append(event)
    return last.rest()


class _Last:
    """The last observation, the state that it met, and what the log holds of the decisions from it."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.made: list[BotEvent] = []
        self._seen: tuple[BotState, Observation, Cause] | None = None

    def see(self, recorded: Recorded, state: BotState, view: FeedView | None, *, is_theirs: bool) -> None:
        if is_theirs:
            market = view or FeedView(state.feed or "")
            observation = Observation(recorded.event, recorded.at_ms, market)
            self._seen, self.made = (state, observation, Cause(recorded.stream, recorded.sequence)), []

    def rest(self) -> tuple[Entry, ...]:
        if self._seen is None:
            return ()
        state, observation, cause = self._seen
        strategy = strategy_for(state.config)
        if self.version != decision_version(strategy):
            return ()
        decided = decide(strategy, state, observation)
        if list(decided[: len(self.made)]) != self.made:
            return ()
        return tuple(Entry(event, observation.at_ms, cause) for event in decided[len(self.made) :])
