"""A world: the bots of one market, its feed and its clock.

Owns what every market has in common: seats, commands, how bots are taken up and laid down. When things happen is the
affair of its two kinds: markets that wait for the bot (`engine.runtime.waiting_world`) and real ones
(`engine.runtime.live_world`). Nothing here decides anything.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from engine.core.decider.commands import is_already_so
from engine.core.errors import UsageError
from engine.core.events import BotEvent, CommandReceived, FeedAttached, FeedDetached
from engine.exchanges.port import Gateway
from engine.runtime.bot import Bot
from engine.runtime.checkpoints import save_checkpoints
from engine.runtime.clock import RealTime
from engine.runtime.feed_stream import FeedStream
from engine.runtime.journal import Journal, Owner
from engine.runtime.projection_writer import ProjectionWriter
from engine.runtime.sessions import session_started, session_stopped
from engine.store.port import Batch

CHECKPOINT_PRICES: Final = 500
"""So many prices at most are folded again after a crash."""


class Clock(Protocol):
    """Whatever says what time it is for the bots of a world."""

    @property
    def now_ms(self) -> int:
        """Give the time in epoch milliseconds; it never goes back."""
        ...


class Carrier(Protocol):
    """Whoever carries out what a bot owes its gateway."""

    async def settle(self, bot: Bot, now_ms: int) -> None:
        """Carry out, or begin to carry out, everything owed now."""
        ...


class Seat(msgspec.Struct, frozen=True):
    """A bot with its account and the one who carries out its orders."""

    bot: Bot
    gateway: Gateway
    executor: Carrier


class Command(msgspec.Struct, frozen=True):
    """An operator's wish for some bots, and the future that is done when it is durable and carried out.

    It tells whether they all were so already.
    """

    name: str
    by: str
    bot_ids: frozenset[str]
    done: "asyncio.Future[bool]"


class World(ABC):
    """Runs the bots of one market."""

    def __init__(
        self, feed: FeedStream, clock: Clock, journal: Journal, writer: ProjectionWriter, calls: Counter[str]
    ) -> None:
        """Take the feed, the clock, the way to the log, the state files and the call counters."""
        self.feed: Final = feed
        self.clock: Final = clock
        self.calls: Final = calls
        self.seats: Final[list[Seat]] = []
        self.wake: Final = asyncio.Event()
        self.prices = 0
        self._journal: Final = journal
        self._writer: Final = writer
        self._commands: Final[list[Command]] = []
        self._stop: tuple[str, str] | None = None
        self._ended = False

    @abstractmethod
    async def run(self, real_time: RealTime, speed: float | None, until_ms: int | None) -> str:
        """Start, trade until stopped, until `until_ms`, or until the market ends; give the reason."""

    @property
    @abstractmethod
    def holes(self) -> tuple[tuple[int, int], ...]:
        """Give the times (from, to) for which a recording has nothing; a real market has none to tell."""

    @property
    def bots(self) -> list[Bot]:
        """Give the bots in the order of their seats, in which they act."""
        return [seat.bot for seat in self.seats]

    def stop(self, reason: str, by: str) -> None:
        """Ask for an orderly end, from any wait; `by` says who asked."""
        self._stop = self._stop or (reason, by)
        self.wake.set()

    def submit(self, command: Command) -> None:
        """Queue a command; it is carried out before time goes on.

        Raises:
            UsageError: this world has ended.
        """
        if self._ended:
            raise UsageError("this bot's market has come to its end")
        self._commands.append(command)
        self.wake.set()

    async def _settle(self, seat: Seat) -> None:
        """Carry out what follows from a command."""
        await seat.executor.settle(seat.bot, self.clock.now_ms)

    async def _record(self, bot: Bot, events: Sequence[BotEvent]) -> int | None:
        """Record observations of a bot, with what follows from each; give the position reached, if it is durable."""
        if not events:
            return None
        return await self._journal.commit([(bot, bot.observe(events, self.clock.now_ms, self.feed.view))])

    async def _see(self, priced: Batch, at_ms: int) -> None:
        """Record a price that the feed has taken in and, behind it in the same group, what each bot makes of it."""
        self.prices += 1
        group: list[tuple[Owner, Batch]] = [(self.feed, priced)]
        view = self.feed.view
        assert view.price is not None, view
        for bot in self.bots:
            batch = bot.see(view.price, at_ms, view)
            if batch is not None:
                group.append((bot, batch))
        await self._journal.commit(group)
        if self.prices % CHECKPOINT_PRICES == 0:
            save_checkpoints(self._journal.store, self.feed, self.bots)

    async def _obey(self) -> None:
        """Carry out the commands that came in, each against the state it is appended to."""
        while self._commands:
            command = self._commands.pop(0)
            meant = [seat for seat in self.seats if seat.bot.state.bot_id in command.bot_ids]
            already = all(is_already_so(seat.bot.state, command.name) for seat in meant)
            await self._command(meant, command.name, command.by)
            await self._writer.save_due(self.bots, self.feed.durable[0], self.clock.now_ms)
            self._answer(command, meant, already=already)

    def _answer(self, command: Command, seats: Sequence[Seat], *, already: bool) -> None:
        """Tell whoever asked that the command is durable and carried out."""
        del seats
        if not command.done.done():
            command.done.set_result(already)

    async def _command(self, seats: Sequence[Seat], name: str, by: str) -> None:
        """Record a command for some bots, durable for all at once, and carry out what follows."""
        view, now_ms = self.feed.view, self.clock.now_ms
        event = CommandReceived(name, by, seen=view.price_sequence, seen_ms=view.price_ms)
        await self._journal.commit([(seat.bot, seat.bot.observe([event], now_ms, view)) for seat in seats])
        for seat in seats:
            await self._settle(seat)

    async def _take_up(self, first: Sequence[tuple[Seat, Sequence[BotEvent]]]) -> None:
        """Begin a session for every bot: who decides, which feed it listens to from where, and what else was seen."""
        self._writer.notice(self.bots, self.feed.view)
        view = self.feed.view
        attached = FeedAttached(view.feed, view.sequence, view.price_ms)
        group: list[tuple[Owner, Batch]] = []
        for seat, events in first:
            begun: list[BotEvent] = [session_started(seat.bot), attached, *events]
            group.append((seat.bot, seat.bot.observe(begun, self.clock.now_ms, view)))
        await self._journal.commit(group)

    async def _lay_down(self, reason: str) -> None:
        """End the session of every bot in order, and save its state."""
        view, now_ms = self.feed.view, self.clock.now_ms
        feeds = {view.feed: self._journal.store.head(view.feed)}
        group: list[tuple[Owner, Batch]] = []
        for bot in self.bots:
            group.append((bot, bot.observe([FeedDetached(view.feed, view.sequence, view.price_ms)], now_ms, view)))
            group.append((bot, bot.observe([session_stopped(bot, reason, feeds)], now_ms, view)))
        await self._journal.commit(group)
        await self._journal.store.flush()
        save_checkpoints(self._journal.store, self.feed, self.bots)
        await self._writer.save_all(self.bots, self.feed.durable[0])
        self._ended = True
        for command in self._commands:
            command.done.set_exception(UsageError("the engine ended before the command was carried out"))
