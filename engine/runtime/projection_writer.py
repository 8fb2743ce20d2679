"""Writes the state files: atomically, at the five moments the specification names.

After a purchase, after a sale, after an outage reset trails, every `save_interval`, and on stop. A file is never read
back: it can be lost at any time and is written again from the log. So a failed write is told, and trading goes on.
Source: specification, "When State is Saved"; decisions 11 and 12.
"""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from engine.core.events import OutageDeclared, PurchaseRecorded, SaleRecorded
from engine.core.feed_view import FeedView
from engine.core.projection import LogFile, encode_state_file, has_state_file, project, state_file_name
from engine.core.state import BotState
from engine.runtime.bot import Bot
from engine.runtime.journal import Published
from engine.store.port import Head

Say = Callable[[str, str, bool], None]
"""Tell a line about the program: for which bot id, the text, and whether it is routine."""

SAVED_AFTER: Final = {
    PurchaseRecorded: "State saved after purchase",
    SaleRecorded: "State saved after sell",
    OutageDeclared: "State saved after resetting trailing state",
}


def state_file_bytes(state: BotState, view: FeedView | None, head: Head) -> bytes:
    """Give the content of the state file at a head of the bot's stream."""
    last_price = None if view is None or view.price is None else view.price.last
    log = LogFile(head.sequence, head.checksum.hex())
    return encode_state_file(project(state, last_price, log, head.at_ms))


class ProjectionWriter:
    """Keeps the state files of one world up to date."""

    def __init__(self, directory: Path, say: Say, save_intervals_ms: Iterable[int]) -> None:
        """Take the directory, the way to tell, and the intervals of the bots that auto-save."""
        self._directory: Final = directory
        self._say: Final = say
        self._interval_ms: Final = min(save_intervals_ms, default=0)
        self._due: Final[dict[str, str]] = {}
        self._last_ms: int | None = None

    @property
    def saves(self) -> bool:
        """Tell whether any bot is saved from time to time."""
        return self._interval_ms > 0

    def listen(self, published: Published) -> None:
        """Note that an event asks for a save."""
        text = SAVED_AFTER.get(type(published.event))
        if text is not None:
            self._due[published.stream] = text

    def next_save_ms(self, now_ms: int) -> int:
        """Say when the next periodic save is owed."""
        return now_ms + self._interval_ms if self._last_ms is None else self._last_ms + self._interval_ms

    async def save_due(self, bots: Iterable[Bot], view: FeedView, now_ms: int) -> None:
        """Save the bots whose events asked for it, and all of them when the interval is over."""
        if self._last_ms is None:
            self._last_ms = now_ms
        periodic = self.saves and now_ms >= self._last_ms + self._interval_ms
        if not periodic and not self._due:
            return
        if periodic:
            self._last_ms = now_ms
        for bot in bots:
            text = self._due.pop(bot.stream, None)
            if text is not None:
                await self._save(bot, view, text, synced=True)
            elif periodic and bot.state.config.auto_save:
                await self._save(bot, view, None, synced=False)

    async def save_all(self, bots: Iterable[Bot], view: FeedView) -> None:
        """Save every bot, durably: at start, to mend a damaged file, and on stop."""
        self._due.clear()
        for bot in bots:
            await self._save(bot, view, None, synced=True)

    async def _save(self, bot: Bot, view: FeedView, text: str | None, *, synced: bool) -> None:
        state, head = bot.durable
        if not has_state_file(state):
            return
        content = state_file_bytes(state, view, head)
        path = self._directory / state_file_name(state.bot_id)
        try:
            await asyncio.to_thread(replace_file, path, content, synced=synced)
        except OSError as error:
            self._say(state.bot_id, f"State could not be saved to {path} ({error.strerror}); the log holds it", False)  # noqa: FBT003
        else:
            self._say(state.bot_id, text or f"State saved to {path}", not synced)


def replace_file(path: Path, content: bytes, *, synced: bool) -> None:
    """Put new content in the place of a file in one step, readable by the owner only.

    `synced` makes the content reach the disk before the name does; a periodic save does without, since the log is the
    truth and the file is rewritten at every start.
    """
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if synced:
            os.fsync(file.fileno())
    temporary.replace(path)
