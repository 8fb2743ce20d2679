"""Recovery as one act: a sound log, the exchange's own account of what is missing, and an operator's yes.

Owns the order of it, and that no bot trades before the end. Killed at any moment it can be begun again. Who is asked,
what time it is and who says yes are passed in. Source: decision 12; docs/adr/0019-recovery.md.
"""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from engine.core.config import BotConfig
from engine.core.config_rules import forbidden_change
from engine.core.errors import ConfigError, EngineError
from engine.core.events import OrderAdopted, OrderFilled, RecoveryConfirmed, RecoveryStarted
from engine.core.instants import DAY_MS
from engine.core.reducers import apply
from engine.core.state import BotState, Order
from engine.core.units import ZERO
from engine.runtime.bot import Bot
from engine.runtime.clock import EngineClock
from engine.runtime.feed_stream import FeedStream
from engine.runtime.journal import Journal
from engine.runtime.markets import feed_of, is_real
from engine.runtime.projection_writer import SAVED, ProjectionWriter
from engine.runtime.recovery_exchange import Adoption, Exchange, Taken
from engine.runtime.recovery_log import MARGIN, Start, begin, mend
from engine.runtime.recovery_report import Adopted, BotReport, Mend, Report
from engine.runtime.replica import bot_ids, known_bot, restore_bot, restore_view
from engine.store.backup import BACKUPS_NAME, backup_folder
from engine.store.folders import folders
from engine.store.medium import SYSTEM, Medium
from engine.store.port import Store
from engine.store.reader import LogReader
from engine.store.rebuild import QUARANTINE_NAME
from engine.store.sqlite import SqliteLog

HALTED_BACK_MS: Final = 7 * DAY_MS
"""A bot that halted on orders it does not know looks so far back for them."""

TOLD_MOST: Final = 50
TOLD_LENGTH: Final = 200
"""So much of what was not matched goes into the log."""


YOUNG_MS: Final = DAY_MS
"""For so long after a log was last written, the clocks' word that its orders are settled is not enough."""


def _show_nobody(_mend: Mend) -> None:
    """Leave a mend to the report."""


class Help(msgspec.Struct, frozen=True):
    """Whom a recovery asks, for a live bot's exchange and for a yes to the report, and whom it tells of waits.

    `mended` is shown at once how the log was made anew: what comes then may fail. `configs` are those that bots are to
    be asked for under, where not that of the log.
    """

    exchange: Callable[[BotConfig], Exchange]
    confirm: Callable[[Report], bool]
    tell: Callable[[str], None]
    by: str
    mended: Callable[[Mend], None] = _show_nobody
    configs: dict[str, BotConfig] = {}


async def recover(
    directory: Path,
    bot_id: str | None,
    backup: Path | None,
    *,
    clock: EngineClock,
    help_: Help,
    medium: Medium = SYSTEM,
) -> Report:
    """Recover the log of a state directory, and one of its bots or all.

    Gives a report that says whether the operator confirmed; without that, bots stay as they are and send nothing.

    Raises EngineError: the directory is in use or not ours, nothing is left to recover, an exchange does not answer.
    """
    if bot_id is not None:
        _require_bot(directory, bot_id, backup)
    mended = await mend(directory, backup, clock.now_ms, clock.real_time.sleep, medium)
    if mended is not None:
        help_.mended(mended)
    if not _awaits_recovery(directory, bot_id):
        return Report(mended, ())
    log = await SqliteLog.open(directory, linger=clock.real_time.sleep, medium=medium)
    try:
        waiting = await _waiting(log, bot_id, clock, help_.configs)
        feeds: dict[str, FeedStream] = {}
        works = [_Work(log, each, feeds) for each in waiting]
        for work in works:
            await work.take_over(clock, help_)
        report = Report(mended, tuple(work.report(_others_hold(log, work, works)) for work in works))
        if works and help_.confirm(report):
            for work in works:
                await work.confirm(directory, clock, help_)
            report = msgspec.structs.replace(report, confirmed=True)
        return report
    finally:
        await log.close()


def _require_bot(directory: Path, bot_id: str, backup: Path | None) -> None:
    """Refuse a bot that is neither in a log which can be read nor in a copy of it, before anything is changed."""
    try:
        with LogReader.open(directory) as reader:
            if bot_id in bot_ids(reader):
                return
    except EngineError:
        return  # it says more when it is mended
    copies = [*folders(directory / BACKUPS_NAME), *folders(directory / QUARANTINE_NAME)]
    copies += [] if backup is None else [backup_folder(backup)]
    if not any(_holds(copy, bot_id) for copy in copies):
        with LogReader.open(directory) as reader:
            known_bot(reader, bot_id)


def _holds(copy: Path, bot_id: str) -> bool:
    """Tell whether a copy of a log holds a bot, or cannot say."""
    try:
        with LogReader.open(copy) as reader:
            return bot_id in bot_ids(reader)
    except EngineError:
        return True


def _others_hold(log: Store, work: "_Work", works: "list[_Work]") -> Decimal:
    """Give the base that a bot's account holds for other bots of the log: nobody asked what became of the others."""
    mine = work.bot.state
    asked = {each.bot.state.bot_id: each.bot.state for each in works}
    others = [restore_bot(log, name)[0] for name in bot_ids(log) if name not in asked]
    held = [(state, _held(state)) for state in asked.values()] + [(state, state.certain) for state in others]
    return sum((base for state, base in held if state.bot_id != mine.bot_id and _share(state, mine)), ZERO)


def _share(one: BotState, other: BotState) -> bool:
    """Tell whether two bots hold the same base at the same account."""
    return one.account is not None and (one.account, one.config.base) == (other.account, other.config.base)


def _awaits_recovery(directory: Path, bot_id: str | None) -> bool:
    """Tell, changing nothing, whether a bot of a sound log waits for a recovery, or halted on orders of its own."""
    with LogReader.open(directory) as reader:
        names = bot_ids(reader) if bot_id is None else (known_bot(reader, bot_id),)
        states = [restore_bot(reader, name)[0] for name in names]
    return any(state.recovery is not None or state.halted is not None for state in states)


async def _waiting(log: Store, bot_id: str | None, clock: EngineClock, configs: dict[str, BotConfig]) -> list[str]:
    """Name the bots that wait for a recovery; those that halted on orders of their own begin one now.

    Raises ConfigError: a bot may not go on under the configuration that was named for it.
    """
    known = {name: restore_bot(log, name) for name in bot_ids(log)}
    for name, (state, _) in known.items():
        refusal = forbidden_change(state, configs[name]) if name in configs else None
        if refusal is not None:
            raise ConfigError(f"{name}: {refusal}")
    clock.not_before(max((head.at_ms for state, head in known.values() if is_real(state.config.exchange)), default=0))
    for name, (state, head) in known.items():
        if state.halted is not None and state.recovery is None and bot_id in {None, name}:
            position = sum(log.head(stream).sequence for stream in log.streams())
            since_ms = clock.now_ms - HALTED_BACK_MS
            start = Start(f"an operator had to decide about {state.halted}", position, head.at_ms, position, since_ms)
            await begin(log, start, clock.now_ms, {name})
            known[name] = restore_bot(log, name)
    return [name for name, (state, _) in known.items() if state.recovery is not None and bot_id in {None, name}]


class _Since(NamedTuple):
    """The base when a recovery began, how it began, and the orders adopted and trades booked since."""

    held: Decimal
    started: RecoveryStarted | None
    adopted: tuple[str, ...]
    trades: int


class _Work:
    """One bot's recovery under way."""

    def __init__(self, log: Store, bot_id: str, feeds: dict[str, FeedStream]) -> None:
        """Take up a bot. `feeds` are those of all bots: two of one market write to one stream."""
        self.bot = Bot(*restore_bot(log, bot_id))
        state = self.bot.state
        assert state.recovery is not None, "only a recovering bot is recovered"
        name = state.feed or feed_of(state.config)
        self.feed: Final = feeds.setdefault(name, FeedStream(restore_view(log, name)))
        self.journal: Final = Journal(log, ())
        self._first_number: Final = state.skipped[-1][1] if state.skipped else state.order_number
        self._taken: Taken | None = None

    async def take_over(self, clock: EngineClock, help_: Help) -> None:
        """Ask the exchange of a live bot; a paper bot's account is in its log."""
        state = self.bot.state
        if state.config.paper_trading:
            return
        exchange = help_.exchange(help_.configs.get(state.bot_id, state.config))
        adoption = Adoption(self.bot, self.feed, self.journal, exchange, lambda: self._now_ms(clock))
        await adoption.identify()
        await _quiet(state, exchange, clock, help_.tell)
        self._taken = await adoption.take_over()

    def report(self, others_hold: Decimal) -> BotReport:
        """Say what was found and booked since this recovery began, also by an earlier look."""
        state, taken, since = self.bot.state, self._taken, self._since_start()
        assert state.recovery is not None
        assert since.started is not None
        orders = (state.order(name) for name in since.adopted)
        return BotReport(
            bot_id=state.bot_id,
            config=state.config,
            reason=state.recovery.reason,
            kept_ms=state.recovery.kept_ms,
            kept=since.started.kept_position,
            witness=since.started.witness_position,
            held_before=since.held,
            held_after=_held(state),
            others_hold=others_hold,
            open_lots=len(state.lots),
            adopted=tuple(_adopted(order) for order in orders if order is not None),
            trades=since.trades,
            balance=None if taken is None else taken.balance,
            unmatched=() if taken is None else taken.unmatched,
        )

    async def confirm(self, directory: Path, clock: EngineClock, help_: Help) -> None:
        """Record the operator's yes, and show the state in its file."""
        taken, since = self._taken, self._since_start()
        highest = max((0 if taken is None else taken.highest, *self.bot.state.adopted))
        event = RecoveryConfirmed(
            by=help_.by,
            order_number=highest + MARGIN if highest >= self._first_number else 0,
            adopted=len(since.adopted),
            trades=since.trades,
            unmatched=() if taken is None else tuple(each[:TOLD_LENGTH] for each in taken.unmatched[:TOLD_MOST]),
            accepted=() if taken is None else taken.left,
        )
        now_ms = self._now_ms(clock)
        await self.journal.commit([(self.bot, self.bot.observe([event], now_ms, self.feed.view))])
        writer = ProjectionWriter(directory, lambda _bot, text, _routine: _tell_failure(text, help_), {}, now_ms)
        await writer.save_all([self.bot], self.feed.view)

    def _since_start(self) -> "_Since":
        """Read in the log how the bot stood when its recovery began, and what has been booked since."""
        state: BotState | None = None
        since = _Since(ZERO, None, (), 0)
        for each in self.journal.store.read(self.bot.stream):
            event: Any = each.event
            if isinstance(event, RecoveryStarted) and state is not None and state.recovery is None:
                since = _Since(_held(state), event, (), 0)
            elif isinstance(event, OrderAdopted):
                since = since._replace(adopted=(*since.adopted, event.client_order_id))
            elif isinstance(event, OrderFilled):
                since = since._replace(trades=since.trades + 1)
            state = apply(state, event, each.at_ms)
        return since

    def _now_ms(self, clock: EngineClock) -> int:
        """Give the time to record: a market that waits for its bots has stood still."""
        state, head = self.bot.durable
        return max(clock.now_ms, head.at_ms) if is_real(state.config.exchange) else head.at_ms


def _tell_failure(text: str, help_: Help) -> None:
    """Tell that a state file could not be saved; that it was is no news here."""
    if not text.startswith(SAVED):
        help_.tell(text)


async def _quiet(state: BotState, exchange: Exchange, clock: EngineClock, tell: Callable[[str], None]) -> None:
    """Wait until an order that left at the last moment can no longer appear: only then absence proves anything.

    A file's age is only as true as the wall clock, which may have leapt since. So where an order may be under way, the
    wait is counted by what went by here as well.
    """
    assert state.recovery is not None
    account = exchange.desk.account
    since_ms = state.recovery.written_ms
    youngest_ms = min(clock.now_ms, clock.now_ms + clock.wall_ahead_ms) - since_ms
    if state.orders or youngest_ms < YOUNG_MS:
        since_ms = max(since_ms, clock.steady_since_ms)
    until_ms = since_ms + account.valid_ms + account.grace_ms
    if clock.now_ms <= until_ms:
        wait_s = (until_ms - clock.now_ms) // 1000 + 1
        tell(f"Waiting {wait_s} s, until an order sent at the very end would show at the exchange")
        await clock.real_time.sleep(wait_s)


def _held(state: BotState) -> Decimal:
    return state.position + state.dust.quantity


def _adopted(order: Order) -> Adopted:
    return Adopted(
        order.client_order_id, order.side, order.quantity, order.filled, order.status, order.limit_price, order.lot
    )
