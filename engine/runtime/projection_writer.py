"""Writes the state files: atomically, at the five moments the specification names.

After a purchase, after a sale, after an outage reset trails, every `save_interval`, and on stop. A file is never read
back: it can be lost at any time and is written again from the log. So a failed write is told, and trading goes on.
Source: specification, "When State is Saved"; decisions 11 and 12.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.core.events import OutageDeclared, PurchaseRecorded, SaleRecorded
from engine.core.feed_view import FeedView
from engine.core.projection import encode_state_file, has_state_file, state_file_name
from engine.core.state import BotState
from engine.runtime.bot import Bot
from engine.runtime.journal import Published
from engine.runtime.replica import state_file_of
from engine.store.directory import read_regular
from engine.store.port import Head

Say = Callable[[str, str, bool], None]
"""Tell a line about the program: for which bot id, the text, and whether it is routine."""

SAVED: Final = "State saved"
SAVED_AFTER: Final = {
    PurchaseRecorded: "State saved after purchase",
    SaleRecorded: "State saved after sell",
    OutageDeclared: "State saved after resetting trailing state",
}


def state_file_bytes(state: BotState, view: FeedView | None, head: Head) -> bytes:
    """Give the content of the state file at a head of the bot's stream."""
    return encode_state_file(state_file_of(state, view, head))


class ProjectionWriter:
    """Keeps the state files of one world up to date."""

    def __init__(self, directory: Path, say: Say, intervals_ms: Mapping[str, int], now_ms: int) -> None:
        """Take the directory, the way to tell, and the interval of each stream that is saved from time to time."""
        self._directory: Final = directory
        self._say: Final = say
        self._intervals_ms: Final = intervals_ms
        self._due: Final[dict[str, str]] = {}
        self._next_ms: Final = {stream: now_ms + interval_ms for stream, interval_ms in intervals_ms.items()}
        self.next_save_ms = min(self._next_ms.values(), default=None)
        """When the next periodic save is owed, if any is."""

    def notice(self, bots: Iterable[Bot], view: FeedView) -> None:
        """Tell of state files that are not what the log gives, before they are written again."""
        for bot in bots:
            state, head = bot.durable
            path = self._directory / state_file_name(state.bot_id)
            found = read_file(path) if has_state_file(state) else None
            if found is not None and not _could_be(found, state_file_bytes(state, view, head)):
                self._say(state.bot_id, f"{path} is not what the log gives; it is written again from the log", False)  # noqa: FBT003

    def listen(self, published: Published) -> None:
        """Note that an event asks for a save."""
        text = SAVED_AFTER.get(type(published.event))
        if text is not None:
            self._due[published.stream] = text

    async def save_due(self, bots: Iterable[Bot], view: FeedView, now_ms: int) -> None:
        """Save the bots whose events asked for it, and those whose interval is over."""
        if not self._due and (self.next_save_ms is None or now_ms < self.next_save_ms):
            return
        for bot in bots:
            text = self._due.pop(bot.stream, None)
            is_over = bot.stream in self._next_ms and now_ms >= self._next_ms[bot.stream]
            if is_over:
                self._next_ms[bot.stream] = now_ms + self._intervals_ms[bot.stream]
            if text is not None or is_over:
                await self._save(bot, view, text, synced=text is not None)
        self.next_save_ms = min(self._next_ms.values(), default=None)

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
            if synced:  # the disk may take its time, and the loop must not
                await asyncio.to_thread(replace_file, path, content, synced=True)
            else:
                replace_file(path, content, synced=False)
        except OSError as error:
            self._say(state.bot_id, f"State could not be saved to {path} ({error.strerror}); the log holds it", False)  # noqa: FBT003
        else:
            self._say(state.bot_id, text or f"{SAVED} to {path}", not synced)


def read_file(path: Path) -> bytes | None:
    """Give the content of a file, or None if there is none to be read."""
    try:
        return read_regular(path)
    except OSError:
        return None


def _could_be(found: bytes, expected: bytes) -> bool:
    """Tell whether a state file may be an earlier one or the one expected; the last price is the feed's affair."""
    try:
        old, new = (msgspec.json.decode(content, type=dict[str, Any]) for content in (found, expected))
        for content in (old, new):
            del content["stats"]["last_price"]
        return bool(old == new if old["log"] == new["log"] else old["log"]["sequence"] < new["log"]["sequence"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return False


def replace_file(path: Path, content: bytes, *, synced: bool) -> None:
    """Put new content in the place of a file in one step, readable by the owner only.

    Whatever stands under the temporary name is removed, never opened: it could be a link, a pipe, or open to others.
    `synced` makes the content reach the disk before the name does; a periodic save does without, since the log is the
    truth and the file is rewritten at every start.
    """
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        if synced:
            os.fsync(file.fileno())
    temporary.replace(path)
