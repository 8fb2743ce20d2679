"""What a bot was deciding when its log broke off: the decisions that follow from the last thing it saw.

A group of rows becomes durable whole, but damage may cut it anywhere: then the observation is there and what was
decided from it is not. Deciding again gives exactly that, with the same order ids. Owns nothing; never writes.
Source: design, "What was seen is logged too"; docs/adr/0019-recovery.md.
"""

from typing import Any

from engine.core.decider import Observation, decide
from engine.core.events import BotEvent, Cause, SessionStarted
from engine.core.state import BotState
from engine.runtime.redecide import seen_of
from engine.runtime.replica import FEED_PREFIX, Replica, Source, walk
from engine.runtime.schema import decision_version
from engine.store.port import Entry
from engine.strategies.catalogue import strategy_for


def unfinished(source: Source, bot_id: str) -> tuple[Entry, ...]:
    """Give the entries that a bot's stream lacks at its end, none if it is whole.

    None, too, if what is there is not what would be decided today: then newer rules decide, and nothing is made up.
    """
    replica, last = Replica(), _Last()
    for recorded in walk(source, bot_id):
        event: Any = recorded.event
        replica.fold(recorded)
        observation = seen_of(replica, recorded)
        if observation is not None:
            if isinstance(event, SessionStarted):
                last.version = event.decision_version
            assert replica.state is not None, "whoever sees something is there"
            last.seen, last.made = (replica.state, observation, Cause(recorded.stream, recorded.sequence)), []
        elif not recorded.stream.startswith(FEED_PREFIX):
            last.made.append(event)
    return last.rest()


class _Last:
    """The last observation, the state that it met, and what the log holds of the decisions from it."""

    def __init__(self) -> None:
        self.version: int | None = None
        self.made: list[BotEvent] = []
        self.seen: tuple[BotState, Observation, Cause] | None = None

    def rest(self) -> tuple[Entry, ...]:
        if self.seen is None:
            return ()
        state, observation, cause = self.seen
        strategy = strategy_for(state.config)
        if self.version != decision_version(strategy):
            return ()
        decided = decide(strategy, state, observation)
        if list(decided[: len(self.made)]) != self.made:
            return ()
        return tuple(Entry(event, observation.at_ms, cause) for event in decided[len(self.made) :])
