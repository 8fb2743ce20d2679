"""The first half of a recovery, and all of a restore: from a damaged, short or missing log to a sound one.

Owns which rows are kept and from where, and the state in which every bot is left: nothing is sent before an operator
has confirmed. Asks no exchange. Source: decision 12; docs/adr/0019-recovery.md.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from engine.core.errors import (
    DiskFullError,
    LogDamagedError,
    LogTooNewError,
    OperatorNeededError,
    StorageError,
    UsageError,
)
from engine.core.events import RecoveryStarted
from engine.core.feed_view import FeedView
from engine.core.identity import bot_stream
from engine.core.instants import DAY_MS
from engine.runtime.bot import Bot
from engine.runtime.completion import unfinished
from engine.runtime.markets import is_real
from engine.runtime.recovery_report import Mend
from engine.runtime.replica import BOT_PREFIX, bot_ids, restore_bot, restore_view
from engine.runtime.sessions import detach_the_dead
from engine.store.backup import BACKUPS_NAME, backup_folder
from engine.store.directory import StateDirectory
from engine.store.folders import folders, remove_unfinished
from engine.store.medium import SYSTEM, Medium
from engine.store.port import Batch, Store
from engine.store.reader import LogReader
from engine.store.rebuild import (
    QUARANTINE_NAME,
    WORK_NAME,
    install,
    note_quarantine,
    noted_quarantine,
    quarantine,
    resume,
    work_folder,
    working,
    write_log,
)
from engine.store.salvage import Prefix, remove_scratch, salvage
from engine.store.schema import LOG_NAME, WAL_NAME, WITNESS_NAME
from engine.store.sqlite import SqliteLog
from engine.store.verification import require_sound
from engine.store.witness import Mark, compare, read_witness

MARGIN: Final = 1_000_000
"""Order numbers leave out so many where a clock is behind them; see `next_number`."""

Sleep = Callable[[float], Awaitable[None]]


class Start(msgspec.Struct, frozen=True):
    """What is recorded of a recovery's beginning, the same for every bot of the log.

    `kept_ms` is set where the bot's last event is not what the exchange is to be asked from.
    """

    reason: str
    kept: int
    written_ms: int
    witness: int | None = None
    kept_ms: int | None = None


def next_number(order_number: int, now_ms: int) -> int:
    """Give the order number after which a recovered log goes on.

    Nobody knows which numbers the lost end used, nor whether an earlier recovery was lost with it. The seconds since
    1970 are beyond any that an engine can have used, also after earlier recoveries, as long as it places less than one
    order a second over its life; and recoveries of one beginning in different seconds give different numbers. Where a
    clock is behind the numbers they go on behind a margin, and the seconds beyond full millions keep two recoveries of
    one beginning apart, but for every 11.6 days. Ids stay decodable: they hold 34 thousand million numbers.
    """
    seconds = now_ms // 1000
    return seconds if seconds > order_number else order_number + MARGIN + seconds % MARGIN


def ailment(directory: Path) -> str | None:
    """Say what is wrong with the log of a state directory, None if an engine may go on with it.

    Raises UsageError if there is no log and no trace of one, LogTooNewError if a newer program wrote it.
    """
    try:
        with LogReader.open(directory) as reader:
            require_sound(reader)
            witness = directory / WITNESS_NAME
            compare(read_witness(witness), reader.position(), reader.checksum_at, witness)
    except LogTooNewError:
        raise
    except LogDamagedError as error:
        return str(error)
    return None


async def mend(directory: Path, backup: Path | None, now_ms: int, sleep: Sleep, medium: Medium = SYSTEM) -> Mend | None:
    """Make a damaged log anew from its longest sound beginning, or a backup's; None if it is sound.

    Where there is no log at all, as on a new disk, a backup that was named begins one.

    Everything that was there is in the quarantine first; an interruption at any moment leaves a directory that engines
    refuse and that can be mended again.

    Raises DirectoryInUseError; UsageError if there is neither a log, nor a trace of one, nor a backup named;
    OperatorNeededError if nothing of any bot is left anywhere; ConfigError if what was named is no backup.
    """
    held = _taken(directory, backup)
    try:
        resume(directory)
        _remove_leftovers(directory, now_ms)
        if _is_ailing(directory, backup):
            return await _mend(directory, backup, now_ms, sleep, medium)
        remove_scratch(directory / WORK_NAME)  # of a recovery that was interrupted at its very end
        return None
    finally:
        held.release()


def _is_ailing(directory: Path, backup: Path | None) -> bool:
    """Tell whether the log must be made anew: also where there is none, if a backup was named to begin it from."""
    try:
        return ailment(directory) is not None
    except UsageError:
        if backup is None:
            raise
        return True


def _taken(directory: Path, backup: Path | None) -> StateDirectory:
    """Hold a state directory, which must be there unless a backup begins it."""
    if backup is not None and not directory.exists():
        backup_folder(backup)  # it must be one before a folder is made for it
    elif not directory.is_dir():
        raise UsageError(f"{directory} holds no log: name the state directory of a bot with --state-dir")
    return StateDirectory.take(directory)


async def _mend(directory: Path, backup: Path | None, now_ms: int, sleep: Sleep, medium: Medium) -> Mend:
    mark, written_ms = _witness_of(directory), _written_ms(directory, now_ms)
    with working(directory) as work:
        own = salvage(directory, work / "log")
        named = None if backup is None else backup_folder(backup)
        best = _longest(own, _copies(directory, named, work), mark)
        if not _has_bots(best):
            raise OperatorNeededError(
                f"nothing of the log in {directory} is left, nor a backup of it in {directory / BACKUPS_NAME}: name "
                "one with --backup, or sell by hand what the bot had bought and begin a new bot under another bot_id "
                "in another state directory (docs/operations.md, Recovery)"
            )
        start = Start(_reason(own, mark), best.position, written_ms, None if mark is None else mark.position)
        kept = await _replace(best, directory, work, start, now_ms, sleep, medium)
    lost = None if mark is None else max(mark.position - best.position, 0)
    return Mend(start.reason, best.position, lost, best.source, best is not own, kept)


async def restore(directory: Path, backup: Path, now_ms: int, sleep: Sleep) -> Mend:
    """Make a backup the log of a state directory; what stood there is in the quarantine first.

    Raises DirectoryInUseError; LogDamagedError for a backup that is not sound; OperatorNeededError if the directory
    shows that the log had come further, or was another one; UsageError if it holds just what the backup holds.
    """
    folder = backup_folder(backup)
    held = StateDirectory.take(directory)
    try:
        resume(directory)
        _remove_leftovers(directory, now_ms)
        mark = _witness_of(directory)
        with working(directory) as work:
            found, own = _whole(folder, work, directory), salvage(directory, work / "log")
            _require_longer(found, own, mark, directory, backup)
            is_empty = own.position == 0 and mark is None
            written_ms = now_ms if is_empty else _written_ms(directory, now_ms)
            start = Start(f"restored from the backup {folder.name}", found.position, written_ms)
            kept = await _replace(found, directory, work, start, now_ms, sleep)
    finally:
        held.release()
    return Mend(start.reason, found.position, None, folder / LOG_NAME, is_backup=True, quarantine=kept)


async def finish(store: Store) -> None:
    """Decide to its end what each bot was deciding when its log broke off."""
    for bot_id in bot_ids(store):
        rest = unfinished(store, bot_id)
        if rest:
            stream = bot_stream(bot_id)
            await store.append([Batch(stream, store.head(stream).sequence, rest)], urgent=True)


async def begin(store: Store, start: Start, now_ms: int, bots: Iterable[str]) -> None:
    """Leave bots in recovery: nothing is sent, and order numbers go on far beyond all that was used."""
    known = {bot_id: restore_bot(store, bot_id) for bot_id in bots}
    kept = {bot_id: head for bot_id, (_, head) in known.items()}
    await detach_the_dead(store, known)
    for bot_id, (state, head) in known.items():
        event = RecoveryStarted(
            reason=start.reason,
            kept_position=start.kept,
            kept_sequence=kept[bot_id].sequence,
            kept_ms=kept[bot_id].at_ms if start.kept_ms is None else start.kept_ms,
            order_number=next_number(state.order_number, now_ms),
            written_ms=start.written_ms,
            witness_position=start.witness,
        )
        at_ms = max(now_ms, head.at_ms) if is_real(state.config.exchange) else head.at_ms
        view = FeedView("") if state.feed is None else restore_view(store, state.feed)
        await store.append([Bot(state, head).observe([event], at_ms, view)], urgent=True)


async def _replace(
    best: Prefix, directory: Path, work: Path, start: Start, now_ms: int, sleep: Sleep, medium: Medium = SYSTEM
) -> Path | None:
    """Make the new log in the work folder, and put it in the place of the old; give the quarantine of the old."""
    folder = work_folder(work)
    write_log(best, folder)
    log = await SqliteLog.open(folder, linger=sleep, medium=medium)
    try:
        await finish(log)
        await begin(log, start, now_ms, bot_ids(log))
    finally:
        await log.close()
    kept = quarantine(directory, start.reason, now_ms)
    note_quarantine(work, kept)
    install(folder, directory)
    return kept


def _remove_leftovers(directory: Path, now_ms: int) -> None:
    """Remove copies that were cut short: quarantines are made under the lock alone, which we hold."""
    remove_unfinished(directory / QUARANTINE_NAME)
    remove_unfinished(directory / BACKUPS_NAME, now_ms - DAY_MS)


def _copies(directory: Path, named: Path | None, work: Path) -> list[Prefix]:
    """Read what may hold more of the log: the backup that was named, then the backups and quarantines, newest first."""
    others = folders(directory / BACKUPS_NAME) + folders(directory / QUARANTINE_NAME)
    newest = sorted(others, key=lambda folder: folder.name, reverse=True)
    found = []
    for number, folder in enumerate(newest if named is None else [named, *newest]):
        try:
            found.append(salvage(folder, work / str(number)))
        except DiskFullError:
            raise
        except (LogDamagedError, StorageError) as error:
            if folder == named and isinstance(error, StorageError):
                raise
    return found


def _longest(own: Prefix, copies: Sequence[Prefix], mark: Mark | None) -> Prefix:
    """Find the rows that go on behind what the log itself still has.

    Where it has none: those of the copy that holds the row which the witness saw last, else of the newest copy with a
    bot; and then of the longest copy of that same log.
    """
    if mark is not None:
        seen = [(each, each.checksum_at(mark.position)) for each in copies]
        same = [each for each, checksum in seen if checksum == mark.checksum]
        copies = (not own.position and same) or [each for each, checksum in seen if checksum in {None, mark.checksum}]
    best = own
    for found in copies:
        if found.extends(best) if best.position else _has_bots(found):
            best = found
    return best


def _has_bots(prefix: Prefix) -> bool:
    return any(name.startswith(BOT_PREFIX) for name in prefix.streams.values())


def _whole(folder: Path, work: Path, directory: Path) -> Prefix:
    """Read a backup, which must be sound to its end."""
    found, sighting = salvage(folder, work / "backup"), read_witness(folder / WITNESS_NAME)
    if found.fault or not found.position:
        raise LogDamagedError(
            f"{folder} is no sound backup (row {found.position + 1}: {found.fault or 'nothing'}): choose another, or "
            f"take what is sound of it: krypto-engine recover --state-dir {directory} --backup {folder}"
        )
    compare(sighting, found.position, found.checksum_at, folder / WITNESS_NAME)
    return found


def _require_longer(found: Prefix, own: Prefix, mark: Mark | None, directory: Path, backup: Path) -> None:
    """Refuse a backup that does not hold all that a directory shows the log to have held."""
    if (own.position, own.checksum, own.fault) == (found.position, found.checksum, ""):
        raise UsageError(f"{directory} holds all that the backup {backup} holds: there is nothing to restore")
    is_shorter = own.position > found.position or (mark is not None and mark.position > found.position)
    knows_mark = mark is None or found.checksum_at(mark.position) == mark.checksum
    knows_rows = not own.position or found.checksum_at(own.position) == own.checksum
    if is_shorter or not (knows_mark and knows_rows):
        seen = max(own.position, 0 if mark is None else mark.position)
        what = f"ends at row {found.position}, and the log came to row {seen}" if is_shorter else "is of another log"
        raise OperatorNeededError(
            f"the backup {backup} {what}: krypto-engine recover --state-dir {directory} --backup {backup} keeps what "
            "is sound and asks the exchange for the rest"
        )


def _reason(own: Prefix, mark: Mark | None) -> str:
    """Say in a few words why a log was recovered."""
    if own.fault:
        return f"row {own.position + 1} of the log is not sound: {own.fault}" if own.position else own.fault
    if mark is None:
        return "the file or its witness was damaged"
    if mark.position > own.position:
        return f"rows {own.position + 1} to {mark.position} of the log are gone"
    if own.checksum_at(mark.position) != mark.checksum:
        return f"row {mark.position} of the log is not the one that its witness saw"
    return "the file was damaged beside its rows"


def _witness_of(directory: Path) -> Mark | None:
    """Give how far the log is known to have come; a recovery that was interrupted may have changed the witness."""
    places = (directory, noted_quarantine(directory))
    marks = [read_witness(place / WITNESS_NAME).mark for place in places if place is not None]
    return max(
        (mark for mark in marks if mark is not None and mark.position), key=lambda mark: mark.position, default=None
    )


def _written_ms(directory: Path, now_ms: int) -> int:
    """Say when the log's files last changed: an order is written down before it leaves, so none left much later.

    An empty WAL is a reader's.
    """
    found = [path.stat() for name in (LOG_NAME, WAL_NAME, WITNESS_NAME) if (path := directory / name).is_file()]
    changed = [each.st_mtime_ns // 1_000_000 for each in found if each.st_size]
    return min(max(changed, default=now_ms), now_ms)
