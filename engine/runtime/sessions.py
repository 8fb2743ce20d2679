"""How a session begins and ends in the log: versions and digests."""

from collections.abc import Mapping

from engine import __version__
from engine.core.events import FeedDetached, SessionStarted, SessionStopped
from engine.core.identity import bot_stream
from engine.core.state import BotState
from engine.runtime.bot import Bot
from engine.runtime.replica import restore_bot, restore_view
from engine.runtime.schema import STATE_SCHEMA, decision_version, state_digest
from engine.store.port import Batch, Entry, Head, Store


def session_started(bot: Bot) -> SessionStarted:
    """Say which rules are going to decide."""
    return SessionStarted(__version__, bot.strategy.name, decision_version(bot.strategy))


def session_stopped(bot: Bot, reason: str, feeds: Mapping[str, Head]) -> SessionStopped:
    """Say what the bot knew at the end, and where its feeds stood."""
    ends = {name: (head.sequence, head.checksum.hex()) for name, head in feeds.items()}
    return SessionStopped(reason, state_digest(bot.state), STATE_SCHEMA, ends)


async def detach_the_dead(store: Store, known: dict[str, tuple[BotState, Head]]) -> None:
    """Record, for every bot that a dead process left listening, that it stopped listening.

    The state directory is ours alone, so nobody else listens; without this, replay would show a bot prices that came
    while it was not running.
    """
    for bot_id, (state, head) in known.items():
        if not state.attached or state.feed is None:
            continue
        view = restore_view(store, state.feed)
        event = FeedDetached(state.feed, view.sequence, view.price_ms)
        batch = Batch(bot_stream(bot_id), head.sequence, (Entry(event, head.at_ms),))
        await store.append([batch], urgent=True)
        known[bot_id] = restore_bot(store, bot_id)
