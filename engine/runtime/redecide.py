"""Deciding again: every recorded observation back through `decide`, and the first difference.

The proof that the log explains the bot. Facts are folded as recorded; decisions are made anew and compared, event by
event, with cause. Source: design, "What was seen is logged too".
"""

from collections import deque
from typing import Any

import msgspec

from engine.core.decider import Observation, decide
from engine.core.events import BotEvent, Cause, Event, PriceObserved, Role, SessionStarted
from engine.core.feed_view import FeedView
from engine.runtime.replica import FEED_PREFIX, Replica, Source, walk
from engine.runtime.schema import decision_version
from engine.store.port import Head, Recorded
from engine.strategies.catalogue import strategy_for


class Divergence(msgspec.Struct, frozen=True):
    """Where deciding again gave something else. `sequence` is the bot's event at which it shows.

    `newer_rules` says that the session was decided by an older `decision_version`, so the difference is no fault.
    """

    sequence: int
    at_ms: int
    cause: Cause | None
    recorded: Event | None
    decided: Event | None
    newer_rules: bool


class RedecideReport(msgspec.Struct, frozen=True):
    """How much was decided again, and every difference found (the walk ends at the first that is a fault)."""

    observations: int
    decisions: int
    divergences: tuple[Divergence, ...]

    @property
    def is_faithful(self) -> bool:
        """Tell whether nothing diverged but by newer rules."""
        return all(divergence.newer_rules for divergence in self.divergences)


def seen_of(replica: Replica, recorded: Recorded) -> Observation | None:
    """Give what a bot had to decide upon, if what its replica folded last was an observation of this bot's."""
    event: Any = recorded.event
    if recorded.stream.startswith(FEED_PREFIX):
        state = replica.state
        listens = state is not None and state.attached and state.feed == recorded.stream
        is_theirs = listens and isinstance(event, PriceObserved)
    else:
        is_theirs = event.role is Role.OBSERVATION
    # before it has attached to a feed, the bot sees an empty one
    return Observation(event, recorded.at_ms, replica.view or FeedView("")) if is_theirs else None


def redecide(source: Source, bot_id: str) -> RedecideReport:
    """Decide a bot's whole life again and compare."""
    return _Redecision(bot_id).run(source)


class _Redecision:
    """A re-decision under way."""

    def __init__(self, bot_id: str) -> None:
        self.replica = Replica()
        self.expected: deque[BotEvent] = deque()
        self.cause: Cause | None = None
        self.bot_id = bot_id
        self.observations = self.decisions = 0
        self.divergences: list[Divergence] = []
        self.newer_rules = False

    def run(self, source: Source) -> RedecideReport:
        for recorded in walk(source, self.bot_id, verified=True):
            self._take(recorded)
            if self.divergences and not self.newer_rules:
                break
        else:
            head = self.replica.head
            self._expect_nothing(head, 0 if head is None else head.at_ms)
        return RedecideReport(self.observations, self.decisions, tuple(self.divergences))

    def _take(self, recorded: Recorded) -> None:
        head = self.replica.head
        self.replica.fold(recorded)
        observation = seen_of(self.replica, recorded)
        if observation is not None:
            self._expect_nothing(head, recorded.at_ms)
            self._decide(observation, Cause(recorded.stream, recorded.sequence))
        elif not recorded.stream.startswith(FEED_PREFIX):
            self._compare(recorded)

    def _decide(self, observation: Observation, cause: Cause) -> None:
        state = self.replica.state
        assert state is not None, "whoever sees something is there"
        strategy = strategy_for(state.config)
        if isinstance(observation.event, SessionStarted):
            self.newer_rules = observation.event.decision_version != decision_version(strategy)
        self.observations += 1
        self.cause = cause
        self.expected.extend(decide(strategy, state, observation))

    def _compare(self, recorded: Recorded) -> None:
        self.decisions += 1
        decided = self.expected.popleft() if self.expected else None
        if decided != recorded.event or recorded.cause != self.cause:
            self._diverge(recorded.sequence, recorded.at_ms, recorded.event, decided)

    def _expect_nothing(self, head: Head | None, at_ms: int) -> None:
        """Report a decision that the log does not hold behind this head."""
        if self.expected and head is not None:
            self._diverge(head.sequence + 1, at_ms, None, self.expected[0])

    def _diverge(self, sequence: int, at_ms: int, recorded: Event | None, decided: Event | None) -> None:
        self.divergences.append(Divergence(sequence, at_ms, self.cause, recorded, decided, self.newer_rules))
        self.expected.clear()
