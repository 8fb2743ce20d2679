"""Disasters of a simulated world: between two lives the log itself is lost, cut, changed or replaced by an older one.

Owns what befalls the files, and the promise about what comes next: an engine that opens all the same holds every order
that was ever durably sent. Worlds without disasters are left alone: they make no choice at any site of theirs but one.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, NamedTuple

from engine.core.errors import EngineError, LogDamagedError, OperatorNeededError, UnreachableError, UsageError
from engine.core.events import OrderAdopted, OrderSent
from engine.core.identity import PREFIX, bot_stream
from engine.runtime.recovery_log import ailment
from engine.runtime.replica import bot_ids, restore_bot
from engine.store.backup import BACKUPS_NAME, back_up
from engine.store.folders import folders
from engine.store.reader import LogReader
from engine.store.rebuild import QUARANTINE_NAME, WORK_NAME
from engine.store.schema import LOCK_NAME, LOG_NAME, SHM_NAME, WAL_NAME, WITNESS_NAME
from engine.testing.simulation.chance import Chance
from engine.testing.simulation.damage import Files, cut, fires_last, flipped, scarred, shortened, tampered
from engine.testing.simulation.disk import write_image
from engine.testing.simulation.recovering import Recovery

Disaster = Literal["wal gone", "older log", "bit flipped", "wal cut", "log cut", "log gone", "row scarred"]
DISASTERS: Final[tuple[Disaster, ...]] = (
    *("wal gone", "older log", "bit flipped", "wal cut", "log cut", "log gone"),
    *("row scarred", "row scarred"),
)

WORLDS_WITH: Final = 0.1
RATE: Final = 0.15
FIRED_RATE: Final = 0.7
"""So often a row is scarred while the last sell is one that a trail has fired and of which nothing came yet."""

NEWER: Final = 0.7
"""So often a log that is cut there is recovered by a newer engine, which leaves it cut."""

BACKUP_RATE: Final = 0.3
MOST_OLDER: Final = 4

_LOG_FILES: Final = (LOG_NAME, WAL_NAME, WITNESS_NAME)
_FOLDERS: Final = (BACKUPS_NAME, QUARANTINE_NAME, SHM_NAME, WORK_NAME)
WAITS_S: Final = (60.0, 60.0, 120.0, 300.0)
REFUSALS: Final = (LogDamagedError, OperatorNeededError)
"""How an engine refuses a log that a disaster has befallen."""

_SEEDS: Final = 1 << 30


class Came(NamedTuple):
    """What came of a run of a recovery: how it ended, what it raised, and how long to wait before the next try."""

    how: str
    told: str | None = None
    wait_s: float = 1.0
    is_the_end: bool = False
    violations: tuple[str, ...] = ()


class Disasters:
    """What befalls the log of one world, and what an engine must then hold.

    `is_struck` tells that something befell the log and no recovery was confirmed since: an engine may refuse it.
    `awaits` tells that one did. Once they `are_over` none befalls a log any more, and no recovery is cut short.
    """

    def __init__(self, chance: Chance, sent: Collection[str]) -> None:
        """Choose whether there are any. `sent` are the orders that any life has durably sent; it grows."""
        self.rate: Final = RATE if chance.happens("swarm/disasters", WORLDS_WITH) else 0.0
        self.is_struck = False
        self.was_recovered = False
        self.awaits = False
        self.are_over = False
        self._chance: Final = chance
        self._sent: Final = sent
        self._owed: set[str] = set()
        self._given_up: Final[set[str]] = set()
        self._older: Final[list[Files]] = []
        self._is_newer = False

    def befall(self, directory: Path, wall_ms: int) -> Disaster | None:
        """Let a disaster befall an image, perhaps; give which. Keeps backups and older images for later ones."""
        if not self.rate:
            return None
        files = {name: (directory / name).read_bytes() for name in _LOG_FILES if (directory / name).exists()}
        struck = None
        if files and not self.are_over and self._chance.happens("life/disaster", self.rate):
            struck = self._chance.choose("disaster/which", DISASTERS)
            self._strike(directory, struck, files)
        elif files and not self.are_over and fires_last(files) and self._chance.happens("disaster/fired", FIRED_RATE):
            struck = "row scarred"
            self._strike(directory, struck, files, fired=True)
            self._is_newer = self._chance.happens("disaster/newer", NEWER)
        elif files and not self.awaits:
            self._older[:] = [*self._older, files][-MOST_OLDER:]
            if self._chance.happens("disaster/backup", BACKUP_RATE):
                with suppress(EngineError):  # a power cut may have left a log that the next engine refuses, too
                    back_up(directory, None, wall_ms)
        for name in _LOG_FILES:
            if (directory / name).exists():
                os.utime(directory / name, ns=(wall_ms * 1_000_000,) * 2)
        return struck

    def missing(self, directory: Path) -> list[str]:
        """Name the orders that were durably sent before the last disaster and that a log does not hold."""
        return sorted(self._owed - self._given_up - held(directory)) if self.is_struck else []

    def recovered(self, directory: Path) -> None:
        """Take note that a recovery was confirmed: what it did not find at the exchange came to nothing there."""
        self._given_up.update(set(self._sent) - held(directory))
        self.is_struck = self.awaits = False
        self.was_recovered = True

    def takes_newer(self) -> bool:
        """Tell whether the operator takes a newer engine now, which is so once."""
        was, self._is_newer = self._is_newer, False
        return was

    def judge(self, recovery: Recovery, directory: Path) -> Came:
        """Say what came of one run of a recovery, and of a world with it."""
        fault, report = recovery.fault, recovery.report
        if report is not None:
            self.recovered(directory)
            has_unmatched = any(bot.unmatched for bot in report.bots)
            return Came("healthy" if report.is_healthy else "unmatched" if has_unmatched else "confirmed")
        if fault is None:
            if is_confirmed(directory):
                self.recovered(directory)
            return Came("cut short")
        told = f"{type(fault).__name__}: {fault}"
        if isinstance(fault, UnreachableError):
            return Came("unreachable", told, wait_s=self._chance.choose("recovery/wait", WAITS_S))
        has_backup = any(bots_of(folder) for folder in folders(directory / BACKUPS_NAME))
        if isinstance(fault, OperatorNeededError) and not has_backup:
            return Came("refused", told, is_the_end=True)
        if isinstance(fault, UsageError) and not self._sent:  # no log, and no order can have left
            self.awaits = any((directory / name).exists() for name in _LOG_FILES)
            return Came("nothing there", told, is_the_end=self.awaits)
        return Came("failed", told, is_the_end=True, violations=(f"recovery: it failed: {told}",))

    def may_refuse(self, directory: Path, bots: Iterable[str]) -> bool:
        """Tell whether an engine must not begin a bot anew: a recovery went on without it."""
        return self.was_recovered and not set(bots) <= set(bots_of(directory))

    def forgotten(self, directory: Path, log_ids: Mapping[str, str]) -> Iterator[str]:
        """Say which bots' logs an engine has forgotten in the end: begun anew, they know nothing of their orders."""
        with LogReader.open(directory) as reader:
            left = {restore_bot(reader, name)[0].log_id for name in bot_ids(reader)}
        for log_id, bot in log_ids.items():
            if self.rate and log_id not in left and any(order.startswith(PREFIX + log_id) for order in self._sent):
                yield f"forgotten: {bot} had the log id {log_id}, and its log was begun anew"

    def _strike(self, directory: Path, kind: Disaster, files: Files, *, fired: bool = False) -> None:
        self.is_struck = True
        self._owed = set(self._sent)
        where = Chance(self._chance.between("disaster/where", 0, _SEEDS))
        match kind:
            case "wal gone":
                after = tampered(files, {}, "wal gone")
            case "older log":
                older = (
                    self._older[self._chance.between("disaster/older", 0, len(self._older) - 1)] if self._older else {}
                )
                after = tampered(files, older, "log and wal older")
            case "bit flipped":
                after = flipped(files, where)
            case "row scarred":
                after = scarred(files, where, fired=fired)
            case "wal cut":
                after = cut(files, where)
            case "log cut":
                after = shortened(files, where)
            case "log gone":
                after = {name: content for name, content in files.items() if name == WITNESS_NAME}
        for name in _LOG_FILES:
            (directory / name).unlink(missing_ok=True)
        write_image(directory, after)


def held(directory: Path) -> set[str]:
    """Name the orders that a log holds as sent, or took over from the exchange; none if it cannot be read."""
    found: set[str] = set()
    with suppress(EngineError), LogReader.open(directory) as reader:
        for bot_id in bot_ids(reader):
            for each in reader.read(bot_stream(bot_id)):
                if isinstance(each.event, OrderSent | OrderAdopted):
                    found.add(each.event.client_order_id)
    return found


def bots_of(directory: Path) -> list[str]:
    """Name the bots of a log, none if it cannot be read."""
    with suppress(EngineError), LogReader.open(directory) as reader:
        return list(bot_ids(reader))
    return []


def is_confirmed(directory: Path) -> bool:
    """Tell whether a log is sound and no bot of it waits for a recovery: what an interrupted one left may be whole."""
    try:
        if ailment(directory) is not None:
            return False
        with LogReader.open(directory) as reader:
            return all(restore_bot(reader, name)[0].recovery is None for name in bot_ids(reader))
    except EngineError:
        return False


def carry(old: Path, new: Path) -> None:
    """Bring along what stands beside the log: backups, quarantines, and what a recovery was at."""
    for name in _FOLDERS:
        if (old / name).is_dir():
            shutil.copytree(old / name, new / name, symlinks=True)


def leave(old: Path, new: Path, wall_ms: int) -> None:
    """Leave everything as it stands to whoever comes next, as the kill of a recovery does; nothing is of the future."""
    shutil.copytree(old, new, symlinks=True, ignore=shutil.ignore_patterns(SHM_NAME, LOCK_NAME))
    for path in new.iterdir():
        if path.stat().st_mtime_ns > wall_ms * 1_000_000:
            os.utime(path, ns=(wall_ms * 1_000_000,) * 2)
