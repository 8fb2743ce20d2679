"""How a session begins and ends in the log: versions and digests."""

from collections.abc import Mapping

from engine import __version__
from engine.core.events import SessionStarted, SessionStopped
from engine.runtime.bot import Bot
from engine.runtime.schema import STATE_SCHEMA, decision_version, state_digest
from engine.store.port import Head


def session_started(bot: Bot) -> SessionStarted:
    """Say which rules are going to decide."""
    return SessionStarted(__version__, bot.strategy.name, decision_version(bot.strategy))


def session_stopped(bot: Bot, reason: str, feeds: Mapping[str, Head]) -> SessionStopped:
    """Say what the bot knew at the end, and where its feeds stood."""
    ends = {name: (head.sequence, head.checksum.hex()) for name, head in feeds.items()}
    return SessionStopped(reason, state_digest(bot.state), STATE_SCHEMA, ends)
