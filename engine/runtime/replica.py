"""A copy of what the log says, folded without deciding anything.

Owns the walk over a bot's stream and its feeds in the order in which they were written, and the start from a
checkpoint. Reads any source of records: the running store or the read-only reader.
"""

from collections.abc import Iterator
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final, Protocol, TypeVar

import msgspec

from engine.core.errors import LogDamagedError, UsageError
from engine.core.feed_view import FeedView, apply_feed
from engine.core.identity import bot_stream
from engine.core.projection import LogFile, StateFile, project
from engine.core.reducers import apply
from engine.core.state import BotState
from engine.runtime.schema import STATE_SCHEMA, VIEW_SCHEMA
from engine.store.port import Checkpoint, Head, Recorded

BOT_PREFIX: Final = "bot:"
FEED_PREFIX: Final = "feed:"
T = TypeVar("T")


class Source(Protocol):
    """Whatever can be read like a log."""

    def streams(self) -> tuple[str, ...]:
        """Name the streams."""
        ...

    def head(self, stream: str) -> Head:
        """Give where a stream ends."""
        ...

    def read(
        self, stream: str | None = None, *, after_position: int = 0, after_sequence: int = 0, verified: bool = False
    ) -> Iterator[Recorded]:
        """Give events in order of position."""
        ...

    def checkpoint(self, stream: str, schema: str) -> Checkpoint | None:
        """Give the stream's checkpoint of that schema."""
        ...


class Replica:
    """One bot and the feeds it has listened to, at some point of the log."""

    def __init__(self) -> None:
        """Start before the first event."""
        self.state: BotState | None = None
        self.head: Head | None = None
        self.views: dict[str, FeedView] = {}

    def fold(self, recorded: Recorded) -> None:
        """Take in one event of the bot or of a feed."""
        event: Any = recorded.event
        if recorded.stream.startswith(FEED_PREFIX):
            view = self.views.get(recorded.stream) or FeedView(recorded.stream)
            self.views[recorded.stream] = apply_feed(view, event, recorded.sequence, recorded.at_ms)
        else:
            self.state = apply(self.state, event, recorded.at_ms)
            self.head = Head(recorded.sequence, recorded.checksum, recorded.at_ms)

    @property
    def view(self) -> FeedView | None:
        """Give the view of the feed that the bot listened to last; that of one which said nothing yet is empty."""
        feed = None if self.state is None else self.state.feed
        return None if feed is None else self.views.get(feed) or FeedView(feed)


def last_price_of(view: FeedView | None) -> Decimal | None:
    """Give the last price that a feed saw, if any."""
    return None if view is None or view.price is None else view.price.last


def state_file_of(state: BotState, view: FeedView | None, head: Head) -> StateFile:
    """Show a state at a head of its stream as its state file does."""
    return project(state, last_price_of(view), LogFile(head.sequence, head.checksum.hex()), head.at_ms)


def bot_ids(source: Source) -> tuple[str, ...]:
    """Name the bots that the log knows, in the order they began."""
    return tuple(name.removeprefix(BOT_PREFIX) for name in source.streams() if name.startswith(BOT_PREFIX))


def known_bot(source: Source, bot_id: str | None) -> str:
    """Give the bot that is meant; without a name it is the only one.

    Raises:
        UsageError: there is no such bot, or several to choose from.
    """
    known = bot_ids(source)
    if bot_id is None and len(known) == 1:
        return known[0]
    if not known:
        raise UsageError("this log holds no bot yet: run one first")
    listed = ", ".join(known)
    if bot_id is None:
        raise UsageError(f"several bots are in this log: name one of {listed}")
    if bot_id not in known:
        raise UsageError(f"there is no bot {bot_id!r} in this log: it knows {listed}")
    return bot_id


def feeds_of(source: Source, bot_id: str) -> tuple[str, ...]:
    """Name the feeds that a bot has listened to."""
    from engine.core.events import FeedAttached

    attached = (each.event for each in source.read(bot_stream(bot_id)) if isinstance(each.event, FeedAttached))
    return tuple(dict.fromkeys(event.feed for event in attached))


def walk(source: Source, bot_id: str, *, verified: bool = False) -> Iterator[Recorded]:
    """Give a bot's events and those of its feeds, in the order they were written."""
    from heapq import merge

    streams = (bot_stream(bot_id), *feeds_of(source, bot_id))
    return merge(*(source.read(stream, verified=verified) for stream in streams), key=attrgetter("position"))


def restore_bot(source: Source, bot_id: str) -> tuple[BotState, Head]:
    """Fold a bot's stream to its end, from its checkpoint if there is one."""
    stream = bot_stream(bot_id)
    saved = load_checkpoint(source, stream, STATE_SCHEMA, BotState)
    state, sequence = (None, 0) if saved is None else saved
    for each in source.read(stream, after_sequence=sequence):
        event: Any = each.event
        state = apply(state, event, each.at_ms)
    if state is None:
        raise LogDamagedError(f"{stream} has no events, though the log names it")
    return state, source.head(stream)


def restore_view(source: Source, feed: str) -> FeedView:
    """Fold a feed's stream to its end, from its checkpoint if there is one; a new feed gives an empty view."""
    saved = load_checkpoint(source, feed, VIEW_SCHEMA, FeedView)
    view, sequence = (FeedView(feed), 0) if saved is None else saved
    for each in source.read(feed, after_sequence=sequence):
        event: Any = each.event
        view = apply_feed(view, event, each.sequence, each.at_ms)
    return view


def load_checkpoint(source: Source, stream: str, schema: str, kind: type[T]) -> tuple[T, int] | None:
    """Give the state that the stream's checkpoint holds and the sequence it stands at, if it can be used."""
    saved = source.checkpoint(stream, schema)
    if saved is None:
        return None
    try:
        return msgspec.json.decode(saved.body, type=kind), saved.sequence
    except (msgspec.MsgspecError, ValueError):
        return None
