"""One bot as a sequential process: one observation at a time, decided and numbered in one go.

Owns the candidate state. It runs ahead of the disk by what is queued for it; nothing acts on it before that is
durable, and if it cannot be made durable the whole engine stops.
"""

from collections.abc import Callable, Sequence
from typing import Final

from engine.core.config import BotConfig
from engine.core.decider import Observation, decide
from engine.core.events import BotCreated, BotEvent, Cause, ConfigChanged, PriceObserved
from engine.core.feed_view import FeedView
from engine.core.identity import bot_stream
from engine.core.reducers import apply
from engine.core.state import BotState
from engine.core.strategy import Strategy
from engine.store.port import Batch, Entry, Head
from engine.strategies.catalogue import strategy_for


class Bot:
    """A state, the strategy bound to its config, and the sequence its stream has reached.

    `state` is the candidate; `durable` is what the log holds for certain, with the head it stands at.
    """

    def __init__(self, state: BotState, head: Head) -> None:
        """Take up a bot from its folded state."""
        self.state = state
        self.sequence = head.sequence
        self.durable = (state, head)
        self.strategy: Strategy = strategy_for(state.config)
        self.stream: Final = bot_stream(state.bot_id)

    @classmethod
    def create(cls, config: BotConfig, log_id: str, digest: str, at_ms: int) -> tuple["Bot", Batch]:
        """Make a new bot and the batch that records it."""
        event = BotCreated(log_id=log_id, config=config, digest=digest)
        bot = cls(apply(None, event, at_ms), Head(1, b"", at_ms))
        return bot, Batch(bot.stream, 0, (Entry(event, at_ms),))

    def snapshot(self, head: Head) -> Callable[[], None]:
        """Take a picture of the candidate; the returned call makes it the durable one."""
        picture = (self.state, head)

        def publish() -> None:
            self.durable = picture

        return publish

    def observe(self, events: Sequence[BotEvent], at_ms: int, market: FeedView, cause: Cause | None = None) -> Batch:
        """Record observations of the bot's own, in order, each with what follows from it."""
        expected, entries = self.sequence, []
        for event in events:
            entries.append(Entry(event, at_ms, cause))
            self.sequence += 1
            self.state = apply(self.state, event, at_ms)
            if isinstance(event, ConfigChanged):
                self.strategy = strategy_for(self.state.config)
            entries += self._decide(Observation(event, at_ms, market), Cause(self.stream, self.sequence))
        return Batch(self.stream, expected, tuple(entries))

    def see(self, price: PriceObserved, at_ms: int, market: FeedView) -> Batch | None:
        """Judge a price of the feed; None if nothing follows from it."""
        expected = self.sequence
        cause = Cause(market.feed, market.price_sequence)
        entries = self._decide(Observation(price, at_ms, market), cause)
        return Batch(self.stream, expected, tuple(entries)) if entries else None

    def _decide(self, observation: Observation, cause: Cause) -> list[Entry]:
        decided = decide(self.strategy, self.state, observation)
        for event in decided:
            self.state = apply(self.state, event, observation.at_ms)
        self.sequence += len(decided)
        return [Entry(event, observation.at_ms, cause) for event in decided]
