"""Checkpoints: folded states left in the log's file, so that a start need not fold from the beginning.

Disposable: a missing one costs time, one of another shape is ignored, and `replay --verify` compares it with the fold.
"""

from collections.abc import Iterable

import msgspec

from engine.runtime.bot import Bot
from engine.runtime.feed_stream import FeedStream
from engine.runtime.schema import STATE_SCHEMA, VIEW_SCHEMA
from engine.store.port import Checkpoint, Store


def save_checkpoints(store: Store, feed: FeedStream, bots: Iterable[Bot]) -> None:
    """Leave the durable states of a feed and its bots behind, with the next commit."""
    view, head = feed.durable
    if head.checksum:
        body = msgspec.json.encode(view)
        store.save_checkpoint(Checkpoint(view.feed, head.sequence, VIEW_SCHEMA, head.checksum, body))
    for bot in bots:
        state, head = bot.durable
        body = msgspec.json.encode(state)
        store.save_checkpoint(Checkpoint(bot.stream, head.sequence, STATE_SCHEMA, head.checksum, body))
